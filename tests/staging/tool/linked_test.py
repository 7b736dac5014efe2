#!/usr/bin/env python3
"""linked_test.py ALOFT_STAGE MPIEXEC SOURCE: `aloft-stage risk --with` says of tables together what comparing every pair of people says, the
same from any number of ranks, and refuses tables in which nobody could be found again."""
import csv, json, pathlib, random, subprocess, sys, tempfile, unittest

STAGE, MPIEXEC, SOURCE = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
RULES = """
[table]
{patient}
[risk]
quasi_identifiers = {quasi}
k = 1
{sensitive}
[linked]
k = {k}
l = {l}
{more}
"""


def plain(releases, k, l, columns):
    """What must be found. `releases`: {person: (cells, value)} of each; one value a person, "" for none."""
    people = sorted({person for release in releases for person in release})
    like = [{person: {other for other in release if release[other][0] == release[person][0]} for person in release} for release in releases]
    values = lambda i, crowd: {releases[i][one][1] for one in crowd} - {""}
    below = lambda size, found: size < k or (l and found < l)
    figures = lambda crowds: {"patients": len(crowds), "smallest_group": min(c[0] for c in crowds), "patients_alone": sum(c[0] == 1 for c in crowds),
                              "patients_below": sum(c[1] for c in crowds), "values_sure": sum(c[2] for c in crowds)}
    alone = [[(len(like[i][p]), bool(below(len(like[i][p]), len(values(i, like[i][p])))), len(values(i, like[i][p])) == 1) for p in release]
             for i, release in enumerate(releases)]
    together, new, new_left, new_sure, everywhere = [], 0, 0, 0, 0
    for person in people:
        where = [i for i, release in enumerate(releases) if person in release]
        was = any(below(len(like[i][person]), len(values(i, like[i][person]))) for i in where)
        known = {next(iter(v)) for i in where if len(v := values(i, like[i][person])) == 1}
        if columns:
            common = set.intersection(*(values(i, like[i][person]) for i in where))
            if len({releases[i][person][1] for i in where} - {""}) > 1 or not common:
                size, is_below, sure = min(len(like[i][person]) for i in where), was, known
            else:
                size = min(sum(releases[i][one][1] in common | {""} for one in like[i][person]) for i in where)
                is_below, sure = below(size, len(common)), common if len(common) == 1 else set()
        else:
            crowd = {one for one in people if all((one in release) == (person in release) and (person not in release or one in like[i][person])
                                                  for i, release in enumerate(releases))}
            size, is_below = len(crowd), any(below(len(crowd), len(values(i, crowd))) for i in where)
            sure = set().union(*(v for i in where if len(v := values(i, crowd)) == 1))
        together.append((size, bool(is_below), bool(sure)))
        everywhere += len(where) == len(releases)
        new += bool(is_below and not was)
        new_left += bool(is_below and not was and len(where) < len(releases))
        new_sure += bool(sure - known)
    return ([figures(one) for one in alone], figures(together), everywhere,
            {"patients_below": new, "of_them_not_in_all": new_left, "values_sure": new_sure})


