"""The deliveries of leaks_test.py: by dataset, what hospitals send, and what must become of it."""
import csv, io

import numpy as np
from PIL import Image
from pydicom.sequence import Sequence
from pydicom.uid import (CTImageStorage, ComputedRadiographyImageStorage, DeflatedExplicitVRLittleEndian, DigitalXRayImageStorageForPresentation,
                         EnhancedCTImageStorage, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage,
                         PositronEmissionTomographyImageStorage, RLELossless, SecondaryCaptureImageStorage, UltrasoundImageStorage,
                         VLWholeSlideMicroscopyImageStorage)

from corpus_dicom import Files, item, write
from corpus_files import gzipped, jpeg, nifti, png, tarred, tiff, zipped
from corpus_made import IMAGE, Made, derived, described, hide, ink, patient
from corpus_tables import marks, wdbc


def mixed(plant, root, configs):
    made = Made(configs / "datasets/mixed.toml", told={"spacing_row_mm": 0.5, "spacing_column_mm": 0.75})
    hospitals = {"north": Files(plant), "central": Files(plant, "GB18030"), "south": Files(plant, ["", "ISO 2022 IR 87"]),
                 "east": Files(plant, "ISO_IR 100", raw="big5")}
    rows = [("cr", ComputedRadiographyImageStorage, "CR", {}), ("dx", DigitalXRayImageStorageForPresentation, "DX", {"syntax": ImplicitVRLittleEndian}),
            ("ct", CTImageStorage, "CT", {"syntax": DeflatedExplicitVRLittleEndian}), ("mr", MRImageStorage, "MR", {"syntax": RLELossless}),
            ("pt", PositronEmissionTomographyImageStorage, "PT", {"syntax": ExplicitVRBigEndian}), ("bits", ComputedRadiographyImageStorage, "CR", {"bits": 8}),
            ("more", ComputedRadiographyImageStorage, "CR", {}), ("plain", CTImageStorage, "CT", {})]
    for number, (name, sop, modality, more) in enumerate(rows):
        hospital, files = list(hospitals.items())[number % 4]
        file = f"mixed/{hospital}/{name}"
        ds = files.image(file, sop, modality, number, patient(plant, file), **more)
        files.everywhere(file, ds)
        if name in ("cr", "mr"):
            files.codings(file, ds)
        made.kept.append(np.frombuffer(ds.PixelData, ">u2" if more.get("syntax") == ExplicitVRBigEndian else "<u2").reshape(1, 64, 64).astype("f4"))
        if more.get("syntax", ExplicitVRLittleEndian) == ExplicitVRLittleEndian:
            files.unused_bits(file, ds)
        folder, leaf = plant(f"{file}/folder", "name"), plant(f"{file}/file name", "roman")
        deflated = more.get("syntax") == DeflatedExplicitVRLittleEndian
        write(ds, root / hospital / folder / f"{leaf}.dcm", control=root / "inflated.dcm" if deflated else None)
    others(plant, root, made, hospitals["north"])
    archives(plant, root, made, hospitals["north"])
    return made


def archives(plant, root, made, files):
    packed = {"zip": zipped, "tar": tarred, "tgz": lambda *of: gzipped(plant, "mixed/gzip", tarred(*of))}
    for number, (kind, pack) in enumerate(packed.items()):
        members = []
        for n in range(2):
            file = f"mixed/{kind}/{n}"
            ds = files.image(file, ComputedRadiographyImageStorage, "CR", 70 + 2 * number + n, patient(plant, file), PatientName=plant(f"{file}/PatientName", "roman"))
            made.kept.append(np.frombuffer(ds.PixelData, "<u2").reshape(1, 64, 64).astype("f4"))
            out = io.BytesIO()
            ds.save_as(out, enforce_file_format=True)
            members.append(out.getvalue())
        (root / "north" / f"{plant(f'mixed/{kind}/name', 'roman')}.{kind}").write_bytes(pack(plant, f"mixed/{kind}", members))


