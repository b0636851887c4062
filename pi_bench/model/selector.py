"""A file that holds several modes of a network: a second input, one whole number, selects the mode of a call.

Here a mode is chosen when the file is read: the input becomes a constant, and what depends on it is folded. A file that holds
one mode may say which, in its metadata.
"""

import re
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, numpy_helper

from pi_bench.units import plain

INTEGERS = {TensorProto.INT64: np.int64, TensorProto.INT32: np.int32}
NAMES = "modes"  # the key of the file's metadata that names them, in the order of their numbers, with commas between
OWN = "rlnet.mode"  # the key that names the only mode of a file without a selector
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}", re.IGNORECASE | re.ASCII)  # what can stand in a table and in a file's name
NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


def check(value: ValueInfoProto, path: Path) -> None:
    """Raises ValueError for an input of whole numbers that is not one number."""
    shape = tuple(dim.dim_value or plain(dim.dim_param) or "?" for dim in value.type.tensor_type.shape.dim)
    if shape:
        raise ValueError(
            f"{path}: the input {plain(value.name)!r} has the shape {shape}; "
            "what selects a mode is one whole number, of shape ()"
        )


def names(model: ModelProto, path: Path) -> tuple[str, ...]:
    """What the file calls its modes, in the order of their numbers; () where it does not say, and they go by number."""
    told = [entry.value for entry in model.metadata_props if entry.key == NAMES]
    if not told:
        return ()
    found = told[0].split(",") if isinstance(told[0], str) else [""]
    if len(told) > 1 or len(set(found)) < len(found) or not all(map(NAME.fullmatch, found)):
        raise ValueError(
            f"{path}: its metadata {NAMES!r} is no list of names; write each once, of letters and digits, with commas between"
        )
    return tuple(found)


def own_mode(model: ModelProto, path: Path) -> str | None:
    """What a file without a selector calls its only mode; None where it does not say."""
    told = [entry.value for entry in model.metadata_props if entry.key == OWN]
    if not told:
        return None
    if len(told) > 1 or not isinstance(told[0], str) or not NAME.fullmatch(told[0]):
        raise ValueError(f"{path}: its metadata {OWN!r} is no name of a mode; write it once, of letters and digits")
    return told[0]


def bind(model: ModelProto, selector: ValueInfoProto | None, path: Path, mode: str | None) -> str | None:
    """Makes a constant of the selector and returns the mode's name; of a file without one its own mode, None if it names none.

    mode: its name, or its number where the file names none; None takes the first. Raises ValueError for one there is not.
    """
    if selector is None:
        own = own_mode(model, path)
        if mode is not None and mode != own:
            only = "" if own is None else f" but its own, {own}"
            raise ValueError(f"{path} has no input that selects a mode, so no mode {plain(mode)!r}{only}; leave out --mode")
        return own
    named = names(model, path)
    mode = (named[0] if named else "0") if mode is None else mode
    if mode not in named and (named or not NUMBER.fullmatch(mode)):
        there_are = f"choose one of {', '.join(named)}" if named else "the file names none; give a number: 0, 1, ..."
        raise ValueError(f"{path} has no mode {plain(mode)!r}; {there_are}")
    number = named.index(mode) if named else int(mode)
    kind = INTEGERS[selector.type.tensor_type.elem_type]
    model.graph.initializer.append(numpy_helper.from_array(np.array(number, kind), selector.name))
    return mode
