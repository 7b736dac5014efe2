"""Our reader against pydicom 3, on real files: compare.py DUMP [FOLDER]

FOLDER is below $ALOFT_TEST_DATA, which may be absent (exit 77: skipped).

Without FOLDER: every file of the packages pydicom and pydicom-data. Pixels (type, count, SHA-256 of the bytes)
must equal `pixel_array(file, raw=False)` with its palette applied, and each wanted attribute the raw bytes that pydicom
found: numbers turned to little endian, text decoded. pydicom drops unused high bits too, so nothing is masked here. Of
what is compressed with loss by a codec that pydicom has from another library, each sample may differ by as much as
LOSSY allows. What we refuse is listed by reason; what pydicom reads and we refuse must be of a transfer syntax that we
do not decode, or in BY_INTENT. Exit 0 only if nothing else differs.
"""
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import pydicom
from pydicom.pixels import apply_color_lut, pixel_array
from pydicom.tag import Tag

WANTED = {  # path as the reader takes it -> path of tags
    "PatientID": [0x00100020], "PatientName": [0x00100010], "PatientBirthDate": [0x00100030],
    "PatientSex": [0x00100040], "PatientAge": [0x00101010], "StudyDate": [0x00080020], "Modality": [0x00080060],
    "StudyInstanceUID": [0x0020000D], "SOPInstanceUID": [0x00080018], "SpecificCharacterSet": [0x00080005],
    "InstitutionName": [0x00080080], "Manufacturer": [0x00080070], "SliceThickness": [0x00180050],
    "PixelSpacing": [0x00280030], "Rows": [0x00280010], "Columns": [0x00280011], "WindowCenter": [0x00281050],
    "SmallestImagePixelValue": [0x00280106], "ImagePositionPatient": [0x00200032],
    "ReferencedImageSequence[0].ReferencedSOPInstanceUID": [0x00081140, 0, 0x00081155],
    "ReferencedImageSequence[1].ReferencedSOPInstanceUID": [0x00081140, 1, 0x00081155],
    "AnatomicRegionSequence[0].CodeValue": [0x00082218, 0, 0x00080100],
    "RequestAttributesSequence[0].0040,0007": [0x00400275, 0, 0x00400007],
    "SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing":
        [0x52009229, 0, 0x00289110, 0, 0x00280030],
    "PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0].ImagePositionPatient":
        [0x52009230, 1, 0x00209113, 0, 0x00200032],
}
WORD = {"US": 2, "SS": 2, "AT": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8, "UV": 8, "SV": 8}

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
UNSAID = {  # the transfer syntax of a file that does not say, by what pydicom found: implicit, little endian
    (True, True): "1.2.840.10008.1.2", (False, True): "1.2.840.10008.1.2.1", (False, False): "1.2.840.10008.1.2.2",
}

# How much a sample may differ where both sides undo a lossy compression with different libraries.
LOSSY = {
    "1.2.840.10008.1.2.4.51": 1,  # IJG's and Thomas Richter's inverse cosine transforms
}

# Files that pydicom reads wrongly, or not at all: their pixels must equal those of another file, which it reads.
TWINS = {
    "emri_small_jpeg_2k_lossless_too_short.dcm": "emri_small.dcm",  # ends with its last fragment, without a delimiter
    "OBXXXX1A_expb.dcm": "OBXXXX1A.dcm",  # a palette in big endian words
    "OBXXXX1A_expb_2frame.dcm": "OBXXXX1A_2frame.dcm",
}

# Files on which we differ by intent: pydicom reads them, we refuse, with this reason.
BY_INTENT = {
    "MR_truncated.dcm": "truncated",
    "rtplan_truncated.dcm": "truncated",
    "badVR.dcm": "pixel_size_mismatch",  # NumberOfFrames is no number
    "nested_priv_SQ.dcm": "missing_attribute",  # pixel data without an image pixel module
    "meta_missing_tsyntax.dcm": "missing_attribute",  # and begins with group 1
    # One frame of three was left in them, and the functional groups of all three.
    "liver_1frame.dcm": "pixel_size_mismatch", "liver_expb_1frame.dcm": "pixel_size_mismatch",
}


