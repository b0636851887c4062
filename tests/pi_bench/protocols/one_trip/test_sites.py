"""Which elements of a ReLU layer are opened, in which pieces, how bits travel, and where each element ends up."""

import numpy as np
import pytest
import torch

from pi_bench.model.operations import ReLU
from pi_bench.protocols.layer import Held, Layer
from pi_bench.protocols.one_trip import sites as module
from pi_bench.protocols.one_trip.gate import Gate
from pi_bench.protocols.one_trip.sites import (
    PIECE,
    Site,
    packed,
    packed_words,
    parts,
    pieces,
    sites,
    size,
    unpacked,
)
from pi_bench.protocols.settings import Settings
from pi_bench.protocols.shares.audit import Notes
from pi_bench.protocols.shares.share import Share

COUNTS = ([1], [9], [10], [11], [3, 4], [3, 7, 1], [25, 1, 9], [10, 10], [1] * 23, [7, 100, 2, 31])


@pytest.fixture
def _of_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE", 10)


@pytest.mark.usefixtures("_of_ten")
@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_pieces_cover_every_element_once_and_in_order(counts: list[int]) -> None:
    covered = [(site, index) for piece in pieces(counts) for site, part in piece for index in range(part.start, part.stop)]
    assert covered == [(site, index) for site, count in enumerate(counts) for index in range(count)]


@pytest.mark.usefixtures("_of_ten")
@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_pieces_are_as_few_as_they_can_be(counts: list[int]) -> None:
    """All are full but the last one, so that small sites are joined."""
    *full, last = [size(piece) for piece in pieces(counts)]
    assert set(full) <= {10} and 0 < last <= 10


@pytest.mark.usefixtures("_of_ten")
def test_pieces_by_hand() -> None:
    assert pieces([3, 4]) == [[(0, slice(0, 3)), (1, slice(0, 4))]]
    assert pieces([12, 9]) == [[(0, slice(0, 10))], [(0, slice(10, 12)), (1, slice(0, 8))], [(1, slice(8, 9))]]


def test_the_pieces_of_a_large_layer() -> None:
    assert [size(piece) for piece in pieces([PIECE, 5, 2 * PIECE])] == [PIECE, PIECE, PIECE, 5]


@pytest.mark.usefixtures("_of_ten")
def test_the_parts_of_a_piece_lie_one_after_the_other() -> None:
    _, piece, _ = pieces([12, 9])
    assert list(parts(piece)) == [(0, slice(10, 12), slice(0, 2)), (1, slice(0, 8), slice(2, 10))]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 63, 64, 65, 128, 1000, PIECE])
def test_bits_travel_as_words_and_come_back(count: int) -> None:
    """64 in a word, and zeros after the last one."""
    bits = np.random.default_rng(count).integers(0, 2, count, np.uint8)
    words = packed(bits)
    assert words.shape == (packed_words(count),) and words.dtype == torch.int64
    assert packed_words(count) == (count + 63) // 64
    np.testing.assert_array_equal(unpacked(words, count), bits)
    assert not unpacked(words, 64 * len(words))[count:].any()


SHAPE = (2, 3, 2)
MASK = np.array([1, 0, 0, 1, 1, 1, 0, 1, 0, 0, 0, 1], bool)
SOME = ReLU("some", ("x",), SHAPE, packed=np.packbits(MASK).tobytes())
WHOLE = ReLU("whole", ("x",), SHAPE)
BITS = 16


def site(relu: ReLU, batch: int, bits: int) -> Site:
    (found,) = sites(Layer(relu.name, (relu,), ((Held(SHAPE, bits),),), Settings(precision_bits=BITS, batch=batch)))
    return found


def test_sites_are_those_of_the_layer_in_order() -> None:
    settings = Settings(precision_bits=BITS, site_bits={"some": 20})
    found = sites(Layer("a + b", (WHOLE, SOME), ((Held(SHAPE, BITS),), (Held(SHAPE, 2 * BITS),)), settings))
    assert [(each.name, each.count, each.whole) for each in found] == [("whole", 12, True), ("some", 6, False)]
    assert [each.gate for each in found] == [Gate(0, 48), Gate(BITS, 20)]


@pytest.mark.parametrize("batch", [1, 3])
def test_the_kept_elements_of_a_share(batch: int) -> None:
    """Image by image."""
    words = torch.arange(batch * 12).reshape(batch, *SHAPE)
    expected = [12 * image + index for image in range(batch) for index in np.flatnonzero(MASK)]
    assert site(SOME, batch, BITS).of(Share(words, BITS)).tolist() == expected
    assert site(WHOLE, batch, BITS).of(Share(words, BITS)).tolist() == list(range(batch * 12))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("bits", [BITS, 2 * BITS])
@pytest.mark.parametrize("relu", [SOME, WHOLE], ids=lambda relu: relu.name)
def test_kept_and_dropped_elements_are_where_they_belong(relu: ReLU, bits: int, batch: int) -> None:
    """What was kept has come back with the right number of fractional bits; what was dropped is brought to it."""
    own = site(relu, batch, bits)
    x = torch.from_numpy(np.random.default_rng(0).integers(-(2**62), 2**62, (batch, *SHAPE)))
    before, kept = x.clone(), -1 - torch.arange(own.count)
    found = own.joined(Share(x, bits), kept, BITS, None)
    expected, left = x.numpy().copy(), iter(kept.tolist())
    for image, *place in np.ndindex(batch, *SHAPE):
        keeps = relu.mask[tuple(place)]
        value = x[(image, *place)].item()
        expected[(image, *place)] = (
            next(left) if keeps else value + 2 ** (bits - BITS - 1) >> bits - BITS if bits > BITS else value
        )
    assert found.bits == BITS and found.words.tolist() == expected.tolist()
    assert torch.equal(x, before)


def test_an_auditor_is_told_the_image_of_a_dropped_element() -> None:
    """Of 3 images the last but one has a share so near the end of the range that its truncation may wrap."""
    own, notes = site(SOME, 3, 2 * BITS), Notes()
    x = torch.zeros(3, *SHAPE, dtype=torch.int64)
    x[1, 0, 0, 1], x[1, 0, 0, 0] = 2**63 - 1, 2**63 - 1  # a dropped one and a kept one
    own.joined(Share(x, 2 * BITS), torch.zeros(own.count, dtype=torch.int64), BITS, notes)
    ((image, _, element, sign),) = notes.to_json()["near"]
    assert (image, own.dropped[element].item(), sign) == (1, 12 + 1, 1)
