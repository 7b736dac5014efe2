"""DICOM files with an identifier in every place that the format has (PS3.3, PS3.5, PS3.10), for leaks_test.py. All but what is said
otherwise are of a kind that may pass: what is clean in them must reach a shard."""
import json

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, RLELossless

# PS3.6 keywords of the root and the sort of identifier that goes there.
AT_ROOT = {
    "PatientName": "roman", "PatientBirthName": "roman", "PatientMotherBirthName": "name", "OtherPatientNames": "name2",
    "PatientBirthDate": "date", "PatientAddress": "address", "PatientTelephoneNumbers": "phone", "PatientComments": "name",
    "PatientTelecomInformation": "phone", "AdditionalPatientHistory": "national", "Occupation": "name2", "EthnicGroup": "name2",
    "MilitaryRank": "roman", "BranchOfService": "name", "MedicalRecordLocator": "chart", "MedicalAlerts": "name", "Allergies": "name",
    "CountryOfResidence": "name2", "RegionOfResidence": "address", "PatientReligiousPreference": "name", "ResponsiblePerson": "roman",
    "ResponsibleOrganization": "name", "LastMenstrualDate": "date", "SpecialNeeds": "name", "PatientState": "name",
    "InstitutionName": "name", "InstitutionAddress": "address", "InstitutionalDepartmentName": "name2", "StationName": "chart",
    "ReferringPhysicianName": "roman", "ReferringPhysicianTelephoneNumbers": "phone", "ReferringPhysicianAddress": "address",
    "PerformingPhysicianName": "name", "OperatorsName": "name2", "PhysiciansOfRecord": "name", "NameOfPhysiciansReadingStudy": "roman",
    "RequestingPhysician": "roman", "RequestingService": "name", "AccessionNumber": "chart", "StudyID": "chart", "AdmissionID": "chart",
    "StudyDescription": "name", "SeriesDescription": "name2", "ProtocolName": "roman", "ImageComments": "name",
    "DerivationDescription": "national", "AcquisitionComments": "phone", "StudyComments": "name", "VisitComments": "name",
    "RequestedProcedureDescription": "name", "PerformedProcedureStepDescription": "name2", "PerformedProcedureStepID": "chart",
    "RequestedProcedureID": "chart", "ReasonForStudy": "name", "IdentifyingComments": "roman", "ContrastBolusAgent": "name2",
    "ManufacturerModelName": "roman", "DeviceSerialNumber": "chart", "DeviceID": "chart", "PlateID": "chart", "CassetteID": "chart",
    "SoftwareVersions": "chart", "ContentCreatorName": "roman", "ContentDescription": "name", "IssuerOfPatientID": "roman",
    "ClinicalTrialSubjectID": "chart", "ClinicalTrialProtocolName": "name", "AcquisitionDeviceProcessingDescription": "name",
    "WindowCenterWidthExplanation": "name2", "InstanceCreationDate": "date", "ScheduledProcedureStepStartDate": "date",
    "FrameOfReferenceUID": "uid", "DeviceUID": "uid", "InstanceCreatorUID": "uid",
    "ConcatenationUID": "uid", "TrackingID": "national", "TransducerData": "name2",
    "PatientBreedDescription": "name2", "ReasonForTheRequestedProcedure": "name", "LabelText": "name2",
}
# Sequences, one in another; the last step holds the value.
IN_ITEMS = {
    ("RequestAttributesSequence", "RequestingPhysicianIdentificationSequence", "PersonIdentificationCodeSequence", "CodeMeaning"): "name",
    ("OriginalAttributesSequence", "ModifiedAttributesSequence", "PatientName"): "roman",
    ("ReferencedImageSequence", "ReferencedSOPInstanceUID"): "uid",
    ("SourceImageSequence", "ReferencedSOPInstanceUID"): "uid",
    ("ReferencedStudySequence", "ReferencedSOPInstanceUID"): "uid",
    ("PatientInsurancePlanCodeSequence", "CodeMeaning"): "name2",
    ("PerformedProtocolCodeSequence", "ProtocolContextSequence", "TextValue"): "address",
    ("AcquisitionContextSequence", "TextValue"): "name",
    ("ContentSequence", "ContentSequence", "PersonName"): "roman",
    ("AnatomicRegionSequence", "CodeMeaning"): "name2",
    ("ViewCodeSequence", "CodeMeaning"): "phone",
    ("ProcedureCodeSequence", "CodeMeaning"): "name",
    ("SpecimenDescriptionSequence", "SpecimenDetailedDescription"): "national",
    ("OtherPatientIDsSequence", "IssuerOfPatientID"): "roman",
    ("DigitalSignaturesSequence", "CertificateOfSigner"): "roman",
    ("EncryptedAttributesSequence", "EncryptedContent"): "national",
    ("VOILUTSequence", "LUTExplanation"): "name",
    ("InstitutionCodeSequence", "CodeMeaning"): "name",
    ("ContributingEquipmentSequence", "InstitutionName"): "name",
    ("ContributingEquipmentSequence", "OperatorIdentificationSequence", "PersonAddress"): "address",
}
BYTES = {"CertificateOfSigner", "EncryptedContent"}


