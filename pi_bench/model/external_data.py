"""The weights that an ONNX file keeps in files beside it: only in its own folder, only what was promised."""

from collections.abc import Iterable
from pathlib import Path

import onnx
from onnx import TensorProto
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from pi_bench.units import plain


def load(path: Path, tensors: Iterable[TensorProto], max_bytes: int) -> None:
    """Puts the external data of `tensors` into them. Raises ValueError where it lies elsewhere, is missing or too much."""
    total = 0
    for tensor in tensors:
        if uses_external_data(tensor):
            total += _load(path, tensor, max_bytes - total)


def _load(path: Path, tensor: TensorProto, room: int) -> int:
    """Loads one tensor and returns its bytes."""
    place = f"{path}: the tensor {plain(tensor.name)!r}"
    try:
        info = ExternalDataInfo(tensor)
        file = _inside(path.resolve().parent, info.location)
        offset, size = info.offset or 0, file.stat().st_size
        length = size - offset if info.length is None else info.length
    except FileNotFoundError as error:
        raise ValueError(f"{place} lies in {plain(info.location)!r}, which is missing; copy it beside the model") from error
    except (ValueError, OSError) as error:
        raise ValueError(f"{place} has external data outside the model's folder or without a place; refused") from error
    if offset < 0 or length < 0 or offset + length > size:
        raise ValueError(f"{place} lies beyond the end of {plain(info.location)!r}; copy that file again")
    if length > room:
        raise ValueError(f"{path}: its weights are larger than can be read")
    with file.open("rb") as stream:
        stream.seek(offset)
        tensor.raw_data = stream.read(length)
    tensor.data_location = onnx.TensorProto.DEFAULT
    del tensor.external_data[:]
    return length


def _inside(folder: Path, location: str) -> Path:
    """The file at `location` in the folder; ValueError for one that is elsewhere, also by way of a link."""
    if not location or Path(location).is_absolute() or ".." in Path(location).parts:
        raise ValueError(location)
    file = (folder / location).resolve(strict=True)
    if not file.is_relative_to(folder) or not file.is_file():
        raise ValueError(location)
    return file
