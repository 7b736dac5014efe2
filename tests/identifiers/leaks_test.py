"""That no identifier leaves: a corpus with one in every place that files have, built with the shipped profiles, and searched for in every
byte that is written or said. Each is also searched for in the deliveries as they are: one that the search cannot see there fails the test.
Run as tests/staging/build/builds.py says."""
import base64, contextlib, datetime, hashlib, json, os, pathlib, re, shutil, subprocess, sys, time, unittest.mock, warnings

sys.path.insert(0, str(pathlib.Path(sys.argv[4]) / "tests/staging/build"))
from builds import FIND, SOURCE, STAGE, Builds, end_of, kill_family, main

import numpy as np
import pydicom
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import corpus
from plants import Plants
from work_folder import taken_apart

sys.path.insert(0, str(SOURCE / "tests/core/shard"))
from second_reader import Version, hkdf, load_key


IS_NAME = re.compile(r".*/(folder|file name|name|member( name)? \d)")  # places that a listing holds


class Leaks(Builds):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        warnings.filterwarnings("ignore", module="pydicom")  # of values that are longer than allowed, or no codes
        cls.plant, cls.versions = Plants(), {}
        cls.begin(*(f"{name}@1" for name in corpus.DATASETS))
        for key in cls.keys.iterdir():  # always the same bytes: nothing is met by chance one day
            key.write_text(f"aloft-key-1 secret {base64.b64encode(hashlib.sha256(key.name.encode()).digest()).decode()}\n")
        steward = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"steward").digest())
        cls.steward, cls.public = cls.keys / "steward.key", cls.keys / "steward.pub"
        for path, kind, raw in ((cls.steward, "private", steward.private_bytes_raw()), (cls.public, "public", steward.public_key().public_bytes_raw())):
            path.write_text(f"aloft-key-1 ed25519-{kind} {base64.b64encode(raw).decode()}\n")
            path.chmod(0o600)
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

    def sealed(self, name, out):
        """Seals a version, and writes its card."""
        self.said(name, "seal", out, "--key", self.steward)
        (self.root / "cards").mkdir(exist_ok=True)
        declared = self.root / "cards" / f"{name}.toml"
        declared.write_text((SOURCE / "configs/cards/digits.toml").read_text().replace('dataset = "digits"', f'dataset = "{name}"'))
        self.said(name, "card", out, "--card", declared, "--steward", self.public, "--out", self.root / "cards" / name)

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
            self.sealed(name, out)
            self.versions[name] = out, summary
        return self.versions[name]

    def killed(self):
        """What builds of `mixed` leave that are killed: while files are read, while ranks exchange what they found, while shards are written;
        beside the version, what they and MPI leave in the folders for temporary files."""
        type(self).hospitals = sorted(path.name for path in (self.root / "deliveries/mixed").iterdir() if path.is_dir())
        (self.root / "killed").mkdir()
        moments = {"reading": lambda out: self.bytes_of(out / ".work") >= 20_000, "exchanging": lambda out: self.bytes_of(out / ".work/shuffle") > 0,
                   "writing": lambda out: self.bytes_of(out / "shards") > 0}
        return [self.killed_while(moment, is_now) for moment, is_now in moments.items()]

    def killed_while(self, moment, is_now):
        for attempt in range(10):
            folder = self.root / "killed" / f"{moment}-{attempt}"
            (folder / "shared").mkdir(parents=True)
            out, places = folder / "out", {"TMPDIR": str(folder), "OMPI_MCA_btl_vader_backing_directory": str(folder / "shared")}
            with unittest.mock.patch.dict(os.environ, places), self.watched_titles():
                run = self.start("mixed", out, 2, deliveries=self.root / "deliveries/mixed", definition=self.made["mixed"].definition, more=["--cut=files_per_batch=1"])
                while run.poll() is None and not is_now(out):
                    time.sleep(0.001)
                kill_family(run.pid)
                end_of(run)
            if (out / ".work").is_dir():
                return folder
            shutil.rmtree(folder)
        self.fail(f"no build was killed while {moment}")

    @staticmethod
    def bytes_of(folder):
        total = 0
        for path in folder.rglob("*"):
            with contextlib.suppress(OSError):
                total += path.stat().st_size
        return total

    def named(self):
        """What `quarantine find` prints of a file for each reason; the places that its name was planted in."""
        out, _ = self.built("mixed")
        records = [json.loads(line) for line in (out / "reports/quarantine.jsonl").read_text().splitlines()]
        (self.root / "found").mkdir()
        places = set()
        for reason, one in {one["reason"]: one for one in records}.items():
            done = subprocess.run([STAGE, "quarantine", "find", out, str(one["number"]), "--delivery", f"{one['site']}={self.root / 'deliveries/mixed' / one['site']}",
                                   "--key", self.keys / "pseudonym.key", "--json"], capture_output=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            (self.root / "found" / reason).write_bytes(done.stdout + done.stderr)
            name = pathlib.Path(json.loads(done.stdout)["file"]).stem.split("-", 1)[1]
            places.add(f"mixed/{name}/file name")
        return places

    def test_none_is_in_what_leaves_and_what_may_stay_is_there(self):
        """Shards, all that lies beside them, seals, cards, what commands say, what a killed run leaves; and the deliveries as a control."""
        command = []
        for name in corpus.DATASETS:
            out, _ = self.built(name)
            command += ["--dataset", out, "--key", self.keys / f"{name}@1.key"]
        names, killed, quality, plain, opened = self.named(), self.killed(), *(self.root / tree for tree in ("quality", "plain", "opened"))
        for folder in (quality, plain, opened):
            folder.mkdir()
        run_key = hkdf(load_key(self.keys / "mixed@1.key"), b"", "aloft stage work folder 1")
        for folder in killed:  # what is sealed is noise to a search: it is proven to be, and all else is searched
            (opened / folder.name).mkdir()
            self.assertGreater(taken_apart(folder, run_key, plain / folder.name, opened / folder.name), 10)
        for name in corpus.DATASETS:  # exact, extremes too: for intake account and stewards
            (self.root / "out" / name / "reports/quality.json").rename(quality / f"{name}.json")
        trees = [self.root / tree for tree in ("found", "logs", "out", "shown", "init", "dry", "cards")]
        for tree in (*trees, quality, plain, opened, self.root / "deliveries"):  # the control last: of what it has, the first of each is told
            command += ["--tree", tree]
        found = self.places("--sealed", self.root / "killed", *command)
        by_tree = {tree: set(places) for tree, places in found["by_tree"].items()}
        missed = set(self.plant.places) - by_tree.pop(str(self.root / "deliveries")) - self.plant.staying
        self.assertEqual(missed - set(found["by_form"]), set(), "the search is blind to these")
        self.assertEqual(by_tree.pop(str(self.root / "found")), names, "what quarantine find prints is the name of its file, and no more")
        self.assertEqual(by_tree.pop(str(quality), set()), {"films/digits/PixelSpacing"}, found["places"])
        self.assertEqual({place for place in by_tree.pop(str(opened)) if not IS_NAME.fullmatch(place)} - self.plant.staying, set(), "sealed in the work folder, and no name of a file")
        self.assertEqual(set(by_tree) & {str(tree) for tree in (*trees, plain, self.root / "killed")}, set(), (by_tree, found["places"]))
        self.assertEqual(set().union(*by_tree.values()), self.plant.staying, found)  # of the versions, decrypted

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
                for pixels, mask in zip(made.kept, made.masks):
                    self.assertEqual(found[pixels.tobytes()]["mask"].tobytes(), mask.tobytes())

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

        kept = set()
        for dataset in ("films", "echo"):
            for name, (file, share) in self.made[dataset].drawn.items():
                raw = pydicom.dcmread(self.root / "deliveries" / dataset / file).pixel_array.reshape(-1, *share.shape)
                self.assertGreater(max(shows(frame.astype(float), share) for frame in raw), 0.6, name)
                kept |= {name for one in self.samples(dataset) if one["image"].shape[-2:] == share.shape
                         for frame in one["image"].reshape(-1, *share.shape) if shows(frame, share) > 0.3}
        self.assertEqual(kept, {"faint"})


if __name__ == "__main__":
    main()
