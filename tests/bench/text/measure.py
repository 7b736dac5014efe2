#!/usr/bin/env python3
"""Text in pixels: how much of what is drawn is found, and in how many clean frames something is.

  tests/bench/text/measure.py build/release/tests/bench/text/bench_text [--rounds N] [--json FILE]

Run with the Python of configs/install-deps --path data. Frames: pydicom's and pydicom-data's files and, below $ALOFT_TEST_DATA if it is
there, dcm_qa_nih and bccd; those in which text is already seen are left out by name. Text: names, numbers and dates in
DejaVu and, if fonts-arphic-uming is installed, Traditional Chinese; along rows and columns, with hard and soft edges, of several
inks. It is drawn only where a person can read it: its ink differs from what it lies on by four of its standard deviations
and a quarter of the frame's range. Found: 85 % of its box or more. Then clean_text blanks:
how many clean frames it changed, how many of the others it left out, and in how many more than a tenth of the ink is as it was. Prints a table, and writes JSON.
"""
import argparse, collections, hashlib, json, os, pathlib, random, subprocess, tempfile, warnings

import data_store
import numpy as np
import pydicom
from PIL import Image, ImageDraw, ImageFont
from pydicom.pixels import pixel_array

DEJAVU = [f"/usr/share/fonts/truetype/dejavu/{name}.ttf" for name in ("DejaVuSans", "DejaVuSansMono", "DejaVuSerif", "DejaVuSans-Bold")]
UMING = "/usr/share/fonts/truetype/arphic/uming.ttc"
LATIN = ["Smith John", "WANG MEI-LING", "1962-03-14", "ID 00718253", "A123456789", "CHEN Y.", "Dr. O'Neill", "Lin 045Y F", "MRN:55310"]
HAN = ["王美玲", "陳志明", "林淑芬女", "張雅婷045歲", "台北榮民總醫院", "李國華", "歐陽建國"]
# Text, or test patterns with it.
SHOW_TEXT = ("GDCMJ2K_TextGBR", "mlut_18", "vlut_04", "US1", "examples_jpeg2k", "examples_palette", "examples_rgb_color", "examples_ybr_color",
             "OBXXXX1A", "JPGLosslessP14SV1", "color3d", "gdcm-US", "ExplVR_BigEnd", "color-pl")
SMALL = 128  # pixels: text of a readable size is as large as what such frames show


