"""Real files, and what they are made into, as seeds: seeds.py nifti|raster|table|archive FOLDER"""
import bz2
import gzip
import io
import lzma
import pathlib
import struct
import sys
import tarfile
import zipfile

import numpy as np
from PIL import Image
from pydicom.data import get_testdata_file
from sklearn.datasets import load_breast_cancer, load_digits


def nifti(version=1, order="<", pair=False):
    volume = load_digits().images[:4].astype("int16").astype(order + "i2")
    header = bytearray(348 if version == 1 else 540)
    put = lambda at, form, *values: struct.pack_into(order + form, header, at, *values)
    dims, steps = (3, 8, 8, 4, 1, 1, 1, 1), (1, 1, 1, 2, 1, 1, 1, 1)
    place = (1, 0, 0, -4, 0, 1, 0, -4, 0, 0, 2, 0)
    at = 0 if pair else len(header) + 4
    if version == 1:
        put(0, "i", 348), put(40, "8h", *dims), put(70, "2h", 4, 16), put(76, "8f", *steps), put(108, "3f", at, 2, -5)
        put(123, "B", 2), put(252, "2h", 1, 1), put(280, "12f", *place), put(344, "4s", b"ni1\0" if pair else b"n+1\0")
    else:
        put(0, "i", 540), put(4, "8s", b"n+2\0\r\n\x1a\n"), put(12, "2h", 4, 16), put(16, "8q", *dims), put(104, "8d", *steps)
        put(168, "q", at), put(344, "2i", 1, 1), put(400, "12d", *place), put(500, "i", 2)
    return bytes(header) + (b"" if pair else bytes(4)) + volume.tobytes()


def niftis():
    for version in (1, 2):
        for order in "<>":
            yield nifti(version, order)
            yield gzip.compress(nifti(version, order))
    yield nifti(pair=True)


def rasters():
    digit = load_digits().images[0]
    grey = Image.fromarray((digit * 15).astype("uint8"))
    deep = Image.fromarray((digit * 4000).astype("uint16"))
    for picture, form, more in ((grey, "png", {}), (grey.convert("RGB"), "png", {}), (grey.convert("P"), "png", {}), (deep, "png", {}),
                                (grey, "jpeg", {}), (grey.convert("RGB"), "jpeg", {"progressive": True}), (grey, "tiff", {}),
                                (deep, "tiff", {"compression": "tiff_lzw"}), (grey.convert("RGB"), "tiff", {"compression": "tiff_deflate"}),
                                (grey, "tiff", {"save_all": True, "append_images": [grey]}), (grey.convert("1"), "tiff", {"compression": "group4"})):
        out = io.BytesIO()
        picture.save(out, form, **more)
        yield out.getvalue()
    # A chunk that says to be longer than the file, of each kind whose length is its writer's.
    out = io.BytesIO()
    grey.save(out, "png")
    head, rest = out.getvalue()[:33], out.getvalue()[33:]   # signature and IHDR
    for kind in (b"eXIf", b"iCCP", b"iTXt", b"tEXt", b"zTXt", b"sPLT", b"hIST", b"pCAL", b"sCAL", b"abCd"):
        yield head + struct.pack(">I", 0x7ffffff0) + kind + b"name\0\0" + rest


def tables():
    rows = load_breast_cancer().data[:20, :2]
    lines = ["id,radius"] + [f"{a},{b}" for a, b in rows] + ['"a ""quoted"" one\nof two lines",', "病人,1"]
    for at, (separator, encoding) in enumerate((s, e) for e in ("utf-8", "utf-16", "big5", "gb18030", "shift_jis") for s in ",;\t"):
        yield bytes([at]) + "\r\n".join(lines).replace(",", separator).encode(encoding)
    for compress in (gzip.compress, bz2.compress, lzma.compress):
        yield b"\0" + compress("\n".join(lines).encode())


def archives():
    files = [("病人/a.dcm", pathlib.Path(get_testdata_file("rtplan.dcm")).read_bytes()[:3000]), ("b.csv", b"id,radius\n1,2\n"), ("c", b"")]
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            for name, data in files:
                archive.writestr(name, data)
        yield out.getvalue()
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form) as archive:
            for name, data in files + [("n" * (90 if form == tarfile.USTAR_FORMAT else 120), b"long"), ("d/" * 30 + "deep", b"x")]:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        yield out.getvalue()[:12800]
        for compress in (gzip.compress, bz2.compress, lzma.compress):
            yield compress(out.getvalue())


folder = pathlib.Path(sys.argv[2])
folder.mkdir(parents=True)
for number, seed in enumerate({"nifti": niftis, "raster": rasters, "table": tables, "archive": archives}[sys.argv[1]]()):
    (folder / str(number)).write_bytes(seed)
