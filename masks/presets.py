"""The sensitivity vectors that RLNet published, by name: <network>-<budget>.

Source: sensitivity_list.yaml of RLNet's public code (Sarkar et al. 2024, arXiv:2402.05521): the part s_l of a site's
ReLUs that is kept, sites in forward order. Plain names are for 32x32 images, tiny for 64x64, imagenet for 224x224 with
the stem's site ahead of a max-pool. Nearly all follow the water-filling of one vector per network; resnet18-50k and
resnet18-82k were made by hand.
"""

from collections.abc import Sequence

# fmt: off
KEEP_FRACTIONS: dict[str, tuple[float, ...]] = {
    "resnet18-25k": (
        0.004, 0.01, 0.01, 0.01, 0.011, 0.027, 0.038, 0.04, 0.042, 0.102, 0.124, 0.126, 0.13, 0.28, 0.30, 0.30, 0.30),
    "resnet18-50k": (
        0.02, 0.025, 0.03, 0.025, 0.025, 0.05, 0.05, 0.05, 0.05, 0.25, 0.25, 0.25, 0.25, 0.5, 0.6, 0.6, 0.6),
    "resnet18-82k": (
        0.01, 0.11, 0.14, 0.19, 0.21, 0.03, 0.03, 0.03, 0.03, 0.1, 0.14, 0.19, 0.34, 0.35, 0.76, 0.83, 0.85),
    "resnet18-100k": (
        0.00967, 0.0313, 0.036, 0.04236, 0.0466, 0.12, 0.165, 0.172, 0.188, 0.45555, 0.5505, 0.56, 0.583, 1, 1, 1, 1),
    "resnet18-120k": (
        0.012, 0.040, 0.046, 0.055, 0.060, 0.155, 0.214, 0.223, 0.244, 0.59, 0.714, 0.726, 0.756, 1, 1, 1, 1),
    "resnet18-150k": (
        0.02, 0.055, 0.062, 0.074, 0.081, 0.2, 0.28, 0.30, 0.32, 0.79, 0.96, 0.97, 1, 1, 1, 1, 1),
    "resnet34-25k": (
        0.004, 0.0032, 0.0032, 0.0031, 0.0030, 0.0031, 0.0031, 0.012, 0.013, 0.0123, 0.01220703125, 0.013, 0.015, 0.016,
        0.018, 0.054, 0.049, 0.055, 0.060, 0.061, 0.065, 0.065, 0.069, 0.069, 0.071, 0.072, 0.073, 0.152, 0.146, 0.152,
        0.152, 0.153, 0.152),
    "resnet34-50k": (
        0.003, 0.00467, 0.0048, 0.00565, 0.0065, 0.0071, 0.008, 0.0276, 0.0122, 0.029, 0.032, 0.0338, 0.0372, 0.03846,
        0.0419, 0.1146, 0.0538, 0.11776, 0.1246, 0.127, 0.1336, 0.135, 0.14, 0.14, 0.144, 0.1434, 0.1466, 0.30432,
        0.223, 0.3055, 0.30555, 0.3064, 0.3058),
    "resnet34-80k": (
        0.003, 0.0074, 0.0076, 0.00896, 0.0103, 0.0112, 0.013, 0.044, 0.0153, 0.04625, 0.0512, 0.054, 0.0595, 0.06154,
        0.067, 0.184, 0.086, 0.18867, 0.1997, 0.20385, 0.2141, 0.2161, 0.224, 0.224, 0.23, 0.23, 0.235, 0.488, 0.3573,
        0.49, 0.49, 0.49, 0.49),
    "resnet34-200k": (
        0.0042, 0.0199, 0.0204, 0.024, 0.0276, 0.03, 0.0345, 0.1174, 0.041, 0.123, 0.1364, 0.144, 0.158, 0.1636, 0.1783,
        0.48755, 0.229, 0.5, 0.53, 0.54, 0.57, 0.574, 0.6, 0.6, 0.612, 0.61, 0.623, 1, 0.95, 1, 1, 1, 1),
    "wrn22_8-240k": (
        0.04, 0.02, 0.046, 0.056, 0.062, 0.069, 0.075, 0.16, 0.20, 0.22, 0.24, 0.245, 0.254, 0.512, 0.552, 0.567, 0.566,
        0.57, 0.57),
    "wrn22_8-300k": (
        0.0443, 0.025, 0.056, 0.070, 0.077, 0.0855, 0.0943, 0.205, 0.257, 0.281, 0.294, 0.306, 0.317, 0.64, 0.691, 0.71,
        0.70, 0.71, 0.71),
    "resnet18-imagenet-300k": (
        0.004, 0.031, 0.035, 0.041, 0.045, 0.12, 0.16, 0.17, 0.18, 0.44, 0.534, 0.54, 0.57, 1, 1, 1, 1),
    "resnet18-tiny-150k": (
        0.003270718065256496, 0.010608759498900427, 0.012179842178100765, 0.014342056569150302, 0.015783532827907797,
        0.040609484179082715, 0.05588723586029576, 0.058383739971179016, 0.0637157796338261, 0.15423875017588157,
        0.1863831175927745, 0.18943716640052768, 0.1973712129575226, 0.43073389115378513, 0.45327790020226505,
        0.45713685228594286, 0.4577633491625338),
}
# fmt: on
KEEP_FRACTIONS["resnet18-tiny-300k"] = tuple(2 * s for s in KEEP_FRACTIONS["resnet18-tiny-150k"])


def preset_sensitivity(name: str, capacities: Sequence[int]) -> list[float]:
    """The published vector of this name as `waterfill` takes it: a share for each of S sites.

        eta_l = s_l * n_l

    capacities: n_l, the ReLUs of each site in forward order. Water-filled at the budget sum s_l n_l it gives the
    published counts. Raises ValueError for a name that is not in `KEEP_FRACTIONS`, or another number of sites.
    """
    if name not in KEEP_FRACTIONS:
        raise ValueError(f"no preset is called {name!r}; there are {', '.join(KEEP_FRACTIONS)}")
    fractions = KEEP_FRACTIONS[name]
    if len(fractions) != len(capacities):
        raise ValueError(f"preset {name!r} is for a network of {len(fractions)} ReLU sites, this one has {len(capacities)}")
    return [s * n for s, n in zip(fractions, capacities, strict=True)]
