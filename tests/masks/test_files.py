"""The mask file: round trips, the documented bytes written without our code, and every damage refused."""

import base64
import hashlib
import json
import pickle
from pathlib import Path

import pytest
import torch

import masks.files
from masks import load_masks, random_mask, save_masks

SITES = {"relu": (2, 3, 5), "layer1.0.relu1": (1, 1, 1), "layer1.0.relu2": (3, 4, 4), "last": (7, 1, 3)}


def some_masks(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: random_mask(shape, (shape[0] * shape[1] * shape[2] + 1) // 2, generator) for name, shape in SITES.items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) and a[name].dtype == b[name].dtype for name in a)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_masks(tmp_path / "masks.json", some_masks(), network="toy", input_shape=(3, 8, 8))
    return tmp_path / "masks.json"


@pytest.mark.parametrize("entries", range(1, 26))
def test_round_trip_of_every_size(tmp_path: Path, entries: int) -> None:
    masks = {
        "none": torch.zeros(1, 1, entries, dtype=torch.bool),
        "all": torch.ones(entries, 1, 1, dtype=torch.bool),
        "some": random_mask((1, entries, 3), entries, torch.Generator().manual_seed(entries)),
        "strided": random_mask((entries, 3, 2), entries, torch.Generator().manual_seed(entries)).transpose(0, 2),
    }
    save_masks(tmp_path / "masks.json", masks, network="toy", input_shape=(1, 1, 1))
    assert same(load_masks(tmp_path / "masks.json"), masks)


def test_same_masks_same_bytes(path: Path, tmp_path: Path) -> None:
    save_masks(tmp_path / "again.json", load_masks(path, SITES), network="toy", input_shape=(3, 8, 8))
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_documented_bytes_by_hand(tmp_path: Path) -> None:
    """Ten entries, 1010 0000 11, are the bytes 0xA0 0xC0."""
    packed = bytes([0xA0, 0xC0])
    document = {
        "format": "relu-masks",
        "version": 1,
        "network": "by hand",
        "input": [1, 2, 2],
        "replaced_by": "identity",
        "budget": 4,
        "sites": [{"name": "a", "shape": [1, 2, 5], "kept": 4, "bits": base64.b64encode(packed).decode()}],
        "sha256": hashlib.sha256(packed).hexdigest(),
    }
    (tmp_path / "masks.json").write_text(json.dumps(document))
    masks = load_masks(tmp_path / "masks.json")
    assert masks["a"].int().tolist() == [[[1, 0, 1, 0, 0], [0, 0, 0, 1, 1]]]
    save_masks(tmp_path / "ours.json", masks, network="by hand", input_shape=(1, 2, 2))
    assert json.loads((tmp_path / "ours.json").read_text()) == document


def damage(path: Path, **changes) -> None:
    document = json.loads(path.read_text())
    site = {key.removeprefix("site_"): changes.pop(key) for key in list(changes) if key.startswith("site_")}
    document["sites"][2].update(site)
    path.write_text(json.dumps(document | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "relu"}, "format is 'relu'"),
        ({"version": 2}, "version is 2, this code reads 1"),
        ({"version": True}, "no version of type int"),
        ({"replaced_by": "poly2"}, "replaced_by is 'poly2'"),
        ({"network": None}, "no network"),
        ({"input": [3, 8]}, "input is not three"),
        ({"budget": 52}, "budget is 52, its sites keep 51"),
        ({"budget": 51.0}, "no budget of type int"),
        ({"sites": {}}, "no sites of type list"),
        ({"sites": [1]}, "no name"),
        ({"sha256": "0" * 64}, "do not have its sha256"),
        ({"site_name": "relu"}, "'relu' is there twice"),
        ({"site_shape": [3, 4, 5]}, "characters, its shape needs"),
        ({"site_shape": [6, 4, 2, 1]}, "shape is not three"),
        ({"site_shape": [-3, -4, 4]}, "shape is not three"),
        ({"site_shape": [3, 4, True]}, "shape is not three"),
        ({"site_shape": [10**9, 10**9, 10**9]}, "characters, its shape needs"),
        ({"site_kept": 23}, "says that 23 are kept, its bits keep 24"),
        ({"site_kept": "24"}, "no kept of type int"),
        ({"site_bits": "AAAA"}, "bits are 4 characters"),
        ({"site_bits": "!!!!!!!!"}, "layer1.0.relu2"),
        ({"site_bits": "AAAAAAA="}, "bits are 5 bytes, its shape needs 6"),
    ],
)
def test_damage_is_refused(path: Path, changes: dict, message: str) -> None:
    damage(path, **changes)
    with pytest.raises(ValueError, match=message) as caught:
        load_masks(path)
    assert str(path) in str(caught.value)
    assert "masks.save_masks" in str(caught.value)


