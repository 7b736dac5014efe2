"""Batches of one split of a dataset, for one rank."""
from __future__ import annotations

import ctypes
import json
import math
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from . import _library, _tensors
from ._library import UsageError
from .ranks import ranks as find_ranks

if TYPE_CHECKING:
    import numpy

_SPLITS = ("train", "validation", "test", "hidden")


class State(NamedTuple):
    """Where an epoch goes on, exactly, on any number of ranks and with any batch. Three integers: they fit into a
    checkpoint, JSON or an argument."""
    seed: int
    epoch: int
    sample: int  # of the epoch, over all ranks: how many are behind


class Batch(Dict[str, Any]):
    """One rank's share of a step: arrays by name, with `valid` rows each, all of them views of the loader's memory.

    | name | shape | what |
    |---|---|---|
    | the field's, as "image" | [valid, ...] as the field's shape, slowest first | its type and units, or float32 |
    | the label's, as "label" | [valid] | int64: a category's code, -1 missing; or float64, NaN missing |
    | "site", "vendor" | [valid] int64 | code, -1 missing |
    | "patient" | [valid, 16] uint8 | pseudonyms |
    | "sample" | [valid] int64 | number in the dataset, by which errors name it |
    | "origin" | [valid, dimensions of the crop] int64 | only with `crop`: where in its sample it begins; below 0: so much of `fill` is before |

    A batch that is held, or any view of an array of it, keeps its memory: clone what must live long. `step` is the
    step's number in the epoch; `state` is where to go on after it."""
    step: int = 0
    valid: int = 0
    state: Optional[State] = None


