"""One process a folder: a living owner is named, a dead one loses the folder, on this host and on others."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rlnet.training import ownership
from rlnet.training.folder import StageFolder, owned
from rlnet.training.ownership import FILE, LEASE_S, Claim, owning

OWNER = """
import signal, sys
from pathlib import Path
from rlnet.training.ownership import Claim
claim = Claim(Path(sys.argv[1]))
claim.take()
print("mine", flush=True)
signal.pause()
"""


@pytest.fixture
def other(start: Callable[..., subprocess.Popen], tmp_path: Path) -> subprocess.Popen:
    """Another process, which has the folder tmp_path/stage until it ends."""
    process = start("-c", OWNER, str(tmp_path / "stage"))
    assert process.stdout.readline() == "mine\n"
    return process


@contextmanager
def elsewhere(folder: Path, touched_every_s: float | None) -> Iterator[Path]:
    """Within the context the folder has an owner on another host, which touches its file or, being dead, does not."""
    folder.mkdir()
    file, ended = folder / FILE, threading.Event()
    record = {"pid": 77, "host": "node7", "mode": "lease", "token": "0" * 32, "duration": ownership.LEASE_S}
    file.write_text("filelock/2\n" + "".join(f"{key}={value}\n" for key, value in record.items()))

    def live() -> None:
        while not ended.wait(touched_every_s):
            os.utime(file)

    thread = threading.Thread(target=live)
    if touched_every_s is not None:
        thread.start()
    try:
        yield file
    finally:
        ended.set()
        if touched_every_s is not None:
            thread.join()


def test_a_living_owner_is_named(other: subprocess.Popen, tmp_path: Path) -> None:
    words = f"belongs to process {other.pid} on {socket.gethostname()} .*python.*; wait until it ends, or choose another --name"
    with pytest.raises(ValueError, match=words), owning(tmp_path / "stage"):
        pass
    assert (tmp_path / "stage" / FILE).exists()  # of the other one, still


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_process_that_is_gone_owns_nothing(other: subprocess.Popen, tmp_path: Path, number: signal.Signals) -> None:
    other.send_signal(number)
    other.communicate()
    assert (tmp_path / "stage" / FILE).exists() or number != signal.SIGKILL  # a killed one says nothing when it goes
    with owning(tmp_path / "stage") as claim:
        assert claim.is_held
    assert not (tmp_path / "stage").exists()  # nothing was written there


def test_an_owner_elsewhere_lives_while_it_touches_its_file(tmp_path: Path) -> None:
    with elsewhere(tmp_path / "stage", touched_every_s=0.05), pytest.raises(ValueError, match="process 77 on node7; wait"):
        Claim(tmp_path / "stage").take()


def test_an_owner_elsewhere_that_touches_nothing_is_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ownership, "LEASE_S", 3.0)
    monkeypatch.setattr(ownership, "TOUCH_S", 0.5)
    monkeypatch.setattr(ownership, "SAY_AFTER_S", 0.1)
    with elsewhere(tmp_path / "stage", touched_every_s=None) as file:
        started = time.monotonic()
        with owning(tmp_path / "stage") as claim:
            assert claim.is_held and "host=node7" not in file.read_text()
        assert time.monotonic() - started >= 3.0
    assert "belongs to process 77 on node7; looking for at most 3 s" in capsys.readouterr().err


def test_whoever_lost_a_folder_writes_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "TOUCH_S", 0.05)
    folder = StageFolder(tmp_path / "stage", {"seed": 0}, {})
    with owned([folder]):
        folder.open()
        (folder.path / FILE).unlink()
        while folder.claim._lease.compromise is None:  # its thread notices at one of the next touches
            time.sleep(0.01)
        for write in (lambda: folder.write_metrics([]), lambda: folder.save_last({}), lambda: folder.write_card({})):
            with pytest.raises(ValueError, match="no longer this process's"):
                write()
    assert sorted(path.name for path in folder.path.iterdir()) == ["config.yaml"]


def test_a_finished_stage_has_no_owner(other: subprocess.Popen, tmp_path: Path) -> None:
    """Several students of one teacher are trained at the same time; one that is evaluated anew has an owner again."""
    folder = StageFolder(tmp_path / "stage", {}, {})
    (folder.path / "card.json").write_text('{"kind": "stage", "evaluation": {"settings": {"attacks": ["pgd-7"]}}}')
    with owned([folder], {"attacks": ["pgd-7"]}):
        assert not folder.claim.is_held
    with pytest.raises(ValueError, match=f"process {other.pid}"), owned([folder], {"attacks": ["pgd-20"]}):
        pass


def test_a_stage_is_let_go_of_when_its_card_is_written(tmp_path: Path) -> None:
    first, second = (StageFolder(tmp_path / name, {}, {}) for name in ("teacher", "masks"))
    with owned([first, second]):
        assert first.claim.is_held and second.claim.is_held
        first.open()
        first.write_card({"kind": "teacher"})
        assert not first.claim.is_held and second.claim.is_held
    assert not (first.path / FILE).exists() and not second.path.exists()


def test_what_a_dead_owner_left_half_written_is_removed(tmp_path: Path) -> None:
    """Whatever its process number: another host counts its own."""
    folder = StageFolder(tmp_path / "stage", {}, {})
    folder.path.mkdir()
    left = folder.path / f".last.pt.{os.getppid()}.part"
    left.touch()
    folder.open()
    assert left.exists()  # not the owner
    with owned([folder]):
        folder.open()
        assert not left.exists()


def test_the_lease_is_longer_than_a_busy_machine_stands_still() -> None:
    assert LEASE_S >= 10 * ownership.TOUCH_S


def test_two_claims_of_one_process(tmp_path: Path) -> None:
    with owning(tmp_path / "stage"), pytest.raises(ValueError, match=f"process {os.getpid()}"):
        Claim(tmp_path / "stage").take()
    assert sys.exc_info() == (None, None, None)