TEXT = "AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split()


def charset_of(ds, path):
    """Of the item that the attribute is in, else of those around it."""
    terms = ds.get("SpecificCharacterSet")
    for step in path[:-1]:
        ds = ds[step].value if isinstance(ds, pydicom.Dataset) else ds[step]
        if isinstance(ds, pydicom.Dataset) and "SpecificCharacterSet" in ds:
            terms = ds.SpecificCharacterSet
    return pydicom.charset.convert_encodings(terms or "")


def decoded(data, encodings, vr):
    delimiters = {0x5C, 9, 10, 12, 13} | ({0x5E, 0x3D} if vr == "PN" else set())
    return pydicom.charset.decode_bytes(data, encodings, delimiters).encode().hex()


def item_with(group, tag):
    """The item of one functional group that has the attribute."""
    return next((element.value[0] for element in group if element.VR == "SQ" and element.value and tag in element.value[0]), None)


def in_functional_groups(ds, tag):
    """The item of the shared group that has the attribute, else of the first frame's if all frames say the same."""
    if 0x52009229 in ds and (shared := [item for group in ds[0x52009229].value[:1] if (item := item_with(group, tag))]):
        return shared[0]
    frames = [item_with(group, tag) for group in ds[0x52009230].value] if 0x52009230 in ds else []
    if frames and None not in frames and len({str(item.get_item(tag).value) for item in frames}) == 1:
        return frames[0]
    return None


def reference_values(ds):
    values = []
    for path in WANTED.values():
        item = ds
        if path[0] not in ds and path[0] >> 16 != 0x10:
            item = in_functional_groups(ds, path[0])
        for step in path[:-1]:
            if isinstance(item, pydicom.Dataset):
                item = item[step].value if step in item else None
            elif item is not None:
                item = item[step] if step < len(item) else None
        if item is None or path[-1] not in item:
            values.append(None)
            continue
        raw = item.get_item(Tag(path[-1]))
        if not isinstance(raw, pydicom.dataelem.RawDataElement):  # parsed already: not comparable
            values.append("parsed")
            continue
        data = raw.value or b""
        vr = raw.VR or pydicom.datadict.dictionary_VR(raw.tag)
        if vr in TEXT:
            values.append(decoded(data, charset_of(ds, path if path[0] in ds else path[-1:]), vr))
            continue
        word = WORD.get(vr.split(" ")[0], 1)
        if not raw.is_little_endian and word > 1:
            data = b"".join(data[i:i + word][::-1] for i in range(0, len(data), word))
        values.append(data.hex())
    return values