class Loader:
    """Batches of one split for one rank; every rank makes the same Loader.

    dataset    "cxr@1", as the job was granted it; or a folder with a dataset version, and `key` (and `steward`) files
    split      "train", "validation" or "test"; None: all samples
    batch      samples per rank and step
    global_batch  samples per step over all ranks, in place of `batch`: spread evenly also where the ranks do not
               divide it, so that a run goes on with the same steps on another number of ranks
    seed       of the order, which is a function of (seed, epoch) and of nothing else
    shuffle    anew in every epoch; None: only of the split train
    tail       keep: the last step is smaller and every sample comes once; else it is left out, and all steps have one
               size. None: only of the split train it is left out
    field      None: the dataset has one. Several, as ("image", "mask"): the first as said here, the others of the same
               samples as they are stored, cropped where the first is
    crop       the extent of a part of each sample in its last dimensions, as (64, 128, 128); those before (channels) are
               taken whole. Only so samples that differ in shape fit one batch. Of a volume only what the part touches is
               read
    place      of the crop: "random", a function of (seed, epoch, sample), or "centre". None: random in the split train
    fill       the field's own value, where a sample is smaller than the crop: it lies in the middle then. Of fields after
               the first it is 0
    label      a column; None: none; "": the column "label", if there is one
    rank, ranks   None: torch.distributed's, else those of torchrun, MPI or Slurm, else 0 of 1
    normalise  (scale, offset): float32 = value * scale + offset, a number each or one for each channel; "moments": to
               mean 0 and deviation 1 by the manifest's figures for the split train; None: the field's own type
    tensors    "torch" or "numpy"; None: torch if the program has imported it
    threads    that read ahead and decrypt, beside the program's own

    No worker processes: reading happens in threads, without Python. Raises Refused (no grant, key or seal),
    UsageError, DataError, SystemFault."""

    def __init__(self, dataset: Union[str, "os.PathLike[str]"], *, split: Optional[str] = "train", batch: int = 32,
                 global_batch: int = 0, seed: int = 0, shuffle: Optional[bool] = None, tail: Optional[bool] = None,
                 field: Union[None, str, Sequence[str]] = None, label: Optional[str] = "",
                 crop: Optional[Sequence[int]] = None, place: Optional[str] = None, fill: float = 0,
                 rank: Optional[int] = None,
                 ranks: Optional[int] = None,
                 normalise: Union[None, str, Tuple[Union[float, Sequence[float]], Union[float, Sequence[float]]]] = None,
                 tensors: Optional[str] = None, threads: int = 1, key: Union[None, str, "os.PathLike[str]"] = None,
                 steward: Union[None, str, "os.PathLike[str]"] = None):
        _refuse_workers()
        if split is not None and split not in _SPLITS:
            raise UsageError(f"there is no split {split!r}; there are train, validation and test")
        self._tensors = _tensors.module(tensors)
        self._lock, self._turn = threading.Lock(), 0
        self._dataset = _library.open_dataset(dataset, key, steward)
        text = ctypes.c_char_p()
        _library.call("aloft_describe", self._dataset.value, ctypes.byref(text))
        #: {"dataset", "samples", "sealed", "schema", "moments", "splits": {split: samples}}
        self.description: Dict[str, Any] = json.loads(text.value)
        schema = self.description["schema"]
        self._fields = {each["name"]: each for each in schema["fields"]}
        self._columns = {each["name"]: each for each in schema["columns"]}
        if field is None and len(self._fields) == 1:
            (field,) = self._fields
        if label == "":
            label = "label" if "label" in self._columns else None
        names = [field] if field is None or isinstance(field, str) else list(field)
        field, self._beside = names[0] if names else None, tuple(names[1:])
        self.split, self.seed, self.field, self.label = split, seed, field, label
        self._crop = None if crop is None else tuple(_whole("crop", extent) for extent in crop)
        #: rank, ranks and who said so
        self.ranks = find_ranks(rank, ranks)
        training = split == "train"
        options = _library.Options(
            ctypes.sizeof(_library.Options), training if shuffle is None else shuffle, _library.text(split),
            _library.text(field), _library.text(label), _whole("batch", batch), _whole("global_batch", global_batch),
            _whole("rank", self.ranks.rank, 31), _whole("ranks", self.ranks.ranks, 31), _whole("seed", seed, 64),
            not training if tail is None else tail, _whole("threads", threads, 31))
        if normalise is not None:
            scale, offset = self._moments() if normalise == "moments" else _numbers(normalise)
            options.scale = (ctypes.c_float * len(scale))(*scale)
            options.offset = (ctypes.c_float * len(offset))(*offset)
            options.channels = len(scale)
        if place not in (None, "random", "centre"):
            raise UsageError(f'place: "random" or "centre", not {place!r}')
        if self._crop is not None:
            options.crop = (ctypes.c_int64 * len(self._crop))(*self._crop)
            options.crop_dimensions = len(self._crop)
            options.crop_random = training if place is None else place == "random"
            options.fill = fill
        if self._beside:
            options.beside = (ctypes.c_char_p * len(self._beside))(*map(_library.text, self._beside))
            options.beside_count = len(self._beside)
        out = ctypes.c_void_p()
        _library.call("aloft_load", self._dataset.value, ctypes.byref(options), ctypes.byref(out))
        self._loader = _library.Handle("aloft_close_loader", out.value)
        extent = _library.Extent()
        _library.call("aloft_extent_of", self._loader.value, ctypes.byref(extent))
        self.samples: int = extent.samples            #: of the split, over all ranks
        self.steps: int = extent.steps                #: of a whole epoch, the same on every rank
        self.global_batch: int = extent.global_batch  #: samples per step, over all ranks
        self.classes: int = extent.classes            #: names of the label's category; 0 if it is none

    def names(self, column: str) -> List[str]:
        """What the codes 0, 1, ... of a category stand for."""
        return self._column(column).get("names", [])

    @property
    def shape(self) -> Optional[Tuple[int, ...]]:
        """Of one sample of the field as it is stored, slowest dimension first; None if each has its own. What a crop
        leaves of it, a batch's array shows."""
        shape = self._fields[self.field]["shape"]
        return None if shape is None else tuple(shape)

    @property
    def units(self) -> str:
        """Of the field's values: "Hounsfield units", "" for none."""
        return self._fields[self.field].get("units", "")

    def epoch(self, number: int, first_step: Union[int, State] = 0) -> Iterator[Batch]:
        """The batches of epoch `number` from a step on, or from where a State says. One epoch at a time: beginning
        another ends this one. A DataError names the first damaged sample; nothing of its batch is handed out."""
        if isinstance(first_step, (State, tuple, list)):
            state = State(*first_step)
            if (state.seed, state.epoch) != (self.seed, number):
                raise UsageError(f"the state is of seed {state.seed}, epoch {state.epoch}: this is seed {self.seed}, "
                                 f"epoch {number}, another order")
            first = state.sample
        else:
            if not 0 <= first_step <= self.steps:
                raise UsageError(f"the epoch has {self.steps} steps; it cannot start at step {first_step}")
            first = min(first_step * self.global_batch, self.samples)
        with self._lock:
            _library.call("aloft_begin", self._open(), _whole("epoch", number), _whole("first_step", first))
            self._turn += 1
            turn = self._turn
        return self._batches(number, turn)

    def columns(self, names: Optional[Sequence[str]] = None) -> "Dict[str, numpy.ndarray]":
        """NumPy arrays of the split's samples in stored order, [samples] each, by column: int64 (missing -2**63), float64
        (missing NaN), int32 codes of a category (missing -1), or [samples, 16] uint8 pseudonyms. And "sample", their
        numbers in the dataset."""
        numpy = _tensors.module("numpy")
        out = {}
        for name in (*self._columns, "sample") if names is None else names:
            array, owner = _library.Array(), ctypes.c_void_p()
            column = None if name == "sample" and name not in self._columns else _library.text(name)
            _library.call("aloft_column", self._dataset.value, column, _library.text(self.split), ctypes.byref(array),
                          ctypes.byref(owner))
            out[name] = _tensors.view(array, _library.Handle("aloft_release", owner.value), numpy)
        return out

    def close(self) -> None:
        """Gives threads and files back; batches live on. Also done when the last reference goes."""
        with self._lock:
            self._turn += 1
            self._loader.close()
            self._dataset.close()

    def __enter__(self) -> "Loader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> None:
        raise UsageError("an aloft.Loader is not a dataset of samples but gives whole batches, read ahead by threads of its "
                         "own: iterate over loader.epoch(n), without DataLoader and its workers")

    def __reduce__(self):
        raise UsageError("an aloft.Loader cannot be sent to another process, whose threads it would lack: make one there, or "
                         "use num_workers=0")

    def _batches(self, epoch: int, turn: int) -> Iterator[Batch]:
        while True:
            raw = _library.BatchOf()
            with self._lock:
                if turn != self._turn:
                    raise UsageError("this epoch was ended: another one was begun, or the loader closed")
                if _library.call("aloft_next", self._open(), ctypes.byref(raw)) == _library.END:
                    return
            yield self._batch(raw, epoch)

    def _batch(self, raw: _library.BatchOf, epoch: int) -> Batch:
        owner = _library.Handle("aloft_release", raw.owner)
        arrays = {name: getattr(raw, name) for name in ("site", "vendor", "patient", "sample")}
        if self.label is not None:
            arrays[self.label] = raw.label
        arrays[self.field] = raw.inputs
        arrays.update((name, raw.beside[i]) for i, name in enumerate(self._beside))
        if self._crop is not None:
            arrays["origin"] = raw.origin
        batch = Batch((name, _tensors.view(array, owner, self._tensors)) for name, array in arrays.items())
        batch.step, batch.valid, batch.state = raw.step, raw.valid, State(self.seed, epoch, raw.next)
        return batch

    def _open(self) -> int:
        if not self._loader.value:
            raise UsageError("the loader is closed")
        return self._loader.value

    def _column(self, name: str) -> Dict[str, Any]:
        if name not in self._columns:
            raise UsageError(f"{self.description['dataset']} has no column {name!r}; it has {', '.join(self._columns)}")
        return self._columns[name]

    def _moments(self) -> Tuple[List[float], List[float]]:
        of = (self.description["moments"] or {}).get("train") or {}
        moments = of.get(self.field)
        if not moments or moments["mean"] is None or not moments["deviation"]:
            raise UsageError(f"the manifest has no mean and deviation of {self.field} in the split train")
        return [1 / moments["deviation"]], [-moments["mean"] / moments["deviation"]]


