"""Images and what a table or a mask of the same delivery says of them: what is joined, what is left out and told. Run as
builds.py says."""
import contextlib, csv, gzip, json, shutil, struct, subprocess, sys, time, zipfile

import numpy as np

from builds import MPIEXEC, SOURCE, STAGE, Builds, kill_family, main

sys.path.insert(0, str(SOURCE / "tests/core/shard"))
from second_reader import Version

NATIONAL = "B187654324"  # its checksum is good


class Cases(Builds):
    hospitals = ("north", "south")

    @classmethod
    def setUpClass(cls):
        cls.begin("nodules@1", "organs@1")
        shutil.copytree(SOURCE / "configs", cls.root / "configs")

    def changed(self, *changes, name="nodules", profile=()):
        """The example's definition with some of its text replaced; `profile`: of the table's, too."""
        made = []
        for file, pairs in ((self.root / "configs/deid/study-labels.toml", profile), (self.root / f"configs/datasets/{name}.toml", changes)):
            text = file.read_text()
            for old, new in pairs:
                self.assertEqual(text.count(old), 1, old)
                text = text.replace(old, new)
            made.append(file.with_name(f"{file.stem}-{len(list(file.parent.iterdir()))}.toml"))
            made[-1].write_text(text)
        made[1].write_text(made[1].read_text().replace("study-labels.toml", made[0].name))
        return made[1]

    def rows(self, folder, rows, header=("accession", "label", "score", "report_date"), name="labels/2024/reports.csv"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", newline="") as out:
            csv.writer(out).writerows([header, *rows])

    def planted(self, *values):
        path = self.root / f"planted-{len(list(self.root.iterdir()))}.json"
        path.write_text(json.dumps({"identifiers": [{"kind": "case", "value": value} for value in values]}))
        return path

    def nothing_planted_in(self, version, *values, key="nodules@1"):
        done = subprocess.run([self.find, "--planted", self.planted(*values), "--tree", version, "--tree", self.logs, "--dataset", version,
                               "--key", self.keys / f"{key}.key"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def samples(self, version, key="nodules@1"):
        return list(Version(version, self.keys / f"{key}.key").samples())

    def nifti(self, path, array, affine=((2, 0, 0, -10), (0, 2, 0, -20), (0, 0, 3, 30)), slope=0.0):
        """`array` is [k, j, i]; the affine is RAS."""
        header = bytearray(352)
        for at, form, values in ((0, "i", [348]), (40, "8h", [3, *array.shape[::-1], 1, 1, 1, 1]),
                                 (70, "2h", [{"uint8": 2, "int16": 4, "float32": 16}[array.dtype.name], 8 * array.itemsize]),
                                 (76, "8f", [1, 1, 1, 1, 1, 1, 1, 1]), (108, "3f", [352, slope, 0]), (123, "B", [2]), (252, "2h", [0, 1]),
                                 (280, "12f", np.ravel(affine)), (344, "4s", [b"n+1\0"])):
            struct.pack_into("<" + form, header, at, *values)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(bytes(header) + array.tobytes(), 1, mtime=0))

    def left_out(self, version):
        """What the quarantine lists: site, row of a table or 0, reason, detail; once for each file or row."""
        lines = [json.loads(line) for line in (version / "reports/quarantine.jsonl").read_text().splitlines()]
        return sorted((one["site"], one.get("row", 0), one["reason"], one.get("detail", "")) for one in lines)

    def adds_up(self, summary):
        for one in summary["deliveries"].values():
            self.assertEqual(one["files_and_rows"], one["packed"] + one["left_out"] + one["not_selected"])

    def test_a_table_labels_the_volumes_of_its_own_delivery(self):
        root = self.root / "accession"
        for site, shift in (("north", 0), ("south", 50)):
            for patient in range(1, 7):
                self.series(root / site / f"scans/{patient}", patient + shift, patient + shift, [0, 2, 4],
                            AccessionNumber=f"ACCNUM-77{patient}", StudyDate="20240601")
        self.series(root / "north/scans/no-number", 7, 7, [0, 2, 4])
        for site, other in (("north", "B"), ("south", "M")):
            self.rows(root / site, [
                ("ACCNUM-771", "BM"[other == "M"], "1.5", "20240611"),
                (" ACCNUM-772 ", "BM"[other == "B"], "", ""),  # padding does not count
                ("ACCNUM-773", "B", "3", "20240603"), ("ACCNUM-773", "B", "3", "20240603"),
                ("ACCNUM-774", "B", "4", "20240603"), ("ACCNUM-774", "M", "4", "20240603"),
                ("ACCNUM-776", "X", "6", "20240603"),
                ("ACCNUM-999", "B", "9", "20240603"),
                ("", "B", "9", "20240603")])
        definition = self.changed()
        whole = root / "version-2"
        summary = self.build("nodules", whole, 2, deliveries=root, definition=definition)
        self.adds_up(summary)
        self.assertEqual(summary["deliveries"]["north"], {"files_and_rows": 30, "files": 22, "packed": 12, "left_out": 18, "not_selected": 0})
        found = {(one["site"], int(one["image"].min()) - int(one["image"].min()) % 100): one for one in self.samples(whole)}
        self.assertEqual(len(found), 6)
        labels = sorted(((site, one["label"], one["score"], one["report_day"] and one["report_day"] - one["exam_day"])
                         for (site, _), one in found.items()), key=str)
        self.assertEqual(labels, [("north", "benign", 1.5, 10), ("north", "benign", 3.0, 2), ("north", "malignant", None, None),
                                  ("south", "benign", 3.0, 2), ("south", "benign", None, None), ("south", "malignant", 1.5, 10)])
        each = [(0, "unmatched_image", "accession")] * 9 + [(4, "duplicate", "same_content"), (5, "label_conflict", "accession"),
                (6, "label_conflict", "accession"), (7, "unlisted", "label"), (8, "unmatched_label", "accession"),
                (9, "missing_attribute", "accession")]
        self.assertEqual(self.left_out(whole), sorted([("north", *one) for one in each + [(0, "unmatched_image", "accession")] * 3]
                                                      + [("south", *one) for one in each]))
        self.nothing_planted_in(whole, *(f"ACCNUM-77{patient}" for patient in range(1, 7)), "ACCNUM-999", "20240611", "20240603", "20240601")
        cut = [f"--cut={n}" for n in ("files_per_batch=3", "segment_samples=2", "block_records=1", "exchange_bytes=4096",
                                       "partition_records=1")]
        for ranks, more in ((1, []), (4, cut)):
            out = root / f"version-{ranks}"
            self.build("nodules", out, ranks, deliveries=root, definition=definition, more=more)
            self.assert_same_tree(whole, out)
        subprocess.run([STAGE, "verify", whole, "--key", self.keys / "nodules@1.key"], check=True, stdout=subprocess.DEVNULL)
        # Killed when some cases are written, and run again.
        for attempt in range(20):  # on a busy machine it may be whole by then
            out = root / f"killed-{attempt}"
            run = self.start("nodules", out, 2, deliveries=root, definition=definition, more=cut)
            while run.poll() is None:
                time.sleep(0.01)
                with contextlib.suppress(OSError):
                    if any(path.stat().st_size for path in (out / ".work").glob("segment-labelled-*.done")):
                        kill_family(run.pid)
            if not (out / "manifest.json").exists():
                break
        self.assertFalse((out / "manifest.json").exists(), "each ended before it was killed")
        self.assertGreater(self.build("nodules", out, 2, deliveries=root, definition=definition, more=cut)["resumed_batches"], 0)
        self.assert_same_tree(whole, out)

    def test_images_without_a_row_stay_if_the_definition_says_so(self):
        root = self.root / "keep"
        for patient in range(1, 4):
            corners = {"PixelPaddingValue": 100} if patient == 1 else {}  # one of its voxels, which nobody measured
            self.series(root / "north", patient, patient, [0, 2, 4], AccessionNumber=f"A{patient}", **corners)
        (root / "south").mkdir()
        self.rows(root / "north", [("A1", "M", "1", ""), ("A2", "B", "", ""), ("A2", "M", "", "")])
        out = root / "version"
        summary = self.build("nodules", out, 2, deliveries=root, definition=self.changed(('unmatched = "leave_out"', 'unmatched = "keep"')))
        self.adds_up(summary)
        samples = sorted(self.samples(out), key=lambda one: str(one["label"]))
        self.assertEqual([str(one["label"]) for one in samples], ["None", "None", "malignant"])
        self.assertEqual([np.flatnonzero(one["image"] == -2000).tolist() for one in samples], [[], [], [0]])
        self.assertEqual(self.left_out(out), [("north", 2, "label_conflict", "accession"), ("north", 3, "label_conflict", "accession")])

    def test_a_row_by_patient_finds_the_person_by_any_of_the_names(self):
        root = self.root / "patient"
        # One person: an image by record number, one by national ID, and a row that says both. Another by record number alone.
        self.series(root / "north/a", 11, 11, [0, 2, 4], PatientID="REC-4711")
        self.series(root / "north/b", 12, 12, [0, 2, 4], PatientID=NATIONAL)
        self.series(root / "north/c", 13, 13, [0, 2, 4], PatientID="REC-4712")
        self.series(root / "south/a", 14, 14, [0, 2, 4], PatientID="REC-4711")  # somebody else: another hospital's number
        header = ("patient_id", "national_id", "label", "score", "report_date")
        self.rows(root / "north", [("REC-4711", NATIONAL, "M", "1", "20240611"), ("REC-4712", "", "B", "2", "20240601"),
                                   ("REC-4713", "", "B", "2", "")], header=header)
        definition = self.changed(('match = "accession"', 'match = "patient"'), ('\ncolumn = "accession"', "\n#"), profile=[(
            "[dates]", '[[patient]]\nfrom = "national_id"\nkind = "national-id"\nother_form = "next"\n[[patient]]\nfrom = "patient_id"\n'
            'kind = "record-number"\n[dates]')])
        out = root / "version"
        summary = self.build("nodules", out, 2, deliveries=root, definition=definition)
        self.adds_up(summary)
        found = self.samples(out)
        self.assertEqual(sorted((one["label"], one["report_day"] - one["exam_day"]) for one in found),
                         [("benign", 0), ("malignant", 10), ("malignant", 10)])
        self.assertEqual(len({one["patient"] for one in found}), 2)
        self.assertEqual(self.left_out(out), [("north", 3, "unmatched_label", "patient")] + [("south", 0, "unmatched_image", "patient")] * 3)
        self.nothing_planted_in(out, "REC-4711", "REC-4712", NATIONAL)

    def test_a_row_of_another_person_labels_nobody(self):
        root = self.root / "study"
        for patient in (21, 22):
            self.series(root / "north", patient, patient, [0, 2, 4], PatientID=f"REC-{patient}")
        (root / "south").mkdir()
        self.rows(root / "north", [("1.2.4.21", "REC-21", "M", "1", ""), ("1.2.4.22", "REC-21", "B", "2", ""), ("1.2.4.x", "REC-21", "B", "2", "")],
                  header=("study", "patient_id", "label", "score", "report_date"))
        definition = self.changed(('match = "accession"', 'match = "study"'), ('column = "accession"', 'column = "study"'), profile=[(
            "[dates]", '[[patient]]\nfrom = "patient_id"\nkind = "record-number"\n[dates]')])
        out = root / "version"
        summary = self.build("nodules", out, 2, deliveries=root, definition=definition)
        self.adds_up(summary)
        self.assertEqual([one["label"] for one in self.samples(out)], ["malignant"])
        self.assertEqual(self.left_out(out), [("north", 0, "identity_conflict", "study")] * 3 +
                         [("north", 2, "identity_conflict", "study"), ("north", 3, "bad_uid", "study")])

    def test_a_key_of_two_people_labels_nobody(self):
        root = self.root / "two"
        for patient in (41, 42, 43):
            self.series(root / "north", patient, patient, [0, 2, 4], AccessionNumber=f"A{patient // 43}")
        (root / "south").mkdir()
        self.rows(root / "north", [("A0", "M", "1", ""), ("A1", "B", "2", "")])
        out = root / "version"
        self.adds_up(self.build("nodules", out, 2, deliveries=root, definition=self.changed()))
        self.assertEqual([one["label"] for one in self.samples(out)], ["benign"])
        self.assertEqual(self.left_out(out), [("north", row, "identity_conflict", "accession") for row in (0,) * 6 + (1,)])

    def test_a_row_of_slices_counts_once_and_goes_with_its_first_image(self):
        root = self.root / "images"
        self.series(root / "north", 31, 31, [0, 2, 4], AccessionNumber="A1")
        (root / "south").mkdir()
        # The first file comes a second time under another name: a duplicate, which takes no row with it.
        first = sorted((root / "north").glob("*.dcm"))[0]
        shutil.copyfile(first, root / "north/zz-again.dcm")
        self.rows(root / "north", [("A1", "B", "1", "")])
        out = root / "version"
        summary = self.build("nodules", out, 2, deliveries=root, definition=self.changed(('samples = "volume"', 'samples = "image"')))
        self.adds_up(summary)
        self.assertEqual(summary["deliveries"]["north"], {"files_and_rows": 5, "files": 5, "packed": 4, "left_out": 1, "not_selected": 0})
        self.assertEqual([one["label"] for one in self.samples(out)], ["benign"] * 3)
        self.assertEqual(self.left_out(out), [("north", 0, "duplicate", "sent_again")])

    def test_risk_counts_what_the_table_brings(self):
        root = self.root / "risk"
        for patient in range(1, 7):
            self.series(root / "north", patient, patient, [0, 2, 4], AccessionNumber=f"A{patient}")
        (root / "south").mkdir()
        self.rows(root / "north", [(f"A{patient}", "BBBBBM"[patient - 1], "", "") for patient in range(1, 7)])
        definition = self.changed(profile=[("quasi_identifiers = []", 'quasi_identifiers = ["label"]'),
                                           ('below = "report"', 'below = "suppress"')])
        out = root / "version"
        summary = self.build("nodules", out, 2, deliveries=root, definition=definition)
        self.adds_up(summary)
        self.assertEqual([one["label"] for one in self.samples(out)], ["benign"] * 5)
        # The one malignant patient's three files, and the row.
        self.assertEqual(self.left_out(out), [("north", row, "risk_small_group", "") for row in (0, 0, 0, 6)])

    def test_masks_on_the_grid_of_their_volumes_become_a_field(self):
        root, random = self.root / "masks", np.random.default_rng(5)
        shape = (4, 5, 6)
        images, masks = {}, {}
        turned = ((-2, 0, 0, -10), (0, 2, 0, -20), (0, 0, 3, 30))  # left-handed: slices are turned around

        def one(patient, scan, site="north", affine=None, mask_affine=None, mask=None, mask_slope=0.0):
            images[patient, scan] = random.integers(-1000, 1000, shape, dtype=np.int16)
            masks[patient, scan] = random.integers(0, 3, shape, dtype=np.uint8) if mask is None else mask
            more = {} if affine is None else {"affine": affine}
            self.nifti(root / site / patient / f"{scan}.nii.gz", images[patient, scan], **more)
            if mask_affine is not None:
                more = {"affine": mask_affine}
            if masks[patient, scan] is not False:
                self.nifti(root / site / patient / f"{scan}_mask.nii.gz", masks[patient, scan], slope=mask_slope, **more)

        one("CHART-501", "first")
        one("CHART-501", "second", affine=turned)
        one("CHART-502", "first", mask_affine=((2, 0, 0, -10.0001), (0, 2, 0, -20), (0, 0, 3, 30)))  # the same to 1e-3 mm
        one("CHART-503", "first", mask_affine=((2, 0, 0, -10.01), (0, 2, 0, -20), (0, 0, 3, 30)))  # not so
        one("CHART-504", "first", mask=random.integers(0, 3, (4, 5, 5), dtype=np.uint8))
        one("CHART-505", "first", mask=random.integers(3, 9, shape, dtype=np.uint8))  # grey values, of which none is listed
        one("CHART-506", "first", mask=False)
        one("CHART-507", "first", mask=random.random(shape).astype("float32"))  # probabilities
        self.nifti(root / "north/CHART-508/first_mask.nii.gz", np.zeros(shape, np.uint8))
        one("CHART-501", "third", site="south", mask=np.zeros(shape, np.uint8))  # nothing was found: a mask of zeros is one
        descriptions = root / "deliveries"
        descriptions.mkdir()
        for site in self.hospitals:
            (descriptions / f"{site}.toml").write_text(f'name = "{site}"\npath = "{{patient}}/{{scan}}.nii.gz"\n[[declared]]\nis = "defaced"\n')
        whole = root / "version-2"
        definition = self.root / "configs/datasets/organs.toml"
        more = ["--deliveries", str(descriptions)]
        summary = self.build("organs", whole, 2, deliveries=root, definition=definition, more=more)
        self.adds_up(summary)
        self.assertEqual(summary["deliveries"]["south"]["packed"], 5)  # four slices and the mask
        self.assertEqual(summary["quarantine"], {"bad_mask": 2, "mask_off_grid": 2, "unmatched_image": 20, "unmatched_label": 1})
        found = {one["image"].tobytes(): one for one in self.samples(whole, "organs@1")}
        self.assertEqual(len(found), 4)
        order = {("CHART-501", "first"): 1, ("CHART-501", "second"): -1, ("CHART-502", "first"): 1, ("CHART-501", "third"): 1}
        for name, step in order.items():
            image = np.ascontiguousarray(images[name][::step], dtype="float32")[None]
            sample = found[image.tobytes()]
            self.assertEqual((sample["mask"].dtype, sample["mask"].shape), (np.uint8, (1, *shape)))
            self.assertTrue((sample["mask"][0] == masks[name][::step]).all(), name)
        self.nothing_planted_in(whole, *(f"CHART-50{n}" for n in range(1, 9)), key="organs@1")
        cut = [f"--cut={n}" for n in ("files_per_batch=1", "segment_samples=1", "block_records=1", "partition_records=1")]
        for ranks, tuned in ((1, []), (4, cut)):
            out = root / f"version-{ranks}"
            self.build("organs", out, ranks, deliveries=root, definition=definition, more=more + tuned)
            self.assert_same_tree(whole, out)

        # Fitted alike: twice as fine along k, cut in the plane; labels are never mixed.
        fitted = self.changed(("shape = []", "shape = [1, 8, 3, 4]"),
                              ('dtype = "f32"', 'dtype = "f32"\nspacing_mm = [1.5, 2, 2]\nfit = "crop_pad"\npadding = 0'), name="organs")
        out = root / "fitted"
        self.build("organs", out, 2, deliveries=root, definition=fitted, more=more)
        expected = {np.repeat(masks[name][::step], 2, 0)[:, 1:4, 1:5].tobytes() for name, step in order.items()}
        self.assertEqual({one["mask"].tobytes() for one in self.samples(out, "organs@1")}, expected)

    def test_a_volume_has_its_mask_and_its_label_or_is_left_out_with_both(self):
        root, shape = self.root / "both", (3, 4, 5)
        (root / "south").mkdir(parents=True)
        for patient in range(1, 4):
            self.nifti(root / f"north/P{patient}/scan{patient}.nii.gz", np.full(shape, patient, np.int16))
            self.nifti(root / f"north/P{patient}/scan{patient}_mask.nii.gz", np.full(shape, patient % 3, np.uint8))
        self.rows(root / "north", [("scan1", "B", "", ""), ("scan2", "M", "", "")], header=("scan", "label", "score", "report_date"), name="labels.csv")
        (root / "north.toml").write_text('name = "north"\npath = "**/{patient}/{scan}.nii.gz"\n[[declared]]\nis = "phantom"\n')
        definition = self.changed(("[splits]", """[labels]
files = "**/labels.csv"
profile = "../deid/study-labels.toml"
match = "study"
from = "path:scan"
column = "scan"
columns = ["label", "report_day"]
[maps.label]
categories = ["benign", "malignant"]
codes = {B = "benign", M = "malignant"}
[splits]"""), ('files = "{patient}', 'files = "**/{patient}'), name="organs")
        out = root / "version"
        summary = self.build("organs", out, 2, deliveries=root, definition=definition, more=["--deliveries", str(root / "north.toml")])
        self.adds_up(summary)
        self.assertEqual(sorted((one["image"].max(), one["mask"].max(), one["label"]) for one in self.samples(out, "organs@1")),
                         [(1, 1, "benign"), (2, 2, "malignant")])
        # The third has no row: its three frames, in one record, and its mask.
        self.assertEqual(self.left_out(out), [("north", 0, "unmatched_image", "study")] * 2)
        self.assertEqual(summary["quarantine"], {"unmatched_image": 4})

        # In an archive: the same cases, whichever file of it comes first.
        files = sorted((path.relative_to(root / "north"), path.read_bytes()) for path in (root / "north").rglob("*.*") if path.is_file())
        for name, order in (("forth", files), ("back", files[::-1])):
            (root / name / "north").mkdir(parents=True), (root / name / "south").mkdir()
            with zipfile.ZipFile(root / name / "north/all.zip", "w") as archive:
                for path, data in order:
                    archive.writestr(str(path), data)
            packed = root / f"{name}-version"
            told = self.build("organs", packed, 2, deliveries=root / name, definition=definition,
                              more=["--deliveries", str(root / "north.toml")])
            self.assertEqual((told["samples"], told["quarantine"]), (summary["samples"], summary["quarantine"]))
            cases = lambda version: sorted((one["image"].tobytes(), one["mask"].tobytes(), one["label"]) for one in self.samples(version, "organs@1"))
            self.assertEqual(cases(packed), cases(out))


Cases.find = sys.argv[2]

if __name__ == "__main__":
    main()
