"""Resampling against scipy.ndimage: scipy_equal.py FIT_DUMP. Exit 0 only if all differ by less than 1e-5."""
import subprocess
import sys

import numpy as np
from scipy import ndimage


def ours(how, order, array, numbers):
    out = subprocess.run([sys.argv[1], how, "linear" if order else "nearest", *map(str, array.shape), *map(str, numbers)],
                         input=array.tobytes(), capture_output=True, check=True).stdout
    return np.frombuffer(out, "<f8")


def sides(size, scale, offset):
    """Whether an element lies just between two: which one is the nearest is then a matter of rounding."""
    at = np.arange(size) * scale + offset
    return np.abs(at - np.floor(at) - 0.5) < 1e-9


random = np.random.default_rng(5)
worst = 0.0
for case in range(24):
    shape = tuple(int(n) for n in random.integers(1, 14, 4))
    array = random.normal(0, 1000, shape)
    order = case % 2
    to = [int(n) for n in random.integers(1, 20, 3)]
    while not order and any(sides(t, s / t, 0.5 * s / t - 0.5).any() for t, s in zip(to, shape[1:])):
        to = [int(n) for n in random.integers(1, 20, 3)]
    # What ndimage.zoom with grid_mode does, said as a matrix.
    scale = np.array([1] + [s / t for t, s in zip(to, shape[1:])])
    reference = ndimage.affine_transform(array, scale, 0.5 * scale - 0.5, (shape[0], *to), order=order, mode="nearest")
    worst = max(worst, np.abs(ours("zoom", order, array, to).reshape(reference.shape) - reference).max())
    mm = random.uniform(0.3, 3, 3)
    scale = np.array([1, *mm])
    to = [max(1, int(np.floor(s / m + 0.5))) for s, m in zip(shape[1:], mm)]
    reference = ndimage.affine_transform(array, scale, 0.5 * scale - 0.5, (shape[0], *to), order=order, mode="nearest")
    worst = max(worst, np.abs(ours("spacing", order, array, list(mm)).reshape(reference.shape) - reference).max())
print(f"24 arrays, each to a shape and to a spacing: differ by {worst:.2g} at most")
sys.exit(1 if worst >= 1e-5 else 0)