def others(plant, root, made, files):
    """What is built otherwise, and what may not pass; in each the reason why."""
    def save(name, ds, reason=None, **more):
        if name in ("enhanced", "slide", "secondary", "behind", "report"):
            files.everywhere(f"mixed/{name}", ds)
        else:
            ds.PatientName, ds.PatientComments = plant(f"mixed/{name}/PatientName", "roman"), plant(f"mixed/{name}/PatientComments", "name")
            files.private(f"mixed/{name}", ds)
        write(ds, root / "north" / f"{plant(f'mixed/{name}/file name', 'national')}-{name}.dcm", **more)
        if reason:
            made.left_out[reason] = made.left_out.get(reason, 0) + 1

    def image(name, sop, modality, number, **more):
        who = patient(plant, f"mixed/{name}") if "PatientID" not in more else {"chart": "", "national": "", "visit": ""}
        return files.image(f"mixed/{name}", sop, modality, number, who, **more)

    def keep(ds, shape=(1, 64, 64)):
        made.kept.append(np.frombuffer(ds.PixelData, "u1" if ds.BitsAllocated == 8 else "<u2").reshape(shape).astype("f4"))

    enhanced = image("enhanced", EnhancedCTImageStorage, "CT", 20, shape=(2, 64, 64))
    enhanced.SharedFunctionalGroupsSequence = Sequence([item(
        FrameAnatomySequence=[item(FrameLaterality="U", AnatomicRegionSequence=[item(
            CodeValue="51185008", CodingSchemeDesignator="SCT", CodeMeaning=plant("mixed/enhanced/shared group", "name"))])],
        PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.75], SliceThickness=2)])])
    enhanced.PerFrameFunctionalGroupsSequence = Sequence([item(
        FrameContentSequence=[item(FrameComments=plant(f"mixed/enhanced/frame {n}", "roman"), FrameLabel=plant(f"mixed/enhanced/label {n}", "name2"))],
        PlanePositionSequence=[item(ImagePositionPatient=[0, 0, n])]) for n in range(2)])
    keep(enhanced, (1, 2, 64, 64))
    save("enhanced", enhanced)

    slide = image("slide", VLWholeSlideMicroscopyImageStorage, "SM", 21, bits=8, ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
                  ContainerIdentifier=plant("mixed/slide/container", "chart"))
    slide.SamplesPerPixel, slide.PhotometricInterpretation, slide.PlanarConfiguration, slide.BitsAllocated = 3, "RGB", 0, 8
    pixels = files.pixels(21, (3, 64, 64), 8).astype("u1").transpose(1, 2, 0)
    slide.PixelData = pixels.tobytes()
    slide["PixelData"].VR = "OB"
    made.kept.append(pixels.transpose(2, 0, 1).astype("f4"))
    save("slide", slide)

    vendor = image("vendor", ComputedRadiographyImageStorage, "CR", 22, Manufacturer=plant("mixed/vendor/Manufacturer", "roman"))
    again = image("a week later", ComputedRadiographyImageStorage, "CR", 18, PatientID=vendor.PatientID, StudyDate="20240608",
                  OtherPatientIDsSequence=vendor.OtherPatientIDsSequence)
    for name, ds in (("vendor", vendor), ("a week later", again)):
        keep(ds)
        save(name, ds)
    sex = image("sex", ComputedRadiographyImageStorage, "CR", 19, PatientSex=plant("mixed/sex/PatientSex", "chart"))
    save("sex", sex, "unlisted")
    secondary = image("secondary", SecondaryCaptureImageStorage, "OT", 23, ConversionType="SD")
    save("secondary", secondary, "unlisted_sop_class")
    save("ultrasound", image("ultrasound", UltrasoundImageStorage, "US", 24), "unlisted_sop_class")
    save("label", image("label", VLWholeSlideMicroscopyImageStorage, "SM", 25, ImageType=["ORIGINAL", "PRIMARY", "LABEL", "NONE"]), "risk_burned_in_text")
    save("head", image("head", CTImageStorage, "CT", 26, BodyPartExamined="HEAD"), "risk_face")
    save("unknown", image("unknown", CTImageStorage, "CT", 27, BodyPartExamined=plant("mixed/unknown/BodyPartExamined", "chart")), "unlisted_anatomy")
    save("behind", image("behind", ComputedRadiographyImageStorage, "CR", 28), "malformed", behind=plant("mixed/behind/behind the data set", "name").encode())
    named = image("uid", ComputedRadiographyImageStorage, "CR", 29)
    named.add_new(0x00080018, "LO", f"{named.SOPInstanceUID}.{plant('mixed/uid/name for a UID', 'roman')}")
    save("uid", named, "bad_uid")
    for name, sop, modality in (("report", "1.2.840.10008.5.1.4.1.1.88.33", "SR"), ("document", "1.2.840.10008.5.1.4.1.1.104.1", "DOC"),
                                ("presentation", "1.2.840.10008.5.1.4.1.1.11.1", "PR"), ("folder", "1.2.840.10008.1.3.10", "")):
        ds = image(name, sop, modality, 30)
        del ds.PixelData
        ds.ContentSequence = Sequence([item(ValueType="PNAME", PersonName=plant(f"mixed/{name}/ContentSequence", "roman"),
                                            ContentSequence=[item(ValueType="TEXT", TextValue=plant(f"mixed/{name}/TextValue", "name"))])])
        ds.EncapsulatedDocument = b"%PDF-1.4\n/Title " + plant(f"mixed/{name}/EncapsulatedDocument", "name").encode("utf-16-be").ljust(80, b" ")
        ds.DocumentTitle = plant(f"mixed/{name}/DocumentTitle", "name")
        ds.DirectoryRecordSequence = Sequence([item(DirectoryRecordType="PATIENT", PatientName=plant(f"mixed/{name}/DirectoryRecord", "roman"))])
        ds.GraphicAnnotationSequence = Sequence([item(TextObjectSequence=[item(UnformattedTextValue=plant(f"mixed/{name}/annotation", "name"))])])
        save(name, ds, "not_selected")


