"""Everything that a configuration asks for about a network: clean, corrupted and attacked images, both modes, the switch."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rlnet.attacks import ROBUST, AttackConfig, Classifier
from rlnet.config import plain
from rlnet.data import ImageSet
from rlnet.data.batches import evaluation_batch
from rlnet.data.corrupted_sets import CorruptedSet
from rlnet.evaluation import cards, suspicions
from rlnet.evaluation.config import FullConfig, check_fits, step_fraction
from rlnet.evaluation.finite import NotLogitsError
from rlnet.evaluation.journal import Journal
from rlnet.evaluation.paths import fingerprint, has_two_paths, open_paths
from rlnet.evaluation.plan import Source, full_parts, outcomes
from rlnet.evaluation.switching import calibrate
from rlnet.evaluation.work import Part, do
from rlnet.training import distributed
from rlnet.training.ownership import owning


def evaluate(
    network: nn.Module,
    test: ImageSet,
    config: FullConfig | None = None,
    *,
    attack: AttackConfig | None = None,
    dataset: str = "",
    held_out: ImageSet | None = None,
    corrupted: CorruptedSet | None = None,
    source: nn.Module | None = None,
    folder: Path | None = None,
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> dict[str, Any]:
    """Everything `config` asks for about a network, as the body of a card.

    network: any torch module from images (B, C, H, W) in [0, 1] to logits (B, K). One of other code has one path, which is
    called "normal" if `config.mode` names no other. test: ImageSet(images uint8 or float in [0, 1] (N, C, H, W), labels int64
    (N,)). attack: eps and step size, where the configuration names no eps; by default 8/255 and a quarter of it. dataset:
    "tiny-imagenet" divides mCE by the baseline's errors. held_out: images to calibrate the automatic switch on. corrupted: the
    benchmark's own files. source: another network, on which images are crafted too. folder: keeps what is done, so that the
    same call goes on after a kill; it tells networks apart by their weights and their printed form, so give two of the same
    weights and other code two folders.
    Raises ValueError for what does not fit together, and FloatingPointError, which says where, for outputs that are not finite.
    """
    config, attack, device = config or FullConfig(), attack or AttackConfig(), torch.device(device)
    if config.mode == "auto" and not has_two_paths(network):
        raise ValueError("the network has one path, so there is nothing to switch between; leave --mode auto out")
    if config.mode == "auto" and held_out is None:
        raise ValueError("mode auto is calibrated on held-out images; give some")
    eps, fraction = config.eps if config.eps is not None else attack.eps, step_fraction(attack)
    network, source = _on(network, device), None if source is None else _on(source, device)
    calibration: dict[str, Any] = {}
    with open_paths(network, config.paths, search=config.search) as paths, owning(folder) if folder else nullcontext():
        _check(paths.by_path[next(iter(paths.by_path))], test, device, config)
        if config.mode == "auto":
            rule, calibration = calibrate(paths, held_out, config.score, config.clean_loss, device)
            paths = replace(paths, switch=rule)
        probe, labels = (
            values.to(device) for values in evaluation_batch(test, torch.arange(min(len(test), suspicions.PROBED)))
        )
        suspected = [s for mode in paths.modes for s in suspicions.of_classifier(mode, paths.classifier(mode), probe, labels)]
        with _opened(source, config.paths[-1]) as maker, Journal(folder, distributed.rank()) as journal:
            parts = full_parts(paths, test, config, device, eps, fraction, corrupted, maker)
            done = do(list(parts.values()), fingerprint(network), seed, journal, device, "evaluate", _note)
    found = outcomes(dict(zip(parts, done, strict=True)), config.attacks)
    card = {
        "modes": {mode: cards.of_mode(found, mode, dataset) for mode in found.modes},
        "attack": {"eps": str(eps), "step_fraction": fraction},
        "curve": cards.curve(found),
        "crafted": cards.crafted(found),
        "corruptions": "made here" if corrupted is None else str(corrupted.folder.name),
        "warnings": suspected + suspicions.of_outcomes(found),
        "settings": {item.name: plain(config)[item.name] for item in fields(FullConfig)},
        "seed": seed,
    }
    return card | ({"switch": cards.switch(found, paths.switch, calibration)} if paths.switch else {})


def _on(network: nn.Module, device: torch.device) -> nn.Module:
    """The network if all of it is on the device, else a copy there."""
    tensors = (*network.parameters(), *network.buffers())
    return network if all(tensor.device == device for tensor in tensors) else copy.deepcopy(network).to(device)


@contextmanager
def _opened(network: nn.Module | None, path: str) -> Iterator[Source | None]:
    """A path of the network on which images are crafted, if there is one."""
    if network is None:
        yield None
        return
    with open_paths(network, (path,)) as paths:
        yield Source(paths.by_path[path], f"{path} {fingerprint(network)}")


def _check(classifier: Classifier, images: ImageSet, device: torch.device, config: FullConfig) -> None:
    """Raises ValueError where the network, the images and what is asked for do not fit together."""
    if not len(images):
        raise ValueError("there are no images to evaluate on; give at least 1")
    if isinstance(images.images, torch.Tensor) and images.images.dtype != torch.uint8:
        low, high = images.images.amin(), images.images.amax()
        if not (low >= 0 and high <= 1):
            raise ValueError(f"images lie in [{low:g}, {high:g}]; scale them to [0, 1]")
    x, _ = evaluation_batch(images, torch.arange(min(len(images), suspicions.PROBED)))
    with torch.no_grad():
        try:
            logits = classifier(x.to(device))
        except NotLogitsError:
            raise
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"the network cannot take images of shape {tuple(x.shape[1:])} ({error})") from error
    if logits.ndim != 2 or len(logits) != len(x):
        raise ValueError(f"the network returns {tuple(logits.shape)} for {len(x)} images; logits (B, K) are needed")
    low, high = int(images.labels.min()), int(images.labels.max())
    if low < 0 or high >= logits.shape[1]:
        raise ValueError(f"labels go from {low} to {high}, but the network tells {logits.shape[1]} classes apart")
    check_fits(config, logits.shape[1], tuple(x.shape[1:]))


def _note(part: Part, found: dict[str, torch.Tensor]) -> str | None:
    """What a finished part says of itself, beside the progress bar."""
    if "fooled_by" in found:
        return f"{part.name}: {(found['fooled_by'] == ROBUST).double().mean():.1%}"
    return None
