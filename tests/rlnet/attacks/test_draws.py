"""Draws: an image's numbers are its own, whatever is drawn for others."""

import torch

from rlnet.attacks import Draws

EVERY = torch.arange(5)


def test_rows_get_what_they_would_get_in_the_whole_batch() -> None:
    whole, part = Draws(3, 5), Draws(3, 5)
    first, second = whole.uniform(EVERY, 2, 3), whole.uniform(EVERY, 4)
    assert torch.equal(part.uniform(torch.tensor([4, 1]), 2, 3), first[[4, 1]])
    assert torch.equal(part.uniform(torch.tensor([1]), 4), second[[1]])
    assert first.shape == (5, 2, 3) and first.dtype == torch.float32
    assert first.min() >= 0 and first.max() < 1


def test_streams_depend_on_seed_and_name_only() -> None:
    draws = Draws(3, 5)
    before = draws.stream("square").uniform(EVERY, 7)
    draws.uniform(EVERY, 100)
    assert torch.equal(draws.stream("square").uniform(EVERY, 7), before)
    assert torch.equal(Draws(3, 5).stream("square").uniform(EVERY, 7), before)
    assert not torch.equal(draws.stream("pgd").uniform(EVERY, 7), before)
    assert not torch.equal(Draws(4, 5).stream("square").uniform(EVERY, 7), before)


def test_a_stream_for_some_images_gives_them_their_own_numbers() -> None:
    """Also one made from another such stream: rows count within the images that a stream is for."""
    whole = Draws(3, 5).stream("a").uniform(EVERY, 7)
    part = Draws(3, 5).stream("a", torch.tensor([0, 2, 4]))
    assert torch.equal(part.uniform(torch.arange(3), 7), whole[[0, 2, 4]])
    nested = Draws(3, 5).stream("b", torch.tensor([0, 2, 4])).stream("a", torch.tensor([2, 1]))
    direct = Draws(3, 5).stream("b").stream("a").uniform(EVERY, 7)
    assert torch.equal(nested.uniform(torch.arange(2), 7), direct[[4, 2]])


def test_torch_own_generator_is_left_alone() -> None:
    state = torch.get_rng_state()
    Draws(3, 5).stream("a").uniform(EVERY, 7)
    assert torch.equal(torch.get_rng_state(), state)
