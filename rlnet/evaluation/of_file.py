"""An evaluation of the network of a stage folder or checkpoint: on which images, against what, and where the results go."""

from pathlib import Path
from typing import Any

from rlnet.card import provenance
from rlnet.config import plain
from rlnet.data import Dataset, load
from rlnet.data.config import DataConfig
from rlnet.data.corrupted_sets import official
from rlnet.evaluation.config import EvaluateConfig
from rlnet.evaluation.full import evaluate
from rlnet.evaluation.shown import show, write
from rlnet.runs import find
from rlnet.trained import Facts, Origin, load_with_facts, origin_of
from rlnet.training import distributed
from rlnet.training.device import resolve


def evaluate_file(path: Path, config: EvaluateConfig) -> dict[str, Any]:
    """Evaluates the network of a stage folder or checkpoint; prints the tables, writes card and pictures."""
    network, facts = load_with_facts(path)
    origin = origin_of(path, facts)
    dataset = images_for(path, facts, origin, config.data)
    source = None
    if config.source is not None:
        source, its_facts = load_with_facts(config.source)
        if differences := unlike(its_facts, facts.classes, facts.image_shape):
            raise ValueError(
                f"images made on {config.source} cannot be shown to {path} ({differences}); name a network of the same data"
            )
    compute = resolve(config.device, "fp32", distributed.local_rank())
    folder = config.output or find(path).parent / "evaluation"
    try:
        card = evaluate(
            network,
            dataset.test,
            config,
            attack=origin.attack,
            dataset=dataset.name,
            held_out=dataset.validation,
            corrupted=official(config.data or origin.data, dataset.classes, dataset.image_shape, config.corruption_files),
            source=source,
            folder=folder,
            device=compute.device,
            seed=config.seed,
        )
    except FloatingPointError as error:
        raise FloatingPointError(f"{path}: {error}") from error
    about = {"kind": "evaluation", "path": str(path), "dataset": facts.dataset, "network": plain(facts.network)}
    about |= {"source": str(config.source)} if config.source else {}
    card = about | card | {"data": dataset.about} | provenance(config.seed, compute.device)
    if distributed.rank() == 0:
        write(card, folder)
        show(card, folder)
    return card


def images_for(path: Path, facts: Facts, origin: Origin, named: DataConfig | None = None) -> Dataset:
    """The images that a network was trained on and is tested on, or those that are named in their place.

    Raises ValueError where they do not fit the network, and where the training's own have changed since: then images that it
    was trained on may be among those that it is to be tested on.
    """
    config = named or origin.data
    dataset = load(config, origin.seed)
    if differences := unlike(facts, dataset.classes, dataset.image_shape):
        raise ValueError(
            f"{path} was trained on {facts.dataset}, which {config.title} is not ({differences}); choose it with "
            "--data.name and --data.root"
        )
    is_own = (config.name, Path(config.root).resolve()) == (origin.data.name, Path(origin.data.root).resolve())
    if is_own and facts.images is not None and (changes := facts.images.differences(dataset.fingerprint)):
        raise ValueError(
            f"the images have changed since {path} was trained on them ({'; '.join(changes)}). Put them back as they were, or "
            "name a folder of images that it was not trained on with --data.name folder --data.root FOLDER"
        )
    return dataset


def unlike(facts: Facts, classes: tuple[str, ...], image_shape: tuple[int, int, int]) -> str:
    """In what a network differs from data of these classes and images (C, H, W), in words; empty for nothing."""
    found = []
    missing, new = ([name for name in some if name not in others] for some, others in _both_ways(facts.classes, classes))
    if missing or new:
        parts = [f"{word} {', '.join(map(repr, names[:5]))}" for word, names in (("without", missing), ("with", new)) if names]
        found.append(f"its classes are others: {' and '.join(parts)}")
    elif facts.classes != classes:
        found.append("its classes are in another order")
    if facts.image_shape != image_shape:
        found.append(f"its images are {image_shape}, not {facts.image_shape}")
    return "; ".join(found)


def _both_ways(some: tuple[str, ...], others: tuple[str, ...]) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    return (some, others), (others, some)
