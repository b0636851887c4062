"""A trained network as ONNX: one mode or both, batch norms folded, masks as Where(mask, Relu(x), x), batch dimension free.

python -m rlnet.export runs/digits/relu-50k/student --mode both
"""

import json
import logging
import warnings
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import onnx
import torch
from onnxscript.optimizer import optimize

from masks import count_kept, find_sites, masks_digest, masks_of
from masks.atomic_file import write_atomically
from rlnet.models import ModeNetwork, frozen
from rlnet.models.batch_norm import SELECTABLE, selectable

LARGEST_CONSTANT = 2**30  # bytes; the exporter's own folding stops at small ones and leaves masks to be computed at each run


def export(
    network: ModeNetwork, image_shape: tuple[int, int, int], path: Path, mode: str, classes: tuple[str, ...] = ()
) -> None:
    """Writes the network's ONNX file: input "image" float [0, 1] (B, C, H, W), output "logits" (B, K).

    mode: which one the file computes; "both" gives it a second input "mode", int64 (), whose values 0, 1, ... are the modes
    that its metadata lists under "modes", in order; any other value is an error of onnxruntime. The weights are there once.
    classes: their names, where they are known. The metadata say what the file computes, see `metadata`.
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
    onnx.helper.set_model_props(model, metadata(network, image_shape, mode, classes))
    write_atomically(path, lambda file: file.write(model.SerializeToString()))


def metadata(network: ModeNetwork, image_shape: tuple[int, int, int], mode: str, classes: tuple[str, ...]) -> dict[str, str]:
    """What a file says of itself, as texts by name.

    rlnet.mode: the one it computes; a file of both has "modes" in its place, in the order of their numbers. rlnet.classes: a
    JSON list, where they are known. rlnet.sites: a JSON list of the ReLU sites' module paths in forward order. rlnet.budget:
    how many scalar ReLUs it keeps of one image. rlnet.masks_sha256: `masks.masks_digest` of all sites.
    """
    sites = find_sites(network, torch.zeros(1, *image_shape, device=next(network.parameters()).device))
    masks = masks_of(network, sites)
    found = {"modes": ",".join(SELECTABLE)} if mode == "both" else {"rlnet.mode": mode}
    found |= {"rlnet.classes": json.dumps(classes)} if classes else {}
    return found | {
        "rlnet.sites": json.dumps(list(sites)),
        "rlnet.budget": str(count_kept(masks)),
        "rlnet.masks_sha256": masks_digest(masks),
    }


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
