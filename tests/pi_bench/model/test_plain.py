"""The network in the clear is onnxruntime's; ranges and fixed-point limits by hand."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torchvision
from onnx import helper

from pi_bench.model import graph, plain
from pi_bench.model.operations import Model

RunOnnx = Callable[..., np.ndarray]


def images(model: Model, count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).random((count, *model.architecture.input_shape), dtype=np.float32)


def agrees(model: Model, path: Path, run_onnx: RunOnnx) -> None:
    """To 1e-4 of the largest logit."""
    graph.refuse_unknown(model)
    given = images(model)
    expected = run_onnx(path, given)
    np.testing.assert_allclose(plain.logits(model, given), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("name", "keep", "mode"),
    [
        ("resnet18", 0.3, "normal"),
        ("resnet18", 0.3, "adversarial"),
        ("resnet18", 0.0, "normal"),
        ("wrn22-8", 0.3, "normal"),
        ("wrn22-8", None, "adversarial"),
    ],
)
def test_networks_of_the_project(
    name: str, keep: float | None, mode: str, make_student: Callable[..., Path], run_onnx: RunOnnx
) -> None:
    """The input's normalisation is folded; the WRN's batch norms that follow a sum are depthwise convolutions."""
    path = make_student(name, keep, mode)
    model = graph.load(path)
    agrees(model, path, run_onnx)
    sites = model.architecture.relus
    assert len(sites) == {"resnet18": 17, "wrn22-8": 19}[name]
    assert sites[0].packed is None
    if keep == 0.0:
        assert all(site.kept == 0 for site in sites[1:])
    kinds = {operation.op for operation in model.architecture.operations}
    assert kinds == {"Conv", "ReLU", "Add", "AveragePool", "Reshape", "Linear"}
    depthwise = [operation for operation in model.architecture.operations if operation.op == "Conv" and operation.groups > 1]
    assert len(depthwise) == (0 if name == "resnet18" else 9)


def trained_resnet() -> torch.nn.Module:
    """torchvision's ResNet-18 for small images (no max-pool), with batch norms that do something."""
    network = torchvision.models.resnet18(num_classes=10)
    network.maxpool = torch.nn.Identity()
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for values, low, high in (
                (module.weight.data, 0.5, 1.5),
                (module.bias.data, -0.5, 0.5),
                (module.running_mean, -0.5, 0.5),
                (module.running_var, 0.5, 2.0),
            ):
                values.uniform_(low, high, generator=generator)
    return network.eval()


UNFOLDED = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False, "keep_initializers_as_inputs": True}


