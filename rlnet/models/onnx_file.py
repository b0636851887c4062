"""A trained network as ONNX: one mode or both, batch norms folded, masks as Where(mask, Relu(x), x), batch dimension free.

python -m rlnet.export runs/digits/relu-50k/student --mode both
"""

import logging
import sys
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Literal

import onnx
import torch
from onnxscript.optimizer import optimize

from masks.atomic_file import write_atomically
from rlnet.cli import command
from rlnet.models import ModeNetwork, frozen
from rlnet.models.batch_norm import SELECTABLE, selectable
from rlnet.trained import find, load_with_facts

LARGEST_CONSTANT = 2**30  # bytes; the exporter's own folding stops at small ones and leaves masks to be computed at each run


def export(network: ModeNetwork, image_shape: tuple[int, int, int], path: Path, mode: str) -> None:
    """Writes the network's ONNX file: input "image" float [0, 1] (B, C, H, W), output "logits" (B, K).

    mode: which one the file computes; "both" gives it a second input "mode", int64 (), whose values 0, 1, ... are the modes
    that its metadata lists under "modes", in order; any other value is an error of onnxruntime. The weights are there once.
    Standard operators of opset 20 that onnxruntime runs; the input is not normalised by the caller, the network does that.
    """
    device = next(network.parameters()).device
    image = torch.rand(2, *image_shape, device=device)
    batch_free = {0: torch.export.Dim("batch")}
    if mode == "both":
        with selectable(network) as selector:
            selected = torch.tensor(0, device=device)
            program = _program(selector, {"image": image, "mode": selected}, ({**batch_free}, {}))
    else:
        with frozen(network, mode, torch.float32):
            program = _program(network, {"image": image}, (batch_free,))
    optimize(program.model, input_size_limit=LARGEST_CONSTANT, output_size_limit=LARGEST_CONSTANT)  # masks become constants
    for number, conv in enumerate(node for node in program.model.graph if node.op_type == "Conv"):
        conv.name = "node_conv2d" if number == 0 else f"node_conv2d_{number}"  # the optimizer's own numbers differ by mode
    model = program.model_proto
    if mode == "both":
        onnx.helper.set_model_props(model, {"modes": ",".join(SELECTABLE)})
    write_atomically(path, lambda file: file.write(model.SerializeToString()))


def _program(
    module: torch.nn.Module, inputs: dict[str, torch.Tensor], free: tuple[dict[int, torch.export.Dim], ...]
) -> torch.onnx.ONNXProgram:
    """The ONNX program of a module that gives logits. inputs: examples by name; free: dimensions of each left open."""
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        quiet.setLevel(logging.ERROR)
        warnings.simplefilter("ignore")  # the exporter's own deprecations, which a caller can do nothing about
        try:
            return torch.onnx.export(
                module,
                tuple(inputs.values()),
                input_names=list(inputs),
                output_names=["logits"],
                dynamic_shapes=free,
                opset_version=20,
                dynamo=True,
            )
        finally:
            quiet.setLevel(level)


@dataclass(frozen=True)
class ExportConfig:
    """Exports a trained network to ONNX.

    Args:
        mode: which batch-norm path; both gives the file a second input "mode", 0 for normal and 1 for adversarial.
        output: the file; by default beside the checkpoint, with the name of its folder: student/student.onnx.
        device: where to compute.
    """

    mode: Literal["normal", "adversarial", "both"] = "normal"
    output: Path | None = None
    device: Literal["cpu"] = "cpu"


def export_file(path: Path, config: ExportConfig) -> Path:
    """Exports the network of a stage folder or checkpoint; returns the file written."""
    network, facts = load_with_facts(path)
    checkpoint = find(path)
    output = config.output or checkpoint.with_name(f"{checkpoint.resolve().parent.name}.onnx")
    export(network, facts.image_shape, output, config.mode)
    print(output)
    return output


def main(arguments: list[str] | None = None) -> int:
    return command(export_file, ExportConfig, arguments, positional={"path": (Path, "stage folder or checkpoint")})


if __name__ == "__main__":
    sys.exit(main())
