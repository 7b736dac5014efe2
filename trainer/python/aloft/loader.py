"""Batches of one split of a dataset, for one rank."""
from __future__ import annotations

import ctypes
import json
import math
import operator
import os
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, SupportsIndex, Tuple, Union

from . import _library, _tensors
from ._library import UsageError
from .ranks import ranks as find_ranks

if TYPE_CHECKING:
    import numpy

_SPLITS = ("train", "validation", "test", "hidden")


class State(NamedTuple):
    """Where an epoch goes on, exactly, on any number of ranks and with any batch: of a loader with the same
    datasets, split, `balance` and `per_sample`, which is not checked. Three integers: they fit into a checkpoint, JSON or
    an argument."""
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
    | "sample" | [valid] int64 | number in its dataset, by which errors name it |
    | "dataset" | [valid] int64 | which of the loader's, from 0: only where there are several |
    | "which" | [valid] int64 | the how many-th of its sample in the epoch, from 0: only where samples come more than once |
    | "origin" | [valid, dimensions of the crop] int64 | only with `crop`: where in its sample it begins; below 0: so much of `fill` is before |

    A batch that is held, or any view of an array of it, keeps its memory: clone what must live long. `step` is the
    step's number in the epoch; `state` is where to go on after it."""
    step: int = 0
    valid: int = 0
    state: Optional[State] = None