def chest(plant, root, configs):
    """What the profile wants of a file holds identifiers: none can be used, and each is missing."""
    columns = ["site", "vendor", "sex", "age", "exam_day", "series", "instance_number", "body_part", "view", "spacing_row_mm", "spacing_column_mm",
               "imager_spacing_row_mm", "imager_spacing_column_mm", "kvp", "rescale_slope", "rescale_intercept", "photometric"]
    made = Made(derived(configs, "chest", "chest-xray", f"columns = {columns}\n" + IMAGE))
    files = Files(plant)
    for number, keyword, tag, sort in ((1, "PatientSex", 0x00100040, "chart"), (2, "PatientAge", 0x00101010, "national"), (3, "StudyDate", 0x00080020, "roman"),
                                       (4, "InstanceNumber", 0x00200013, "phone"), (5, "PixelSpacing", 0x00280030, "roman"), (6, "ViewPosition", 0x00185101, "name2"),
                                       (7, "KVP", 0x00180060, "chart"), (8, "ImagerPixelSpacing", 0x00181164, "name"), (9, "Manufacturer", 0x00080070, "address")):
        file = f"chest/{keyword}"
        ds = files.image(file, ComputedRadiographyImageStorage, "CR", number, patient(plant, file), PatientBirthDate=plant(f"{file}/PatientBirthDate", "date"))
        ds.add_new(tag, "LO", plant(f"{file}/wanted", sort))
        made.kept.append(np.frombuffer(ds.PixelData, "<u2").reshape(1, 64, 64).astype("f4"))
        write(ds, root / "north" / f"{number}.dcm")
    return made


