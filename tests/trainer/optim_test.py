"""Optimizers, schedules, the average of weights and augmentation, in whole runs of aloft-train.

optim_test.py ALOFT_TRAIN MAKE_DATASET MPIEXEC [TEST...]"""
import json, os, re, shutil, signal, struct, subprocess, sys, tomllib, unittest

from runs_case import IMAGES, TRAIN, RunsCase, settings

# What leaves the classes as they are: they are told by where a bar is.
ROWS = ["name = 'rotate'\nmost = 5", "name = 'scale'\nleast = 0.95\nmost = 1.05", "name = 'translate'\nmost = 0.05", "name = 'brightness'",
        "name = 'contrast'", "name = 'gamma'", "name = 'noise'\nchance = 0.5\nmost = 0.2", "name = 'blur'\nmost = 0.6", "name = 'low_resolution'"]


def recipe(optimizer="", schedule="", train="", augment=()):
    """The images' recipe, reproducible, with its keys of [optimizer] and [schedule] replaced."""
    text = IMAGES.replace("rate = 0.003\n", optimizer).replace("warmup_steps = 5\n", schedule)
    text = text.replace("[train]\n", "[train]\nreproducible = true\n" + train)
    return text + "".join(f"[[augment]]\n{row}\n" for row in augment)


RECIPES = {
    "lion": recipe("name = 'lion'\nrate = 0.004\nweight_decay = 0.3\n", "name = 'poly'\nwarmup_epochs = 0.5\n", "ema = 0.9\n", ROWS),
    "lamb": recipe("name = 'lamb'\nrate = 0.02\n", "name = 'plateau'\nfactor = 0.5\npatience = 0\nthreshold = 0.05\n", "select = 'loss'\n"),
    "nesterov": recipe("name = 'sgd'\nrate = 0.05\nnesterov = true\n", "name = 'one_cycle'\n", "ema = 0.8\nselect = 'last'\n"),
}
DIVIDED = settings("train.divide_state=true")
EPOCHS = settings("train.epochs=3")


def tensors(path):
    content = path.read_bytes()
    start = 8 + struct.unpack("<Q", content[:8])[0]
    return {name: list(memoryview(content)[start + about["data_offsets"][0]:start + about["data_offsets"][1]].cast("f"))
            for name, about in json.loads(content[8:start]).items() if name != "__metadata__"}


