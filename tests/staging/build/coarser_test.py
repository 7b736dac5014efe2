"""What [risk.hierarchies] makes of a build: coarser columns in the shards, the same on any number of ranks. Run as builds.py says."""
import collections, json, sys

from builds import SOURCE, Builds, main

sys.path.insert(0, str(SOURCE / "tests/core/shard"))
from second_reader import Version

MORE = """below = "suppress"
most_suppressed = 0.1
[risk.hierarchies.age]
widths = [20, 40]
[risk.hierarchies.site.parents]
north = "upper"
central = "upper"
south = "lower"
east = "lower"
"""


class Coarser(Builds):
    @classmethod
    def setUpClass(cls):
        cls.begin("small@1")

    def definition(self, name, more, k=4):
        folder = self.root / name
        (folder / "datasets").mkdir(parents=True)
        (folder / "deid").mkdir()
        profile = (SOURCE / "configs/deid/biopsy-table.toml").read_text()
        (folder / "deid/biopsy-table.toml").write_text(profile.replace('below = "report"', more).replace("k = 5", f"k = {k}"))
        definition = folder / "datasets/small.toml"
        definition.write_text((SOURCE / "configs/datasets/wdbc.toml").read_text().replace('"wdbc"', '"small"').replace(
            '"../deliveries/placeholders.toml"', f'"{SOURCE}/configs/deliveries/placeholders.toml"'))
        return definition

    def deliver(self, name, hospitals):
        for hospital in ("north", "central", "south", "east"):
            self.table(self.root / name / "deliveries", hospital, hospitals.get(hospital, []))
        return self.root / name / "deliveries"

    def packed(self, out):
        """By patient: the cells of its samples."""
        version = Version(out, self.keys / "small@1.key")
        names = {c["name"]: c.get("names") for c in version.manifest["schema"]["columns"]}
        cells = collections.defaultdict(set)
        for sample in version.samples():
            cells[sample["patient"]].add((sample["site"], sample["age"]))
        return names, cells

    def test_columns_become_coarser_until_all_groups_hold(self):
        # Upper: ages of 2 decades at two hospitals. Lower: others. In decades and hospitals everybody stands out.
        deliveries = self.deliver("coarse", {
            "north": [("N0", 1990, 1), ("N1", 2000, 2)], "central": [("C0", 1991, 3), ("C1", 2001, 4), ("C1", 2002, 5)],
            "south": [("S0", 1950, 6), ("S1", 1960, 7)], "east": [("E0", 1951, 8), ("E1", 1961, 9)]})
        definition = self.definition("coarse", MORE)
        for ranks in (1, 2, 4):
            out = self.root / f"coarse-{ranks}"
            summary = self.build("small", out, ranks, deliveries=deliveries, definition=definition)
            self.assertEqual((summary["samples"], summary["patients"]), (9, 8))
            self.assert_same_tree(self.root / "coarse-1", out)
        names, cells = self.packed(out)
        self.assertEqual(sorted(names["site"]), ["lower", "upper"])
        groups = collections.Counter(frozenset(one) for one in cells.values())
        self.assertEqual(groups, {frozenset({("upper", "20-39")}): 4, frozenset({("lower", "60-79")}): 4})
        risk = json.loads((out / "reports/quality.json").read_text())["risk"]
        self.assertEqual((risk["groups"], risk["smallest_group"], risk["patients_below_k"]), (2, 4, 0))
        self.assertEqual(risk["generalisation"]["before"]["patients_below"], 8)
        self.assertEqual(set(risk["generalisation"]["levels"]), {"site", "age"})
        self.assertIn("Made coarser: ", (out / "reports/quality.html").read_text())
        published = json.loads((out / "manifest.json").read_text())["risk"]["generalisation"]
        self.assertEqual(published, {**risk["generalisation"], "loss": round(risk["generalisation"]["loss"], 2), "patients_left_out": 0,
                                     "before": dict.fromkeys(risk["generalisation"]["before"], "<10")})
        self.assertNotEqual(published["loss"], risk["generalisation"]["loss"])

    def test_who_stands_out_even_so_is_left_out(self):
        crowd = [(f"P{i}", 1980 + i % 10, i) for i in range(12)]
        deliveries = self.deliver("out", {"north": crowd, "east": [("E0", 1940, 30), ("E0", 1940, 31)]})
        out = self.root / "out-1"
        sensitive = 'sensitive = "label"\nl = 2\nentropy_l = 1.5\nrecursive = { c = 3, l = 2 }\n'
        summary = self.build("small", out, 2, deliveries=deliveries, definition=self.definition("out", sensitive + MORE))
        self.assertEqual(summary["quarantine"], {"risk_small_group": 2})
        self.assertEqual(summary["patients"], 12)
        names, cells = self.packed(out)
        self.assertTrue(all(len(one) == 1 for one in cells.values()))
        measured = json.loads((out / "reports/quality.json").read_text())["risk"]["sensitive"]
        self.assertIn("least_entropy_l", measured)
        self.assertIn("greatest_ratio", measured["recursive"])
        published = json.loads((out / "manifest.json").read_text())["risk"]["sensitive"]
        self.assertNotIn("least_entropy_l", published)
        self.assertEqual(published["entropy_holds"], measured["least_entropy_l"] >= 1.5)
        self.assertEqual(published["recursive"], {"c": 3, "l": 2, "holds": (measured["recursive"]["greatest_ratio"] or 9) < 3})

    def test_what_no_generalisation_can_hold_is_refused(self):
        deliveries = self.deliver("none", {"north": [("A", 1980, 1), ("B", 1990, 2)]})
        self.failed(3, "no generalisation", "small", self.root / "none-1", 2, deliveries=deliveries,
                    definition=self.definition("none", MORE))

    def test_a_quasi_identifier_without_a_list_of_values_is_refused(self):
        deliveries = self.deliver("date", {"north": [("A", 1980, 1)]})
        definition = self.definition("date", MORE)
        profile = definition.parent.parent / "deid/biopsy-table.toml"
        profile.write_text(profile.read_text().replace('["site", "age"]', '["site", "age", "exam_day"]'))
        self.failed(2, 'has no list of values', "small", self.root / "date-1", 1, deliveries=deliveries, definition=definition)


main()
