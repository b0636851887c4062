"""A trained network as ONNX: one mode or both, batch norms folded, masks as Where(mask, Relu(x), x), batch dimension free.

python -m rlnet.export runs/digits/relu-50k/student --mode both
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rlnet.cli import announce, command
from rlnet.runs import find


@dataclass(frozen=True)
class ExportConfig:
    """Exports a trained network to ONNX.

    Args:
        mode: which batch-norm path; both gives the file a second input "mode", 0 for normal and 1 for adversarial.
        output: the file; by default beside the checkpoint, with the name of its folder and, but for mode normal, of the mode:
            student/student.onnx, student/student-adversarial.onnx, student/student-both.onnx.
        device: where to compute.
    """

    mode: Literal["normal", "adversarial", "both"] = "normal"
    output: Path | None = None
    device: Literal["cpu"] = "cpu"


def export_file(path: Path, config: ExportConfig) -> Path:
    """Exports the network of a stage folder or checkpoint; returns the file written."""
    checkpoint = find(path)
    suffix = "" if config.mode == "normal" else f"-{config.mode}"
    output = config.output or checkpoint.with_name(f"{checkpoint.resolve().parent.name}{suffix}.onnx")
    announce(f"{checkpoint}: mode {config.mode}, into {output}")
    from rlnet.models.onnx_file import export
    from rlnet.trained import load_with_facts

    network, facts = load_with_facts(path)
    export(network, facts.image_shape, output, config.mode, facts.classes)
    print(f"{output}: mode {config.mode}" if config.mode != "both" else f'{output}: both modes, chosen by its input "mode"')
    return output


def main(arguments: list[str] | None = None) -> int:
    return command(export_file, ExportConfig, arguments, positional={"path": (Path, "stage folder or checkpoint")})


if __name__ == "__main__":
    sys.exit(main())