class Loader:
    """Batches of one split for one rank; every rank makes the same Loader.

    dataset    "cxr@1", as the job was granted it; or a folder with a dataset version, and `key` (and `steward`) files. A list,
               as ["cxr@1", "cxr2@3"]: read as one, all granted; of folders, `key` is a list too. They have the same fields,
               in type, shape and unit, and the same columns; categories are one by their names: loader.names(column)
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
    per_sample how often an epoch has each sample, each time with another crop: of a shuffled split that is trained on, with a
               crop at random
    fill       the field's own value, where a sample is smaller than the crop: it lies in the middle then. Of fields after
               the first it is 0
    label      a column; None: none; "": the column "label", if there is one
    rank, ranks   None: torch.distributed's, else those of torchrun, MPI or Slurm, else 0 of 1
    normalise  (scale, offset): float32 = value * scale + offset, a number each or one for each channel; "moments": to
               mean 0 and deviation 1 by the manifest's figures for the split train, which are one mean and one deviation of
               all a field's values: refused of a table's features, which have one each; None: the field's own type
    balance    in training, which samples come more often than others. "site": each site equally often, "dataset": each of
               several datasets; ["site", "label"]:
               each crossing that has samples; the epoch is as long as without. {"site": {"north": 0.5, "south": 2}}: how
               often a sample of that category comes in an epoch, on average; 1 where nothing is said. A sample of weight w
               comes floor(w) or ceil(w) times, a function of (seed, epoch, sample), and every epoch has the same steps.
               Samples of which a category is missing come as often as without. A patient has no weight: those with more
               samples come more often, as without. None: each sample equally often
    most_repeats  with `balance`: no sample comes more often in an epoch. Where a category is too rare for its share, a
               warning says so, and the others share what is left. `loader.balance` has each category's share
    tensors    "torch" or "numpy"; None: torch if the program has imported it
    threads    that read ahead and decrypt, beside the program's own; None: a quarter of the cores that are ours, 1 to 8

    No worker processes: reading happens in threads, without Python. Raises Refused (no grant, key or seal),
    UsageError, DataError, SystemFault."""

    def __init__(self, dataset: Union[str, "os.PathLike[str]", Sequence[Union[str, "os.PathLike[str]"]]], *, split: Optional[str] = "train", batch: int = 32,
                 global_batch: int = 0, seed: int = 0, shuffle: Optional[bool] = None, tail: Optional[bool] = None,
                 field: Union[None, str, Sequence[str]] = None, label: Optional[str] = "",
                 crop: Optional[Sequence[int]] = None, place: Optional[str] = None, per_sample: int = 1, fill: float = 0,
                 rank: Optional[int] = None,
                 ranks: Optional[int] = None,
                 normalise: Union[None, str, Tuple[Union[float, Sequence[float]], Union[float, Sequence[float]]]] = None,
                 balance: Union[None, str, Sequence[str], Mapping[str, Mapping[str, float]]] = None,
                 most_repeats: Optional[int] = None,
                 tensors: Optional[str] = None, threads: Optional[int] = None,
                 key: Union[None, str, "os.PathLike[str]", Sequence[Union[str, "os.PathLike[str]"]]] = None,
                 steward: Union[None, str, "os.PathLike[str]"] = None):
        _refuse_workers()
        if split is not None and split not in _SPLITS:
            raise UsageError(f"there is no split {split!r}; there are train, validation and test")
        self._tensors = _tensors.module(tensors)
        self._lock, self._turn = threading.Lock(), 0
        text = ctypes.c_char_p()
        self._datasets: List[_library.Handle] = []
        #: of each dataset: {"dataset", "samples", "sealed", "schema", "moments", "splits": {split: samples}}
        self.descriptions: List[Dict[str, Any]] = []
        for one, its_key in _with_keys(dataset, key):
            self._datasets.append(_library.open_dataset(one, its_key, steward))
            _library.call("aloft_describe", self._datasets[-1].value, ctypes.byref(text))
            self.descriptions.append(json.loads(text.value))
        self._dataset = self._datasets[0]
        self.description: Dict[str, Any] = self.descriptions[0]  #: of the first
        schema = self.description["schema"]
        self._fields = {each["name"]: each for each in schema["fields"]}
        self._columns = {each["name"]: each for each in schema["columns"]}
        if field is None and len(self._fields) == 1:
            (field,) = self._fields
        if label == "":
            label = "label" if "label" in self._columns else None
        names = [field] if field is None or isinstance(field, str) else list(field)
        field, self._beside = names[0] if names else None, tuple(names[1:])
        seed = _whole("seed", seed, 64)
        self.split, self.seed, self.field, self.label = split, seed, field, label
        self._crop = None if crop is None else _extents(crop)
        #: rank, ranks and who said so
        self.ranks = find_ranks(rank, ranks)
        training = split == "train"
        options = _library.Options(
            ctypes.sizeof(_library.Options), training if shuffle is None else shuffle, _library.text(split),
            _library.text(field), _library.text(label), _whole("batch", batch), _whole("global_batch", global_batch),
            _whole("rank", self.ranks.rank, 31), _whole("ranks", self.ranks.ranks, 31), seed,
            not training if tail is None else tail, _threads(threads))
        if normalise is not None:
            if field is None:
                raise UsageError(f"{self.description['dataset']} has more than one field: say which to load, of {', '.join(self._fields)}")
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
        options.per_sample = _whole("per_sample", per_sample)
        if per_sample == 0:
            raise UsageError("per_sample: 1 or more")
        self._repeats = balance is not None or per_sample > 1
        options.balance = _balance(balance, most_repeats)
        more = [each.value for each in self._datasets[1:]]
        options.more, options.more_count = (ctypes.c_void_p * len(more))(*more), len(more)
        out = ctypes.c_void_p()
        _library.call("aloft_load", self._dataset.value, ctypes.byref(options), ctypes.byref(out))
        self._loader = _library.Handle("aloft_close_loader", out.value)
        extent = _library.Extent()
        _library.call("aloft_extent_of", self._loader.value, ctypes.byref(extent))
        self.samples: int = extent.samples            #: of an epoch, over all ranks: per_sample times the split's, but for weights
        self.steps: int = extent.steps                #: of a whole epoch, the same on every rank
        self.global_batch: int = extent.global_batch  #: samples per step, over all ranks
        self.classes: int = extent.classes            #: names of the label's category; 0 if it is none
        _library.call("aloft_describe_loader", self._loader.value, ctypes.byref(text))
        told = json.loads(text.value)
        self.datasets: List[str] = told["datasets"]  #: what batch["dataset"] counts
        self._names: Dict[str, List[str]] = told["names"]
        #: With `balance`, of each category or crossing: {"categories": {column: category, None missing}, "samples": of the
        #: split, "draws": of an epoch, on average, "capped": it would come more often, were it not for most_repeats}
        self.balance: Optional[List[Dict[str, Any]]] = told["balance"]
        capped = [" ".join(each["categories"].values()) for each in self.balance or () if each["capped"]]
        if capped:
            warnings.warn(f"balance: too rare for their share, so each of their samples comes most_repeats times in an epoch: "
                          f"{', '.join(capped[:8])}{' ...' if len(capped) > 8 else ''}", stacklevel=2)

    def names(self, column: str) -> List[str]:
        """What the codes 0, 1, ... of a category stand for."""
        if column not in self._names:  # "dataset" is no column of theirs
            self._column(column)
        return self._names.get(column, [])

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
        number = _whole("epoch", number)
        if isinstance(first_step, (State, tuple, list)):
            if len(first_step) != len(State._fields):
                raise UsageError("a state is three whole numbers: seed, epoch, sample")
            state = State(_whole("seed", first_step[0], 64), _whole("epoch", first_step[1]), _whole("sample", first_step[2]))
            if (state.seed, state.epoch) != (self.seed, number):
                raise UsageError(f"the state is of seed {state.seed}, epoch {state.epoch}: this is seed {self.seed}, "
                                 f"epoch {number}, another order")
            first = state.sample
        else:
            first_step = _index("first_step", first_step)
            if not 0 <= first_step <= self.steps:
                raise UsageError(f"the epoch has {self.steps} steps; it cannot start at step {first_step}")
            first = min(first_step * self.global_batch, self.samples)
        with self._lock:
            _library.call("aloft_begin", self._open(), number, first)
            self._turn += 1
            turn = self._turn
        return self._batches(number, turn)

    def columns(self, names: Optional[Sequence[str]] = None) -> "Dict[str, numpy.ndarray]":
        """NumPy arrays of the split's samples in stored order, [samples] each, by column: int64 (missing -2**63), float64
        (missing NaN), int32 codes of a category (missing -1), or [samples, 16] uint8 pseudonyms. And "sample", their
        numbers in their dataset; of several datasets, one after the other, "dataset" says which."""
        self._open()
        numpy = _tensors.module("numpy")
        several = len(self._datasets) > 1
        out = {}
        for name in (*self._columns, "sample", *(("dataset",) if several else ())) if names is None else names:
            if several and name == "dataset" and name not in self._columns:
                counts = [len(self._values(i, "sample", numpy)) for i in range(len(self._datasets))]
                out[name] = numpy.repeat(numpy.arange(len(counts)), counts)
                continue
            parts = [self._values(i, name, numpy) for i in range(len(self._datasets))]
            out[name] = numpy.concatenate(parts) if several else parts[0]
        return out

    def _values(self, dataset: int, name: str, numpy: Any) -> "numpy.ndarray":
        """Of one dataset; a category's codes as those of all."""
        array, owner = _library.Array(), ctypes.c_void_p()
        column = None if name == "sample" and name not in self._columns else _library.text(name)
        _library.call("aloft_column", self._datasets[dataset].value, column, _library.text(self.split), ctypes.byref(array),
                      ctypes.byref(owner))
        values = _tensors.view(array, _library.Handle("aloft_release", owner.value), numpy)
        own = {each["name"]: each.get("names") for each in self.descriptions[dataset]["schema"]["columns"]}.get(name)
        if not own or own == self._names[name]:
            return values
        return numpy.array([*map(self._names[name].index, own), -1], dtype=numpy.int32)[values]

    def close(self) -> None:
        """Gives threads and files back; batches live on. Also done when the last reference goes."""
        with self._lock:
            self._turn += 1
            self._loader.close()
            for each in self._datasets:
                each.close()

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
        if self._repeats:
            arrays["which"] = raw.which
        if len(self._datasets) > 1:
            arrays.setdefault("dataset", raw.dataset)
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
        shape = self._fields[self.field]["shape"] if self.field in self._fields else None
        if shape is not None and len(shape) == 1 and shape[0] > 1:
            raise UsageError(f'normalise: the manifest has one mean and deviation of all {shape[0]} features of {self.field} together, '
                             "which fit none of them: give (scale, offset) with an entry for each, from the batches of the split train")
        if len(self._datasets) > 1:
            return self._pooled_moments()
        of = (self.description["moments"] or {}).get("train") or {}
        moments = of.get(self.field)
        if not moments or moments["mean"] is None or not moments["deviation"]:
            raise UsageError(f"the manifest has no mean and deviation of {self.field} in the split train")
        return _numbers((1 / moments["deviation"], -moments["mean"] / moments["deviation"]))

    def _pooled_moments(self) -> Tuple[List[float], List[float]]:
        """By Chan, Golub and LeVeque (1979), one dataset after the other."""
        count, mean, squares = 0, 0.0, 0.0
        for dataset in self._datasets:
            one = _library.Moments()
            _library.call("aloft_moments_of", dataset.value, b"train", _library.text(self.field), ctypes.byref(one))
            apart, both = one.mean - mean, count + one.count
            squares += one.squares + apart * apart * (count * one.count / both)
            mean, count = mean + apart * (one.count / both), both
        deviation = math.sqrt(squares / count)
        if not deviation:
            raise UsageError(f"{self.field} is the same everywhere in the split train")
        return _numbers((1 / deviation, -mean / deviation))


