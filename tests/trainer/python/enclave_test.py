"""A researcher's own programs inside the fence: the example and HDF5's tools on two nodes of the demo's cluster, on a sealed
dataset that a grant covers. The demo's first four steps make it all, in their short form.

enclave_test.py CMAKE BUILD_DIR DEMO_D DATA_PYTHON TORCH NUMBER        77: skipped, without root there is no cluster"""
import argparse, json, os, pathlib, re, shutil, subprocess, sys, unittest

CMAKE, BUILD, DEMO, DATA_PYTHON, TORCH, NUMBER = sys.argv[1:7]
if os.geteuid() != 0:
    print("not root: there is no cluster")
    sys.exit(77)
sys.path.insert(0, DEMO)
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

    def job(self, name, *program, nodes=1, ranks=1):
        """How a job of e-alice's ended, and what it printed."""
        job = training.submit(self.cluster, name, *program, nodes=nodes, ranks=ranks)
        state = self.cluster.wait_job(job, timeout=240)["JobState"]
        return state, training.job_output(self.cluster, job)

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
                               "--nodes", "2", "--per-node", "2", "--epochs", "4", nodes=2, ranks=2)
        self.assertEqual(state, "COMPLETED", said)
        (accuracy,) = re.findall(r"^4 ranks, accuracy (\d\.\d+)", said, re.M)
        self.assertGreater(float(accuracy), 0.7, said)

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
        self.assertIn("aloft._library.SystemFault", said)
        state, said = self.job("fork", "env", PATHS, "python3", "-c",
                               "import aloft, os; l = aloft.Loader('digits@1'); os.fork() or l.epoch(0)")
        self.assertIn("forked", said)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
