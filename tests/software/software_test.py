"""Trees of Python packages (configs/software/make-tree), from wheels that are made here. software_test.py SOURCE"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from make_wheel import make_wheel

SOURCE = pathlib.Path(sys.argv.pop(1))
PROGRAM = SOURCE / "configs/software/make-tree"


def close(folder: pathlib.Path):
    for path in [folder, *folder.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o222)


class Trees(unittest.TestCase):
    def setUp(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="aloft-software-"))
        self.addCleanup(self.clean)
        self.wheels = self.scratch / "wheels"
        self.requirements = make_wheel(self.wheels)
        self.tree = self.scratch / "tiny-1.0"
        self.environment = dict(os.environ)

    def clean(self):
        subprocess.run(["chmod", "-R", "u+w", self.scratch], check=True)
        shutil.rmtree(self.scratch)

    def make(self, *words, tree=None, code=0, requirements=None):
        done = subprocess.run([PROGRAM, "--json", "--wheels", self.wheels, "--requirements", requirements or self.requirements, *words, tree or self.tree],
                              capture_output=True, text=True, env=self.environment)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        return json.loads(done.stdout) if code == 0 else done.stderr

    def check(self, code=0):
        done = subprocess.run([PROGRAM, "--check", self.tree], capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr

    def test_a_tree_is_made_whole_and_runs(self):
        made = self.make()
        self.assertEqual(made["tree"], "tiny-1.0")
        out = subprocess.run([self.tree / "bin/python", "-c", "import sys, tiny; print(tiny.answer(), sys.prefix)"], capture_output=True, text=True, check=True)
        self.assertEqual(out.stdout, f"42 {self.tree}\n")
        self.assertEqual(subprocess.run([self.tree / "bin/tiny"], capture_output=True, text=True, check=True).stdout, "the answer is 42\n")
        self.check()
        self.assertEqual(self.make(), made)  # again: it is there

    def test_it_is_for_reading(self):
        self.make()
        for folder, _, names in os.walk(self.tree):
            for path in [folder] + [os.path.join(folder, name) for name in names]:
                if not os.path.islink(path):
                    self.assertEqual(os.stat(path).st_mode & 0o222, 0, path)
                    self.assertEqual(os.stat(path).st_mode & 0o444, 0o444, path)

    def test_the_same_files_every_time(self):
        first = self.make()
        subprocess.run(["chmod", "-R", "u+w", self.tree], check=True)
        shutil.rmtree(self.tree)
        self.assertEqual(self.make(), first)

    def test_what_is_changed_added_or_lost_is_seen(self):
        self.make()
        module = next(self.tree.glob("lib/*/site-packages/tiny.py"))
        for change, undo in ((lambda: module.write_text(module.read_text().replace("42", "43")), lambda: module.write_text(module.read_text().replace("43", "42"))),
                             (lambda: (module.parent / "more.py").write_text(""), lambda: (module.parent / "more.py").unlink()),
                             (lambda: module.rename(self.scratch / "aside"), lambda: (self.scratch / "aside").rename(module)),
                             (lambda: (self.tree / "bin/tiny").chmod(0o444), lambda: (self.tree / "bin/tiny").chmod(0o555)),
                             (lambda: (self.tree / "bin/tiny").chmod(0o4555), lambda: (self.tree / "bin/tiny").chmod(0o555)),
                             (lambda: (self.tree / "bin").chmod(0o757), lambda: (self.tree / "bin").chmod(0o555)),
                             (lambda: os.chown(self.tree / "bin/tiny", 12345, 0), lambda: os.chown(self.tree / "bin/tiny", 0, 0))):
            subprocess.run(["chmod", "-R", "u+w", module.parent], check=True)
            change()
            close(module.parent)
            self.assertIn("not as it was made", self.check(3))
            subprocess.run(["chmod", "-R", "u+w", module.parent], check=True)
            undo()
            close(module.parent)
            self.check()

    def test_a_wheel_of_another_digest_is_refused_and_nothing_is_left(self):
        text = self.requirements.read_text()
        self.requirements.write_text(re.sub(r"sha256:.", lambda found: "sha256:" + ("0" if found[0][-1] != "0" else "1"), text))
        self.assertIn("pip", self.make(code=3))
        self.assertFalse(self.tree.exists())

    def test_what_it_needs_must_be_named(self):
        make_wheel(self.wheels, "another>=2")
        self.assertIn("another", self.make(code=3))
        self.assertFalse(self.tree.exists())

    def test_only_versions_and_digests_are_taken(self):
        for line in ("# words \\\n-r other.txt", "tiny==1.0 \\\n", "tiny", "tiny==1.0", "tiny==1.0 ; python_version < '3' --hash=sha256:" + "0" * 64, "tiny>=1.0 --hash=sha256:" + "0" * 64, "--index-url https://elsewhere.example/simple", "-r other.txt",
                     "git+https://elsewhere.example/tiny", "./tiny-1.0-py3-none-any.whl", "tiny==1.0 --hash=md5:" + "0" * 32):
            self.requirements.write_text(line + "\n")
            self.make(code=2)
            self.assertFalse(self.tree.exists())

    def test_half_a_tree_is_begun_again_and_a_whole_one_never_changed(self):
        made = self.make()
        subprocess.run(["chmod", "-R", "u+w", self.tree], check=True)
        (self.tree / "tree.json").unlink()  # killed before its end
        next(self.tree.glob("lib/*/site-packages/tiny.py")).unlink()
        self.check(3)
        self.assertIn("no tree that was begun", self.make(code=2))
        (self.tree / ".being-made").write_text("")
        self.assertEqual(self.make(), made)
        with open(self.requirements, "a") as file:
            file.write("# other words\n")
        self.assertEqual(self.make(), made)
        with open(self.requirements, "a") as file:
            file.write("another==1.0 --hash=sha256:" + "0" * 64 + "\n")
        self.assertIn("never changed", self.make(code=2))
        self.check()

    def test_a_tree_whose_word_cannot_be_read_is_not_made_again(self):
        self.make()
        subprocess.run(["chmod", "-R", "u+w", self.tree], check=True)
        (self.tree / "tree.json").write_text("{")
        close(self.tree)
        self.assertIn("cannot be read", self.make(code=3))
        self.assertTrue((self.tree / "bin/tiny").exists())

    def test_nothing_of_a_package_runs(self):
        self.requirements = make_wheel(self.wheels, extra=("tiny.pth", f"import os; open({str(self.scratch / 'ran')!r}, 'w').close()\n"))
        self.make()
        self.assertFalse((self.scratch / "ran").exists())
        subprocess.run([self.tree / "bin/python", "-c", ""], check=True)  # (that is how it would)
        self.assertTrue((self.scratch / "ran").exists())

    def test_neither_this_host_nor_its_pip_says_what_is_in_it(self):
        folder = self.scratch / "elsewhere"
        subprocess.run([sys.executable, "-m", "zipfile", "-e", next(self.wheels.glob("*.whl")), folder], check=True)
        (self.scratch / "home/.config/pip").mkdir(parents=True)
        (self.scratch / "home/.config/pip/pip.conf").write_text(f"[install]\ntarget = {folder}2\n")
        self.environment = os.environ | {"PYTHONPATH": str(folder), "HOME": str(self.scratch / "home"), "PIP_TARGET": str(folder) + "3"}
        self.make()
        self.assertTrue(any(self.tree.glob("lib/*/site-packages/tiny.py")))

    def test_a_folder_of_other_things_stays(self):
        self.tree.mkdir()
        (self.tree / "precious").write_text("x")
        self.assertIn("no tree", self.make(code=2))
        self.assertEqual((self.tree / "precious").read_text(), "x")
        (self.tree / "pyvenv.cfg").write_text("somebody's own")
        self.assertIn("no tree", self.make(code=2))
        self.make(tree=self.scratch / "nowhere/tree", code=2)
        (self.scratch / "link").symlink_to(self.tree)
        self.make(tree=self.scratch / "link", code=2)

    def test_the_recipes_name_versions_and_digests_only(self):
        for recipe in sorted((SOURCE / "configs/software").glob("*.txt")):
            lines = [line for line in recipe.read_text().splitlines() if line and not line.startswith("#")]
            self.assertTrue(lines)
            for line in lines:
                self.assertRegex(line, r"^[A-Za-z0-9._-]+==\S+ --hash=sha256:[0-9a-f]{64}$", recipe.name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
