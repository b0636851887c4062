"""What all parties of a secure run have to agree on beside the architecture."""

from dataclasses import asdict, dataclass

PROVIDERS = ("dealer", "insecure-first-party")
FIRST_PARTY_MAY_DEAL = {"crypten": False, "crypten-plain": True}  # the protocols by name


@dataclass(frozen=True)
class Settings:
    """What all parties have to agree on.

    provider: "dealer", or "insecure-first-party" for CrypTen's own, without a dealer. precision_bits: fractional bits of
    fixed-point numbers. batch: images in one inference.
    """

    protocol: str = "crypten"
    provider: str = "dealer"
    precision_bits: int = 16
    batch: int = 1

    def __post_init__(self) -> None:
        if self.protocol not in FIRST_PARTY_MAY_DEAL:
            raise ValueError(f"there is no protocol {self.protocol!r}; choose one of {', '.join(FIRST_PARTY_MAY_DEAL)}")
        if self.provider not in PROVIDERS:
            raise ValueError(f"there is no provider {self.provider!r}; choose {' or '.join(PROVIDERS)}")
        if self.provider != "dealer" and not FIRST_PARTY_MAY_DEAL[self.protocol]:
            raise ValueError(f"the protocol {self.protocol} needs a dealer; insecure-first-party goes with crypten-plain")
        if not 1 <= self.precision_bits <= 30:
            raise ValueError(f"precision_bits is {self.precision_bits}: choose 1 to 30, 16 is CrypTen's")
        if self.batch < 1:
            raise ValueError(f"batch is {self.batch}: at least 1 image")

    @property
    def needs_dealer(self) -> bool:
        return self.provider == "dealer"

    def arguments(self) -> list[str]:
        """The flags that say the same."""
        return [word for name, value in asdict(self).items() for word in (f"--{name.replace('_', '-')}", str(value))]
