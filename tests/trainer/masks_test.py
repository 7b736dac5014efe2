"""Whole runs of aloft-train that learn masks, in two and three dimensions.

masks_test.py ALOFT_TRAIN MAKE_DATASET MPIEXEC [TEST...]"""
import json, re, subprocess, sys, unittest

from runs_case import MAKE, RunsCase, settings

SPOTS = """
name = "spots"
[task]
name = "segmentation"
classes = ["nothing", "disc", "bar"]
[data]
field = "image"
mask = "mask"
batch = 32
[model]
name = "unet2d"
width = 8
blocks = [1, 1, 1]
[optimizer]
rate = 0.01
[schedule]
warmup_steps = 5
[train]
epochs = 10
log_steps = 1
reproducible = true
[checkpoint]
every_steps = 7
[evaluate]
bootstrap = 40
strata = ["site", "vendor", "site*vendor"]
"""
BODIES = (SPOTS.replace('"spots"', '"bodies"').replace("unet2d", "unet3d").replace("batch = 32", "batch = 8")
          .replace("[1, 1, 1]", '[1, 1]\nnorm = "group"'))


class Masks(RunsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for kind, recipe in (("spots", SPOTS), ("bodies", BODIES), ("wrongly", SPOTS), ("wrongly-tested", SPOTS)):
            (cls.root / kind).mkdir()
            subprocess.run([MAKE, cls.root / kind, kind], check=True)
            (cls.root / kind / "recipe.toml").write_text(recipe)
        cls.done = {}

    def masks(self, ranks=1, kind="spots"):
        if (ranks, kind) not in self.done:
            self.done[ranks, kind] = self.root / f"whole-{kind}-{ranks}"
            self.run_to_end(kind, self.done[ranks, kind], ranks)
        return self.done[ranks, kind]

    def test_masks_are_learned(self):
        metrics = self.metrics(self.masks())
        self.assertEqual((metrics["task"], metrics["classes"], metrics["score"]), ("segmentation", ["nothing", "disc", "bar"], "dice"))
        for key in ("positive", "confusion", "calibration", "target"):
            self.assertNotIn(key, metrics)
        overall = metrics["overall"]
        self.assertEqual((overall["samples"], metrics["patients"]), (128, 64))
        self.assertGreater(overall["dice"], 0.9)  # of all pixels as discs it is 0.2
        self.assertLess(overall["interval95"]["dice"][0], overall["dice"])
        self.assertNotIn("per_patient", overall)  # of two samples each but for a few: the difference to `overall` would tell of these
        classes = metrics["per_class"]["worst_first"]
        self.assertEqual({each["value"] for each in classes}, {"disc", "bar"})
        self.assertLess(abs(sum(each["dice"] for each in classes) / 2 - overall["dice"]), 0.002)  # three digits each
        self.assertIn("tiny", metrics["strata"]["site"]["suppressed"])
        self.assertIsNone(metrics["training"]["validation"])
        page = (self.masks() / "report.html").read_text()
        self.assertIn("Classes, the worst first", page)
        self.assertNotIn("Confusion", page)
        epochs = [json.loads(line) for line in (self.masks() / "log.jsonl").read_text().splitlines() if '"event":"epoch"' in line]
        self.assertEqual(len(epochs), 10)
        told = {epoch["step"]: epoch["validation"]["dice"] for epoch in epochs if epoch["validation"]["dice"]}  # as far as it may be
        self.assertLess(min(told.values()), 0.8)
        if metrics["training"]["selected_step"] in told:
            self.assertGreaterEqual(told[metrics["training"]["selected_step"]], max(told.values()))

    def test_the_same_bytes_on_any_number_of_ranks(self):
        for ranks in (2, 4):
            self.assert_same(self.masks(), self.masks(ranks))
        self.assert_same(self.masks(1, "bodies"), self.masks(2, "bodies"))

    def test_killed_and_run_again_ends_with_the_same_bytes(self):
        self.assert_goes_on_to(self.masks(2), "spots", 2, 2)

    def test_a_plateau_is_resumed_by_the_same_score_alone(self):
        """What the score is measured by moves the rate, and so the weights."""
        out, whole = self.root / "plateau", self.root / "plateau-whole"
        plateau = settings("schedule.name=plateau", "schedule.patience=0", "schedule.factor=0.5", "schedule.threshold=0.9", "evaluate.bootstrap=0")
        self.run_to_end("spots", out, 1, *plateau, "--set", "train.epochs=1")
        for change in ("evaluate.surface_tolerance=2", "evaluate.spacing=false", "evaluate.min_stratum=5", "train.select=hd95"):
            done = self.run_to_end("spots", out, 1, *plateau, *settings("train.epochs=4", change), code=2)
            self.assertIn("another recipe", done.stderr, change)
        for folder in (out, whole):  # what no score is measured by may change, as ever
            self.run_to_end("spots", folder, 1, *plateau, *settings("train.epochs=4", "evaluate.seed=2", 'evaluate.strata=["site"]'))
        self.assert_same(whole, out)
        rates = [line["rate"] for line in self.log(out, "step")]
        # 12 steps an epoch; no epoch is better by 0.9 than the first.
        self.assertEqual(rates[12:], [0.01] * 12 + [0.005] * 12 + [0.0025] * 12)

    def test_volumes_are_learned(self):
        metrics = self.metrics(self.masks(2, "bodies"))
        self.assertEqual((metrics["overall"]["samples"], metrics["patients"]), (32, 16))
        of = {each["value"]: each["dice"] for each in metrics["per_class"]["worst_first"]}
        self.assertGreater(of["disc"], 0.85)  # a ball here; of all voxels as such it is 0.1
        self.assertGreater(metrics["overall"]["dice"], 0.6)  # bars too are found, and some where there is none

    def test_masks_are_moved_along_with_what_they_are_of(self):
        for kind in ("spots", "bodies"):
            out = self.root / f"flipped-{kind}"
            recipe = self.root / kind / "recipe.toml"
            plain = recipe.read_text()
            try:
                recipe.write_text(plain + '[[augment]]\nname = "flip"\nchance = 1\n')
                self.run_to_end(kind, out, 2)
            finally:
                recipe.write_text(plain)
            of = {each["value"]: each["dice"] for each in self.metrics(out)["per_class"]["worst_first"]}
            self.assertGreater(of["disc"], 0.8)  # where the masks stayed, discs are looked for where none is

    def test_evaluating_and_exporting_say_the_same(self):
        metrics = self.metrics(self.masks())
        metrics.pop("training")
        model = "--model", str(self.masks() / "model.safetensors")
        done = self.run_to_end("spots", None, 3, *model, "--json", *settings("evaluate.batch=5"), verb="evaluate")
        self.assertEqual(json.loads(done.stdout), metrics)
        self.assert_flips_are_told("spots", model, metrics, ["x", "y"], 1, 4)
        exported = self.root / "exported.safetensors"
        self.run_to_end("spots", exported, 1, "--run", str(self.masks()), verb="export")
        self.assertEqual(exported.read_bytes(), (self.masks() / "model.safetensors").read_bytes())
        self.assertIn("Dice", self.run_to_end("spots", None, 1, *model, verb="evaluate").stdout)
        done = self.run_to_end("bodies", None, 1, *model, verb="evaluate", code=2)
        self.assertIn("samples of shape", done.stderr)

    def test_a_mask_with_a_value_of_no_class_is_named_and_not_trained_on(self):
        for kind in ("wrongly", "wrongly-tested"):  # of whatever split, before the first step
            out = self.root / f"of-{kind}"
            done = self.run_to_end(kind, out, 2, code=3)
            self.assertRegex(done.stderr, r"sample \d+: its mask \(field mask\) holds a value")
            self.assertFalse((out / "log.jsonl").exists() and '"event":"step"' in (out / "log.jsonl").read_text())
        done = self.run_to_end("spots", self.root / "two", 2, *settings('task.classes=["nothing", "disc"]'), code=3)
        self.assertRegex(done.stderr, r"sample \d+: its mask")

    def test_values_of_the_mask_are_what_the_recipe_says(self):
        out = self.root / "values"
        self.run_to_end("spots", out, 2, *settings('task.classes=["nothing", "bar", "disc"]', "task.values=[0, 2, 1]"))
        of = {each["value"]: each["dice"] for each in self.metrics(out)["per_class"]["worst_first"]}
        self.assertGreater(of["disc"], 0.8)
        done = self.run_to_end("spots", self.root / "gap", 2, *settings("task.values=[0, 255, 2]"), code=3)
        self.assertRegex(done.stderr, r"sample \d+: its mask")

    def test_an_epoch_tells_no_more_than_a_report(self):
        done = self.run_to_end("spots", self.root / "of-few", 1, *settings("train.epochs=2"))
        [told] = re.findall(r" validated epoch=2 dice=(\S+)", done.stderr)
        self.assertLessEqual(len(told.lstrip("0.")), 3)
        self.run_to_end("spots", self.root / "of-fewer", 1, *settings("train.epochs=2", "evaluate.min_stratum=65"))  # than 64 patients
        lines = [json.loads(line) for line in (self.root / "of-fewer" / "log.jsonl").read_text().splitlines()]
        self.assertEqual([line["validation"]["dice"] for line in lines if line["event"] == "epoch"], [None, None])

    def test_what_belongs_to_the_run(self):
        out = self.root / "identity"
        self.run_to_end("spots", out, 2, *settings("train.epochs=1"))
        for change in ("loss.dice_weight=0.5", 'task.classes=["nothing", "bar", "disc"]', "model.deep_supervision=false", "task.values=[0, 2, 1]",
                       'loss.class_weights=[1, 2, 2]'):
            done = self.run_to_end("spots", out, 0, *settings("train.epochs=1", change), code=2)
            self.assertIn("another recipe", done.stderr, change)

    def test_what_does_not_fit_is_refused_in_one_line(self):
        for change, word in (("task.classes=[]", "names of the mask's values"), ('task.classes=["a", "a"]', "twice"),
                             ("data.mask=masks", "mask"), ("data.mask=image", "the model sees"), ("data.label=label", "label"), ("data.missing_label=leave_out", "missing_label"),
                             ("model.name=resnet2d", "unet2d and unet3d"), ("model.name=unet3d", "takes volumes"),
                             ("model.blocks=[1, 1, 1, 1]", "room for 3 stages"), ("loss.name=focal", '"dice_cross_entropy"'),
                             ("loss.class_weights=[1, 1]", "class_weights"), ("loss.gamma=2", "gamma"), ("train.select=auroc", '"dice"'),
                             ("evaluate.positive=disc", "masks"), ("evaluate.bins=10", "bins"), ('evaluate.flips=["z"]', "no axis"), ("mixup.alpha=0.2", "dice_cross_entropy"), ("task.name=classification", "resnet2d, mlp")):
            done = self.run_to_end("spots", self.root / "refused", 0, *settings(change), code=2)
            self.assertIn(word, done.stderr.replace('\\"', '"'), change)
            self.assertEqual(len([line for line in done.stderr.splitlines() if " error " in line]), 1, done.stderr)
        done = self.run_to_end("images", self.root / "refused", 2, *settings("model.name=unet2d"), code=2)
        self.assertIn("resnet2d, mlp", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
