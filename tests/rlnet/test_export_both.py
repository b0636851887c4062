"""The ONNX file of both modes: an input selects the mode of a call, the weights are stored once, all else is as in one mode."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument
from torch import Tensor

from masks import get_masks
from rlnet.export import main
from rlnet.models import ModeNetwork
from rlnet.models.onnx_file import export
from rlnet.trained import Facts, to_content
from rlnet.training import checkpoint
from tests.narrow_networks import TwoConvolutions, tiny_config

SHAPE = (1, 8, 8)
MODES = ("normal", "adversarial")
# Network, batch norm, and what part of its ReLUs every site but the first keeps; None: no site is partial.
CASES = [
    ("resnet18", "dual", 0.3),
    ("wrn22-8", "triple", 0.3),
    ("one block", "single", None),
    ("one block", "dual", None),
]


@dataclass(frozen=True)
class Exported:
    """both: the file of both modes; one: that of mode normal alone; state: the network's, before them."""

    network: ModeNetwork
    state: dict[str, Tensor]
    both: Path
    one: Path


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(map(str, case)))
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_network: Callable[..., ModeNetwork]
) -> Exported:
    network, folder = tiny_network(*request.param).train(), tmp_path_factory.mktemp("export")
    network.take("adversarial")
    state = {key: value.clone() for key, value in network.state_dict().items()}
    found = Exported(network, state, folder / "both.onnx", folder / "one.onnx")
    export(network, SHAPE, found.both, "both")
    export(network, SHAPE, found.one, "normal")
    return found


@contextmanager
def in_eval_mode(network: ModeNetwork) -> Iterator[ModeNetwork]:
    with torch.no_grad():
        yield network.eval()
    network.train()


def run(path: Path, images: Tensor, mode: int) -> Tensor:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["logits"], {"image": images.numpy(), "mode": np.array(mode)})[0])


@pytest.mark.parametrize("batch", [1, 3])
def test_each_mode_gives_its_logits(exported: Exported, batch: int, generator: torch.Generator) -> None:
    """In onnxruntime, to 1e-5 of their size, for any batch size."""
    images = torch.rand(batch, *SHAPE, generator=generator)
    for number, mode in enumerate(MODES):
        with in_eval_mode(exported.network) as network:
            expected = network(images, mode=mode)
        found = run(exported.both, images, number)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * max(1.0, expected.abs().max().item()))


@pytest.mark.parametrize("number", [2, -1, -2, -(2**63), 2**63 - 1])
def test_a_number_of_no_mode_is_an_error(exported: Exported, number: int) -> None:
    with pytest.raises(InvalidArgument, match="out of data bounds"):
        run(exported.both, torch.rand(1, *SHAPE), number)


def test_the_file_is_valid_and_says_what_it_holds(exported: Exported) -> None:
    """Standard operators of opset 20; the image and a scalar; the modes' names in the order of their numbers."""
    onnx.checker.check_model(exported.both, full_check=True)
    model = onnx.load(exported.both)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 20)]
    assert {node.domain for node in model.graph.node} == {""} and not model.functions
    image, mode = model.graph.input
    assert (image.name, mode.name) == ("image", "mode")
    assert (mode.type.tensor_type.elem_type, len(mode.type.tensor_type.shape.dim)) == (onnx.TensorProto.INT64, 0)
    assert [dim.dim_param or dim.dim_value for dim in image.type.tensor_type.shape.dim] == ["batch", *SHAPE]
    said, of_one = ({entry.key: entry.value for entry in m.metadata_props} for m in (model, onnx.load(exported.one)))
    assert said.pop("modes") == "normal,adversarial" and of_one.pop("rlnet.mode") in MODES
    assert said == of_one  # sites, budget and masks, which the modes share


def test_relus_and_masks_are_those_of_one_mode(exported: Exported) -> None:
    both, one = (onnx.load(path).graph for path in (exported.both, exported.one))
    counts = [Counter(node.op_type for node in graph.node) for graph in (both, one)]
    assert counts[0]["Relu"] == counts[1]["Relu"] > 0
    assert counts[0]["Conv"] == counts[1]["Conv"]
    masks = [
        [onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.BOOL]
        for graph in (both, one)
    ]
    kept = [sorted(int(mask.sum()) for mask in found) for found in masks]
    assert kept[0] == kept[1] == sorted(int(mask.sum()) for mask in get_masks(exported.network).values())


def test_nodes_have_the_names_that_they_have_in_one_mode(exported: Exported) -> None:
    """Of all layers, so that tools that go by names see the same network."""
    layers = ("Conv", "Relu", "Add", "ReduceMean", "Gemm")
    both, one = (onnx.load(path).graph.node for path in (exported.both, exported.one))
    assert [node.name for node in both if node.op_type in layers] == [node.name for node in one if node.op_type in layers]


def test_the_network_is_as_it_was(exported: Exported) -> None:
    network, state = exported.network, exported.network.state_dict()
    assert state.keys() == exported.state.keys()
    assert all(torch.equal(state[key], value) for key, value in exported.state.items())
    assert network.training and not network.is_frozen
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert {module.path for module in network.modules() if hasattr(module, "routes")} == {
        next(module for module in network.modules() if hasattr(module, "routes")).routes["adversarial"]
    }


def test_weights_are_stored_once(tmp_path: Path) -> None:
    """What is there twice are two vectors of each batch norm, so the file is hardly larger than that of one mode."""
    network = TwoConvolutions((64, 128), 10, (0.4,), (0.3,)).eval()
    sizes = []
    for mode in ("normal", "both"):
        export(network, SHAPE, tmp_path / f"{mode}.onnx", mode)
        sizes.append((tmp_path / f"{mode}.onnx").stat().st_size)
    one, both = sizes
    weights = 4 * sum(module.weight.numel() for module in network.modules() if isinstance(module, torch.nn.Conv2d))
    assert weights < one < both < one + 0.1 * weights


@pytest.mark.parametrize("stage", ["teacher", "student"])
def test_the_command(
    stage: str,
    tmp_path: Path,
    tiny_network: Callable[..., ModeNetwork],
    generator: torch.Generator,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One file, beside the checkpoint and named as its stage, or where it is wanted."""
    folder = tmp_path / stage
    folder.mkdir()
    network = tiny_network("one block", keep=0.5)
    facts = Facts(tiny_config("one block"), "toy", tuple("abcde"), SHAPE, (0.4,), (0.3,))
    checkpoint.save(folder / "best.pt", to_content(network, facts))
    images = torch.rand(3, *SHAPE, generator=generator)
    for flags, file in (([], folder / f"{stage}-both.onnx"), (["--output", str(folder / "b.onnx")], folder / "b.onnx")):
        assert main([str(folder), "--mode", "both", *flags]) == 0
        assert capsys.readouterr().out == f'{file}: both modes, chosen by its input "mode"\n'
        for number, mode in enumerate(MODES):
            with torch.no_grad():
                torch.testing.assert_close(run(file, images, number), network(images, mode=mode), rtol=1e-4, atol=1e-4)
    assert {file.name for file in folder.iterdir()} == {"best.pt", f"{stage}-both.onnx", "b.onnx"}
