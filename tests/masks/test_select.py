"""Selection: exact counts, ties by index, and the two measures of change by hand."""

import pytest
import torch

from masks import exact_topk, mask_change, normalised_hamming, random_mask

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("levels", [1, 2, 5, 10_000])
def test_topk_is_that_of_sorting_pairs(device: str, levels: int) -> None:
    scores = torch.randint(levels, (3, 7, 5), generator=torch.Generator().manual_seed(levels)).float() - levels / 2
    order = sorted(range(105), key=lambda i: (-scores.flatten()[i].item(), i))
    for count in range(0, 106, 5):
        mask = exact_topk(scores.to(device), count)
        assert mask.shape == scores.shape
        assert mask.dtype == torch.bool
        assert mask.device.type == device
        assert mask.flatten().nonzero().flatten().tolist() == sorted(order[:count])


@pytest.mark.parametrize("device", DEVICES)
def test_both_zeros_are_equal(device: str) -> None:
    scores = torch.tensor([-0.0, 0.0, -0.0, 0.0], device=device).view(1, 2, 2)
    assert exact_topk(scores, 2).flatten().tolist() == [True, True, False, False]


def test_infinite_scores_have_an_order() -> None:
    assert exact_topk(torch.tensor([[[-torch.inf, 0, torch.inf]]]), 2).flatten().tolist() == [False, True, True]


def test_topk_refuses() -> None:
    with pytest.raises(ValueError, match="1 of the 4 scores are NaN"):
        exact_topk(torch.tensor([[[0, 1, torch.nan, 2]]]), 1)
    for count in (-1, 5):
        with pytest.raises(ValueError, match=f"cannot keep {count}"):
            exact_topk(torch.zeros(1, 2, 2), count)


@pytest.mark.parametrize("count", [0, 1, 13, 29, 30])
def test_random_mask_keeps_exactly(count: int) -> None:
    mask = random_mask((2, 3, 5), count, torch.Generator().manual_seed(0))
    assert mask.shape == (2, 3, 5)
    assert mask.dtype == torch.bool
    assert int(mask.sum()) == count


def test_random_mask_is_uniform_and_repeatable() -> None:
    generator = torch.Generator().manual_seed(0)
    kept = sum(random_mask((1, 2, 4), 3, generator).int() for _ in range(4000)) / 4000
    assert (kept - 3 / 8).abs().max() < 5 * (3 / 8 * 5 / 8 / 4000) ** 0.5
    first, second = (random_mask((4, 4, 4), 9, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first, second)


def test_random_mask_refuses() -> None:
    with pytest.raises(ValueError, match="cannot keep 9"):
        random_mask((2, 2, 2), 9, torch.Generator())


def test_change_by_hand() -> None:
    old = {"a": torch.tensor([[[True, True, False, False]]]), "b": torch.tensor([[[True, False]]])}
    new = {"a": torch.tensor([[[False, True, True, True]]]), "b": torch.tensor([[[True, False]]])}
    assert mask_change(old, new) == 2 / 4  # of a's three and b's one, two are new
    assert mask_change(new, old) == 1 / 3
    assert normalised_hamming(old, new) == normalised_hamming(new, old) == 3 / 6
    assert mask_change(old, old) == normalised_hamming(old, old) == 0
    nothing = {name: torch.zeros_like(mask) for name, mask in old.items()}
    assert mask_change(old, nothing) == 0
    assert mask_change(nothing, old) == 1
    assert normalised_hamming(old, nothing) == 3 / 6


@pytest.mark.parametrize("measure", [mask_change, normalised_hamming])
def test_change_refuses_other_sites(measure) -> None:
    mask = torch.ones(1, 2, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match="only one of them has b"):
        measure({"a": mask}, {"a": mask, "b": mask})
    with pytest.raises(ValueError, match="'a' differ in shape"):
        measure({"a": mask}, {"a": mask[:, :1]})