def item(**values):
    out = Dataset()
    for key, value in values.items():
        setattr(out, key, value)
    return out


class Files:
    """Makes data sets; `plant` is a Plants."""

    def __init__(self, plant, charset="ISO_IR 192", raw=None):
        self.plant, self.charset, self.raw = plant, charset, raw

    def text(self, value):
        """As this hospital writes it: with `raw`, in an encoding that the file does not declare."""
        return value if self.raw is None else value.encode(self.raw).decode("latin-1")

    def pixels(self, number, shape, bits=12):
        """A body on level air, no two alike, without text."""
        random = np.random.default_rng(number)
        rows, columns = shape[-2:]
        y, x = np.mgrid[:rows, :columns] - np.array([rows, columns]).reshape(2, 1, 1) / 2
        body = y * y + x * x < (min(rows, columns) / 4) ** 2
        noise = random.normal(0, (1 << bits) / 200, shape) * body
        return np.clip(np.rint(np.where(body, 0.6 * (1 << bits), 0.02 * (1 << bits)) + noise), 0, (1 << bits) - 1).astype("<u2")

    def image(self, file, sop, modality, number, patient, shape=(64, 64), bits=12, syntax=ExplicitVRLittleEndian, uids=None, **more):
        """`uids`: of the study and the series, where several images share them."""
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.SpecificCharacterSet = self.charset
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop
        ds.SOPInstanceUID = self.plant(f"{file}/SOPInstanceUID", "uid")
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.file_meta.TransferSyntaxUID = syntax
        ds.PatientID = patient["chart"]
        ds.OtherPatientIDsSequence = Sequence([item(PatientID=patient["national"], TypeOfPatientID="TEXT")])
        ds.PatientSex, ds.PatientAge, ds.StudyDate, ds.BodyPartExamined = "F", "045Y", patient["visit"], "CHEST"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = uids or [self.plant(f"{file}/{of}InstanceUID", "uid") for of in ("Study", "Series")]
        ds.Modality, ds.Manufacturer, ds.InstanceNumber = modality, "SIEMENS", number
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.PixelSpacing = [0.5, 0.75]
        ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = *shape[-2:], 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, bits, bits - 1, 0
        for key, value in more.items():
            setattr(ds, key, value)
        pixels = self.pixels(number, shape, bits)
        ds.PixelData = (pixels.astype(">u2") if syntax == ExplicitVRBigEndian else pixels).tobytes()
        ds["PixelData"].VR = "OW"
        if len(shape) == 3:
            ds.NumberOfFrames = shape[0]
        return ds

    def everywhere(self, file, ds):
        """Identifiers in every place of a data set but its pixels."""
        for keyword, sort in AT_ROOT.items():
            if keyword not in ds:
                setattr(ds, keyword, self.text(self.plant(f"{file}/{keyword}", sort)))
        for steps, sort in IN_ITEMS.items():
            value = self.plant(f"{file}/{'.'.join(steps)}", sort)
            at = ds
            for step in steps[:-1]:
                if step not in at:
                    setattr(at, step, Sequence([Dataset()]))
                at = getattr(at, step)[0]
            setattr(at, steps[-1], value.encode() if steps[-1] in BYTES else self.text(value))
        self.private(file, ds)
        self.overlays(file, ds)
        icon = item(Rows=4, Columns=4, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", BitsAllocated=8, BitsStored=8, HighBit=7,
                    PixelRepresentation=0, PixelData=self.plant(f"{file}/icon's pixels", "national").encode().ljust(16, b"\0"))
        ds.IconImageSequence = Sequence([icon])
        ds.DataSetTrailingPadding = self.plant(f"{file}/trailing padding", "name").encode().ljust(32, b"\0")
        ds.file_meta.PrivateInformationCreatorUID = self.plant(f"{file}/meta creator", "uid")
        ds.file_meta.PrivateInformation = self.plant(f"{file}/meta private", "name").encode()
        ds.file_meta.SourceApplicationEntityTitle = self.plant(f"{file}/meta AE title", "chart")
        ds.file_meta.ImplementationVersionName = self.plant(f"{file}/meta version", "chart")
        ds.preamble = self.plant(f"{file}/preamble", "roman").encode().ljust(128, b"\0")

    def private(self, file, ds):
        block = ds.private_block(0x0009, self.plant(f"{file}/private creator", "roman"), create=True)
        block.add_new(0x01, "LO", self.text(self.plant(f"{file}/private LO", "name")))
        block.add_new(0x02, "SQ", [item(PatientName=self.text(self.plant(f"{file}/private SQ", "name")))])
        block.add_new(0x03, "UN", self.plant(f"{file}/private UN", "phone").encode())
        block.add_new(0x04, "OB", self.plant(f"{file}/private OB UTF-16", "name").encode("utf-16-le"))
        block.add_new(0x05, "UN", self.plant(f"{file}/private base64", "national").encode().hex().encode())
        block.add_new(0x06, "OW", self.plant(f"{file}/private full-width", "chart").translate({i: i + 0xFEE0 for i in range(33, 127)}).encode())
        block.add_new(0x07, "LO", self.plant(f"{file}/private reversed", "national")[::-1])
        block.add_new(0x08, "UT", "".join(f"&#{ord(c)};" for c in self.plant(f"{file}/private entities", "name2")))
        block.add_new(0x09, "UR", "http://his/?p=" + "".join(f"%{b:02X}" for b in self.plant(f"{file}/private percent", "name2").encode()))
        ds.add_new(0x0011_4001, "LO", self.plant(f"{file}/private without creator", "chart"))
        ds.add_new(0x7FE1_0010, "LO", "VENDOR")
        ds.add_new(0x7FE1_1001, "OB", self.plant(f"{file}/private after pixels", "name").encode())
        # A known creator's header (a private attribute that profiles may name), with a name in it.
        ds.add_new(0x0029_0010, "LO", "SIEMENS CSA HEADER")
        ds.add_new(0x0029_1010, "OB", b"SV10\4\3\2\1" + self.plant(f"{file}/CSA header", "roman").encode())
        # Retired repeating groups: curves (PS3.3-2004 C.10.2), comments of group 4000.
        ds.add_new(0x5000_0022, "LO", self.plant(f"{file}/curve label", "chart"))
        ds.add_new(0x5000_3000, "OW", self.plant(f"{file}/curve data", "national").encode())
        ds.add_new(0x4000_4000, "LT", self.plant(f"{file}/text comments", "roman"))

    def codings(self, file, ds):
        """Names of two characters, in each coding that the search knows."""
        block = ds.private_block(0x000B, "CODINGS", create=True)
        name = lambda coding: self.plant(f"{file}/two characters, {coding}", "name2")
        for element, coding in enumerate(("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "big5", "gb18030", "shift_jis", "euc_jp", "euc_kr"), 1):
            block.add_new(element, "OB", name(coding).encode(coding).ljust(8, b"\0"))
        for element, coding in enumerate(("utf-8", "big5", "gb18030"), 0x21):
            block.add_new(element, "LO", name(f"{coding} hex").encode(coding).hex())
        block.add_new(0x31, "LO", json.dumps(name("JSON escapes")))

    def overlays(self, file, ds):
        bits = np.unpackbits(np.frombuffer(self.plant(f"{file}/overlay bits", "national").encode(), "u1"), bitorder="little")
        plane = np.zeros(ds.Rows * ds.Columns, "u1")
        plane[:bits.size] = bits
        for element, vr, value in ((0x0010, "US", ds.Rows), (0x0011, "US", ds.Columns), (0x0015, "IS", 1), (0x0040, "CS", "G"),
                                   (0x0050, "SS", [1, 1]), (0x0100, "US", 1), (0x0102, "US", 0),
                                   (0x0022, "LO", self.plant(f"{file}/overlay description", "chart")),
                                   (0x1500, "LO", self.plant(f"{file}/overlay label", "roman")),
                                   (0x4000, "LT", self.plant(f"{file}/overlay comments", "phone")),
                                   (0x3000, "OW", np.packbits(plane, bitorder="little").tobytes())):
            ds.add_new(0x6000_0000 + element, vr, value)

    def unused_bits(self, file, ds):
        """An identifier in the bits above BitsStored: a byte to a pixel where eight are left, else a bit to a pixel."""
        pixels = np.frombuffer(ds.PixelData, "<u2").copy()
        text = np.frombuffer(self.plant(f"{file}/unused bits", "national").encode(), "u1")
        if ds.BitsStored == 8:
            pixels[:text.size] |= text.astype("<u2") << 8
        else:
            text = np.unpackbits(text)
            pixels[1000:1000 + text.size] |= text.astype("<u2") << (ds.BitsStored + 1)
        ds.PixelData = pixels.tobytes()


def write(ds, path, behind=b"", control=None):
    """`control`: where it is written once more as it is without compression, so that a plain search sees what is in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if control:
        plain, plain.file_meta = Dataset(ds), FileMetaDataset(ds.file_meta)
        plain.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        plain.save_as(control, enforce_file_format=True)
    if ds.file_meta.TransferSyntaxUID == RLELossless:
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.compress(RLELossless, generate_instance_uid=False)
    ds.save_as(path, enforce_file_format=True)
    with open(path, "ab") as out:
        out.write(behind)
