"""What each party has in its memory after inferences: neither has the other's secret, and the dealer has none."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from pi_bench.model import graph
from pi_bench.model.operations import Conv
from pi_bench.parties.local import LocalParties
from pi_bench.protocols.settings import Settings
from pi_bench.wire.network import LOOPBACK

PRECISION_BITS = Settings.precision_bits
RUN = 6  # so many numbers in a row are nobody's by chance


def memory(pid: int) -> Iterator[bytes]:
    """All memory that a process has ever written to, piece by piece; the rest are the files of its libraries."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        for line in maps:
            start, end, rights = re.match(r"([0-9a-f]+)-([0-9a-f]+) (..)", line).groups()
            if rights == "rw":
                file.seek(int(start, 16))
                try:
                    yield file.read(int(end, 16) - int(start, 16))
                except OSError:
                    continue


def encodings(values: np.ndarray) -> set[bytes]:
    """The ways in which a program may hold these numbers."""
    values = values.ravel()[:RUN]
    fixed = values.astype(np.float64) * 2**PRECISION_BITS
    arrays = values.astype(np.float32), values.astype(np.float64), np.rint(fixed).astype(np.int64), fixed.astype(np.int64)
    return {array.tobytes() for array in (*arrays, np.rint(fixed), fixed.astype(np.int64).astype(np.float64))}


def holds(words: np.ndarray, pattern: bytes) -> bool:
    """Whether memory, as int32, has the pattern where a number can begin: at multiples of four bytes."""
    wanted = np.frombuffer(pattern, np.int32)
    telling = int(np.argmax(wanted != 0))  # a word that is not everywhere
    starts = np.flatnonzero(words == wanted[telling]) - telling
    starts = starts[(starts >= 0) & (starts + len(wanted) <= len(words))]
    for offset, word in enumerate(wanted):
        starts = starts[words[starts + offset] == word]
    return len(starts) > 0


def found(pid: int, secrets: dict[str, np.ndarray]) -> set[str]:
    """The secrets that a process has in its memory."""
    patterns = {name: encodings(values) for name, values in secrets.items()}
    names = set()
    for piece in memory(pid):
        words = np.frombuffer(piece, np.int32)
        names |= {name for name, ways in patterns.items() if any(holds(words, pattern) for pattern in ways)}
    return names


def test_each_party_holds_its_own_secret_only(make_student: Callable[..., Path], tmp_path: Path) -> None:
    """A layer's weights are found at the server, images and logits at the client, so the search can find them."""
    model, images = make_student(), np.random.default_rng(0).random((2, 1, 8, 8), np.float32)
    np.savez(tmp_path / "images.npz", images=images)
    loaded = graph.load(model)
    convs = [operation for operation in loaded.architecture.operations if isinstance(operation, Conv)]
    secrets = {"weights": loaded.weights[convs[-1].name].weight, "images": images[1]}
    with LocalParties(model, tmp_path / "images.npz", Settings(), LOOPBACK) as parties:
        for index in (0, 1):
            secrets["logits"] = parties.infer([index], LOOPBACK).logits
        known = {role: found(pid, secrets) for role, pid in parties.pids.items()}
    assert known == {"server": {"weights"}, "client": {"images", "logits"}, "dealer": set()}