def films(plant, root, configs):
    """Names that are drawn: on the background, where they are blanked; over the body, where the file is left out; and so faint that
    nobody sees them who does not look for them. And digits in a number that is kept."""
    made = Made(derived(configs, "films", "ct-volumes", 'columns = ["site", "vendor", "sex", "age", "spacing_row_mm", "spacing_column_mm"]\n' + IMAGE))
    files = Files(plant)
    for number, (name, at, grey) in enumerate((("beside", (8, 6), 2500), ("over the body", (50, 72), 3900), ("faint", (8, 6), 160))):
        file = f"films/{name}"
        size = 160
        ds = files.image(file, CTImageStorage, "CT", 90 + number, patient(plant, file), shape=(size, size))
        clean = np.frombuffer(ds.PixelData, "<u2").reshape(size, size)
        share = ink(plant(f"{file}/drawn", "roman", drawn=True), at, size)
        ds.PixelData = np.rint(clean * (1 - share) + grey * share).astype("<u2").tobytes()
        made.drawn[name] = f"north/{number}.dcm", share
        if name == "over the body":
            made.left_out["risk_burned_in_text"] = 1
        write(ds, root / "north" / f"{number}.dcm")
    file = "films/digits"
    ds = files.image(file, CTImageStorage, "CT", 95, patient(plant, file))
    digits = plant(f"{file}/PixelSpacing", "chart", stays=True)[1:]
    ds.PixelSpacing = [0.5, f"{digits[:2]}.{digits[2:]}1"]
    made.kept.append(np.frombuffer(ds.PixelData, "<u2").reshape(1, 64, 64).astype("f4"))
    write(ds, root / "north/digits.dcm")
    return made


def skin(plant, root, configs):
    made = Made(configs / "datasets/skin.toml", more=described(root, configs, "skin", "{patient}/{scan}.*", '[[declared]]\nis = "defaced"\n'))
    grey = lambda number: Files(plant).pixels(number, (64, 64), 8).astype("u1")
    for number, (kind, writer) in enumerate((("png", png), ("tif", tiff), ("jpg", jpeg))):
        file, array = f"skin/{kind}", grey(number)
        if kind == "tif":
            hide(plant, f"{file}/lowest bits", array)
        folder, scan = root / "north" / plant(f"{file}/folder", "chart"), plant(f"{file}/file name", "name")
        folder.mkdir(parents=True)
        data = writer(plant, file, array)
        (folder / f"{scan}.{kind}").write_bytes(data)
        (folder / f"{scan}_mask.png").write_bytes(png(plant, f"{file} mask", np.where(array > 100, 255, 0).astype("u1")))
        made.kept.append(np.asarray(Image.open(io.BytesIO(data)))[None])
    return made


def organs(plant, root, configs):
    made = Made(configs / "datasets/organs.toml", more=described(root, configs, "organs", "{patient}/{scan}.n*", '[[declared]]\nis = "defaced"\n'))
    for number in range(2):
        file, array = f"organs/{number}", Files(plant).pixels(number, (3, 64, 64)).astype("i2")
        folder, scan = root / ("north", "south")[number] / plant(f"{file}/folder", "roman"), plant(f"{file}/file name", "national")
        folder.mkdir(parents=True)
        (folder / f"{scan}.nii.gz").write_bytes(gzipped(plant, file, nifti(plant, file, array)))
        mask = nifti(plant, f"{file} mask", (array > 500).astype("u1"))
        (folder / f"{scan}_mask.nii.gz").write_bytes(gzipped(plant, f"{file} mask", mask))
        made.kept.append(array[None].astype("f4"))
    return made


