"""For tests of formats: writes files into a folder, reads them through our worker, compares arrays."""
import hashlib
import json
import pathlib
import subprocess

import numpy as np


def read(dump, file_format, paths, depth="pixels", wanted=()):
    """One dictionary for each path, in their order; no worker may die."""
    run = subprocess.run([dump, file_format, depth, *wanted], input="".join(f"{p}\n" for p in paths),
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(lines) == len(paths), run.stderr
    return lines


def check_equal(name, got, array):
    """`array` is [frames, rows, columns, samples]."""
    array = np.ascontiguousarray(array)
    assert got["reason"] == "none", f"{name}: {got}"
    assert got["shape"] == list(array.shape), f"{name}: {got['shape']} for {array.shape}"
    assert got["type"] == array.dtype.name, f"{name}: {got['type']} for {array.dtype.name}"
    assert got["sha256"] == hashlib.sha256(array.tobytes()).hexdigest(), f"{name}: other pixels"


def check_cut(dump, file_format, path, folder, reasons):
    """The file cut short anywhere is refused for one of `reasons`, or gives the same picture as the whole one."""
    whole = pathlib.Path(path).read_bytes()
    expected = read(dump, file_format, [path])[0]
    cuts = sorted({0, 1, 8, *(len(whole) * i // 23 for i in range(1, 23)), len(whole) - 1})
    paths = []
    for cut in cuts:
        one = pathlib.Path(folder) / f"cut-{cut}-{pathlib.Path(path).name}"
        one.write_bytes(whole[:cut])
        paths.append(one)
    for cut, got in zip(cuts, read(dump, file_format, paths)):
        assert got["reason"] in reasons or got == expected, f"{path} cut at {cut}: {got}"