def frames():
    seen = set()
    folders = [pathlib.Path(pydicom.__file__).parent / "data", pathlib.Path(data_store.__file__).parent]
    data = pathlib.Path(os.environ.get("ALOFT_TEST_DATA", "/nonexistent"))
    for folder in (*folders, data / "dcm_qa_nih"):
        for path in sorted(folder.rglob("*")) if folder.exists() else ():
            if not path.is_file() or path.name.startswith(SHOW_TEXT):
                continue
            try:
                header = pydicom.dcmread(path)
                pixels = pixel_array(header)
            except Exception:  # no image, or one that pydicom does not read
                continue
            pixels = pixels.reshape((-1, header.Rows, header.Columns) + ((3,) if header.SamplesPerPixel == 3 else ()))
            for frame in pixels[:: max(1, len(pixels) // 6)]:
                frame = np.ascontiguousarray(frame, frame.dtype.newbyteorder("="))
                digest = hashlib.sha256(frame.tobytes()).digest()
                if min(frame.shape[:2]) >= 48 and digest not in seen:
                    seen.add(digest)
                    kind = str(header.get("Modality") or "none")
                    yield kind + (f" below {SMALL} px" if min(frame.shape[:2]) < SMALL else ""), frame
    for path in sorted((data / "bccd").rglob("*.jpg"))[::4]:
        yield "photographs (bccd)", np.asarray(Image.open(path).convert("RGB"))


def draw(frame, dice, han_font):
    """Text on a copy, and its box; None where none can be read."""
    rows, columns = frame.shape[:2]
    han = han_font is not None and dice.random() < 0.45
    text, font = dice.choice(HAN if han else LATIN), han_font if han else dice.choice(DEJAVU)
    size = dice.choice([14, 16, 20, 24, 32, 40] if han else [10, 12, 14, 16, 20, 24, 32, 40])
    font, down = ImageFont.truetype(font, size), dice.random() < 0.25
    turned = down and not han  # Han is written downwards, Latin is turned
    mask = Image.new("L", (rows, columns) if turned else (columns, rows))
    pen = ImageDraw.Draw(mask)
    pen.fontmode = dice.choice("1LL")
    glyphs = [(0, round(i * size * 1.1), one) for i, one in enumerate(text)] if down and han else [(0, 0, text)]
    boxes = [pen.textbbox((x, y), one, font=font) for x, y, one in glyphs]
    room = mask.width - max(b[2] for b in boxes) - 4, mask.height - max(b[3] for b in boxes) - 4
    if min(room) < 0:
        return None
    left, top = dice.randint(2, 2 + room[0]), dice.randint(2, 2 + room[1])
    for x, y, one in glyphs:
        pen.text((left + x, top + y), one, fill=255, font=font)
    if turned:
        mask = mask.transpose(dice.choice((Image.ROTATE_90, Image.ROTATE_270)))
    share = np.asarray(mask) / 255
    ink = share > 0.5
    ys, xs = np.nonzero(share > 0.3)
    box = ys.min(), xs.min(), ys.max() + 1, xs.max() + 1
    real = frame.astype(float)
    grey = real if real.ndim == 2 else real.mean(-1)
    low, high = np.percentile(grey, [0.5, 99.5])
    below = grey[max(0, box[0] - 2):box[2] + 2, max(0, box[1] - 2):box[3] + 2]
    least = max(4 * below.std(), (high - low) / 4, 8)
    inks = [v for v in (low, *(low + np.array([0.25, 0.5, 0.75]) * (high - low)), high, high + 0.2 * (high - low))
            if abs(v - np.median(below)) >= least and (frame.dtype != np.uint8 or 0 <= v <= 255)]
    if not inks:
        return None
    share = share if real.ndim == 2 else share[..., None]
    out = real * (1 - share) + dice.choice(inks) * share
    if frame.dtype.kind in "iu":
        out = np.clip(np.rint(out), np.iinfo(frame.dtype).min, np.iinfo(frame.dtype).max)
    return out.astype(frame.dtype), box, ink


def found_in(program, all_frames):
    """Of each frame the boxes, and what it is after clean_text (None: left out); processor seconds for 512 x 512 pixels."""
    sent = b"".join(f"{f.shape[0]} {f.shape[1]} {1 if f.ndim == 2 else 3} {f.dtype.name}\n".encode() + f.tobytes() for f in all_frames)
    boxes, cleaned = [], []
    with tempfile.NamedTemporaryFile() as blanked:
        *lines, last = subprocess.run([program, blanked.name], input=sent, capture_output=True, check=True).stdout.decode().split("\n")[:-1]
        for line, frame in zip(lines, all_frames):
            found, verdict = line.split("|")
            boxes.append(np.array(found.split(), int).reshape(-1, 4))
            cleaned.append({"out": lambda: None, "clean": lambda: frame,
                            "blanked": lambda: np.frombuffer(blanked.read(frame.nbytes), frame.dtype).reshape(frame.shape)}[verdict.strip()]())
    seconds, pixels = map(float, last.split())
    return boxes, cleaned, seconds / pixels * 512 * 512


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("program")
    options.add_argument("--rounds", type=int, default=4, help="texts a frame (of modalities with many frames fewer)")
    options.add_argument("--json", default="build/bench/text.json")
    options.add_argument("--han", default=UMING, metavar="FONT", help="of fonts-arphic-uming; no Chinese where it is not there")
    asked = options.parse_args()
    warnings.simplefilter("ignore")
    pydicom.config.logger.setLevel("CRITICAL")
    han_font = asked.han if os.path.exists(asked.han) else None
    clean, dice = list(frames()), random.Random(11)
    boxes, after, seconds = found_in(asked.program, [frame for _, frame in clean])
    rows = collections.defaultdict(lambda: collections.Counter({"clean": 0, "false alarms": 0, "blanked": 0, "planted": 0, "found": 0, "out": 0, "readable": 0}))
    for (kind, frame), found, cleaned in zip(clean, boxes, after):
        rows[kind]["clean"] += 1
        rows[kind]["false alarms"] += len(found) > 0
        rows[kind]["blanked"] += cleaned is not None and not np.array_equal(cleaned, frame, equal_nan=frame.dtype.kind == "f")
    planted = []
    for kind, frame in clean:
        for _ in range(min(asked.rounds, max(1, asked.rounds * 60 // rows[kind]["clean"]))):
            if drawn := draw(frame, dice, han_font):
                planted.append((kind, *drawn))
    boxes, after, with_text = found_in(asked.program, [frame for _, frame, *_ in planted])
    for (kind, frame, box, inked), found, cleaned in zip(planted, boxes, after):
        covered = np.zeros(frame.shape[:2], bool)
        for top, left, bottom, right in found:
            covered[top:bottom, left:right] = True
        rows[kind]["planted"] += 1
        rows[kind]["found"] += bool(covered[box[0]:box[2], box[1]:box[3]].mean() >= 0.85)
        rows[kind]["out"] += cleaned is None
        rows[kind]["readable"] += bool(cleaned is not None and (cleaned == frame).reshape(frame.shape[:2] + (-1,)).all(-1)[inked].mean() > 0.1)
    print("| frames | clean | false alarms | of them blanked | planted | found | left out | readable after |\n|---|---|---|---|---|---|---|---|")
    for kind, row in sorted(rows.items()):
        print(f"| {kind} | {row['clean']} | {row['false alarms']} | {row['blanked']} | {row['planted']} | {row['found']} | {row['out']} | {row['readable']} |")
    print(f"\n{1 / seconds:.0f} clean frames of 512 x 512 a second and core, {1 / with_text:.0f} with text; Chinese: {'yes' if han_font else 'no'}")
    pathlib.Path(asked.json).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(asked.json).write_text(json.dumps({"frames": rows, "per_second": {"clean": 1 / seconds, "with text": 1 / with_text},
                                                    "chinese": han_font is not None}, indent=1) + "\n")


if __name__ == "__main__":
    main()