def scans(plant, root, configs):
    made = Made(derived(configs, "scans", "nifti-volumes", 'samples = "volume"\ncolumns = ["site", "scan"]\n' + IMAGE),
                more=described(root, configs, "scans", "{patient}/{scan}.*", '[[declared]]\nis = "defaced"\n'))
    for number, kind in enumerate(("nii", "hdr")):
        file, array = f"scans/{kind}", Files(plant).pixels(40 + number, (3, 64, 64)).astype("i2")
        folder, scan = root / "north" / plant(f"{file}/folder", "name"), plant(f"{file}/file name", "name2")
        folder.mkdir(parents=True)
        if kind == "nii":
            (folder / f"{scan}.nii").write_bytes(nifti(plant, file, array))
        else:
            for suffix, data in zip((".hdr", ".img"), nifti(plant, file, array, pair=True)):
                (folder / f"{scan}{suffix}").write_bytes(data)
            made.left_out["not_selected"] = 1  # the pair's data
        made.kept.append(array[None].astype("f4"))
    return made


def nodules(plant, root, configs):
    """Volumes, and a table of labels beside them."""
    made, files, rows = Made(configs / "datasets/nodules.toml", told={"label": "benign", "score": 50.0, "spacing_k_mm": 2.0}), Files(plant, "GB18030"), []
    for number in range(3):
        person, uids = patient(plant, f"nodules/{number}"), [plant(f"nodules/{number}/{of}", "uid") for of in ("study", "series", "frame of reference")]
        accession = plant(f"nodules/{number}/accession", "chart")
        volume = []
        for z in range(3):
            file = f"nodules/{number}/slice {z}"
            ds = files.image(file, CTImageStorage, "CT", 50 + 3 * number + z, person, uids=uids[:2], FrameOfReferenceUID=uids[2], ImagePositionPatient=[0, 0, 2 * z], ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
                             SliceThickness=2, RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU", AccessionNumber=accession)
            volume.append(np.frombuffer(ds.PixelData, "<u2").reshape(64, 64).astype("i2") - 1024)
            if z == number == 0:
                files.everywhere(file, ds)
            write(ds, root / "north" / plant(f"{file}/folder", "name") / f"{plant(f'{file}/file name', 'chart')}.dcm")
        label = plant("nodules/label", "name") if number == 2 else "B"
        score = plant("nodules/score", "national") if number == 1 else 50
        rows.append([accession, label, score, "20240605", plant(f"nodules/{number}/remark", "name")])
        if number == 0:
            made.kept.append(np.stack(volume)[None])
    (root / "north/labels").mkdir()
    with open(root / f"north/labels/{plant('nodules/table', 'name')}.csv", "w", newline="") as out:
        csv.writer(out).writerows([["accession", "label", "score", "report_date", plant("nodules/a column's name", "roman")], *rows])
    made.left_out = {"unlisted": 1, "bad_value": 1, "unmatched_image": 6}
    return made


def lesions(plant, root, configs):
    """Volumes, and segmentations of them: one with identifiers everywhere, in the bits of its mask too, and one whose code is a name."""
    made, files = Made(configs / "datasets/lesions.toml"), Files(plant, "GB18030")
    for number in range(2):
        place = f"lesions/{number}"
        person, uids = patient(plant, place), [plant(f"{place}/{of}", "uid") for of in ("study", "series", "frame of reference")]
        more = {"FrameOfReferenceUID": uids[2], "uids": uids[:2]}
        slices = [files.image(f"{place}/slice {z}", CTImageStorage, "CT", 110 + 3 * number + z, person, ImagePositionPatient=[0, 0, 2 * z], ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
                              SliceThickness=2, RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU", **more) for z in range(3)]
        for z, ds in enumerate(slices):
            write(ds, root / "north" / plant(f"{place}/slice {z}/folder", "roman") / f"{z}.dcm")
        file = f"{place}/segmentation"
        ds = files.image(file, "1.2.840.10008.5.1.4.1.1.66.4", "SEG", 120 + number, person, shape=(3, 64, 64), **more)
        mask = np.frombuffer(ds.PixelData, "<u2").reshape(3, 64, 64) > 1000
        if number == 0:
            bits = np.unpackbits(np.frombuffer(plant(f"{file}/bits of the mask", "national", stays=True).encode(), "u1"), bitorder="little")
            mask.reshape(-1)[:bits.size] = bits
        segment(ds, plant, file, slices, mask, "52988006" if number == 0 else plant(f"{file}/code", "chart"))
        files.everywhere(file, ds)
        write(ds, root / "north" / f"{plant(f'{file}/file name', 'name')}.dcm")
        if number == 0:
            made.kept.append(np.stack([np.frombuffer(one.PixelData, "<u2").reshape(64, 64).astype("i2") - 1024 for one in slices])[None])
            made.masks.append(mask[None].astype("u1"))
    made.left_out = {"bad_mask": 1, "unmatched_image": 3}
    return made


def segment(ds, plant, file, slices, mask, code):
    """Makes a binary segmentation (PS3.3 section A.51) of a data set: `mask`, of a segment of SNOMED's `code`, on `slices`."""
    ds.ImageType, ds.SegmentationType, ds.BitsAllocated, ds.BitsStored, ds.HighBit = ["DERIVED", "PRIMARY"], "BINARY", 1, 1, 0
    named = lambda of: item(CodeValue=plant(f"{file}/{of}", "chart"), CodingSchemeDesignator="99HIS", CodeMeaning=plant(f"{file}/{of}'s meaning", "name"))
    ds.SegmentSequence = Sequence([item(
        SegmentNumber=1, SegmentLabel=plant(f"{file}/SegmentLabel", "roman"), SegmentDescription=plant(f"{file}/SegmentDescription", "name"),
        SegmentAlgorithmName=plant(f"{file}/SegmentAlgorithmName", "name2"), TrackingID=plant(f"{file}/segment's TrackingID", "national"), TrackingUID=plant(f"{file}/TrackingUID", "uid"),
        SegmentedPropertyCategoryCodeSequence=[named("category")], AnatomicRegionSequence=[named("region")], SegmentedPropertyTypeModifierCodeSequence=[named("modifier")],
        SegmentedPropertyTypeCodeSequence=[item(CodeValue=code, CodingSchemeDesignator="SCT", CodeMeaning=plant(f"{file}/type's meaning", "address"))])])
    ds.SharedFunctionalGroupsSequence = Sequence([item(
        PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])], PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.75], SliceThickness=2)])])
    ds.PerFrameFunctionalGroupsSequence = Sequence([item(
        FrameContentSequence=[item(FrameComments=plant(f"{file}/frame {z}", "roman"))], SegmentIdentificationSequence=[item(ReferencedSegmentNumber=1)],
        PlanePositionSequence=[item(ImagePositionPatient=one.ImagePositionPatient)],
        DerivationImageSequence=[item(DerivationDescription=plant(f"{file}/derivation {z}", "name"),
                                      SourceImageSequence=[item(ReferencedSOPClassUID=one.SOPClassUID, ReferencedSOPInstanceUID=one.SOPInstanceUID)])])
        for z, one in enumerate(slices)])
    ds.PixelData = np.packbits(mask, bitorder="little").tobytes()
    ds["PixelData"].VR = "OB"


