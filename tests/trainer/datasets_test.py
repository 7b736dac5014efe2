"""A run on several datasets, named by its recipe.

datasets_test.py ALOFT_TRAIN MAKE_DATASET MPIEXEC [TEST...]"""
import filecmp, json, shutil, struct, subprocess, sys, unittest

from runs_case import MAKE, MPIEXEC, TABLE, TRAIN, RunsCase, settings

SHORT = settings("train.epochs=6", "evaluate.bootstrap=20")


def metadata(model):
    with open(model, "rb") as file:
        return json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))["__metadata__"]


class Datasets(RunsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for kind in ("mirrored", "foreign"):
            (cls.root / kind).mkdir()
            subprocess.run([MAKE, cls.root / kind, kind], check=True)
        for name, kind in (("blobs@1", "table"), ("mirrored@1", "mirrored"), ("foreign@1", "foreign"), ("bars@1", "images")):
            (cls.root / "data").mkdir(exist_ok=True)
            (cls.root / "keys").mkdir(exist_ok=True)
            (cls.root / "data" / name).symlink_to(cls.root / kind / "data")
            shutil.copy(cls.root / kind / "dataset.key", cls.root / "keys" / f"{name}.key")
        (cls.root / "recipe.toml").write_text(TABLE)

    def run_named(self, names, out, ranks, *more, code=0, verb="fit", env=None):
        start = [MPIEXEC, "--allow-run-as-root", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1", "--mca", "btl",
                 "self,vader,tcp", "-n", str(ranks)] if ranks else []
        done = subprocess.run([*start, TRAIN, *verb.split(), "--recipe", self.root / "recipe.toml", *settings(f"data.dataset={json.dumps(names)}"),
                               *(["--out", out] if out else []), *SHORT, *more], capture_output=True, text=True,
                              env=self.environment(ALOFT_DATA=str(self.root / "data"), ALOFT_KEYS=str(self.root / "keys"), **(env or {})))
        self.assertEqual(done.returncode, code, done.stderr)
        if "--json" in more and code == 0:
            self.judge_json(verb, code, done.stdout)
        return done

    def samples(self, stratum):
        return {each["value"]: each["samples"] for each in stratum["worst_first"]}

    def test_two_are_read_as_one_on_any_ranks_and_told_by_name_and_version(self):
        both = ["blobs@1", "mirrored@1"]
        outs = [self.root / f"both-{ranks}" for ranks in (1, 2, 4)]
        # Also where a rank holds one of the six shards open at a time.
        metrics = [json.loads(self.run_named(both, out, ranks, "--json", env={"ALOFT_OPEN_SHARDS": "1"} if ranks == 4 else None).stdout)
                   for ranks, out in zip((1, 2, 4), outs)]
        for out in outs[1:]:
            for name in ("model.safetensors", "metrics.json"):
                self.assertTrue(filecmp.cmp(outs[0] / name, out / name, shallow=False), name)
        told = metrics[0]
        self.assertEqual(told["dataset"], "blobs@1*mirrored@1")
        self.assertEqual(metadata(outs[0] / "model.safetensors")["aloft.dataset"], "blobs@1*mirrored@1")
        model = ["--model", outs[0] / "model.safetensors", "--json"]
        alone = json.loads(self.run_named(both[:1], None, 0, *model, verb="evaluate").stdout)
        self.assertEqual(self.samples(told["strata"]["dataset"]), dict.fromkeys(both, alone["overall"]["samples"]))
        self.assertEqual((told["overall"]["samples"], told["patients"]), (2 * alone["overall"]["samples"], 2 * alone["patients"]))
        # Categories by their names, whose order is another in each; a dataset's stratum is what is said of it alone.
        self.assertEqual(told["classes"], ["left", "right", "top"])
        strata = {each["value"]: each for each in told["strata"]["dataset"]["worst_first"]}
        for key in ("accuracy", "balanced_accuracy", "auroc"):
            self.assertAlmostEqual(strata["blobs@1"][key], alone["overall"][key], 5)
            self.assertGreater(strata["mirrored@1"][key], 0.9)
        sites = self.samples(alone["strata"]["site"])
        self.assertEqual(self.samples(told["strata"]["site"]), {name: 2 * count for name, count in sites.items()})
        # Run again, the run is over; with another list it is another run.
        self.assertIn("already_trained", self.run_named(both, outs[0], 0).stderr)
        self.assertIn("belong to another recipe or another dataset", self.run_named(both[::-1], outs[0], 0, code=2).stderr)
        self.run_named(both, self.root / "taken.safetensors", 0, "--run", outs[0], verb="export")
        self.assertEqual(metadata(self.root / "taken.safetensors")["aloft.dataset"], "blobs@1*mirrored@1")

    def test_one_that_is_named_is_the_one_of_the_flags(self):
        named, flags = self.root / "named", self.root / "flags"
        self.run_named(["blobs@1"], named, 0)
        self.run_to_end("table", flags, 0, *SHORT)
        one, other = (json.loads((out / "metrics.json").read_text()) for out in (named, flags))
        self.assertEqual(one["overall"], other["overall"])
        self.assertEqual(one["dataset"], "blobs@1")

    def test_each_has_its_share_by_balance_and_is_held_out_by_name(self):
        both = ["blobs@1", "mirrored@1"]
        done = self.run_named(both, self.root / "balanced", 2, *settings('balance.columns="dataset"'))
        self.assertRegex(done.stderr, "info balanced groups=2 without_category=0")
        held = self.root / "held"
        self.run_named(both, held, 2, *settings('hold_out.column="dataset"', 'hold_out.value="mirrored@1"'))
        told = json.loads((held / "metrics.json").read_text())
        self.assertEqual(set(self.samples(told["strata"]["held_out"])), {"mirrored@1", "not mirrored@1"})

    def test_weights_of_several_are_known_by_each(self):
        both = self.root / "both-init"
        self.run_named(["blobs@1", "mirrored@1"], both, 0)
        more = settings("hold_out.folds=3", "hold_out.fold=0")
        for name in ("blobs@1", "mirrored@1"):
            done = self.run_named([name], self.root / f"seen-{name}", 0, "--init", both / "model.safetensors", *more, code=2)
            self.assertIn("may have seen", done.stderr)

    def test_what_cannot_be_joined_is_named(self):
        out = self.root / "none"
        for names, code, text in (
                (["blobs@1", "foreign@1"], 2, "blobs@1 has no category below in the column label"),
                (["blobs@1", "bars@1"], 2, "blobs@1 and bars@1 are not alike, and fit no loader: only blobs@1 has the field features"),
                (["blobs@1", "blobs@1"], 2, "hold the same samples"),
                (["blobs@1", "absent@1"], 5, "absent@1"),
                (["blobs"], 2, "dataset: not a dataset version")):
            self.assertIn(text, self.run_named(names, out, 0, code=code).stderr)
        both = ["blobs@1", "mirrored@1"]
        flags = ["--dataset", self.root / "table" / "data", "--key", self.root / "table" / "dataset.key"]
        self.assertIn("data.dataset of the recipe says what to read", self.run_named(both, out, 0, *flags, code=2).stderr)
        self.assertIn("--dataset is required", self.run_named([], out, 0, code=2).stderr)
        (self.root / "keys" / "mirrored@1.key").rename(self.root / "kept.key")
        try:
            self.assertIn("no key for mirrored@1", self.run_named(both, out, 2, code=5).stderr)
        finally:
            (self.root / "kept.key").rename(self.root / "keys" / "mirrored@1.key")
        study = ["--study", self.root / "study", "--dataset", self.root / "table" / "data", *settings("study.folds=3")]
        self.assertIn("a study is of", self.run_named(both, None, 0, *study, code=2, verb="study plan").stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
