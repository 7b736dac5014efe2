"""The library's memory as NumPy arrays and PyTorch tensors, without a copy."""
from __future__ import annotations

import ctypes
import sys

from ._library import TYPES, Array, Handle, UsageError

WHOLE = {"uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "uint32": 4, "int32": 4, "int64": 8, "float32": 4, "float64": 8}


def module(tensors: str | None):
    """torch or numpy; None: torch if the program has imported it, else numpy."""
    if tensors is None:
        tensors = "torch" if "torch" in sys.modules else "numpy"
    if tensors not in ("torch", "numpy"):
        raise UsageError(f'tensors: "torch" or "numpy", not {tensors!r}')
    try:
        return __import__(tensors)
    except ImportError:
        raise UsageError(f"{tensors} is not installed for this Python") from None


def view(array: Array, owner: Handle, library):
    """An array of `library` (torch or numpy) over the memory, which lives as long as anything that refers to it:
    `owner` is let go, and the memory used again, when the last view is gone."""
    name, shape = TYPES[array.type], tuple(array.shape[:array.dimensions])
    dtype = getattr(library, name)
    count = 1
    for extent in shape:
        count *= extent
    if count == 0:
        return library.empty(shape, dtype=dtype)
    memory = (ctypes.c_uint8 * (count * WHOLE[name])).from_address(array.data)
    memory.owner = owner  # both libraries keep the object whose buffer they were given
    return library.frombuffer(memory, dtype=dtype).reshape(shape)
