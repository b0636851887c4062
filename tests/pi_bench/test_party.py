"""What each role may be told, and what not."""

import pytest

from pi_bench.party import main

WRONG = {
    "client with a model": (["client", "--inputs=a.npz", "--model=a.onnx"], "must not see the model"),
    "server with images": (["server", "--model=a.onnx", "--inputs=a.npz"], "must not see the images"),
    "client with a mode": (["client", "--inputs=a.npz", "--mode=normal"], "chosen by the server"),
    "dealer with a mode": (["dealer", "--mode=normal"], "chosen by the server"),
    "client that calibrates": (["client", "--inputs=a.npz", "--calibration=b.npz"], "chosen by the server"),
    "bits given and calibrated": (["server", "--model=a.onnx", "--calibration=b.npz", "--comparison-bits=20"], "leave out"),
    "server without a model": (["server", "--mode=normal"], "needs --model"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_for_a_role(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (role, *flags), words = WRONG[name]
    assert main(["--role", role, "--rendezvous", "tcp://localhost:1", *flags]) == 2
    assert words in capsys.readouterr().err