def echo(plant, root, configs):
    """Ultrasound: regions (PS3.3 section C.8.5.5) and their private text; names that are drawn, in one frame of two too."""
    columns = ["site", "vendor", "sex", "age", "exam_day", "body_part", "photometric"]
    made, files = Made(derived(configs, "echo", "ultrasound", f"columns = {columns}\n" + IMAGE)), Files(plant, "ISO_IR 100", raw="big5")
    for number, (name, frames, more, reason) in enumerate((
            ("still", 1, {}, None), ("loop", 2, {}, None), ("unsaid", 1, {"BurnedInAnnotation": None}, "risk_burned_in_text"),
            ("captured", 1, {"ConversionType": "SYN"}, "risk_burned_in_text"), ("drawn still", 1, {}, None), ("drawn loop", 2, {}, None))):
        file, shape = f"echo/{name}", (frames, 160, 160) if frames > 1 else (160, 160)
        ds = files.image(file, "1.2.840.10008.5.1.4.1.1.3.1" if frames > 1 else UltrasoundImageStorage, "US", 130 + number, patient(plant, file), shape=shape, bits=8,
                         BurnedInAnnotation="NO", **{key: value for key, value in more.items() if value})
        if more.get("BurnedInAnnotation", "") is None:
            del ds.BurnedInAnnotation
        ds.SequenceOfUltrasoundRegions = Sequence([item(RegionSpatialFormat=1, RegionDataType=1, RegionLocationMinX0=0, RegionLocationMinY0=0, RegionLocationMaxX1=159, RegionLocationMaxY1=159)])
        ds.SequenceOfUltrasoundRegions[0].private_block(0x0019, plant(f"{file}/region's creator", "roman"), create=True).add_new(1, "LO", plant(f"{file}/region's private text", "chart"))
        pixels = np.frombuffer(ds.PixelData, "<u2").astype("u1").reshape(frames, 160, 160).copy()
        if name.startswith("drawn"):
            share = ink(plant(f"{file}/drawn", "roman", drawn=True), (8, 6), 160)
            pixels[-1] = np.rint(pixels[-1] * (1 - share) + 160 * share)
            made.drawn[name] = f"north/{number}.dcm", share
        elif not reason:
            made.kept.append(pixels.reshape(1, *shape).astype("f4"))
        ds.BitsAllocated, ds.PixelData = 8, pixels.tobytes()
        ds["PixelData"].VR = "OB"
        files.everywhere(file, ds)
        write(ds, root / "north" / f"{number}.dcm")
        if reason:
            made.left_out[reason] = made.left_out.get(reason, 0) + 1
    return made


