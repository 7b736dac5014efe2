"""`aloft-stage report`: what may be shown of a version, as a browser shows it; limits that keep it from being sealed. Run as builds.py says."""
import html.parser, json, shutil, subprocess

from PIL import Image

from builds import STAGE, SOURCE, HOSPITALS, Builds, main

SAMPLES = {"north": 43, "central": 43, "south": 4}


class Page(html.parser.HTMLParser):
    """What stands in a document: its elements, and the words of each bar's label and of each row."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.rows, self.bars, self.within = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.within.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "rect":
            self.bars.append(dict(attrs))

    def handle_endtag(self, tag):
        while self.within and self.within.pop() != tag:
            pass

    def handle_data(self, data):
        if self.within and self.within[-1] in ("td", "th"):
            self.rows[-1][-1] += data


class Report(Builds):
    @classmethod
    def setUpClass(cls):
        cls.begin("wdbc@1")

    def whole(self):
        """43 patients at north, 43 at central who are older, 4 at south."""
        out = self.root / "version"
        if not out.exists():
            for hospital in HOSPITALS:
                born = 1930 if hospital == "central" else 1990
                rows = [(f"{hospital}{i}", born + i % 5, i) for i in range(SAMPLES.get(hospital, 0))]
                self.table(self.root / "deliveries", hospital, rows)
            self.build("wdbc", out, 2, deliveries=self.root / "deliveries", definition=SOURCE / "configs/datasets/wdbc.toml")
        return out

    def shown(self):
        subprocess.run([STAGE, "report", self.whole(), "--out", self.root / "shown"], check=True, capture_output=True)
        return self.root / "shown/report.html", json.loads((self.root / "shown/report.json").read_text())

    def browser(self, page, *more):
        return subprocess.run(["chromium-headless-shell", "--no-sandbox", "--disable-gpu", f"--user-data-dir={self.root / 'browser'}", *more, f"file://{page}"],
                              capture_output=True, text=True, timeout=600)

    def limits(self, text):
        (self.root / "limits.toml").write_text(text)
        return self.root / "limits.toml"

    def test_a_browser_shows_the_page_as_it_was_written(self):
        page, report = self.shown()
        done = self.browser(page, "--dump-dom")
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        seen, written = Page(done.stdout), Page(page.read_text())
        # A browser moves what stands where it may not: nothing was moved, and nothing is loaded from anywhere.
        self.assertEqual((seen.rows, seen.bars), (written.rows, written.bars))
        self.assertFalse({"script", "img", "link", "iframe", "object"} & {*seen.tags})
        self.assertIn(["features", "north", "40", "", "", "", ""], seen.rows)
        self.assertIn(["features", "south", "too few", "", "", "", ""], seen.rows)
        self.assertEqual(len(seen.bars), sum(len([n for n in by if n]) > 0 and len(by) for by in report["samples"].values()) + len(report["drift"]))

    def test_its_bars_are_drawn(self):
        page = self.whole() / "reports/quality.html"  # the exact one: what is shown compares nothing beside a small site
        self.browser(page, f"--screenshot={self.root / 'page.png'}", "--window-size=1200,4000")
        colours = dict((colour, count) for count, colour in Image.open(self.root / "page.png").convert("RGB").getcolors(1 << 24))
        self.assertGreater(colours.get((0x4a, 0x7f, 0xb5), 0), 1000)  # what the style calls a bar
        self.assertGreater(colours.get((0xb5, 0x52, 0x3a), 0), 1000)  # and one that is far

    def test_what_is_shown_has_no_small_count_and_nothing_of_a_small_site(self):
        _, report = self.shown()
        self.assertEqual(report["samples"]["site"], {"central": 40, "north": 40, "south": "<10"})
        self.assertEqual([one.get("packed") for one in report["deliveries"]], [40, None, 40, None])
        # Beside the mean of all together, those of all sites but one tell that one's.
        self.assertNotIn("age", {one["what"] for one in report["drift"]})
        self.assertNotIn("mean", report["quality"]["columns"]["exam_day"]["north"])
        self.assertNotIn("south", {one["site"] for one in report["drift"]})
        for by in (*report["quality"]["categories"].values(), *report["quarantine"].values()):
            self.assertIsNone(by.get("south"))
        self.assertNotIn("hmac", json.dumps(report))

    def test_limits_that_are_broken_are_told_and_keep_it_from_being_sealed(self):
        version, key = self.root / "sealed", self.root / "steward.key"
        shutil.copytree(self.whole(), version)
        # Any 32 bytes are an Ed25519 key.
        key.write_text("aloft-key-1 ed25519-private BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n")
        key.chmod(0o400)
        # Dates are shifted by a drawn key, which may set two hospitals apart.
        bad = self.limits("fewest_samples = 5\n[drift]\nmost = 0.5\n[drift.names]\nexam_day = inf\n")
        done = subprocess.run([STAGE, "report", version, "--limits", bad, "--json"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 5, done.stderr)
        broken = json.loads(done.stdout)["broken"]
        self.assertEqual([one.split(": ")[:2] for one in broken], [["east", "samples"], ["south", "samples"], ["central", "age, unlike the other deliveries"],
                                                                   ["north", "age, unlike the other deliveries"]])
        self.refused(5, "was not sealed", "seal", version, "--key", key, "--limits", bad)
        self.assertFalse((version / "manifest.sig.json").exists())
        # Of another version's report nothing can be said.
        report = version / "reports/quality.json"
        kept = report.read_text()
        report.write_text(kept.replace('"samples": 90,', '"samples": 91,', 1))
        self.assertNotEqual(report.read_text(), kept)
        good = self.limits("[left_out]\nmost = 0.1\n")
        self.refused(3, "not of this manifest", "seal", version, "--key", key, "--limits", good)
        self.refused(3, "not of this manifest", "report", version, "--out", self.root / "another")
        for damaged in ("[" * 200000, "[]", '{"dataset": ' * 40 + "1" + "}" * 40):
            report.write_text(damaged)
            self.refused(3, "is damaged", "report", version, "--out", self.root / "another")
            self.refused(3, "is damaged", "seal", version, "--key", key, "--limits", good)
        report.write_text(kept)
        done = subprocess.run([STAGE, "seal", version, "--key", key, "--limits", good], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue((version / "manifest.sig.json").exists())


main()
