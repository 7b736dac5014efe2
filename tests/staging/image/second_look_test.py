#!/usr/bin/env python3
"""A second look by another's eyes: tesseract reads what clean_text lets pass, and must read no name that was drawn.

  tests/staging/image/second_look_test.py build/release/tests/bench/text/bench_text

Names in Latin and Traditional Chinese are drawn into real frames of packages as measure.py draws them. Of those that are not left out
tesseract must read none; of the same frames as they were drawn it must read half, else it sees nothing. With ALOFT_LONG alone; it takes
minutes."""
import difflib, os, pathlib, random, re, subprocess, sys, tempfile, unicodedata, unittest, warnings

if not os.environ.get("ALOFT_LONG"):
    sys.exit(print("only in the long run"))

import numpy as np
import pydicom
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench/text"))
from measure import HAN, LATIN, UMING, draw, found_in, frames

PROGRAM = sys.argv[1]
ROUNDS = 20   # texts a frame
READ = 0.75   # of a name's signs, in order: it was read
CONTROL = 30  # frames as they were drawn


def read(frame):
    """All that tesseract reads in a frame, as it lies and turned."""
    grey = frame.astype(float) if frame.ndim == 2 else frame.astype(float).mean(-1)
    low, high = np.percentile(grey, [0.5, 99.9])
    shown = np.clip((grey - low) / max(high - low, 1e-9) * 255, 0, 255).astype("u1")
    image = Image.fromarray(shown)
    scale = max(1, min(3, 1800 // max(image.size)))
    said = []
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        for turned in (0, 90, 270):
            turn = image.rotate(turned, expand=True)
            turn.resize([side * scale for side in turn.size], Image.LANCZOS).save(file.name)
            done = subprocess.run(["tesseract", file.name, "-", "-l", "eng+chi_tra", "--psm", "11"], capture_output=True, text=True, env={**os.environ, "OMP_THREAD_LIMIT": "1"})
            if done.returncode:
                raise RuntimeError(done.stderr)
            said.append(done.stdout)
    return said


def signs(text):
    return re.sub(r"\W", "", unicodedata.normalize("NFKC", text)).upper()


def was_read(name, said):
    """Most of its signs stand in what was read, in their order, close to each other."""
    name = signs(name)
    for text in map(signs, said):
        for start in range(len(text)):
            window = text[start:start + len(name) + 2]
            same = sum(block.size for block in difflib.SequenceMatcher(None, name, window, autojunk=False).get_matching_blocks())
            if same >= READ * len(name):
                return True
    return False


class SecondLook(unittest.TestCase):
    def test_no_name_that_was_drawn_is_read_in_what_passes(self):
        warnings.simplefilter("ignore")
        pydicom.config.logger.setLevel("CRITICAL")
        dice, drawn = random.Random(11), []
        for kind, frame in frames():
            if min(frame.shape[:2]) < 128 or kind.startswith("photographs"):
                continue
            for _ in range(ROUNDS):
                names = []
                if made := draw(frame, Naming(dice, names), UMING):
                    drawn.append((kind, names[0], made[0]))
        _, after, _ = found_in(PROGRAM, [frame for *_, frame in drawn])
        passed = [(kind, name, frame, cleaned) for (kind, name, frame), cleaned in zip(drawn, after) if cleaned is not None]
        seen = sum(was_read(name, read(frame)) for _, name, frame, _ in passed[:CONTROL])
        left = [(kind, name) for kind, name, _, cleaned in passed if was_read(name, read(cleaned))]
        print(f"{len(drawn)} drawn, {len(passed)} let pass; of {min(CONTROL, len(passed))} as they were drawn {seen} read, of all that pass {len(left)}", flush=True)
        self.assertGreater(len(passed), 15)
        self.assertGreater(seen, 0.5 * min(CONTROL, len(passed)), "it reads nothing")
        self.assertEqual(left, [])


class Naming:
    """Dice that tell which text was chosen."""

    def __init__(self, dice, names):
        self.dice, self.names = dice, names

    def __getattr__(self, name):
        return getattr(self.dice, name)

    def choice(self, of):
        one = self.dice.choice(of)
        if of is HAN or of is LATIN:
            self.names.append(one)
        return one


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=2)
