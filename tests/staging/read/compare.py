"""Our reader against pydicom 3, on real files: compare.py DUMP [FOLDER]

FOLDER is below $ALOFT_TEST_DATA, which may be absent (exit 77: skipped).

Without FOLDER: every file of the packages pydicom and pydicom-data. Pixels (type, count, SHA-256 of the bytes)
must equal `pixel_array(file, raw=False)`, and each wanted attribute the raw bytes that pydicom found (numbers turned
to little endian). pydicom drops unused high bits too, so nothing is masked here. What we refuse is listed by reason;
what pydicom reads and we refuse must be of a transfer syntax that we do not decode, or in BY_INTENT. Exit 0 only if
nothing else differs.
"""
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import warnings

import numpy as np
import pydicom
from pydicom.pixels import pixel_array
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

# Files on which we differ by intent: pydicom reads them, we refuse, with this reason.
BY_INTENT = {
    "winter.dcm": "malformed",  # SOPInstanceUID twice: which is true?
    "SC_rgb_jpeg.dcm": "malformed",  # implicit VR under a transfer syntax that is explicit
    "MR_truncated.dcm": "truncated",
    "rtplan_truncated.dcm": "truncated",
    "DICOMDIR-nooffset": "truncated",  # ends inside a sequence
    "badVR.dcm": "pixel_size_mismatch",  # NumberOfFrames is no number
    "nested_priv_SQ.dcm": "missing_attribute",  # pixel data without an image pixel module
    "meta_missing_tsyntax.dcm": "missing_attribute",
}


def reference_values(ds):
    values = []
    for path in WANTED.values():
        item = ds
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
        word = WORD.get(vr.split(" ")[0], 1)
        if not raw.is_little_endian and word > 1:
            data = b"".join(data[i:i + word][::-1] for i in range(0, len(data), word))
        values.append(data.hex())
    return values


def reference_pixels(ds):
    array = np.ascontiguousarray(pixel_array(ds, raw=False))
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return [array.dtype.name, array.size, hashlib.sha256(array.tobytes()).hexdigest()]


def problem_with(path, depth, ours):
    """None if both agree, else what differs."""
    try:
        ds = pydicom.dcmread(path)
        values = reference_values(ds)
        pixels = reference_pixels(ds) if depth == "pixels" else None
    except Exception as error:
        return f"read by us, not by pydicom: {type(error).__name__}: {error}" if ours["reason"] == "none" else None
    if ours["reason"] != "none":
        if ours["reason"] in (BY_INTENT.get(pathlib.Path(path).name), "transfer_syntax_unsupported"):
            return None
        return f"read by pydicom, not by us: {ours['reason']} {ours['detail']}"
    if hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest() != ours["file_sha256"]:
        return "digest of the file"
    if pixels:
        if ours["again"] != ours["sha256"]:
            return "the pixels are not those whose digest came with them"
        if [ours["type"], int(np.prod(ours["shape"])), ours["sha256"]] != pixels:
            return f"pixels: {ours['type']} {ours['shape']} against {pixels}"
    for name, mine, theirs in zip(WANTED, ours["values"], values):
        if theirs != "parsed" and mine != theirs:
            return f"{name}: {mine} against {theirs}"
    return None


def package_files():
    import data_store
    roots = [pathlib.Path(pydicom.__file__).parent / "data", pathlib.Path(data_store.__file__).parent]
    return sorted(str(p) for root in roots for p in root.rglob("*") if p.is_file() and p.suffix in (".dcm", ""))


def run(dump, depth, files):
    """How many are equal, and what is wrong."""
    ran = subprocess.run([dump, depth, *WANTED], input="\n".join(files) + "\n", capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"the reader ended with {ran.returncode}: {ran.stderr}")
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    if [line["file"] for line in lines] != files:
        sys.exit("the reader did not answer for every file")
    equal, refused, wrong = 0, {}, []
    for ours in lines:
        name = pathlib.Path(ours["file"]).name
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
    header, header_wrong = run(dump, "header", files)
    pixels, pixels_wrong = run(dump, "pixels", files)
    # That many are known to be there: a comparison of nothing must not pass.
    if folder and pixels == 0 or not folder and (header < 150 or pixels < 100):
        sys.exit("fewer files were read than there must be")
    sys.exit(1 if header_wrong or pixels_wrong else 0)


main()
