"""Our volumes against dcm2niix's, on real series: dcm2niix_equal.py SERIES_DUMP [FOLDER]

FOLDER is below $ALOFT_TEST_DATA, which may be absent (exit 77: skipped); with it, volumes are compared with the
references in its folder Ref as well. Without FOLDER: every series of pydicom's own sets of which a volume comes.
Affines must be equal to 1e-4 and voxels exactly, after axes were turned to ours. Exit 0 only if every volume of ours
has its twin, and, with FOLDER, every one of dcm2niix has one of ours.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np

TYPES = {2: "u1", 4: "<i2", 8: "<i4", 16: "<f4", 64: "<f8", 256: "i1", 512: "<u2", 768: "<u4"}


def nifti(path):
    """Volumes [D, H, W] with an affine of (i, j, k) in RAS, one for each time point."""
    head = path.read_bytes()
    dim = np.frombuffer(head, "<i2", 8, 40)
    kind = int(np.frombuffer(head, "<i2", 1, 70)[0])
    offset = int(np.frombuffer(head, "<f4", 1, 108)[0])
    slope, intercept = (float(x) for x in np.frombuffer(head, "<f4", 2, 112))
    affine = np.vstack([np.frombuffer(head, "<f4", 12, 280).reshape(3, 4).astype(float), [0, 0, 0, 1]])
    if kind not in TYPES or dim[0] < 3:
        return []
    shape = [int(n) for n in dim[1:1 + dim[0]]]
    data = np.frombuffer(head, TYPES[kind], int(np.prod(shape)), offset).reshape(shape[::-1])
    data = data.reshape(-1, *data.shape[-3:]).astype(float)
    if slope not in (0.0, 1.0) or intercept:
        data = data * slope + intercept
    return [(volume, affine) for volume in data]


def ours(dump, files, folder):
    listed = subprocess.run([dump, folder], input="\n".join(map(str, files)) + "\n", text=True, capture_output=True)
    if listed.returncode:
        sys.exit(listed.stderr)
    volumes, left = [], []
    for line in map(json.loads, listed.stdout.splitlines()):
        if "left" in line:
            left.append(line)
            continue
        affine = np.vstack([np.array(line["affine"]).reshape(3, 4), [0, 0, 0, 1]])
        affine = np.diag([-1, -1, 1, 1]) @ affine  # LPS to RAS
        data = np.fromfile(pathlib.Path(folder, f"{line['volume']}.bin"), "<f8").reshape(line["shape"])
        volumes.append((data, affine, line))
    return volumes, left


def dcm2niix(files):
    with tempfile.TemporaryDirectory() as temporary:
        given, out = pathlib.Path(temporary, "in"), pathlib.Path(temporary, "out")
        given.mkdir()
        out.mkdir()
        for number, file in enumerate(files):
            (given / f"{number}.dcm").symlink_to(pathlib.Path(file).resolve())
        subprocess.run(["dcm2niix", "-f", "%s_%j", "-b", "n", "-z", "n", "-m", "n", "-o", str(out), str(given)],
                       capture_output=True, check=False)
        return [volume for path in sorted(out.glob("*.nii")) for volume in nifti(path)]


def as_ours(volume, affine, target, shape):
    """The other's voxels on our axes, if its grid is ours to 1e-4."""
    to_other = np.linalg.inv(affine) @ target  # our (i, j, k) to its
    axes = np.rint(to_other[:3, :3])
    if not np.array_equal(np.abs(axes).sum(0), [1, 1, 1]) or not np.array_equal(np.abs(axes).sum(1), [1, 1, 1]):
        return None
    matrix = np.eye(4)
    matrix[:3, :3] = axes
    matrix[:3, 3] = np.rint(to_other[:3, 3])
    if np.abs(affine @ matrix - target).max() > 1e-4:
        return None
    out = volume.transpose(2, 1, 0)  # [i, j, k]
    order = [int(np.argmax(np.abs(axes[:, column]))) for column in range(3)]
    out = out.transpose(order)
    for column, axis in enumerate(order):
        if axes[axis, column] < 0:
            out = np.flip(out, column)
    return out.transpose(2, 1, 0) if out.shape == shape[::-1] else None


def compare(volumes, references, what):
    wrong, taken = [], set()
    for data, affine, line in volumes:
        found = None
        for number, (volume, other) in enumerate(references):
            if number in taken:
                continue
            turned = as_ours(volume, other, affine, data.shape[1:])
            if turned is not None and np.array_equal(turned, data[0]):
                found = number
                break
        if found is None:
            wrong.append(f"{what}: no twin of {line['file']} part {line['part']} {line['shape']}")
            for volume, other in references[:20]:
                turned = as_ours(volume, other, affine, data.shape[1:])
                wrong.append(f"    {volume.shape}: " + (f"{np.count_nonzero(turned != data[0])} voxels differ"
                             if turned is not None else f"affine {other[:3].round(4).tolist()}"))
            wrong.append(f"    ours {affine[:3].round(4).tolist()}")
        else:
            taken.add(found)
    return wrong, len(taken)


def main():
    dump = sys.argv[1]
    if not shutil.which("dcm2niix"):
        print("no dcm2niix: install the package of configs/apt.txt")
        return 77
    folder = None
    if len(sys.argv) > 2:
        folder = pathlib.Path(os.environ.get("ALOFT_TEST_DATA", "/nonexistent"), sys.argv[2])
        if not folder.is_dir():
            print(f"no {folder}: skipped")
            return 77
        files = sorted(p for p in (folder / "In").rglob("*.dcm"))
    else:
        import data_store
        import pydicom
        roots = [pathlib.Path(pydicom.__file__).parent / "data", pathlib.Path(data_store.__file__).parent]
        files = sorted(p for root in roots for p in root.rglob("*") if p.is_file() and p.suffix in (".dcm", ""))
    wrong, equal, theirs = [], 0, 0
    with tempfile.TemporaryDirectory() as temporary:
        volumes, left = ours(dump, files, temporary)
        if folder:
            references = dcm2niix(files)
        else:  # one run for each volume: it confuses series of several studies
            lists = {tuple(line["files"]) for _, _, line in volumes}
            references = [volume for one in sorted(lists) for volume in dcm2niix(one)]
        volumes = [v for v in volumes if v[2]["shape"][0] == 1]
        found, equal = compare(volumes, references, "dcm2niix")
        wrong += found
        if folder:
            theirs = len(references)
            if equal != theirs:
                wrong.append(f"dcm2niix makes {theirs} volumes, we {len(volumes)}")
            kept = [v for path in sorted((folder / "Ref").glob("*.nii")) for v in nifti(path)]
            found, count = compare(volumes, kept, "Ref")
            wrong += found
            if count != len(kept):
                wrong.append(f"Ref has {len(kept)} volumes, {count} are equal")
    reasons = {}
    for line in left:
        reasons[line["reason"]] = reasons.get(line["reason"], 0) + 1
    print("\n".join(wrong))
    print(f"{len(files)} files: {equal} volumes equal to dcm2niix's to 1e-4 and to the voxel; left out: {reasons}")
    return 1 if wrong or not equal else 0


if __name__ == "__main__":
    sys.exit(main())