def _refuse_workers() -> None:
    data = getattr(getattr(sys.modules.get("torch"), "utils", None), "data", None)
    if data is not None and data.get_worker_info() is not None:
        raise UsageError("in a worker process of a DataLoader every worker would read all of it: an aloft.Loader reads ahead "
                         "with threads of its own. Use num_workers=0, or loader.epoch(n) without DataLoader")


def _whole(name: str, value: int, bits: int = 63) -> int:
    if not isinstance(value, int) or not 0 <= value < 1 << bits:
        raise UsageError(f"{name}: not a whole number of {bits} bits")
    return value


def _numbers(given: Any) -> Tuple[List[float], List[float]]:
    try:
        scale, offset = ([float(x)] if isinstance(x, (int, float)) else [float(each) for each in x] for x in given)
    except (TypeError, ValueError):
        raise UsageError('normalise: "moments" or (scale, offset), numbers or one for each channel') from None
    if not scale or not offset or not all(map(math.isfinite, scale + offset)):
        raise UsageError("normalise: scale and offset are finite")
    channels = max(len(scale), len(offset))
    if {len(scale), len(offset)} - {1, channels}:
        raise UsageError("normalise: scale and offset have one entry, or one for each channel")
    return scale * (channels // len(scale)), offset * (channels // len(offset))