@pytest.fixture(scope="module")
def exported(export_torch: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The ways in which torch writes it; the new exporter's program once as it is, once optimised, with weights in a file."""
    folder = tmp_path_factory.mktemp("resnet")
    paths = {name: folder / f"{name}.onnx" for name in ("new", "new, not optimised", "old", "old, not folded")}
    network, shape = trained_resnet(), (3, 32, 32)
    program = export_torch(network, shape, paths["new, not optimised"], True, optimize=False, external_data=False)
    program.optimize()
    program.save(paths["new"], external_data=True)
    for name, options in (("old", {}), ("old, not folded", UNFOLDED)):
        export_torch(network, shape, paths[name], False, **options)
    return paths


@pytest.mark.parametrize("way", ["new", "new, not optimised", "old", "old, not folded"])
def test_torch_exports_of_a_plain_resnet(way: str, exported: Mapping[str, Path], run_onnx: RunOnnx) -> None:
    path = exported[way]
    assert path.with_name(path.name + ".data").exists() == (way == "new")
    model = graph.load(path)
    agrees(model, path, run_onnx)
    assert sum(relu.kept for relu in model.architecture.relus) == 64 * (16 * 16 * 5 + 8 * 8 * 8 + 4 * 4 * 16 + 2 * 2 * 32)
    assert sum(operation.op == "Conv" for operation in model.architecture.operations) == 20
    weights_and_biases = 11_181_642 - 2 * 4_800 + 4_800  # torchvision's, each batch norm come down to one bias per channel
    assert sum(operation.parameters for operation in model.architecture.operations) == weights_and_biases


@pytest.fixture
def small(make_onnx: Callable[..., Path]) -> Model:
    """y = relu(x) - 8, then a matrix; all by hand."""
    nodes = [
        helper.make_node("Relu", ["x"], ["r"], "r"),
        helper.make_node("Sub", ["r", "c"], ["b"], "b"),
        helper.make_node("GlobalAveragePool", ["b"], ["p"], "p"),
        helper.make_node("Flatten", ["p"], ["f"], "f"),
        helper.make_node("Gemm", ["f", "w"], ["y"], "y"),
    ]
    return graph.load(make_onnx(nodes, {"c": np.float32(8), "w": np.array([[4.0], [-2.0]], np.float32)}, (2, 1, 2)))


X = np.array([[[[1.0, -1.0]], [[2.0, -3.0]]]])


def test_every_value(small: Model) -> None:
    found = plain.evaluate(small, X)
    assert list(found) == ["x", "r", "b", "p", "f", "y"]
    np.testing.assert_array_equal(found["r"], [[[[1, 0]], [[2, 0]]]])
    np.testing.assert_array_equal(found["b"], [[[[-7, -8]], [[-6, -8]]]])
    np.testing.assert_array_equal(found["f"], [[-7.5, -7]])
    np.testing.assert_array_equal(found["y"], [[-30 + 14]])
    assert found["y"].dtype == np.float64
    np.testing.assert_array_equal(plain.logits(small, X), found["y"])


def test_many_images_are_the_same_as_one_by_one(small: Model) -> None:
    many = np.random.default_rng(0).normal(size=(plain.CHUNK + 3, 2, 1, 2))
    together = plain.evaluate(small, many)
    assert {len(value) for value in together.values()} == {len(many)}
    np.testing.assert_array_equal(together["y"], np.concatenate([plain.logits(small, image[None]) for image in many]))
    largest = {name: each.largest for name, each in plain.ranges(small, many).items()}
    assert largest == {name: np.abs(value).max() for name, value in together.items()}


def test_ranges(small: Model) -> None:
    found = plain.ranges(small, np.concatenate([X, 0 * X]))
    assert found["x"] == plain.Range(3.0, 7 / 8, 4)
    assert found["b"] == plain.Range(8.0, (7 + 8 + 6 + 8 + 4 * 8) / 8, 4)


def test_no_problems_at_a_usual_precision(small: Model) -> None:
    assert plain.fixed_point_problems(small, X, 16) == []
    assert plain.fixed_point_problems(small, X, 26) == []


def test_overflow_of_a_product_says_what_fits(small: Model) -> None:
    """|v| = 16 with 2 f bits: 2^4 2^(2 f) stays below 2^57 up to f = 26. What is added may have 2 f bits too."""
    assert plain.fixed_point_problems(small, X, 27) == [
        f"the {what} reaches {value}, beyond the fixed-point range; at most 26 precision bits hold it"
        for what, value in (("output of Bias 'b'", 8), ("bias of Bias 'b'", 8), ("output of Linear 'y'", 16))
    ]


@pytest.mark.parametrize("bits", [1, 10, 26, 27, 40, 55, 56])
def test_the_precision_that_is_said_to_fit_does(small: Model, bits: int) -> None:
    """And one bit more does not."""
    problems = plain.fixed_point_problems(small, X, bits)
    told = [int(problem.split("at most ")[1].split()[0]) for problem in problems]
    assert all(fits < bits for fits in told)
    assert bool(told) == (bits > 26)
    if told:
        assert plain.fixed_point_problems(small, X, min(told)) == []
        assert plain.fixed_point_problems(small, X, min(told) + 1)


def test_overflow_of_weights_inputs_and_sums(make_onnx: Callable[..., Path]) -> None:
    gemm = [helper.make_node("Flatten", ["x"], ["f"], "f"), helper.make_node("Gemm", ["f", "w", "b"], ["y"], "y")]
    model = graph.load(make_onnx(gemm, {"w": np.full((2, 1), 2.0**50), "b": np.full(1, 2.0**40)}, (2, 1, 1)))
    problems = plain.fixed_point_problems(model, np.zeros((1, 2, 1, 1)), 16)
    assert [problem.split(" reaches")[0] for problem in problems] == [
        "the output of Linear 'y'",
        "the weights of Linear 'y'",
        "the bias of Linear 'y'",
    ]
    assert "at most 6 precision bits" in problems[1]
    assert "the input 'x' reaches 7.037e+13" in plain.fixed_point_problems(model, np.full((1, 2, 1, 1), 2.0**46), 16)[0]
    pool = [helper.make_node("GlobalAveragePool", ["x"], ["y"], "y")]
    model = graph.load(make_onnx(pool, {}, (1, 4, 4)))
    assert plain.fixed_point_problems(model, np.full((1, 1, 4, 4), 2.0**36), 16) == []
    (problem,) = plain.fixed_point_problems(model, np.full((1, 1, 4, 4), 2.0**37), 16)  # the sum of 16 is 2^41
    assert problem.startswith("the output of AveragePool 'y' reaches 2.199e+12")


def test_a_precision_that_no_value_survives_is_no_error(small: Model) -> None:
    assert plain.fixed_point_problems(small, 1e-9 * X, 1) == []


def exploding(make_onnx: Callable[..., Path], *more: onnx.NodeProto) -> Path:
    """Two products of 1e200 each, in which float64 has no room; nothing of an image that is zero. more: nodes after "d"."""
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"], "c"), helper.make_node("Conv", ["c", "w"], ["d"], "d"), *more]
    weights = {name: np.full((1, 1, 1, 1), value) for name, value in (("w", -1e200), ("v", 1e200))}
    return make_onnx(nodes, weights, (1, 1, 1))


def test_logits_that_are_not_finite_are_no_answer(make_onnx: Callable[..., Path]) -> None:
    """NaN has no largest logit, so it would be taken for class 0. The first such image is named."""
    both = helper.make_node("Conv", ["c", "v"], ["e"], "e"), helper.make_node("Add", ["d", "e"], ["y"], "y")
    for model in (graph.load(exploding(make_onnx)), graph.load(exploding(make_onnx, *both))):  # inf, and inf - inf
        given = np.zeros((plain.CHUNK + 4, 1, 1, 1))
        assert not plain.logits(model, given).any()
        given[[plain.CHUNK + 1, plain.CHUNK + 3]] = 1
        with pytest.raises(ValueError, match=r"its outputs for image 17 \(from 0; 2 of 20 in all\) are NaN or infinite"):
            plain.logits(model, given)


def test_what_is_not_finite_on_the_way_is_beyond_the_range(make_onnx: Callable[..., Path]) -> None:
    """Though the ReLU makes zero of it."""
    negative = helper.make_node("Neg", ["d"], ["n"], "n"), helper.make_node("Relu", ["n"], ["y"], "y")
    model = graph.load(exploding(make_onnx, *negative))
    assert not plain.logits(model, np.ones((1, 1, 1, 1))).any()
    problems = plain.fixed_point_problems(model, np.ones((1, 1, 1, 1)), 13)
    assert any("reaches inf" in problem and "no precision holds it" in problem for problem in problems)


def test_wrong_images(small: Model) -> None:
    for given in (np.zeros((1, 2, 2, 1)), np.zeros((0, 2, 1, 2)), np.zeros((2, 1, 2))):
        with pytest.raises(ValueError, match=r"the network takes \(batch, 2, 1, 2\)"):
            plain.logits(small, given)
