"""What the outcomes of a whole evaluation say: accuracies by mode with their intervals, from images right or wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rlnet.accuracy import Hits
from rlnet.attacks import ROBUST, WRONG, Pixels

Found = dict[str, Tensor]


def hits(right: Tensor) -> Hits:
    """From whether each image is right, (N,)."""
    return Hits(int(right.bool().sum()), len(right))


@dataclass(frozen=True)
class Outcomes:
    """The outcomes of the parts of an evaluation, by what they are.

    clean: of "clean". corrupted: by corruption and severity. attacked: by mode and attack, at the main eps. curve: by mode,
    attack and eps. crafted: by origin (a path, or "source") and attack. adaptive: of mode "auto". stages: those of each attack.
    """

    clean: Found
    corrupted: Mapping[tuple[str, int], Found]
    attacked: Mapping[tuple[str, str], Found]
    curve: Mapping[tuple[str, str, Pixels], Found]
    crafted: Mapping[tuple[str, str], Found]
    adaptive: Found | None
    stages: Mapping[str, tuple[str, ...]]

    @property
    def modes(self) -> tuple[str, ...]:
        return tuple(mode for mode in ("normal", "adversarial", "auto") if mode in self.clean)

    def corruptions_of(self, mode: str) -> dict[str, list[float]]:
        """The accuracy at every severity that was measured, by corruption."""
        found: dict[str, list[float]] = {}
        for (name, _), outcome in sorted(self.corrupted.items(), key=lambda item: item[0][1]):
            found.setdefault(name, []).append(hits(outcome[mode]).accuracy)
        order = [name for name, _ in self.corrupted]
        return {name: found[name] for name in dict.fromkeys(order)}

    def robust(self, mode: str, attack: str) -> Tensor:
        """Whether the mode is right on each attacked image whatever the attack does, bool (N,)."""
        return self.attacked[mode, attack]["fooled_by"] == ROBUST

    def stage_accuracies(self, mode: str, attack: str) -> dict[str, float]:
        """The robust accuracy after each stage of an attack, "clean" before the first."""
        fooled_by, names = self.attacked[mode, attack]["fooled_by"], self.stages[attack]
        found = {"clean": hits(fooled_by != WRONG).accuracy}
        for index, name in enumerate(names):
            is_left = (fooled_by == ROBUST) | (fooled_by > index)
            found[name] = hits(is_left).accuracy
        return found

    def under_adaptive(self) -> Tensor:
        """Whether mode "auto" is right on each image under the attacks that know its switch, bool (N,)."""
        return ~(self.adaptive["normal"].bool() | self.adaptive["adversarial"].bool())

    def worst_case(self, mode: str) -> Tensor | None:
        """Whether the mode is right on each image whatever any of the attacks does, those made on the other path too."""
        found = [outcome["fooled_by"] == ROBUST for (its_mode, _), outcome in self.attacked.items() if its_mode == mode]
        found += [outcome[mode].bool() for (origin, _), outcome in self.crafted.items() if origin != "source"]
        if mode == "auto" and self.adaptive is not None:
            found.append(self.under_adaptive())
        return torch.stack(found).all(dim=0) if found else None


def with_interval(right: Tensor) -> dict[str, Any]:
    """An accuracy with its 95% interval and its number of images, for a card."""
    found = hits(right)
    return {"accuracy": found.accuracy, "ci95": [round(end, 4) for end in found.ci95], "n": found.n}
