"""A researcher's own programs inside the fence: the examples and HDF5's tools on two nodes of the demo's cluster, on a sealed
dataset that a grant covers. The demo's first four steps make it all, in their short form.

enclave_test.py CMAKE BUILD_DIR DEMO_D DATA_PYTHON TORCH NUMBER        77: skipped, without root there is no cluster"""
import argparse, json, os, pathlib, re, shutil, subprocess, sys, tempfile, unittest

CMAKE, BUILD, DEMO, DATA_PYTHON, TORCH, NUMBER = sys.argv[1:7]
if os.geteuid() != 0:
    print("not root: there is no cluster")
    sys.exit(77)
sys.path.insert(0, DEMO)
import access, enclave, intake
import main as demo
import training
from report import Report

OUT = pathlib.Path(BUILD, "loader-enclave")
PATHS = "PYTHONPATH=/opt/aloft/share/aloft/python:/opt/aloft/site-packages"


class Enclave(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shutil.rmtree(OUT / "prefix", ignore_errors=True)
        OUT.mkdir(exist_ok=True)
        subprocess.run([CMAKE, "--install", BUILD, "--prefix", OUT / "prefix"], check=True, stdout=subprocess.DEVNULL)
        cls.demo = demo.Demo(argparse.Namespace(out=OUT, prefix=OUT / "prefix", data_python=DATA_PYTHON, tests=pathlib.Path(BUILD, "tests"),
                                                torch=pathlib.Path(TORCH), num=int(NUMBER), quick=True, keep=False),
                             Report(OUT, True, True))
        cls.addClassCleanup(cls.demo.down)
        for number in (1, 2, 3, 4):
            cls.demo.report.step(number, demo.TITLES[number], lambda: demo.FENCED[number][0](cls.demo))
            if not cls.demo.report.held(number):
                raise AssertionError(f"the demo's step {number} did not hold: {OUT}/cluster.log")
        cls.cluster = cls.demo.cluster

    def job(self, name, *program, nodes=1, ranks=1, account=training.RESEARCHER):
        """How a job of the account's ended, and what it printed."""
        job = training.submit(self.cluster, name, *program, nodes=nodes, ranks=ranks, account=account)
        state = self.cluster.wait_job(job, timeout=600)["JobState"]
        return state, training.job_output(self.cluster, job, account)

    def test_the_example_trains_on_two_nodes(self):
        state, said = self.job("ddp", "env", PATHS, "python3", "/opt/aloft/share/aloft/examples/ddp.py", "digits@1", "--out",
                               "/aloft/workspace/ddp", "--epochs", "16", nodes=2, ranks=2)
        self.assertEqual(state, "COMPLETED", said)
        self.assertEqual(len(re.findall(r"^epoch \d+: accuracy", said, re.M)), 16, said)  # of four ranks one speaks
        figures = json.loads((training.workspace(self.cluster) / "ddp/metrics.json").read_text())
        self.assertGreater(figures["overall"]["accuracy"], 0.85)
        self.assertGreater(figures["patients"], 100)

    def test_lightning_trains_on_two_nodes(self):
        state, said = self.job("lightning", "env", PATHS, "python3", "/opt/aloft/share/aloft/examples/lightning_ddp.py", "digits@1",
                               "--nodes", "2", "--per-node", "2", "--epochs", "12", "--out", "/aloft/workspace/lightning", nodes=2, ranks=2)
        self.assertEqual(state, "COMPLETED", said)
        (accuracy,) = re.findall(r"^4 ranks, accuracy (\d\.\d+)", said, re.M)
        self.assertGreater(float(accuracy), 0.7, said)

    def test_scikit_learn_judges_a_table(self):
        state, said = self.job("sklearn", "env", PATHS, "python3", "/opt/aloft/share/aloft/examples/sklearn_table.py", "wdbc@1", "--out",
                               "/aloft/workspace/sklearn")
        self.assertEqual(state, "COMPLETED", said)
        figures = json.loads((training.workspace(self.cluster) / "sklearn/metrics.json").read_text())
        self.assertGreater(figures["overall"]["accuracy"], 0.9)
        self.assertEqual(set(figures["strata"]), {"site", "vendor"})

    @unittest.skipUnless(os.environ.get("ALOFT_LONG"), "only in the long run")
    def test_monai_and_nnunet_train_on_volumes(self):
        self.give_volumes("e-bob")
        state, said = self.job("monai", "env", PATHS, "python3", "/opt/aloft/share/aloft/examples/monai_segmentation.py", "balls@1",
                               "--patch", "8", "16", "16", "--epochs", "6", account="e-bob")
        self.assertEqual(state, "COMPLETED", said)
        dice = [float(each) for each in re.findall(r"^epoch \d: loss \d+\.\d+, Dice (\d\.\d+) of 19 volumes", said, re.M)]
        self.assertEqual(len(dice), 6, said)
        self.assertGreater(dice[-1], 0.8, said)
        state, said = self.job("nnunet", "env", PATHS, "python3", "/opt/aloft/share/aloft/examples/nnunet_segmentation.py", "balls@1",
                               "--out", "/aloft/workspace/nnunet", "--labels", "ball", "--epochs", "3", "--iterations", "10", "2",
                               "--disable-tta", nodes=2, account="e-bob")
        self.assertEqual(state, "COMPLETED", said)
        figures = json.loads((training.workspace(self.cluster, "e-bob") / "nnunet/dice.json").read_text())
        self.assertEqual((figures["split"], figures["volumes"]), ("test", 20))
        self.assertGreater(figures["dice"]["ball"], 0.8)

    def give_volumes(self, account):
        """Sealed and granted as the demo's datasets are, but made, not staged: no delivery of the demo has masks."""
        version, key = self.cluster.shared("/srv/aloft/datasets/balls/1"), f"{intake.KEYS}/balls@1.key"
        with tempfile.TemporaryDirectory(prefix="aloft-test-") as made:
            subprocess.run([pathlib.Path(BUILD, "tests/trainer/make_dataset"), made, "scans"], check=True)
            shutil.copytree(pathlib.Path(made, "data"), version)
            shutil.copy(pathlib.Path(made, "dataset.key"), self.cluster.shared(key))
        self.cluster.host("login", "chown", "intake:intake", key)
        self.cluster.host("login", "chmod", "0400", key)
        self.cluster.host("login", "chown", "-R", "steward:steward", "/srv/aloft/datasets/balls")
        self.cluster.host("login", "chmod", "-R", "a+rX", "/srv/aloft/datasets/balls")
        self.cluster.as_user("steward", "aloft-stage", "seal", "/srv/aloft/datasets/balls/1", "--key", "/home/steward/steward.key")
        self.cluster.as_user("intake", "aloft", "admin", "key-seal", "balls@1", "--enclave", enclave.ENCLAVE, "--key", key)
        self.cluster.as_user("steward", "aloft", "catalogue", "register", "balls@1")
        access.grant(self.cluster, account, "Balls in volumes", ["balls@1"])

    def test_hdf5s_tools_open_a_shard_of_a_granted_dataset(self):
        shard = "/aloft/data/digits@1/shards/shard-000000.h5"
        plugin = "HDF5_PLUGIN_PATH=/opt/aloft/lib/hdf5/plugin"
        state, said = self.job("h5dump", "env", plugin, "h5dump", "-d", "/columns/label", shard)
        self.assertEqual(state, "COMPLETED", said)
        self.assertRegex(said, r"\(0\): ")
        state, said = self.job("bare", "h5dump", "-d", "/columns/label", shard)
        self.assertEqual(state, "FAILED", said)

    def test_what_the_grant_does_not_cover_is_not_there(self):
        state, said = self.job("other", "env", PATHS, "python3", "-c", "import aloft; aloft.Loader('digits@2')")
        self.assertEqual(state, "FAILED", said)
        self.assertRegex(said, r"aloft\._library\.Refused: grant G-\d+ does not cover digits@2")
        state, said = self.job("fork", "env", PATHS, "python3", "-c",
                               "import aloft, os; l = aloft.Loader('digits@1'); os.fork() or l.epoch(0)")
        self.assertIn("forked", said)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
