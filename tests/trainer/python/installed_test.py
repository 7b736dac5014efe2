"""The Python package as it is installed: by cmake --install beside the library, and by pip from the tree.

installed_test.py CMAKE BUILD_DIR PACKAGE MAKE_DATASET"""
import os, pathlib, shutil, subprocess, sys, tempfile, unittest

CMAKE, BUILD, PACKAGE, MAKE = sys.argv[1:5]
READ = "import aloft, sys; loader = aloft.Loader(sys.argv[1], key=sys.argv[2], batch=12, tensors='numpy'); " \
       "print(aloft.__file__, aloft._library._library._name, sum(batch.valid for batch in loader.epoch(0)))"


def run(*command, **more):
    return subprocess.run([str(c) for c in command], check=True, text=True, stdout=subprocess.PIPE, **more).stdout


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="aloft-test-")
        cls.root = pathlib.Path(cls.scratch.name)
        cls.env = {k: v for k, v in os.environ.items() if not k.startswith(("ALOFT", "PYTHONPATH", "SLURM", "OMPI"))}
        for component in ("loader", "python"):
            run(CMAKE, "--install", BUILD, "--prefix", cls.root / "prefix", "--component", component)
        run(MAKE, cls.root, "images")
        (cls.library,) = (cls.root / "prefix").glob("lib*/libaloft.so.1")

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def read(self, python, **env):
        return run(python, "-c", READ, self.root / "data", self.root / "dataset.key", env={**self.env, **env}, cwd=self.root).split()

    def test_beside_the_library_it_finds_it(self):
        packages = self.root / "prefix/share/aloft/python"
        found = self.read(sys.executable, PYTHONPATH=str(packages))
        self.assertEqual(found, [str(packages / "aloft/__init__.py"), str(self.library), "384"])
        self.assertEqual(sorted(str(p.relative_to(packages)) for p in packages.rglob("*.py*") if "__pycache__" not in p.parts),
                         sorted(str(p.relative_to(PACKAGE)) for p in pathlib.Path(PACKAGE, "aloft").glob("*.py*")))

    def test_by_pip_from_the_tree_without_a_network(self):
        shutil.copytree(PACKAGE, self.root / "tree")
        run(sys.executable, "-m", "venv", "--system-site-packages", self.root / "venv")
        python = self.root / "venv/bin/python"
        run(python, "-m", "pip", "-q", "wheel", "--no-index", "--no-deps", "--no-build-isolation", "-w", self.root, self.root / "tree")
        (wheel,) = self.root.glob("aloft-*.whl")
        self.assertTrue(wheel.name.endswith("-py3-none-any.whl"), wheel.name)
        run(python, "-m", "pip", "-q", "install", "--no-index", "--no-deps", wheel)
        package = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
        # A virtual environment made of another's Python does not have the other's numpy.
        numpy = run(sys.executable, "-c", "import numpy, pathlib; print(pathlib.Path(numpy.__file__).parents[1])").strip()
        found = self.read(python, ALOFT_LIBRARY=str(self.library), PYTHONPATH=numpy)
        self.assertEqual(found, [f"{package}/aloft/__init__.py", str(self.library), "384"])
        for name in ("_library.py", "_tensors.py", "loader.py", "ranks.py", "py.typed"):
            self.assertTrue(pathlib.Path(package, "aloft", name).exists(), name)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
