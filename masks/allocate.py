"""How many ReLUs each site keeps: water-filling of a sensitivity vector, exact to the unit.

SENet (Kundu et al., ICLR 2023) gives every site a share of the budget in proportion to its sensitivity, caps it at the
site's size and hands the surplus to the others. Its text could not be had; most of the splits that RLNet publishes
follow this.
"""

import math
from collections.abc import Sequence
from fractions import Fraction


def water_level(sensitivity: Sequence[Fraction], capacities: Sequence[int], budget: int) -> Fraction:
    """The level kappa of the water, as an exact fraction.

        sum_l min(n_l, kappa * eta_l) = budget

    sensitivity: eta_l > 0; capacities: n_l >= 0, in ReLUs, one per site; budget: at most their sum. Takes O(S log S).
    """
    # Site l is full from level n_l / eta_l on; fill in that order until the rest of the budget fills no further site.
    dry, unspent = sum(sensitivity), budget
    for eta, n in sorted(zip(sensitivity, capacities, strict=True), key=lambda site: site[1] / site[0]):
        if n * dry >= unspent * eta:
            return Fraction(unspent) / dry
        dry, unspent = dry - eta, unspent - n
    assert unspent == 0, f"the budget is {unspent} above the capacities"
    return Fraction(0)


def largest_remainder(shares: Sequence[Fraction]) -> list[int]:
    """Whole numbers beside `shares` with the same sum, which must be whole (Hamilton's method).

    Each share is rounded down; the largest remainders, the lowest index first among equals, are rounded up instead.
    """
    counts = [math.floor(share) for share in shares]
    missing = sum(shares) - sum(counts)
    by_remainder = sorted(range(len(shares)), key=lambda site: counts[site] - shares[site])  # sorted() is stable
    for site in by_remainder[: int(missing)]:
        counts[site] += 1
    return counts


def waterfill(sensitivity: Sequence[float], capacities: Sequence[int], budget: int) -> list[int]:
    """How many ReLUs each of S sites keeps (SENet, Kundu et al. 2023, Algorithm 1, as reconstructed).

        r_l = min(n_l, kappa * eta_l),   sum_l r_l = budget, exactly

    sensitivity: eta_l >= 0, a site's share and not its ReLUs' (a site of twice the size gets no more for it), of any
    scale; capacities: n_l in ReLUs; budget: in ReLUs. Sites of no sensitivity get nothing until all the others are full
    and then share by capacity. Rounding is by largest remainder, so more budget takes at most one ReLU from a site.
    Raises ValueError for a budget outside [0, sum n_l], a sensitivity that is negative or not finite, a negative
    capacity, or lengths that differ.
    """
    if len(sensitivity) != len(capacities):
        raise ValueError(f"{len(sensitivity)} sensitivities for {len(capacities)} sites; give one per site")
    for site, (eta, n) in enumerate(zip(sensitivity, capacities, strict=True)):
        if not (math.isfinite(eta) and eta >= 0):
            raise ValueError(f"the sensitivity of site {site} is {eta}; it must be finite and not negative")
        if n < 0:
            raise ValueError(f"the capacity of site {site} is {n}; it must not be negative")
    if not 0 <= budget <= sum(capacities):
        raise ValueError(f"a budget of {budget} ReLUs is outside 0 ... {sum(capacities)}, what the sites hold")

    etas = [Fraction(eta) for eta in sensitivity]
    first = [site for site, eta in enumerate(etas) if eta > 0]
    last = [site for site, eta in enumerate(etas) if eta == 0]
    spent = min(budget, sum(capacities[site] for site in first))
    shares = [Fraction(0)] * len(etas)
    for sites, weights, part in ((first, etas, spent), (last, capacities, budget - spent)):
        sites = [site for site in sites if capacities[site] > 0]
        kappa = water_level([Fraction(weights[site]) for site in sites], [capacities[site] for site in sites], part)
        for site in sites:
            shares[site] = min(Fraction(capacities[site]), kappa * weights[site])
    counts = largest_remainder(shares)
    assert sum(counts) == budget
    assert all(0 <= r <= n for r, n in zip(counts, capacities, strict=True))
    return counts
