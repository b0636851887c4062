"""The parts of an evaluation and how they are done: batch by batch, by several processes, each batch once for ever."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rlnet.attacks import Draws
from rlnet.data import ImageSet
from rlnet.data.batches import evaluation_batch
from rlnet.evaluation.journal import Journal, Outcome
from rlnet.progress import bar
from rlnet.seeds import seed_of
from rlnet.training import distributed

VERSION = 1  # of what parts measure; outcomes of another version are done again
Measure = Callable[[Tensor, Tensor, Draws], dict[str, Tensor]]
"""Images (B, C, H, W), labels (B,) and the batch's random numbers to what is found of each image: tensors (B,) by name."""


@dataclass(frozen=True)
class Part:
    """A part of an evaluation.

    name: what it is called, once in an evaluation. settings: all that its outcomes depend on beside the network, the images
    and the seed. measure: what is found of a batch. passes: roughly how many forward and backward passes an image takes.
    images_key: changes with the images, where that can be told without reading them.
    """

    name: str
    settings: str
    images: ImageSet
    measure: Measure
    passes: int
    batch_size: int
    images_key: str | None = None


@dataclass(frozen=True)
class Piece:
    """One batch of a part: images start to stop."""

    part: Part
    key: str
    start: int
    stop: int


def pieces_of(part: Part, network: str, seed: int) -> list[Piece]:
    """The batches of a part. network: its fingerprint."""
    images = part.images_key or part.images.fingerprint
    about = f"{VERSION}\n{network}\n{images}\n{seed}\n{part.name}\n{part.settings}\n{part.batch_size}"
    key = hashlib.sha256(about.encode()).hexdigest()[:24]
    starts = range(0, len(part.images), part.batch_size)
    return [Piece(part, f"{key}-{start}", start, min(start + part.batch_size, len(part.images))) for start in starts]


def do(
    parts: list[Part],
    network: str,
    seed: int,
    journal: Journal,
    device: torch.device,
    name: str,
    note: Callable[[Part, dict[str, Tensor]], str | None] = lambda part, found: None,
) -> list[dict[str, Tensor]]:
    """Does what the journal lacks, the ranks sharing the pieces; returns each part's outcomes, tensors (N,) by name.

    Random numbers depend on the seed, the part's name and a piece's place in it, not on the ranks or on what was done before.
    network: its fingerprint. note: what the progress says of a part that is done.
    """
    of_parts = [pieces_of(part, network, seed) for part in parts]
    pieces = list({piece.key: piece for of_part in of_parts for piece in of_part}.values())  # two parts may be the same
    known: dict[str, Outcome] = {}
    for found in distributed.gather(journal.found):
        known |= found
    todo = [piece for piece in pieces if piece.key not in known]
    mine = todo[distributed.rank() :: distributed.world_size()]
    with bar(name, _effort(pieces), _effort(pieces) - _effort(todo), as_percentage=True) as progress:
        for piece in mine:
            outcome = _outcome(piece, seed, device)
            journal.add(piece.key, outcome)
            progress.advance(_effort([piece]) * distributed.world_size())
            if text := _note_of(piece, pieces, journal.found, note):
                progress.note(text)
    for found in distributed.gather({piece.key: journal.found[piece.key] for piece in mine}):
        known |= found
    return [_joined([known[piece.key] for piece in of_part]) for of_part in of_parts]


def _effort(pieces: list[Piece]) -> int:
    return sum((piece.stop - piece.start) * piece.part.passes for piece in pieces)


def _outcome(piece: Piece, seed: int, device: torch.device) -> Outcome:
    index = torch.arange(piece.start, piece.stop)
    x, labels = evaluation_batch(piece.part.images, index)
    x = x.to(device).contiguous(memory_format=torch.channels_last)
    try:
        with torch.no_grad():
            found = piece.part.measure(x, labels.to(device), Draws(seed_of(seed, piece.start), len(x), device))
    except FloatingPointError as error:
        raise FloatingPointError(f"{piece.part.name}, test images {piece.start} to {piece.stop - 1}, {error}") from error
    return {name: _listed(values) for name, values in found.items()}


def _listed(values: Tensor) -> list:
    """As JSON keeps them: bools as 0 and 1, float32 with the nine digits that tell every two of them apart."""
    if not values.is_floating_point():
        return values.long().tolist()
    return [float(f"{value:.9g}") for value in values.tolist()]


def _joined(outcomes: list[Outcome]) -> dict[str, Tensor]:
    return {name: torch.tensor([value for outcome in outcomes for value in outcome[name]]) for name in outcomes[0]}


def _note_of(piece: Piece, pieces: list[Piece], found: dict[str, Outcome], note: Callable) -> str | None:
    """What is to be said after a piece: of its part if that was the last of it here, nothing otherwise."""
    of_part = [other for other in pieces if other.part is piece.part]
    if piece is not of_part[-1] or any(other.key not in found for other in of_part):
        return None
    return note(piece.part, _joined([found[other.key] for other in of_part]))
