"""Single images and the DICOM segmentations (PS3.3 section A.51) of the same delivery: which image one is of, and whether it lies
where that does. Run as builds.py says."""
import shutil

import numpy as np
import pydicom
from pydicom.uid import RLELossless

from builds import SOURCE, main
from segments import COLUMNS, CUT, LESION, LIVER, ROWS, SegmentedBuilds, item

DEFINITION = SOURCE / "configs/datasets/opacities.toml"


class Radiographs(SegmentedBuilds):
    def test_one_uid_with_two_contents_or_people_has_no_segmentation(self):
        root, ones = self.root / "conflict", np.ones((ROWS, COLUMNS))
        self.radiograph(root / "north/1.dcm", 1)
        self.radiograph(root / "north/1-more.dcm", 1, Rows=ROWS + 1)
        self.radiograph(root / "north/2.dcm", 2)
        self.radiograph(root / "north/2-more.dcm", 2, PatientID="P3999", StudyInstanceUID="1.2.4.3999")
        self.radiograph(root / "north/3.dcm", 3)
        for patient in (1, 2, 3):
            self.of_radiograph(root / f"north/seg-{patient}.dcm", patient, [(0, ones)])
        # Whether a segmentation names them or not.
        self.radiograph(root / "south/4.dcm", 4)
        self.radiograph(root / "south/4-more.dcm", 4, Rows=ROWS + 1)
        version, _ = self.run_build(root, definition=DEFINITION)
        self.assertEqual(self.left_out(version), [("uid_conflict", "SOPInstanceUID")] * 8)
        self.assertEqual(len(self.samples(version, "opacities@1")), 1)

    def test_a_segmentation_whose_frames_do_not_all_name_an_image_is_none(self):
        root, which = self.root / "unnamed", np.random.default_rng(6).integers(0, 3, (ROWS, COLUMNS))
        both = [(segment, which == segment + 1) for segment in (0, 1)]
        # Of the first or of the second frame, and beside those that the object names.
        for patient, how in {1: {}, 2: {"unnamed": (1,)}, 3: {"unnamed": (0,), "sources": "object"}}.items():
            self.radiograph(root / f"north/{patient}.dcm", patient)
            self.of_radiograph(root / f"north/seg-{patient}.dcm", patient, both, **how)
        version, _ = self.run_build(root, definition=DEFINITION)
        self.assertEqual(self.left_out(version), [("bad_mask", "sources")] * 2 + [("unmatched_image", "mask")] * 2)
        self.assertEqual(len(self.samples(version, "opacities@1")), 1)

    def test_a_single_image_has_the_segmentation_that_names_it(self):
        root, ones = self.root / "single", np.ones((ROWS, COLUMNS))
        random = np.random.default_rng(5)
        which = {patient: random.integers(0, 3, (ROWS, COLUMNS)) for patient in range(1, 20)}
        both = lambda patient, full=1: [(segment, (which[patient] == segment + 1) * full) for segment in (0, 1)]
        sound = {1: (both(1), {}), 2: (both(2)[::-1], {}), 3: (both(3, 150), {"kind": "FRACTIONAL"}), 4: (which[4], {"label_map": True}),
                 5: (both(5), {"syntax": RLELossless, "kind": "FRACTIONAL", "MaximumFractionalValue": 1}), 6: (both(6), {"preserved": ""})}
        bad = {11: ("bad_mask", "sources", both(11), {"several": True}), 12: ("bad_mask", "SpatialLocationsPreserved", both(12), {"preserved": "NO"}),
               13: ("bad_mask", "frames", [(0, which[13] == 1), (0, which[13] == 2)], {}), 14: ("bad_mask", "segments", both(14), {"codes": (LESION, LIVER)}),
               15: ("bad_mask", "overlap", [(0, ones), (1, ones)], {}), 16: ("identity_conflict", "mask", both(16), {"PatientID": "P3999"}),
               17: ("unmatched_label", "mask", both(17), {"number": 9}), 18: ("bad_mask", "fractional threshold", both(18, 201), {"kind": "FRACTIONAL"})}
        bad[18] = ("bad_mask", "values", *bad[18][2:])
        expected = {}
        for patient, (frames, how) in sound.items():
            image = self.radiograph(root / f"north/{patient}.dcm", patient)
            self.of_radiograph(root / f"north/seg-{patient}.dcm", patient, frames, **how)
            expected[image.tobytes()] = which[patient]
        for patient, (_, _, frames, how) in bad.items():
            self.radiograph(root / f"north/{patient}.dcm", patient)
            self.of_radiograph(root / f"north/seg-{patient}.dcm", patient, frames, **how)
        # Of another size; and one that was sent twice, which is one.
        self.radiograph(root / "north/19.dcm", 19, Rows=ROWS + 1)
        self.of_radiograph(root / "north/seg-19.dcm", 19, both(19))
        image = self.radiograph(root / "south/7.dcm", 7)
        shutil.copy(root / "south/7.dcm", root / "south/7-again.dcm")
        self.of_radiograph(root / "south/seg-7.dcm", 7, both(7))
        expected[image.tobytes()] = which[7]
        version, summary = self.run_build(root, definition=DEFINITION)
        self.assertEqual(self.left_out(version), sorted(
            [(reason, detail) for reason, detail, *_ in bad.values()] + [("mask_off_grid", "mask"), ("duplicate", "sent_again")] +
            [("unmatched_image", "mask")] * (len(bad) + 1)))
        found = {one["image"].tobytes(): one["mask"] for one in self.samples(version, "opacities@1")}
        self.assertEqual(set(found), set(expected))
        for pixels, mask in expected.items():
            self.assertEqual((found[pixels].dtype, found[pixels].shape), (np.uint8, (1, ROWS, COLUMNS)))
            self.assertTrue((found[pixels][0] == mask).all())
        self.assert_same_tree(version, self.run_build(root, "version-4", 4, definition=DEFINITION, more=CUT)[0])

    def placed(self, path, spacing=None, orientation=None, positions=(), **root):
        """A file that says where it lies: a radiograph in its root, a segmentation in its groups."""
        ds = pydicom.dcmread(path)
        for key, value in root.items():
            setattr(ds, key, value)
        if spacing or orientation:
            ds.SharedFunctionalGroupsSequence = [item()]
        if spacing:
            ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence = [item(PixelSpacing=spacing)]
        if orientation:
            ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence = [item(ImageOrientationPatient=orientation)]
        for group, position in zip(ds.get("PerFrameFunctionalGroupsSequence", []), positions):
            group.PlanePositionSequence = [item(ImagePositionPatient=position)]
        ds.save_as(path, enforce_file_format=True)

    def test_a_segmentation_lies_where_its_image_says(self):
        root, random = self.root / "placed", np.random.default_rng(8)
        right, place, mm = [1, 0, 0, 0, 1, 0], [-10, -20, 5], [0.5, 0.75]
        whole = {"PixelSpacing": mm, "ImageOrientationPatient": right, "ImagePositionPatient": place}
        both = {"PixelSpacing": mm, "ImagerPixelSpacing": [0.6, 0.9]}
        lies = lambda **more: {"spacing": mm, "orientation": right, "positions": [place] * 2, **more}
        sound = {1: (whole, lies()), 2: (whole, lies(spacing=[0.5001, 0.7501], positions=[[-10.0005, -20, 5]] * 2)), 3: (whole, {}),
                 4: ({}, {"orientation": right, "positions": [place] * 2}), 5: (both, {"spacing": [0.6, 0.9]}), 6: (both, {"spacing": mm}),
                 7: ({"ImageOrientationPatient": [0] * 6}, lies()), 8: (whole, lies(positions=[place]))}  # the second frame does not say
        elsewhere = {11: ("PixelSpacing", whole, lies(spacing=[0.75, 0.5])), 12: ("PixelSpacing", whole, lies(spacing=[0.501, 0.75])),
                     13: ("ImageOrientationPatient", whole, lies(orientation=[-1, 0, 0, 0, 1, 0])),
                     14: ("ImageOrientationPatient", {"ImageOrientationPatient": right}, {"orientation": [1, 0, 0, 0, 0.9999, 0.01414]}),
                     15: ("ImagePositionPatient", whole, lies(positions=[[-10, -20.01, 5]] * 2)), 16: ("PixelSpacing", both, {"spacing": [0.55, 0.8]}),
                     17: ("PixelSpacing", {"ImagerPixelSpacing": [0.6, 0.9], "PixelSpacing": None}, {"spacing": mm})}
        apart = {21: (whole, lies(positions=[place, [-10, -20, 6]]))}  # its own frames
        expected = {}
        for patient, (image, mask) in {**sound, **{one: rest for one, (_, *rest) in elsewhere.items()}, **apart}.items():
            which = random.integers(0, 3, (ROWS, COLUMNS))
            pixels = self.radiograph(root / f"north/{patient}.dcm", patient)
            self.placed(root / f"north/{patient}.dcm", **image)
            self.placed(self.of_radiograph(root / f"north/seg-{patient}.dcm", patient, [(segment, which == segment + 1) for segment in (0, 1)]), **mask)
            if patient in sound:
                expected[pixels.tobytes()] = which
        version, _ = self.run_build(root, definition=DEFINITION)
        self.assertEqual(self.left_out(version), sorted([("mask_off_grid", one[0]) for one in elsewhere.values()] + [("bad_mask", "frames")] * len(apart) +
                                                        [("unmatched_image", "mask")] * (len(elsewhere) + len(apart))))
        found = {one["image"].tobytes(): one["mask"][0] for one in self.samples(version, "opacities@1")}
        self.assertEqual(set(found), set(expected))
        for pixels, mask in expected.items():
            self.assertTrue((found[pixels] == mask).all())
        self.assert_same_tree(version, self.run_build(root, "version-4", 4, definition=DEFINITION, more=CUT)[0])


if __name__ == "__main__":
    main()
