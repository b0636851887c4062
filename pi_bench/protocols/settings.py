"""What all parties of a secure run have to agree on beside the architecture. Commands check it first, so it imports little."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

LEAST_COMPARISON_BITS = 8  # a shorter key would not be smaller
PROVIDERS = ("dealer", "insecure-first-party")
FIRST_PARTY_MAY_DEAL = {"one-trip": False, "crypten": False, "crypten-plain": True}  # the protocols by name
PROTOCOL_NAMES = tuple(FIRST_PARTY_MAY_DEAL)


@dataclass(frozen=True)
class Settings:
    """What all parties have to agree on.

    provider: "dealer", or "insecure-first-party" for CrypTen's own, without a dealer. precision_bits: fractional bits of
    fixed-point numbers. batch: images in one inference. comparison_bits: how many bits of a value the comparisons of one-trip
    read at all sites; None leaves that to the server. site_bits: what the server has chosen, by site.
    """

    protocol: str = "one-trip"
    provider: str = "dealer"
    precision_bits: int = 13
    batch: int = 1
    comparison_bits: int | None = None
    site_bits: Mapping[str, int] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.protocol not in FIRST_PARTY_MAY_DEAL:
            raise ValueError(f"there is no protocol {self.protocol!r}; choose one of {', '.join(PROTOCOL_NAMES)}")
        if self.provider not in PROVIDERS:
            raise ValueError(f"there is no provider {self.provider!r}; choose {' or '.join(PROVIDERS)}")
        if self.provider != "dealer" and not FIRST_PARTY_MAY_DEAL[self.protocol]:
            raise ValueError(f"the protocol {self.protocol} needs a dealer; insecure-first-party goes with crypten-plain")
        if not 1 <= self.precision_bits <= 30:
            raise ValueError(f"precision_bits is {self.precision_bits}: choose 1 to 30; CrypTen has 16")
        if self.batch < 1:
            raise ValueError(f"batch is {self.batch}: at least 1 image")

        k = self.comparison_bits
        if k is not None and not LEAST_COMPARISON_BITS <= k <= self.widest_comparison:
            choice = f"{LEAST_COMPARISON_BITS} to {self.widest_comparison}, which is 64 less the precision bits"
            raise ValueError(f"comparison_bits is {k}: choose {choice}")

    @property
    def widest_comparison(self) -> int:
        """The most bits a comparison can read: what a truncation leaves of 64."""
        return 64 - self.precision_bits

    def bits_of(self, site: str) -> int:
        """How many bits of a value the comparison at a site reads."""
        return self.comparison_bits or self.site_bits.get(site, self.widest_comparison)

    def with_site_bits(self, bits: Any, sites: Iterable[str]) -> "Settings":
        """With what the server has chosen for its `sites`. Raises ValueError for what it cannot have chosen."""
        low, high = LEAST_COMPARISON_BITS, self.widest_comparison
        if not isinstance(bits, dict) or not bits.keys() <= set(sites):
            raise ValueError("comparison bits are of other sites than the network's")
        if wrong := {site: k for site, k in bits.items() if type(k) is not int or not low <= k <= high}:
            raise ValueError(f"comparison bits are from {low} to {high}, and not {wrong}")
        return replace(self, site_bits=bits)

    @property
    def flags(self) -> dict[str, Any]:
        """What a user chooses, and all parties alike."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "site_bits"}

    @property
    def needs_dealer(self) -> bool:
        return self.provider == "dealer"

    def arguments(self) -> list[str]:
        """The flags that say the same."""
        given = {name.replace("_", "-"): value for name, value in self.flags.items() if value is not None}
        return [word for name, value in given.items() for word in (f"--{name}", str(value))]
