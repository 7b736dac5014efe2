"""Measures staging and its peers on the same made files, in turns; a table and JSON. Called by `run`, which says what.

usage: measure.py --build DIR --root DIR --work DIR --json FILE [--files 400] [--rounds 3] [--growth 10000,100000]
"""
import argparse
import csv
import json
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEGLSLossless

SIDE = 512
DEFINITION = """
name = "bench"
version = "1"
profile = "{root}/configs/deid/imaging.toml"
columns = ["site", "vendor", "modality", "sex", "age", "exam_day", "series", "instance_number"]
sites = ["north"]
[[fields]]
name = "image"
shape = [1, 512, 512]
dtype = "i16"
[splits]
train = 0.6
validation = 0.2
test = 0.2
[shards]
target_bytes = 67108864
"""


def say(text):
    print(f"bench/staging: {text}", file=sys.stderr, flush=True)


def make_images(folder, count, compress):
    """A disc with texture in noise of a scanner's size: what a lossless codec halves, as it does with real slices."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(1)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    body = np.where(np.hypot(x, y * 1.3) < 200, 1050 + 40 * np.sin(x / 9) * np.cos(y / 7), 24)
    for number in range(count):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.4.{number + 1}"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = f"1.2.3.5.{number // 40 + 1}", f"1.2.3.6.{number // 40 + 1}"
        ds.PatientID, ds.PatientName, ds.PatientSex, ds.PatientAge = f"P{number // 40}", "Doe^Jane", "F", "045Y"
        ds.StudyDate, ds.Modality, ds.Manufacturer, ds.BodyPartExamined = "20240601", "CT", "SIEMENS", "CHEST"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.ImagePositionPatient, ds.ImageOrientationPatient = [-250, -250, number * 2.0], [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.SliceThickness, ds.InstanceNumber = [0.9, 0.9], 2, number % 40 + 1
        ds.Rows = ds.Columns = SIDE
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
        ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
        pixels = np.clip(body + draw.normal(0, 12, body.shape), 0, 4095).astype("<u2")
        if compress:
            ds.compress(JPEGLSLossless, pixels, generate_instance_uid=False)
        else:
            ds.PixelData = pixels.tobytes()
        ds.save_as(folder / f"{number:06}.dcm", enforce_file_format=True)


def one_core():
    """Before a command: all that it starts on one core. Readers' processor time is counted nowhere (nobody waits for
    them), so that what a core does is measured by the clock."""
    return ["taskset", "-c", str(min(os.sched_getaffinity(0)))]


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Bench:
    def __init__(self, options):
        self.options, self.work = options, Path(options.work)
        self.stage = Path(options.build) / "staging/aloft-stage"
        self.records = Path(options.build) / "tests/bench/read/bench_records"
        self.keys = self.work / "keys"
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        names = ["bench@1", "wdbc@1"]
        subprocess.run([self.stage, "keys", "new", self.keys, *[f"--dataset={name}" for name in names]], check=True,
                       stdout=subprocess.DEVNULL)

    def timed(self, *command, **more):
        """Its seconds and what it printed."""
        begin = time.perf_counter()
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **more)
        seconds = time.perf_counter() - begin
        if done.returncode != 0:
            sys.exit(f"bench/staging: {command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
        return seconds, done.stdout

    def build(self, definition, delivery, ranks, pinned=False):
        """Deliveries to verified shards; what the build says of itself."""
        out = self.work / "out"
        shutil.rmtree(out, ignore_errors=True)
        start = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", ranks] if ranks > 1 else one_core() if pinned else []
        built = self.timed(*start, self.stage, "build", "--dataset", definition, "--delivery", f"north={delivery}",
                           "--keys", self.keys, "--out", out, "--json")
        verified = self.timed(*start, self.stage, "verify", out, "--key", self.keys / "bench@1.key")
        return {"seconds": built[0] + verified[0], "verify": verified[0], "said": json.loads(built[1])}

    def reader(self, folder):
        """Seconds of our reader alone, by way."""
        names = "\n".join(map(str, sorted(folder.iterdir())))
        lines = self.timed(*one_core(), self.records, 1, input=names)[1].splitlines()
        return {line["way"]: line["seconds"] for line in map(json.loads, lines)}

    def dicognito(self, folder):
        out = self.work / "dicognito"
        shutil.rmtree(out, ignore_errors=True)
        return self.timed(*one_core(), sys.executable, "-m", "dicognito", "-q", "-o", out, folder)[0]

    def webdataset(self, folder):
        """Decoded pixels to tar files; decoding is not counted."""
        import webdataset
        out = self.work / "webdataset"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        arrays = [pydicom.dcmread(path).pixel_array for path in sorted(folder.iterdir())]
        begin = time.perf_counter()
        with webdataset.ShardWriter(str(out / "shard-%06d.tar"), maxsize=1 << 26, verbose=0) as sink:
            for number, array in enumerate(arrays):
                sink.write({"__key__": f"{number:06}", "npy": array, "json": {"site": "north", "age": 45}})
        return time.perf_counter() - begin

    def images(self):
        count = self.options.files
        plain, packed = self.work / "plain", self.work / "jpeg-ls"
        make_images(plain, count, False)
        make_images(packed, count, True)
        definition = self.work / "bench.toml"
        definition.write_text(DEFINITION.format(root=self.options.root))
        megabytes = count * SIDE * SIDE * 2 / 1e6
        figures, passes = {}, {}

        def add(name, value):
            figures.setdefault(name, []).append(value)
        for number in range(self.options.rounds):
            say(f"round {number + 1} of {self.options.rounds}")
            one, two = self.build(definition, plain, 1), self.build(definition, plain, 2)
            assert one["said"]["samples"] == two["said"]["samples"] == count, one["said"]
            peer = self.dicognito(plain)
            pinned = self.build(definition, plain, 1, pinned=True)
            squeezed, reader = self.build(definition, packed, 1, pinned=True), self.reader(packed)
            headers = self.reader(plain)["worker, header"]
            add("files/s, 1 rank", count / one["seconds"])
            add("files/s, one core", count / pinned["seconds"])
            add("dicognito, files/s, one core", count / peer)
            add("x dicognito, one core", peer / pinned["seconds"])
            add("2 ranks x 1 rank", one["seconds"] / two["seconds"])
            add("JPEG-LS, MB/s decoded, one core", megabytes / squeezed["seconds"])
            add("JPEG-LS x decoder", reader["in process, pixels"] / squeezed["seconds"])
            add("headers/s, one core", count / headers)
            phases = one["said"]["phases"]
            add("x WebDataset, pack", self.webdataset(plain) / phases["pack"]["seconds"])
            for name, phase in [*phases.items(), ("verify", {"seconds": one["verify"]})]:
                passes.setdefault(name, []).append(phase)
        print(f"\n| {count} files of 0.5 MB, {self.options.rounds} rounds | median | min to max |\n|---|---|---|")
        for name, values in figures.items():
            print(f"| {name} | {statistics.median(values):.3g} | {min(values):.3g} to {max(values):.3g} |")
        print("\n| pass, 1 rank | seconds | MB read | MB written |\n|---|---|---|---|")
        for name, all_ in passes.items():
            seconds = statistics.median(one["seconds"] for one in all_)
            moved = [f"{all_[0].get(key, 0) / 1e6:.0f}" for key in ("bytes_read", "bytes_written")]
            print(f"| {name} | {seconds:.2f} | {' | '.join(moved)} |")
        return {"figures": figures, "passes": passes}

    def growth(self):
        """Rows of one table of the hospital: nothing but what a sample costs beside its pixels."""
        root, found = Path(self.options.root), []
        profile = (root / "configs/deid/biopsy-table.toml").read_text()
        measures = [word.strip(' ",') for word in profile.split("from = [")[1].split("]")[0].replace("\n", ",").split(",")]
        measures = [word for word in measures if word]
        definition = self.work / "rows.toml"
        text = (root / "configs/datasets/wdbc.toml").read_text().replace("../", f"{root}/configs/")
        definition.write_text(re.sub(r"target_bytes = \d+", "target_bytes = 67108864", text))
        print("\n| rows | seconds, 1 rank | rank's CPU, ms a row | RSS of the rank, MB |\n|---|---|---|---|")
        for rows in self.options.growth:
            folder = self.work / f"rows-{rows}"
            folder.mkdir()
            for part in range(0, rows, 10000):  # a table is one item of work
                with open(folder / f"{part:09}.csv", "w", newline="") as out:
                    writer = csv.writer(out)
                    writer.writerow(["chart_no", "national_id", "birth_date", "exam_date", "diagnosis", "scanner_vendor", *measures])
                    for row in range(part, min(part + 10000, rows)):
                        writer.writerow([f"N{row}", "", f"{1930 + row % 60}0101", "20240601", "BM"[row % 2], "Leica",
                                         *[row % 1000 / 7 + i for i in range(len(measures))]])
            out = self.work / "grown"
            shutil.rmtree(out, ignore_errors=True)
            command = [self.stage, "build", "--dataset", definition, "--delivery", f"north={folder}",
                       "--keys", self.keys, "--out", out, "--json"]
            run = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            peak = 0
            begin, cpu = time.perf_counter(), cpu_seconds()
            while run.poll() is None:
                time.sleep(0.02)
                try:
                    lines = Path(f"/proc/{run.pid}/status").read_text().splitlines()
                    peak = max([peak] + [int(line.split()[1]) for line in lines if line.startswith("VmHWM")])
                except OSError:
                    pass
            seconds, cpu = time.perf_counter() - begin, cpu_seconds() - cpu
            said = json.loads(run.stdout.read())
            assert said["samples"] == rows, said
            found.append({"rows": rows, "seconds": seconds, "cpu": cpu, "rss_kb": peak, "phases": said["phases"]})
            print(f"| {rows} | {seconds:.1f} | {1000 * cpu / rows:.3f} | {peak / 1000:.0f} |", flush=True)
            shutil.rmtree(folder)
        return found


def main():
    parser = argparse.ArgumentParser()
    for name in ("build", "root", "work", "json"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--growth", type=lambda text: [int(n) for n in text.split(",") if int(n)], default=[10000, 100000])
    options = parser.parse_args()
    load = os.getloadavg()
    bench = Bench(options)
    result = {"machine": platform.platform(), "cores": len(os.sched_getaffinity(0)), "load_before": load}
    if options.files:
        result["images"] = bench.images()
    result["growth"] = bench.growth()
    result["load_after"] = os.getloadavg()
    Path(options.json).parent.mkdir(parents=True, exist_ok=True)
    Path(options.json).write_text(json.dumps(result, indent=1) + "\n")
    shutil.rmtree(options.work)
    print(f"\nload before {load[0]:.1f}, after {result['load_after'][0]:.1f}; figures in {options.json}")


main()
