"""aloft-stage init on real files: init_test.py STAGE SOURCE

What it writes is a description and a definition that build takes as they are, and holds no value from any file.
"""
import csv
import gzip
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import warnings

import numpy
import pydicom
from PIL import Image
from pydicom.data import get_testdata_file

STAGE, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])
warnings.simplefilter("ignore")


def nifti():
    header = bytearray(352)
    for at, form, values in ((0, "i", [348]), (40, "8h", [3, 6, 5, 4, 1, 1, 1, 1]), (70, "2h", [4, 16]), (76, "8f", [1] * 8), (108, "3f", [352, 0, 0]),
                             (123, "B", [2]), (252, "2h", [0, 1]), (280, "12f", [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]), (344, "4s", [b"n+1\0"])):
        struct.pack_into("<" + form, header, at, *values)
    return bytes(header) + bytes(2 * 4 * 5 * 6)


class Init(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.scratch.name)
        cls.delivery = cls.root / "delivery"
        cls.delivery.mkdir()
        cls.identifiers = set()
        for name in ("CT_small.dcm", "MR_small.dcm", "US1_UNCR.dcm", "JPEG2000.dcm", "reportsi.dcm", "rtplan.dcm"):
            data = pydicom.dcmread(get_testdata_file(name), force=True)
            data.PatientName, data.PatientID, data.InstitutionName = "Wang^Siaoming", "H212345676", "Secret Hospital"
            data.Manufacturer = "Wang and Sons"
            data.BodyPartExamined = "SIAOMING"
            data.save_as(cls.delivery / f"Wang-{name}")
        with open(cls.delivery / "Wang.csv", "w", newline="", encoding="utf-8") as out:
            csv.writer(out, delimiter=";").writerows([["chart", "name"], ["H212345676", "Siaoming"]])
        for name in ("._Wang.csv", "._Li.csv"):  # macOS's own: no table, and none that tells of a separator
            (cls.delivery / name).write_bytes(b"\0\5\x16\7" + b"," * 100)
        (cls.delivery / "notes.bin").write_bytes(b"Wang" * 300)

    def run_init(self, out, *more):
        return subprocess.run([STAGE, "init", f"north={self.delivery}", "--out", out, "--json", *more],
                              capture_output=True, text=True)

    def test_it_counts_what_is_there_and_repeats_no_value(self):
        out = self.root / "one"
        done = self.run_init(out)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual(found["files"], 10)
        self.assertEqual(found["kinds"], {"dicom": 6, "of macOS": 2, "other": 1, "table": 1})
        self.assertEqual(found["sop_classes"]["CTImageStorage"], 1)
        self.assertEqual(found["sop_classes"]["StructuredReports"], 1)
        self.assertEqual(found["modalities"]["US"], 1)
        self.assertEqual(set(found["vendors"]), {"other"})
        self.assertEqual(set(found["body_parts"]), {"other"})
        written = [path.read_text() for path in sorted(out.rglob("*.toml"))]
        self.assertEqual(len(written), 2)
        for text in [done.stdout.replace(str(self.root), ""), done.stderr.replace(str(self.root), ""), *written]:
            for value in ("wang", "siaoming", "h212345676", "secret", "chart"):
                self.assertNotIn(value, text.lower())
        self.assertIn('separator = ";"', written[1] if "[tables]" in written[1] else written[0])

    def test_what_it_writes_is_taken_by_build(self):
        out = self.root / "two"
        self.assertEqual(self.run_init(out).returncode, 0)
        shutil.copytree(SOURCE / "configs/deid", out / "deid")
        keys = self.root / "keys"
        subprocess.run([STAGE, "keys", "new", keys, "--dataset", "north@1"], check=True, capture_output=True)
        done = subprocess.run([STAGE, "build", "--dataset", out / "datasets/north.toml", "--delivery", f"north={self.delivery}",
                               "--deliveries", out / "deliveries", "--keys", keys, "--out", self.root / "version", "--dry-run"],
                              capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 2, done.stderr)
        self.assertIn(done.returncode, (0, 3), done.stderr)

    def test_it_writes_over_nothing(self):
        out = self.root / "three"
        self.assertEqual(self.run_init(out).returncode, 0)
        before = (out / "deliveries/north.toml").read_bytes()
        done = self.run_init(out)
        self.assertEqual(done.returncode, 2)
        self.assertIn("is there already", done.stderr)
        self.assertEqual((out / "deliveries/north.toml").read_bytes(), before)

    def test_it_writes_nothing_into_the_delivery(self):
        link = self.root / "link"
        link.symlink_to(self.delivery)
        before = sorted(self.delivery.rglob("*"))
        for out in (self.delivery, self.delivery / "configs", link / "configs"):
            done = self.run_init(out)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("--out lies in the folder of the delivery north", done.stderr)
            self.assertEqual(sorted(self.delivery.rglob("*")), before)
        self.assertEqual(self.run_init(self.delivery.parent / "around").returncode, 0)

    def test_a_part_of_the_files_is_enough(self):
        done = self.run_init(self.root / "four", "--files", "4")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual((found["files"], found["looked_at"]), (10, 4))

    def test_a_name_that_no_build_takes_is_refused(self):
        for name in ("a b", "../north", "North", ""):
            done = subprocess.run([STAGE, "init", f"{name}={self.delivery}", "--out", self.root / "five"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("hospital's name", done.stderr)
        self.assertFalse((self.root / "five").exists())
        done = subprocess.run([STAGE, "init", f"no_rth={self.delivery}", "--out", self.root / "five"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('\nname = "no-rth"\n', (self.root / "five/datasets/no_rth.toml").read_text())  # no dataset's name has _
        done = subprocess.run([STAGE, "init", f"north={self.root / 'nowhere'}", "--out", self.root / "six"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("north=DIR: a delivery must be a folder", done.stderr)

    def test_a_profile_that_is_not_there_is_told_at_once(self):
        out = self.root / "seven"
        self.assertIn("copy Aloft's configs/deid there", self.run_init(out).stderr)
        out = self.root / "eight"
        shutil.copytree(SOURCE / "configs/deid", out / "deid")
        self.assertNotIn("profile_not_there", self.run_init(out).stderr)

    def test_images_without_a_header_go_by_their_path(self):
        for kind, profile, write in (
                ("nifti", "nifti-volumes", lambda path: pathlib.Path(f"{path}.nii.gz").write_bytes(gzip.compress(nifti()))),
                ("raster", "pictures", lambda path: Image.fromarray(numpy.ones((5, 6), "u1")).save(f"{path}.png"))):
            delivery, out = self.root / f"{kind}-delivery", self.root / f"{kind}-configs"
            for patient in ("one", "two"):
                (delivery / patient).mkdir(parents=True)
                write(delivery / patient / "scan")
            shutil.copytree(SOURCE / "configs/deid", out / "deid")
            done = subprocess.run([STAGE, "init", f"north={delivery}", "--out", out, "--json"], capture_output=True, text=True)
            self.assertEqual(json.loads(done.stdout)["kinds"], {kind: 2})
            self.assertIn(f"/{profile}.toml", (out / "datasets/north.toml").read_text())
            keys = self.root / f"{kind}-keys"
            subprocess.run([STAGE, "keys", "new", keys, "--dataset", "north@1"], check=True, capture_output=True)
            done = subprocess.run([STAGE, "build", "--dataset", out / "datasets/north.toml", "--delivery", f"north={delivery}", "--json",
                                   "--deliveries", out / "deliveries", "--keys", keys, "--out", self.root / kind, "--dry-run"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 3, done.stderr)  # read, and held back: nobody has said what they show
            self.assertIn("a build would take nothing", done.stderr)
            self.assertEqual(json.loads(done.stdout)["quarantine"], {"unlisted_anatomy": 2})

    def test_nothing_in_it_and_nothing_built(self):
        out, empty, version = self.root / "nine", self.root / "empty", self.root / "never"
        empty.mkdir()
        self.assertEqual(self.run_init(out).returncode, 0)
        shutil.copytree(SOURCE / "configs/deid", out / "deid")
        keys = self.root / "keys-nine"
        subprocess.run([STAGE, "keys", "new", keys, "--dataset", "north@1"], check=True, capture_output=True)
        build = [STAGE, "build", "--dataset", out / "datasets/north.toml", "--delivery", f"north={empty}", "--deliveries", out / "deliveries",
                 "--keys", keys, "--out", version]
        for more in (["--dry-run"], []):
            done = subprocess.run([*build, *more], capture_output=True, text=True)
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("empty_delivery delivery=north", done.stderr)
            self.assertIn("the deliveries hold no files at all", done.stderr)
        for what in (["verify", version, "--key", keys / "north@1.key"], ["inspect", version], ["report", version]):
            done = subprocess.run([STAGE, *what], capture_output=True, text=True)
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("holds no version: its build has not ended", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
