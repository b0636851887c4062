"""A trained network as ONNX: one mode, batch norms folded, masks as Where(mask, Relu(x), x), batch dimension free.

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

import torch
from onnxscript.optimizer import optimize

from masks.atomic_file import write_atomically
from rlnet.cli import command
from rlnet.models import ModeNetwork, frozen
from rlnet.trained import find, load_with_facts

LARGEST_CONSTANT = 2**30  # bytes; the exporter's own folding stops at small ones and leaves masks to be computed at each run


def export(network: ModeNetwork, image_shape: tuple[int, int, int], path: Path, mode: str) -> None:
    """Writes the network's ONNX file for one mode: input "image" float [0, 1] (B, C, H, W), output "logits" (B, K).

    Standard operators of opset 20 that onnxruntime runs; the input is not normalised by the caller, the network does that.
    """
    device = next(network.parameters()).device
    example = torch.rand(2, *image_shape, device=device)
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    with frozen(network, mode, torch.float32), warnings.catch_warnings(), redirect_stdout(StringIO()):
        quiet.setLevel(logging.ERROR)
        warnings.simplefilter("ignore")  # the exporter's own deprecations, which a caller can do nothing about
        try:
            program = torch.onnx.export(
                network,
                (example,),
                input_names=["image"],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                opset_version=20,
                dynamo=True,
            )
        finally:
            quiet.setLevel(level)
    optimize(program.model, input_size_limit=LARGEST_CONSTANT, output_size_limit=LARGEST_CONSTANT)  # masks become constants
    model = program.model_proto
    write_atomically(path, lambda file: file.write(model.SerializeToString()))


@dataclass(frozen=True)
class ExportConfig:
    """Exports a trained network to ONNX.

    Args:
        mode: which batch-norm path; both writes two files, whose names end in -normal and -adversarial.
        output: the file; by default student.onnx beside the checkpoint.
        device: where to compute.
    """

    mode: Literal["normal", "adversarial", "both"] = "normal"
    output: Path | None = None
    device: Literal["cpu"] = "cpu"


def export_file(path: Path, config: ExportConfig) -> list[Path]:
    """Exports the network of a stage folder or checkpoint; returns the files written."""
    network, facts = load_with_facts(path)
    output = config.output or find(path).with_name("student.onnx")
    if config.mode == "both":
        files = {mode: output.with_stem(f"{output.stem}-{mode}") for mode in ("normal", "adversarial")}
    else:
        files = {config.mode: output}
    for mode, file in files.items():
        export(network, facts.image_shape, file, mode)
        print(file)
    return list(files.values())


def main(arguments: list[str] | None = None) -> int:
    return command(export_file, ExportConfig, arguments, positional={"path": (Path, "stage folder or checkpoint")})


if __name__ == "__main__":
    sys.exit(main())
