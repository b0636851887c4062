"""RobNets: the published sizes, the two forms' values beside a plain restatement, sub-networks of the supernet, files."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from masks import find_sites
from pi_bench.model import graph
from pi_bench.model.operations import ReLU
from rlnet.export import export
from rlnet.models import ModeNetwork, NetworkConfig, build, frozen
from rlnet.models.cell import CellSpec
from rlnet.models.cell_wiring import CODES, DIRECT, EDGES, WIRES
from rlnet.models.elastic import ELASTIC, activate, copy_part
from rlnet.models.robnet import FREE, LARGE, MEDIUM_LIKE, SMALL_LIKE, repeated
from rlnet.models.specifications import parse, read
from rlnet.models.zoo import ZOO
from rlnet.nas.cost import cost, cost_of

SHAPE = (1, 8, 8)
TINY = repeated(LARGE, channels=4, cells=4)
EMPTY = ("00",) * EDGES


def cell(**codes: str) -> tuple[str, ...]:
    """Codes of the edges named, as e3="11"; the others have none."""
    return tuple(codes.get(f"e{edge}", "00") for edge in range(EDGES))


COPIES = cell(e1="10", e2="10", e4="10", e8="01", e9="01")  # n0 is s1 and n1 is s0 + s1, n2 reads n1 and n3 reads s0
GAPS = cell(e1="01", e8="11", e11="11", e12="11", e13="10")  # n1 is zero, so is n2, and n3 is from n0
CELLS = {"large": LARGE, "copies": COPIES, "gaps": GAPS, "s0": cell(e0="10"), "s1": cell(e10="11")}


def random_spec(seed: int, channels: int = 3, density: float = 0.5, **fields: object) -> CellSpec:
    """Of one to five cells, each edge empty with a probability of 1 - density beside its even draw."""
    rng = Random(seed)
    cells = [
        tuple(rng.choice(CODES) if rng.random() < density else "00" for _ in range(EDGES)) for _ in range(rng.randint(1, 5))
    ]
    return CellSpec(tuple(cells), channels, **fields)


def made(spec: CellSpec, kind: str = "dual", seed: int = 0, **options: object) -> ModeNetwork:
    """As if trained: no batch norm is the identity, no two paths are alike."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = spec.build(5, (0.4,), (0.3,), kind, **options)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.5, 0.5)
                module.running_var.uniform_(0.5, 2.0)
    return network.eval()


@pytest.mark.parametrize(
    ("name", "parameters", "macs", "shared", "published"),
    [
        ("robnet-large", 6_842_710, 1_030_336_128, 9_363_456, 15_648_768),
        ("robnet-large-v2", 33_326_666, 5_094_615_040, 28_180_480, 45_645_824),
        ("robnet-free", 5_439_790, 780_177_024, 7_243_776, 11_796_480),
        ("robnet-large-c16l8", 617_722, 94_431_744, 1_638_400, 3_055_616),
        ("robnet-large-c8l8", 174_146, 28_013_824, 819_200, 1_527_808),
        ("robnet-large-c8l5", 115_282, 17_908_992, 503_808, 1_040_384),
    ],
)
def test_published_sizes(name: str, parameters: int, macs: int, shared: int, published: int) -> None:
    """As the authors' code has them at 32x32 with 10 classes; their paper's parameters are those with 100."""
    spec = ZOO[name]()
    for form, relus in ((spec, shared), (replace(spec, shared=False), published)):
        found = cost(form, (3, 32, 32), 10)
        assert (found.parameters, found.macs, found.relus, found.comparisons) == (parameters, macs, relus, relus)


@pytest.mark.parametrize(
    ("name", "codes", "parameters"), [("small", SMALL_LIKE, 4_411_504), ("medium", MEDIUM_LIKE, 5_666_032)]
)
def test_look_alikes_have_the_published_parameters(name: str, codes: tuple[str, ...], parameters: int) -> None:
    """4.41M and 5.66M (Guo et al. 2020, Table 1); MACs and ReLUs by the closed forms for 20 cells of 36 channels."""
    spec = replace(ZOO[f"robnet-{name}-like"](), shared=False)
    found = cost(spec, (3, 32, 32), 100)
    convs = sum(code[1] == "1" for code in codes)
    from_inputs = [code for code, (source, _) in zip(codes, WIRES, strict=True) if source < 2]
    convs_in, skips_in = (sum(code[bit] == "1" for code in from_inputs) for bit in (1, 0))
    assert all(codes[edge][1] == "1" for edge in DIRECT)
    assert found.parameters == parameters == 1_415_152 + 409_536 * convs + 25_920 * skips_in
    assert found.relus == 3_538_944 + 829_440 * convs + 82_944 * convs_in + 110_592 * skips_in
    assert found.macs / 1e6 == pytest.approx(227.27 + 60.55 * convs + 2.654 * skips_in, rel=1e-4)


