"""Writes FILE: N samples of SIDE x SIDE uint8, one after the other, cut from real X-ray, CT and MR images.

usage: corpus.py SIDE N FILE      (with the Python of `configs/install-deps --path data`)
Images smaller than a sample are continued by reflection. The same arguments give the same bytes.
"""
import sys
from pathlib import Path

import data_store
import numpy as np
import pydicom


def real_images():
    """Uncompressed grey images of pydicom's test files, at least 128 wide, windowed to 8 bits."""
    images = []
    folders = [Path(pydicom.__file__).parent / "data", Path(list(data_store.__path__)[0])]  # never the network
    for path in sorted(p for folder in folders for p in folder.rglob("*.dcm")):
        try:
            data = pydicom.dcmread(path)
            if data.file_meta.TransferSyntaxUID.is_compressed or data.PhotometricInterpretation not in (
                    "MONOCHROME1", "MONOCHROME2"):
                continue
            pixels = np.asarray(data.pixel_array, dtype=np.float32)
        except Exception:  # test files for parsers: many are broken on purpose
            continue
        for frame in pixels.reshape(-1, *pixels.shape[-2:])[:4]:
            low, high = np.percentile(frame, (1, 99))
            if min(frame.shape) >= 128 and high > low:
                images.append((np.clip((frame - low) / (high - low), 0, 1) * 255).astype(np.uint8))
    return images


def main():
    side, count, target = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    images = real_images()
    if not images:
        sys.exit("corpus.py: no image could be read; is pydicom-data installed?")
    print(f"corpus: {count} samples of {side} x {side} from {len(images)} images", file=sys.stderr)
    random = np.random.default_rng(side)
    large = [np.pad(i, [(0, max(0, side - n)) for n in i.shape], mode="symmetric") for i in images]
    with open(target, "wb") as out:
        for _ in range(count):
            image = large[random.integers(len(large))]
            y, x = (random.integers(n - side + 1) for n in image.shape)
            sample = image[y:y + side, x:x + side]
            if random.integers(2):
                sample = sample[:, ::-1]
            out.write(np.ascontiguousarray(sample).tobytes())


main()
