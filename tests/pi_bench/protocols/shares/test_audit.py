"""Wrapped truncations are found exactly: against the truncation itself, with shares that wrap often."""

import torch

from pi_bench.protocols.dealing.randomness import Stream
from pi_bench.protocols.shares.audit import VALUE_BITS, Notes, out_of_range, wraps
from pi_bench.protocols.shares.share import truncated


def truncations(values: torch.Tensor, bits: int) -> tuple[list[int], torch.Tensor]:
    """The images of the wraps that were noted, and by element whether the truncation of its shares really is off."""
    client = Stream(torch.tensor([1, 2])).ring(tuple(values.shape))
    server = values - client
    notes = Notes(), Notes()
    result = sum(truncated(share, bits, note) for note, share in zip(notes, (server, client), strict=True))
    off = (result - (values >> bits)).abs() > 1
    return wraps(*(note.to_json()["near"] for note in notes)), off


def test_every_wrap_is_found_and_nothing_else() -> None:
    """Values of 2^56: one in 256 wraps."""
    values = torch.full((4, 50_000), 2**56)
    values[::2] *= -1
    found, off = truncations(values, 16)
    assert 500 < len(found) == int(off.sum())
    assert [found.count(image) for image in range(4)] == off.sum(1).tolist()


def test_small_values_hardly_ever_wrap() -> None:
    found, off = truncations(torch.full((1, 200_000), 2**20), 16)
    assert not found and not off.any()


def test_how_many_are_noted() -> None:
    """A share is near the end of the range once in 2^(63 - 57) times, so that notes stay short."""
    notes = Notes()
    notes.truncated(Stream(torch.tensor([3, 4])).ring((1, 100_000)))
    expected = 100_000 / 2 ** (63 - VALUE_BITS)
    assert 0.8 * expected < len(notes.to_json()["near"]) < 1.2 * expected


def test_truncations_are_told_apart() -> None:
    """The same element of another truncation is another one."""
    assert wraps([[0, 0, 5, 1]], [[0, 1, 5, 1]]) == []
    assert wraps([[0, 0, 5, 1]], [[0, 0, 5, -1]]) == []
    assert wraps([[3, 0, 5, -1]], [[3, 0, 5, -1], [0, 0, 6, 1]]) == [3]


def test_values_out_of_range_are_counted_in_the_images_that_count() -> None:
    """Two images of three values; the second one only fills up the batch."""
    values = torch.tensor([5, -7, 3, 100, -100, 7])
    client = Stream(torch.tensor([1, 2])).ring((6,))
    notes = Notes(), Notes()
    for note, share in zip(notes, (values - client, client), strict=True):
        note.compared("site", share)
    noted = [note.to_json()["values"] for note in notes]
    assert out_of_range(*noted, {"site": 7}) == 4
    assert out_of_range(*noted, {"site": 7}, share=0.5) == 1
    assert out_of_range(*noted, {"site": 8}, share=0.5) == out_of_range(*noted, {}) == 0
