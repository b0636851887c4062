"""Digests of files: what is read again and what is remembered, and that a memory that is stale or damaged changes nothing."""

import os
import subprocess
import sys
import time
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest

from rlnet.data.files.file_list import FileList
from rlnet.data.files.walk import files_below
from rlnet.data.identity import contents
from rlnet.data.identity.contents import digests

Read = list[bytes]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five files, one of them empty and one of two pieces and a bit."""
    monkeypatch.setattr(contents, "PIECE_BYTES", 64)
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    for name, content in {
        "a/1": b"one",
        "a/2": b"two",
        "b": b"",
        "c": bytes(2 * contents.PIECE_BYTES) + b"end",
        "d": b"d",
    }.items():
        (root / name).write_bytes(content)
    return root


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Read:
    """The files that were read; a file's times are trusted at once, as if it had been written long ago."""
    found: Read = []
    read = contents.content_digest
    monkeypatch.setattr(contents, "RACY_NS", 0)
    monkeypatch.setattr(contents, "content_digest", lambda path: found.append(os.path.basename(path)) or read(path))
    time.sleep(0.05)  # what a coarse clock calls now is past
    return found


def listed(root: Path) -> FileList:
    return FileList.of(root, [name for name in files_below(root)])


def ask(root: Path) -> np.ndarray:
    return digests(listed(root), root, "all")


def expected(root: Path) -> list[bytes]:
    return [blake2b(path.read_bytes(), digest_size=16).digest() for path in listed(root)]


def right(root: Path) -> bool:
    return [bytes(digest) for digest in ask(root)] == expected(root)


def test_a_second_time_only_looks(root: Path, reads: Read) -> None:
    assert right(root) and len(reads) == 5
    assert right(root) and right(root) and len(reads) == 5


def test_what_was_added_renamed_or_removed(root: Path, reads: Read) -> None:
    ask(root)
    reads.clear()
    (root / "a" / "3").write_bytes(b"three")
    (root / "b").rename(root / "e")
    (root / "d").unlink()
    time.sleep(0.05)
    assert right(root) and sorted(reads) == [b"3", b"e"]
    reads.clear()
    assert right(root) and reads == []


def test_a_rewrite_of_the_same_size_and_time_is_seen(root: Path, reads: Read) -> None:
    """As by cp -p, rsync -t and touch -r: in place, and by another file that takes the name."""
    before = ask(root)
    reads.clear()
    for name, new in (("a/1", b"eno"), ("a/2", b"owt")):
        path = root / name
        status = path.stat()
        target = path if name == "a/1" else path.with_name(".new")
        target.write_bytes(new)
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
        target.rename(path)
        assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert right(root) and sorted(reads) == [b"1", b"2"] and not np.array_equal(ask(root), before)


@pytest.mark.parametrize(("age_s", "trusted"), [(0, False), (1, False), (60, True)])
def test_times_of_just_now_are_not_trusted(root: Path, monkeypatch: pytest.MonkeyPatch, age_s: float, trusted: bool) -> None:
    """On a file system whose clock stands still, a rewrite shows in nothing but the contents."""
    now = time.time_ns()
    frozen = np.array([[3, now, now, inode] for inode in range(5)], dtype=np.int64)
    monkeypatch.setattr(contents, "_stats", lambda files: frozen.copy())
    monkeypatch.setattr(contents.time, "time_ns", lambda: now + int(age_s * 1e9))
    assert right(root)
    (root / "a" / "1").write_bytes(b"eno")
    assert right(root) != trusted


def test_parts_of_one_root_are_remembered_apart(root: Path, reads: Read) -> None:
    files = listed(root)
    some, others = files.subset(np.array([0, 1])), files.subset(np.array([2, 3, 4]))
    for _ in range(2):
        digests(some, root, "train")
        digests(others, root, "test")
    assert len(reads) == 5


