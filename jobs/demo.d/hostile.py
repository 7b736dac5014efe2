"""Broken and hostile files, as deliveries hold them. Each function writes one and says why staging should refuse it:
the reason codes (staging/read/reason.h) of which one must be given."""
import copy
import os
import struct
import zlib
from pathlib import Path

import numpy
from data_store import DataStore  # pydicom-data
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames

from hospitals import Hospital
from make_dicom import CR_STORAGE, identify, meta, write
from people import Person, Town

# Digits and letters of a national ID, 3 x 5, a row of bits each: enough to burn one into pixels.
GLYPHS = {"0": "75557", "1": "26227", "2": "71747", "3": "71717", "4": "55711", "5": "74717", "6": "74757", "7": "71111",
          "8": "75757", "9": "75717", "A": "25755", "B": "65656", "C": "34443", "D": "65556", "E": "74747", "F": "74744",
          "H": "55755", "K": "55655", "N": "57755", "-": "00700"}


class Hostile:
    """Writes into one hospital's folder, drawing on real files for parts. `expected` collects (kind, reasons)."""

    def __init__(self, folder: Path, town: Town, hospital: Hospital, real: Path):
        self.folder, self.town, self.hospital, self.real = folder, town, hospital, real
        self.expected: list[dict] = []

    def _expect(self, kind: str, *reasons: str) -> None:
        self.expected.append({"kind": kind, "reasons": list(reasons)})

    def _name(self, person: Person, kind: str) -> Path:
        # File names hold who it is, in the hospital's own encoding: not always UTF-8.
        raw = f"{person.name}_{person.national}_{kind}.dcm".encode(self.hospital.encoding)
        return self.folder / os.fsdecode(raw)

    def _image(self, person: Person, visit: str, rows: int = 16, columns: int = 16) -> Dataset:
        ds = Dataset()
        identify(ds, self.town, self.hospital, person, visit, "20250301")
        ds.SOPClassUID, ds.SOPInstanceUID = CR_STORAGE, self.town.note("uid", f"{ds.StudyInstanceUID}.7")
        ds.Modality, ds.Manufacturer, ds.BodyPartExamined, ds.InstanceNumber = "CR", self.hospital.vendor, "CHEST", 1
        ds.Rows, ds.Columns, ds.SamplesPerPixel = rows, columns, 1
        ds.PhotometricInterpretation, ds.PixelRepresentation = "MONOCHROME2", 0
        ds.BitsAllocated = ds.BitsStored = 8
        ds.HighBit = 7
        grey = numpy.random.default_rng(len(visit)).integers(0, 256, (rows, columns), "u1")
        ds.PixelData = grey.tobytes()
        ds["PixelData"].VR = "OB"
        ds.file_meta = meta(ds, "1.2.840.10008.1.2.1")
        return ds

    def truncated(self) -> None:
        person = self.town.person()
        path = self._name(person, "truncated")
        write(self._image(person, "truncated", 64, 64), path, person.name)
        os.truncate(path, path.stat().st_size - 2000)
        self._expect("truncated", "truncated", "length_exceeds_parent")

    def wrong_magic(self) -> None:
        person = self.town.person()
        self._name(person, "report").write_bytes(
            b"%PDF-1.4\n% " + f"{person.name} {person.national} {person.phone}".encode() + b"\n" * 200)
        self._expect("wrong_magic", "not_recognised")

    def symlink(self) -> None:
        person = self.town.person()
        outside = self.folder.parent.parent.parent / "outside.dcm"
        write(self._image(person, "outside"), outside, person.name)
        self._name(person, "link").symlink_to(os.path.relpath(outside, self.folder))
        self._expect("symlink", "symlink")

    def fifo(self) -> None:
        os.mkfifo(self._name(self.town.person(), "fifo"))
        self._expect("fifo", "not_regular")

    def nested_bomb(self) -> None:
        person = self.town.person()
        head = self._head(person, "1.2.840.10008.1.2.1")
        level = struct.pack("<HH2s2xI", 0x0008, 0x1140, b"SQ", 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
        self._name(person, "nested").write_bytes(head + level * 8000)
        self._expect("nested_bomb", "nesting_too_deep")

    def deflate_bomb(self) -> None:
        person = self.town.person()
        head = self._head(person, "1.2.840.10008.1.2.1.99")
        size = 256 << 20
        squeeze = zlib.compressobj(9, wbits=-15)
        body = squeeze.compress(struct.pack("<HH2s2xI", 0x0009, 0x1001, b"OB", size))
        for _ in range(size >> 20):
            body += squeeze.compress(bytes(1 << 20))
        self._name(person, "deflate").write_bytes(head + body + squeeze.flush())
        self._expect("deflate_bomb", "decompression_limit", "value_too_large", "too_large")

    def _head(self, person: Person, transfer_syntax: str) -> bytes:
        """Preamble (with the name), magic and file meta of a file whose data set is written by hand."""
        def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
            value += b"\0" * (len(value) % 2)
            return struct.pack("<HH2sH", group, number, vr, len(value)) + value
        rest = (element(2, 0x02, b"UI", CR_STORAGE.encode()) + element(2, 0x03, b"UI", b"1.2.3.4") +
                element(2, 0x10, b"UI", transfer_syntax.encode()))
        return (person.name.encode().ljust(128, b"\0") + b"DICM" +
                element(2, 0, b"UL", struct.pack("<I", len(rest))) + rest)

    def length_lie(self) -> None:
        person = self.town.person()
        value = person.name.encode()
        self._name(person, "length").write_bytes(
            self._head(person, "1.2.840.10008.1.2.1") + struct.pack("<HH2s2xI", 9, 0x10, b"UN", 0x7FFFFFF0) + value)
        self._expect("length_lie", "length_exceeds_parent", "truncated")

    def huge_image(self) -> None:
        person = self.town.person()
        ds = self._image(person, "huge")
        ds.Rows = ds.Columns = 65535
        write(ds, self._name(person, "huge"), person.national)
        self._expect("huge_image", "pixel_size_mismatch", "pixels_too_large")

    def broken_jpeg(self) -> None:
        person = self.town.person()
        source = dcmread(self.real / "SC_rgb_jpeg_dcmtk.dcm")
        frame = next(generate_frames(source.PixelData, number_of_frames=1))
        ds = self._image(person, "jpeg", source.Rows, source.Columns)
        ds.SamplesPerPixel, ds.PlanarConfiguration, ds.PhotometricInterpretation = 3, 0, "YBR_FULL_422"
        half = len(frame) // 2
        ds.PixelData = encapsulate([frame[: half - half % 2]])
        ds["PixelData"].is_undefined_length = True
        ds.file_meta.TransferSyntaxUID = source.file_meta.TransferSyntaxUID
        write(ds, self._name(person, "jpeg"), person.national)
        self._expect("broken_jpeg", "decode_failed")

    def unknown_transfer_syntax(self) -> None:
        person = self.town.person()
        ds = self._image(person, "syntax")
        path = self._name(person, "syntax")
        write(ds, path)
        raw = path.read_bytes()
        # One digit of the UID in the file meta, same length: 1.2.840.10008.1.2.1 becomes ...1.9.1.
        path.write_bytes(raw.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.9.1\0", 1))
        self._expect("unknown_transfer_syntax", "transfer_syntax_unsupported")

    def name_as_sex(self) -> None:
        """Free text where the profile keeps a code."""
        person = self.town.person()
        ds = self._image(person, "sex")
        ds.PatientSex = person.name.encode(self.hospital.encoding).decode("latin-1")  # any bytes, as they came
        write(ds, self._name(person, "sex"))
        self._expect("name_as_sex", "bad_value", "unlisted", "unexpected_value")

    def resent(self) -> None:
        """The same image twice: once more under another name and with another accession number."""
        person = self.town.person()
        ds = self._image(person, "resent", 24, 24)
        write(ds, self._name(person, "first"))
        again = copy.deepcopy(ds)
        again.AccessionNumber = self.town.note("accession", ds.AccessionNumber[:-1] + "X9")
        write(again, self._name(person, "again"))
        self._expect("resent", "duplicate")

    def ultrasound_banner(self) -> None:
        """A real ultrasound with a national ID burned into its pixels, as its banner."""
        person = self.town.person()
        ds = dcmread(self.real_file("US1_UNCR.dcm"))
        pixels = ds.pixel_array.copy()
        for at, glyph in enumerate(person.national):
            for y, row in enumerate(GLYPHS[glyph]):
                for x in range(3):
                    if int(row) >> (2 - x) & 1:
                        pixels[10 + 3 * y: 13 + 3 * y, 10 + 12 * at + 3 * x: 13 + 12 * at + 3 * x] = 255
        ds.PixelData = pixels.tobytes()
        identify(ds, self.town, self.hospital, person, "ultrasound", "20250401")
        write(ds, self._name(person, "us"), person.name)
        self._expect("ultrasound_banner", "unlisted_sop_class")  # the profile lists the classes that may pass

    def scanned_paper(self) -> None:
        person = self.town.person()
        ds = dcmread(self.real_file("SC_rgb.dcm"))
        identify(ds, self.town, self.hospital, person, "paper", "20250402")
        write(ds, self._name(person, "paper"), person.name)
        self._expect("scanned_paper", "unlisted_sop_class")

    def odd_names(self) -> None:
        """Names that break loops over file lists; the images are good."""
        person = self.town.person()
        for number, name in enumerate(["-rf.dcm", "two\nlines.dcm", "..%2f..%2fetc%2fshadow", person.national + "x" * 200]):
            ds = self._image(person, f"odd{number}", 12 + number, 12)
            write(ds, self.folder / name, person.name)

    def real_file(self, name: str) -> Path:
        return DataStore().data_path / name


EVERY_KIND = ["truncated", "wrong_magic", "symlink", "fifo", "nested_bomb", "deflate_bomb", "length_lie", "huge_image",
              "broken_jpeg", "unknown_transfer_syntax", "name_as_sex", "resent", "ultrasound_banner", "scanned_paper", "odd_names"]
