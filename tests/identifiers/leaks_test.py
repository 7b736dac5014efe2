"""That no identifier leaves: a corpus with one in every place that files have, built with the shipped profiles, and searched for in every
byte that is written or said. Each is also searched for in the deliveries as they are: one that the search cannot see there fails the test.
Run as tests/staging/build/builds.py says."""
import base64, datetime, hashlib, json, pathlib, shutil, subprocess, sys, warnings

sys.path.insert(0, str(pathlib.Path(sys.argv[4]) / "tests/staging/build"))
from builds import FIND, SOURCE, STAGE, Builds, main

import numpy as np
import pydicom

import corpus
from plants import Plants

sys.path.insert(0, str(SOURCE / "tests/core/shard"))
from second_reader import Version


class Leaks(Builds):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        warnings.filterwarnings("ignore", module="pydicom")  # of values that are longer than allowed, or no codes
        cls.plant, cls.versions = Plants(), {}
        cls.begin(*(f"{name}@1" for name in corpus.DATASETS))
        for key in cls.keys.iterdir():  # always the same bytes: nothing is met by chance one day
            key.write_text(f"aloft-key-1 secret {base64.b64encode(hashlib.sha256(key.name.encode()).digest()).decode()}\n")
        shutil.copytree(SOURCE / "configs", cls.root / "configs")
        cls.made = {name: make(cls.plant, cls.root / "deliveries" / name, cls.root / "configs") for name, make in corpus.DATASETS.items()}
        (cls.root / "plants.json").write_text(json.dumps({"identifiers": cls.plant.identifiers}))

    def places(self, *command):
        """Where identifiers were found, by the places they were planted in."""
        done = subprocess.run([FIND, "--every-form", "--planted", self.root / "plants.json", *command], capture_output=True, text=True)
        self.assertIn(done.returncode, (0, 3), done.stderr)
        return json.loads(done.stdout)

    def said(self, name, *command):
        """Runs a command, and writes down what it says."""
        done = subprocess.run([STAGE, *command], capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        (self.logs / f"{name}-{command[0]}-{len(command)}").write_bytes(done.stdout + done.stderr)

    def built(self, name):
        """The version of a dataset and what its build said. Other commands are run on it, too, and all that is said is written down."""
        if name not in self.versions:
            made, out = self.made[name], self.root / "out" / name
            type(self).hospitals = sorted(path.name for path in (self.root / "deliveries" / name).iterdir() if path.is_dir())
            with self.watched_titles():
                summary = self.build(name, out, 2 if name == "mixed" else 1, deliveries=self.root / "deliveries" / name, definition=made.definition, more=made.more)
                if name == "mixed":  # it has every reason; the other commands speak of no more
                    self.build(name, self.root / "dry", 1, deliveries=self.root / "deliveries" / name, definition=made.definition, more=["--dry-run"])
                    self.said(name, "verify", out, "--key", self.keys / f"{name}@1.key")
                    self.said(name, "inspect", out)
                    self.said(name, "report", out)
                    self.said(name, "quarantine", "list", out)
                    self.said(name, "report", out, "--out", self.root / "shown")
                    self.said(name, "init", f"north={self.root / 'deliveries/mixed/north'}", "--out", self.root / "init")
            self.versions[name] = out, summary
        return self.versions[name]

    def test_each_plant_is_found_in_the_deliveries(self):
        found = self.places("--tree", self.root / "deliveries")
        self.assertEqual(sorted(set(self.plant.places) - set(found["by_form"])), [], "the search is blind to these")

    def test_none_is_in_what_leaves_and_what_may_stay_is_there(self):
        command = ["--tree", self.logs]
        for name in corpus.DATASETS:
            out, _ = self.built(name)
            command += ["--dataset", out, "--key", self.keys / f"{name}@1.key"]
        for tree in ("out", "shown", "init", "dry"):
            command += ["--tree", self.root / tree]
        found = self.places(*command)
        self.assertEqual(sorted(set(found["by_form"])), sorted(self.plant.staying), found)

    def samples(self, name):
        return list(Version(self.built(name)[0], self.keys / f"{name}@1.key").samples())

    def test_what_may_stay_is_kept_and_what_is_left_out_has_its_reason(self):
        for name, made in self.made.items():
            with self.subTest(name):
                out, summary = self.built(name)
                records = [json.loads(line) for line in (out / "reports/quarantine.jsonl").read_text().splitlines()]
                self.assertEqual(summary["quarantine"], made.left_out, [(one["reason"], one.get("detail")) for one in records])
                found = {one[made.field].tobytes(): one for one in self.samples(name)}
                self.assertEqual([i for i, pixels in enumerate(made.kept) if pixels.tobytes() not in found], [], "pixels of these are not there")
                for pixels in made.kept:
                    one = found[pixels.tobytes()]
                    self.assertEqual({column: one[column] for column in made.told}, made.told)

    def test_an_interval_between_two_visits_stays_and_their_dates_do_not(self):
        days = {}
        for one in self.samples("mixed"):
            days.setdefault(one["patient"], []).append(one["exam_day"])
        first, again = sorted(next(of for of in days.values() if len(of) == 2))
        self.assertEqual(again - first, 7)
        self.assertLess(first, (datetime.date(2024, 6, 1) - datetime.date(1970, 1, 1)).days)

    def test_a_name_that_is_drawn_is_in_no_pixels_unless_nobody_can_see_it(self):
        def shows(pixels, share):  # how alike they are, where the name stands
            box = tuple(slice(axis.min(), axis.max() + 1) for axis in np.nonzero(share))
            here, there = pixels[box] - pixels[box].mean(), share[box] - share[box].mean()
            return abs((here * there).sum()) / (np.linalg.norm(here) * np.linalg.norm(there) + 1e-9)

        drawn = self.made["films"].drawn
        for number, (name, share) in enumerate(drawn.items()):
            raw = pydicom.dcmread(self.root / f"deliveries/films/north/{number}.dcm").pixel_array
            self.assertGreater(shows(raw.astype(float), share), 0.6, name)
        kept = {name for name, share in drawn.items() for one in self.samples("films")
                if one["image"].shape[-2:] == share.shape and shows(one["image"].reshape(share.shape), share) > 0.3}
        self.assertEqual(kept, {"faint"})


if __name__ == "__main__":
    main()
