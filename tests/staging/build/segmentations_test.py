"""Volumes and the DICOM segmentations (PS3.3 section A.51) of the same delivery: which belong together, and that a mask is what pydicom
reads of the object, laid onto the image by the positions of its frames. Run as builds.py says."""
import json, subprocess, sys

import numpy as np
import pydicom
from pydicom.uid import RLELossless

from builds import main
from segments import COLUMNS, CUT, KIDNEY, LESION, LIVER, PLACES, ROWS, SegmentedBuilds


class Segmentations(SegmentedBuilds):
    def test_a_segmentation_is_what_pydicom_reads_on_the_grid_of_its_image(self):
        root, paths = self.root / "equal", {}
        frames = [(0, 0), (0, 1), (1, 1), (0, 3), (1, 3)]  # the third slice shows nothing and has no frame
        kinds = {1: {}, 2: {"sources": "object"}, 3: {"sources": None}, 4: {"kind": "FRACTIONAL"},
                 5: {"kind": "FRACTIONAL", "syntax": RLELossless}, 6: {"numbers": (7, 3)}, 7: {"order": -1}}
        for patient, how in kinds.items():
            self.images(root / "north" / str(patient), patient)
            full, step = 200 if "kind" in how else 1, how.pop("order", 1)
            paths[patient] = self.segmentation(root / f"north/seg-{patient}.dcm", patient, self.random(patient, *frames, full=full)[::step], **how)
        whole, summary = self.run_build(root)
        self.assertEqual((summary["samples"], summary["quarantine"]), (len(kinds), {}))
        found = {int(one["image"].min()): one["mask"] for one in self.samples(whole)}
        for patient, path in paths.items():
            mask = found[1000 * patient % 900 - 1024]
            self.assertEqual((mask.dtype, mask.shape), (np.uint8, (1, len(PLACES), ROWS, COLUMNS)))
            self.assertTrue((mask == self.expected(path)).all(), patient)
            self.assertTrue(mask.any() and not mask[0, 2].any(), patient)
        for ranks, tuned in ((1, []), (4, CUT)):
            self.assert_same_tree(whole, self.run_build(root, f"version-{ranks}", ranks, more=tuned)[0])
        planted = self.root / "planted.json"
        planted.write_text(json.dumps({"identifiers": [{"kind": "case", "value": value} for value in
                                                       ("DOE^SEGMENTED", "SEGMENTED", "1.2.9.1", "1.2.3.1.1", "52988006")]}))
        done = subprocess.run([self.find, "--planted", planted, "--tree", whole, "--tree", self.logs, "--dataset", whole,
                               "--key", self.keys / "lesions@1.key"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_of_several_series_on_one_grid_it_belongs_to_the_one_it_names(self):
        root = self.root / "named"
        for series in (11, 12):
            self.images(root / f"north/{series}", 11, series, offset=-series)
        path = self.segmentation(root / "north/seg.dcm", 11, self.random(1, (0, 1), (1, 2)), series=12)
        version, summary = self.run_build(root)
        self.assertEqual(self.left_out(version), [("unmatched_image", "mask")] * 4)  # the other series' files
        found = self.samples(version)
        self.assertEqual([int(one["image"].min()) for one in found], [1000 * 11 % 900 - 12])
        self.assertTrue((found[0]["mask"] == self.expected(path)).all())
        self.assertEqual(summary["deliveries"]["north"]["packed"], 5)

    def test_one_that_names_no_image_of_the_delivery_is_told(self):
        root = self.root / "unmatched"
        self.images(root / "north/21", 21)
        self.segmentation(root / "north/seg.dcm", 21, self.random(1, (0, 1)), series=2121)  # of a series that was not sent
        self.segmentation(root / "north/alone.dcm", 22, self.random(1, (0, 1)))  # nobody else in its frame of reference
        version, summary = self.run_build_of_nothing_but(root, 23)
        self.assertEqual(self.left_out(version), [("unmatched_image", "mask")] * 4 + [("unmatched_label", "mask")] * 2)

    def test_what_cannot_be_a_mask_is_left_out_with_its_reason(self):
        root = self.root / "bad"
        cases = {31: ("mask_off_grid", "mask", {"moved": 0.01}), 32: ("mask_off_grid", "mask", {"moved": 1.0}),
                 33: ("mask_off_grid", "mask", {"moved": -2.0}), 34: ("bad_mask", "segments", {"codes": (LESION, KIDNEY)}),
                 35: ("bad_mask", "segments", {"numbers": (1, 1)}), 36: ("risk_burned_in_text", "BurnedInAnnotation", {"BurnedInAnnotation": "YES"}),
                 37: ("risk_face", "RecognizableVisualFeatures", {"RecognizableVisualFeatures": "YES"}),
                 38: ("identity_conflict", "mask", {"PatientID": "P3999"}), 39: ("bad_mask", "values", {"kind": "FRACTIONAL", "MaximumFractionalValue": 1})}
        for patient, (_, _, how) in cases.items():
            self.images(root / f"north/{patient}", patient)
            full = 200 if "kind" in how else 1
            self.segmentation(root / f"north/seg-{patient}.dcm", patient, self.random(patient, (0, 0), (1, 1), full=full), **how)
        self.images(root / "north/40", 40)
        ones = np.ones((ROWS, COLUMNS))
        self.segmentation(root / "north/seg-40.dcm", 40, [(0, 1, ones), (1, 1, ones)])
        self.images(root / "north/41", 41)
        for n in (1, 2):
            self.segmentation(root / f"north/seg-41-{n}.dcm", 41, self.random(n, (0, 1)))
        self.images(root / "north/42", 42)
        for n in (1, 2):  # the same, in two files
            self.segmentation(root / f"north/seg-42-{n}.dcm", 42, self.random(4, (0, 1)))
        version, summary = self.run_build(root)
        self.assertEqual(self.left_out(version), sorted(
            [(reason, detail) for reason, detail, _ in cases.values()] + [("bad_mask", "overlap")] + [("label_conflict", "mask")] * 2 +
            [("duplicate", "same_content")] + [("unmatched_image", "mask")] * 44))
        self.assertEqual(len(self.samples(version)), 1)

        # Without a threshold nobody knows how much of a voxel counts.
        root = self.root / "threshold"
        self.images(root / "north/51", 51)
        self.segmentation(root / "north/seg.dcm", 51, self.random(5, (0, 1), full=200), kind="FRACTIONAL")
        definition = self.definition.with_name("no-threshold.toml")
        definition.write_text(self.definition.read_text().replace("threshold = 0.5", "# threshold"))
        self.images(root / "south/52", 52)
        self.segmentation(root / "south/good.dcm", 52, self.random(1, (0, 1)))
        version, _ = self.run_build(root, definition=definition)
        self.assertEqual(self.left_out(version), [("bad_mask", "fractional")] + [("unmatched_image", "mask")] * 4)

    def of_label_map(self, path, background=0, values={LESION: 1, LIVER: 2}):
        """The object as pydicom reads it, on the image's slices."""
        ds = pydicom.dcmread(path)
        pixels = ds.pixel_array.reshape(-1, ROWS, COLUMNS)
        out = np.zeros((1, len(PLACES), ROWS, COLUMNS), np.uint8)
        for frame, group in zip(pixels, ds.PerFrameFunctionalGroupsSequence):
            k = PLACES.index(group.PlanePositionSequence[0].ImagePositionPatient[2])
            for segment in ds.SegmentSequence:
                code = segment.SegmentedPropertyTypeCodeSequence[0]
                if segment.SegmentNumber != background:
                    out[0, k][frame == segment.SegmentNumber] = values[code.CodingSchemeDesignator, code.CodeValue]
        return out

    def test_a_label_map_is_read_as_its_numbers_say(self):
        root, random, background = self.root / "label-maps", np.random.default_rng(3), ("DCM", "125040")
        slices = lambda *values: [(k, random.choice(values, (ROWS, COLUMNS))) for k in (3, 0, 1)]
        kinds = {1: (slices(0, 1, 2), {}), 2: (slices(0, 1, 2), {"syntax": RLELossless}), 3: (slices(0, 7, 300), {"bits": 16, "codes": {7: LIVER, 300: LESION}}),
                 4: (slices(0, 1, 2), {"palette": True}), 5: (slices(0, 2), {"codes": {0: background, 1: LIVER, 2: LESION}, "PixelPaddingValue": 0}),
                 6: (slices(1, 2, 255), {"PixelPaddingValue": 255})}
        paths = {}
        for patient, (frames, how) in kinds.items():
            self.images(root / "north" / str(patient), patient)
            paths[patient] = self.label_map(root / f"north/seg-{patient}.dcm", patient, frames, **how)
        bad = {91: ("segments", slices(0, 1, 3), {}), 92: ("segments", slices(0, 1, 2), {"codes": {1: LESION, 2: KIDNEY}}),
               93: ("frames", slices(0, 1), {"PixelRepresentation": 1})}
        for patient, (_, frames, how) in bad.items():
            self.images(root / f"north/{patient}", patient)
            self.label_map(root / f"north/seg-{patient}.dcm", patient, frames, **how)
        whole, summary = self.run_build(root)
        self.assertEqual(self.left_out(whole), sorted([("bad_mask", detail) for detail, *_ in bad.values()] + [("unmatched_image", "mask")] * 12))
        found = {int(one["image"].min()): one["mask"] for one in self.samples(whole)}
        self.assertEqual(len(found), len(kinds))
        for patient, path in paths.items():
            mask = found[1000 * patient % 900 - 1024]
            self.assertTrue((mask == self.of_label_map(path)).all(), patient)
            self.assertTrue(mask.any() and not mask[0, 2].any(), patient)
        for ranks, tuned in ((1, []), (4, CUT)):
            self.assert_same_tree(whole, self.run_build(root, f"version-{ranks}", ranks, more=tuned)[0])

    def test_several_segmentations_of_one_image_are_one_mask_where_each_shows_something_else(self):
        root, ones = self.root / "several", np.ones((ROWS, COLUMNS))
        half = np.array([[1] * COLUMNS] * 2 + [[0] * COLUMNS] * (ROWS - 2))
        frames = {81: ([(0, 0, half), (0, 1, half)], [(1, 1, 1 - half), (1, 3, ones)]),  # apart
                  82: ([(0, 0, half), (0, 1, half)], [(1, 1, ones), (1, 3, ones)]),      # both show the second slice's half
                  83: ([(0, 0, half)], [(0, 0, 1 - half)])}                              # two opinions
        paths = {}
        for patient, (first, second) in frames.items():
            self.images(root / f"north/{patient}", patient)
            for name, which in (("a", first), ("b", second)):
                code = which[0][0]
                paths[patient, name] = self.segmentation(root / f"north/seg-{patient}-{name}.dcm", patient, [(0, k, array) for _, k, array in which],
                                                         codes=((LESION, LIVER)[code],), numbers=(1,))
        self.images(root / "north/84", 84)  # one file with both: as before
        paths[84, "a"] = paths[84, "b"] = self.segmentation(root / "north/seg-84.dcm", 84, self.random(8, (0, 0), (1, 2)))
        definitions = {}
        for overlap in ("refuse", "higher"):
            definitions[overlap] = self.definition.with_name(f"several-{overlap}.toml")
            definitions[overlap].write_text(self.definition.read_text().replace("[masks.segments]", f'overlap = "{overlap}"\n[masks.segments]'))
        conflict = [("label_conflict", "mask")] * 2 + [("unmatched_image", "mask")] * 4
        for overlap, taken in ((None, (84,)), ("refuse", (81, 84)), ("higher", (81, 82, 84))):
            version, _ = self.run_build(root, f"version-{overlap}", definition=definitions.get(overlap))
            self.assertEqual(self.left_out(version), sorted(conflict * (4 - len(taken))))
            found = {int(one["image"].min()): one["mask"] for one in self.samples(version)}
            self.assertEqual(len(found), len(taken))
            for patient in taken:
                expected = np.maximum(self.expected(paths[patient, "a"]), self.expected(paths[patient, "b"]))
                self.assertTrue((found[1000 * patient % 900 - 1024] == expected).all(), (overlap, patient))
        for ranks, tuned in ((1, []), (4, CUT)):
            self.assert_same_tree(version, self.run_build(root, f"again-{ranks}", ranks, definition=definitions["higher"], more=tuned)[0])

        # Within one file, too.
        root = self.root / "one-file"
        self.images(root / "north/85", 85)
        path = self.segmentation(root / "north/seg.dcm", 85, [(0, 1, ones), (1, 1, half), (1, 2, half)])
        version, _ = self.run_build(root, definition=definitions["higher"])
        expected = np.zeros((1, len(PLACES), ROWS, COLUMNS), np.uint8)
        expected[0, 1] = np.where(half, 2, 1)
        expected[0, 2] = np.where(half, 2, 0)
        self.assertTrue((self.samples(version)[0]["mask"] == expected).all())

    def test_a_slice_lies_where_the_image_says_it_does(self):
        # Distances between an image's slices may differ a little: its segmentation has their positions, and not those of a mean.
        root, places = self.root / "uneven", (0, 2.1, 4, 6)
        self.images(root / "north/61", 61, places=places)
        path = self.segmentation(root / "north/seg.dcm", 61, self.random(6, (0, 1), (1, 2)), z=places)
        version, _ = self.run_build(root)
        self.assertTrue((self.samples(version)[0]["mask"] == self.expected(path, places=places)).all())

    def test_a_dataset_without_masks_leaves_segmentations_aside(self):
        root = self.root / "none"
        self.images(root / "north/71", 71)
        self.segmentation(root / "north/seg.dcm", 71, self.random(1, (0, 1)))
        definition = self.definition.with_name("none.toml")
        text = self.definition.read_text()
        definition.write_text(text[:text.index("# A second field")] + text[text.index("[splits]"):])
        version, _ = self.run_build(root, definition=definition)
        self.assertEqual(self.left_out(version), [("unlisted_sop_class", "SegmentationStorage")])


Segmentations.find = sys.argv[2]

if __name__ == "__main__":
    main()
