#!/usr/bin/env python3
"""Makes the deliveries of four hospitals: real data, with the identifiers that hospitals' files have.

  deliveries.py OUT [--quick] [--seed N] [--json]

writes OUT/deliveries/{digits,wdbc,mixed}/{north,central,south,east}/..., OUT/planted.json (every identifier that was
planted, for the search in what staging writes; it stays outside the deliveries), OUT/followed.json (one patient of two
hospitals, whom the demo follows) and OUT/deliveries.json (what is real, what is made, how many, and a digest of every
file). The same seed gives the same bytes; a second run finds them there and only checks the digests.

Real: the pixels of the digits (scikit-learn, 1797 images of 8 x 8), the measurements and diagnoses of WDBC (569
biopsies), and the files under mixed/ (pydicom's and pydicom-data's test files from real scanners).
Made: patients, hospitals, dates, the vendors of digits and biopsies, each hospital's intensity and noise, every
identifier, and the broken and hostile files.
"""
import argparse
import hashlib
import json
import os
import random
import shutil
import stat
import sys
import time
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent


def inputs_digest(quick: bool, seed: int) -> str:
    """Of everything that decides the bytes: this code, the pinned packages, the arguments."""
    digest = hashlib.sha256(f"{quick} {seed}".encode())
    pinned = HERE.parent.parent / "configs/python/data.txt"
    for path in [*sorted(HERE / n for n in ("deliveries.py", "people.py", "hospitals.py", "make_dicom.py",
                                            "make_table.py", "hostile.py")), pinned]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def tree_digest(root: Path) -> tuple[str, dict[str, int]]:
    """One digest over names, kinds and bytes below `root`, and counts. Links are not followed, FIFOs not opened."""
    digest, counts = hashlib.sha256(), {"files": 0, "bytes": 0, "links": 0, "fifos": 0}
    entries = []
    for folder, _, names in os.walk(os.fsencode(root)):
        entries += [os.path.join(folder, name) for name in names]
    for path in sorted(entries):
        digest.update(os.path.relpath(path, os.fsencode(root)) + b"\0")
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            counts["links"] += 1
            digest.update(b"link" + os.readlink(path))
        elif stat.S_ISFIFO(mode):
            counts["fifos"] += 1
            digest.update(b"fifo")
        else:
            with open(path, "rb") as file:
                data = file.read()
            counts["files"] += 1
            counts["bytes"] += len(data)
            digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest(), counts


def make_digits(folder: Path, town, seed: int) -> tuple[dict[str, int], dict]:
    """The digits as DICOM: one to five images of the same digit for each patient. Some patients are seen at two
    hospitals under the same national ID and two record numbers. Returns counts, and the first of those patients."""
    import numpy
    from sklearn.datasets import load_digits

    from hospitals import HOSPITALS
    from make_dicom import digit_image, study_date, write

    digits = load_digits()
    draw, noise = random.Random(seed), numpy.random.default_rng(seed)
    order = noise.permutation(len(digits.target))
    counts = {"real_images": len(order), "patients": 0, "seen_at_two_hospitals": 0, "with_id_in_unused_bits": 0}
    travellers = []  # (person, label) of patients who go on to another hospital
    followed, seen = None, {}  # the first of them; national ID -> images
    for at, hospital in enumerate(HOSPITALS):
        (folder / hospital.name).mkdir(parents=True)
        mine = order[at::len(HOSPITALS)]
        arrived, travellers = travellers, []
        for label in range(10):
            images = [i for i in mine if digits.target[i] == label]
            while images:
                known = next((t for t in arrived if t[1] == label), None)
                if known:
                    arrived.remove(known)
                    counts["seen_at_two_hospitals"] += 1
                    followed = followed or known[0]
                person = known[0] if known else town.person()
                counts["patients"] += not known
                several = draw.randint(1, 5)
                take, images = images[:several], images[several:]
                if draw.random() < 0.1:
                    travellers.append((person, label))
                date, visit = study_date(draw), f"digits-{hospital.name}"
                for number, index in enumerate(take, 1):
                    grey = digits.images[index] * hospital.gain + hospital.offset + noise.normal(0, hospital.noise, (8, 8))
                    grey = numpy.clip(numpy.rint(grey), 0, 255).astype("u1")
                    hidden = draw.random() < 0.05
                    counts["with_id_in_unused_bits"] += hidden
                    ds = digit_image(town, hospital, person, visit, date, number, label, grey, hidden)
                    # In the hospital's own encoding, which is not always UTF-8.
                    name = f"{person.name}_{person.charts[hospital.name]}_{number}.dcm".encode(hospital.encoding)
                    write(ds, folder / hospital.name / os.fsdecode(name), f"{person.name} {person.national}")
                    seen.setdefault(person.national, []).append(
                        {"hospital": hospital.name, "date": date, "label": label, "pixels_sha256": hashlib.sha256(grey.tobytes()).hexdigest()})
    return counts, {"name": followed.name, "national_id": followed.national, "birth_date": followed.birth_dicom,
                    "charts": followed.charts, "images": seen[followed.national]}


