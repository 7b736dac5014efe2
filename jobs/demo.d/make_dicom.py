"""Writes DICOM files as hospitals do: identifiers in every place where they have been found in real ones."""
import hashlib
import random
import struct

import numpy
from pydicom import config
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from hospitals import Hospital
from people import Person, Town

# Names in the wrong character set and other things that pydicom would correct are the point here.
config.settings.writing_validation_mode = config.IGNORE
config.settings.reading_validation_mode = config.IGNORE

CR_STORAGE = "1.2.840.10008.5.1.4.1.1.1"


def text(hospital: Hospital, value: str) -> str:
    """What to hand to pydicom so that the file holds `value` in the hospital's real encoding, whatever it claims."""
    return value.encode("big5").decode("latin-1") if hospital.encoding == "big5" else value


def uid(hospital: Hospital, *of: object) -> str:
    digest = hashlib.sha256(repr(of).encode()).digest()
    return f"{hospital.root}.{int.from_bytes(digest[:9], 'big')}"


def study_date(draw: random.Random) -> str:
    return "2025%02d%02d" % (draw.randint(1, 12), draw.randint(1, 28))


def item(**values: object) -> Dataset:
    it = Dataset()
    for keyword, value in values.items():
        setattr(it, keyword, value)
    return it


def identify(ds: Dataset, town: Town, hospital: Hospital, person: Person, visit: str, date: str) -> None:
    """Puts everything that says who this is into `ds`. `visit` names the examination, the same for its images."""
    def t(value: str) -> str:
        return text(hospital, value)

    draw = random.Random(f"{person.national}{visit}")
    chart = town.chart(person, hospital.name)
    accession = town.note("accession", f"{hospital.name[0].upper()}A{draw.randrange(10**8, 10**9)}")
    station = town.note("station", f"{hospital.name.upper()}-XR-{draw.randrange(1000, 1004)}")
    town.note("institution", hospital.institution)
    ds.SpecificCharacterSet = hospital.charset
    ds.PatientName = t(f"{person.roman}={person.name}")
    ds.PatientID = chart
    ds.IssuerOfPatientID = f"{hospital.name.upper()}-HIS"
    ds.OtherPatientIDsSequence = Sequence([item(PatientID=person.national, TypeOfPatientID="TEXT",
                                                IssuerOfPatientID="MOI")])
    ds.PatientBirthDate = person.birth_dicom
    ds.PatientSex = person.sex
    ds.PatientAge = "%03dY" % (int(date[:4]) - person.birth[0])
    ds.PatientAddress = t(person.address)
    ds.PatientTelephoneNumbers = person.phone
    ds.PatientComments = t(f"{person.name} 生日{person.birth_roc_text} 身分證{person.national}")
    ds.InstitutionName = t(hospital.institution)
    ds.StationName = station
    ds.DeviceSerialNumber = town.note("device_serial", f"SN{hospital.name[0].upper()}{draw.randrange(4):04d}7731")
    ds.AccessionNumber = accession
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = date
    ds.StudyTime = "%02d%02d%02d" % (draw.randrange(8, 18), draw.randrange(60), draw.randrange(60))
    ds.StudyInstanceUID = town.note("uid", uid(hospital, person.national, visit, "study"))
    ds.SeriesInstanceUID = town.note("uid", uid(hospital, person.national, visit, "series"))
    # Three levels down, where tools that walk only the top have missed them.
    inner = item(PersonIdentificationCodeSequence=Sequence([item(CodeValue=person.national,
                                                                 CodeMeaning=t(person.name))]),
                 PersonAddress=t(person.address))
    ds.RequestAttributesSequence = Sequence([item(RequestedProcedureDescription=t(f"{person.name} 胸部X光"),
                                                  ScheduledProcedureStepID=accession,
                                                  RequestingPhysicianIdentificationSequence=Sequence([inner]))])
    # Private blocks: the information system's own copy of the patient.
    block = ds.private_block(0x0009, "HIS EXPORT 2.1", create=True)
    block.add_new(0x01, "LO", t(person.name))
    block.add_new(0x02, "LO", person.national)
    block.add_new(0x03, "SQ", [item(PatientName=t(person.name), PatientID=chart)])
    block.add_new(0x04, "UN", person.phone.encode())
    block.add_new(0x05, "OB", person.name.encode("utf-16-le"))


def digit_image(town: Town, hospital: Hospital, person: Person, visit: str, date: str, number: int, label: int,
                grey: numpy.ndarray, hidden: bool) -> Dataset:
    """One 8x8 image as CR. `hidden`: 16 bits allocated, 8 stored, and the national ID in the 8 that nobody shows."""
    ds = Dataset()
    identify(ds, town, hospital, person, visit, date)
    ds.SOPClassUID = CR_STORAGE
    ds.SOPInstanceUID = town.note("uid", uid(hospital, person.national, visit, number))
    ds.Modality = "CR"
    ds.Manufacturer = hospital.vendor
    ds.ManufacturerModelName = "Demo 8"
    ds.BodyPartExamined = "HAND"
    ds.InstanceNumber = number
    ds.PixelSpacing = [1.0, 1.0]
    ds.AdmittingDiagnosesCodeSequence = Sequence([item(CodeValue=f"D{label}", CodingSchemeDesignator="99DEMO",
                                                       CodeMeaning="handwritten digit")])
    ds.Rows, ds.Columns = grey.shape
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.PixelRepresentation = 0
    ds.BitsStored, ds.HighBit = 8, 7
    ds.BitsAllocated = 16 if hidden else 8
    pixels = grey.astype("<u2" if hidden else "u1")
    if hidden:
        flat = pixels.reshape(-1)
        flat[: len(person.national)] |= numpy.frombuffer(person.national.encode(), "u1").astype("<u2") << 8
    ds.PixelData = pixels.tobytes()
    ds.file_meta = meta(ds, hospital.transfer_syntax)
    if hospital.transfer_syntax == RLELossless and hidden:
        ds.PixelData = encapsulate([rle_16(pixels)])
        ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    elif hospital.transfer_syntax == RLELossless:
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.compress(RLELossless, generate_instance_uid=False)
    else:
        ds["PixelData"].VR = "OW" if hidden else "OB"
    # After the last element, where nobody looks: padding that was once a form.
    ds.DataSetTrailingPadding = person.name.encode("utf-8").ljust(32, b"\0")
    return ds


def rle_16(pixels: numpy.ndarray) -> bytes:
    """A frame as PS3.5 annex G has it, in literal runs only: pydicom's own encoder drops bits above BitsStored."""
    planes = []
    for shift in (8, 0):  # the high bytes come first
        plane = (pixels >> shift).astype("u1").tobytes()
        runs = b"".join(bytes([len(plane[i:i + 128]) - 1]) + plane[i:i + 128] for i in range(0, len(plane), 128))
        planes.append(runs + b"\x80" * (len(runs) % 2))
    return struct.pack("<16I", 2, 64, 64 + len(planes[0]), *[0] * 13) + b"".join(planes)


def meta(ds: Dataset, transfer_syntax: str) -> FileMetaDataset:
    made = FileMetaDataset()
    made.MediaStorageSOPClassUID = ds.SOPClassUID
    made.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    made.TransferSyntaxUID = transfer_syntax
    made.ImplementationClassUID = "1.2.826.0.1.3680043.10.1511.9"
    return made


def write(ds: Dataset, path, preamble: str = "") -> None:
    """`preamble`: the 128 bytes before the magic, which nothing reads."""
    ds.preamble = preamble.encode("utf-8")[:128].ljust(128, b"\0")
    ds.save_as(path, enforce_file_format=True)
