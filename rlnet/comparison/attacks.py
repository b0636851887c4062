"""How long attacks take and what they leave: ours beside those of torchattacks (Kim 2020, arXiv:2010.01950), in one run.

All attack the same network and the same images, batch by batch in turns, so that whatever else the machine does meets all.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rlnet.accuracy import Hits
from rlnet.attacks import ROBUST, Classifier, Draws, named, robust_under
from rlnet.evaluation.paths import Paths, open_paths
from rlnet.models import ModeNetwork

BF16 = "ours, searching in bf16"
FULL_STEPS = 100  # of APGD, APGD-T and FAB-T in the standard AutoAttack (Croce & Hein 2020, Sec. 6)

Reference = Callable[[Tensor, Tensor], Tensor]
"""Images (B, C, H, W) and labels (B,) to adversarial images."""

Side = Callable[[Tensor, Tensor, int], Tensor]
"""Images (B, C, H, W), labels (B,) and the place of the first one to which of them stay right, bool (B,)."""


class OneMode(nn.Module):
    """A network as other libraries want one: a module that takes images only, and whose gradient is laid out as they are."""

    def __init__(self, network: ModeNetwork, mode: str):
        super().__init__()
        self.network, self.mode = network, mode

    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad and x.is_contiguous():
            x.register_hook(Tensor.contiguous)
        return self.network(x, mode=self.mode)


def references(
    name: str, model: nn.Module, eps: float, step_fraction: float, classes: int, authors: bool = True
) -> dict[str, Reference]:
    """Other code's attack of one of our names, with the same settings where it has them; raises ValueError for other names.

    AutoAttack has three: torchattacks' as it is, which gives APGD, APGD-T and FAB-T 10 steps, the same with the 100 steps of
    the standard, and, if asked for, that of its authors.
    """
    try:
        import pyautoattack
        import torchattacks as theirs
    except ImportError as error:
        raise ValueError(f"{error.name} is not installed; install it (pip install {error.name}) to compare with it") from error
    kind, _, steps = name.partition("-") if re.fullmatch(r"pgd-\d+", name) else (name, "", "")
    if kind == "autoattack":
        as_it_is, full = (theirs.AutoAttack(model, eps=eps, n_classes=classes, seed=0) for _ in range(2))
        for stage in full._autoattack.attacks[:3]:
            stage.steps = FULL_STEPS
        found: dict[str, Reference] = {"torchattacks": as_it_is, f"torchattacks, {FULL_STEPS} steps": full}
        if authors:
            official = pyautoattack.AutoAttack(model, eps=eps, seed=0)
            found["its authors'"] = lambda x, labels: official.run_standard_evaluation(x, labels)[0]
        return found
    make: dict[str, Callable[[], Reference]] = {
        "fgsm": lambda: theirs.FGSM(model, eps=eps),
        "pgd": lambda: theirs.PGD(model, eps=eps, alpha=step_fraction * eps, steps=int(steps)),
        "mi-fgsm": lambda: theirs.MIFGSM(model, eps=eps, alpha=eps / 10, steps=10),
        "apgd-ce": lambda: theirs.APGD(model, eps=eps, steps=FULL_STEPS),
        "apgd-dlr": lambda: theirs.APGD(model, eps=eps, steps=FULL_STEPS, loss="dlr"),
        "apgd-t": lambda: theirs.APGDT(model, eps=eps, steps=FULL_STEPS, n_classes=classes),
        "fab-t": lambda: theirs.FAB(model, eps=eps, steps=FULL_STEPS, multi_targeted=True, n_classes=classes),
        "square": lambda: theirs.Square(model, eps=eps, n_queries=5000),
    }
    if kind not in make:
        known = ", ".join(key for key in make if key != "pgd")
        raise ValueError(f"{name!r} cannot be compared with torchattacks; use pgd-N, {known}, autoattack")
    return {"torchattacks": make[kind]()}


@dataclass(frozen=True)
class AttackTimer:
    """Times attacks on one mode of a network, ours and other code's in turns.

    mode: a mode that the network has. eps, step_fraction: radius in [0, 1] pixels, and the length of a step in units of it.
    batch_size: images per batch; each batch gives a ratio. seed: of random starts. authors: also time the AutoAttack of its
    authors. also_bf16: also time our attack while it searches in bf16.
    """

    network: ModeNetwork
    mode: str
    eps: float
    step_fraction: float
    batch_size: int = 250
    seed: int = 0
    authors: bool = True
    also_bf16: bool = False

    def references(self, name: str, classes: int) -> dict[str, Reference]:
        """Other code's attack of that name on this mode. Raises ValueError for a name that has none."""
        model = OneMode(self.network, self.mode).eval()
        return references(name, model, self.eps, self.step_fraction, classes, self.authors)

    def sides(self, name: str, classes: int) -> int:
        """How many attacks are timed under that name."""
        return 1 + self.also_bf16 + len(self.references(name, classes))

    def time(self, name: str, x: Tensor, labels: Tensor, advance: Callable[[], None]) -> dict[str, Any]:
        """An attack on images x (N, C, H, W), timed on all sides; part of a card.

        Milliseconds per image of each batch, on a CPU of the process's own time, to which other programs of the machine add
        nothing; of each reference their ratio to ours; the robust accuracies, each the classifier's word on the finished
        images; and on how many images ours and a reference differ. Our own search in bf16 is one of the references: its ratio
        is below 1 where it is faster. advance is called after each batch of each side.
        """
        classes = self.network(x[:1], mode=self.mode).shape[1]
        with open_paths(self.network, (self.mode,), search="bf16" if self.also_bf16 else "fp32") as paths:
            sides = {"ours": self._ours(name, paths, None)}
            if self.also_bf16:
                sides[BF16] = self._ours(name, paths, paths.search(self.mode))
            sides |= {label: self._after(attack) for label, attack in self.references(name, classes).items()}
            times, right = self._in_turns(sides, x, labels, advance)

        def of_side(label: str) -> dict[str, Any]:
            found = Hits(int(right[label].sum()), len(right[label]))
            return {"ms_per_image": times[label], "robust_accuracy": found.accuracy, "ci95": found.ci95}

        return {
            "images": len(x),
            "ours": of_side("ours"),
            "references": {
                label: of_side(label)
                | {
                    "ratio": [b / a for a, b in zip(times["ours"], times[label], strict=True)],
                    "total_ratio": sum(times[label]) / sum(times["ours"]),
                    "only_ours_robust": int((right["ours"] & ~right[label]).sum()),
                    "only_reference_robust": int((right[label] & ~right["ours"]).sum()),
                }
                for label in sides
                if label != "ours"
            },
        }

    def _ours(self, name: str, paths: Paths, search: Classifier | None) -> Side:
        stages = named(name, self.step_fraction)

        def ours(images: Tensor, labels: Tensor, start: int) -> Tensor:
            draws = Draws(self.seed + start, len(images), images.device)
            return robust_under(paths.by_path[self.mode], images, labels, stages, self.eps, draws, search)[1] == ROBUST

        return ours

    def _after(self, attack: Reference) -> Side:
        def reference(images: Tensor, labels: Tensor, start: int) -> Tensor:
            torch.manual_seed(self.seed + start)
            adversarial = attack(images.contiguous(), labels)
            with torch.no_grad():
                right = [self.network(batch, mode=self.mode).argmax(dim=1) == labels for batch in (adversarial, images)]
            return right[0] & right[1]

        return reference

    def _in_turns(
        self, sides: dict[str, Side], x: Tensor, labels: Tensor, advance: Callable[[], None]
    ) -> tuple[dict[str, list[float]], dict[str, Tensor]]:
        """Milliseconds per image of each batch, and which images (N,) stay right, by side; every other batch in reverse."""
        times: dict[str, list[float]] = {label: [] for label in sides}
        right: dict[str, list[Tensor]] = {label: [] for label in sides}
        clock = time.process_time if x.device.type == "cpu" else time.perf_counter
        for number, start in enumerate(range(0, len(x), self.batch_size)):
            images = x[start : start + self.batch_size].contiguous(memory_format=torch.channels_last)
            truth = labels[start : start + self.batch_size]
            for label in list(sides) if number % 2 else reversed(sides):
                began = clock()
                right[label].append(sides[label](images, truth, start).cpu())  # .cpu() waits for the device
                times[label].append((clock() - began) * 1e3 / len(images))
                advance()
        return times, {label: torch.cat(parts) for label, parts in right.items()}
