"""The ONNX file: onnxruntime's logits are torch's, and the graph holds the masks in standard operators."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from masks import find_sites, get_masks
from rlnet.models import ModeNetwork
from rlnet.models.onnx_file import export

SHAPE = (1, 8, 8)
# Network, batch norm, mode, and what part of its ReLUs every site but the first keeps; None: no site is partial.
CASES = [
    ("resnet18", "dual", "normal", 0.3),
    ("wrn22-8", "dual", "adversarial", 0.3),
    ("one block", "triple", "adversarial", 0.0),
    ("one block", "single", "normal", None),
    ("one block", "dual", "normal", 1.0),
]


@dataclass(frozen=True)
class Exported:
    network: ModeNetwork
    mode: str
    model: onnx.ModelProto
    path: Path

    @property
    def operators(self) -> Counter:
        return Counter(node.op_type for node in self.model.graph.node)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(map(str, case)))
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_network: Callable[..., ModeNetwork]
) -> Exported:
    """Each is made once for all tests: an export takes seconds."""
    name, kind, mode, keep = request.param
    network, path = tiny_network(name, kind, keep), tmp_path_factory.mktemp("export") / "student.onnx"
    export(network, SHAPE, path, mode)
    return Exported(network, mode, onnx.load(path), path)


def run(path: Path, images: Tensor) -> Tensor:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["logits"], {"image": images.numpy()})[0])


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_onnxruntime_agrees(exported: Exported, batch: int, generator: torch.Generator) -> None:
    """To 1e-4 of the logits' size, for any batch size, on images in [0, 1] as they are."""
    images = torch.rand(batch, *SHAPE, generator=generator)
    with torch.no_grad():
        expected = exported.network(images, mode=exported.mode)
    found = run(exported.path, images)
    assert found.shape == (batch, 5)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * max(1.0, expected.abs().max().item()))


def test_the_paths_of_the_modes_differ(exported: Exported, generator: torch.Generator) -> None:
    """Otherwise the test above could not tell one mode from the other."""
    other = {"normal": "adversarial", "adversarial": "normal"}[exported.mode]
    images = torch.rand(5, *SHAPE, generator=generator)
    with torch.no_grad():
        logits = [exported.network(images, mode=mode) for mode in (exported.mode, other)]
    assert torch.allclose(*logits, rtol=0, atol=1e-2) != exported.network.has_two_paths


def test_the_file_is_valid_and_standard(exported: Exported) -> None:
    """One opset of the standard domain, no functions, no file beside it; shapes that follow from the operators."""
    onnx.checker.check_model(exported.path, full_check=True)
    assert [(opset.domain, opset.version) for opset in exported.model.opset_import] == [("", 20)]
    assert {node.domain for node in exported.model.graph.node} == {""}
    assert not exported.model.functions
    assert [file.name for file in exported.path.parent.iterdir()] == ["student.onnx"]


def test_input_and_output(exported: Exported) -> None:
    """float32 image (batch, C, H, W) to float32 logits (batch, K)."""
    described = []
    for value in (*exported.model.graph.input, *exported.model.graph.output):
        kind = value.type.tensor_type
        dims = [dim.dim_param or dim.dim_value for dim in kind.shape.dim]
        described.append((value.name, kind.elem_type, dims))
    assert described == [
        ("image", onnx.TensorProto.FLOAT, ["batch", *SHAPE]),
        ("logits", onnx.TensorProto.FLOAT, ["batch", 5]),
    ]


def test_every_site_is_there_with_its_mask(exported: Exported) -> None:
    """In forward order: a Relu for every site, even one that keeps nothing, and Where(mask, Relu(x), x) for a partial one."""
    graph = exported.model.graph
    masks, sites = get_masks(exported.network), find_sites(exported.network, torch.zeros(1, *SHAPE))
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    assert exported.operators["Relu"] == len(sites)
    assert exported.operators["Where"] == len(masks)
    made_by = {node.output[0]: node for node in graph.node}
    found = []
    for node in graph.node:
        if node.op_type == "Where":
            mask, relu, x = node.input
            assert made_by[relu].op_type == "Relu"
            assert made_by[relu].input[0] == x
            found.append(constants[mask])
    for mask, name in zip(found, (name for name in sites if name in masks), strict=True):
        assert mask.dtype == np.bool_
        assert np.array_equal(mask.reshape(sites[name]), masks[name].numpy())


def test_batch_norms_are_folded(exported: Exported) -> None:
    """A ResNet has none left; in a WRN, at most the ten that follow a sum and not a convolution."""
    operators = exported.operators
    assert operators["BatchNormalization"] <= (10 if "group1" in dict(exported.network.named_children()) else 0)
    convolutions = sum(isinstance(module, torch.nn.Conv2d) for module in exported.network.modules())
    assert operators["Conv"] == convolutions
    known = {"Sub", "Div", "Conv", "Relu", "Where", "Add", "ReduceMean", "Gemm", "BatchNormalization"}
    assert set(operators) <= known


def test_a_failed_export_leaves_nothing_behind(tmp_path: Path, tiny_network: Callable[..., ModeNetwork]) -> None:
    """No file, and the network in training as it was."""
    network = tiny_network().train()
    network.take("adversarial")
    with pytest.raises(ValueError, match="no mode 'robust'"):
        export(network, SHAPE, tmp_path / "student.onnx", "robust")
    assert list(tmp_path.iterdir()) == []
    assert network.training and not network.is_frozen
    assert network.conv1.bn.path == "adversarial"
