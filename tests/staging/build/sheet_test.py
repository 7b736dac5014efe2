"""`aloft-stage report --contact-sheet`: which images it shows, that they are what a reader of the shards finds, by whatever ranks, and what it
refuses. Which and what is computed here anew. Run as builds.py says."""
import base64, hashlib, html, io, json, re, shutil, subprocess, sys

import numpy as np
from PIL import Image

from builds import MPIEXEC, SOURCE, STAGE, Builds, main

sys.path.insert(0, str(SOURCE / "tests/core/shard"))
from second_reader import Version

VOLUMES = """
name = "ct"
version = "1"
profile = "../deid/imaging.toml"
samples = "volume"
columns = ["site", "vendor", "sex", "age"]
[[fields]]
name = "image"
shape = []
dtype = "i16"
units = "Hounsfield units"
[splits]
train = 1.0
[shards]
target_bytes = 32768
"""


def weights(shown, count):
    """How much of each of `count` places lies in each of `shown`, in whole numbers."""
    ends = np.arange(count + 1) * shown
    return np.array([np.clip(np.minimum(ends[1:], (i + 1) * count) - np.maximum(ends[:-1], i * count), 0, None) for i in range(shown)], float)


def drawn(array):
    """A sample's picture, as README says: rows, columns, channels."""
    if array.ndim == 4:
        array = array[:, array.shape[1] // 2]
    array = array if len(array) == 3 else array[:1]
    low, high = 0.0, 255.0
    if len(array) == 1 or array.dtype != np.uint8:
        values = np.sort(array.ravel())
        last = len(values) - 1
        low, high = float(values[last // 100]), float(values[-(-99 * last // 100)])
    rows, columns = array.shape[1:]
    longest = max(rows, columns)
    height, width = (side if longest <= 160 else max(1, int(side * 160 / longest + 0.5)) for side in (rows, columns))
    means = [weights(height, rows) @ np.clip(one.astype(float), low, high) @ weights(width, columns).T / (rows * columns) for one in array]
    return np.floor(np.clip((np.stack(means, -1) - low) / (high - low), 0, 1) * 255 + 0.5).astype(np.uint8)


def places(version, key, fewest=10, most=6, seed=1):
    """What a sheet is to show: for each site and vendor, in the order of their categories, the shard, the place in it and the sample of each."""
    read, strata = Version(version, key), {}
    for shard in range(len(read.shards)):
        for place, sample in enumerate(read.shard(shard).samples()):
            order = hashlib.sha256("\0".join(["aloft contact sheet", str(seed), str(shard), str(place)]).encode()).digest()
            patients = strata.setdefault(tuple(sample.get(name) for name in ("site", "vendor")), {})
            mine = order, shard, place, sample
            patients[sample["patient"]] = min(patients.get(sample["patient"], mine), mine, key=lambda one: one[0])
    names = {column["name"]: ["", *column.get("names", [])] for column in read.columns}
    by_category = lambda stratum: [names[name].index(value or "") if name in names else 0 for name, value in zip(("site", "vendor"), stratum)]
    shown, out = set(), {}
    for stratum in sorted(strata, key=by_category):
        patients = strata[stratum]
        out[stratum] = None if len(patients) < fewest else []
        for patient in sorted(patients, key=lambda one: patients[one][0])[:max(fewest, most)] if len(patients) >= fewest else ():
            if patient not in shown and len(out[stratum]) < most:
                shown.add(patient)
                out[stratum].append(patients[patient][1:])
    return out


def on_page(text):
    """The same of a page: place, shape and picture of each, or None."""
    out = {}
    for part in text.split("<h2>")[1:]:
        site, vendor = html.unescape(part[:part.index("</h2>")]).split(", ", 1)
        figures = re.findall(r'<img width="(\d+)" height="(\d+)" alt="" src="data:image/png;base64,([^"]+)"><figcaption>shard-(\d+)\.h5, sample (\d+)<br>([^<]+)<', part)
        found = []
        for width, height, png, shard, place, shape in figures:
            picture = np.array(Image.open(io.BytesIO(base64.b64decode(png))))
            assert picture.shape[:2] == (int(height), int(width))
            found.append((int(shard), int(place), tuple(map(int, shape.split(" x "))), picture.reshape(*picture.shape[:2], -1)))
        assert part.count("<img") == len(found)
        out[site, None if vendor == "(no vendor)" else vendor] = None if "too few: not" in part else found
    return out


class Sheet(Builds):
    @classmethod
    def setUpClass(cls):
        cls.begin("digits@1", "wdbc@1", "skin@1", "ct@1")
        shutil.copytree(SOURCE / "configs", cls.root / "configs")
        (cls.root / "configs/datasets/ct.toml").write_text(VOLUMES)
        profile = cls.root / "configs/deid/imaging.toml"
        assert profile.read_text().count("\nk = 5\n") == 1
        profile.write_text(profile.read_text().replace("\nk = 5\n", "\nk = 12\n"))
        subprocess.run([sys.executable, SOURCE / "jobs/demo.d/deliveries.py", cls.root, "--quick"], check=True, stdout=subprocess.DEVNULL)
        cls.deliveries, cls.versions, cls.seconds = cls.root / "deliveries", {}, {}

    def sheet(self, version, ranks=0, *more, code=0, page=None):
        """The page that `ranks` write, 0: without mpirun; what --json says; the log."""
        page = page or self.root / f"page-{len(list(self.root.glob('page-*')))}.html"
        name = f"{version.parent.name if version.name == '1' else version.name}".split("-")[0]
        ranked = [MPIEXEC, "--allow-run-as-root", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1", "--mca", "btl", "self,vader,tcp", "-n", str(ranks)]
        command = [*ranked * (ranks > 0), STAGE, "report", version, "--contact-sheet", page, "--key", self.keys / f"{name}@1.key", "--json", *more]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600)
        self.assertEqual(done.returncode, code, done.stderr[-3000:])
        return page, json.loads(done.stdout), done.stderr

    def shows(self, version, key, page, told, **asked):
        """That the page shows what it is to show, and that --json says so."""
        expected, found = places(version, key, **asked), on_page(page.read_text())
        self.assertEqual(list(found), list(expected))
        for stratum, samples in expected.items():
            if samples is None:
                self.assertIsNone(found[stratum], stratum)
                continue
            self.assertEqual([one[:2] for one in found[stratum]], [one[:2] for one in samples], stratum)
            for (*_, shape, picture), (*_, sample) in zip(found[stratum], samples):
                self.assertEqual(shape, sample["image"].shape)
                self.assertTrue(np.array_equal(picture, drawn(sample["image"])), (stratum, shape))
        self.assertEqual([(one["site"], one["vendor"] or None, one["images"], one["too_few_patients"]) for one in told["strata"]],
                         [(*stratum, len(samples or ()), samples is None) for stratum, samples in expected.items()])
        self.assertEqual((told["images"], told["contact_sheet"]), (sum(len(one or ()) for one in expected.values()), str(page)))
        heard = self.root / f"heard-{page.stem}"
        heard.mkdir()
        (heard / "0").write_text("0\nreport --contact-sheet\n")
        (heard / "0.out").write_text(json.dumps(told))
        judged = subprocess.run(["/usr/bin/python3", SOURCE / "tests/support/check_json.py", "aloft-stage", heard], capture_output=True, text=True)
        self.assertEqual(judged.returncode, 0, judged.stderr)
        return found

    def volumes(self):
        """Twelve patients of one vendor at north and three of another; eleven at south, with two series each. k is 12."""
        out = self.root / "ct"
        if not out.exists():
            series = 0
            for site, vendor, patients, times in (("north", "SIEMENS", range(12), 1), ("north", "GE MEDICAL SYSTEMS", range(20, 23), 1), ("south", "SIEMENS", range(40, 51), 2)):
                for patient in patients:
                    for _ in range(times):
                        series += 1
                        self.series(self.root / f"volumes/{site}/{series}", patient, series, [2 * z + series for z in range(3 + series % 3)], rows=(333, 40)[series % 2], Manufacturer=vendor)
            for site in ("central", "east"):
                (self.root / "volumes" / site).mkdir()
            self.build("ct", out, 2, deliveries=self.root / "volumes", definition=self.root / "configs/datasets/ct.toml")
        return out

    def pictures(self):
        """Pictures with masks, of twelve patients at north and of nine at south: colours, greys, large ones. k is 5."""
        out = self.root / "skin"
        if not out.exists():
            root = self.root / "pictures"
            (root / "described").mkdir(parents=True)
            for site in self.hospitals:
                (root / site).mkdir()
                (root / f"described/{site}.toml").write_text(f'name = "{site}"\npath = "{{patient}}/{{scan}}.*"\n[[declared]]\nis = "defaced"\n')
            for number in range(21):
                folder = root / ("north" if number < 12 else "south") / f"P{number}"
                folder.mkdir()
                rows, columns = (100, 64) if number % 2 else (210 + number, 400)
                ramp = np.add.outer(np.arange(rows), np.arange(columns) * 2) / 12 + number
                picture = np.full((rows, columns, 3), (0x12, 0xab, 0x30 + number)) if number % 2 else ramp
                Image.fromarray(picture.astype(np.uint8)).save(folder / "a.png")
                Image.fromarray(np.tile(np.uint8([0, 255]), (rows, columns // 2))).save(folder / "a_mask.png")
            self.build("skin", out, 2, deliveries=root, definition=self.root / "configs/datasets/skin.toml", more=["--deliveries", str(root / "described")])
        return out

    def test_the_page_is_the_same_by_any_ranks_and_shows_what_a_reader_finds(self):
        version, key = self.version("digits"), self.keys / "digits@1.key"
        page, told, _ = self.sheet(version)
        found = self.shows(version, key, page, told)
        self.assertTrue(any(found.values()))
        for ranks in (1, 2, 4):
            self.assertEqual(self.sheet(version, ranks)[0].read_bytes(), page.read_bytes(), ranks)
        self.assertEqual(page.stat().st_mode & 0o777, 0o600)
        self.assertIn("holds images of patients: it stays inside", page.read_text().splitlines()[0])
        # Others by another number, and more of them.
        other, told, _ = self.sheet(version, 2, "--seed", "7", "--per-stratum", "13")
        self.shows(version, key, other, told, seed=7, most=13)
        # Nothing that a hospital's files say stands in it.
        folder = self.root / "searched"
        folder.mkdir()
        shutil.copy(page, folder)
        self.assertEqual(self.search(folder)[0], 0)

    def test_a_volume_is_shown_by_its_middle_slice(self):
        version = self.volumes()
        page, told, _ = self.sheet(version, 2, "--per-stratum", "12")
        found = self.shows(version, self.keys / "ct@1.key", page, told, fewest=12, most=12)
        self.assertEqual({stratum: one and len(one) for stratum, one in found.items()}, {("north", "ge"): None, ("north", "siemens"): 12, ("south", "siemens"): None})
        self.assertEqual({shape[2:] for *_, shape, _ in found["north", "siemens"]}, {(333, 6), (40, 6)})
        self.assertEqual(self.sheet(version, 4, "--per-stratum", "12")[0].read_bytes(), page.read_bytes())

    def test_masks_are_not_shown_and_colours_are_those_that_a_browser_shows(self):
        version = self.pictures()
        page, told, _ = self.sheet(version, 0, "--per-stratum", "12")
        found = self.shows(version, self.keys / "skin@1.key", page, told, most=12)
        self.assertEqual({stratum: one and len(one) for stratum, one in found.items()}, {("north", None): 12, ("south", None): None})
        colours = [tuple(map(int, picture[0, 0])) for *_, shape, picture in found["north", None] if shape[0] == 3]
        self.assertEqual(len(colours), 6)
        done = subprocess.run(["chromium-headless-shell", "--no-sandbox", "--disable-gpu", f"--user-data-dir={self.root / 'browser'}", f"--screenshot={self.root / 'seen.png'}",
                               "--window-size=1300,1500", f"file://{page}"], capture_output=True, text=True, timeout=600)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        seen = dict((colour, count) for count, colour in Image.open(self.root / "seen.png").convert("RGB").getcolors(1 << 24))
        for colour in colours:
            self.assertEqual(seen.get(colour), 100 * 64, colour)

    def test_a_table_has_no_images(self):
        version = self.version("wdbc")
        page, told, _ = self.sheet(version, 2)
        samples = json.loads((version / "manifest.json").read_text())["samples"]
        self.assertEqual((told["images"], told["not_images"], told["strata"]), (0, samples, []))
        self.assertIn(f"{samples} samples are no images", page.read_text())
        self.assertNotIn("<img", page.read_text())

    def test_a_damaged_sample_is_named_and_one_that_is_not_shown_is_not_read(self):
        whole = self.version("digits")
        read = Version(whole, self.keys / "digits@1.key")
        shown = [one[:2] for samples in places(whole, self.keys / "digits@1.key").values() for one in samples or ()]
        shard, place = shown[0]
        elsewhere = next(i for i in range(read.shards[shard]["samples"]) if (shard, i) not in shown)
        for sample, ranks, code in ((place, 0, 3), (place, 2, 3), (elsewhere, 2, 0)):
            version = self.root / f"digits-{sample}-{ranks}"
            shutil.copytree(whole, version)
            file = version / "shards" / read.shards[shard]["file"]
            data = bytearray(file.read_bytes())
            line = read.shards[shard]["index"]["offset"] + 24 * (len(read.columns) + sample)
            data[int.from_bytes(data[line:line + 8], "little") + 100] ^= 1
            file.write_bytes(data)
            page, told, errors = self.sheet(version, ranks, code=code)
            self.assertEqual(page.exists(), code == 0)
            if code:
                self.assertIn(file.name, told["error"]["text"])
                self.assertIn(f"sample {sample}:", told["error"]["text"])

    def test_what_it_refuses(self):
        version, key = self.version("digits"), self.keys / "digits@1.key"
        asked = ("report", version, "--contact-sheet")
        there, link, new = self.root / "there.html", self.root / "link.html", self.root / "new.html"
        there.write_text("kept")
        link.symlink_to(self.root / "nowhere.html")
        for page in (there, link):
            self.refused(2, "is there already", *asked, page, "--key", key)
        (self.root / "door").symlink_to(version / "reports")
        for page in (version / "sheet.html", version / "reports/sheet.html", self.root / "door/sheet.html"):
            self.refused(2, "lies in the folder of a version", *asked, page, "--key", key)
        self.refused(5, "key", *asked, new, "--key", self.keys / "wdbc@1.key")
        self.refused(4, "no: is no folder", *asked, self.root / "no/new.html", "--key", key)
        for text, *command in (("--contact-sheet requires --key", *asked, new), ("--key requires --contact-sheet", "report", version, "--key", key),
                               ("excludes", *asked, new, "--key", key, "--out", self.root / "out"), ("excludes", *asked, new, "--key", key, "--limits", there),
                               ("--per-stratum", *asked, new, "--key", key, "--per-stratum", "0"), ("--seed", *asked, new, "--key", key, "--seed", "-1")):
            done = subprocess.run([STAGE, *map(str, command)], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
            self.assertIn(text, done.stderr)
        _, told, _ = self.sheet(version, 2, code=2, page=there)
        self.assertIn("is there already", told["error"]["text"])
        self.assertEqual(there.read_text(), "kept")
        self.assertEqual([one.name for one in self.root.iterdir() if one.name.startswith(".tmp-") or one.name in ("new.html", "nowhere.html", "out")], [])


main()