def test_padding_must_be_zero(path: Path) -> None:
    document = json.loads(path.read_text())
    bits = bytearray(base64.b64decode(document["sites"][0]["bits"]))
    bits[-1] |= 1  # 30 entries leave two bits over
    document["sites"][0]["bits"] = base64.b64encode(bits).decode()
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match="not filled with zeros"):
        load_masks(path)


def test_every_truncation_is_refused(path: Path) -> None:
    data = path.read_bytes().rstrip()
    for length in range(0, len(data), 3):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match="no intact mask file"):
            load_masks(path)


def test_a_flipped_bit_is_refused_or_leaves_the_masks_alone(path: Path) -> None:
    """Only the names and the sizes of the input are outside the checksum; the names are checked against the sites."""
    data, refused = path.read_bytes(), 0
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            assert same(load_masks(path, SITES), some_masks())
        except ValueError:
            refused += 1
    assert refused > len(data) / 2


@pytest.mark.parametrize(
    "content", [b"", b"masks", b"[]", b"3", b"\xff\xfe\x00", b"[" * 100_000, b'{"format": NaN}', b"\0" * 9]
)
def test_other_content_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no intact mask file"):
        load_masks(path)


def test_huge_files_are_not_read(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(masks.files.MAX_FILE_BYTES + 1)  # sparse: takes no disk
    with pytest.raises(ValueError, match="more than any mask file"):
        load_masks(path)


class Bomb:
    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


def test_a_pickle_is_not_executed(path: Path, tmp_path: Path) -> None:
    bomb = pickle.dumps(Bomb(tmp_path / "executed"))
    path.write_bytes(bomb)
    with pytest.raises(ValueError, match="no intact mask file"):
        load_masks(path)
    assert not (tmp_path / "executed").exists()
    pickle.loads(bomb)
    assert (tmp_path / "executed").exists()  # it was a live one


def test_masks_of_another_network_are_named(path: Path) -> None:
    sites = {**SITES, "more": (1, 1, 1), "relu": (2, 5, 3)}
    del sites["last"]
    with pytest.raises(ValueError, match="another network") as caught:
        load_masks(path, sites)
    for part in ("more is missing", "last is not in the network", "relu has shape (2, 3, 5), in the network (2, 5, 3)"):
        assert part in str(caught.value)


def test_the_order_of_the_sites_counts(path: Path) -> None:
    assert list(load_masks(path, dict(reversed(SITES.items())))) == list(reversed(SITES))


@pytest.mark.parametrize("fail_in", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(path: Path, monkeypatch, fail_in: str) -> None:
    def fail(*_arguments):
        raise OSError("disk full")

    before = path.read_bytes()
    monkeypatch.setattr(masks.files.os, fail_in, fail)
    with pytest.raises(OSError, match="disk full"):
        save_masks(path, some_masks(1), network="toy", input_shape=(3, 8, 8))
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "mask", [torch.ones(1, 2, 2), torch.ones(2, 2, dtype=torch.bool), torch.ones(0, 1, 1, dtype=torch.bool)]
)
def test_only_masks_are_written(tmp_path: Path, mask: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="site 'a': a mask is a bool tensor"):
        save_masks(tmp_path / "masks.json", {"a": mask}, network="toy", input_shape=(3, 8, 8))
    assert not list(tmp_path.iterdir())
