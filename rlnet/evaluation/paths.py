"""The classifiers of a network: one constant function for each batch-norm path, and the automatic switch between them."""

import copy
import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from rlnet.attacks import Classifier
from rlnet.evaluation.finite import finite, logits_of
from rlnet.models import ModeNetwork, Switch, frozen
from rlnet.training.config import Precision

PATHS = ("normal", "adversarial")


@dataclass(frozen=True)
class Paths:
    """The classifiers of a network by mode; a network with one path has one, whatever its mode is called.

    by_path: images (B, C, H, W) in [0, 1] to logits (B, K). switch: what mode "auto" does, where that is a mode. rough: the
    same as by_path, computed in bf16; None where attacks search in fp32 too.
    """

    by_path: dict[str, Classifier]
    switch: Switch | None
    rough: dict[str, Classifier] | None = None

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes that are evaluated."""
        return (*self.by_path, *(["auto"] if self.switch is not None else []))

    def classifier(self, mode: str) -> Classifier:
        """The classifier of a mode."""
        return self.by_path[mode] if mode != "auto" else lambda x: self.logits(x)["auto"]

    def search(self, mode: str) -> Classifier | None:
        """What attacks on a mode search with in place of its classifier; None for the classifier itself."""
        return None if self.rough is None else replace(self, by_path=self.rough).classifier(mode)

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
def open_paths(
    network: nn.Module, paths: tuple[str, ...], switch: Switch | None = None, search: Precision = "fp32"
) -> Iterator[Paths]:
    """Within the context the network's classifiers, each a frozen copy; the network itself is left alone.

    paths: "normal", "adversarial" or both; a network with one path is opened under the first of these names. A module of other
    code is called as module(x), in eval mode. search: in what attacks compute while they search. A classifier raises ValueError
    where the network returns no tensor, and FloatingPointError where its logits are not finite.
    """
    if not has_two_paths(network):
        paths = paths[:1]
    with ExitStack() as stack:

        def opened(path: str, dtype: torch.dtype) -> Classifier:
            its_copy = copy.deepcopy(network).to(memory_format=torch.channels_last)
            stack.enter_context(frozen(its_copy, path, dtype))
            classifier, where = its_copy, f"mode {path}"
            if dtype == torch.bfloat16:
                classifier, where = _in_bf16(its_copy), f"{where}, searched in bf16"
            return lambda x: finite(logits_of(classifier(x)), where)

        exact = {path: opened(path, torch.float32) for path in paths}
        rough = {path: opened(path, torch.bfloat16) for path in paths} if search == "bf16" else None
        yield Paths(exact, switch, rough)


def _in_bf16(network: nn.Module) -> Classifier:
    """The network with its convolutions and products in bf16; logits in fp32."""

    def classifier(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            return logits_of(network(x)).float()

    return classifier


def fingerprint(network: nn.Module) -> str:
    """A text that changes with any weight, statistic or mask of the network, or with its architecture."""
    digest = hashlib.sha256(str(network).encode())
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
