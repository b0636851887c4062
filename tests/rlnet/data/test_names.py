"""Names of files that are not UTF-8 or cannot be printed: they are read, sorted, and shown in any message on any terminal."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from rlnet.data.files.shown import is_text, shown

from .image_files import load_folder, pixels, write_classes

LATIN_1 = "caf\u00e9".encode("latin-1")


def put(folder: Path, name: bytes, content: bytes) -> bytes:
    path = os.path.join(os.fsencode(folder), name)
    with open(path, "wb") as file:
        file.write(content)
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"plain name.png", "plain name.png"),
        ("größe-猫.png".encode(), "größe-猫.png"),
        (LATIN_1, r"caf\xe9"),
        (b"two\nlines", r"two\nlines"),
        (b"\x1b[2J", r"\x1b[2J"),
        ("\u202egnp".encode(), r"\u202egnp"),
    ],
)
def test_what_is_shown_can_be_printed(name: bytes, expected: str) -> None:
    assert shown(name) == shown(os.fsdecode(name)) == shown(Path(os.fsdecode(name))) == expected
    assert expected.isprintable() and expected.encode()
    assert is_text(name) == (name != LATIN_1)


def test_files_of_any_name_are_read(tmp_path: Path) -> None:
    """In an order that does not depend on the locale, and the same when read from the cache."""
    write_classes(tmp_path, 10)
    image = (tmp_path / "cat" / "03.png").read_bytes()
    for name in (LATIN_1 + b".png", b"two\nlines.png", "猫.png".encode(), b"\xff.png", b"-.png"):
        put(tmp_path / "cat", name, image + name)
    first, again = load_folder(tmp_path), load_folder(tmp_path)
    assert len(first.train) + len(first.validation) + len(first.test) == 25
    assert first.fingerprint == again.fingerprint and first.test.fingerprint == again.test.fingerprint
    assert first.fingerprint.parts["all"]["cat"].images == 15


def test_a_message_about_such_a_file_can_be_printed_on_an_ascii_terminal(tmp_path: Path) -> None:
    write_classes(tmp_path, 10)
    put(tmp_path / "cat", LATIN_1 + b".png", b"no image")
    code = """if True:
        import sys
        from pathlib import Path
        from rlnet.data.files import decoding, layout, walk
        try:
            decoding.decode(next(path for path in Path(sys.argv[1]).iterdir() if path.name.startswith("caf")))
        except ValueError as error:
            print(error)
    """
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "cat")], env=environment, capture_output=True, check=True)
    assert rb"cat/caf\xe9.png is not an image, or is damaged: remove it" in done.stdout


def test_copies_of_such_files_are_named(tmp_path: Path) -> None:
    for seed, part in enumerate(("train", "test")):
        write_classes(tmp_path / part, 10, seed=seed)
    copied = (tmp_path / "train" / "cat" / "03.png").read_bytes()
    put(tmp_path / "test" / "cat", LATIN_1 + b".png", copied)
    leaks = load_folder(tmp_path).leaks
    assert leaks is not None and r"test/cat/caf\xe9.png = " in leaks and leaks.isprintable()


def test_links_loops_and_unlike_images_of_such_names_are_named(tmp_path: Path) -> None:
    write_classes(tmp_path, 10)
    folder = os.path.join(os.fsencode(tmp_path / "cat"), LATIN_1)
    os.symlink(b".", folder)
    with pytest.raises(ValueError, match=r"caf\\xe9 leads back to") as caught:
        load_folder(tmp_path)
    assert str(caught.value).isprintable()
    os.unlink(folder)
    os.symlink(b"nowhere-\xff", folder)
    with pytest.raises(ValueError, match=r"caf\\xe9 is a symbolic link to nowhere-\\xff, which cannot be reached"):
        load_folder(tmp_path)
    os.unlink(folder)
    put(tmp_path / "cat", LATIN_1 + b".png", cv2.imencode(".png", pixels(0, 9, 9, 3))[1].tobytes())
    with pytest.raises(ValueError, match=r"caf\\xe9.png has 9x9 pixels, but"):
        load_folder(tmp_path)


def test_a_class_whose_name_is_not_text_is_refused(tmp_path: Path) -> None:
    """Its name goes into checkpoints, cards and ONNX files, which are UTF-8."""
    write_classes(tmp_path, 10)
    os.rename(os.fsencode(tmp_path / "dog"), os.path.join(os.fsencode(tmp_path), LATIN_1))
    with pytest.raises(ValueError, match=r"caf\\xe9 has a name that is not UTF-8, .*: rename it") as caught:
        load_folder(tmp_path)
    assert str(caught.value).isprintable()


def test_a_root_whose_name_is_not_text_can_be_read(tmp_path: Path) -> None:
    root = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), LATIN_1)))
    write_classes(tmp_path / "ascii", 10)
    (tmp_path / "ascii").rename(root)
    assert len(load_folder(root).test) == 4
