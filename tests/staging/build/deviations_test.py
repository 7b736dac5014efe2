"""What files do that their standard forbids, and was read nevertheless: counted for each hospital, by name and without a value. Run as builds.py says."""
import json, subprocess, zipfile

from builds import STAGE, Builds, main

NORTH = {"no_preamble": 1, "trailing_zeros": 13}


class Deviations(Builds):
    hospitals = ("north", "south")

    @classmethod
    def setUpClass(cls):
        cls.begin("nodules@1")
        cls.definition = cls.single_images("films.toml")

    def image(self, hospital, number, change=lambda raw: raw, **more):
        """One CT image of a patient of its own, as `change` leaves its bytes."""
        folder = self.root / "deliveries" / hospital
        self.series(folder, number, number, [0], rows=64 + number, **more)
        path = next(folder.glob(f"*-{number}.dcm"))
        path.write_bytes(change(path.read_bytes()))
        return path

    def version(self):
        out = self.root / "version"
        if not out.exists():
            def padded(raw):
                return raw + bytes(200)

            for number in range(12):
                self.image("north", number, padded)
            self.image("north", 12)
            self.image("north", 13, lambda raw: raw[132:])
            with zipfile.ZipFile(self.root / "deliveries/north/more.zip", "w") as archive:  # the 13th
                path = self.image("north", 14, padded)
                archive.write(path, "fourteen.dcm")
            path.unlink()
            # Of the other hospital one image is left out for what its header says, which is not read to its end, and one cannot be read at all.
            for number, part in ((20, "CHEST"), (21, "CHEST"), (22, "HEAD")):
                path = self.image("south", number, padded, BodyPartExamined=part)
            (self.root / "deliveries/south/broken.dcm").write_bytes(path.read_bytes()[:-300])
            type(self).summary = self.build("nodules", out, 2, deliveries=self.root / "deliveries", definition=self.definition)
        return out

    def test_they_are_counted_by_hospital_wherever_a_build_is_told_of(self):
        out = self.version()
        exact = json.loads((out / "reports/quality.json").read_text())
        self.assertEqual(self.summary["quarantine"], {"risk_face": 1, "truncated": 1})
        self.assertEqual(exact["deviations"], {"north": NORTH, "south": {"trailing_zeros": 2}})
        self.assertEqual({name: one.get("deviations") for name, one in self.summary["deliveries"].items()}, exact["deviations"])
        # Ranks change nothing.
        self.build("nodules", self.root / "again", 1, deliveries=self.root / "deliveries", definition=self.definition)
        self.assertEqual((self.root / "again/reports/quality.json").read_bytes(), (out / "reports/quality.json").read_bytes())
        # For people, in words; and shown to others, rounded, and nothing of a small hospital.
        told = subprocess.run([STAGE, "report", out], check=True, capture_output=True, text=True).stdout
        self.assertRegex(told, r"north +trailing_zeros +13 +zeros behind the data set")
        self.assertIn("<td>trailing_zeros</td><td>13</td><td>zeros behind the data set</td>", (out / "reports/quality.html").read_text())
        subprocess.run([STAGE, "report", out, "--out", self.root / "shown"], check=True, capture_output=True)
        shown = json.loads((self.root / "shown/report.json").read_text())
        self.assertEqual(shown["deviations"], {"north": {"no_preamble": "<10", "trailing_zeros": 10}, "south": None})
        page = (self.root / "shown/report.html").read_text()
        self.assertIn("<td>north</td><td>trailing_zeros</td><td>10</td>", page)
        self.assertIn("<td>south</td><td>too few samples</td>", page)

    def test_a_report_of_a_version_that_counted_none_is_shown(self):
        out = self.version()
        path = out / "reports/quality.json"
        kept = path.read_text()
        older = json.loads(kept)
        del older["deviations"]
        path.write_text(json.dumps(older))
        try:
            subprocess.run([STAGE, "report", out, "--out", self.root / "older"], check=True, capture_output=True)
            told = subprocess.run([STAGE, "report", out], check=True, capture_output=True, text=True).stdout
        finally:
            path.write_text(kept)
        self.assertNotIn("forbid", told + (self.root / "older/report.html").read_text())


if __name__ == "__main__":
    main()
