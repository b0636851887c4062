"""An attack that knows the automatic switch: it wants the switch to choose a path and that path to be wrong.

An attack on one path may be sent to the other. In the manner of Carlini & Wagner (2017, arXiv:1705.07263) and Stutz et al.
(2020, arXiv:1910.06259, Sec. 4), who attack detectors, each way to fool the whole is tried, with the switch's threshold as a
part of the objective.
"""

from dataclasses import replace

from torch import Tensor

from rlnet.attacks import Draws, GradientSign
from rlnet.attacks.losses import margin
from rlnet.attacks.objective import Objective
from rlnet.evaluation.paths import Paths


def through(path: str, paths: Paths, labels: Tensor) -> Objective:
    r"""The objective of fooling mode "auto" through one path, "normal" or "adversarial".

        normal:       margin(z_normal, y) + [margin > 0] min(excess, 0)
        adversarial:  margin(z_adversarial, y) - max(excess, 0)

    excess: log-odds of the confidence over the threshold's. margin: max_{k != y} z_k - z_y, positive where the path is wrong.
    The second term pulls an image to the side of the switch that takes the path, and is 0 there. While the normal path is
    right it is left out: confidence in the right answer would hold the margin back, with score "normal" just as hard as the
    margin pulls. labels: (B,), of the whole batch.
    """

    def objective(x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        normal, adversarial = (paths.by_path[name](x) for name in ("normal", "adversarial"))
        excess = paths.switch.excess(normal, adversarial)
        wrong = paths.switch.logits(normal, adversarial).argmax(dim=1) != labels[rows]
        if path == "normal":
            lead = margin(normal, labels[rows])
            return lead + excess.clamp(max=0).where(lead > 0, 0.0), wrong
        return margin(adversarial, labels[rows]) - excess.clamp(min=0), wrong

    return objective


def can_take(path: str, paths: Paths) -> bool:
    """Whether the switch ever takes a path: a threshold of 0 never leaves the normal one, one above 1 never takes it."""
    return 0 < paths.switch.threshold <= 1 or (path == "normal") == (paths.switch.threshold == 0)


def attack_switch(paths: Paths, x: Tensor, labels: Tensor, eps: float, attack: GradientSign, draws: Draws) -> dict[str, Tensor]:
    """Whether mode "auto" is wrong on each image (B, C, H, W) under an attack through each path, bool (B,) by path.

    Images that it gets wrong as they are count as wrong under both.
    """
    attack = replace(attack, stop_early=True)
    fooled = {}
    for path in ("normal", "adversarial"):
        x_adv = x
        if can_take(path, paths):
            x_adv = attack.ascend(through(path, paths, labels), x, eps, draws.stream(f"through {path}"))
        wrong_before, wrong_after = (paths.logits(images)["auto"].argmax(dim=1) != labels for images in (x, x_adv))
        fooled[path] = wrong_before | wrong_after
    return fooled
