"""FSP distances: matrices by hand, distances of a network beside a plain computation, what the threshold keeps."""

import pytest
import torch
from torch import Tensor

from rlnet.attacks import AttackConfig, Pixels
from rlnet.models.building import build_specification
from rlnet.models.cell import CellNet
from rlnet.models.specifications.cell import CellSpec
from rlnet.models.specifications.cell_wiring import EDGES
from rlnet.models.specifications.robnet import LARGE, repeated
from rlnet.nas.fsp import cell_distances, deep_distance, fsp_distance, fsp_matrix, fsp_of
from rlnet.nas.sample import Candidate, Sample, below_threshold
from rlnet.training.device import resolve

SPEC = repeated(LARGE, channels=2, cells=4)


def network(spec: CellSpec = SPEC) -> CellNet:
    torch.manual_seed(0)
    return build_specification(spec, 5, (0.5,), (0.5,), "dual").eval()


@pytest.fixture
def images(generator: torch.Generator) -> Tensor:
    return torch.rand(3, 1, 8, 8, generator=generator)


def test_a_matrix_by_hand() -> None:
    """Channels (1, 2) and (3, 4) in two places, outputs 5 and 6: (1 5 + 2 6) / 2 and (3 5 + 4 6) / 2."""
    f_in, f_out = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]]), torch.tensor([[[[5.0, 6.0]]]])
    assert fsp_matrix(f_in, f_out).tolist() == [[[8.5], [19.5]]]
    double = f_in.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)  # what a reducing cell reads
    assert fsp_matrix(double, f_out).tolist() == [[[8.5], [19.5]]]


def test_a_distance_by_hand() -> None:
    """(1 + 4 + 9) and 16, in the mean over two images."""
    difference = torch.tensor([[[1.0, 2.0], [-3.0, 0.0]], [[0.0, 0.0], [0.0, 4.0]]])
    clean = torch.arange(8.0).view(2, 2, 2)
    assert fsp_distance(clean, clean + difference) == fsp_distance(clean + difference, clean) == 15
    assert fsp_distance(clean, clean) == 0


def test_unattacked_images_have_no_distance(images: Tensor) -> None:
    assert cell_distances(network(), images, images) == dict.fromkeys(range(4), 0.0)
    attack = AttackConfig(eps=Pixels(0), steps=1)
    batches = [(images, torch.zeros(3, dtype=torch.int64))]
    assert set(fsp_of(network(), batches, attack, resolve("cpu", "fp32"), 0).values()) == {0.0}


def test_distances_of_a_network(images: Tensor, generator: torch.Generator) -> None:
    """Cell by cell as by Eq. 3 and 4, along the adversarial path, which alone counts."""
    other = (images + 0.1 * torch.rand(images.shape, generator=generator)).clamp(0, 1)
    made = network()
    for path in (module for name, module in made.named_modules() if name.endswith("paths.clean")):
        path.running_mean.fill_(3.0)
    found = cell_distances(made, images, other)
    seen: list[Tensor] = []
    for module in (made.conv1, *made.cells.values()):
        module.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    with torch.no_grad():
        made(torch.cat([images, other]), mode="adversarial")
    for k in range(4):
        f_in, f_out = seen[k], seen[k + 1]
        stride = f_in.shape[-1] // f_out.shape[-1]
        f_in = f_in.unfold(2, stride, stride).unfold(3, stride, stride).mean(dim=(4, 5))
        g = (f_in[:, :, None] * f_out[:, None]).mean(dim=(3, 4))
        assert found[k] == pytest.approx(float((g[:3] - g[3:]).square().sum() / 3), rel=1e-3)
        assert found[k] > 0


def test_batches_count_by_their_images(images: Tensor) -> None:
    """Two batches, each attacked from a start of its own: the mean over all images."""
    attack, compute = AttackConfig(eps=Pixels(0.1), step_size=Pixels(1), steps=1), resolve("cpu", "fp32")
    labels = torch.arange(3)
    parts = [(images[:2], labels[:2]), (images[2:], labels[2:])]
    found = fsp_of(network(), parts, attack, compute, 0)
    first = fsp_of(network(), parts[:1], attack, compute, 0)
    assert list(found) == [0, 1, 2, 3] and all(found[k] > 2 / 3 * first[k] > 0 for k in found)


def test_dead_cells_do_not_count(images: Tensor) -> None:
    """They are no cells of the network: the one after reads the one before."""
    spec = CellSpec((LARGE, ("00",) * EDGES, LARGE, LARGE), 2)
    assert list(cell_distances(network(spec), images, images)) == [0, 2, 3]


def test_the_last_half_of_the_cells() -> None:
    assert deep_distance({0: 9.0, 1: 9.0, 2: 1.0, 3: 2.0}, 4) == 1.5
    assert deep_distance({0: 9.0, 3: 2.0}, 4) == 2.0
    assert deep_distance({0: 9.0, 1: 4.0, 2: 1.0}, 3) == 2.5


def test_what_is_rejected() -> None:
    """300 networks leave 68; the order stays; at least one is left."""
    drawn = [Candidate((i,), SPEC, {}, {}, float((i * 7) % 300)) for i in range(300)]
    kept, threshold = below_threshold(drawn, 68 / 300)
    assert len(kept) == 68 and threshold == 67 and {one.distance for one in kept} == set(map(float, range(68)))
    assert [one.genes for one in kept] == sorted(one.genes for one in kept)
    assert below_threshold(drawn[:3], 0.01)[0] == drawn[:1]
    assert below_threshold(drawn, 1.0) == (drawn, None)


def test_distance_and_gap() -> None:
    """Networks whose gap grows with their distance have a rank correlation of 1; equal gaps have none."""

    def sample(gaps: list[float]) -> Sample:
        accuracies = [{"clean_accuracy": 0.9, "adversarial_accuracy": 0.9 - gap} for gap in gaps]
        candidates = [Candidate((i,), SPEC, before, {}, float(i * i)) for i, before in enumerate(accuracies)]
        return Sample([], candidates, {}, 4.0)

    assert sample([0.1, 0.2, 0.4, 0.5]).gap_correlation[0] == pytest.approx(1)
    assert sample([0.5, 0.4, 0.2, 0.1]).gap_correlation[0] == pytest.approx(-1)
    assert sample([0.25] * 4).gap_correlation == (0.0, 1.0)
