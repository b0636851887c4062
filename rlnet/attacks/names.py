"""Attacks as people write them: "fgsm", "pgd-20", "pgd-20x5", "autoattack", or several in a chain, "pgd-20+square".

What a name means as an attack is in `rlnet.attacks.named`; here names are read and checked, which needs no torch.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches

AUTOATTACK = ("apgd-ce", "apgd-t", "fab-t", "square")
FIXED = ("deepfool", "apgd-ce", "apgd-dlr", "apgd-t", "fab-t", "square", "autoattack")
SIGN = ("fgsm", "pgd", "mi-fgsm", "cw")
"""The kinds that follow the gradient's sign, whose images can be tried on other networks."""
LEAST_CLASSES = {"apgd-dlr": 3, "apgd-t": 4}
"""How many classes an attack's loss compares, where that is more than the two that every classifier has."""
_COUNTED = re.compile(r"(?P<kind>[a-z-]+?)(-(?P<n>[1-9]\d*)(x(?P<restarts>[1-9]\d*))?)?")
_KNOWN = f"fgsm, pgd-N, pgd-NxR, mi-fgsm, mi-fgsm-N, cw, cw-N, {', '.join(FIXED)}, square-N (N steps or queries, R restarts)"
_EXAMPLES = ["fgsm", "pgd-20", "pgd-20x5", "mi-fgsm", "mi-fgsm-10", "cw", "cw-30", "square-1000", *FIXED]


@dataclass(frozen=True)
class AttackName:
    """One attack of a chain, as written. n: its steps or queries, restarts: how often it starts; None where not said."""

    text: str
    kind: str
    n: int | None
    restarts: int | None

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of its stages: one, or those of the ensemble."""
        return AUTOATTACK if self.kind == "autoattack" else (self.text,)

    @property
    def follows_sign(self) -> bool:
        """Whether it follows the gradient's sign."""
        return self.kind in SIGN


def parse_attack(name: str) -> tuple[AttackName, ...]:
    """The attacks that a name stands for, in order. Raises ValueError for an unknown one, or a stage twice."""
    found = tuple(_one(part) for part in name.split("+"))
    stages = [stage for one in found for stage in one.stages]
    for stage in stages:
        if stages.count(stage) > 1:
            raise ValueError(f"the attack {name!r} has the stage {stage!r} twice; leave one out")
    return found


def check_classes(name: str, classes: int) -> None:
    """Raises ValueError where an attack needs more classes than there are."""
    for one in parse_attack(name):
        for stage in one.stages:
            if (least := LEAST_CLASSES.get(stage, 2)) > classes:
                part = "" if stage == name else f" ({stage} is a part of it)"
                raise ValueError(
                    f"the attack {name}{part} compares {least} classes, but there are {classes}; "
                    "use pgd-N, apgd-ce, fab-t or square in its place"
                )


def _one(text: str) -> AttackName:
    counted = _COUNTED.fullmatch(text)
    kind, n, restarts = counted.group("kind", "n", "restarts") if counted else (text, None, None)
    found = AttackName(text, kind, n and int(n), restarts and int(restarts))
    match found:
        case AttackName(kind="fgsm", n=None) | AttackName(kind="pgd", n=int()):
            return found
        case AttackName(kind="mi-fgsm" | "cw" | "square", restarts=None):
            return found
    if text in FIXED:
        return found
    close = get_close_matches(text.lower(), _EXAMPLES, 1)
    raise ValueError(f"there is no attack {text!r}{f', did you mean {close[0]}?' if close else ''}; known: {_KNOWN}")
