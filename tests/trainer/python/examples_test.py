"""The examples as a researcher runs them: processes with a rank each, outside of a cluster.

examples_test.py LIBALOFT PACKAGE MAKE_DATASET"""
import filecmp, json, os, pathlib, re, socket, subprocess, sys, tempfile, unittest

LIBRARY, PACKAGE, MAKE = sys.argv[1:4]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="aloft-test-")
        cls.root = pathlib.Path(cls.scratch.name)
        for kind in ("images", "single", "table", "volumes", "scans"):
            subprocess.run([MAKE, cls.root / kind, kind], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def run_on(self, ranks, example, *arguments, data="images"):
        """Exit codes of all ranks, and what rank 0 printed. The port that was free may be another program's by now: once more."""
        codes, said = self.run_once(ranks, example, *arguments, data=data)
        return self.run_once(ranks, example, *arguments, data=data) if any(codes) and "EADDRINUSE" in said else (codes, said)

    def run_once(self, ranks, example, *arguments, data):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("ALOFT", "SLURM", "OMPI", "PMI"))}
        env.update(ALOFT_LIBRARY=LIBRARY, PYTHONPATH=PACKAGE, MASTER_ADDR="127.0.0.1", MASTER_PORT=str(free_port()),
                   OMP_NUM_THREADS="1", GLOO_SOCKET_IFNAME="lo", PYTHONDONTWRITEBYTECODE="1")
        command = [sys.executable, pathlib.Path(PACKAGE, "examples", example), self.root / data / "data", "--key",
                   self.root / data / "dataset.key", *arguments]
        processes = [subprocess.Popen([str(c) for c in command], env={**env, "RANK": str(rank), "WORLD_SIZE": str(ranks),
                                      "LOCAL_RANK": str(rank), "GROUP_RANK": "0", "LOCAL_WORLD_SIZE": str(ranks),
                                      "TORCHELASTIC_RUN_ID": "test"}, text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for rank in range(ranks)]
        try:
            said = [process.communicate(timeout=400)[0] for process in processes]
        finally:
            for process in processes:
                process.kill()
        return [process.returncode for process in processes], said[0]

    def weights(self, out):
        import torch
        return torch.load(out / "checkpoint.pt", weights_only=True)

    def test_ddp_learns_and_goes_on_exactly_where_it_was_stopped(self):
        import torch
        whole, parts = self.root / "whole", self.root / "parts"
        codes, said = self.run_on(2, "ddp.py", "--out", whole, "--epochs", "4")
        self.assertEqual(codes, [0, 0], said)
        accuracies = [float(a) for a in re.findall(r"epoch \d: accuracy (\d\.\d+) on 128 samples", said)]
        self.assertEqual(len(accuracies), 4, said)
        self.assertGreater(accuracies[-1], 0.95)
        figures = json.loads((whole / "metrics.json").read_text())
        self.assertEqual((figures["split"], figures["overall"]["samples"], figures["patients"]), ("test", 128, 32))
        self.assertGreater(figures["overall"]["accuracy"], 0.9)
        self.assertEqual(set(figures["strata"]), {"site", "vendor"})

        for steps in (4, 5):  # of six to an epoch: the second stop is in the second epoch
            codes, said = self.run_on(2, "ddp.py", "--out", parts, "--epochs", "4", "--stop-after", str(steps))
            self.assertEqual(codes, [75, 75], said)
        self.assertEqual(self.weights(parts)["state"], [1, 1, 3 * 64])
        codes, said = self.run_on(2, "ddp.py", "--out", parts, "--epochs", "4")
        self.assertEqual(codes, [0, 0], said)
        self.assertIn("goes on at State(seed=1, epoch=1, sample=192)", said)
        one, other = self.weights(whole), self.weights(parts)
        self.assertEqual(one["state"], other["state"])
        for name, tensor in one["model"].items():
            self.assertTrue(torch.equal(tensor, other["model"][name]), name)
        for name in ("metrics.json", "model.safetensors"):
            self.assertTrue(filecmp.cmp(whole / name, parts / name, shallow=False), name)

    def test_ddp_on_another_number_of_ranks_sees_the_same_steps(self):
        import torch
        out = self.root / "three"
        self.assertEqual(self.run_on(2, "ddp.py", "--out", out, "--epochs", "2", "--stop-after", "8")[0], [75, 75])
        codes, said = self.run_on(3, "ddp.py", "--out", out, "--epochs", "2")  # which 64 is no multiple of
        self.assertEqual(codes, [0, 0, 0], said)
        whole = self.root / "two"
        self.assertEqual(self.run_on(2, "ddp.py", "--out", whole, "--epochs", "2")[0], [0, 0])
        one, other = self.weights(whole)["model"], self.weights(out)["model"]
        for name, tensor in one.items():  # but for the order of sums
            self.assertTrue(torch.allclose(tensor, other[name], rtol=1e-2, atol=1e-2), name)

    def test_lightning_trains_on_two_ranks_each_with_its_share(self):
        out = self.root / "lightning"
        codes, said = self.run_on(2, "lightning_ddp.py", "--per-node", "2", "--epochs", "4", "--out", out)
        self.assertEqual(codes, [0, 0], said)
        (accuracy,) = re.findall(r"^2 ranks, accuracy (\d\.\d+)", said, re.M)
        self.assertGreater(float(accuracy), 0.95)
        figures = json.loads((out / "metrics.json").read_text())
        self.assertEqual((figures["split"], figures["overall"]["samples"]), ("test", 128))
        self.assertGreater(figures["overall"]["accuracy"], 0.9)
        self.assertTrue((out / "model.safetensors").exists())

    def test_a_rank_without_a_test_sample_is_no_trouble(self):
        for example, more in (("ddp.py", ()), ("lightning_ddp.py", ("--per-node", "2"))):
            with self.subTest(example):
                out = self.root / f"single-{example}"
                codes, said = self.run_on(2, example, "--epochs", "1", "--out", out, *more, data="single")
                self.assertEqual(codes, [0, 0], said)
                figures = json.loads((out / "metrics.json").read_text())
                self.assertEqual((figures["split"], figures["patients"]), ("test", 1))
                self.assertTrue((out / "model.safetensors").exists())

    def test_monai_segments_volumes_of_different_shapes_by_patches(self):
        codes, said = self.run_on(1, "monai_segmentation.py", "--patch", "16", "16", "16", "--epochs", "6", data="volumes")
        self.assertEqual(codes, [0], said)
        dice = [float(each) for each in re.findall(r"^epoch \d: loss \d+\.\d+, Dice (\d\.\d+) of 8 volumes", said, re.M)]
        self.assertEqual(len(dice), 6, said)
        self.assertGreater(dice[-1], 0.9, said)

    def nnunet(self, ranks, out, *arguments, code=0):
        """What it printed: losses and Dice of patches by epoch, and the mean Dice of whole volumes of the split test, if it came so far."""
        codes, said = self.run_on(ranks, "nnunet_segmentation.py", "--out", out, "--labels", "ball", "--disable-tta",
                                  *arguments, data="scans")
        self.assertEqual(codes, [code] * ranks, said)
        return [[float(each) for each in re.findall(pattern + r"(-?\d\.\d+)", said, re.M)]
                for pattern in ("train_loss ", r"Pseudo dice \[np\.float32\(", "^Dice {'ball': ")]

    def test_nnunet_learns_from_patches_and_stops_after_an_epoch(self):
        out = self.root / "nnunet"
        losses, dice, _ = self.nnunet(1, out, "--epochs", "3", "--iterations", "10", "2", "--stop-after", "2", "--gpu-memory", "0.004", code=75)
        self.assertEqual((len(losses), len(dice)), (2, 2))
        self.assertLess(losses[1], losses[0] - 0.3)
        self.assertGreater(dice[1], 0.5)
        plans = json.loads((out / "preprocessed/Dataset001_shards/nnUNetPlans.json").read_text())
        self.assertEqual(plans["original_median_spacing_after_transp"], [2.7, 0.8, 0.8])  # of the split train
        self.assertEqual([path.name for path in out.glob("results/*/*/fold_0/*.new")], [])

    @unittest.skipUnless(os.environ.get("ALOFT_LONG"), "only in the long run")
    def test_nnunet_goes_on_exactly_and_two_ranks_share_its_steps(self):
        more = "--epochs", "3", "--iterations", "10", "2"
        whole, parts, two = (self.root / f"nnunet-{each}" for each in ("whole", "parts", "two"))
        losses, patches, volumes = self.nnunet(1, whole, *more)
        self.assertGreater(volumes[0], 0.8)
        self.assertEqual(json.loads((whole / "dice.json").read_text()), {"split": "test", "volumes": 20, "dice": {"ball": volumes[0]}})
        self.assertEqual(self.nnunet(1, parts, *more, "--stop-after", "1", code=75), [losses[:1], patches[:1], []])
        self.assertEqual(self.nnunet(1, parts, *more), [losses[1:], patches[1:], volumes])
        self.assertTrue(filecmp.cmp(whole / "model.safetensors", parts / "model.safetensors", shallow=False))
        shared, _, volumes = self.nnunet(2, two, *more)
        self.assertAlmostEqual(shared[0], losses[0], delta=0.05)  # but for the order of sums
        self.assertGreater(volumes[0], 0.8)

    def test_scikit_learn_has_the_figures_of_aloft_train(self):
        out = self.root / "sklearn"
        codes, said = self.run_on(1, "sklearn_table.py", "--out", out, data="table")
        self.assertEqual(codes, [0], said)
        figures = json.loads((out / "metrics.json").read_text())
        self.assertEqual((figures["split"], figures["overall"]["samples"]), ("test", 128))
        self.assertGreater(figures["overall"]["accuracy"], 0.9)
        self.assertEqual(set(figures["strata"]), {"site", "vendor"})


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
