#!/usr/bin/env python3
"""risk_test.py ALOFT_STAGE MPIEXEC SOURCE: `aloft-stage risk` says of tables what counting them plainly says, the same from any
number of ranks, and refuses what it cannot judge whole, without a word from it."""
import collections, csv, itertools, json, math, pathlib, random, subprocess, sys, tempfile, unittest

STAGE, MPIEXEC, SOURCE = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
RULES = """
[table]
patient = "id"
count = "people"
[risk]
quasi_identifiers = ["age", "sex", "zip", "visit", "site"]
k = {k}
sensitive = "diagnosis"
l = 2
entropy_l = 1.5
recursive = {{ c = 3, l = 2 }}
t = 0.6
{more}
"""
GENERALISE = """
below = "suppress"
most_suppressed = {share}
[risk.hierarchies.age]
widths = [10, 20]
[risk.hierarchies.sex]
[risk.hierarchies.zip]
prefixes = [3]
[risk.hierarchies.visit]
dates = ["month", "year"]
[risk.hierarchies.site.parents]
north = "upper"
east = "upper"
"""
WHOLE = 1 << 20


def band(width):
    return lambda v: v if v == "" else f"{int(v) // width * width}-{int(v) // width * width + width - 1}"


STEPS = {"age": [band(10), band(20)], "sex": [], "zip": [lambda v: v[:3] + "*" if len(v) > 3 else v],
         "visit": [lambda v: v[:7] if v else v, lambda v: v[:4] if v else v],
         "site": [lambda v: {"north": "upper", "east": "upper"}.get(v, v)]}
QUASI = list(STEPS)
LEVELS = {name: [lambda v: v, *steps, lambda v: "*"] for name, steps in STEPS.items()}


def rows_of(patients, seed, several=False):
    draw, rows = random.Random(seed), []
    for number in range(patients):
        for _ in range(draw.choice((1, 1, 2)) if several else 1):
            rows.append({"id": f"P{number:05}", "age": str(draw.randrange(20, 60)), "sex": draw.choice("MF"),
                         "zip": draw.choice(("47677", "47602", "47678", "10617")), "visit": f"202{draw.randrange(2)}-0{draw.randrange(1, 4)}-1{draw.randrange(3)}",
                         "site": draw.choice(("north", "east", "south")), "diagnosis": draw.choice(("flu", "ulcer", "cancer"))})
    return rows


def records(rows):
    """By patient: the set of its cells, and its diagnosis, or that it has several; missing is none."""
    found = collections.defaultdict(lambda: [set(), set()])
    for row in rows:
        found[row["id"]][0].add(tuple(row[name] for name in QUASI))
        found[row["id"]][1].update({row["diagnosis"]} - {""})
    return [(frozenset(cells), "several" if len(what) > 1 else next(iter(what), "")) for cells, what in found.values()]


def groups_at(people, node):
    groups = collections.defaultdict(collections.Counter)
    for cells, what in people:
        groups[frozenset(tuple(LEVELS[q][level](v) for q, level, v in zip(QUASI, node, cell)) for cell in cells)][what] += 1
    return groups


def measures(group, everybody):
    size, all_ = sum(group.values()), sum(everybody.values())
    counts = sorted((count for what, count in group.items() if what not in ("", "several")), reverse=True)
    values = len(counts)
    counts = counts or [0]
    counts[0] += size - sum(counts)  # who has none or several: one of the most frequent, at worst
    return {"size": size, "l": values, "entropy_l": math.exp(-sum(c / size * math.log(c / size) for c in counts)),
            "ratio": counts[0] / sum(counts[1:]) if len(counts) > 1 else math.inf,
            "t": sum(abs(group[what] / size - count / all_) for what, count in everybody.items()) / 2}


def holds(m, k):
    return m["size"] >= k and m["l"] >= 2 and m["entropy_l"] > 1.5 - 1e-9 and m["ratio"] < 3 and m["t"] <= 0.6 + 1e-12