def test_a_small_network_by_hand() -> None:
    """One cell, which reduces: stem 6 channels on 8x8; nodes 4 channels on 4x4, the first of a convolution from s1."""
    found = cost(CellSpec((cell(e1="01"),), channels=2), SHAPE, 5)
    separable = 2 * (4 * 9 + 4 * 4)
    assert found.parameters == 6 * 9 + 2 * 6 + 6 * 4 + separable + 16 * 5 + 5
    assert found.macs == 6 * 9 * 64 + 6 * 4 * 64 + separable * 16 + 16 * 5
    assert dict(found.sites) == {
        "relus.stem": (6, 8, 8),
        "cells.0.relus.s1": (4, 8, 8),
        "cells.0.edges.1.conv.relu": (4, 4, 4),
    }


def test_published_cells_use_all_their_edges() -> None:
    assert all(ZOO[name]().live == ZOO[name]().cells for name in ZOO if name.startswith("robnet"))
    assert DIRECT == (1, 4, 8, 13)


def restated(spec: CellSpec, weights: dict[str, Tensor], x: Tensor) -> Tensor:
    """The network in the published form, in one function: every operation rectifies, x[1:, 1:] is cut, zeros are zeros."""

    def norm(x: Tensor, name: str) -> Tensor:
        at = f"{name}.bn.paths.shared."
        mean, var = weights[at + "running_mean"], weights[at + "running_var"]
        return F.batch_norm(x, mean, var, weights.get(at + "weight"), weights.get(at + "bias"))

    def pointwise(x: Tensor, name: str) -> Tensor:
        return norm(F.conv2d(x, weights[f"{name}.weight"]), name)

    def reduce(x: Tensor, name: str) -> Tensor:
        x = x.relu()
        return torch.cat([pointwise(x[..., i::2, i::2], f"{name}.{half}") for i, half in enumerate(("even", "odd"))], dim=1)

    def separable(x: Tensor, name: str, stride: int) -> Tensor:
        for i in (1, 2):
            x = F.conv2d(x.relu(), weights[f"{name}.depthwise{i}.weight"], None, stride, 1, groups=x.shape[1])
            x, stride = pointwise(x, f"{name}.pointwise{i}"), 1
        return x

    x = norm(F.conv2d((x - 0.4) / 0.3, weights["conv1.weight"], padding=1), "conv1")
    s0 = s1 = x
    c, n, reduced = spec.channels, len(spec.cells), False
    for k, codes in enumerate(spec.cells):
        reduces, at = k in (n // 3, 2 * n // 3), f"cells.{k}"
        c = 2 * c if reduces else c
        states = [reduce(s0, f"{at}.inputs.s0") if reduced else pointwise(s0.relu(), f"{at}.inputs.s0.conv")]
        states.append(pointwise(s1.relu(), f"{at}.inputs.s1.conv"))
        edge = count()
        for _ in range(4):
            node = torch.zeros(1)
            for j, state in enumerate(list(states)):
                e, stride = next(edge), 2 if reduces and j < 2 else 1
                if codes[e][1] == "1":
                    node = node + separable(state, f"{at}.edges.{e}.conv", stride)
                if codes[e][0] == "1":
                    node = node + (reduce(state, f"{at}.edges.{e}.skip") if stride == 2 else state)
            states.append(node)
        s0, s1, reduced = s1, torch.cat(states[2:], dim=1), reduces
    return F.linear(s1.mean(dim=(2, 3)), weights["fc.weight"], weights["fc.bias"])


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("cells", [(LARGE,) * 4, FREE[:7], (SMALL_LIKE, MEDIUM_LIKE, LARGE)], ids=["large", "free", "mixed"])
def test_values_are_those_of_the_published_form(
    cells: tuple[tuple[str, ...], ...], affine: bool, generator: torch.Generator
) -> None:
    spec = CellSpec(cells, channels=3, affine=affine)
    assert spec.live == spec.cells
    network = made(spec, "single")
    images = torch.rand(2, *SHAPE, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(network(images), restated(spec, network.state_dict(), images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("spec", [TINY, *(random_spec(seed, density=0.7) for seed in range(6))])
def test_sharing_changes_no_value(spec: CellSpec, training: bool, generator: torch.Generator) -> None:
    """Bit by bit, forward; gradients to rounding, since they are summed in another order."""
    shared, published = made(spec).train(training), made(replace(spec, shared=False), seed=1).train(training)
    published.load_state_dict(shared.state_dict())
    images, logits = torch.rand(3, *SHAPE, generator=generator), []
    for network in (shared, published):
        logits.append(network(images, mode="adversarial"))
        logits[-1].square().sum().backward()
    assert torch.equal(*logits)
    for (name, one), other in zip(shared.named_parameters(), published.parameters(), strict=True):
        if one.grad is not None or other.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-4 * float(one.grad.abs().max() + 1), msg=name)
    assert cost_of(shared, SHAPE).relus <= cost_of(published, SHAPE).relus
    assert torch.equal(*(next(iter(network.conv1.bn.paths.adversarial.buffers())) for network in (shared, published)))


@pytest.mark.parametrize("codes", CELLS.values(), ids=CELLS)
def test_each_tensor_is_rectified_once(codes: tuple[str, ...], generator: torch.Generator) -> None:
    """No two ReLUs have one input, and what they make is used: it changes the logits."""
    network = made(repeated(codes, channels=3, cells=4))
    seen: list[Tensor] = []
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
            module.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
            module.register_forward_hook(lambda _module, _inputs, output: output.retain_grad() or outputs.append(output))
    outputs: list[Tensor] = []
    network(torch.rand(2, *SHAPE, generator=generator)).sum().backward()
    assert len({id(x) for x in seen}) == len(seen) > 0
    assert all(output.grad is not None for output in outputs)
    assert all(parameter.grad is not None for name, parameter in network.named_parameters() if ".adversarial." not in name)
    assert len(outputs) == sum(isinstance(module, nn.ReLU) for module in network.modules())


def test_zero_nodes_are_zeros_of_their_shape(generator: torch.Generator) -> None:
    """Without what cannot be reached from the image or from the logits, values are the same."""
    spec = CellSpec((LARGE, GAPS, EMPTY, cell(e0="01", e1="11", e8="11")), channels=2)
    assert spec.live == (LARGE, cell(e1="01", e11="11"), EMPTY, cell(e0="01"))
    network = made(spec)
    outputs: dict[str, Tensor] = {}
    for k in network.cells.active:
        network.cells[k].register_forward_hook(lambda _module, _inputs, output, k=k: outputs.update({k: output}))
    logits = network(torch.rand(2, *SHAPE, generator=generator))
    assert list(outputs) == ["0", "1", "3"]
    assert [tuple(output.shape) for output in outputs.values()] == [(2, 8, 8, 8), (2, 16, 4, 4), (2, 32, 2, 2)]
    assert logits.shape == (2, 5)
    lives = [[bool(node.any()) for node in output.chunk(4, dim=1)] for output in outputs.values()]
    assert lives == [[True] * 4, [True, False, False, True], [True, False, False, False]]


@pytest.mark.parametrize("shared", [True, False])
def test_a_network_that_does_not_see_the_image(shared: bool, generator: torch.Generator) -> None:
    for cells in ((EMPTY,), (LARGE, LARGE, EMPTY), (EMPTY, EMPTY, LARGE)):
        network = made(CellSpec(cells, channels=2, shared=shared))
        logits = network(torch.rand(3, *SHAPE, generator=generator))
        assert logits.shape == (3, 5) and torch.equal(logits, network.fc.bias.expand(3, 5))
        assert find_sites(network, torch.zeros(1, *SHAPE)) == {}


@pytest.mark.parametrize("affine", [False, True])
def test_the_activated_supernet_is_the_extracted_network(affine: bool, generator: torch.Generator) -> None:
    """Of random sub-networks one after the other, full ones, empty ones, in every mode; and their costs."""
    images = torch.rand(3, 1, 9, 9, generator=generator)
    supernet = made(CellSpec((("11",) * EDGES,) * 5, channels=3, affine=affine), layers=ELASTIC)
    rng, seen = Random(0), Counter()
    for density in (1.0, 0.6, 0.4, 0.25, 0.15, 0.05, 0.0, 1.0):
        cells = tuple(tuple(rng.choice(CODES) if rng.random() < density else "00" for _ in range(EDGES)) for _ in range(5))
        spec = CellSpec(cells, channels=3, affine=affine)
        static = made(spec, seed=1)
        activate(supernet, static)
        copy_part(supernet, static)
        with torch.no_grad():
            for mode in ("normal", "adversarial"):
                torch.testing.assert_close(supernet(images, mode), static(images, mode), rtol=1e-6, atol=1e-6)
        assert find_sites(supernet, images) == find_sites(static, images)
        seen[len(static.cells)] += 1
    assert seen[5] and seen[0] and len(seen) > 2


@pytest.mark.parametrize("name", CELLS)
def test_frozen_is_eval(name: str, generator: torch.Generator) -> None:
    network = made(repeated(CELLS[name], channels=3, cells=4))
    images = torch.rand(2, 1, 9, 9, generator=generator)
    with torch.no_grad():
        for mode in ("normal", "adversarial"):
            expected = network(images, mode)
            with frozen(network, mode):
                torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "spec", [TINY, replace(TINY, shared=False), random_spec(3), repeated(LARGE, 4, 2), repeated(LARGE, 4, 1)]
)
def test_stages_end_at_sites(spec: CellSpec) -> None:
    network = made(spec)
    sites = find_sites(network, torch.zeros(1, *SHAPE))
    assert set(network.stage_sites) <= set(sites)
    sizes = [sites[name][1] for name in network.stage_sites]
    assert sizes == sorted(sizes, reverse=True)
    if spec is TINY:
        assert [(name, sites[name]) for name in network.stage_sites] == [
            ("relus.0", (16, 8, 8)),
            ("relus.1", (32, 4, 4)),
            ("relus.2", (64, 2, 2)),
        ]


@pytest.mark.parametrize("codes", [LARGE, GAPS], ids=["large", "gaps"])
def test_files_for_onnxruntime_and_for_secure_protocols(
    codes: tuple[str, ...], tmp_path: Path, generator: torch.Generator
) -> None:
    network, path = made(repeated(codes, channels=2, cells=2)), tmp_path / "student.onnx"
    images = torch.rand(3, *SHAPE, generator=generator)
    with torch.no_grad():
        expected = [network(images, mode) for mode in ("normal", "adversarial")]
    relus = [c * h * w for c, h, w in find_sites(network, images).values()]
    for mode in ("normal", "both"):
        export(network, SHAPE, path, mode)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        for number in (0, 1) if mode == "both" else (0,):
            selected = {"mode": np.array(number)} if mode == "both" else {}
            (found,) = session.run(["logits"], {"image": images.numpy(), **selected})
            torch.testing.assert_close(torch.from_numpy(found), expected[number], rtol=1e-4, atol=1e-4)
        model = graph.load(path)
        graph.refuse_unknown(model)
        operations = model.architecture.operations
        assert Counter(operation.size for operation in operations if isinstance(operation, ReLU)) == Counter(relus)


def test_specifications_are_texts(tmp_path: Path) -> None:
    for spec in (TINY, CellSpec(FREE, 8, 2, shared=False, affine=True), random_spec(5)):
        spec.save(tmp_path / "spec.json")
        again = read(tmp_path / "spec.json")
        assert again == spec == parse(spec.plain()) and hash(again) == hash(spec) and again.plain() == spec.plain()
    network = build(NetworkConfig(str(tmp_path / "spec.json")), 5, (0.4,), (0.3,))
    assert network(torch.zeros(2, *SHAPE)).shape == (2, 5)


def test_a_stem_of_stride_2_has_a_quarter_of_the_relus() -> None:
    spec = ZOO["robnet-large-c8l5"]()
    assert 4 * cost(replace(spec, stem_stride=2), (3, 32, 32), 10).relus == cost(spec, (3, 32, 32), 10).relus


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cells": ()}, "one cell or more"),
        ({"cells": [LARGE]}, "one cell or more"),
        ({"cells": (LARGE, LARGE[:-1])}, "cell 1 is a tuple of 14 codes"),
        ({"cells": (LARGE[:-1] + ("12",),)}, "cell 0 is a tuple of 14 codes, each of 00, 01, 10, 11"),
        ({"cells": (LARGE[:-1] + (11,),)}, "cell 0 is a tuple"),
        ({"cells": ("11" * 7,)}, "cell 0 is a tuple"),
        ({"channels": 0}, "channels are 1 or more"),
        ({"channels": 4.0}, "channels are 1 or more"),
        ({"stem_stride": 3}, "stem_stride is 1 or 2"),
        ({"stem_stride": True}, "stem_stride is 1 or 2"),
        ({"shared": 1}, "shared and affine are true or false"),
        ({"affine": "no"}, "shared and affine are true or false"),
    ],
)
def test_impossible_specifications(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(TINY, **change)


@pytest.mark.parametrize(
    "spoil",
    [lambda plain: plain | {"width": 3}, lambda plain: plain | {"cells": [["11"]]}, lambda plain: plain | {"cells": None}],
)
def test_files_of_no_specification(spoil: Callable[[dict], dict]) -> None:
    with pytest.raises(ValueError, match="the specification cannot be built"):
        parse(spoil(TINY.plain()))
