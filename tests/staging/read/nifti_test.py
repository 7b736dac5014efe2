"""NIfTI files written by hand, and real ones where there are any: nifti_test.py FILES_DUMP"""
import gzip
import os
import pathlib
import struct
import sys
import tempfile

import numpy as np

import files

DUMP = sys.argv[1]
random = np.random.default_rng(3)
CODE = {"uint8": 2, "int16": 4, "int32": 8, "float32": 16, "float64": 64, "int8": 256, "uint16": 512, "uint32": 768}


def nifti(array, version=1, order="<", sform=None, qform=None, pixdim=(1, 2, 3, 4, 1.5), slope=0.0, inter=0.0, units=2 | 8,
          datatype=None, extension=b"", dim=None):
    """`array` is [t, k, j, i] or fewer axes; qform: (b, c, d, x, y, z, qfac)."""
    dims = dim or [array.ndim, *array.shape[::-1]]
    dims = list(dims) + [1] * (8 - len(dims))
    pix = list(pixdim) + [1] * (8 - len(pixdim))
    if qform:
        pix[0] = qform[6]
    datatype = datatype or CODE[array.dtype.name]
    header = bytearray(348 if version == 1 else 540)
    put = lambda at, form, *values: struct.pack_into(order + form, header, at, *values)
    srow = np.asarray(sform if sform is not None else np.zeros((3, 4)), float).ravel()
    quaternion = qform[:6] if qform else [0] * 6
    flags = [1 if qform else 0, 1 if sform is not None else 0]
    offset = len(header) + 4 + len(extension)
    if version == 1:
        put(0, "i", 348), put(40, "8h", *dims), put(70, "2h", datatype, 8 * array.dtype.itemsize), put(76, "8f", *pix)
        put(108, "3f", offset, slope, inter), put(123, "B", units), put(252, "2h", *flags)
        put(148, "80s", b"WANG SIAO-MING"), put(256, "6f", *quaternion), put(280, "12f", *srow), put(344, "4s", b"n+1\0")
    else:
        put(0, "i", 540), put(4, "8s", b"n+2\0\r\n\x1a\n"), put(12, "2h", datatype, 8 * array.dtype.itemsize)
        put(16, "8q", *dims), put(104, "8d", *pix), put(168, "q", offset), put(176, "2d", slope, inter)
        put(240, "80s", b"WANG SIAO-MING"), put(344, "2i", *flags), put(352, "6d", *quaternion), put(400, "12d", *srow)
        put(500, "i", units)
    mark = b"\1\0\0\0" if extension else bytes(4)
    return bytes(header) + mark + extension + array.astype(array.dtype.newbyteorder(order)).tobytes()


def four(array):
    array = array.reshape(-1, *array.shape[-2:]) if array.ndim > 2 else array[None]
    return array[..., None]


def ras_affine(frames, shape):
    """The affine in RAS that the frames, in LPS, describe."""
    flip = np.diag([-1, -1, 1])
    first = frames[0]
    affine = np.eye(4)
    affine[:3, 0] = flip @ np.array(first["orientation"][:3]) * first["spacing"][1]
    affine[:3, 1] = flip @ np.array(first["orientation"][3:]) * first["spacing"][0]
    affine[:3, 3] = flip @ np.array(first["position"])
    if shape[0] > 1:
        affine[:3, 2] = flip @ np.array(frames[1]["position"]) - affine[:3, 3]
    return affine


