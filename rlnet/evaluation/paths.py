"""The classifiers of a network: one constant function for each batch-norm path, and the automatic switch between them."""

import copy
import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rlnet.attacks import Classifier
from rlnet.models import ModeNetwork, Switch, frozen

PATHS = ("normal", "adversarial")


@dataclass(frozen=True)
class Paths:
    """The classifiers of a network by mode; a network with one path has one, whatever its mode is called.

    by_path: images (B, C, H, W) in [0, 1] to logits (B, K). switch: what mode "auto" does, where that is a mode.
    """

    by_path: dict[str, Classifier]
    switch: Switch | None

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes that are evaluated."""
        return (*self.by_path, *(["auto"] if self.switch is not None else []))

    def classifier(self, mode: str) -> Classifier:
        """The classifier of a mode."""
        return self.by_path[mode] if mode != "auto" else lambda x: self.logits(x)["auto"]

    def logits(self, x: Tensor) -> dict[str, Tensor]:
        """The logits (B, K) of every mode; each path computes once."""
        found = {path: classifier(x) for path, classifier in self.by_path.items()}
        if self.switch is not None:
            found["auto"] = self.switch.logits(found["normal"], found["adversarial"])
        return found


def has_two_paths(network: nn.Module) -> bool:
    """Whether the network computes something else in mode "adversarial" than in mode "normal"; a foreign one does not."""
    return isinstance(network, ModeNetwork) and network.has_two_paths


@contextmanager
def open_paths(network: nn.Module, paths: tuple[str, ...], switch: Switch | None = None) -> Iterator[Paths]:
    """Within the context the network's classifiers, each a frozen copy; the network itself is left alone.

    paths: "normal", "adversarial" or both; a network with one path is opened under the first of these names. A module of other
    code is called as module(x), in eval mode.
    """
    if not has_two_paths(network):
        paths = paths[:1]
    with ExitStack() as stack:
        copies = {}
        for path in paths:
            copies[path] = copy.deepcopy(network).to(memory_format=torch.channels_last)
            stack.enter_context(frozen(copies[path], path, torch.float32))
        yield Paths(copies, switch)


def fingerprint(network: nn.Module) -> str:
    """A text that changes with any weight, statistic or mask of the network, or with its architecture."""
    digest = hashlib.sha256(str(network).encode())
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