def test_another_order_and_a_part_of_it_are_found(root: Path, reads: Read) -> None:
    all_digests, files = ask(root), listed(root)
    rows = np.array([4, 1, 2])
    assert np.array_equal(digests(files.subset(rows), root, "all"), all_digests[rows]) and len(reads) == 5


def test_a_copy_of_the_root_trusts_nothing(root: Path, reads: Read, tmp_path: Path) -> None:
    """Its memory came with it, but its files are others."""
    ask(root)
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", str(root), str(copy)], check=True)
    (copy / "a" / "1").write_bytes(b"eno")
    os.utime(copy / "a" / "1", ns=(0, (root / "a" / "1").stat().st_mtime_ns))
    reads.clear()
    assert right(copy) and len(reads) == 5


def test_a_root_that_cannot_be_written_to(root: Path, reads: Read, user_cache: Path) -> None:
    (root / ".cache").write_text("a file where the cache's folder would be")
    assert right(root) and right(root) and len(reads) == 5
    assert [path.name for path in (user_cache / "rlnet").rglob("*.npz")] == ["contents-all.npz"]


def test_two_roots_of_one_user_are_kept_apart(root: Path, reads: Read, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for folder in (root, other):
        folder.mkdir(exist_ok=True)
        (folder / ".cache").touch()
    (other / "b").write_bytes(b"x")
    ask(root)
    ask(other)
    reads.clear()
    assert right(root) and right(other) and reads == []


def test_nowhere_to_write_to(root: Path, reads: Read, user_cache: Path) -> None:
    (root / ".cache").touch()
    (user_cache / "rlnet").touch()
    assert right(root) and right(root) and len(reads) == 10


def test_a_damaged_memory_only_means_reading_again(root: Path, reads: Read) -> None:
    """Whichever byte is wrong, and wherever it ends."""
    ask(root)
    memory = root / ".cache" / "contents-all.npz"
    sound = memory.read_bytes()
    for place in range(0, len(sound), 7):
        memory.write_bytes(sound[:place] + bytes([sound[place] ^ 0x55]) + sound[place + 1 :])
        assert right(root)
        memory.write_bytes(sound[:place])
        assert right(root)


def test_a_memory_of_other_shapes_is_not_used(root: Path, reads: Read) -> None:
    ask(root)
    memory = root / ".cache" / "contents-all.npz"
    with np.load(memory) as stored:
        arrays = dict(stored)
    for key, wrong in (("version", np.array(-1)), ("stats", arrays["stats"][1:]), ("digests", arrays["digests"][:, :8])):
        np.savez(memory, **arrays | {key: wrong})
        reads.clear()
        assert right(root) and len(reads) == 5


def test_several_processes_at_once(root: Path) -> None:
    """They write the same memory while others read it, again and again."""
    code = """if True:
        import sys
        from pathlib import Path
        from rlnet.data.identity import contents
        from rlnet.data.files.file_list import FileList
        contents.RACY_NS = 0
        root = Path(sys.argv[1])
        files = FileList.of(root, [b"a/1", b"a/2", b"b", b"c", b"d"])
        found = set()
        for i in range(40):
            found.add(contents.digests(files, root, "all").tobytes())
            (root / ".cache" / "contents-all.npz").unlink(missing_ok=True)
        (digests,) = found
        print(digests.hex())
    """
    time.sleep(0.05)
    running = [subprocess.Popen([sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = [process.communicate()[0].strip() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert answers == [b"".join(expected(root)).hex()] * 3
    assert not list((root / ".cache").glob(".*"))


def test_a_file_that_cannot_be_read_is_named(root: Path) -> None:
    files = listed(root)
    (root / "a" / "1").unlink()
    with pytest.raises(ValueError, match=r"a/1 has gone .No such file.*: start again"):
        digests(files, root, "all")
    (root / "a" / "1").mkdir()
    with pytest.raises(ValueError, match=r"a/1 cannot be read .Is a directory.*: allow reading it"):
        digests(files, root, "all")
