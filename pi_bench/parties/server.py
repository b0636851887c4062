"""The server's process: it alone reads the model."""

import socket
from pathlib import Path
from typing import Any

from pi_bench import inputs
from pi_bench.config.party import PartyConfig
from pi_bench.model import graph
from pi_bench.model.operations import Model
from pi_bench.parties.meeting import run_server
from pi_bench.parties.others import meet_others
from pi_bench.parties.parent import Parent
from pi_bench.protocols.calibration import calibrated


def serve_model(config: PartyConfig, parent: Parent | None, listener: socket.socket | None) -> None:
    """Reads the model, and serves inferences until the client ends."""
    model = graph.load(config.model, config.mode)
    graph.refuse_unknown(model)
    digest = model.architecture.digest
    if config.digest is not None and config.digest != digest:
        raise ValueError(f"{config.model} has the architecture {digest}, not {config.digest}")
    settings, images = config.settings, None
    if config.calibration is not None:
        images = inputs.load(config.calibration, shape=model.architecture.input_shape).images
        settings = calibrated(settings, model, images)
    facts = {**model_facts(config.model, model), "calibration_images": None if images is None else len(images)}
    with meet_others(config, listener, digest) as links:
        keep_notes = (lambda notes: None) if parent is None else parent.send
        run_server(links, settings, model, facts, keep_notes, config.ahead_folder)


def model_facts(path: Path, model: Model) -> dict[str, Any]:
    """What the client's card says of a model."""
    operations = model.architecture.operations
    return {
        "path": path.name,
        "sha256": None,  # it would confirm a guess of the weights
        "mode": model.mode,
        "architecture_digest": model.architecture.digest,
        "macs": sum(operation.macs for operation in operations),
        "parameters": sum(operation.parameters for operation in operations),
    }
