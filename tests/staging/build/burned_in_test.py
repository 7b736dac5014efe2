"""Names that are drawn into pixels: what is on the background is blanked, what is over the anatomy is left out, what is clean stays
as it is. Run as builds.py says."""
import json, sys

import numpy as np
import pydicom
from PIL import Image, ImageDraw, ImageFont

from builds import SOURCE, Builds, main

sys.path.insert(0, str(SOURCE / "tests/core/shard"))
from second_reader import Version

SIZE = 160


class BurnedIn(Builds):
    hospitals = ("north",)

    @classmethod
    def setUpClass(cls):
        cls.begin("nodules@1")
        cls.definition = cls.single_images("films.toml")

    def film(self, folder, number, name="", at=(6, 6), ink=1500, seed=None):
        """A body on air, no two alike unless `seed` is; `name` drawn in one ink, with soft edges. Air is even where a seed is given."""
        self.series(folder, number, number, [0])
        path = next(folder.glob(f"*-{number}.dcm"))
        ds = pydicom.dcmread(path)
        random, (y, x) = np.random.default_rng(seed or number), np.mgrid[:SIZE, :SIZE] - SIZE / 2
        is_body = y * y + x * x < (SIZE / 4) ** 2
        pixels = np.where(is_body, 900.0, 24.0) + random.normal(0, 4, (SIZE, SIZE)) * (is_body if seed else 1)
        clean = np.clip(np.rint(pixels), 0, 4095).astype("<u2")
        mask = Image.new("L", (SIZE, SIZE))
        ImageDraw.Draw(mask).text(at, name, fill=255, font=ImageFont.load_default(14))
        share = np.asarray(mask) / 255
        drawn = np.rint(clean * (1 - share) + ink * share).astype("<u2")
        ds.Rows = ds.Columns = SIZE
        ds.PixelData = drawn.tobytes()
        ds.save_as(path, enforce_file_format=True)
        return clean.astype(np.int32) - 1024, share > 0

    def samples(self, out):
        return [one["image"][0] for one in Version(out, self.keys / "nodules@1.key").samples()]

    def test_names_on_films_do_not_reach_a_shard(self):
        folder, out = self.root / "films/north", self.root / "films/version"
        clean, _ = self.film(folder, 1)
        beside, share = self.film(folder, 2, "WANG MEI-LING")
        self.film(folder, 3, "WANG MEI", at=(50, 72))
        summary = self.build("nodules", out, 2, deliveries=folder.parent, definition=self.definition)
        self.assertEqual((summary["samples"], summary["quarantine"]), (2, {"risk_burned_in_text": 1}))
        records = [json.loads(line) for line in (out / "reports/quarantine.jsonl").read_text().splitlines()]
        self.assertEqual([one["detail"] for one in records], ["over the anatomy"])
        found = self.samples(out)
        kept = [one for one in found if np.array_equal(one, clean)]
        self.assertEqual(len(kept), 1)
        blanked = next(one for one in found if one is not kept[0])
        self.assertEqual(len(np.unique(blanked[share])), 1)
        changed = np.argwhere(blanked != beside)
        self.assertTrue((changed[:, 0] < 30).all(), "only around the name")
        self.assertTrue(np.array_equal(blanked[40:], beside[40:]))
        report = json.loads((out / "reports/quality.json").read_text())
        self.assertEqual(report["text blanked in pixels"]["north"]["frames"], 1)
        manifest = json.loads((out / "manifest.json").read_text())
        self.assertEqual(manifest["deidentification"]["text_in_pixels"], "blank")
        self.assertNotIn("text_in_masks", manifest["deidentification"])

        # The same bytes from one rank; and with a profile that wants none of it.
        self.build("nodules", self.root / "films/again", 1, deliveries=folder.parent, definition=self.definition)
        self.assertEqual(sorted(one.tobytes() for one in found), sorted(one.tobytes() for one in self.samples(self.root / "films/again")))
        profile = self.root / "configs/deid/ct-volumes.toml"
        text = profile.read_text()
        for word, samples in (("quarantine", 1), ("allow", 3)):
            profile.write_text(text.replace('text = "blank"', f'text = "{word}"'))
            summary = self.build("nodules", self.root / f"films/{word}", 2, deliveries=folder.parent, definition=self.definition)
            self.assertEqual(summary["samples"], samples)
        profile.write_text(text.replace('text = "blank"', 'text = "some"'))
        self.failed(2, "text", "nodules", self.root / "films/some", 1, deliveries=folder.parent, definition=self.definition)

    def test_films_that_differ_in_their_names_alone_are_one(self):
        folder = self.root / "alike/north"
        self.film(folder, 11, "WANG MEI-LING", seed=5)
        self.film(folder, 12, "CHEN YU-TING", seed=5)
        self.film(folder, 13, "LIN WAN-CHEN", seed=6)
        summary = self.build("nodules", self.root / "alike/version", 1, deliveries=folder.parent, definition=self.definition)
        self.assertEqual(summary["samples"], 3)
        self.assertEqual(len({one.tobytes() for one in self.samples(self.root / "alike/version")}), 2)
        report = json.loads((self.root / "alike/version/reports/quality.json").read_text())
        self.assertEqual(report["risk"]["content_of_several_patients"], {"contents": 1, "samples": 2})


BurnedIn.find = sys.argv[2]

if __name__ == "__main__":
    main()
