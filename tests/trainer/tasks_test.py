"""Whole runs of aloft-train for tasks other than classification.

tasks_test.py ALOFT_TRAIN MAKE_DATASET MPIEXEC [TEST...]"""
import json, shutil, subprocess, sys, unittest

from runs_case import MAKE, RunsCase, settings

REGRESSION = """
name = "doses"
[task]
name = "regression"
[data]
label = "dose"
batch = 32
[model]
name = "resnet2d"
width = 8
blocks = [1, 1]
[optimizer]
rate = 0.01
[schedule]
warmup_steps = 5
[train]
epochs = 6
log_steps = 1
reproducible = true
[checkpoint]
every_steps = 7
[evaluate]
bootstrap = 40
strata = ["site", "vendor", "site*vendor"]
"""

LABELS = REGRESSION.replace('name = "doses"', 'name = "places"').replace('"regression"', '"multilabel"').replace(
    'label = "dose"', 'labels = ["is_left", "is_top", "is_bright"]')


class Tasks(RunsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for kind in ("measured", "unmeasured"):
            (cls.root / kind).mkdir()
            subprocess.run([MAKE, cls.root / kind, kind], check=True)
            (cls.root / kind / "recipe.toml").write_text(REGRESSION)
        shutil.copytree(cls.root / "measured", cls.root / "labels")
        (cls.root / "labels" / "recipe.toml").write_text(LABELS)
        cls.done = {}

    def doses(self, ranks=1, kind="measured"):
        if (ranks, kind) not in self.done:
            self.done[ranks, kind] = self.root / f"whole-{kind}-{ranks}"
            self.run_to_end(kind, self.done[ranks, kind], ranks)
        return self.done[ranks, kind]

    def test_a_regression_learns_in_the_columns_unit(self):
        metrics = self.metrics(self.doses())
        self.assertEqual((metrics["task"], metrics["target"], metrics["score"]), ("regression", "dose", "mae"))
        for key in ("classes", "positive", "confusion", "per_class", "calibration"):
            self.assertNotIn(key, metrics)
        overall = metrics["overall"]
        self.assertEqual(overall["samples"], 128)
        self.assertLess(overall["mae"], 6)  # mg, of a spread of 16
        self.assertLessEqual(overall["mae"], overall["rmse"])
        self.assertGreater(overall["r2"], 0.8)
        self.assertLessEqual(abs(overall["bias"]), overall["mae"])
        self.assertLess(overall["interval95"]["mae"][0], overall["mae"])
        self.assertLess(overall["per_patient"]["mae"], 6)
        vendors = metrics["strata"]["vendor"]["worst_first"]
        self.assertEqual(sum(v["samples"] for v in vendors), 128)
        errors = [v["mae"] for v in vendors]
        self.assertEqual(errors, sorted(errors, reverse=True))  # the worst first: the greatest error
        mean = sum(v["samples"] * v["mae"] for v in vendors) / 128
        self.assertLess(abs(mean - overall["mae"]), 0.01 * mean)  # three digits each
        self.assertIn("tiny", metrics["strata"]["site"]["suppressed"])  # four patients
        self.assertNotIn("tiny", [v["value"] for v in metrics["strata"]["site"]["worst_first"]])
        self.assertIsNotNone(vendors[0]["gap"]["score"])
        page = (self.doses() / "report.html").read_text()
        self.assertIn("mae", page)
        self.assertNotIn("Confusion", page)
        epochs = [json.loads(line) for line in (self.doses() / "log.jsonl").read_text().splitlines() if '"event":"epoch"' in line]
        self.assertEqual(len(epochs), 6)
        kept = [e["validation"]["mae"] for e in epochs if e["step"] == metrics["training"]["selected_step"]]
        self.assertEqual(kept, [min(e["validation"]["mae"] for e in epochs)])
        self.assertIsNone(metrics["training"]["validation"])  # whose error that tells nobody looked

    def test_the_same_bytes_on_any_number_of_ranks(self):
        for kind in ("measured", "labels"):
            for ranks in (2, 4):
                self.assert_same(self.doses(1, kind), self.doses(ranks, kind))

    def test_killed_and_run_again_ends_with_the_same_bytes(self):
        for kind in ("measured", "labels"):
            self.assert_goes_on_to(self.doses(2, kind), kind, 2, 2)

    def test_several_labels_are_learned_of_which_some_are_not_known(self):
        metrics = self.metrics(self.doses(kind="labels"))
        self.assertEqual((metrics["task"], metrics["labels"]), ("multilabel", ["is_left", "is_top", "is_bright"]))
        self.assertGreater(metrics["overall"]["auroc"], 0.9)
        self.assertEqual(metrics["overall"]["samples"], 128)  # also those of which only one label is known
        per_label = metrics["per_label"]["worst_first"]
        self.assertEqual({each["value"] for each in per_label}, set(metrics["labels"]))
        mean = sum(each["auroc"] for each in per_label) / 3
        self.assertAlmostEqual(mean, metrics["overall"]["auroc"], places=5)
        self.assertIn("tiny", metrics["strata"]["site"]["suppressed"])
        self.assertIn("Labels", (self.doses(kind="labels") / "report.html").read_text())
        model = "--model", str(self.doses(kind="labels") / "model.safetensors")
        done = self.run_to_end("labels", None, 3, *model, "--json", verb="evaluate")
        training = metrics.pop("training")
        self.assertEqual(json.loads(done.stdout), metrics)
        epochs = [json.loads(line) for line in (self.doses(kind="labels") / "log.jsonl").read_text().splitlines() if '"event":"epoch"' in line]
        self.assertEqual(training["validation"], max(epoch["validation"]["auroc"] for epoch in epochs))

    def test_labels_that_are_none_are_refused(self):
        for change, code, word in ((['data.labels=["is_left", "count"]'], 3, "has no label"), (['data.labels=["site"]'], 2, "no yes and no"),
                                   (["data.labels=[]"], 2, "expected the columns"), (['data.labels=["is_left", "is_left"]'], 2, "twice"),
                                   (['evaluate.strata=["is_top"]'], 2, "is_top"), (['evaluate.points=["0.5"]'], 2, "not for labels"),
                                   (["data.missing_label=leave_out"], 2, "missing_label"), (["evaluate.temperature=false"], 2, "temperature"),
                                   (["loss.name=huber"], 2, '"bce"'), (["data.label=dose"], 2, 'did you mean "labels"')):
            done = self.run_to_end("labels", self.root / "no-labels", 0, *settings(*change), code=code)
            self.assertIn(word, done.stderr.replace('\\"', '"'), change)

    def test_evaluating_and_exporting_say_the_same(self):
        metrics = self.metrics(self.doses())
        metrics.pop("training")
        model = "--model", str(self.doses() / "model.safetensors")
        done = self.run_to_end("measured", None, 3, *model, "--json", verb="evaluate")
        self.assertEqual(json.loads(done.stdout), metrics)
        exported = self.root / "exported.safetensors"
        self.run_to_end("measured", exported, 1, "--run", str(self.doses()), verb="export")
        self.assertEqual(exported.read_bytes(), (self.doses() / "model.safetensors").read_bytes())
        table = self.run_to_end("measured", None, 1, *model, verb="evaluate").stdout
        self.assertIn("MAE", table)

    def test_loss_and_task_belong_to_the_run(self):
        out = self.root / "identity"
        self.run_to_end("measured", out, 2, *settings("train.epochs=1"))
        for change in ("loss.name=mse", "loss.delta=0.5", "data.label=count", "task.name=classification"):
            label = ["data.label=label"] if change.startswith("task") else []
            done = self.run_to_end("measured", out, 0, *settings("train.epochs=1", change, *label), code=2)
            self.assertIn("another recipe", done.stderr)
        self.run_to_end("measured", self.root / "mse", 2, *settings("train.epochs=1", "loss.name=mse", "data.label=count",
                                                                   "train.select=r2", "evaluate.score=rmse"))
        told = self.metrics(self.root / "mse")
        self.assertEqual((told["target"], told["score"]), ("count", "rmse"))

    def test_losses_of_classes_train_and_belong_to_the_run(self):
        models = set()
        for loss in ((), ("loss.label_smoothing=0.1",), ("loss.name=focal",), ("loss.name=focal", "loss.gamma=1"),
                     ("loss.class_weights=[1, 1.5, 0.8]",)):
            out = self.root / ("loss-" + "-".join(loss))
            self.run_to_end("images", out, 2, *settings("train.epochs=8", *loss))
            self.assertGreater(self.metrics(out)["overall"]["accuracy"], 0.8, loss)
            models.add((out / "model.safetensors").read_bytes())
        self.assertEqual(len(models), 5)

    def test_mixtures_are_the_same_however_a_step_is_divided(self):
        plain = settings("train.epochs=1", "model.dropout=0.0", "evaluate.bootstrap=0")
        losses = {}
        for name, ranks, *more in (("plain", 1), ("one", 1, "mixup.alpha=0.4"), ("four", 4, "mixup.alpha=0.4"),
                                   ("pairs", 1, "mixup.alpha=0.4", "train.micro_batches=16")):
            out = self.root / f"mixed-{name}"
            self.run_to_end("images", out, ranks, *plain, *settings(*more))
            losses[name] = [line["loss"] for line in self.log(out, "step")]
        for name in ("four", "pairs"):
            for one, other in zip(losses["one"], losses[name], strict=True):
                self.assertAlmostEqual(one, other, delta=1e-3 * one)
        self.assertGreater(abs(losses["plain"][0] - losses["one"][0]), 0.01)  # before any weight has moved
        done = self.run_to_end("images", self.root / "mixed-one", 0, *plain, code=2)
        self.assertIn("another recipe", done.stderr)
        for change, word in ((("mixup.alpha=0.4", "train.micro_batches=32"), "is odd"), (("mixup.alpha=0.4", "loss.name=focal"), "focal"),
                             (("mixup.alfa=0.4",), "alfa")):
            self.assertIn(word, self.run_to_end("images", self.root / "refused", 0, *plain, *settings(*change), code=2).stderr, change)

    def test_flips_are_told_and_the_same_on_any_number_of_ranks(self):
        model = "--model", str(self.reference() / "model.safetensors")
        metrics = self.metrics(self.reference())
        self.assert_flips_are_told("images", model, metrics, ["x"], 1, 4)
        held = settings("hold_out.folds=3", "hold_out.fold=0", "train.epochs=1", "evaluate.bootstrap=0")
        out, turned = self.root / "held", settings('evaluate.flips=["x"]')  # which a model knows nothing of
        self.run_to_end("images", out, 1, *held)
        done = self.run_to_end("images", None, 1, "--model", str(out / "model.safetensors"), "--json", *held, *turned, verb="evaluate")
        self.assertEqual(json.loads(done.stdout)["flips"], ["x"])
        self.assertIn("neither images", self.run_to_end("table", self.root / "refused", 0, *settings('evaluate.flips=["x"]'), code=2).stderr)

    def test_missing_targets_are_told_before_the_first_step(self):
        out = self.root / "unmeasured-out"
        done = self.run_to_end("unmeasured", out, 2, code=3)
        self.assertRegex(done.stderr, "column dose is empty in .*<10 of 128 samples of split test .north <10, south <10, tiny <10")
        self.assertFalse(out.exists())
        outs = []
        for ranks in (1, 2):
            outs.append(self.root / f"unmeasured-{ranks}")
            done = self.run_to_end("unmeasured", outs[-1], ranks, *settings("data.missing_label=leave_out", "train.epochs=2"))
            self.assertIn("warning samples_left_out", done.stderr)
            self.assert_same(outs[0], outs[-1])
        self.assertEqual(self.metrics(outs[0])["overall"]["samples"], 124)

    def test_what_does_not_fit_the_task_is_refused_in_one_line(self):
        model = "--model", str(self.doses() / "model.safetensors")
        for change, word in ((["task.name=regresion"], 'did you mean "regression"'), (["loss.name=focal"], '"huber", "mse"'),
                             (["loss.gamma=2"], "gamma"), (["data.label=site"], "holds no numbers"), (["train.select=auroc"], '"mae"'),
                             (["evaluate.score=accuracy"], '"mae"'), (["evaluate.positive=left"], "regression"),
                             (['evaluate.strata=["dose"]'], "dose"), (["evaluate.bins=10"], "bins"),
                             (["evaluate.temperature=false"], "temperature"), (["task.name=classification"], "not a category")):
            done = self.run_to_end("measured", self.root / "refused", 0, *settings(*change), code=2)
            self.assertIn(word, done.stderr.replace('\\"', '"'), change)
            self.assertEqual(len([line for line in done.stderr.splitlines() if " error " in line]), 1, done.stderr)
        done = self.run_to_end("images", None, 1, *model, verb="evaluate", code=2)
        self.assertIn("another task", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
