"""What tests of whole runs share: small datasets, and aloft-train started on some ranks.

TEST.py ALOFT_TRAIN MAKE_DATASET MPIEXEC [TEST...]"""
import filecmp, json, os, pathlib, shutil, signal, subprocess, sys, tempfile, time, unittest

TRAIN, MAKE, MPIEXEC = sys.argv[1:4]
CHECK_JSON = pathlib.Path(__file__).resolve().parents[1] / "support/check_json.py"

IMAGES = """
name = "bars"
[data]
batch = 32
[model]
name = "resnet2d"
width = 8
blocks = [1, 1]
dropout = 0.1
[optimizer]
rate = 0.003
[schedule]
warmup_steps = 5
[train]
epochs = 8
log_steps = 1
[checkpoint]
every_epochs = 1
every_steps = 7
[evaluate]
bootstrap = 20
strata = ["site", "vendor", "site*vendor"]
"""
TABLE = """
name = "blobs"
[data]
batch = 32
[model]
name = "mlp"
hidden = [16]
[optimizer]
rate = 0.02
[train]
epochs = 30
reproducible = true
"""


def settings(*pairs):
    return [word for pair in pairs for word in ("--set", pair)]


class RunsCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="aloft-test-"))
        for kind, recipe in (("images", IMAGES), ("table", TABLE)):
            (cls.root / kind).mkdir()
            subprocess.run([MAKE, cls.root / kind, kind], check=True)
            (cls.root / kind / "recipe.toml").write_text(recipe)
        cls.whole = {}

    def make(self, kind):
        """Another dataset of images, for the same recipe."""
        (self.root / kind).mkdir()
        subprocess.run([MAKE, self.root / kind, kind], check=True)
        (self.root / kind / "recipe.toml").write_text(IMAGES)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.root)

    def command(self, kind, out, ranks, *more, verb="fit"):
        """`ranks` 0: one, without mpiexec, which waits for a second when a rank has failed."""
        where = self.root / kind
        key = [] if "--key" in more else ["--key", str(where / "dataset.key")]
        start = [MPIEXEC, "--allow-run-as-root", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1",
                 "--mca", "btl", "self,vader,tcp", "-n", str(ranks)]
        return [*(start if ranks else []), TRAIN, verb, "--recipe", str(where / "recipe.toml"),
                "--dataset", str(where / "data"), *key, *(["--out", str(out)] if out else []), *more]

    def environment(self, **more):
        drop = ("ALOFT_SITE", "ALOFT_GRANT")
        return {**{k: v for k, v in os.environ.items() if k not in drop}, "OMP_NUM_THREADS": "1", **more}

    def run_to_end(self, kind, out, ranks, *more, code=0, verb="fit", env=None):
        done = subprocess.run(self.command(kind, out, ranks, *more, verb=verb), capture_output=True, text=True,
                              env=self.environment(**(env or {})))
        self.assertEqual(done.returncode, code, done.stderr)
        if "--json" in more:
            self.judge_json(verb, code, done.stdout)
        return done

    def judge_json(self, verb, code, text):
        """By configs/schemas, with the system's Python, which has jsonschema."""
        with tempfile.TemporaryDirectory() as heard:
            pathlib.Path(heard, "call").write_text(f"{code}\n{verb} --json\n")
            pathlib.Path(heard, "call.out").write_text(text)
            judged = subprocess.run(["/usr/bin/python3", CHECK_JSON, "aloft-train", heard], capture_output=True, text=True)
            self.assertEqual(judged.returncode, 0, judged.stderr)

    def reference(self, ranks=2, *more):
        """An uninterrupted run on the images."""
        if (ranks, more) not in self.whole:
            out = self.root / f"whole-{len(self.whole)}"
            self.run_to_end("images", out, ranks, *more)
            self.whole[ranks, more] = out
        return self.whole[ranks, more]

    def start_and_wait(self, out, ranks, step, *more, kind="images"):
        """Starts a run, returns when its log has reached `step`, with the pids of its ranks."""
        run = subprocess.Popen(self.command(kind, out, ranks, *more), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, env=self.environment())
        log = out / "log.jsonl"
        while run.poll() is None and not (log.exists() and log.read_text().count('"event":"step"') > step):
            time.sleep(0.002)
        self.assertIsNone(run.poll(), "ended before it could be interrupted")
        children = pathlib.Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        return run, [int(pid) for pid in children]

    def assert_goes_on_to(self, whole, kind, ranks, again):
        """Killed midway and run again, on `again` ranks, a run ends as `whole` did."""
        out = self.root / f"killed-{kind}"
        run, pids = self.start_and_wait(out, ranks, 16, kind=kind)
        os.kill(pids[-1], signal.SIGKILL)
        run.communicate()
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("info resumed", self.run_to_end(kind, out, again).stderr)
        self.assert_same(whole, out)

    def assert_flips_are_told(self, kind, model, metrics, axes, *ranks):
        """With test-time flips, figures are others than `metrics`, the same on any number of ranks, and say so."""
        told = []
        for each in ranks:
            done = self.run_to_end(kind, None, each, *model, "--json", *settings(f"evaluate.flips={json.dumps(axes)}"), verb="evaluate")
            told.append(json.loads(done.stdout))
            self.assertEqual(told[-1], told[0])
        self.assertEqual(told[0]["flips"], axes)
        self.assertNotIn("flips", metrics)
        self.assertNotEqual(told[0]["overall"], metrics["overall"])
        self.assertNotEqual(told[0]["recipe_sha256"], metrics["recipe_sha256"])
        self.assertEqual(told[0]["overall"]["samples"], metrics["overall"]["samples"])

    def metrics(self, out):
        return json.loads((out / "metrics.json").read_text())

    def log(self, out, event):
        return [line for line in map(json.loads, (out / "log.jsonl").read_text().splitlines()) if line["event"] == event]

    def assert_same(self, one, other, *names):
        for name in names or ("model.safetensors", "metrics.json"):
            self.assertTrue(filecmp.cmp(one / name, other / name, shallow=False), f"{name} differs")
