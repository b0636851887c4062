"""Which device and number format `auto` takes, and what a GPU is told so that fp32 is fp32 and runs repeat themselves."""

import pytest
import torch

from rlnet.training.device import resolve

CUDNN = torch.backends.cudnn


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
    """A machine that says it has a GPU with bf16, whose settings are torch's at the start; the devices that were chosen."""
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: not including_emulation)
    for name, value in (("benchmark", True), ("deterministic", False), ("allow_tf32", True)):
        monkeypatch.setattr(CUDNN, name, value)
    return chosen


def test_a_gpu_computes_fp32_in_fp32_and_the_same_every_time(gpu: list[torch.device]) -> None:
    compute = resolve("auto", "auto", local_rank=1)
    assert compute.device == torch.device("cuda", 1) and gpu == [compute.device]
    assert (compute.precision, compute.dtype) == ("bf16", torch.bfloat16)
    assert CUDNN.deterministic and not CUDNN.benchmark and not CUDNN.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert resolve("cuda", "fp32").dtype == torch.float32


def test_the_cpu_leaves_a_gpus_settings_alone(gpu: list[torch.device]) -> None:
    assert resolve("cpu", "fp32").device == torch.device("cpu") and gpu == []
    assert CUDNN.benchmark and CUDNN.allow_tf32


@pytest.mark.parametrize(
    ("features", "precision"),
    [
        ({"avx2": True, "avx512_bf16": False}, "fp32"),
        ({"avx512_bf16": True}, "bf16"),
        ({"amx_bf16": True}, "bf16"),
        ({}, "fp32"),
    ],
)
def test_bf16_where_the_processor_computes_in_it(
    features: dict[str, bool], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve("auto", "auto").precision == precision


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="use --device cpu"):
        resolve("cuda", "auto")
