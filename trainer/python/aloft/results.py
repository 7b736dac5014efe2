"""What a program leaves: figures as aloft-train has them, and weights in a file that cannot hold code."""
from __future__ import annotations

import ctypes
import hashlib
import json
import os
import pathlib
import sys
import tempfile
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from . import _library, _tensors
from ._library import UsageError
from .loader import Loader


def report(loader: Loader, sample: Any, probability: Any, *, positive: Optional[str] = None,
           strata: Optional[Sequence[str]] = None, min_stratum: Optional[int] = None, bootstrap: Optional[int] = None,
           seed: Optional[int] = None, score: Optional[str] = None) -> Optional[Dict[str, Any]]:
    """The figures that aloft-train would write into metrics.json for these predictions of the loader's split: overall, by
    site and vendor, worst first, small strata suppressed (trainer/eval/METRICS.md). On several ranks each passes its own
    share, and rank 0 gets them, the others None: torch.distributed must be initialised then.

    sample       [n] numbers, batch["sample"] of each batch put together: of the whole split each once, over all ranks
    probability  [n, classes] in the order of loader.names(loader.label); rows sum to 1
    positive, strata, min_stratum, bootstrap, seed, score   as [evaluate] of a recipe

    What aloft-train chooses on the validation split (a temperature, points) is not in it."""
    loader._open()
    if loader.split is None or loader.label is None:
        raise UsageError("a report is of a loader with a split and a label")
    if len(loader.datasets) > 1:
        raise UsageError("a report is of one dataset, whose patients and strata are its own: make a Loader for each, and a report")
    numpy = _tensors.module("numpy")
    numbers = numpy.asarray(_on_host(sample))
    with numpy.errstate(invalid="ignore"):  # NaN
        samples = numpy.ascontiguousarray(numbers, dtype=numpy.int64)
    if not numpy.array_equal(samples, numbers):
        raise UsageError("sample: not whole numbers")
    rows = numpy.ascontiguousarray(_on_host(probability), dtype=numpy.float32)
    if samples.ndim != 1 or rows.ndim != 2 or len(samples) != len(rows):
        raise UsageError("sample is [n], probability [n, classes]")
    if loader.ranks.ranks > 1:
        distributed = getattr(sys.modules.get("torch"), "distributed", None)
        if distributed is None or not distributed.is_initialized():
            raise UsageError("a report of several ranks needs torch.distributed: initialise it, or gather the predictions and "
                             "report them with a Loader of rank 0 of 1")
        parts: List[Any] = [None] * distributed.get_world_size()
        distributed.all_gather_object(parts, (samples, rows))
        if distributed.get_rank() != 0:
            return None
        samples = numpy.concatenate([part[0] for part in parts])
        rows = numpy.concatenate([part[1] for part in parts])
    given = {"positive": positive, "strata": strata, "min_stratum": min_stratum, "bootstrap": bootstrap, "seed": seed,
             "score": score}
    options = "".join(f"{key} = {_toml(value)}\n" for key, value in given.items() if value is not None)
    text, owner = ctypes.c_char_p(), ctypes.c_void_p()
    _library.call("aloft_report", loader._dataset.value, _library.text(loader.split), _library.text(loader.label),
                  options.encode(), samples.ctypes.data_as(ctypes.POINTER(ctypes.c_int64)),
                  rows.ctypes.data_as(ctypes.POINTER(ctypes.c_float)), len(rows), rows.shape[1], ctypes.byref(text),
                  ctypes.byref(owner))
    with_owner = _library.Handle("aloft_release", owner.value)
    try:
        return json.loads(text.value)
    finally:
        with_owner.close()


# What safetensors calls them.
_TYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32", "int16": "I16",
          "int8": "I8", "uint8": "U8", "bool": "BOOL"}


def save(path: Union[str, "os.PathLike[str]"], model: Any, loader: Optional[Loader] = None, *,
         architecture: Optional[str] = None, metadata: Optional[Mapping[str, str]] = None) -> None:
    """Writes weights as safetensors, which every framework reads and which cannot hold code. The file appears whole or not
    at all, and states its own SHA-256.

    model         a torch module, or a mapping of names to tensors or NumPy arrays
    loader        says which dataset, shape of a sample and classes the model is for
    architecture  the [model] table of a recipe in TOML, if the module is one of the zoo's by names and shapes of its
                  tensors: the release desk lets weights of those leave, and `aloft-train evaluate` reads them
    metadata      more texts by name; with them the file stays in the workspace: the desk knows none of them"""
    tensors = model.state_dict() if hasattr(model, "state_dict") else model
    texts = {"aloft.sha256": "0" * 64, "format": "pt"}
    if architecture is not None:
        texts["aloft.model"] = architecture
    if loader is not None and len(loader.datasets) > 1:
        raise UsageError("a file of weights names one dataset: without `loader` it stays in the workspace; `metadata` may say "
                         "which there were")
    if loader is not None:
        texts["aloft.shape"] = json.dumps(loader.shape, separators=(",", ":"))
        texts["aloft.classes"] = json.dumps(loader.names(loader.label) if loader.label else [], separators=(",", ":"),
                                            ensure_ascii=False)
        texts["aloft.dataset"] = loader.description["dataset"]
    for name, value in (metadata or {}).items():
        if name in texts or not isinstance(value, str):
            raise UsageError("metadata: texts, under names of their own")
        texts[name] = value

    header: Dict[str, Any] = {"__metadata__": texts}
    parts, at = [], 0
    # The widest first, so that each lies at a multiple of its elements' size.
    for name, (kind, shape, data) in sorted(((name, _bytes(tensor)) for name, tensor in tensors.items()),
                                            key=lambda each: (-len(each[1][2]) // max(1, _count(each[1][1])), each[0])):
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    parts[:0] = [len(text).to_bytes(8, "little"), text]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    parts[1] = text.replace(b"0" * 64, digest.hexdigest().encode(), 1)  # the first metadata of all
    _write(pathlib.Path(path), parts)


def _write(path: pathlib.Path, parts: Sequence[bytes]) -> None:
    file, temporary = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
    try:
        with os.fdopen(file, "wb") as out:
            for part in parts:
                out.write(part)
            out.flush()
            os.fsync(out.fileno())
        os.chmod(temporary, 0o640)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _on_host(values: Any) -> Any:
    return values.detach().cpu().numpy() if hasattr(values, "detach") else values


def _count(shape: Sequence[int]) -> int:
    count = 1
    for extent in shape:
        count *= extent
    return count


def _bytes(tensor: Any) -> Tuple[str, List[int], bytes]:
    """safetensors' type, shape and bytes of a torch tensor or a NumPy array."""
    kind = _TYPES.get(getattr(tensor.dtype, "name", None) or str(tensor.dtype).rsplit(".", 1)[-1])
    if kind is None:
        raise UsageError(f"safetensors has no type for {tensor.dtype}")
    shape = [int(extent) for extent in tensor.shape]
    if not hasattr(tensor, "detach"):
        return kind, shape, tensor.astype(tensor.dtype.newbyteorder("<"), order="C").tobytes()
    whole = tensor.detach().cpu().contiguous()
    return kind, shape, ctypes.string_at(whole.data_ptr(), whole.numel() * whole.element_size()) if whole.numel() else b""


def _toml(value: Any) -> str:
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value):
        return json.dumps(list(value))
    raise UsageError("a report's options are texts, lists of texts and whole numbers")
