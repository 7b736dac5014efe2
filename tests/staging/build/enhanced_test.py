"""One scan, delivered as a classic series and as one enhanced object, is one volume. Run as builds.py says."""
import shutil, warnings

from builds import SOURCE, HOSPITALS, Builds, main

PLACES = [8, 0, 4, 2, 6]  # of the frames, in mm, in no order


class Enhanced(Builds):
    @classmethod
    def setUpClass(cls):
        warnings.simplefilter("ignore")
        cls.begin("ct@1")
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