def _with_keys(dataset: Any, key: Any) -> List[Tuple[Any, Any]]:
    """Each dataset with its key."""
    if isinstance(dataset, (str, bytes, os.PathLike)):
        return [(dataset, key)]
    several = list(dataset)
    keys = [None] * len(several) if key is None else [key] if isinstance(key, (str, bytes, os.PathLike)) else list(key)
    if not several or len(keys) != len(several):
        raise UsageError("a list of datasets is not empty; its folders have a list of keys, one for each")
    return list(zip(several, keys))


def _refuse_workers() -> None:
    data = getattr(getattr(sys.modules.get("torch"), "utils", None), "data", None)
    if data is not None and data.get_worker_info() is not None:
        raise UsageError("in a worker process of a DataLoader every worker would read all of it: an aloft.Loader reads ahead "
                         "with threads of its own. Use num_workers=0, or loader.epoch(n) without DataLoader")


def _index(name: str, value: Any) -> int:
    try:
        return operator.index(value)  # also of NumPy's and torch's
    except TypeError:
        raise UsageError(f"{name}: not a whole number") from None


def _whole(name: str, value: SupportsIndex, bits: int = 63) -> int:
    whole = _index(name, value)
    if not 0 <= whole < 1 << bits:
        raise UsageError(f"{name}: not a whole number of {bits} bits, 0 or more")
    return whole


