"""report.html and a study's summary.html as a browser shows them. pages_test.py PAGES [TEST...]"""
import json, pathlib, shutil, subprocess, sys, tempfile, unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import browser

PAGES = sys.argv[1]
REPORTS = ("two", "many", "labels", "number", "masks")
WIDTHS = (400, 1280)
NOT_A_PAGE = """<!DOCTYPE html><body><p style="width:2000px">wide</p><p style="font-size:5px">small</p><p style="color:#bbb">faint</p>
<svg width="9" height="9"><text x="0" y="9">cut</text><text x="1" y="9">over</text></svg><img src="http://elsewhere.test/x"/>
<script>document.title = "run"; nothing.at.all()</script></body>"""


def number(value, digits="%.3f"):
    return "–" if value is None else str(value) if isinstance(value, int) else digits % value


def told(entry, name, digits="%.3f"):
    between = entry.get("interval95", {}).get(name)
    return number(entry[name], digits) + (f" ({number(between[0], digits)} to {number(between[1], digits)})" if between else "")


def adjusted(gap):
    p = None if gap is None else gap.get("p")
    return "–" if p is None else "< 0.001" if p < 0.001 else "%.3f" % p


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="aloft-test-"))
        subprocess.run([PAGES, cls.root], check=True)
        files = {name: cls.root / name / "report.html" for name in (*REPORTS, "failed")} | {"study": cls.root / "study/summary.html"}
        (cls.root / "bad.html").write_text(NOT_A_PAGE)
        cls.seen, cls.asked, cls.console = browser.look(files, WIDTHS)
        cls.bad, cls.bad_asked, cls.bad_console = browser.look({"bad": cls.root / "bad.html"}, (400,))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.root)

    def metrics(self, name):
        return json.loads((self.root / name / "metrics.json").read_text())

    def page(self, name):
        return self.seen[name, 1280]

    def test_the_browser_sees_what_is_wrong_with_a_page(self):
        bad = self.bad["bad", 400]
        self.assertGreater(bad["scroll_width"], 2000)
        for fault in ("wider", "small", "faint", "untitled", "cut", "covered"):
            self.assertTrue(bad[fault], fault)
        self.assertEqual(bad["title"], "run")
        self.assertEqual(self.bad_asked, ["http://elsewhere.test/x"])
        self.assertIn("nothing is not defined", "".join(self.bad_console))

    def test_nothing_is_run_and_nothing_is_fetched(self):
        self.assertEqual((self.asked, self.console), ([], []))
        for page in self.seen.values():
            self.assertFalse({"script", "img", "link", "iframe", "object", "form", "a"} & {*page["tags"]})
            self.assertNotEqual(page["title"], "run")
            self.assertIn("<script>document.title = 'run'</script>", page["text"])  # a name, as text

    def test_a_page_fits_a_telephone_and_a_screen_and_can_be_read(self):
        for at, page in self.seen.items():
            self.assertLessEqual(page["scroll_width"], page["width"], at)
            for fault in ("wider", "small", "faint", "cut", "covered"):
                self.assertEqual(page[fault], [], (at, fault))
            self.assertEqual(page["untitled"], 0, at)

    def test_the_first_line_says_where_the_model_fails(self):
        for name in ("two", "many", "number", "masks"):
            self.assertTrue(self.page(name)["first"].startswith("The model fails most at site: <script>"), self.page(name)["first"])
        self.assertIn("No stratum", self.page("labels")["first"])
        self.assertIn("site: ", self.page("study")["first"])

    def test_each_figure_of_a_stratum_is_that_of_metrics_json(self):
        for name in REPORTS:
            metrics, page = self.metrics(name), self.page(name)
            digits = "%.4g" if name in ("number", "masks") else "%.3f"
            score = metrics["score"]
            table = next(table for table in page["tables"] if table[0][:2] == ["", "samples"])
            lines = {line[0]: line for line in table[1:]}
            entries = {"overall": metrics["overall"]} | {f"{stratum}: {entry['value']}": entry for stratum, of in metrics["strata"].items()
                                                         for entry in of["worst_first"]}
            self.assertEqual(list(lines), list(entries))
            self.assertGreater(len(entries), 5)
            titles = [each["title"] for each in page["drawn"]]
            for value, entry in entries.items():
                self.assertEqual(lines[value][1], number(entry["samples"]))
                for at, heading in enumerate(table[0][2:-2], 2):
                    figure = heading.replace(" ", "_")
                    self.assertEqual(lines[value][at], told(entry, figure, digits), (name, value, figure))
                if value != "overall":
                    self.assertIn(f"{value}, {score.replace('_', ' ')} {told(entry, score, digits)}", titles)
            if "confusion" in metrics:
                matrix = next(table for table in page["tables"] if table[0] == ["", *metrics["classes"]])
                self.assertEqual([line[1:] for line in matrix[1:]], [[str(cell) for cell in row] for row in metrics["confusion"]])

    def test_the_further_tables_have_the_cells_of_metrics_json(self):
        for name in REPORTS:
            metrics, page = self.metrics(name), self.page(name)
            units = "%.4g" if name in ("number", "masks") else "%.3f"
            table = next(table for table in page["tables"] if table[0][:2] == ["", "samples"])
            entries = [metrics["overall"]] + [entry for of in metrics["strata"].values() for entry in of["worst_first"]]
            gaps = [entry.get("gap") for entry in entries]
            self.assertGreater(sum(gap is not None for gap in gaps), 4)
            self.assertEqual([line[-2] for line in table[1:]], ["–" if gap is None else told(gap, "score", units) for gap in gaps])
            self.assertEqual([line[-1] for line in table[1:]], [adjusted(gap) for gap in gaps])
            for parts in ("per_label", "per_class"):
                if parts not in metrics or "confusion" in metrics:
                    continue
                table = next(table for table in page["tables"] if table[0][0] == "" and len(table[0]) > 2 and table[0][1] != "samples")
                self.assertEqual(table[1:], [[entry["value"], *(number(entry[heading.replace(" ", "_")]) for heading in table[0][1:])]
                                             for entry in metrics[parts]["worst_first"]])
                self.assertEqual(len(table[0]), len(metrics[parts]["worst_first"][0]))
        metrics, page = self.metrics("two"), self.page("two")
        table = next(table for table in page["tables"] if table[0] == ["threshold", "sensitivity", "specificity"])
        self.assertEqual(table[1:], [[number(point["threshold"]), told(point, "sensitivity"), told(point, "specificity")] for point in metrics["overall"]["points"]])
        self.assertNotEqual(metrics["overall"]["points"][0]["sensitivity"], metrics["overall"]["points"][0]["specificity"])
        fitted = metrics["calibration"]["temperature"]
        self.assertIn(f"A temperature of {number(fitted['temperature'])}, ", page["text"])
        self.assertIn(f"make it {number(fitted['ece'])}, and the loss {number(fitted['loss'])} in place of {number(metrics['overall']['loss'])}.", page["text"])

    def test_curves_are_drawn_and_told_as_they_are(self):
        for name, parts in (("two", "per_class"), ("many", "per_class"), ("labels", "per_label")):
            metrics, page = self.metrics(name), self.page(name)
            curves = {each["name"]: each for each in json.loads((self.root / name / "curves.json").read_text())}
            drawn = {each["title"]: each for each in page["drawn"]}
            tables = iter([table for table in page["tables"] if table[0] == ["threshold", "sensitivity", "specificity", "precision"]])
            of = [entry for entry in metrics[parts]["worst_first"] if entry["value"] in curves]
            self.assertEqual(len(of), 1 if name == "two" else len(metrics[parts]["worst_first"]))
            self.assertEqual(sum(" curve of " in title for title in drawn), 2 * sum(not each["none"] for each in curves.values()))
            for entry in of:
                self.assertIn(f"AUROC {number(entry['auroc'])}, AUPRC {number(entry['auprc'])}.", page["text"])
                points = curves[entry["value"]]["points"]
                if not points:
                    self.assertIn(f"No curve: {curves[entry['value']]['none']}.", page["text"])
                    continue
                self.assertGreater(len(points), 2)
                self.assertEqual(next(tables)[1:], [["%.4g" % point[0], *("%.3f" % share for share in point[1:])] for point in points])
                roc, steps = (drawn[f"{kind} curve of {entry['value']}"] for kind in ("ROC", "Precision-recall"))
                self.same_line(roc, [(0, 0)] + [(1 - specificity, sensitivity) for _, sensitivity, specificity, _ in points])
                reached = [0] + [point[1] for point in points]
                self.same_line(steps, [(at, point[3]) for i, point in enumerate(points) for at in reached[i:i + 2]])
                if len(points) < 5:
                    continue
                area = sum((b[1] - a[1]) * b[3] for a, b in zip([[0, 0, 0, 0]] + points, points))
                self.assertAlmostEqual(area, entry["auprc"], delta=0.15)
                area = sum((a[2] - b[2]) * (a[1] + b[1]) / 2 for a, b in zip([[0, 0, 1, 0]] + points, points))
                self.assertLess(area, entry["auroc"] + 0.01)
                self.assertAlmostEqual(area, entry["auroc"], delta=0.1)
            self.assertEqual(list(tables), [])
        for name in ("number", "masks"):
            self.assertNotIn(" curve of ", " ".join(each["title"] for each in self.page(name)["drawn"]))

    def same_line(self, drawn, points):
        axes, _, line = drawn["lines"]
        (left, top), (_, bottom), (right, _) = axes
        self.assertEqual(len(line), len(points))
        for (x, y), (across, up) in zip(line, points):
            self.assertAlmostEqual(x, left + (right - left) * across, delta=0.06)
            self.assertAlmostEqual(y, bottom - (bottom - top) * up, delta=0.06)

    def test_a_sample_without_score_is_told_and_no_curve_is_drawn(self):
        metrics, page = self.metrics("failed"), self.page("failed")
        self.assertEqual(metrics["overall"]["without_score"], 2)
        self.assertIn("Of 2 samples the model says something that is no number", page["text"])
        self.assertIn("No curve: a sample has no score.", page["text"])
        self.assertNotIn(" curve of ", " ".join(each["title"] for each in page["drawn"]))

    def test_reliability_has_the_rows_of_metrics_json(self):
        for name in ("two", "many"):
            curve = self.metrics(name)["calibration"]["curve"]
            table = next(table for table in self.page(name)["tables"] if table[0] == ["from", "samples", "predicted", "observed"])
            self.assertEqual(table[1:], [[number(row[key]) for key in ("threshold", "samples", "probability", "share")] for row in curve])
            drawn = next(each for each in self.page(name)["drawn"] if each["title"].startswith("Reliability"))
            self.assertEqual(drawn["circles"], len(curve))

    def test_a_study_shows_its_hospitals_folds_and_sweep(self):
        summary, page = json.loads((self.root / "study/summary.json").read_text()), self.page("study")
        held = next(table for table in page["tables"] if table[0][0] == "held out")
        self.assertEqual([line[:3] for line in held[1:]],
                         [[f"site: {entry['value']}", told(entry, "balanced_accuracy"), number(entry["others"])]
                          for entry in summary["strata"]["site"]["worst_first"]])
        folds = next(table for table in page["tables"] if table[0][0] == "fold")
        self.assertEqual([line[1] for line in folds[1:]], [number(score) for score in summary["folds"]["scores"]])
        sweep = next(table for table in page["tables"] if table[0][0] == "run")
        self.assertEqual([line[1] for line in sweep[1:]], [entry["settings"]["optimizer.rate"] for entry in summary["validation"]["best_first"]])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