def reference_pixels(ds):
    syntax = ds.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        syntax = ds.file_meta.TransferSyntaxUID = UNSAID[ds.original_encoding]
    # Baseline by the library that we use too: then nothing may differ.
    plugin = "pillow" if syntax == JPEG_BASELINE else ""
    array = pixel_array(ds, raw=False, decoding_plugin=plugin)
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        array = apply_color_lut(array, ds)
        array = (array >> 8).astype("u1") if array.dtype.itemsize == 2 else array
    if "MOSAIC" in ds.get("ImageType", []) and (0x0019, 0x100A) in ds:  # Siemens: slices side by side
        images = ds[0x0019, 0x100A].value
        side = int(np.ceil(np.sqrt(images)))
        rows, columns = (n // side for n in array.shape)
        array = array.reshape(side, rows, side, columns).swapaxes(1, 2).reshape(-1, rows, columns)[:images]
    array = np.ascontiguousarray(array)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return array


def problem_with(path, depth, ours):
    """None if both agree, else what differs."""
    try:
        ds = pydicom.dcmread(path, force=ours["reason"] == "none")
        values = reference_values(ds)
        pixels = reference_pixels(ds) if depth == "pixels" else None
    except Exception as error:
        return f"read by us, not by pydicom: {type(error).__name__}: {error}" if ours["reason"] == "none" else None
    if ours["reason"] != "none":
        if ours["reason"] in (BY_INTENT.get(pathlib.Path(path).name), "transfer_syntax_unsupported"):
            return None
        return f"read by pydicom, not by us: {ours['reason']} {ours['detail']}"
    if depth == "pixels" and hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest() != ours["file_sha256"]:
        return "digest of the file"
    if pixels is not None:
        if ours["again"] != ours["sha256"]:
            return "the pixels are not those whose digest came with them"
        if [ours["type"], int(np.prod(ours["shape"]))] != [pixels.dtype.name, pixels.size]:
            return f"pixels: {ours['type']} {ours['shape']} against {pixels.dtype.name} {pixels.shape}"
        if ours["sha256"] != hashlib.sha256(pixels.tobytes()).hexdigest():
            mine = np.fromfile(ours["pixels"], ours["type"]).reshape(pixels.shape)
            most = int(np.abs(mine.astype("i8") - pixels.astype("i8")).max())
            if most > LOSSY.get(ds.file_meta.TransferSyntaxUID, 0):
                return f"pixels: {ours['type']} {ours['shape']}: {np.count_nonzero(mine != pixels)} differ, by up to {most}"
    for name, mine, theirs in zip(WANTED, ours["values"], values):
        if theirs != "parsed" and mine != theirs:
            return f"{name}: {mine} against {theirs}"
    return None


def package_files():
    import data_store
    roots = [pathlib.Path(pydicom.__file__).parent / "data", pathlib.Path(data_store.__file__).parent]
    return sorted(str(p) for root in roots for p in root.rglob("*") if p.is_file() and p.suffix in (".dcm", ""))


def run(dump, depth, folder, files):
    """How many are equal, and what is wrong."""
    ran = subprocess.run([dump, depth, folder, *WANTED], input="\n".join(files) + "\n", capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"the reader ended with {ran.returncode}: {ran.stderr}")
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    if [line["file"] for line in lines] != files:
        sys.exit("the reader did not answer for every file")
    equal, refused, wrong = 0, {}, []
    for ours in lines:
        name = pathlib.Path(ours["file"]).name
        if name in TWINS:
            twin = next(line for line in lines if pathlib.Path(line["file"]).name == TWINS[name])
            same = ours["reason"] == "none" and ours["sha256"] == twin["sha256"] and ours["shape"] == twin["shape"]
            problem = None if same else f"not as {TWINS[name]}: {ours['reason']} {ours['detail']}"
        else:
            problem = problem_with(ours["file"], depth, ours)
        if problem:
            wrong.append(f"WRONG {name}: {problem}")
        elif ours["reason"] == "none":
            equal += 1
        else:
            refused.setdefault(f"{ours['reason']} {ours['detail']}".strip(), []).append(name)
    for reason, names in sorted(refused.items()):
        print(f"  {reason}: {len(names)}: {' '.join(names[:12])}{' ...' if len(names) > 12 else ''}")
    print(f"{depth}: {len(files)} files: {equal} equal to pydicom, {sum(map(len, refused.values()))} refused, "
          f"{len(wrong)} wrong")
    print("\n".join(wrong))
    return equal, wrong


def main():
    warnings.simplefilter("ignore")
    pydicom.config.logger.setLevel("CRITICAL")
    dump, *folder = sys.argv[1:]
    if folder:
        place = pathlib.Path(os.environ.get("ALOFT_TEST_DATA", "/nowhere")) / folder[0]
        if not place.is_dir():
            print(f"skipped: ALOFT_TEST_DATA has no {folder[0]}")
            sys.exit(77)
        files = sorted(str(path) for path in place.rglob("*.dcm"))
    else:
        files = package_files()
    with tempfile.TemporaryDirectory() as scratch:
        header, header_wrong = run(dump, "header", scratch, files)
        pixels, pixels_wrong = run(dump, "pixels", scratch, files)
    # That many are known to be there: a comparison of nothing must not pass.
    if folder and pixels == 0 or not folder and (header < 150 or pixels < 100):
        sys.exit("fewer files were read than there must be")
    sys.exit(1 if header_wrong or pixels_wrong else 0)


main()