class Optim(RunsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for kind, text in RECIPES.items():
            cls.place(kind, text)

    @classmethod
    def place(cls, kind, text):
        """The images again, with this recipe."""
        folder = cls.root / kind
        shutil.copytree(cls.root / "images", folder)
        (folder / "recipe.toml").write_text(text)

    def to_end(self, kind):
        """Of this recipe, on one rank, uninterrupted."""
        out = self.root / f"{kind}-whole"
        if not out.exists():
            self.run_to_end(kind, out, 1)
        return out

    def test_the_same_bytes_on_any_number_of_ranks_and_they_learn(self):
        for kind in RECIPES:
            for ranks in (2, 4):
                out = self.root / f"{kind}-{ranks}"
                self.run_to_end(kind, out, ranks)
                self.assert_same(self.to_end(kind), out)
            metrics = json.loads((self.to_end(kind) / "metrics.json").read_text())
            self.assertGreaterEqual(metrics["overall"]["accuracy"], 0.9, kind)

    def test_killed_and_run_again_ends_with_the_same_bytes(self):
        for kind in RECIPES:
            out = self.root / f"{kind}-killed"
            for step, ranks, how in ((20, 2, signal.SIGKILL), (50, 4, signal.SIGTERM)):
                run, pids = self.start_and_wait(out, ranks, step, kind=kind)
                os.kill(pids[-1], how)
                run.communicate()
                self.assertNotEqual(run.returncode, 0)
            again = self.run_to_end(kind, out, 1, *settings("data.threads=3"))
            self.assertIn("info resumed", again.stderr)
            self.assert_same(self.to_end(kind), out)
            self.assertEqual(self.log(out, "epoch"), self.log(self.to_end(kind), "epoch"))
            self.assertEqual([line["rate"] for line in self.log(out, "step")], [line["rate"] for line in self.log(self.to_end(kind), "step")])

    def test_ranks_that_divide_the_state_write_the_same_bytes(self):
        """Of every optimizer, with and without an average; at other numbers of ranks, and on from one way to the other."""
        for kind in ("images", *RECIPES):
            for ranks in (1, 2, 4) if kind == "images" else (2, 4):
                plain, divided = (self.root / f"{kind}-{way}-{ranks}" for way in ("plain", "divided"))
                self.run_to_end(kind, plain, ranks, *EPOCHS)
                told = self.run_to_end(kind, divided, ranks, *EPOCHS, *DIVIDED).stderr
                self.assert_same(plain, divided, "model.safetensors", "metrics.json", *self.checkpoints(plain))
                self.assertEqual(self.checkpoints(divided), self.checkpoints(plain))
                self.assertEqual(self.log(divided, "epoch"), self.log(plain, "epoch"))
                said = re.search(r"info state_divided bytes=(\d+) most_of_a_rank=(\d+) least_of_a_rank=(\d+)", told)
                self.assertEqual(said is not None, ranks > 1)
                if said:
                    whole, most, least = map(int, said.groups())
                    self.assertEqual(whole, sum(4 * len(values) for name, values in tensors(max((plain / "checkpoints").iterdir())).items()
                                                if name.startswith(("optimizer.", "average."))))
                    self.assertLess(least, whole / ranks + 1)
                    self.assertLess(most, 0.8 * whole)

    def test_divided_and_whole_go_on_from_each_other(self):
        for kind in RECIPES:
            out = self.root / f"{kind}-in-turn"
            for step, ranks, more in ((10, 4, DIVIDED), (20, 2, ()), (30, 2, DIVIDED), (40, 4, ())):
                run, pids = self.start_and_wait(out, ranks, step, *more, kind=kind)
                os.kill(pids[-1], signal.SIGTERM if step == 20 else signal.SIGKILL)
                run.communicate()
                self.assertNotEqual(run.returncode, 0)
            self.assertIn("info resumed", self.run_to_end(kind, out, 4, *DIVIDED).stderr)
            self.assert_same(self.to_end(kind), out)
            self.assertEqual(self.log(out, "epoch"), self.log(self.to_end(kind), "epoch"))

    def test_a_rank_that_is_gone_while_the_state_is_divided_is_named(self):
        for missing in (1, 0):
            out = self.root / f"divided-hangs-{missing}"
            run, ranks = self.start_and_wait(out, 2, 5, *DIVIDED, "--set", "train.hang_seconds=10", "--set", "train.epochs=500",
                                             "--set", "checkpoint.every_steps=1", kind="lamb")
            os.kill(ranks[missing], signal.SIGSTOP)
            _, errors = run.communicate(timeout=300)
            self.assertNotEqual(run.returncode, 0)
            self.assertIn(f"rank_missing rank={missing} ", errors)

    def checkpoints(self, out):
        return sorted(str(path.relative_to(out)) for path in (out / "checkpoints").iterdir())

    def test_rates_are_those_of_the_schedule(self):
        rates = {kind: [line["rate"] for line in self.log(self.to_end(kind), "step")] for kind in RECIPES}
        for step, rate in enumerate(rates["lion"]):  # 12 steps an epoch, 8 epochs
            self.assertAlmostEqual(rate, 0.004 * ((step + 1) / 6 if step < 6 else (1 - (step - 6) / 90) ** 0.9), delta=1e-12)
        best, reduced = None, 1.0
        for epoch, line in enumerate(self.log(self.to_end("lamb"), "epoch")):
            self.assertEqual(set(rates["lamb"][12 * epoch:12 * epoch + 12]), {0.02 * reduced})
            score = -line["validation"]["loss"]
            if best is None or score > best + 0.05:
                best = score
            else:
                reduced *= 0.5
        self.assertLess(reduced, 1)
        top = rates["nesterov"].index(max(rates["nesterov"]))
        self.assertEqual(top, round(0.3 * 96 - 1))
        self.assertAlmostEqual(rates["nesterov"][0], 0.05 * 0.04)

    def test_the_average_is_what_is_measured_kept_and_exported(self):
        out = self.root / "average-steps"
        self.run_to_end("nesterov", out, 2, "--set", "train.epochs=2", "--set", "checkpoint.every_steps=1", "--set", "checkpoint.keep=100")
        average = None
        for n, path in enumerate(sorted((out / "checkpoints").iterdir()), 1):
            state = tensors(path)
            now = {name[6:]: values for name, values in state.items() if name.startswith("model.") and "average." + name[6:] in state}
            decay = min(0.8, (1 + n) / (10 + n))
            if average is not None:
                average = {name: [decay * a + (1 - decay) * b for a, b in zip(average[name], now[name])] for name in now}
                for name, values in average.items():
                    for mine, theirs in zip(values, state["average." + name]):
                        self.assertAlmostEqual(mine, theirs, delta=1e-5)
            else:
                average = {name: state["average." + name] for name in now}
        self.assertEqual(n, 24)
        written = tensors(out / "model.safetensors")
        self.assertEqual({name: written[name] for name in average}, {name: state["average." + name] for name in average})
        self.assertNotEqual({name: written[name] for name in average}, {name: state["model." + name] for name in average})
        metrics = json.loads((out / "metrics.json").read_text())
        self.assertEqual(metrics["training"]["average_decay"], 0.8)
        settings = "--set", "train.epochs=2"
        told = self.run_to_end("nesterov", None, 1, "--model", str(out / "model.safetensors"), "--json", *settings, verb="evaluate")
        self.assertEqual(json.loads(told.stdout)["overall"], metrics["overall"])
        # The score of the last epoch is of these weights too.
        validated = self.run_to_end("nesterov", None, 1, "--model", str(out / "model.safetensors"), "--json", *settings, "--set",
                                    "evaluate.split=validation", verb="evaluate")
        self.assertAlmostEqual(json.loads(validated.stdout)["overall"]["loss"], self.log(out, "epoch")[-1]["validation"]["loss"], delta=2e-6)
        for more in ((), ("--last",)):
            file = self.root / "average.safetensors"
            self.run_to_end("nesterov", file, 1, "--run", str(out), *settings, *more, verb="export")
            self.assertEqual(tensors(file), written)

    def test_augmentation_is_in_training_only_and_belongs_to_the_run(self):
        out, plain = self.to_end("lion"), RECIPES["lion"].split("[[augment]]")[0]
        self.place("plain", plain)
        self.run_to_end("plain", self.root / "plain-out", 1)
        losses = [[line["loss"] for line in self.log(each, "step")] for each in (out, self.root / "plain-out")]
        self.assertNotEqual(losses[0][0], losses[1][0])  # before any weight has moved
        told = self.run_to_end("plain", None, 1, "--model", str(out / "model.safetensors"), "--json", verb="evaluate")
        self.assertEqual(json.loads(told.stdout)["overall"], json.loads((out / "metrics.json").read_text())["overall"])
        for change in ("train.ema=0.5", "optimizer.beta2=0.98", "schedule.exponent=0.8", "augment=[{name='noise'}]"):
            done = self.run_to_end("lion", out, 0, "--set", change, code=2)
            self.assertIn("another recipe", done.stderr)
        done = self.run_to_end("lamb", self.to_end("lamb"), 1, "--set", "train.select=accuracy", code=2)  # its rates follow it
        self.assertIn("another recipe", done.stderr)

    def test_what_does_not_fit_is_refused_in_one_line(self):
        for change, text in (("optimizer.epsilon=0.1", "epsilon"), ("schedule.factor=0.5", "factor"), ("train.ema=1.0", "ema"),
                             ("augment=[{name='flip', axes=['z']}]", "no axis"), ("augment=[{name='flipp'}]", "flip"),
                             ("augment=[{name='flip', most=1}]", "most")):
            done = self.run_to_end("lion", self.root / "refused", 0, "--set", change, code=2)
            errors = [line for line in done.stderr.splitlines() if " error " in line]
            self.assertEqual(len(errors), 1, done.stderr)
            self.assertIn(text, errors[0])
        done = self.run_to_end("table", self.root / "refused", 1, "--set", "augment=[{name='noise'}]", code=2)
        self.assertIn("neither images nor volumes", done.stderr)

    def test_what_explain_prints_is_a_recipe_of_defaults(self):
        told = subprocess.run([TRAIN, "recipe", "--explain"], capture_output=True, text=True, check=True, env=self.environment()).stdout
        tables = tomllib.loads(told)
        self.assertEqual((tables["optimizer"]["name"], tables["schedule"]["name"]), ("adamw", "cosine"))
        for name in ("sgd", "lion", "lamb", "poly", "one_cycle", "step", "plateau", "constant"):
            self.assertIn(f'# name = "{name}"', told)
        for key in ("columns", "most_repeats", "weights"):
            self.assertIn(f"# {key} = ", told[told.index("# [balance]"):told.index("# [[augment]]")])
        self.assertNotIn("augment", tables)  # who pastes it trains as before
        rows = re.sub("(?m)^# ", "", told[told.index("# [[augment]]"):])
        augment = tomllib.loads(rows)["augment"]
        self.assertEqual(len(augment), 12)
        rest = RECIPES["lion"].split("[[augment]]")[0]
        head, tail = rest.split("[optimizer]")
        short = head + "[train]" + tail.split("[train]")[1].replace("epochs = 8", "epochs = 1")
        both = "".join(told[told.index(f"[{table}]"):].split("\n\n")[0] + "\n" for table in ("optimizer", "schedule"))
        self.place("explained", short + both + rows)
        self.place("short", short + "".join(f"[[augment]]\nname = '{row['name']}'\n" for row in augment))
        for kind in ("explained", "short"):
            self.run_to_end(kind, self.root / f"{kind}-out", 2)
        for path in ([], ["optimizer"], ["patch.size"]):
            done = subprocess.run([TRAIN, "recipe", "--json", "--explain", *path], capture_output=True, text=True, check=True, env=self.environment())
            self.judge_json("recipe", 0, done.stdout)
            rows = json.loads(done.stdout)
            self.assertTrue(all(row["key"].startswith("".join(path)) for row in rows))
        wrong = subprocess.run([TRAIN, "recipe", "--explain", "train.epcohs"], capture_output=True, text=True, env=self.environment())
        self.assertEqual(wrong.returncode, 2)
        self.assertIn(r'did you mean \"train.epochs\"', wrong.stderr)
        self.assert_same(self.root / "explained-out", self.root / "short-out")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