def least_loss(rows, k, share):
    """Of every generalisation, the one that loses least."""
    people = records(rows)
    everybody = collections.Counter(what for _, what in people)
    values = {q: sorted({row[q] for row in rows}) for q in QUASI}
    lost = {(q, level): {v: (sum(LEVELS[q][level](o) == LEVELS[q][level](v) for o in values[q]) - 1) / max(len(values[q]) - 1, 1)
                         for v in values[q]} for q in QUASI for level in range(len(LEVELS[q]))}
    best = None
    for node in itertools.product(*(range(len(LEVELS[q])) for q in QUASI)):
        bad = {cells for cells, group in groups_at(people, node).items() if not holds(measures(group, everybody), k)}
        out, loss = 0, 0
        for cells, _ in people:
            if frozenset(tuple(LEVELS[q][level](v) for q, level, v in zip(QUASI, node, cell)) for cell in cells) in bad:
                out, loss = out + 1, loss + len(QUASI)
            else:
                loss += sum(max(lost[q, level][cell[i]] for cell in cells) for i, (q, level) in enumerate(zip(QUASI, node)))
        if out <= int(share * len(people) * (1 + 1e-12)) and (best is None or loss < best):
            best = loss
    return None if best is None else best / len(QUASI) / len(people)


class Risk(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)

    def write(self, name, rows, columns=("id", *QUASI, "diagnosis")):
        with open(self.root / name, "w", newline="") as out:
            writer = csv.DictWriter(out, columns)
            writer.writeheader()
            writer.writerows(rows)
        return self.root / name

    def rules(self, k=3, more='below = "report"'):
        (self.root / "rules.toml").write_text(RULES.format(k=k, more=more))
        return self.root / "rules.toml"

    def risk(self, table, *more, ranks=None):
        mpi = [MPIEXEC, "--allow-run-as-root", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1", "--mca", "btl", "self,vader,tcp",
               "-n", str(ranks)] if ranks else []
        done = subprocess.run([*mpi, STAGE, "risk", str(table), *map(str, more), "--json"], capture_output=True, text=True)
        found = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0 if found["holds"] else 5, done.stderr)
        return found

    def refused(self, code, text, table, *more, secret=None):
        done = subprocess.run([STAGE, "risk", str(table), *map(str, more), "--json"], capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stderr)
        told = json.loads(done.stdout)["error"]
        self.assertEqual(told["code"], code)
        self.assertIn(text, told["text"])
        if secret:
            self.assertNotIn(secret, done.stdout + done.stderr)

    def test_figures_are_those_of_a_plain_count(self):
        for seed, several in ((1, False), (2, True)):
            rows = rows_of(60, seed, several)
            for row in rows:
                row.update(age=str(int(row["age"]) // 20 * 20), visit="", zip="1", site="north")  # so that groups are of several
            people = records(rows)
            everybody = collections.Counter(what for _, what in people)
            found = self.risk(self.write("t.csv", rows), "--rules", self.rules())
            all_ = [measures(group, everybody) for group in groups_at(people, [0] * len(QUASI)).values()]
            self.assertEqual(found["patients"], len(people))
            self.assertEqual(found["rows"], len(rows))
            self.assertEqual(found["groups"], len(all_))
            self.assertEqual(found["smallest_group"], min(m["size"] for m in all_))
            self.assertEqual(found["patients_alone"], sum(m["size"] == 1 for m in all_))
            self.assertEqual(found["patients_in_several_cells"], sum(len(cells) > 1 for cells, _ in people))
            below = sum(m["size"] for m in all_ if not holds(m, 3))
            self.assertEqual((found["patients_below_k"], found["holds"]), (below, below == 0))
            self.assertAlmostEqual(found["prosecutor_risk_max"], 1 / min(m["size"] for m in all_))
            self.assertAlmostEqual(found["marketer_risk"], len(all_) / len(people))
            sensitive = found["sensitive"]
            self.assertEqual(sensitive["fewest_categories"], min(m["l"] for m in all_))
            self.assertAlmostEqual(sensitive["least_entropy_l"], min(m["entropy_l"] for m in all_))
            self.assertAlmostEqual(sensitive["greatest_distance"], max(m["t"] for m in all_))
            ratio = max(m["ratio"] for m in all_)
            self.assertEqual(sensitive["recursive"]["greatest_ratio"], None if math.isinf(ratio) else ratio)

    def test_what_is_given_up_is_the_least_on_any_number_of_ranks(self):
        for seed, share in ((3, 0), (4, 0.1), (5, 0.3)):
            rows = rows_of(40, seed, several=seed == 5)
            table, rules = self.write("t.csv", rows), self.rules(3, GENERALISE.format(share=share))
            found = self.risk(table, "--rules", rules)
            least = least_loss(rows, 3, share)
            self.assertIsNotNone(least)
            made = found["generalisation"]
            self.assertTrue(made["is_least"] and found["would_hold"])
            self.assertFalse(found["holds"] or found["suppressed"])
            self.assertAlmostEqual(made["loss"], least, places=5)
            self.assertLessEqual(made["patients_left_out"], share * 40)
            self.assertEqual(made["patients_left_out"], found["patients"] - found["after"]["patients"])
            self.assertGreaterEqual(found["after"]["smallest_group"], 3)
            self.assertEqual(made["before"]["patients_below"], found["patients_below_k"])
            self.assertGreater(found["patients_below_k"], made["patients_left_out"])
            for ranks in (1, 2, 4):
                self.assertEqual(self.risk(table, "--rules", rules, ranks=ranks), found)

    def test_the_order_of_rows_says_nothing(self):
        rows = rows_of(40, 6, several=True)
        rules = self.rules(3, GENERALISE.format(share=0.1))
        found = self.risk(self.write("t.csv", rows), "--rules", rules)
        random.Random(1).shuffle(rows)
        self.assertEqual(self.risk(self.write("t.csv", rows), "--rules", rules), found)

    def test_a_population_and_a_register(self):
        rows = [{"id": f"P{i}", "age": age, "sex": "F", "zip": "1", "visit": "", "site": "north", "diagnosis": "flu"}
                for i, age in enumerate(("30", "30", "31", "40"))]
        people = [{"age": age, "sex": "F", "zip": "1", "visit": "", "site": "north", "people": count}
                  for age, count in (("30", 10), ("31", 4), ("50", 7))]
        table, rules = self.write("t.csv", rows), self.rules(1)
        beside = self.write("people.csv", people, (*QUASI, "people"))
        for ranks in (None, 2):
            found = self.risk(table, "--rules", rules, "--population", beside, "--register", beside, ranks=ranks)
            self.assertEqual(found["prosecutor_risk_max"], 1)
            self.assertEqual(found["journalist_risk_max"], 1)  # 40 is nowhere in the population
            self.assertEqual(found["population"], {"patients_it_lacks": 1})
            self.assertAlmostEqual(found["marketer_risk"], (2 / 10 + 1 / 4 + 1) / 4, places=6)
            self.assertEqual(found["presence"]["least"], 0)
            self.assertAlmostEqual(found["presence"]["most"], 1 / 4)
        self.refused(3, "no number of people", table, "--rules", rules, "--population",
                     self.write("bad.csv", [{**people[0], "people": "K3-secret"}], (*QUASI, "people")), secret="K3-secret")

    def test_hostile_tables(self):
        rules = self.rules(2, GENERALISE.format(share=0))
        empty = self.risk(self.write("t.csv", []), "--rules", rules)
        self.assertEqual((empty["patients"], empty["groups"], empty["holds"]), (0, 0, True))
        one = rows_of(1, 1)
        alone = self.risk(self.write("t.csv", one), "--rules", rules)
        self.assertEqual((alone["holds"], alone["generalisation"], alone["suppressed"]), (False, {"impossible": True}, False))
        equal = [{**one[0], "id": str(i), "diagnosis": ("flu", "ulcer")[i % 2]} for i in range(8)]
        found = self.risk(self.write("t.csv", equal), "--rules", rules)
        self.assertEqual((found["groups"], found["smallest_group"], found["generalisation"]["loss"]), (1, 8, 0))
        missing = [{**row, "age": "", "visit": "", "site": "", "zip": ""} for row in equal]
        found = self.risk(self.write("t.csv", missing + equal), "--rules", rules)
        self.assertEqual(found["patients"], 8)

    def test_what_cannot_be_judged_whole_is_refused_without_a_value(self):
        rows = rows_of(5, 1)
        table, rules = self.write("t.csv", rows), self.rules()
        self.refused(2, "--rules", table)
        self.refused(3, "bad_header", self.write("c.csv", [], ("id", *QUASI)), "--rules", rules)
        self.refused(3, "row 2: it does not say whose", self.write("n.csv", [rows[0], {**rows[1], "id": ""}]), "--rules", rules)
        for name, text, reason in (("short", "P1,30,secret\n", "bad_row"), ("quote", 'P1,"30"x,secret,1,,north,flu\n', "bad_quoting"),
                                   ("utf8", None, "not_utf8")):
            path = self.root / f"{name}.csv"
            path.write_bytes(table.read_bytes() + (text.encode() if text else b"P1,\xff\xfe,M,secret,,north,flu\n"))
            self.refused(3, reason, path, "--rules", rules, secret="secret")
        self.refused(3, "unreadable", self.root / "no-such.csv", "--rules", rules)
        (self.root / "link.csv").symlink_to(table)
        self.refused(3, "symlink", self.root / "link.csv", "--rules", rules)
        worse = self.rules(more='below = "suppress"\n[risk.hierarchies.diagnosis]\n')
        self.refused(2, "none of `quasi_identifiers`", table, "--rules", worse)
        words = [{**row, "age": "secret"} for row in rows[:1]] + [{**row, "age": "old"} for row in rows[1:]]
        self.refused(2, "risk.hierarchies.age: widths", self.write("w.csv", words), "--rules", self.rules(more=GENERALISE.format(share=0)),
                     secret="secret")
        self.refused(2, "no order", table, "--rules", self.rules(more='distance = "ordered"'), secret="flu")

    def test_the_example_of_the_rules_can_be_used(self):
        rows = [{("patient_id" if name == "id" else "postcode" if name == "zip" else name): value for name, value in row.items()}
                for row in rows_of(300, 9)]
        found = self.risk(self.write("t.csv", rows, list(rows[0])), "--rules", SOURCE / "configs/risk/table.toml")
        self.assertTrue(found["would_hold"])
        self.assertGreaterEqual(found["after"]["smallest_group"], 5)

    def test_a_reviewer_reads_sentences(self):
        table, rules = self.write("t.csv", rows_of(40, 4)), self.rules(3, GENERALISE.format(share=0.1))
        self.says(table, rules, 5, "An attacker is taken to know of a person: age, sex, zip, visit and site.", "patients stand out",
                  "(prosecutor)", "The table does not hold", "Would be made coarser: ", "the least that is possible", "After that ",
                  "Counted by patient")

    def says(self, table, rules, code, *expected):
        done = subprocess.run([STAGE, "risk", table, "--rules", rules], capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stderr)
        for words in expected:
            self.assertIn(words, done.stdout)
        return done.stdout

    def plain(self, *people, **more):
        """Rows of (id, age, diagnosis) that differ in nothing else."""
        return [{"id": id_, "age": age, "sex": "F", "zip": "1", "visit": "", "site": "north", "diagnosis": what, **more}
                for id_, age, what in people]

    def test_it_speaks_of_the_table_as_it_lies(self):
        alike = self.plain(*((f"P{i}", "30", "flu" if i % 2 else "ulcer") for i in range(4)))
        table, rules = self.write("t.csv", alike), self.rules(5, 'below = "suppress"')
        found = self.risk(table, "--rules", rules)
        self.assertEqual((found["holds"], found["would_hold"], found["suppressed"], found["after"]["patients"]), (False, False, False, 0))
        self.assertEqual(self.risk(table, "--rules", rules, ranks=2), found)
        text = self.says(table, rules, 5, "They would be left out.", "nobody would be left")
        self.assertNotIn("They are", text)
        held = self.risk(self.write("t.csv", alike + [{**row, "id": row["id"] + "b"} for row in alike]), "--rules", rules)
        self.assertEqual((held["holds"], held["would_hold"]), (True, True))

    def test_missing_several_and_blanks_are_no_values(self):
        for rows in ((("A", "30", "flu"), ("B", "30", "")), (("A", "30", "flu"), ("B", "30", "flu"), ("B", "30", "")),
                     (("A", "30", "flu"), ("B", "30", "flu ")), (("A", "30", "flu"), ("B", "30", "flu"), ("B", "30", "cancer"))):
            found = self.risk(self.write("t.csv", self.plain(*rows)), "--rules", self.rules(1))
            self.assertEqual((found["sensitive"]["fewest_categories"], found["holds"]), (1, False), rows)
        ordered = self.rules(1, 'distance = "ordered"')
        for rows in ((("A", "30", "1"), ("B", "30", "")), (("A", "30", "1"), ("B", "30", "1"), ("B", "30", "2"))):
            table = self.write("t.csv", self.plain(*rows))
            self.refused(3, "some have none, or several", table, "--rules", ordered)
        found = self.risk(self.write("t.csv", self.plain(("A", "30", "1"), ("A", "30", ""), ("B", "30", "10"))), "--rules", ordered)
        self.assertEqual(found["sensitive"]["fewest_categories"], 2)

    def test_whose_a_row_is(self):
        rows = self.plain(("P1", "30", "flu"), ("p1 ", "31", "flu"), (" P1", "32", "flu"), ("P2", "30", "flu"))
        found = self.risk(self.write("t.csv", rows), "--rules", self.rules(1))
        self.assertEqual((found["patients"], found["patients_in_several_cells"]), (2, 1))
        self.refused(3, "row 1: it does not say whose", self.write("t.csv", self.plain((" ", "30", "flu"))), "--rules", self.rules(1))
        rules = self.rules(1)
        rules.write_text(rules.read_text().replace('patient = "id"', ""))
        self.says(self.write("t.csv", rows), rules, 5, "each row is taken for another patient")

    def test_rules_that_would_say_nothing(self):
        table, rules = self.write("t.csv", self.plain(("A", "30", "flu"))), self.rules(1)
        rules.write_text(rules.read_text().replace('["age", "sex", "zip", "visit", "site"]', "[]"))
        self.refused(2, "quasi_identifiers", table, "--rules", rules)
        for name, rows in (("empty", []), ("nobody", self.plain(("", "30", ""), people=0))):
            people = self.write(f"{name}.csv", [{key: row[key] for key in (*QUASI, "people")} for row in rows], (*QUASI, "people"))
            for flag in ("--register", "--population"):
                self.refused(3, "nobody", table, "--rules", self.rules(1), flag, people)
        blanks = self.write("t.csv", self.plain(("A", "secret", "flu"), ("B", "secret ", "flu")))
        self.refused(3, "blanks around them", blanks, "--rules", self.rules(1), secret="secret")

    def test_a_register_finds_a_patient_of_several_cells(self):
        table = self.write("t.csv", self.plain(("A", "30", "flu"), ("A", "31", "flu")))
        register = self.write("r.csv", [{"age": age, "sex": "F", "zip": "1", "visit": "", "site": "north", "people": 1}
                                        for age in ("30", "31")], (*QUASI, "people"))
        for ranks in (None, 2):
            found = self.risk(table, "--rules", self.rules(1), "--register", register, ranks=ranks)
            self.assertEqual(found["presence"], {"least": 1, "most": 1})

    def test_people_beside_the_table_change_no_loss(self):
        table = self.write("t.csv", self.plain(*((f"P{age}", str(age), ("flu", "ulcer")[age % 2]) for age in (30, 31, 32, 33, 50, 51, 52, 53))))
        rules = self.rules(3, GENERALISE.format(share=0))
        made = self.risk(table, "--rules", rules)["generalisation"]
        self.assertEqual(made["levels"]["age"], "bands of 10")
        self.assertAlmostEqual(made["loss"], 3 / 7 / 5, places=5)
        people = [{name: row[name] for name in QUASI} | {"people": 9} for row in self.plain(*(("", str(age), "") for age in range(20, 90)))]
        beside = self.write("people.csv", people, (*QUASI, "people"))
        self.assertEqual(self.risk(table, "--rules", rules, "--population", beside)["generalisation"], made)

    def test_steps_that_ran_out_are_told_from_what_cannot_be(self):
        # t is broken as long as ages are told apart; k and l hold at once.
        table = self.write("t.csv", self.plain(*((f"P{i}", "30" if i < 6 else "50", "flu" if i % 3 else "ulcer") for i in range(13))))
        more = 'below = "suppress"\nmost_steps = {}\n[risk.hierarchies.sex]\n[risk.hierarchies.age]\nwidths = [20]\n'
        for steps, told, words in ((1, "not_found_in_steps", "not all were tried"), (1000, "impossible", "No generalisation")):
            rules = self.rules(3, more.format(steps))
            rules.write_text(rules.read_text().replace("recursive = { c = 3,", "recursive = { c = 0.5,"))
            found = self.risk(table, "--rules", rules)
            self.assertEqual((list(found["generalisation"]), found["would_hold"]), ([told], False))
            self.says(table, rules, 5, words)


unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
