"""The installed profiles on real files: real_files_test.py REAL_FILES SOURCE

Each profile, with all of its columns but the label, over the test files of pydicom (headers alone), and mr-volumes over
608 images of two scanners (below $ALOFT_TEST_DATA, if it is there). pydicom reads the same files: what is taken must be of a
listed class and show no head by any attribute that pydicom finds; what is refused must be refused for a reason
that pydicom confirms.
"""
import collections
import os
import pathlib
import subprocess
import sys
import tempfile
import tomllib
import unittest
import warnings

import pydicom
from pydicom.data import get_testdata_file
from pydicom.uid import UID

REAL_FILES, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])
PROFILES = ("chest-xray", "ct-volumes", "mr-volumes", "ultrasound", "imaging")
HEAD = ("HEAD", "BRAIN", "SKULL", "NECK", "FACE", "ORBIT", "SINUS", "CRANI", "HIRN", "KOPF", "CSPINE", "CAROTID", "WHOLE")
NOBODY = {"", "UNKNOWN", "ANONYMOUS", "ANON", "TEST", "NOID", "0"}
warnings.simplefilter("ignore")


def words(data) -> list[str]:
    """All that a header says about the part of the body, however deep."""
    out = [str(data.get(word, "")) for word in ("BodyPartExamined", "StudyDescription", "SeriesDescription", "ProtocolName")]
    for path in ("AnatomicRegionSequence", "FrameAnatomySequence"):
        for found in data.iterall() if hasattr(data, "iterall") else ():
            if found.keyword == path and found.value:
                out += [str(element.value) for item in found.value for element in item.iterall() if element.keyword == "CodeMeaning"]
    return [word.upper() for word in out]


class RealFiles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.headers = {}
        cls.folder = pathlib.Path(get_testdata_file("CT_small.dcm")).parent

    def judged(self, profile, folder, description=""):
        rules = tomllib.loads((SOURCE / f"configs/deid/{profile}.toml").read_text())
        columns = [column["name"] for column in rules["columns"] if column["name"] != "label"]
        root = pathlib.Path(self.scratch.name)
        definition = root / f"{profile}.toml"
        definition.write_text(f'name = "real"\nversion = "1"\nprofile = "{SOURCE}/configs/deid/{profile}.toml"\n'
                              f'columns = {columns}\nsites = ["real"]\n[[fields]]\nname = "image"\nshape = []\n'
                              'dtype = "i32"\n[splits]\ntrain = 1\n'.replace("'", '"'))
        more = []
        if description:
            more = [root / "real-description.toml"]
            more[0].write_text('name = "real"\n' + description)
        done = subprocess.run([REAL_FILES, definition, folder, *more], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return rules, [line.split("\t") for line in done.stdout.splitlines()]

    def header(self, path):
        if path not in self.headers:
            try:
                self.headers[path] = pydicom.dcmread(path, stop_before_pixels=True, force=True)
                _ = [element for element in self.headers[path].iterall()]
            except Exception:
                self.headers[path] = None
        return self.headers[path]

    def test_what_is_taken_is_of_a_listed_class_and_shows_no_head(self):
        taken = collections.Counter()
        for profile in PROFILES:
            rules, lines = self.judged(profile, self.folder)
            self.assertGreater(len(lines), 100)
            for name, reason, _ in lines:
                if reason != "taken":
                    continue
                taken[profile] += 1
                data = self.header(self.folder / name)
                self.assertIsNotNone(data, name)
                self.assertIn(UID(data.SOPClassUID).keyword, rules["pixels"]["sop_classes"], name)
                self.assertNotEqual(str(data.get("BurnedInAnnotation", "")).upper(), "YES", name)
                if str(data.get("Modality")) in ("CT", "MR", "PT"):
                    said = words(data)
                    self.assertFalse([w for w in said for head in HEAD if head in w.split() or w == head], (name, said))
                    self.assertTrue(any(said), name)
                self.assertNotIn(str(data.get("PatientID", "")).strip("0 -").upper(), NOBODY - {""}, name)
        print("taken of pydicom's files:", dict(taken), file=sys.stderr)
        self.assertGreater(taken["imaging"], 0)

    def test_what_is_refused_is_refused_for_a_reason_that_pydicom_confirms(self):
        reasons = collections.Counter()
        for profile in PROFILES:
            rules, lines = self.judged(profile, self.folder)
            for name, reason, detail in lines:
                reasons[reason] += 1
                data = self.header(self.folder / name)
                if data is None or "SOPClassUID" not in data:
                    self.assertNotEqual(reason, "taken", name)
                    continue
                keyword = UID(data.SOPClassUID).keyword
                if reason == "unlisted_sop_class":
                    self.assertNotIn(keyword, rules["pixels"]["sop_classes"], name)
                if reason == "not_selected":
                    self.assertNotIn("Image", keyword.replace("ImageStorageSR", ""), name)
                if reason == "risk_face":
                    said = " ".join(words(data))
                    self.assertTrue(any(head in said for head in HEAD) or data.get("RecognizableVisualFeatures") == "YES", name)
                if (reason, detail) == ("unlisted_anatomy", "untold"):
                    self.assertFalse(str(data.get("BodyPartExamined") or "").strip(), name)
                if reason == "missing_attribute" and detail == "PatientID":
                    self.assertFalse(str(data.get("PatientID") or "").strip(), name)
                if reason == "placeholder_id":
                    self.assertIn(str(data.PatientID).strip("0 -").upper().replace(" ", ""), NOBODY | {"NOID"}, name)
        print("reasons, five profiles together:", dict(reasons), file=sys.stderr)
        self.assertGreater(reasons["unlisted_sop_class"], 0)

    def test_heads_of_two_scanners_are_kept_out_unless_they_are_declared_defaced(self):
        data = os.environ.get("ALOFT_TEST_DATA")
        folder = pathlib.Path(data or "/nowhere") / "dcm_qa_nih/In"
        if not folder.is_dir():
            self.skipTest("no dcm_qa_nih below $ALOFT_TEST_DATA")
        _, lines = self.judged("mr-volumes", folder)
        images = [line for line in lines if line[1] != "not_recognised"]
        self.assertEqual(collections.Counter(line[1] for line in images), {"risk_face": len(images)})
        _, lines = self.judged("mr-volumes", folder, '[[declared]]\nis = "defaced"\n')
        taken = sum(line[1] == "taken" for line in lines)
        self.assertGreaterEqual(taken, 0.95 * len(images), collections.Counter(line[1] for line in lines))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
