"""Studies: hospitals held out, folds and a sweep of one recipe, and their summary.

study_test.py ALOFT_TRAIN MAKE_DATASET MPIEXEC [TEST...]"""
import contextlib, fcntl, filecmp, json, os, pathlib, shutil, signal, struct, subprocess, sys, time, unittest, xml.etree.ElementTree

from runs_case import TABLE, TRAIN, RunsCase, settings

RECIPE = TABLE.replace("epochs = 30", "epochs = 6") + """
[evaluate]
bootstrap = 30
[study]
leave_out = ["site"]
folds = 3
[[study.sweep]]
key = "optimizer.rate"
values = ["0.00001", "0.02"]
[[study.sweep]]
key = "model.hidden"
values = ["[16]"]
"""
FOLDS, SWEEP = range(3, 6), range(6, 8)  # after the three sites


class Studies(RunsCase):
    def setUp(self):
        if not (self.root / "apart").exists():
            self.make("apart")
            (self.root / "apart" / "recipe.toml").write_text(RECIPE)

    def words(self, verb, study, *more, ranks=1):
        where = self.root / "apart"
        flags = ["--study", str(study)]
        if verb != "summary":
            flags += ["--recipe", str(where / "recipe.toml"), "--dataset", str(where / "data")]
        if verb == "run":
            flags += ["--key", str(where / "dataset.key")]
        start = self.command("apart", None, ranks)
        return [*start[:start.index(TRAIN) + 1], "study", verb, *flags, *more]

    def study(self, verb, study, *more, ranks=1, code=0, env=None):
        done = subprocess.run(self.words(verb, study, *more, ranks=ranks), capture_output=True, text=True,
                              env=self.environment(**(env or {})))
        self.assertEqual(done.returncode, code, done.stderr)
        if "--json" in more:
            self.judge_json(f"study {verb}", code, done.stdout)
        return done

    def finished(self, ranks):
        """All runs, one after the other, and the summary."""
        study = self.root / f"whole-{ranks}"
        if not study.exists():
            self.study("plan", study, ranks=ranks)
            told = self.study("run", study, ranks=ranks, code=2).stderr
            self.assertEqual(told.count("warning study_run_failed run=2 "), 1, told)  # tiny, of four patients
            self.assertEqual(told.count("warning study_run_failed"), 1, told)
            self.assertIn("fewer than evaluate.min_stratum patients with a label would be of that value", told)
            self.assertFalse((study / "runs" / "2" / "log.jsonl").exists())  # before a step
            self.study("summary", study, ranks=ranks)
        return study

    def summary(self, study):
        return json.loads((study / "summary.json").read_text())

    def test_the_hospital_where_the_model_fails_is_named_first(self):
        summary = self.summary(self.finished(1))
        self.assertEqual((summary["runs"], summary["missing_runs"], summary["refused_runs"]), (8, [], [2]))
        site = summary["strata"]["site"]
        # Of tiny's four patients nothing is told, nor of the least beside it, nor of others that hold both.
        self.assertEqual(site["suppressed"], ["north", "tiny"])
        self.assertEqual([each["value"] for each in site["worst_first"]], ["south"])
        self.assertEqual((site["worst_first"][0]["others"], site["worst_first"][0]["gap"]), (None, None))
        self.assertNotIn("study_sha256", summary)
        study = self.root / "all-told"
        few = settings("evaluate.min_stratum=4", "study.folds=0")
        for verb in ("plan", "run"):
            self.study(verb, study, *few)
        self.study("summary", study)
        site = self.summary(study)["strata"]["site"]
        self.assertEqual(site["suppressed"], [])
        self.assertEqual(site["worst_first"][0]["value"], "south")
        south, north = (next(each for each in site["worst_first"] if each["value"] == name) for name in ("south", "north"))
        self.assertLess(south["balanced_accuracy"], 0.5)
        for each in (south, north):  # of more than 100 samples
            for value in (each["balanced_accuracy"], *each["interval95"]["balanced_accuracy"], each["gap"]["score"]):
                self.assertEqual(round(value, 3), value)
        self.assertLess(south["gap"]["interval95"]["score"][1], 0)
        self.assertLess(south["gap"]["p"], 0.05)
        for each in (south, north):
            self.assertAlmostEqual(each["gap"]["score"], each["balanced_accuracy"] - each["others"], delta=0.012)
            low, high = each["interval95"]["balanced_accuracy"]
            self.assertTrue(low <= each["balanced_accuracy"] <= high)
        text = (study / "summary.html").read_text()
        page = xml.etree.ElementTree.fromstring(text.split("\n", 2)[2])
        first = page.find(".//*[@class='fails']").text
        self.assertTrue(first.startswith("The model fails most at site: south"), first)
        self.assertNotIn("://", text.replace("http://www.w3.org/1999/xhtml", ""))

    def test_a_held_out_hospital_is_judged_whole_and_by_no_model_that_saw_it(self):
        metrics = self.metrics(self.finished(1) / "runs" / "1")
        self.assertEqual(metrics["held_out"], {"column": "site", "value": "south"})
        self.assertEqual(metrics["split"], "held_out")
        of = {each["value"]: each["samples"] for each in metrics["strata"]["held_out"]["worst_first"]}
        self.assertEqual(of["south"], 80 * 4)        # of 160 patients each second, all their samples
        self.assertEqual(of["not south"], 32 // 2 * 4)  # test patients of the others

    def test_folds_have_a_mean_and_a_spread_over_them(self):
        folds = self.summary(self.finished(1))["folds"]
        scores = [self.metrics(self.finished(1) / "runs" / str(i))["overall"]["balanced_accuracy"] for i in FOLDS]
        self.assertEqual(folds["scores"], [round(score, 3) for score in scores])
        mean = sum(scores) / 3
        self.assertAlmostEqual(folds["mean"], mean, delta=0.0011)
        self.assertAlmostEqual(folds["sd"], (sum((s - mean) ** 2 for s in scores) / 2) ** 0.5, delta=0.0016)
        samples = [self.metrics(self.finished(1) / "runs" / str(i))["overall"]["samples"] for i in FOLDS]
        self.assertEqual(sum(samples), 128 * 4)  # all patients who are for training or validation, each once

    def test_a_sweep_is_ordered_by_validation_alone(self):
        best_first = self.summary(self.finished(1))["validation"]["best_first"]
        self.assertEqual(sorted(each["run"] for each in best_first), list(SWEEP))
        scores = [each["balanced_accuracy"] for each in best_first]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertGreater(scores[0], scores[-1])
        self.assertEqual([each["settings"]["optimizer.rate"] for each in best_first], ["0.02", "0.00001"])
        self.assertEqual({self.metrics(self.finished(1) / "runs" / str(i))["split"] for i in SWEEP}, {"validation"})

    def test_an_array_on_two_ranks_stopped_and_resumed_has_the_same_bytes(self):
        study = self.root / "array"
        self.study("plan", study)
        self.study("plan", study)  # nothing changes
        first = subprocess.Popen(self.words("run", study, "--set", "train.epochs=6", ranks=2), stderr=subprocess.PIPE, text=True,
                                 env=self.environment(SLURM_ARRAY_TASK_ID="4"))
        self.assertIn("another recipe, other settings", first.communicate()[1])  # than was planned
        self.assertEqual(first.returncode, 2)
        self.kill_midway(study, study / "runs" / "1")
        for index in ("1", "4"):
            self.study("run", study, ranks=2, env={"SLURM_ARRAY_TASK_ID": index})
        self.study("summary", study)
        partial = self.summary(study)
        self.assertEqual(partial["missing_runs"], [0, 2, 3, 5, 6, 7])
        self.assertIn("Of 8 runs 6 are not over.", (study / "summary.html").read_text())
        self.study("run", study, ranks=2, code=2)  # the rest, in one job
        self.study("summary", study, ranks=2)
        for name in ("plan.jsonl", "summary.json", "summary.html"):
            self.assertTrue(filecmp.cmp(study / name, self.finished(1) / name, shallow=False), name)

    def kill_midway(self, study, out):
        for _ in range(20):  # where this process is kept waiting, a short run may be over by then
            shutil.rmtree(out, ignore_errors=True)
            run = subprocess.Popen(self.words("run", study, ranks=2), stderr=subprocess.PIPE, text=True,
                                   env=self.environment(SLURM_ARRAY_TASK_ID="1"))
            while run.poll() is None and not list((out / "checkpoints").glob("step-*")):
                time.sleep(0.002)
            with contextlib.suppress(OSError, IndexError):
                ranks = pathlib.Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
                os.kill(int(ranks[-1]), signal.SIGKILL)
            run.communicate()
            if run.returncode != 0 and not (out / "metrics.json").exists():
                break
        self.assertNotEqual(run.returncode, 0)
        self.assertFalse((out / "metrics.json").exists())
        self.assertTrue(list((out / "checkpoints").glob("step-*")))

    def test_no_model_that_may_have_seen_a_hospital_is_said_not_to_have(self):
        held = settings("hold_out.column=site", "hold_out.value=south", "train.epochs=1", "evaluate.bootstrap=0")
        plain, out = self.root / "plain", self.root / "held"
        self.run_to_end("apart", plain, 1, *settings("train.epochs=1", "evaluate.bootstrap=0"))
        saw = str(plain / "model.safetensors")
        self.assertIn("may have seen", self.run_to_end("apart", None, 1, *held, "--model", saw, verb="evaluate", code=2).stderr)
        self.assertIn("may have seen", self.run_to_end("apart", out, 1, *held, "--init", saw, code=2).stderr)
        self.make("elsewhere")
        (self.root / "elsewhere" / "recipe.toml").write_text(TABLE)
        short = settings("train.epochs=1", "evaluate.bootstrap=0")
        for start, why in ((("--init", saw), "may have seen"), ((), "")):  # trained here first, then elsewhere; there alone
            moved, then = self.root / f"moved-{len(start)}", self.root / f"then-{len(start)}"
            self.run_to_end("elsewhere", moved, 1, *short, *start)
            done = self.run_to_end("apart", then, 1, *held, "--init", str(moved / "model.safetensors"), code=2 if why else 0)
            self.assertIn(why, done.stderr)
        self.run_to_end("apart", out, 1, *held)
        self.run_to_end("apart", None, 1, *held, "--model", str(out / "model.safetensors"), verb="evaluate")

    def test_a_summary_is_of_the_plans_runs_alone(self):
        study = self.root / "mixed"
        shutil.copytree(self.finished(1), study)
        shutil.copy(study / "runs" / "0" / "metrics.json", study / "runs" / "1" / "metrics.json")
        self.assertIn("runs/1/metrics.json", self.study("summary", study, code=3).stderr)
        metrics = self.metrics(self.finished(1) / "runs" / "1")  # by its names the plan's, but of no run of it
        metrics["study_sha256"] = "0" * 64
        (study / "runs" / "1" / "metrics.json").write_text(json.dumps(metrics))
        self.assertIn("runs/1/metrics.json", self.study("summary", study, code=3).stderr)
        self.assertIn("--study: there is no folder", self.study("summary", self.root / "nowhere", code=2).stderr)
        self.assertIn("no plan", self.study("summary", self.root / "apart", code=2).stderr)

    def test_a_plan_has_a_line_for_each_combination(self):
        (self.root / "apart" / "more.toml").write_text(RECIPE.replace('["[16]"]', '["[8]", "[16, 8]"]'))
        words = self.words("plan", self.root / "combined")
        words[words.index(str(self.root / "apart" / "recipe.toml"))] = str(self.root / "apart" / "more.toml")
        told = subprocess.run(words, capture_output=True, text=True, env=self.environment()).stdout
        self.assertEqual(told, (self.root / "combined" / "plan.jsonl").read_text())
        head, *runs = map(json.loads, told.splitlines())
        self.assertEqual((head["runs"], [run["run"] for run in runs]), (10, list(range(10))))
        self.assertEqual([tuple(run["chosen"].values()) for run in runs[6:]],
                         [("0.00001", "[8]"), ("0.00001", "[16, 8]"), ("0.02", "[8]"), ("0.02", "[16, 8]")])

    def test_a_run_that_cannot_be_had_leaves_the_others_to_be_done(self):
        study, changes = self.root / "some", settings("study.leave_out=[]", "evaluate.min_stratum=60", "train.epochs=1")
        self.study("plan", study, *changes)
        told = self.study("run", study, *changes, ranks=2, code=2).stderr
        self.assertEqual(told.count("warning study_run_failed"), 3)
        self.assertIn("a fold would have fewer", told)
        self.study("summary", study)
        self.assertEqual((self.summary(study)["missing_runs"], self.summary(study)["refused_runs"]), ([], [0, 1, 2]))
        self.assertIn("3 cannot be had of this dataset", (study / "summary.html").read_text())
        note = json.loads((study / "runs" / "0" / "refused.json").read_text())
        self.assertEqual((set(note), note["refused"]), ({"refused", "study_sha256"}, "usage"))
        self.assertEqual(len(self.summary(study)["validation"]["best_first"]), 2)

    def test_a_value_of_which_nothing_could_be_told_has_no_run(self):
        study, changes = self.root / "skipped", settings("evaluate.min_stratum=25", "study.folds=0")
        told = self.study("plan", study, *changes)
        head, *runs = map(json.loads, told.stdout.splitlines())
        self.assertEqual((head["skipped"], [run["value"] for run in runs[:2]]), ({"site": ["tiny"]}, ["north", "south"]))
        self.assertEqual({run["kind"] for run in runs[2:]}, {"sweep"})
        self.assertIn("value_skipped column=site value=tiny", told.stderr)
        self.assertNotIn("16", told.stderr.split("value_skipped")[1])
        self.study("summary", study)
        site = self.summary(study)["strata"]["site"]
        self.assertEqual((site["worst_first"], site["suppressed"]), ([], ["tiny"]))

    def test_what_the_manifest_does_not_allow_is_refused_when_it_is_planned(self):
        for change, why in (("data.label=nothing", "nothing"), ("data.field=nothing", "nothing"), ("evaluate.positive=nothing", "positive"),
                            ("study.folds=60", "study.folds: a fold would have fewer"),
                            ("evaluate.min_stratum=100000", "study.leave_out: no value of site"),
                            ('evaluate.strata=["vendor"]', "strata: with hold_out.column"),
                            ("evaluate.split=validation", "those are judged who are held out")):
            self.assertIn(why, self.study("plan", self.root / "refused", "--set", change, code=2).stderr, change)
        self.assertIn("evaluate.strata: nothing is not a column", self.study(
            "plan", self.root / "refused", *settings("study.leave_out=[]", 'evaluate.strata=["nothing"]'), code=2).stderr)
        self.assertFalse((self.root / "refused").exists())

    def test_each_verb_answers_with_one_object(self):
        study, short = self.root / "told", settings("study.leave_out=[]", "train.epochs=1", "evaluate.bootstrap=0")
        plan = json.loads(self.study("plan", study, *short, "--json", ranks=2).stdout)
        lines = [json.loads(line) for line in (study / "plan.jsonl").read_text().splitlines()]
        self.assertEqual(plan, {"plan": lines[0], "runs": lines[1:]})
        first = self.study("run", study, *short, "--json", "--index", "1", ranks=2)
        self.assertEqual(json.loads(first.stdout), {"runs": 5, "done": [1], "over": []})
        rest = self.study("run", study, *short, "--json")
        self.assertEqual(json.loads(rest.stdout), {"runs": 5, "done": [0, 2, 3, 4], "over": [1]})
        told = self.study("summary", study, "--json")
        self.assertEqual(json.loads(told.stdout), self.summary(study))
        self.judge_json("study summary", 0, json.dumps(self.summary(self.finished(1))))  # of hospitals, some refused
        self.judge_json("study plan", 0, self.study("plan", self.root / "whole-1", "--json").stdout)
        few = settings("evaluate.min_stratum=25", "study.folds=0")
        self.study("plan", self.root / "told-skipped", *few, "--json")  # with values that have no run
        self.study("plan", study, "--json", code=2)  # another one is there
        self.study("run", study, *short, "--json", "--index", "9", code=2)
        self.study("summary", self.root / "apart", "--json", code=2)

    def test_a_run_that_another_job_has_is_not_begun_twice(self):
        study = self.root / "twice"
        self.study("plan", study)
        (study / "runs/1").mkdir(parents=True)
        with open(study / "runs/1/.lock", "w") as held:
            fcntl.fcntl(held, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
            told = self.study("run", study, "--index", "1", ranks=2, code=4).stderr
        self.assertIn(f"another run is at work in {study}/runs/1", told)
        self.assertEqual([path.name for path in (study / "runs/1").iterdir()], [".lock"])

    def test_what_is_no_study_is_refused(self):
        for change, why in (("study.leave_out=label", "cannot be held out"), ("study.leave_out=nobody", "no column"), ("study.fold=2", "fold")):
            self.assertIn(why, self.study("plan", self.root / "refused", "--set", change, code=2).stderr, change)
        for key in ("evaluate.split", "data.label", "data", "data.missing_label", "data.field", "optimizer", "hold_out.value"):
            (self.root / "apart" / "other.toml").write_text(RECIPE.replace('"optimizer.rate"', f'"{key}"'))
            words = self.words("plan", self.root / "refused")
            words[words.index(str(self.root / "apart" / "recipe.toml"))] = str(self.root / "apart" / "other.toml")
            done = subprocess.run(words, capture_output=True, text=True, env=self.environment())
            self.assertEqual(done.returncode, 2, key)
            self.assertIn("expected a key of", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