def _threads(value: Optional[SupportsIndex]) -> int:
    if value is None:
        return 0  # by the library, which knows the cores
    whole = _whole("threads", value, 31)
    if not 1 <= whole <= 256:
        raise UsageError("threads: 1 to 256, or None")
    return whole


def _extents(crop: Sequence[SupportsIndex]) -> Tuple[int, ...]:
    try:
        return tuple(_whole("crop", extent) for extent in crop)
    except TypeError:
        raise UsageError("crop: an extent for each dimension, as (64, 128, 128)") from None


def _balance(given: Any, most_repeats: Optional[int]) -> Optional[bytes]:
    """As the [balance] table of a recipe."""
    if given is None:
        if most_repeats is not None:
            raise UsageError("most_repeats is for balance")
        return None
    lines = [] if most_repeats is None else [f"most_repeats = {_whole('most_repeats', most_repeats)}"]
    try:
        if isinstance(given, Mapping):
            lines += [f"weights = {{{', '.join(f'{_quoted(column)} = {{{_weights(weights)}}}' for column, weights in given.items())}}}"]
        else:
            lines += [f"columns = [{', '.join(map(_quoted, [given] if isinstance(given, str) else given))}]"]
    except (AttributeError, TypeError, ValueError):
        raise UsageError('balance: a column, a list of columns, or {column: {category: weight}}') from None
    return _library.text("\n".join(lines))


def _weights(given: Mapping[str, float]) -> str:
    return ", ".join(f"{_quoted(category)} = {float(weight)!r}" for category, weight in given.items())


def _quoted(word: str) -> str:
    """As TOML has it, which JSON's way is part of."""
    if not isinstance(word, str):
        raise TypeError
    return json.dumps(word, ensure_ascii=False).replace("\x7f", "\\u007f")


def _numbers(given: Any) -> Tuple[List[float], List[float]]:
    try:
        scale, offset = ([float(x)] if isinstance(x, (int, float)) else [float(each) for each in x] for x in given)
    except (TypeError, ValueError):
        raise UsageError('normalise: "moments" or (scale, offset), numbers or one for each channel') from None
    if not scale or not offset or not all(math.isfinite(ctypes.c_float(each).value) for each in scale + offset):
        raise UsageError("normalise: scale and offset are finite, as float32")
    channels = max(len(scale), len(offset))
    if {len(scale), len(offset)} - {1, channels}:
        raise UsageError("normalise: scale and offset have one entry, or one for each channel")
    return scale * (channels // len(scale)), offset * (channels // len(offset))
