"""Deliveries with DICOM segmentations (PS3.3 section A.51), of volumes and of radiographs: what segmentations_test.py and
radiographs_test.py build from."""
import json, shutil, sys

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import pack_bits
from pydicom.uid import ExplicitVRLittleEndian

from builds import SOURCE, Builds

sys.path.insert(0, str(SOURCE / "tests/core/shard"))
from second_reader import Version

SEGMENTATION, LABEL_MAP, FRAME_OF_REFERENCE = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7", "1.2.9.{}"
LESION, LIVER, KIDNEY = ("SCT", "52988006"), ("SCT", "10200004"), ("SCT", "64033007")
ROWS, COLUMNS, PLACES = 5, 6, (0, 2, 4, 6)
CUT = [f"--cut={n}" for n in ("files_per_batch=1", "segment_samples=1", "block_records=1", "partition_records=1")]


def item(**values):
    out = Dataset()
    for key, value in values.items():
        setattr(out, key, value)
    return out


class SegmentedBuilds(Builds):
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

    def run_build_of_nothing_but(self, root, patient):
        """A build in which one image has its segmentation: a version needs a sample."""
        self.images(root / f"south/{patient}", patient)
        self.segmentation(root / f"south/good-{patient}.dcm", patient, self.random(patient, (0, 1)))
        version, summary = self.run_build(root)
        self.assertEqual(len(self.samples(version)), 1)
        return version, summary

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
