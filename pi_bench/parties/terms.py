"""What the parties of a secure run have to agree on."""

from dataclasses import asdict, dataclass

from pi_bench.protocols import PROTOCOLS


@dataclass(frozen=True)
class Terms:
    """What all parties have to agree on. provider: "dealer", or "insecure-first-party" for CrypTen's own, without a dealer."""

    protocol: str = "crypten"
    provider: str = "dealer"
    precision_bits: int = 16
    batch: int = 1

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"there is no protocol {self.protocol!r}; choose one of {', '.join(PROTOCOLS)}")
        if self.provider not in ("dealer", "insecure-first-party"):
            raise ValueError(f"there is no provider {self.provider!r}; choose dealer or insecure-first-party")
        if self.provider != "dealer" and not PROTOCOLS[self.protocol].allows_first_party:
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