def make_mixed(folder: Path, town, every: int) -> dict[str, int]:
    """pydicom's and pydicom-data's files, spread over the hospitals; given made identifiers where pydicom can write
    the file again without touching its pixels, else copied as they are."""
    from data_store import DataStore
    from pydicom import data, dcmread

    from hospitals import HOSPITALS
    from make_dicom import identify, write

    packaged = Path(data.__file__).parent
    sources = [*(packaged / "test_files").rglob("*.dcm"), *(packaged / "charset_files").glob("*.dcm"),
               *DataStore().data_path.glob("*.dcm"), *(packaged / "test_files/dicomdirtests").rglob("*")]
    sources = sorted({s for s in sources if s.is_file()})[::every]
    counts = {"real_files": len(sources), "given_identifiers": 0, "copied_as_they_are": 0}
    for at, source in enumerate(sources):
        hospital = HOSPITALS[at % len(HOSPITALS)]
        (folder / hospital.name / source.parent.name).mkdir(parents=True, exist_ok=True)
        person = town.person()
        target = folder / hospital.name / source.parent.name / f"{person.name}_{source.name}"
        try:
            ds = dcmread(source)
            identify(ds, town, hospital, person, source.name, "20250115")
            write(ds, target, person.name)
            counts["given_identifiers"] += 1
        except Exception:  # noqa: BLE001  # pydicom's refusals are of many kinds; the file is real either way
            shutil.copyfile(source, target)
            counts["copied_as_they_are"] += 1
    return counts


def make_hostile(folder: Path, town, datasets: list[str]) -> list[dict]:
    """Every kind once among the mixed files, a few among the digits."""
    from pydicom import data

    from hospitals import HOSPITALS
    from hostile import EVERY_KIND, Hostile

    real, expected = Path(data.__file__).parent / "test_files", []
    plan = [("mixed", at, kind) for at, kind in enumerate(EVERY_KIND)]
    plan += [("digits", at, kind) for at, kind in enumerate(["truncated", "wrong_magic", "symlink", "fifo"])]
    for dataset, at, kind in plan:
        if dataset not in datasets:
            continue
        hospital = HOSPITALS[at % len(HOSPITALS)]
        hostile = Hostile(folder / dataset / hospital.name, town, hospital, real)
        getattr(hostile, kind)()
        expected += [{"dataset": dataset, "hospital": hospital.name, **e} for e in hostile.expected]
    return expected


def write_closed(path: Path, value: dict) -> None:
    """For the demo's own eyes: what stands here must be in nothing that staging writes."""
    path.write_text(json.dumps(value, ensure_ascii=False, indent=0))
    path.chmod(0o600)


def make(out: Path, quick: bool, seed: int) -> dict:
    from make_table import write_wdbc
    from people import Town

    started = time.monotonic()
    fresh = out / "deliveries.new"
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(out / "deliveries", ignore_errors=True)
    fresh.mkdir(parents=True)
    town = Town(seed)
    digits, followed = make_digits(fresh / "digits", town, seed)
    summary = {
        "digits": digits,
        "wdbc": write_wdbc(fresh / "wdbc", town, seed),
        "mixed": make_mixed(fresh / "mixed", town, 5 if quick else 1),
        "hostile": make_hostile(fresh, town, ["digits", "mixed"]),
    }
    planted = {kind: sorted(values) for kind, values in sorted(town.planted.items())}
    write_closed(out / "planted.json", {"identifiers": [{"kind": kind, "value": value} for kind, values in planted.items()
                                                        for value in values]})
    write_closed(out / "followed.json", followed)
    summary["planted"] = {kind: len(values) for kind, values in planted.items()}
    summary["tree_sha256"], summary["tree"] = tree_digest(fresh)
    summary["inputs_sha256"] = inputs_digest(quick, seed)
    summary["seconds"] = round(time.monotonic() - started, 2)
    fresh.rename(out / "deliveries")
    (out / "deliveries.json").write_text(json.dumps(summary, indent=1))
    return summary


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--quick", action="store_true", help="a fifth of the real DICOM files")
    parser.add_argument("--seed", type=int, default=1511)
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # pydicom remarks on what is wrong with files that are wrong on purpose
    sys.path.insert(0, str(HERE))
    try:
        summary = json.loads((args.out / "deliveries.json").read_text())
        reused = (summary["inputs_sha256"] == inputs_digest(args.quick, args.seed) and
                  all((args.out / name).is_file() for name in ("planted.json", "followed.json")) and
                  summary["tree_sha256"] == tree_digest(args.out / "deliveries")[0])
    except (OSError, ValueError, KeyError):
        reused = False
    if not reused:
        summary = make(args.out, args.quick, args.seed)
    summary["reused"] = reused
    if args.json:
        print(json.dumps(summary))
    else:
        print(f"{summary['tree']['files']} files, {summary['tree']['bytes']} bytes, "
              f"{sum(summary['planted'].values())} identifiers planted"
              + (" (as the last run made them)" if reused else f" in {summary['seconds']} s"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
