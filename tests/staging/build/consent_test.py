"""`build --left-out`: people who said no, or were not asked, are in no version, by whatever identifier. Run as builds.py says."""
import json

from builds import SOURCE, HOSPITALS, Builds, main

KNOWN = "B220987655"
DEFINITION = SOURCE / "configs/datasets/wdbc.toml"


class Consent(Builds):
    @classmethod
    def setUpClass(cls):
        cls.begin("wdbc@1")

    def deliver(self):
        folder = self.root / "deliveries"
        if not folder.exists():
            for hospital in HOSPITALS:
                self.table(folder, hospital, [])
            # C1 of north is KNOWN, who is at south too, there once by another chart. C1 of south is somebody else.
            self.table(folder, "north", [("C1", 1980, 1, KNOWN), ("C1", 1980, 2), ("C2", 1980, 3)])
            self.table(folder, "south", [("C8", 1980, 4, KNOWN), ("C8", 1980, 5), ("C1", 1980, 6), ("C3", 1980, 7)])
        return folder

    def list(self, name, text):
        (self.root / name).write_text(text)
        return self.root / name

    def test_a_person_is_left_out_everywhere_by_any_identifier_on_any_number_of_ranks(self):
        said_no = self.list("north.toml", '[[opted_out]]\nkind = "record-number"\nidentifiers = ["C1", "never seen"]\n')
        not_asked = self.list("south.toml", '[[not_consented]]\nkind = "record-number"\nidentifiers = ["C3", "C8"]\n')
        lists = ["--left-out", f"north={said_no}", "--left-out", f"south={not_asked}"]
        for ranks in (1, 2, 4):
            out = self.root / f"out-{ranks}"
            summary = self.build("wdbc", out, ranks, deliveries=self.deliver(), definition=DEFINITION, more=lists)
            self.assertEqual(summary["quarantine"], {"not_consented": 1, "opted_out": 4})
            self.assertEqual((summary["samples"], summary["patients"]), (2, 2))
            self.assert_same_tree(self.root / "out-1", out)
        again = self.build("wdbc", out, 1, deliveries=self.deliver(), definition=DEFINITION, more=lists)
        self.assertTrue(again["already_built"])
        # Without the list it would be another version.
        self.failed(2, "another list of people to leave out", "wdbc", out, 2, deliveries=self.deliver(), definition=DEFINITION)

    def test_a_national_id_on_the_list_counts_at_every_hospital(self):
        everywhere = self.list("id.toml", f'[[opted_out]]\nkind = "national-id"\nidentifiers = ["{KNOWN.lower()}"]\n')
        out = self.root / "national"
        summary = self.build("wdbc", out, 2, deliveries=self.deliver(), definition=DEFINITION, more=["--left-out", f"east={everywhere}"])
        self.assertEqual(summary["quarantine"], {"opted_out": 4})
        self.assertIn("left_out_hmac", json.loads((out / "manifest.json").read_text())["deidentification"])

    def test_a_list_of_nobody_changes_nothing(self):
        nobody = self.list("nobody.toml", '[[opted_out]]\nkind = "record-number"\nidentifiers = []\n')
        with_list, without = self.root / "with", self.root / "without"
        self.build("wdbc", with_list, 1, deliveries=self.deliver(), definition=DEFINITION, more=["--left-out", f"north={nobody}"])
        self.build("wdbc", without, 1, deliveries=self.deliver(), definition=DEFINITION)
        self.assert_same_tree(with_list, without)

    def test_a_list_that_cannot_be_meant_is_refused_without_an_identifier(self):
        good = '[[opted_out]]\nkind = "record-number"\nidentifiers = ["4711-secret"]\n'
        for site, text, why in (("north", good.replace("record-number", "passport"), "kind: the profile tells nobody"),
                                ("north", good.replace("record-number", "national-id"), "no national ID"),
                                ("north", good.replace("4711-secret", "UNKNOWN"), "stands for nobody"),
                                ("north", good.replace("opted_out", "opted"), "opted"),
                                ("west", good, "--left-out west: none of the dataset's sites")):
            errors = self.failed(2, why, "wdbc", self.root / "bad", 2, deliveries=self.deliver(), definition=DEFINITION,
                                 more=["--left-out", f"{site}={self.list('bad.toml', text)}"])
            self.assertNotIn("4711-secret", errors)


main()