def main(folder):
    volume = random.integers(-3000, 3000, (5, 4, 3), dtype=np.int16)
    colours = random.integers(0, 255, (3, 4, 5, 3), dtype=np.uint8)
    turned = np.array([[0, 0, 2, 10], [1.5, 0, 0, -20], [0, -3, 0, 30]], float)
    checked = 0

    def write(name, data):
        (folder / name).write_bytes(data)
        return folder / name

    def one(name, data, depth="pixels", wanted=()):
        return files.read(DUMP, "nifti", [write(name, data)], depth, wanted)[0]

    for version in (1, 2):
        for order in "<>":
            for name in CODE:
                if name.startswith("float"):
                    array = random.normal(size=(3, 4, 5)).astype(name)
                else:
                    info = np.iinfo(name)
                    array = random.integers(info.min, info.max, (3, 4, 5), dtype=name, endpoint=True)
                data = nifti(array, version, order, sform=turned)
                for packed in (data, gzip.compress(data)):
                    got = one("v.nii", packed)
                    files.check_equal(name, got, four(array))
                    assert np.allclose(ras_affine(got["frames"], got["shape"])[:3], turned, atol=1e-5), got["frames"][0]
                    assert "WANG" not in str(got)
                    checked += 1
            # 64 bits, as numpy has whole numbers, come as 32; a value beyond them is refused.
            for wide, name, code in (("int64", "int32", 1024), ("uint64", "uint32", 1280)):
                info = np.iinfo(name)
                array = random.integers(info.min, info.max, (3, 4, 5), dtype=name, endpoint=True).astype(wide)
                array.flat[:2] = info.min, info.max
                data = nifti(array, version, order, sform=turned, datatype=code)
                files.check_equal(wide, one("w.nii", data), four(array.astype(name)))
                files.check_equal(wide, one("w.nii.gz", gzip.compress(data)), four(array.astype(name)))
                assert one("w.nii", data[:-1])["reason"] == "truncated"
                assert one("w.nii", data, "header")["type"] == name
                array.flat[-1] = info.max + 1
                got = one("w.nii", nifti(array, version, order, sform=turned, datatype=code))
                assert (got["reason"], got["detail"]) == ("pixel_format_unsupported", "datatype"), got
                checked += 2
    # qform: a quarter turn about z, and qfac -1.
    half = np.sqrt(0.5)
    got = one("q.nii", nifti(volume, qform=(0, 0, half, 7, 8, 9, -1), pixdim=(1, 2, 3, 4)))
    expected = np.array([[0, -3, 0, 7], [2, 0, 0, 8], [0, 0, -4, 9]], float)
    assert np.allclose(ras_affine(got["frames"], got["shape"])[:3], expected, atol=1e-5), got["frames"][:2]
    # sform wins over qform; micrometres become millimetres.
    got = one("u.nii", nifti(volume, sform=turned * 1000, qform=(0, 0, half, 7, 8, 9, 1), units=3 | 16),
              wanted=["repetition_time_s", "sform_code"])
    assert np.allclose(ras_affine(got["frames"], got["shape"])[:3], turned, atol=1e-5)
    assert [float(v) for v in got["values"]] == [0.0015, 1]
    # Neither: the spacing is known, the place is not.
    got = one("n.nii", nifti(volume, slope=2.0, inter=-1024.0))
    frame = got["frames"][0]
    assert frame["position"] is None and frame["spacing"] == [3, 2] and frame["slope"] == 2 and frame["intercept"] == -1024
    for version in (1, 2):
        # A slope of 0, or one that is no number, says that there is none, as nibabel has it; colours have none (nifti1.h).
        for slope, inter in ((0, 5), (0, np.nan), (np.nan, 5), (np.inf, 0)):
            frame = one("s.nii", nifti(volume, version, slope=slope, inter=inter))["frames"][0]
            assert frame["slope"] is None and frame["intercept"] is None, (slope, inter, frame)
        frame = one("c.nii", nifti(colours, version, dim=[3, 5, 4, 3], datatype=128, slope=2.0, inter=np.nan))["frames"][0]
        assert frame["slope"] is None and frame["intercept"] is None, frame
        for slope, inter in ((2.0, np.nan), (1.0, np.inf)):
            got = one("i.nii", nifti(volume, version, slope=slope, inter=inter))
            assert (got["reason"], got["detail"]) == ("malformed", "scl_inter"), got
        # A matrix of zeros beside a quaternion is one that nobody filled in.
        got = one("z.nii", nifti(volume, version, sform=np.zeros((3, 4)), qform=(0, 0, half, 7, 8, 9, -1), pixdim=(1, 2, 3, 4)))
        assert got["reason"] == "none" and np.allclose(ras_affine(got["frames"], got["shape"])[:3], expected, atol=1e-5), got
    # Time points, colours, text in an extension, more than one gzip member.
    series = random.integers(0, 255, (2, 3, 4, 5), dtype=np.uint8)
    data = nifti(series, sform=turned, extension=struct.pack("<ii", 32, 6) + b"WANG SIAO-MING".ljust(24, b"\0"))
    got = one("t.nii.gz", gzip.compress(data[:400]) + gzip.compress(data[400:]))
    files.check_equal("series", got, four(series))
    assert [f["temporal"] for f in got["frames"]] == [1] * 3 + [2] * 3 and "WANG" not in str(got)
    assert got["frames"][0]["position"] == got["frames"][3]["position"]
    colour = random.integers(0, 255, (3, 4, 5, 3), dtype=np.uint8)
    got = one("c.nii", nifti(colour, datatype=128, dim=[3, 5, 4, 3]))
    files.check_equal("colour", got, colour)

    # A header and its data: what one file would give, plain or packed, whatever the order of bytes.
    for version, magic in ((1, (344, b"ni1\0")), (2, (4, b"ni2\0\r\n\x1a\n"))):
        for order in "<>":
            whole = nifti(volume, version, order, sform=turned, slope=2.0)
            size = 348 if version == 1 else 540
            header = bytearray(whole[:size])
            header[magic[0]:magic[0] + len(magic[1])] = magic[1]
            struct.pack_into(order + "f" if version == 1 else order + "q", header, 108 if version == 1 else 168, 0)
            alone = one("alone.nii", whole)
            for name, packed in (("p.hdr", bytes), ("z.hdr.gz", gzip.compress), ("P.HDR", bytes)):
                write(name.replace(".hdr", ".img").replace(".HDR", ".IMG"), packed(whole[size + 4:]))
                got = one(name, packed(bytes(header)))
                assert got == alone, (name, got)
                checked += 1
            got = one("p.hdr", whole[:size + 4])
            assert (got["reason"], got["detail"]) == ("not_recognised", "not of a pair"), got
            write("p.img", whole[size + 4:-1])
            assert one("p.hdr", bytes(header))["reason"] == "truncated"
            (folder / "long.img").unlink(missing_ok=True)
            assert one("long.hdr", bytes(header) + bytes(70000))["reason"] == "unreadable"  # no data beside it
            write("long.img", whole[size + 4:])
            got = one("long.hdr", bytes(header) + bytes(70000))
            assert (got["reason"], got["detail"]) == ("too_large", "header"), got  # no limit is it
            struct.pack_into(order + "f" if version == 1 else order + "q", header, 108 if version == 1 else 168, 32)
            write("far.img", bytes(32) + whole[size + 4:])
            assert one("far.hdr", bytes(header)) == alone

    # What is wrong is refused by name.
    def refused(data, reason, detail=""):
        got = one("bad.nii", data)
        assert (got["reason"], got["detail"]) == (reason, detail), got

    whole = nifti(volume, sform=turned)
    patch = lambda at, raw: whole[:at] + raw + whole[at + len(raw):]
    refused(patch(344, b"ni1\0"), "not_recognised", "pair of files")
    refused(patch(344, b"\0\0\0\0"), "not_recognised")
    refused(patch(70, struct.pack("<h", 32)), "pixel_format_unsupported", "datatype")
    refused(patch(42, struct.pack("<h", -3)), "pixel_size_mismatch", "dim")
    refused(patch(40, struct.pack("<h", 9)), "malformed", "dim")
    refused(patch(40, struct.pack("<8h", 5, 2, 2, 2, 2, 3, 1, 1)), "pixel_format_unsupported", "dim")
    refused(patch(42, struct.pack("<3h", 32767, 32767, 32767)), "pixels_too_large", "more than 2 GiB")
    refused(patch(108, struct.pack("<f", float("nan"))), "malformed", "vox_offset")
    refused(patch(108, struct.pack("<f", 4.0)), "malformed", "vox_offset")
    refused(patch(280, struct.pack("<f", float("inf"))), "malformed", "affine")
    refused(nifti(volume, sform=np.zeros((3, 4))), "malformed", "affine")
    aside = np.zeros((3, 4))
    aside[0, 3] = 5
    refused(nifti(volume, sform=aside, qform=(0, 0, half, 7, 8, 9, 1)), "malformed", "affine")
    refused(gzip.compress(b"\0" * (600 << 20), 9), "decompression_limit", "inflated_bytes")
    refused(whole[:-1], "truncated")
    files.check_cut(DUMP, "nifti", write("whole.nii.gz", gzip.compress(whole)), folder, {"not_recognised", "truncated"})
    files.check_cut(DUMP, "nifti", write("whole.nii", whole), folder, {"truncated"})

    real = sorted(pathlib.Path(os.environ.get("ALOFT_TEST_DATA", "/nonexistent")).glob("dcm_qa_nih/Ref/*.nii"))
    for path, got in zip(real, files.read(DUMP, "nifti", real)):
        raw = path.read_bytes()
        affine = np.frombuffer(raw, "<f4", 12, 280).reshape(3, 4)
        assert got["reason"] == "none" and np.allclose(ras_affine(got["frames"], got["shape"])[:3], affine, atol=1e-4), path.name
    print(f"{checked} volumes equal, {len(real)} real ones")


with tempfile.TemporaryDirectory() as place:
    main(pathlib.Path(place))
