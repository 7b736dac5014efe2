"""libaloft.so as ctypes sees it: aloft.h says what everything means."""
from __future__ import annotations

import ctypes
import os
import pathlib
from ctypes import POINTER, byref, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_uint32, c_uint64, c_void_p


class Error(RuntimeError):
    """A failure that was foreseen: one line that says what failed, why and what to do. `code` is whose move it is,
    as the exit code of Aloft's programs."""
    code = 1


class UsageError(Error, ValueError):
    """The caller: an argument."""
    code = 2


class DataError(Error):
    """The data's owner: a byte was changed. File, dataset and sample are named."""
    code = 3


class SystemFault(Error, OSError):
    """The operator: disk, memory, threads."""
    code = 4


class Refused(Error, PermissionError):
    """Nobody: no key, no grant, no seal."""
    code = 5


_ERRORS = {kind.code: kind for kind in (Error, UsageError, DataError, SystemFault, Refused)}
END = -1
MOST_DIMENSIONS = 5
TYPES = {1: "uint8", 2: "int8", 3: "uint16", 4: "int16", 5: "uint32", 6: "int32", 7: "int64", 8: "float32", 9: "float64"}


class Array(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("type", c_int32), ("dimensions", c_int32), ("shape", c_int64 * MOST_DIMENSIONS)]


class Options(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("shuffle", c_uint32), ("split", c_char_p), ("field", c_char_p), ("label", c_char_p),
                ("batch", c_int64), ("global_batch", c_int64), ("rank", c_int32), ("ranks", c_int32), ("seed", c_uint64),
                ("keep_tail", c_uint32), ("threads", c_int32), ("scale", POINTER(c_float)), ("offset", POINTER(c_float)),
                ("channels", c_int64), ("crop", POINTER(c_int64)), ("crop_dimensions", c_uint32), ("crop_random", c_uint32),
                ("fill", c_double), ("beside", POINTER(c_char_p)), ("beside_count", c_uint32), ("balance", c_char_p),
                ("per_sample", c_int64), ("more", POINTER(c_void_p)), ("more_count", c_uint32)]


class Extent(ctypes.Structure):
    _fields_ = [("samples", c_int64), ("steps", c_int64), ("global_batch", c_int64), ("classes", c_int64)]


class Moments(ctypes.Structure):
    _fields_ = [("count", c_int64), ("mean", c_double), ("squares", c_double)]


class BatchOf(ctypes.Structure):
    _fields_ = [("owner", c_void_p), ("valid", c_int64), ("step", c_int64), ("next", c_int64)] + [
        (name, Array) for name in ("inputs", "label", "site", "vendor", "patient", "sample", "origin", "dataset", "which")] + [
        ("beside", POINTER(Array)), ("beside_count", c_int64)]


_FUNCTIONS = {
    "aloft_version": (c_char_p, []),
    "aloft_error": (c_char_p, []),
    "aloft_open": (c_int, [c_char_p, c_char_p, c_char_p, POINTER(c_void_p)]),
    "aloft_close": (None, [c_void_p]),
    "aloft_describe": (c_int, [c_void_p, POINTER(c_char_p)]),
    "aloft_column": (c_int, [c_void_p, c_char_p, c_char_p, POINTER(Array), POINTER(c_void_p)]),
    "aloft_moments_of": (c_int, [c_void_p, c_char_p, c_char_p, POINTER(Moments)]),
    "aloft_report": (c_int, [c_void_p, c_char_p, c_char_p, c_char_p, POINTER(c_int64), POINTER(c_float), c_int64, c_int64,
                             POINTER(c_char_p), POINTER(c_void_p)]),
    "aloft_load": (c_int, [c_void_p, POINTER(Options), POINTER(c_void_p)]),
    "aloft_close_loader": (None, [c_void_p]),
    "aloft_extent_of": (c_int, [c_void_p, POINTER(Extent)]),
    "aloft_describe_loader": (c_int, [c_void_p, POINTER(c_char_p)]),
    "aloft_begin": (c_int, [c_void_p, c_int64, c_int64]),
    "aloft_next": (c_int, [c_void_p, POINTER(BatchOf)]),
    "aloft_release": (None, [c_void_p]),
}


def _candidates() -> list[str]:
    """$ALOFT_LIBRARY alone if it is set; else of this package's own installation, of the usual one, of the system."""
    if named := os.environ.get("ALOFT_LIBRARY"):
        return [named]
    name, prefixes = "libaloft.so.1", [pathlib.Path(__file__).resolve().parents[4], pathlib.Path("/opt/aloft")]
    found = [str(path) for prefix in prefixes for path in sorted(prefix.glob(f"lib*/{name}"))]
    return found + [name]


def _open() -> ctypes.CDLL:
    for candidate in _candidates():
        try:
            library = ctypes.CDLL(candidate)  # which lets go of the interpreter's lock during each call
            break
        except OSError as error:
            reason = error
    else:
        raise SystemFault(f"libaloft.so.1 cannot be loaded ({reason}). It comes with cmake --install; ALOFT_LIBRARY says "
                          "where it is if that is not /opt/aloft")
    for name, (result, arguments) in _FUNCTIONS.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise SystemFault(f"libaloft.so.1 has no {name}: it is of another version than this package. Take both of one "
                              "installation; ALOFT_LIBRARY says where the library is") from None
        function.restype, function.argtypes = result, arguments
    return library


_library = _open()


def version() -> str:
    return _library.aloft_version().decode()


def call(name: str, *arguments) -> int:
    """0, or END. Raises the error that the code means."""
    code = getattr(_library, name)(*arguments)
    if code in (0, END):
        return code
    raise _ERRORS.get(code, Error)(_library.aloft_error().decode(errors="replace"))


class Handle:
    """Gives back what the library gave, once."""

    def __init__(self, give_back: str, value: int):
        self._give_back, self.value = getattr(_library, give_back), value

    def close(self) -> None:
        value, self.value = self.value, None
        if value:
            self._give_back(value)

    __del__ = close


def text(value: str | os.PathLike | None) -> bytes | None:
    if value is None:
        return None
    encoded = os.fsencode(value)
    if b"\0" in encoded:
        raise UsageError("an argument has a zero byte in it")
    return encoded


def open_dataset(name: str | os.PathLike, key: str | os.PathLike | None, steward: str | os.PathLike | None) -> Handle:
    out = c_void_p()
    if key is None and os.sep in os.fsdecode(name):
        raise UsageError('a folder is opened with its key: key=FILE. Without, in a job, give the granted dataset\'s name, as "cxr@1"')
    call("aloft_open", text(name), text(key), text(steward), byref(out))
    return Handle("aloft_close", out.value)
