"""Attacks by name: "fgsm", "pgd-20", "autoattack", or several in a chain, "pgd-20+square"."""

from functools import partial

from rlnet.attacks import names
from rlnet.attacks.apgd import AutoPGD, TargetedAutoPGD
from rlnet.attacks.deepfool import DeepFool
from rlnet.attacks.ensemble import Stage
from rlnet.attacks.fab import TargetedFAB
from rlnet.attacks.gradient_sign import GradientSign
from rlnet.attacks.losses import dlr, margin
from rlnet.attacks.names import AttackName, parse_attack
from rlnet.attacks.square import Square

MI_FGSM_STEPS = 10  # Dong et al. 2018, Sec. 4.1
CW_STEPS = 30  # of the L-infinity CW loss by PGD: Wang et al. 2020 (MART, ICLR), and others after them
AUTOATTACK = dict(zip(names.AUTOATTACK, (AutoPGD(), TargetedAutoPGD(), TargetedFAB(), Square(horizon=10_000)), strict=True))
_FIXED: dict[str, tuple[Stage, ...]] = {
    "deepfool": (("deepfool", DeepFool()),),
    "apgd-ce": (("apgd-ce", AutoPGD()),),
    "apgd-dlr": (("apgd-dlr", AutoPGD(dlr)),),
    "apgd-t": (("apgd-t", TargetedAutoPGD()),),
    "fab-t": (("fab-t", TargetedFAB()),),
    "square": (("square", Square()),),
    "autoattack": tuple(AUTOATTACK.items()),
}


def named(name: str, step_fraction: float = 0.25, stop_early: bool = True) -> tuple[Stage, ...]:
    """The attacks that a name stands for, as stages (name, attack) in order; names joined by "+" make a chain.

    step_fraction: length of the steps of PGD and CW, in units of eps (FGSM takes one of eps, MI-FGSM steps of eps / steps).
    stop_early: False for images to be tried on other networks, see `GradientSign`.

    Raises ValueError for a name that is not known, for a stage that is there twice, and where stop_early is False for an
    attack that doesn't follow the gradient's sign.
    """
    return tuple(stage for one in parse_attack(name) for stage in _stages(one, step_fraction, stop_early))


def _stages(name: AttackName, step_fraction: float, stop_early: bool) -> tuple[Stage, ...]:
    sign = partial(GradientSign, stop_early=stop_early)
    match name.kind:
        case "fgsm":
            return ((name.text, sign(1, 1.0, random_start=False)),)
        case "pgd":
            return ((name.text, sign(name.n, step_fraction, name.restarts or 1)),)
        case "mi-fgsm":
            steps = name.n or MI_FGSM_STEPS
            return ((name.text, sign(steps, 1 / steps, random_start=False, momentum=1.0)),)
        case "cw":
            return ((name.text, sign(name.n or CW_STEPS, step_fraction, loss=margin)),)
    if not stop_early:
        raise ValueError(f"{name.text} can only stop early; what is made for other networks needs fgsm, pgd-N, mi-fgsm or cw")
    return ((name.text, Square(name.n)),) if name.kind == "square" and name.n else _FIXED[name.kind]
