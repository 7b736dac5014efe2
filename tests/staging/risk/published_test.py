#!/usr/bin/env python3
"""published_test.py ALOFT_STAGE: `aloft-stage risk` says of tables that papers print what the papers say of them. Each test names its
paper; the tables' rows are in their order."""
import csv, json, pathlib, subprocess, sys, tempfile, unittest

STAGE = sys.argv[1]


class Published(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def table(self, name, columns, rows):
        with open(self.root / name, "w", newline="") as out:
            csv.writer(out).writerows([columns.split(), *(row.split("|") for row in rows)])
        return self.root / name

    def risk(self, quasi, rows, rules, columns=None, **beside):
        """What the command says of `rows`, "value|value|...", of which an attacker knows the columns `quasi`."""
        named = ", ".join(f'"{name}"' for name in quasi.split())
        (self.root / "rules.toml").write_text(f'[table]\n[risk]\nquasi_identifiers = [{named}]\n{rules}')
        more = [word for name, people in beside.items() for word in (f"--{name}", str(self.table(f"{name}.csv", quasi, people)))]
        done = subprocess.run([STAGE, "risk", str(self.table("table.csv", columns or quasi, rows)), "--rules", str(self.root / "rules.toml"), *more, "--json"],
                              capture_output=True, text=True)
        found = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0 if found.get("holds") else 5, done.stderr)
        return found

    def test_a_table_of_k_2(self):
        """L. Sweeney, k-anonymity: a model for protecting privacy, IJUFKS 10(5), 2002, figure 2: k = 2."""
        rows = ["black|1965|m|0214*|short breath", "black|1965|m|0214*|chest pain", "black|1965|f|0213*|hypertension", "black|1965|f|0213*|hypertension",
                "black|1964|f|0213*|obesity", "black|1964|f|0213*|chest pain", "white|1964|m|0213*|chest pain", "white|1964|m|0213*|obesity",
                "white|1964|m|0213*|short breath", "white|1967|m|0213*|chest pain", "white|1967|m|0213*|chest pain"]
        quasi = "race birth gender zip"
        found = self.risk(quasi, rows, "k = 2\n", quasi + " problem")
        self.assertEqual((found["smallest_group"], found["groups"], found["patients_below_k"], found["holds"]), (2, 5, 0, True))
        self.assertEqual((found["prosecutor_risk_max"], found["marketer_risk"]), (1 / 2, 5 / 11))
        self.assertFalse(self.risk(quasi, rows, "k = 3\n", quasi + " problem")["holds"])
        # Two groups have one problem each: what l-diversity was invented for.
        found = self.risk(quasi, rows, 'k = 2\nsensitive = "problem"\nl = 2\n', quasi + " problem")
        self.assertEqual((found["sensitive"]["fewest_categories"], found["patients_below_k"]), (1, 4))

    def test_the_minimal_generalisations_of_a_table(self):
        """L. Sweeney, Achieving k-anonymity privacy protection using generalization and suppression, IJUFKS 10(5), 2002, figure 3 (P. Samarati,
        IEEE TKDE 13(6), 2001): by steps of race and ZIP code, [1,0] and [0,1] are minimal for k = 2, [1,0] and [0,2] for k = 3."""
        races, zips = ("asian", "black", "white"), ("02138", "02139", "02141", "02142")
        rows = [f"{race}|{code}" for race in races for code in zips]
        steps = {(0, 0): 1, (0, 1): 2, (0, 2): 4, (1, 0): 3, (1, 1): 6, (1, 2): 12}
        for (race, code), smallest in steps.items():
            coarser = [f"{'person' if race else one.split('|')[0]}|{one.split('|')[1][:5 - code]}" for one in rows]
            self.assertEqual(self.risk("race zip", coarser, "k = 1\n")["smallest_group"], smallest)
        for k, minimal in ((2, ({"race": "as it is", "zip": "first 4"}, {"race": "*", "zip": "as it is"})), (3, ({"race": "*", "zip": "as it is"}, {"race": "as it is", "zip": "first 3"}))):
            rules = f'k = {k}\nbelow = "suppress"\nmost_suppressed = 0\n[risk.hierarchies.race]\n[risk.hierarchies.zip]\nprefixes = [4, 3]\n'
            found = self.risk("race zip", rows, rules)
            self.assertEqual((found["holds"], found["would_hold"], found["generalisation"]["patients_left_out"]), (False, True, 0))
            self.assertIn(found["generalisation"]["levels"], minimal)
            self.assertGreaterEqual(found["after"]["smallest_group"], k)

    def test_the_inpatients(self):
        """A. Machanavajjhala et al., l-diversity: privacy beyond k-anonymity, TKDD 1(1), 2007, figures 1 to 3: the same twelve people, 4-anonymous,
        and 3-diverse."""
        problems = ["heart", "heart", "viral", "viral", "cancer", "heart", "viral", "viral", "cancer", "cancer", "cancer", "cancer"]
        quasi = "zip age nationality"
        anonymous = ["130**|<30|*"] * 4 + ["1485*|>=40|*"] * 4 + ["130**|3*|*"] * 4
        places = {1: "1305*|<=40|*", 2: "1485*|>40|*", 3: "1306*|<=40|*"}
        diverse = [places[one] for one in (1, 3, 3, 1, 2, 2, 2, 2, 1, 1, 3, 3)]
        for table, least, entropy, holds in ((anonymous, 1, 1, False), (diverse, 3, 2.828427, True)):
            rules = 'k = 4\nsensitive = "problem"\nl = 3\nentropy_l = 2.8\n'
            found = self.risk(quasi, [f"{cell}|{problem}" for cell, problem in zip(table, problems)], rules, quasi + " problem")
            self.assertEqual((found["smallest_group"], found["sensitive"]["fewest_categories"], found["holds"]), (4, least, holds))
            self.assertAlmostEqual(found["sensitive"]["least_entropy_l"], entropy, places=6)

    def test_the_salaries(self):
        """N. Li, T. Li, S. Venkatasubramanian, t-closeness, ICDE 2007, tables 3 to 5: the 3-diverse table is 0.375 from all at its worst, the other
        0.167."""
        salaries = [3, 4, 5, 6, 11, 8, 7, 9, 10]
        quasi = "zip age"
        diverse = ["476**|2*"] * 3 + ["4790*|>=40"] * 3 + ["476**|3*"] * 3
        close = ["4767*|<=40", "4760*|<=40", "4767*|<=40"] + ["4790*|>=40"] * 3 + ["4760*|<=40", "4767*|<=40", "4760*|<=40"]
        for table, distance, holds in ((diverse, 0.375, False), (close, 0.167, True)):
            rules = 'k = 3\nsensitive = "salary"\nl = 3\nt = 0.167\ndistance = "ordered"\n'
            found = self.risk(quasi, [f"{cell}|{salary}" for cell, salary in zip(table, salaries)], rules, quasi + " salary")
            self.assertEqual((found["smallest_group"], found["sensitive"]["fewest_categories"], found["holds"]), (3, 3, holds))
            self.assertAlmostEqual(found["sensitive"]["greatest_distance"], distance, delta=0.0005)

    def test_the_presence_of_nine_people(self):
        """M. E. Nergiz, M. Atzori, C. Clifton, Hiding the presence of individuals from shared databases, SIGMOD 2007 (the table of ARX's example 11,
        too): of nine people five are in the table; made coarser they are (1/2, 2/3)-present."""
        people = ["47906|35|USA", "47903|59|Canada", "47906|42|USA", "47630|18|Brazil", "47630|22|Brazil", "47633|63|Peru", "48973|33|Spain", "48972|47|Bulgaria", "48970|52|France"]
        inside, quasi = (1, 2, 5, 7, 8), "zip age nationality"
        as_they_are = self.risk(quasi, [people[i] for i in inside], "k = 1\n", register=people)
        self.assertEqual((as_they_are["presence"]["least"], as_they_are["presence"]["most"]), (0, 1))
        coarser = [f"{one[:2]}|*|{'America' if one.startswith('47') else 'Europe'}" for one in people]
        found = self.risk(quasi, [coarser[i] for i in inside], "k = 1\n", register=coarser)
        self.assertAlmostEqual(found["presence"]["least"], 1 / 2)
        self.assertAlmostEqual(found["presence"]["most"], 2 / 3)
        # The register as the population: five of nine, and of whom a row can be is 1 of 3 at worst, of 6 at best.
        found = self.risk(quasi, [coarser[i] for i in inside], "k = 1\n", population=coarser)
        self.assertAlmostEqual(found["journalist_risk_max"], 1 / 3)
        self.assertAlmostEqual(found["marketer_risk"], (3 / 6 + 2 / 3) / 5)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=2)
