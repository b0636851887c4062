"""The mask search: exact counts after every epoch, and what each score ranks by."""

import pytest
import torch

from masks import count_kept, exact_topk, find_sites, get_masks, linearize, random_mask
from rlnet.attacks import AttackConfig
from rlnet.data.batches import Batch
from rlnet.models import NetworkConfig, build, frozen
from rlnet.stages.mask_search import SearchObjective
from rlnet.training.config import DistillationConfig
from rlnet.training.views import ViewMaker

HALF = (0.5, 0.5, 0.5)
FIRST_SITE = "relu"


def objective(mask_seed: int, score: str, settle: float = 0.0) -> SearchObjective:
    """A search on a tiny network whose sites keep a third of their ReLUs, in random places."""
    config = NetworkConfig(width=4)
    student, teacher = build(config, 5, HALF, HALF, seed=1), build(config, 5, HALF, HALF, seed=2)
    sites = find_sites(student, torch.zeros(1, 3, 16, 16))
    counts = {name: c * h * w // 3 for name, (c, h, w) in sites.items()}
    generator = torch.Generator().manual_seed(mask_seed)
    linearize(student, {name: random_mask(sites[name], count, generator) for name, count in counts.items()})
    views = ViewMaker(("clean",), AttackConfig(), False, 0, torch.device("cpu"))
    return SearchObjective(student, teacher, views, DistillationConfig(), counts=counts, score=score, settle=settle)


def batch() -> Batch:
    generator = torch.Generator().manual_seed(5)
    x = torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8, generator=generator)
    return Batch(torch.arange(6), x, None, torch.arange(6) % 5)


def epoch(search: SearchObjective) -> dict[str, float]:
    """One batch and the end of the epoch."""
    search.network.train()
    with frozen(search.teacher, "normal"):
        search.terms(batch(), 0, 0)
    return search.end_epoch()


@pytest.mark.parametrize("score", ["mismatch", "linearized"])
def test_every_site_keeps_its_count_and_the_change_is_logged(score):
    search = objective(0, score)
    before = search.masks
    metrics = epoch(search)
    after = get_masks(search.network)
    assert {name: int(mask.sum()) for name, mask in after.items()} == search.counts
    moved = sum(int((after[name] & ~before[name]).sum()) for name in after)
    assert metrics["mask_change"] == moved / count_kept(after)


def test_mismatch_keeps_where_the_post_relu_maps_differ_most():
    """The paper's rule, recomputed from two separate forward passes of the first site's convolution."""
    search = objective(0, "mismatch")
    mask, x = search.masks[FIRST_SITE], batch().x.float() / 255
    search.network.train()
    normalised = (x - 0.5) / 0.5
    with torch.no_grad():
        student = search.network.conv1(normalised)
        student = torch.where(mask, student.relu(), student)
        search.teacher.eval()
        teacher = search.teacher.conv1(normalised).relu()
    expected = exact_topk((student - teacher).abs().sum(dim=0), search.counts[FIRST_SITE])
    epoch(search)
    assert (search.masks[FIRST_SITE] != expected).float().mean() < 0.01  # folded batch norms round differently


def test_the_linearized_score_does_not_depend_on_the_masks_and_mismatch_does():
    """Two searches that differ in their random masks only agree on the first site with one score, and not with the other."""
    agree = {}
    for score in ("mismatch", "linearized"):
        found = []
        for mask_seed in (0, 1):
            search = objective(mask_seed, score)
            epoch(search)
            found.append(search.masks[FIRST_SITE])
        agree[score] = torch.equal(*found)
    assert agree == {"mismatch": False, "linearized": True}


def test_settles_when_fewer_change_than_asked():
    """The same images and weights again: with the linearized score no first-site ReLU changes; `settle` ends the search."""
    search = objective(0, "linearized", settle=1.1)
    assert not search.settled
    epoch(search)
    assert search.settled


def test_state_round_trip():
    search, other = objective(0, "mismatch", settle=1.1), objective(3, "mismatch")
    epoch(search)
    other.load_state(search.state())
    assert other.settled
    assert all(torch.equal(mask, search.masks[name]) for name, mask in other.masks.items())
