"""What the tests of cards, tables, pictures and pages share: the results of runs that never happened."""

import fcntl
import io
import logging
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from pi_bench.cost import OFFLINE_WAYS

from .forked import Forked

LAN = {"name": "lan", "rtt_ms": 0.3, "mbit_per_s": 3000.0, "emulated": True}
LINEAR_LAYERS = (("input", "Input", 0.2), ("conv1", "Conv", 6.0), ("fc", "Linear", 1.0), ("output", "Output", 0.1))


@pytest.fixture
def make_result() -> Callable[..., dict[str, Any]]:
    """Makes the result of a network with two ReLU layers; times follow from kept ReLUs, rounds and bytes without noise."""

    def make(
        kept: tuple[int, int] = (60, 40),
        total: tuple[int, int] = (400, 100),
        network: dict[str, Any] = LAN,
        protocol: str = "crypten",
        name: str = "student.onnx",
        repeats: int = 5,
        labels: bool = True,
        waiting: bool = True,
        ms_per_relu: float = 0.05,
        mode: str | None = None,
    ) -> dict[str, Any]:
        relus = [(f"relu{i + 1}", k, n) for i, (k, n) in enumerate(zip(kept, total, strict=True))]
        layers, compute_ms, wait_ms = [], [], []
        for layer, op, ms in (*LINEAR_LAYERS[:2], *((n, "ReLU", 0.3 * (k > 0)) for n, k, _ in relus), *LINEAR_LAYERS[2:]):
            k, n = next(((k, n) for site, k, n in relus if site == layer), (0, 0))
            elements = n if protocol == "crypten-plain" else k
            of_relu = 2 if protocol == "one-trip" else 9
            rounds = (of_relu if elements else 0) if op == "ReLU" else int(op in ("Conv", "Linear"))
            server_bytes = elements * 300 if op == "ReLU" else 160 * rounds
            client_bytes = server_bytes + 4000 * (op == "Input")
            cost = {"rounds": rounds, "server_bytes": server_bytes, "client_bytes": client_bytes}
            layers.append(
                {
                    "name": layer,
                    "op": op,
                    "relu_kept": k,
                    "relu_total": n,
                    **cost,
                    "predicted": dict(cost),
                    "serial_bytes": client_bytes,
                }
            )
            compute_ms.append(ms + ms_per_relu * elements)
            wait = rounds * (network["rtt_ms"] or 0) / 2
            wait_ms.append(wait + (client_bytes * 8 / network["mbit_per_s"] / 1000 if network["mbit_per_s"] else 0))
        turns = []
        for i in range(repeats):
            slower = [c * (1 + 0.01 * i) + w for c, w in zip(compute_ms, wait_ms, strict=True)]
            faster = [0.9 * ms for ms in slower]
            turn = {"server": slower, "client": faster} if i % 2 == 0 else {"server": faster, "client": slower}
            turns.append(
                {party: {"layers_ms": ms, **({"waiting_ms": wait_ms} if waiting else {})} for party, ms in turn.items()}
            )
        offline_bytes = (900 * sum(kept), 32, 100, 0)
        bits = {site: 21 + 3 * i for i, (site, k, _) in enumerate(relus) if k}
        comparison = {"bits": bits, "calibration_images": 16, "safety": 8} if protocol == "one-trip" and bits else None
        here = {
            "hardware": {"processor": "A <fast> one", "cores": 2},
            "versions": {"python": "3.11", "torch": "2.13"},
            "pid": 1,
        }
        return {
            "protocol": protocol,
            "provider": "dealer",
            "precision_bits": 16,
            "batch": 1,
            "comparison": comparison,
            "network": dict(network),
            "threads": 1,
            "warmups": 2,
            "repeats": turns,
            "layers": layers,
            "sites": {site: {"total": n, "kept": k} for site, k, n in relus},
            "offline": {
                "seconds": {
                    "server": [0.02 + 0.001 * i for i in range(repeats)],
                    "client": [0.01] * repeats,
                    "dealer": [0.005] * repeats,
                },
                "bytes": dict(zip(OFFLINE_WAYS, offline_bytes, strict=True)),
                "predicted": dict(zip(OFFLINE_WAYS, offline_bytes, strict=True)),
                "held_bytes": {"server": 5000, "client": 4000},
                "peak_bytes": {"server": 3 * 10**8, "client": 2 * 10**8, "dealer": 10**8},
                "ahead": None,
            },
            "setup": {
                "network": network["name"],
                "seconds": 0.5,
                "server_bytes": 70_000,
                "client_bytes": 64,
                "dealer_bytes": 35_000,
            },
            "correctness": {
                "images": 50,
                "images_sha256": "ef" * 32,
                "matches": 49,
                "correct": 45 if labels else None,
                "plain_correct": 46 if labels else None,
                "max_abs_logit_error": 0.0021,
                "mean_abs_logit_error": 0.0004,
                "wraps": 1,
                "wrapped_images": 1,
                "expected_wraps": 0.7,
                "out_of_range": 0,
            },
            "parties": {role: {**here, "host": "secret-host"} for role in ("server", "client", "dealer")},
            "model": {
                "path": name,
                "sha256": "ab" * 32,
                "mode": mode,
                "architecture_digest": "cd" * 32,
                "macs": 37_000_000,
                "parameters": 11_000,
            },
            "trust": "Semi-honest parties and a trusted dealer that does not collude with either.",
        }

    return make


