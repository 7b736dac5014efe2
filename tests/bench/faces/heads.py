"""A real head (Colin's, of Debian's mricron-data) at 2 mm, its brain and its face, and what it becomes when it is bent or turned. Arrays
are [k, j, i]: i to the right, j to the front, k upwards."""
import gzip

import numpy as np
from scipy import ndimage

TEMPLATES = "/usr/share/mricron/templates"
AIR = 16  # voxels more of it before the nose, which else touches the volume's end


def read(path):
    """A NIfTI-1 file of bytes, little-endian."""
    data = gzip.open(path).read()
    shape = np.frombuffer(data, "<i2", 8, 40)[1:4][::-1]
    assert np.frombuffer(data, "<i2", 1, 70)[0] == 2, path
    return np.frombuffer(data, np.uint8, int(np.prod(shape)), int(np.frombuffer(data, "<f4", 1, 108)[0])).reshape(shape)


def face_of(image):
    """Skin and what is 6 mm behind it, seen from in front: eyes, nose, cheeks; not above the eyes, not the temples."""
    body = ndimage.binary_opening(image > 25)
    parts, _ = ndimage.label(body)
    body = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    front = np.where(body.any(1), image.shape[1] - 1 - np.argmax(body[:, ::-1], 1), -1)
    k, j, i = np.indices(image.shape)
    depth = front[:, None, :] - j
    z, x = 2 * k - 72, 2 * i - 90
    return body & (depth >= 0) & (depth <= 3) & (z <= -34) & (np.abs(x) <= 36)


def head():
    whole = read(f"{TEMPLATES}/ch2.nii.gz").astype(np.float32)
    brain = ndimage.binary_opening(read(f"{TEMPLATES}/ch2bet.nii.gz") > 0, iterations=2)
    image = ndimage.uniform_filter(whole, 2)[::2, ::2, ::2]
    one = {"image": image, "brain": brain[::2, ::2, ::2], "face": face_of(image)}
    return {key: np.pad(value, ((0, 0), (0, AIR), (0, 0))) for key, value in one.items()}


def moved(one, at):
    """What lies at `at` [3, k, j, i] of each array; beyond the edge there is air."""
    return {key: ndimage.map_coordinates(value.astype(np.float32), at, order=1 if key == "image" else 0, cval=0)
            for key, value in one.items()}


def bent(one, random, most_mm=5.0):
    """Stretched, and bent by up to so many millimetres, smoothly: another head than it was. It grows in height, so that no air
    comes in below, where the volume cuts the neck."""
    shape = one["image"].shape
    middle = (np.array(shape) - 1) / 2
    scales = random.uniform((0.90, 0.92, 0.92), (0.95, 1.08, 1.08))
    at = np.indices(shape).astype(np.float32)
    for n in range(3):
        bend = ndimage.gaussian_filter(random.normal(size=shape).astype(np.float32), 9)
        at[n] = (at[n] - middle[n]) * scales[n] + middle[n] + bend * (most_mm / 2 / np.abs(bend).max())  # voxels of 2 mm
    return moved(one, at)


def turn(one, axis, degrees):
    """About the right (0), the front (1) or upwards (2)."""
    shape = one["image"].shape
    middle = (np.array(shape) - 1) / 2
    a, b = [n for n in range(3) if n != 2 - axis]
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    at = np.indices(shape).astype(np.float32)
    u, v = at[a] - middle[a], at[b] - middle[b]
    at[a], at[b] = c * u - s * v + middle[a], s * u + c * v + middle[b]
    return moved(one, at)
