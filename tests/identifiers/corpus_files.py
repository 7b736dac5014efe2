"""Files that are no DICOM, with an identifier in every place that their formats have, for leaks_test.py: NIfTI, PNG, TIFF, JPEG, zip, tar."""
import gzip, io, struct, tarfile, zipfile

import numpy as np
from PIL import Image, PngImagePlugin, TiffImagePlugin


def nifti(plant, file, array, pair=False):
    """NIfTI-1 (nifti1.h) of a [k, j, i] array: as one file, or the header and the data of a pair."""
    header, code = bytearray(348), {"int16": 4, "uint8": 2}[array.dtype.name]
    put = lambda at, form, *values: struct.pack_into("<" + form, header, at, *values)
    extensions = b"" if pair else b"".join(
        struct.pack("<2i", -(-(8 + len(data)) // 16) * 16, ecode) + data.ljust(-(-(8 + len(data)) // 16) * 16 - 8, b"\0")
        for ecode, data in ((2, plant(f"{file}/extension with DICOM", "roman").encode()), (4, f"<AFNI>{plant(f'{file}/extension with XML', 'name')}</AFNI>".encode()),
                            (6, plant(f"{file}/comment", "name").encode("utf-16-le")), (1234, plant(f"{file}/unknown extension", "national").encode())))
    gap = b"" if pair else plant(f"{file}/before the voxels", "phone").encode().ljust(32, b"\0")
    put(0, "i", 348), put(4, "10s", plant(f"{file}/data_type", "national").encode()), put(14, "18s", plant(f"{file}/db_name", "chart").encode())
    put(40, "8h", 3, *array.shape[::-1], 1, 1, 1, 1), put(70, "2h", code, 8 * array.dtype.itemsize), put(76, "8f", 1, 1, 2, 3, 1, 1, 1, 1)
    put(108, "3f", 0 if pair else 352 + len(extensions) + len(gap), 1, 0), put(123, "B", 2)
    put(148, "80s", plant(f"{file}/descrip", "name").encode()), put(228, "24s", plant(f"{file}/aux_file", "roman").encode())
    put(254, "h", 1), put(280, "12f", 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 3, 0), put(328, "16s", plant(f"{file}/intent_name", "chart").encode())
    put(344, "4s", b"ni1\0" if pair else b"n+1\0")
    behind = plant(f"{file}/behind the voxels", "name").encode()
    if pair:
        return bytes(header) + b"\0" * 4, array.tobytes() + behind
    return bytes(header) + b"\1\0\0\0" + extensions + gap + array.tobytes() + behind


def gzipped(plant, file, data):
    """RFC 1952, with the name of the file and a comment."""
    packed = gzip.compress(data, mtime=0)
    return packed[:3] + bytes([8 | 16]) + packed[4:10] + plant(f"{file}/gzip name", "roman").encode() + b"\0" + plant(f"{file}/gzip comment", "chart").encode() + b"\0" + packed[10:]


def exif(plant, file):
    made = Image.Exif()
    for tag, what, sort in ((0x010E, "ImageDescription", "roman"), (0x013B, "Artist", "chart"), (0x8298, "Copyright", "national"), (0x010F, "Make", "phone"), (0x013C, "HostComputer", "chart")):
        made[tag] = plant(f"{file}/EXIF {what}", sort)
    inner = made.get_ifd(0x8769)
    inner[0x9286], inner[0x927C] = b"UNICODE\0" + plant(f"{file}/EXIF UserComment", "name").encode("utf-16-le"), plant(f"{file}/EXIF MakerNote", "national").encode()
    inner[0xA430] = plant(f"{file}/EXIF CameraOwnerName", "roman")
    made.get_ifd(0x8825)[0x001D] = plant(f"{file}/EXIF GPSDateStamp", "date")
    return made


def xmp(plant, file):
    return (f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:creator>{plant(f"{file}/XMP creator", "name")}</dc:creator>'
            f'<dc:title>{plant(f"{file}/XMP title", "roman")}</dc:title></x:xmpmeta>').encode()


def icc(plant, file):
    """A profile whose description is a name: only its head and one tag, which no reader needs."""
    text = b"desc\0\0\0\0" + struct.pack(">I", 64) + plant(f"{file}/ICC description", "roman").encode().ljust(64, b"\0")
    body = struct.pack(">I4sII", 1, b"desc", 144, len(text)) + text
    return struct.pack(">I4sI4s4s4s", 128 + len(body), b"none", 0x02100000, b"mntr", b"RGB ", b"XYZ ").ljust(128, b"\0") + body


def png(plant, file, array):
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", plant(f"{file}/tEXt", "roman"))
    text.add_text("Comment", plant(f"{file}/zTXt", "chart"), zip=True)
    text.add_itxt("Title", plant(f"{file}/iTXt", "name"))
    text.add_itxt("Subject", plant(f"{file}/deflated iTXt", "name"), zip=True)
    text.add_itxt("XML:com.adobe.xmp", xmp(plant, file).decode())
    text.add(b"nmEd", plant(f"{file}/private chunk", "national").encode())
    text.add(b"teSt", plant(f"{file}/private chunk after pixels", "name2").encode(), after_idat=True)
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG", pnginfo=text, exif=exif(plant, file), icc_profile=icc(plant, file))
    return out.getvalue() + plant(f"{file}/behind IEND", "name").encode()


def tiff(plant, file, array):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, what, sort in ((269, "DocumentName", "roman"), (270, "ImageDescription", "chart"), (285, "PageName", "national"), (305, "Software", "chart"),
                            (306, "DateTime", "date"), (315, "Artist", "roman"), (316, "HostComputer", "phone"), (33432, "Copyright", "roman")):
        tags[tag] = plant(f"{file}/{what}", sort)
    for tag, what, sort in ((65000, "private tag", "name"), (33723, "IPTC", "name2"), (34377, "Photoshop", "name"), (37724, "ImageSourceData", "national")):
        tags.tagtype[tag] = 7
        tags[tag] = plant(f"{file}/{what}", sort).encode()
    tags.tagtype[700] = 1
    tags[700] = xmp(plant, file)
    out = io.BytesIO()
    Image.fromarray(array).save(out, "TIFF", tiffinfo=tags, icc_profile=icc(plant, file))
    return out.getvalue() + plant(f"{file}/behind the last page", "name").encode()


def jpeg(plant, file, array):
    out, small = io.BytesIO(), io.BytesIO()
    Image.fromarray(array).save(out, "JPEG", quality=92, exif=exif(plant, file), icc_profile=icc(plant, file), comment=plant(f"{file}/COM", "name"), xmp=xmp(plant, file))
    Image.fromarray(array[:8, :8]).save(small, "JPEG", comment=plant(f"{file}/thumbnail's COM", "chart"))
    made = out.getvalue()
    for marker, data in ((0xED, b"Photoshop 3.0\0" + plant(f"{file}/IPTC", "name2").encode()), (0xE0, b"JFXX\0\x10" + small.getvalue()),
                         (0xEF, plant(f"{file}/APP15", "national").encode())):
        made = made[:20] + struct.pack(">2BH", 0xFF, marker, len(data) + 2) + data + made[20:]
    return made + plant(f"{file}/behind EOI", "name").encode()


def zipped(plant, file, members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number, data in enumerate(members):
            info = zipfile.ZipInfo(f"{plant(f'{file}/member {number}', 'name')}/{plant(f'{file}/member name {number}', 'national')}.dcm", (2024, 1, 2, 3, 4, 6))
            info.comment = plant(f"{file}/comment of member {number}", "name").encode()
            extra = plant(f"{file}/extra field {number}", "roman").encode()
            info.extra = struct.pack("<2H", 0x7075, len(extra)) + extra
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
        archive.comment = plant(f"{file}/comment", "name").encode()
    return out.getvalue()


def tarred(plant, file, members):
    out = io.BytesIO()
    headers = {"comment": plant(f"{file}/global comment", "name")}
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers=headers) as archive:
        for number, data in enumerate(members):
            info = tarfile.TarInfo(f"{plant(f'{file}/member {number}', 'roman')}/{number}.dcm")
            info.size, info.uname, info.gname = len(data), plant(f"{file}/user {number}", "roman"), plant(f"{file}/group {number}", "chart")
            info.pax_headers = {"SCHILY.xattr.user.name": plant(f"{file}/attribute {number}", "name"), "comment": plant(f"{file}/comment {number}", "national")}
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()
