"""Whole runs of aloft-train on volumes of different sizes: trained by patches, measured window by window.

patches_test.py ALOFT_TRAIN MAKE_DATASET MPIEXEC [TEST...]"""
import json, os, subprocess, sys, unittest

from runs_case import MAKE, TRAIN, RunsCase, settings

SCANS = """
name = "scans"
[task]
name = "segmentation"
classes = ["nothing", "ball"]
[data]
field = "image"
mask = "mask"
batch = 8
[patch]
size = [12, 16, 16]
foreground = 0.5
per_sample = 2
padding = -200
[model]
name = "unet3d"
width = 8
blocks = [1, 1]
[[augment]]
name = "flip"
[optimizer]
rate = 0.01
[schedule]
warmup_steps = 5
[train]
epochs = 3
log_steps = 1
reproducible = true
[checkpoint]
every_steps = 7
[evaluate]
bootstrap = 20
batch = 4
strata = ["site"]
"""


class Patches(RunsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for kind in ("scans", "unspaced", "spots"):
            (cls.root / kind).mkdir()
            subprocess.run([MAKE, cls.root / kind, kind], check=True)
        for kind in ("scans", "unspaced"):
            (cls.root / kind / "recipe.toml").write_text(SCANS)
        (cls.root / "spots" / "recipe.toml").write_text(
            SCANS.replace('"nothing", "ball"', '"nothing", "disc", "bar"').replace("12, 16, 16", "12, 20").replace("unet3d", "unet2d")
            .replace("batch = 8", "batch = 32").replace("-200", "100"))
        cls.done = {}

    def scans(self, ranks=1):
        if ranks not in self.done:
            self.done[ranks] = self.root / f"whole-{ranks}"
            self.run_to_end("scans", self.done[ranks], ranks)
        return self.done[ranks]

    def test_volumes_of_different_sizes_are_learned(self):
        metrics = self.metrics(self.scans())
        overall = metrics["overall"]
        self.assertEqual((overall["samples"], metrics["patients"]), (20, 20))  # a volume is one sample
        self.assertGreater(overall["dice"], 0.75)  # of all voxels as balls it is below 0.1
        self.assertEqual(metrics["distance_unit"], "mm")  # of 3 x 0.8 x 0.8
        self.assertGreater(overall["surface_dice"] or 1, 0.7)
        self.assertEqual(metrics["training"]["steps"], 3 * (57 * 2 // 8))  # two patches of each

    @unittest.skipUnless(os.environ.get("ALOFT_LONG"), "only in the long run")
    def test_the_same_bytes_on_any_number_of_ranks(self):
        for ranks in (2, 4):
            self.assert_same(self.scans(), self.scans(ranks))

    def test_killed_and_run_again_on_fewer_ranks_ends_with_the_same_bytes(self):
        self.assert_goes_on_to(self.scans(), "scans", 4, 2)  # that of one rank

    def test_evaluating_and_exporting_say_the_same(self):
        metrics = self.metrics(self.scans())
        metrics.pop("training")
        model = "--model", str(self.scans() / "model.safetensors")
        done = self.run_to_end("scans", None, 2, *model, "--json", verb="evaluate")
        self.assertEqual(json.loads(done.stdout), metrics)
        self.assert_flips_are_told("scans", model, metrics, ["x", "z"], 1, 2)
        exported = self.root / "exported.safetensors"
        self.run_to_end("scans", exported, 1, "--run", str(self.scans()), verb="export")
        self.assertEqual(exported.read_bytes(), (self.scans() / "model.safetensors").read_bytes())
        done = self.run_to_end("scans", None, 1, *model, *settings("patch.size=[12, 16, 8]"), verb="evaluate", code=2)
        self.assertIn("samples of shape", done.stderr)
        told = json.loads(self.run_to_end("scans", None, 1, *model, "--json", *settings("evaluate.spacing=false"), verb="evaluate").stdout)
        self.assertEqual((told["distance_unit"], told["overall"]["dice"]), ("voxel", metrics["overall"]["dice"]))
        if told["overall"]["hd95"] and metrics["overall"]["hd95"]:
            self.assertNotEqual(told["overall"]["hd95"], metrics["overall"]["hd95"])

    def test_a_sample_without_a_spacing_is_named_before_the_first_step(self):
        out = self.root / "unspaced-run"
        done = self.run_to_end("unspaced", out, 1, code=3)
        self.assertRegex(done.stderr, r"sample \d+: column spacing_k_mm says no distance")
        self.assertFalse((out / "log.jsonl").exists() and '"event":"step"' in (out / "log.jsonl").read_text())

    @unittest.skipUnless(os.environ.get("ALOFT_LONG"), "only in the long run")
    def test_images_too_and_smaller_than_the_patch(self):
        short = settings("train.epochs=1")
        for ranks in (1, 2):
            self.run_to_end("spots", self.root / f"spots-{ranks}", ranks, *short)
        self.assert_same(self.root / "spots-1", self.root / "spots-2")
        self.assertEqual(self.metrics(self.root / "spots-1")["distance_unit"], "voxel")

    def test_what_does_not_fit_is_refused_in_one_line(self):
        for kind, change, word in (("scans", "patch.size=[16, 16]", "2 extents"), ("scans", "patch.padding=0.5", "fill"), ("scans", "patch.step=2", "step"),
                                   ("images", "patch.size=[4, 4]", "masks")):
            done = self.run_to_end(kind, self.root / "refused", 0, *settings(change), code=2)
            self.assertIn(word, done.stderr, change)
            self.assertEqual(len([line for line in done.stderr.splitlines() if " error " in line]), 1, done.stderr)
        recipe = self.root / "scans" / "recipe.toml"
        plain = recipe.read_text()
        before, _, behind = plain.partition("[patch]")
        try:
            recipe.write_text(before + behind[behind.index("[model]"):])
            done = self.run_to_end("scans", self.root / "refused", 1, code=2)
        finally:
            recipe.write_text(plain)
        self.assertIn("patch.size", done.stderr)
        model = "--model", str(self.scans() / "model.safetensors")
        try:  # of whole numbers with a sign: what is around a sample is not guessed
            recipe.write_text(plain.replace("padding = -200\n", ""))
            done = self.run_to_end("scans", self.root / "refused", 1, code=2)
            self.assertIn("patch.padding", done.stderr)
            self.assertIn("patch.padding", self.run_to_end("scans", None, 1, *model, verb="evaluate", code=2).stderr)
        finally:
            recipe.write_text(plain)

    def test_the_keys_are_explained(self):
        told = subprocess.run([TRAIN, "recipe", "--explain"], capture_output=True, text=True, check=True).stdout
        patch = told[told.index("[patch]"):]
        for key in ("size", "foreground", "per_sample", "overlap", "padding"):
            self.assertIn(f"# {key} = ", patch)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
