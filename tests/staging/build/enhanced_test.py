"""One scan, delivered as a classic series and as one enhanced object, is one volume. Run as builds.py says."""
import shutil, sys, warnings

from builds import SOURCE, HOSPITALS, Builds, main

PLACES = [8, 0, 4, 2, 6]  # of the frames, in mm, in no order


class Enhanced(Builds):
    @classmethod
    def setUpClass(cls):
        warnings.simplefilter("ignore")
        cls.begin("ct@1", "mr@1")
        shutil.copytree(SOURCE / "configs/deid", cls.root / "deid")
        cls.definition = cls.root / "datasets/ct.toml"
        cls.definition.parent.mkdir()
        cls.definition.write_text("""
name = "ct"
version = "1"
profile = "../deid/imaging.toml"
samples = "volume"
sites = ["north", "central", "south", "east"]
columns = ["site", "vendor", "modality", "sex", "age", "exam_day"]
[[fields]]
name = "image"
shape = []
dtype = "i16"
units = "Hounsfield units"
[splits]
train = 1.0
""")

    def mr(self, name, frames):
        """Volumes made of one enhanced MR: the first voxel of each slice, and the b-value that stands beside it. `frames`: of each,
        its place, its grey and its functional groups."""
        import numpy as np
        import pydicom
        sys.path.insert(0, str(SOURCE / "tests/core/shard"))
        from second_reader import Version
        definition = self.root / "datasets/mr.toml"
        definition.write_text(self.definition.read_text().replace("imaging", "mr-volumes").replace('name = "ct"', 'name = "mr"').replace(
            '"modality", "sex", "age", "exam_day"', '"sex", "age", "b_value"').replace('"i16"\nunits = "Hounsfield units"', '"f32"'))
        slices = self.classic()[:1] * len(frames)
        ds = self.enhanced(slices)
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = pydicom.uid.EnhancedMRImageStorage
        ds.Modality, ds.BodyPartExamined = "MR", "ABDOMEN"
        del ds.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence
        for item, (z, _, groups) in zip(ds.PerFrameFunctionalGroupsSequence, frames):
            item.FrameContentSequence[0].StackID = groups.pop("stack", "1")
            item.PlanePositionSequence[0].ImagePositionPatient = [0, 0, z]
            for word, values in groups.items():
                part = pydicom.Dataset()
                for key, value in values.items():
                    setattr(part, key, value)
                setattr(item, word, pydicom.Sequence([part]))
        ds.PixelData = np.concatenate([np.full(ds.Rows * ds.Columns, grey, "<u2") for _, grey, _ in frames]).tobytes()
        for hospital in HOSPITALS:
            (self.root / name / hospital).mkdir(parents=True)
        ds.save_as(self.root / name / "north/1.dcm", enforce_file_format=True)
        out = self.root / f"{name}-out"
        summary = self.build("mr", out, 1, deliveries=self.root / name, definition=definition)
        self.assertEqual(summary["quarantine"], {})
        return sorted(([float(v) for v in one["image"][0, :, 0, 0]], one["b_value"]) for one in Version(out, self.keys / "mr@1.key").samples())

    def test_the_volumes_of_one_object_are_told_apart_and_none_has_another_ones_values(self):
        with self.subTest("b-values, of which the second has two directions"):
            groups = lambda b: {"MRDiffusionSequence": {"DiffusionBValue": float(b), "DiffusionDirectionality": "DIRECTIONAL"}}
            found = self.mr("b", [(z, 100 * n + z, groups(b)) for n, b in enumerate((0, 800, 800)) for z in PLACES])
            self.assertEqual(found, [([100.0 * n + z for z in sorted(PLACES)], None) for n in range(3)])
        with self.subTest("one b-value"):
            found = self.mr("one-b", [(z, z, groups(500)) for z in PLACES])
            self.assertEqual(found, [([float(z) for z in sorted(PLACES)], 500.0)])
        with self.subTest("magnitude and phase, in no order"):
            groups = lambda n: {"MRImageFrameTypeSequence": {"FrameType": ["ORIGINAL", "PRIMARY", "OTHER", "NONE"],
                                                             "ComplexImageComponent": ("MAGNITUDE", "PHASE")[n]}}
            found = self.mr("parts", [(z, 100 * n + z, groups(n)) for z in PLACES for n in ((0, 1) if z % 4 else (1, 0))])
            self.assertEqual([volume for volume, _ in found], [[100.0 * n + z for z in sorted(PLACES)] for n in range(2)])
        with self.subTest("stacks that abut"):
            found = self.mr("stacks", [(10 * n + z, 100 * n + z, {"stack": str(n)}) for n in range(2) for z in PLACES])
            self.assertEqual([volume for volume, _ in found], [[100.0 * n + z for z in sorted(PLACES)] for n in range(2)])

    def classic(self, **more):
        import pydicom
        folder = self.root / "classic-files"
        shutil.rmtree(folder, ignore_errors=True)
        self.series(folder, 1, 7, PLACES, **more)
        return sorted((pydicom.dcmread(path) for path in folder.iterdir()), key=lambda ds: ds.InstanceNumber)

    def enhanced(self, slices, per_frame_values=False):
        """The same scan as one object (PS3.3 A.38): what all frames share stands once."""
        import numpy as np
        from pydicom.dataset import Dataset, FileMetaDataset
        from pydicom.sequence import Sequence
        from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian

        def group(**values):
            item = Dataset()
            for key, value in values.items():
                setattr(item, key, value)
            return Sequence([item])

        first = slices[0]
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3.99"
        for word in ("SeriesInstanceUID", "StudyInstanceUID", "PatientID", "PatientSex", "PatientAge", "StudyDate", "Modality", "Manufacturer",
                     "BodyPartExamined", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored",
                     "HighBit", "PixelRepresentation"):
            setattr(ds, word, getattr(first, word))
        ds.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
        values = lambda one: group(RescaleSlope=one.RescaleSlope, RescaleIntercept=one.RescaleIntercept, RescaleType="HU")
        shared = Dataset()
        shared.PixelMeasuresSequence = group(PixelSpacing=first.PixelSpacing, SliceThickness=first.SliceThickness)
        shared.PlaneOrientationSequence = group(ImageOrientationPatient=first.ImageOrientationPatient)
        if not per_frame_values:
            shared.PixelValueTransformationSequence = values(first)
        ds.SharedFunctionalGroupsSequence = Sequence([shared])
        frames = []
        for number, one in enumerate(slices):
            frame = Dataset()
            frame.FrameContentSequence = group(StackID="1", InStackPositionNumber=number + 1, DimensionIndexValues=[1, number + 1])
            frame.PlanePositionSequence = group(ImagePositionPatient=one.ImagePositionPatient)
            if per_frame_values:
                frame.PixelValueTransformationSequence = values(one)
            frames.append(frame)
        ds.PerFrameFunctionalGroupsSequence = Sequence(frames)
        ds.NumberOfFrames = len(slices)
        ds.PixelData = np.stack([one.pixel_array for one in slices]).astype("<u2").tobytes()
        return ds

    def shards(self, name, datasets):
        for hospital in HOSPITALS:
            (self.root / name / hospital).mkdir(parents=True)
        for number, ds in enumerate(datasets):
            ds.save_as(self.root / name / f"north/{number}.dcm", enforce_file_format=True)
        out = self.root / f"{name}-out"
        summary = self.build("ct", out, 1, deliveries=self.root / name, definition=self.definition)
        self.assertEqual((summary["samples"], summary["quarantine"]), (1, {}))
        return {path.name: path.read_bytes() for path in (out / "shards").iterdir()}

    def test_a_classic_series_and_an_enhanced_object_of_one_scan_are_one_volume(self):
        slices = self.classic()
        want = self.shards("classic", slices)
        for per_frame in (False, True):
            with self.subTest(per_frame=per_frame):
                self.assertEqual(self.shards(f"enhanced-{per_frame}", [self.enhanced(slices, per_frame)]), want)
        # Other values, and it is not: the comparison can fail.
        slices[0].RescaleIntercept = -1023
        self.assertNotEqual(self.shards("other", [self.enhanced(slices)]), want)

    def test_the_phantom_keeps_its_values_where_slices_have_slopes_of_their_own(self):
        text = self.definition.read_text()
        self.definition.write_text(text.replace('"i16"', '"f32"'))
        try:
            slices = self.classic()
            for number, one in enumerate(slices):
                one.RescaleSlope, one.RescaleIntercept = 1 + number / 4, -1000 - number
            self.assertEqual(self.shards("own-enhanced", [self.enhanced(slices, True)]), self.shards("own-classic", slices))
        finally:
            self.definition.write_text(text)


if __name__ == "__main__":
    main()
