"""aloft.report says what aloft-train says of the same model; aloft.save writes what aloft-train and the release desk read.

results_test.py LIBALOFT PACKAGE MAKE_DATASET ALOFT_TRAIN WEIGHTS_GATE"""
import json, os, pathlib, subprocess, sys, tempfile, unittest

LIBRARY, PACKAGE, MAKE, TRAIN, GATE = sys.argv[1:6]
os.environ["ALOFT_LIBRARY"] = LIBRARY
sys.path.insert(0, PACKAGE)
import aloft
import numpy
import torch

SCRATCH = tempfile.TemporaryDirectory(prefix="aloft-test-")
ROOT = pathlib.Path(SCRATCH.name)
subprocess.run([MAKE, ROOT, "table"], check=True)
ARCHITECTURE = 'name = "mlp"\nhidden = [16]\n'
RECIPE = 'name = "mine"\n[data]\nbatch = 32\n[model]\n' + ARCHITECTURE + "[train]\nepochs = 1\n[evaluate]\nbootstrap = 50\n"
(ROOT / "recipe.toml").write_text(RECIPE)


class Standardise(torch.nn.Module):
    def __init__(self, mean, scale):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)


class Mlp(torch.nn.Module):
    """The zoo's, by its tensors' names."""

    def __init__(self, mean, scale, classes):
        super().__init__()
        self.input = Standardise(mean, scale)
        self.layer1 = torch.nn.Linear(len(mean), 16)
        self.layer2 = torch.nn.Linear(16, classes)

    def forward(self, x):
        x = torch.nan_to_num((x - self.input.mean) * self.input.scale, 0.0)
        return self.layer2(torch.relu(self.layer1(x)))


def load(split="train", **more):
    return aloft.Loader(ROOT / "data", key=ROOT / "dataset.key", split=split, batch=32, seed=3, tensors="torch", **more)


