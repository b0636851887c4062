"""RobNets as parts of the pipeline: sub-networks of the supernet, frozen ones, stages, files for secure protocols."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import onnxruntime
import pytest
import torch

from masks import find_sites
from pi_bench.model import graph
from pi_bench.model.operations import ReLU
from rlnet.models import frozen
from rlnet.models.elastic import ELASTIC, activate, copy_part
from rlnet.models.onnx_file import export
from rlnet.models.specifications.cell import CellSpec
from rlnet.models.specifications.cell_wiring import CODES, EDGES
from rlnet.models.specifications.robnet import LARGE, repeated
from rlnet.nas.cost import cost

from .cells import CELLS, GAPS, SHAPE, TINY, made, random_spec


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


@pytest.mark.parametrize(
    ("codes", "cells", "mode"),
    [(LARGE, 1, "both"), (GAPS, 2, "normal"), (GAPS, 2, "both")],
    ids=["large", "gaps", "gaps, both"],
)
def test_files_for_onnxruntime_and_for_secure_protocols(
    codes: tuple[str, ...], cells: int, mode: str, tmp_path: Path, generator: torch.Generator
) -> None:
    spec = repeated(codes, channels=2, cells=cells)
    network, path = made(spec), tmp_path / "student.onnx"
    images = torch.rand(3, *SHAPE, generator=generator)
    with torch.no_grad():
        expected = [network(images, mode) for mode in ("normal", "adversarial")]
    relus = [c * h * w for c, h, w in find_sites(network, images).values()]
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
    convolved = sum(operation.macs for operation in operations if not operation.name.startswith("node_mul"))
    assert convolved == cost(spec, SHAPE, 5).macs  # a node that nothing reaches is a map times 0