class Linked(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)

    def write(self, name, rows, columns=("id", "age", "site", "diagnosis")):
        with open(self.root / name, "w", newline="") as out:
            csv.writer(out).writerows([columns, *rows])
        return self.root / name

    def rules(self, name="rules.toml", k=3, l=2, quasi='["age", "site"]', sensitive='sensitive = "diagnosis"', patient='patient = "id"', more=""):
        (self.root / name).write_text(RULES.format(**{key: value for key, value in locals().items() if key not in ("self", "name")}))
        return self.root / name

    def run_stage(self, table, *more, ranks=None):
        mpi = [MPIEXEC, "--allow-run-as-root", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1", "--mca", "btl", "self,vader,tcp",
               "-n", str(ranks)] if ranks else []
        return subprocess.run([*mpi, STAGE, "risk", str(table), *map(str, more)], capture_output=True, text=True)

    def linked(self, table, *more, ranks=None):
        done = self.run_stage(table, *more, "--json", ranks=ranks)
        found = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0 if found["holds"] and found["linked"]["holds"] else 5, done.stderr)
        return found["linked"]

    def refused(self, text, table, *more, secret="P0"):
        done = self.run_stage(table, *more, "--json")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(text, json.loads(done.stdout)["error"]["text"])
        self.assertNotIn(secret, done.stdout + done.stderr)

    def test_figures_are_those_of_comparing_every_pair_on_any_number_of_ranks(self):
        for seed in range(4):
            draw = random.Random(seed)
            releases, tables = [], []
            for i in range(2 + seed % 2):
                release = {}
                for number in range(40):
                    if draw.randrange(6):
                        cells = frozenset((str(draw.randrange(2) * 10), draw.choice(("north", "south"))) for _ in range(draw.choice((1, 1, 1, 2))))
                        value = draw.choice(("flu", "ulcer", ""))
                        if i and f"P{number}" in releases[0] and draw.randrange(4):
                            value = releases[0][f"P{number}"][1]
                        release[f"P{number}"] = (cells, value)
                releases.append(release)
                rows = [(person, *cell, value) for person, (cells, value) in release.items() for cell in cells]
                draw.shuffle(rows)
                tables.append(self.write(f"{i}.csv", rows))
            with_ = [word for table in tables[1:] for word in ("--with", table)]
            for columns in (False, True):
                rules = self.rules(k=3 + seed % 2, more='by = "columns"' if columns else "")
                found = self.linked(tables[0], "--rules", rules, *with_)
                alone, together, everywhere, new = plain(releases, 3 + seed % 2, 2, columns)
                ours = lambda of: {key: of[key] for key in together}
                self.assertEqual(([ours(one) for one in found["releases"]], ours(found["together"]), found["patients_in_all"], found["only_together"]),
                                 (alone, together, everywhere, new))
                self.assertEqual([one["release"] for one in found["releases"]], ["table", "other 1", "other 2"][:len(tables)])
                self.assertEqual(found["holds"], together["patients_below"] == 0)
                self.assertAlmostEqual(found["together"]["prosecutor_risk_max"], 1 / together["smallest_group"])
                for ranks in (1, 2, 4) if seed < 2 else ():
                    self.assertEqual(self.linked(tables[0], "--rules", rules, *with_, ranks=ranks), found)

    def people(self, size, sites=("north", "south")):
        return [(f"P{i}", "30", sites[i % len(sites)], ("flu", "ulcer")[i // len(sites) % 2]) for i in range(size)]

    def test_a_copy_adds_nothing_and_one_who_is_left_out_stands_out(self):
        rows = self.people(20)
        before, copy, after = self.write("before.csv", rows), self.write("copy.csv", rows[::-1]), self.write("after.csv", rows[1:])
        found = self.linked(before, "--rules", self.rules(), "--with", copy)
        self.assertTrue(found["holds"])
        self.assertEqual(found["only_together"], {"patients_below": 0, "of_them_not_in_all": 0, "values_sure": 0})
        self.assertEqual(found["together"]["smallest_group"], 10)
        done = self.run_stage(after, "--rules", self.rules(), "--with", before)
        self.assertEqual(done.returncode, 5, done.stderr)
        for words in ("Judged together: table and other 1.", "19 and 20 patients, of whom 0 and 0 stand out (fewer than 3 patients or 2 different values)",
                      "1 stand out, 1 of them only together: 1 because they were left out", "1 in 1 by all together", "of 1 only together",
                      "Together they do not hold what is asked for: nobody may stand out."):
            self.assertIn(words, done.stdout)
        found = self.linked(after, "--rules", self.rules(), "--with", before)
        self.assertEqual(found["only_together"], {"patients_below": 1, "of_them_not_in_all": 1, "values_sure": 1})
        # As many as may stand out.
        self.assertTrue(self.linked(after, "--rules", self.rules(more="most_below = 0.05"), "--with", before)["holds"])
        self.assertFalse(self.linked(after, "--rules", self.rules(more="most_below = 0.04"), "--with", before)["holds"])

    def test_what_is_shown_has_no_small_count_and_no_chance(self):
        rows = self.people(46)
        before, after = self.write("before.csv", rows), self.write("after.csv", rows[1:])
        for k, hierarchies in ((3, ""), (30, 'below = "suppress"\n[risk.hierarchies.site]')):
            rules = self.rules(k=3, sensitive='sensitive = "diagnosis"\nentropy_l = 1.5\nrecursive = { c = 3, l = 2 }\nt = 0.5\n' + hierarchies)
            rules.write_text(rules.read_text().replace("k = 1", f"k = {k}"))
            done = self.run_stage(after, "--rules", rules, "--with", before, "--shown", "--json")
            self.assertEqual(done.returncode, 5, done.stderr)
            found = json.loads(done.stdout)
            asked = {"k", "l", "fewest_categories", "not_found_in_steps"}

            def look(value, key=None):
                if isinstance(value, dict):
                    for name, one in value.items():
                        self.assertNotIn("risk", name)
                        look(one, name)
                elif isinstance(value, list):
                    for one in value:
                        look(one, key)
                elif isinstance(value, int) and not isinstance(value, bool) and key not in asked:
                    self.assertEqual(value % 10, 0, key)
            look(found)
            self.assertEqual(found["linked"]["only_together"], {"patients_below": "<10", "of_them_not_in_all": "<10", "values_sure": "<10"})
            self.assertEqual([one["patients"] for one in found["linked"]["releases"]], [50, 50])
            self.assertFalse(found["linked"]["holds"])
            words = self.run_stage(after, "--rules", rules, "--with", before, "--shown").stdout
            self.assertIn("<10 of them only together", words)
            self.assertNotIn("1 in ", words)
            self.assertNotIn("45", words)

    def test_two_datasets_of_one_project_have_rules_of_their_own(self):
        rows = self.people(16)
        scans = [(row[0].lower() + " ", f"S{i // 8}") for i, row in enumerate(rows)]  # the same person, written otherwise
        other = self.rules("scans.toml", quasi='["scanner"]', sensitive="", patient='patient = "who"', l=0)
        found = self.linked(self.write("a.csv", rows), "--rules", self.rules(k=5, l=0), "--with", self.write("b.csv", scans, ("who", "scanner")),
                            "--with-rules", other)
        self.assertEqual((found["patients_in_all"], found["together"]["smallest_group"], found["only_together"]["patients_below"]), (16, 4, 16))
        self.assertEqual([one.get("sensitive") for one in found["releases"]], ["diagnosis", None])
        self.assertEqual([one["smallest_group"] for one in found["releases"]], [8, 8])

    def test_people_of_different_tables_are_apart(self):
        rows = self.people(16)
        others = [(f"Q{row[0]}", *row[1:]) for row in rows]
        found = self.linked(self.write("a.csv", rows), "--rules", self.rules(), "--with", self.write("b.csv", others))
        self.assertEqual((found["together"]["patients"], found["patients_in_all"], found["holds"]), (32, 0, True))
        self.assertEqual(found["only_together"], {"patients_below": 0, "of_them_not_in_all": 0, "values_sure": 0})

    def test_what_would_find_nobody_again_is_refused(self):
        table, rules = self.write("a.csv", self.people(8)), self.rules()
        self.refused("table.patient: missing", table, "--rules", self.rules(patient=""), "--with", table)
        self.refused("give none, one for all, or one for each", table, "--rules", self.rules(), "--with", table, "--with", table, "--with", table,
                     "--with-rules", rules, "--with-rules", rules)
        self.refused("linked.by", table, "--rules", self.rules(sensitive="", l=0, more='by = "columns"'), "--with", table)
        self.refused("a table with tables", table, "--rules", self.rules(), "--with", self.root)
        self.refused("a table has none", table, "--rules", self.rules(), "--with", table, "--keys", self.root)
        self.refused("--with: missing", table, "--rules", self.rules(), "--with-rules", rules)
        self.refused("[linked]: most_below", table, "--rules", self.rules(more="most_below = 1"), "--with", table)
        self.refused("[linked]: k", table, "--rules", self.rules(k=0), "--with", table)
        self.refused('[linked]: by', table, "--rules", self.rules(more='by = "column"'), "--with", table)


unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