def brains(plant, root, configs):
    """MR of heads: in folders that the hospital has declared, and in one that it has not; and a knee."""
    columns = ["site", "vendor", "sex", "age", "exam_day", "body_part", "spacing_row_mm", "slice_thickness_mm"]
    made = Made(derived(configs, "brains", "mr-volumes", f'samples = "volume"\ncolumns = {columns}\n' + IMAGE), told={"spacing_row_mm": 0.5},
                more=described(root, configs, "brains", more='[[declared]]\nfolder = "cut"\nis = "defaced"\n[[declared]]\nfolder = "phantoms"\nis = "phantom"\n'))
    files = Files(plant, ["", "ISO 2022 IR 87"])
    for number, (folder, part) in enumerate((("cut", "HEAD"), ("phantoms", "HEAD"), ("others", "HEAD"), ("others", "KNEE"), ("others/cut", "BRAIN"))):
        place = f"brains/{number}"
        person, uids = patient(plant, place), [plant(f"{place}/{of}", "uid") for of in ("study", "series", "frame of reference")]
        volume = []
        for z in range(3):
            file = f"{place}/slice {z}"
            ds = files.image(file, MRImageStorage, "MR", 140 + 3 * number + z, person, uids=uids[:2], FrameOfReferenceUID=uids[2], BodyPartExamined=part, ImagePositionPatient=[0, 0, 2 * z],
                             ImageOrientationPatient=[1, 0, 0, 0, 1, 0], SliceThickness=2, PatientName=plant(f"{file}/PatientName", "roman"), PatientComments=plant(f"{file}/PatientComments", "name"))
            volume.append(np.frombuffer(ds.PixelData, "<u2").reshape(64, 64).astype("f4"))
            if z == 0:
                files.everywhere(file, ds)
            write(ds, root / "north" / folder / plant(f"{file}/folder", "name") / f"{plant(f'{file}/file name', 'chart')}.dcm")
        if folder == "others" and part == "HEAD" or part == "BRAIN":
            made.left_out["risk_face"] = made.left_out.get("risk_face", 0) + 3
        else:
            made.kept.append(np.stack(volume)[None])
    return made


DATASETS = {one.__name__: one for one in (mixed, chest, films, nodules, skin, organs, scans, wdbc, lesions, echo, brains, marks)}
