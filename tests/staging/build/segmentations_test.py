"""Volumes and the DICOM segmentations (PS3.3 section A.51) of the same delivery: which belong together, and that a mask is what pydicom
reads of the object, laid onto the image by the positions of its frames. Run as builds.py says."""
import json, shutil, subprocess, sys

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import pack_bits
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from builds import SOURCE, Builds, main

sys.path.insert(0, str(SOURCE / "tests/core/shard"))
from second_reader import Version

SEGMENTATION, LABEL_MAP, FRAME_OF_REFERENCE = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7", "1.2.9.{}"
LESION, LIVER, KIDNEY = ("SCT", "52988006"), ("SCT", "10200004"), ("SCT", "64033007")
ROWS, COLUMNS, PLACES = 5, 6, (0, 2, 4, 6)


def item(**values):
    out = Dataset()
    for key, value in values.items():
        setattr(out, key, value)
    return out


class Segmentations(Builds):
    hospitals = ("north", "south")

    @classmethod
    def setUpClass(cls):
        cls.begin("lesions@1", "opacities@1")
        shutil.copytree(SOURCE / "configs", cls.root / "configs")
        cls.definition = cls.root / "configs/datasets/lesions.toml"

    def images(self, folder, patient, series=None, **more):
        """A series of four slices in the patient's frame of reference."""
        more = {"FrameOfReferenceUID": FRAME_OF_REFERENCE.format(patient), **more}
        self.series(folder, patient, series or patient, more.pop("places", PLACES), rows=ROWS, **more)

    def segmentation(self, path, patient, frames, kind="BINARY", codes=(LESION, LIVER), sources="frames", series=None, z=PLACES,
                     moved=0.0, syntax=ExplicitVRLittleEndian, numbers=(1, 2), **more):
        """`frames`: of each, the segment's place in `codes`, the slice and [ROWS, COLUMNS]; `sources`: what names the images it is of."""
        series = series or patient
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = SEGMENTATION
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.5.{abs(hash(str(path))) % 10**12}"
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = f"1.2.4.{patient}", f"1.2.6.{patient}", FRAME_OF_REFERENCE.format(patient)
        ds.PatientID, ds.PatientName, ds.Modality, ds.ImageType = f"P{patient}", "DOE^SEGMENTED", "SEG", ["DERIVED", "PRIMARY"]
        instance = lambda k: item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID=f"1.2.3.{series}.{k + 1}")
        if sources == "object":
            ds.ReferencedSeriesSequence = [item(SeriesInstanceUID=f"1.2.3.{series}", ReferencedInstanceSequence=[instance(k) for k in range(len(z))])]
        ds.SegmentationType, ds.SegmentSequence = kind, []
        for number, (scheme, value) in zip(numbers, codes):
            code = item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning="what it is")
            ds.SegmentSequence.append(item(SegmentNumber=number, SegmentLabel="DOE^SEGMENTED", SegmentedPropertyTypeCodeSequence=[code]))
        ds.SharedFunctionalGroupsSequence = [item(
            PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
            PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.75], SliceThickness=2)])]
        ds.PerFrameFunctionalGroupsSequence = []
        for segment, k, _ in frames:
            group = item(SegmentIdentificationSequence=[item(ReferencedSegmentNumber=numbers[segment])],
                         PlanePositionSequence=[item(ImagePositionPatient=[-10, -20, z[k] + moved])])
            if sources == "frames":
                group.DerivationImageSequence = [item(SourceImageSequence=[instance(k)])]
            ds.PerFrameFunctionalGroupsSequence.append(group)
        ds.NumberOfFrames, ds.Rows, ds.Columns, ds.SamplesPerPixel = len(frames), ROWS, COLUMNS, 1
        ds.PhotometricInterpretation, ds.PixelRepresentation = "MONOCHROME2", 0
        pixels = np.stack([array for _, _, array in frames]).astype(np.uint8)
        bits = 1 if kind == "BINARY" else 8
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
        if kind == "FRACTIONAL":
            ds.SegmentationFractionalType, ds.MaximumFractionalValue = "PROBABILITY", 200
        ds.PixelData = pack_bits(pixels) if bits == 1 else pixels.tobytes() + b"\0" * (pixels.size % 2)
        ds["PixelData"].VR = "OB"
        for key, value in more.items():
            setattr(ds, key, value)
        if syntax != ExplicitVRLittleEndian:
            ds.compress(syntax)
        path.parent.mkdir(parents=True, exist_ok=True)
        ds.save_as(path, enforce_file_format=True)
        return path

    def expected(self, path, threshold=0.5, values={LESION: 1, LIVER: 2}, places=PLACES):
        """The object as pydicom reads it, on an image with slices at `places`."""
        ds = pydicom.dcmread(path)
        pixels = ds.pixel_array.reshape(-1, ROWS, COLUMNS)
        code = {one.SegmentNumber: one.SegmentedPropertyTypeCodeSequence[0] for one in ds.SegmentSequence}
        full = ds.MaximumFractionalValue if ds.SegmentationType == "FRACTIONAL" else 1
        out = np.zeros((1, len(places), ROWS, COLUMNS), np.uint8)
        for frame, group in zip(pixels, ds.PerFrameFunctionalGroupsSequence):
            shows = code[group.SegmentIdentificationSequence[0].ReferencedSegmentNumber]
            k = [abs(group.PlanePositionSequence[0].ImagePositionPatient[2] - z) < 0.5 for z in places].index(True)
            out[0, k][frame >= threshold * full] = values[shows.CodingSchemeDesignator, shows.CodeValue]
        return out

    def run_build(self, root, name="version", ranks=2, definition=None, more=()):
        for site in self.hospitals:
            (root / site).mkdir(exist_ok=True)
        out = root / name
        summary = self.build("segmented", out, ranks, deliveries=root, definition=definition or self.definition, more=list(more))
        for one in summary["deliveries"].values():
            self.assertEqual(one["files_and_rows"], one["packed"] + one["left_out"] + one["not_selected"])
        return out, summary

    def samples(self, version, dataset="lesions@1"):
        return list(Version(version, self.keys / f"{dataset}.key").samples())

    def left_out(self, version):
        lines = [json.loads(line) for line in (version / "reports/quarantine.jsonl").read_text().splitlines()]
        return sorted((one["reason"], one.get("detail", "")) for one in lines)

    def random(self, seed, *frames, full=1):
        """Frames of the segment and the slice that are given, of which no two overlap."""
        random = np.random.default_rng(seed)
        which = random.integers(0, 3, (len(PLACES), ROWS, COLUMNS))
        return [(segment, k, (which[k] == segment) * random.integers(1, full + 1, (ROWS, COLUMNS))) for segment, k in frames]

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
        cut = [f"--cut={n}" for n in ("files_per_batch=1", "segment_samples=1", "block_records=1", "partition_records=1")]
        for ranks, tuned in ((1, []), (4, cut)):
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

    def run_build_of_nothing_but(self, root, patient):
        """A build in which one image has its segmentation: a version needs a sample."""
        self.images(root / f"south/{patient}", patient)
        self.segmentation(root / f"south/good-{patient}.dcm", patient, self.random(patient, (0, 1)))
        version, summary = self.run_build(root)
        self.assertEqual(len(self.samples(version)), 1)
        return version, summary

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

    def label_map(self, path, patient, slices, codes={1: LESION, 2: LIVER}, bits=8, syntax=ExplicitVRLittleEndian, palette=False, **more):
        """`slices`: the place of each and [ROWS, COLUMNS], the numbers of segments; `codes`: of the segments by their numbers."""
        made = self.segmentation(path, patient, [(0, k, np.zeros((ROWS, COLUMNS))) for k, _ in slices])
        ds = pydicom.dcmread(made)
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = LABEL_MAP
        ds.SegmentationType, ds.SegmentSequence = "LABELMAP", []
        for number, (scheme, value) in codes.items():
            code = item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning="what it is")
            ds.SegmentSequence.append(item(SegmentNumber=number, SegmentLabel="DOE^SEGMENTED", SegmentedPropertyTypeCodeSequence=[code]))
        for group in ds.PerFrameFunctionalGroupsSequence:
            del group.SegmentIdentificationSequence
        pixels = np.stack([array for _, array in slices]).astype(f"<u{bits // 8}")
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
        ds.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
        ds["PixelData"].VR = "OB" if bits == 8 else "OW"
        if palette:
            ds.PhotometricInterpretation = "PALETTE COLOR"
            for colour in ("Red", "Green", "Blue"):
                setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
                ds[f"{colour}PaletteColorLookupTableDescriptor"].VR = "US"
                setattr(ds, f"{colour}PaletteColorLookupTableData", np.arange(256, dtype="<u2").tobytes())
                ds[f"{colour}PaletteColorLookupTableData"].VR = "OW"
        for key, value in more.items():
            setattr(ds, key, value)
        if "PixelPaddingValue" in ds:
            ds["PixelPaddingValue"].VR = "US"
        if syntax != ExplicitVRLittleEndian:
            ds.compress(syntax)
        ds.save_as(path, enforce_file_format=True)
        return path

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
        cut = [f"--cut={n}" for n in ("files_per_batch=1", "segment_samples=1", "block_records=1", "partition_records=1")]
        for ranks, tuned in ((1, []), (4, cut)):
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
        cut = [f"--cut={n}" for n in ("files_per_batch=1", "segment_samples=1", "block_records=1", "partition_records=1")]
        for ranks, tuned in ((1, []), (4, cut)):
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

    def radiograph(self, path, patient, number=1, **more):
        """One that lies nowhere, and is of no frame of reference."""
        self.images(path.with_suffix(""), patient, places=[0], SOPClassUID="1.2.840.10008.5.1.4.1.1.1.1", Modality="DX", SOPInstanceUID=f"1.2.7.{patient}.{number}",
                    **more)
        made, = path.with_suffix("").iterdir()
        ds = pydicom.dcmread(made)
        for name in ("ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "FrameOfReferenceUID", "RescaleSlope", "RescaleIntercept"):
            delattr(ds, name)
        ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
        ds.PixelData = np.random.default_rng([patient, number]).integers(0, 4096, ds.Rows * ds.Columns, dtype="<u2").tobytes()
        ds.save_as(path, enforce_file_format=True)
        shutil.rmtree(path.with_suffix(""))
        return ds.pixel_array

    def of_radiograph(self, path, patient, frames, number=1, preserved="YES", several=False, label_map=False, unnamed=(), **how):
        """A segmentation of one radiograph: `frames` of segments 0 and 1, none of which lies anywhere."""
        codes = (("SCT", "39607008"), ("SCT", "125605004"))
        if label_map:
            self.label_map(path, patient, [(0, frames)], codes=dict(enumerate(codes, 1)))
        else:
            self.segmentation(path, patient, [(segment, 0, array) for segment, array in frames], codes=how.pop("codes", codes), **how)
        ds = pydicom.dcmread(path)
        del ds.FrameOfReferenceUID, ds.SharedFunctionalGroupsSequence
        for place, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
            del group.PlanePositionSequence
            source = item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.1.1", ReferencedSOPInstanceUID=f"1.2.7.{patient}.{number + several * place}",
                          SpatialLocationsPreserved=preserved)
            group.DerivationImageSequence = [item(SourceImageSequence=[source])]
        for place in unnamed:
            del ds.PerFrameFunctionalGroupsSequence[place].DerivationImageSequence
        ds.save_as(path, enforce_file_format=True)
        return path

    def test_one_uid_with_two_contents_or_people_has_no_segmentation(self):
        root, ones = self.root / "conflict", np.ones((ROWS, COLUMNS))
        definition = SOURCE / "configs/datasets/opacities.toml"
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
        version, _ = self.run_build(root, definition=definition)
        self.assertEqual(self.left_out(version), [("uid_conflict", "SOPInstanceUID")] * 8)
        self.assertEqual(len(self.samples(version, "opacities@1")), 1)

    def test_a_segmentation_whose_frames_do_not_all_name_an_image_is_none(self):
        root, which = self.root / "unnamed", np.random.default_rng(6).integers(0, 3, (ROWS, COLUMNS))
        both = [(segment, which == segment + 1) for segment in (0, 1)]
        # Of the first or of the second frame, and beside those that the object names.
        for patient, how in {1: {}, 2: {"unnamed": (1,)}, 3: {"unnamed": (0,), "sources": "object"}}.items():
            self.radiograph(root / f"north/{patient}.dcm", patient)
            self.of_radiograph(root / f"north/seg-{patient}.dcm", patient, both, **how)
        version, _ = self.run_build(root, definition=SOURCE / "configs/datasets/opacities.toml")
        self.assertEqual(self.left_out(version), [("bad_mask", "sources")] * 2 + [("unmatched_image", "mask")] * 2)
        self.assertEqual(len(self.samples(version, "opacities@1")), 1)

    def test_a_single_image_has_the_segmentation_that_names_it(self):
        root, ones = self.root / "single", np.ones((ROWS, COLUMNS))
        definition = SOURCE / "configs/datasets/opacities.toml"
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
        version, summary = self.run_build(root, definition=definition)
        self.assertEqual(self.left_out(version), sorted(
            [(reason, detail) for reason, detail, *_ in bad.values()] + [("mask_off_grid", "mask"), ("duplicate", "sent_again")] +
            [("unmatched_image", "mask")] * (len(bad) + 1)))
        found = {one["image"].tobytes(): one["mask"] for one in self.samples(version, "opacities@1")}
        self.assertEqual(set(found), set(expected))
        for pixels, mask in expected.items():
            self.assertEqual((found[pixels].dtype, found[pixels].shape), (np.uint8, (1, ROWS, COLUMNS)))
            self.assertTrue((found[pixels][0] == mask).all())
        cut = [f"--cut={n}" for n in ("files_per_batch=1", "segment_samples=1", "block_records=1", "partition_records=1")]
        self.assert_same_tree(version, self.run_build(root, "version-4", 4, definition=definition, more=cut)[0])

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