class Results(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.manual_seed(1)
        cls.loader = load()
        rows = torch.cat([batch["features"] for batch in cls.loader.epoch(0)])
        finite = torch.where(rows.isfinite(), rows, rows.nanmean(0))
        deviation = finite.std(0)
        cls.model = Mlp(finite.mean(0), torch.where(deviation > 1e-9 * finite.mean(0).abs(), 1 / deviation, torch.ones(())), 3)
        optimizer = torch.optim.AdamW(cls.model.parameters(), 0.02)
        for epoch in range(3):  # few: so that it is wrong somewhere
            for batch in cls.loader.epoch(epoch):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(cls.model(batch["features"]), batch["label"]).backward()
                optimizer.step()
        cls.test = load("test")
        with torch.no_grad():
            batches = [(b["sample"].clone(), cls.model(b["features"]).double().softmax(1).float()) for b in cls.test.epoch(0)]
        cls.sample, cls.probability = (torch.cat(each) for each in zip(*batches))
        cls.file = ROOT / "model.safetensors"
        aloft.save(cls.file, cls.model, cls.loader, architecture=ARCHITECTURE)

    def same(self, one, other, where=""):
        self.assertEqual(type(one), type(other), where)
        if isinstance(one, dict):
            self.assertEqual(list(one), list(other), where)
            for key in one:
                self.same(one[key], other[key], f"{where}/{key}")
        elif isinstance(one, list):
            self.assertEqual(len(one), len(other), where)
            for i, pair in enumerate(zip(one, other)):
                self.same(*pair, f"{where}/{i}")
        elif isinstance(one, float):
            self.assertAlmostEqual(one, other, places=3, msg=where)
        else:
            self.assertEqual(one, other, where)

    def test_a_report_says_what_aloft_train_says_of_the_same_weights(self):
        train = json.loads(subprocess.run(
            [TRAIN, "evaluate", "--recipe", ROOT / "recipe.toml", "--dataset", ROOT / "data", "--key", ROOT / "dataset.key", "--model",
             self.file, "--json"], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"}).stdout)
        for key in ("model", "model_sha256", "recipe_sha256"):
            train.pop(key)
        train["calibration"].pop("temperature")  # which is fitted on another split
        order = torch.randperm(len(self.sample))  # any order will do
        mine = aloft.report(self.test, self.sample[order], self.probability[order], bootstrap=50)
        self.same(mine, train)
        self.assertLess(0.5, mine["overall"]["accuracy"])
        self.assertLess(mine["overall"]["accuracy"], 1)  # there is something to tell
        again = aloft.report(self.test, self.sample.numpy(), self.probability.numpy().astype("float64"), bootstrap=50)
        self.assertEqual(again, mine)
        few = aloft.report(self.test, self.sample, self.probability, bootstrap=0, strata=["site*vendor"], min_stratum=60)
        self.assertEqual(list(few["strata"]), ["site*vendor"])
        self.assertEqual(few["min_stratum"], 60)

    def test_a_report_of_other_predictions_is_refused(self):
        s, p = self.sample, self.probability
        twice = torch.cat([s[:-1], s[:1]])
        train = int(load().columns(["sample"])["sample"][0])
        for sample, rows, words in (
                (s[1:], p[1:], f"sample {int(s[0])} of the split test is not predicted"),
                (s[:-1], p[:-1], f"sample {int(s[-1])} of the split test is not predicted"),
                (twice, p, f"sample {int(s[0])} of the split test is predicted twice"),
                (torch.cat([s[:-1], torch.tensor([train])]), p, f"sample {train} is not of the split test"),
                (s, p * 4, "sum to 1"), (s, torch.cat([p, p], 1), "each of the 3 names"), (s, p[0], r"\[n, classes\]")):
            with self.assertRaisesRegex(aloft.UsageError, words):
                aloft.report(self.test, sample, rows)
        for more, word in ((dict(strata=["patient"]), "strata"), (dict(min_stratum=0), "min_stratum"), (dict(seed=0.5), "whole numbers"),
                           (dict(positive="nobody"), "positive")):
            with self.assertRaisesRegex(aloft.UsageError, word):
                aloft.report(self.test, s, p, **more)
        for sample in (s + 0.9, s.double() * float("nan")):
            with self.assertRaisesRegex(aloft.UsageError, "whole numbers"):
                aloft.report(self.test, sample, p)
        closed = load("test")
        closed.close()
        for use in (lambda: aloft.report(closed, s, p), closed.columns):
            with self.assertRaisesRegex(aloft.UsageError, "closed"):
                use()
        with self.assertRaisesRegex(aloft.UsageError, "all 6 features .* an entry for each"):
            load(normalise="moments")
        with self.assertRaisesRegex(aloft.UsageError, "torch.distributed"):
            aloft.report(load("test", rank=0, ranks=2), s, p)
        with self.assertRaisesRegex(aloft.UsageError, "split and a label"):
            aloft.report(load(None), s, p)

    def gate(self, file):
        return subprocess.run([GATE, file, ROOT], check=True, text=True, stdout=subprocess.PIPE).stdout

    def test_weights_of_the_zoo_pass_the_release_desk_and_others_stay(self):
        self.assertEqual(self.gate(self.file), "leaves\n")
        own, told, bare = ROOT / "own.safetensors", ROOT / "told.safetensors", ROOT / "bare.safetensors"
        aloft.save(own, self.model, self.loader)
        self.assertIn("aloft.model", self.gate(own))
        aloft.save(told, self.model, self.loader, architecture=ARCHITECTURE, metadata={"note": "x"})
        self.assertIn("metadata", self.gate(told))
        aloft.save(bare, {"w": numpy.arange(6, dtype=">i8").reshape(2, 3), "b": torch.ones(3, dtype=torch.bfloat16), "n": torch.tensor(7)})
        header = json.loads(bare.read_bytes()[8:8 + int.from_bytes(bare.read_bytes()[:8], "little")])
        self.assertEqual(header["w"], {"dtype": "I64", "shape": [2, 3], "data_offsets": [8, 56]})
        self.assertEqual((header["n"]["shape"], header["b"]["dtype"]), ([], "BF16"))
        data = bare.read_bytes()[8 + int.from_bytes(bare.read_bytes()[:8], "little"):]
        self.assertEqual(numpy.frombuffer(data[8:56], "<i8").tolist(), list(range(6)))

    def test_a_file_appears_whole_or_not_at_all(self):
        before = self.file.read_bytes()
        with self.assertRaises(aloft.UsageError):
            aloft.save(self.file, {"w": torch.ones(2, dtype=torch.complex64)})
        with self.assertRaises(aloft.UsageError):
            aloft.save(self.file, self.model, metadata={"aloft.sha256": "0"})
        with self.assertRaises(OSError):
            aloft.save(ROOT / "no folder" / "x.safetensors", self.model)
        self.assertEqual(self.file.read_bytes(), before)
        self.assertEqual(list(ROOT.glob(".tmp-*")), [])
        damaged = ROOT / "damaged.safetensors"
        damaged.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        child = subprocess.run([TRAIN, "evaluate", "--recipe", ROOT / "recipe.toml", "--dataset", ROOT / "data", "--key",
                                ROOT / "dataset.key", "--model", damaged], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(child.returncode, 3)
        self.assertIn("SHA-256", child.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