@pytest.fixture
def make_card(make_result: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Makes the card of such a run; all are of the same run."""

    from pi_bench.results import card

    def make(**arguments: Any) -> dict[str, Any]:
        return card.build(make_result(**arguments), "python -m pi_bench student.onnx", datetime(2026, 1, 2, tzinfo=UTC))

    return make


@pytest.fixture
def make_onnx(tmp_path: Path) -> Callable[..., Path]:
    """Writes an ONNX file of nodes: input "x" (batch, *shape) and `others`, output the last node's first."""

    def make(
        nodes: Sequence[onnx.NodeProto],
        constants: Mapping[str, np.ndarray] | None = None,
        shape: Sequence[int | str] = (2, 4, 4),
        batch: int | str = "batch",
        opset: int = 20,
        name: str = "model.onnx",
        others: Sequence[onnx.ValueInfoProto] = (),
        metadata: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Path:
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *shape]), *others]
        outputs = [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)]
        tensors = [numpy_helper.from_array(np.asarray(array), key) for key, array in (constants or {}).items()]
        graph = helper.make_graph(nodes, "g", inputs, outputs, tensors)
        opsets = options.pop("opset_imports", [helper.make_opsetid("", opset)])
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10, **options)
        helper.set_model_props(model, metadata or {})
        if not model.functions:
            model = onnx.shape_inference.infer_shapes(model)
        if not model.graph.output[0].type.tensor_type.HasField("shape"):
            model.graph.output[0].type.tensor_type.shape.dim.add(dim_param="batch")
        path = tmp_path / name
        onnx.save(model, path)
        return path

    return make


@pytest.fixture(scope="session")
def run_onnx() -> Callable[..., np.ndarray]:
    """What onnxruntime says of images, in the mode of a number where the file has a selector: the reference."""

    def run(path: Path, images: np.ndarray, mode: int | None = None) -> np.ndarray:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        given = [images] if mode is None else [images, np.array(mode)]
        return session.run(None, {value.name: array for value, array in zip(session.get_inputs(), given, strict=True)})[0]

    return run


@pytest.fixture(scope="session")
def export_torch() -> Callable[..., Any]:
    """Exports a torch module with the new (dynamo) or the old exporter, batch dimension free; returns the former's program."""

    def export(module: torch.nn.Module, shape: tuple[int, ...], path: Path, dynamo: bool, **options: Any) -> Any:
        example = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
        free = {"dynamic_shapes": ({0: torch.export.Dim("batch")},)} if dynamo else {"dynamic_axes": {"x": {0: "batch"}}}
        logger = logging.getLogger("torch.onnx")
        level = logger.level
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # the exporters' own deprecations
            logger.setLevel(logging.ERROR)
            try:
                return torch.onnx.export(
                    module.eval(), (example,), path, input_names=["x"], output_names=["y"], dynamo=dynamo, **free, **options
                )
            finally:
                logger.setLevel(level)

    return export


@pytest.fixture(scope="session")
def make_student(tmp_path_factory: pytest.TempPathFactory, tiny_network: Callable[..., Any]) -> Callable[..., Path]:
    """Exports a tiny network of the project, grey 8x8 images, 5 classes; each kind is made once (it takes seconds), for all
    workers that run tests side by side.

    keep: the fraction of ReLUs kept at every site but the first; None for a network whose ReLUs are whole. mode: "both" for a
    file with a selector.
    """
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # one folder for all workers

    def make(name: str = "resnet18", keep: float | None = 0.3, mode: str = "normal") -> Path:
        from rlnet.models.onnx_file import export

        path = base / "students" / f"{name}-{keep}-{mode}" / "student.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name("lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                export(tiny_network(name, "dual", keep), (1, 8, 8), path, mode)
        return path

    return make


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parties that have done their work get time to end, on a machine as busy as it may be."""
    monkeypatch.setattr("pi_bench.parties.launch._END_S", 60.0)


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parties of a benchmark are forked from a process that has loaded torch (forked.py)."""
    monkeypatch.setattr("pi_bench.parties.child.Popen", Forked)
