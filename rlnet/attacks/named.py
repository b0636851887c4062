"""Attacks by name: "fgsm", "pgd-20", "autoattack", or several in a chain, "pgd-20+square"."""

import re
from difflib import get_close_matches
from functools import partial

from rlnet.attacks.apgd import AutoPGD, TargetedAutoPGD
from rlnet.attacks.deepfool import DeepFool
from rlnet.attacks.ensemble import Stage
from rlnet.attacks.fab import TargetedFAB
from rlnet.attacks.gradient_sign import GradientSign
from rlnet.attacks.losses import dlr, margin
from rlnet.attacks.square import Square

MI_FGSM_STEPS = 10  # Dong et al. 2018, Sec. 4.1
CW_STEPS = 30  # of the L-infinity CW loss by PGD: Wang et al. 2020 (MART, ICLR), and others after them
AUTOATTACK = (
    ("apgd-ce", AutoPGD()),
    ("apgd-t", TargetedAutoPGD()),
    ("fab-t", TargetedFAB()),
    ("square", Square(horizon=10_000)),
)
_BY_NAME: dict[str, tuple[Stage, ...]] = {
    "deepfool": (("deepfool", DeepFool()),),
    "apgd-ce": (("apgd-ce", AutoPGD()),),
    "apgd-dlr": (("apgd-dlr", AutoPGD(dlr)),),
    "apgd-t": (("apgd-t", TargetedAutoPGD()),),
    "fab-t": (("fab-t", TargetedFAB()),),
    "square": (("square", Square()),),
    "autoattack": AUTOATTACK,
}
_COUNTED = re.compile(r"(?P<kind>[a-z-]+?)(-(?P<n>[1-9]\d*)(x(?P<restarts>[1-9]\d*))?)?")
_KNOWN = f"fgsm, pgd-N, pgd-NxR, mi-fgsm, mi-fgsm-N, cw, cw-N, {', '.join(_BY_NAME)}, square-N (N steps or queries, R restarts)"
_EXAMPLES = ["fgsm", "pgd-20", "pgd-20x5", "mi-fgsm", "mi-fgsm-10", "cw", "cw-30", "square-1000", *_BY_NAME]


def named(name: str, step_fraction: float = 0.25, stop_early: bool = True) -> tuple[Stage, ...]:
    """The attacks that a name stands for, as stages (name, attack) in order; names joined by "+" make a chain.

    step_fraction: length of the steps of PGD and CW, in units of eps (FGSM takes one of eps, MI-FGSM steps of eps / steps).
    stop_early: False for images to be tried on other networks, see `GradientSign`.

    Raises ValueError for a name that is not known, for a stage that is there twice, and where stop_early is False for an
    attack that doesn't follow the gradient's sign.
    """
    stages = tuple(stage for part in name.split("+") for stage in _stages(part, step_fraction, stop_early))
    names = [stage for stage, _ in stages]
    for stage in names:
        if names.count(stage) > 1:
            raise ValueError(f"the attack {name!r} has the stage {stage!r} twice; leave one out")
    return stages


def _stages(name: str, step_fraction: float, stop_early: bool) -> tuple[Stage, ...]:
    sign = partial(GradientSign, stop_early=stop_early)
    counted = _COUNTED.fullmatch(name)
    kind, n, restarts = counted.group("kind", "n", "restarts") if counted else (name, None, None)
    match kind, n and int(n), restarts and int(restarts):
        case "fgsm", None, None:
            return ((name, sign(1, 1.0, random_start=False)),)
        case "pgd", int(steps), times:
            return ((name, sign(steps, step_fraction, times or 1)),)
        case "mi-fgsm", steps, None:
            steps = steps or MI_FGSM_STEPS
            return ((name, sign(steps, 1 / steps, random_start=False, momentum=1.0)),)
        case "cw", steps, None:
            return ((name, sign(steps or CW_STEPS, step_fraction, loss=margin)),)
        case "square", int(queries), None:
            stages: tuple[Stage, ...] = ((name, Square(queries)),)
        case _ if name in _BY_NAME:
            stages = _BY_NAME[name]
        case _:
            close = get_close_matches(name.lower(), _EXAMPLES, 1)
            raise ValueError(f"there is no attack {name!r}{f', did you mean {close[0]}?' if close else ''}; known: {_KNOWN}")
    if not stop_early:
        raise ValueError(f"{name} can only stop early; what is made for other networks needs fgsm, pgd-N, mi-fgsm or cw")
    return stages
