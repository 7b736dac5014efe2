"""What admins make for jobs (configs/software): trees of wheels and container images, both of what is made here. software_test.py SOURCE"""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

from make_wheel import make_wheel

SOURCE = pathlib.Path(sys.argv.pop(1))
PROGRAM = SOURCE / "configs/software/make-tree"
HEARD = pathlib.Path(tempfile.mkdtemp(prefix="aloft-software-"))   # each answer to --json


def ask(program: str, *words, code: int, **more) -> dict:
    """What it answers to --json, be it done or refused; kept, to be judged by its schema at the end."""
    words = [str(word) for word in ("--json", *words)]
    done = subprocess.run([SOURCE / "configs/software" / program, *words], capture_output=True, **more)
    said = done.stderr.decode()
    if done.returncode != code or "Traceback" in said:
        raise AssertionError(f"{program} {words}: exit {done.returncode}, not {code}: {said}")
    (HEARD / program).mkdir(exist_ok=True)
    file = HEARD / program / str(sum(1 for _ in (HEARD / program).iterdir()))
    file.write_text(f"{code}\n{' '.join(words)}\n")
    file.with_suffix(".out").write_bytes(done.stdout)
    return json.loads(done.stdout)


def tearDownModule():
    for program in sorted(each.name for each in HEARD.iterdir()):   # the system's Python has jsonschema
        subprocess.run(["/usr/bin/python3", SOURCE / "tests/support/check_json.py", program, HEARD / program], check=True)
    shutil.rmtree(HEARD)


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
        said = ask("make-tree", "--wheels", self.wheels, "--requirements", requirements or self.requirements, *words, tree or self.tree,
                   code=code, env=self.environment)
        return said["error"]["text"] if code else said

    def check(self, code=0):
        said = ask("make-tree", "--check", self.tree, code=code)
        return said["error"]["text"] if code else said

    def test_a_call_that_is_none_is_answered_by_an_object_too(self):
        for words in ((), (self.tree,), (self.tree, "--check", "--requirements", self.requirements), (self.tree, "--nothing")):
            self.assertEqual(ask("make-tree", *words, code=2)["error"]["kind"], "usage")

    def test_a_tree_is_made_whole_and_runs(self):
        made = self.make()
        self.assertEqual(made["tree"], "tiny-1.0")
        out = subprocess.run([self.tree / "bin/python", "-c", "import sys, tiny; print(tiny.answer(), sys.prefix)"], capture_output=True, text=True, check=True)
        self.assertEqual(out.stdout, f"42 {self.tree}\n")
        self.assertEqual(subprocess.run([self.tree / "bin/tiny"], capture_output=True, text=True, check=True).stdout, "the answer is 42\n")
        self.assertEqual(self.check(), made)
        told = subprocess.run([PROGRAM, "--check", self.tree], capture_output=True, text=True, check=True).stdout
        self.assertRegex(told, rf"^{self.tree}: {made['files']} files, .* sha256 {made['sha256']}\n$")
        self.assertEqual(self.make(), made)  # again: it is there

    def test_it_is_loaded_by_environment_modules(self):
        self.make()
        module = self.tree / "modulefiles/tiny-1.0"
        said = subprocess.run(["bash", "-ec", f". /usr/share/modules/init/bash; module use {module.parent}; module avail 2>&1; module whatis tiny-1.0 2>&1; module load tiny-1.0; "
                               "command -v tiny; tiny; python -c 'import tiny; print(tiny.answer())'; module list 2>&1; module unload tiny-1.0; ! command -v tiny; "
                               f"module load {module}; command -v tiny"],
                              capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "HOME": str(self.scratch)})
        self.assertEqual((said.returncode, said.stderr), (0, ""))
        self.assertIn("Packages for Python", said.stdout)
        self.assertEqual(said.stdout.count(f"{self.tree}/bin/tiny\n"), 2)
        self.assertIn("the answer is 42\n42\n", said.stdout)
        self.assertNotIn(str(self.scratch), module.read_text())   # wherever the tree lies

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
                self.assertRegex(line, r"^[A-Za-z0-9._-]+==\S+( --hash=sha256:[0-9a-f]{64})+$", recipe.name)


class Images(unittest.TestCase):
    def setUp(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="aloft-software-"))
        self.addCleanup(shutil.rmtree, self.scratch)
        self.root = self.scratch / "root"
        (self.root / "usr/bin").mkdir(parents=True)
        (self.root / "usr/lib").mkdir()
        (self.root / "bin").symlink_to("usr/bin")
        shutil.copy("/bin/true", self.root / "usr/bin/true")
        (self.root / "usr/bin/true").chmod(0o6755)
        library = next(pathlib.Path("/lib").glob(f"{os.uname().machine}-linux-gnu/libc.so.6"))
        shutil.copy(library, self.root / "usr/lib/libc.so.6")
        # Of a compiler, and for other programs: none of them is the one that programs start with.
        for other in ("usr/lib32", "opt/conda/sysroot/lib64"):
            (self.root / other).mkdir(parents=True)
            (self.root / other / "libc.so.6").write_bytes(b"\x7fELF" + bytes(14) + b"\x03\0 GNU C Library (X) stable release version 2.17.\n")
        (self.root / "usr/bin/second").symlink_to("/usr/bin/true")
        os.link(self.root / "usr/bin/true", self.root / "usr/bin/third")
        os.mkfifo(self.root / "usr/pipe")

    def make(self, source, name="one.sqfs", code=0, stdin=None):
        answer = ask("make-image", source, self.scratch / name, code=code, stdin=stdin, env={**os.environ, "SOURCE_DATE_EPOCH": "1"})
        self.assertEqual(list(self.scratch.glob(".*")), [])
        return answer["error"]["text"] if code else answer

    def test_an_image_has_the_same_bytes_every_time_and_nothing_with_power(self):
        made = self.make(self.root)
        self.assertEqual(self.make(self.root, "two.sqfs")["sha256"], made["sha256"])
        self.assertEqual((self.scratch / "one.sqfs").stat().st_mode & 0o7777, 0o644)
        listed = subprocess.run(["unsquashfs", "-lln", self.scratch / "one.sqfs"], capture_output=True, text=True, check=True).stdout
        self.assertRegex(listed, r"-rwxr-xr-x 0/0 .* 1970-01-01 \S+ squashfs-root/usr/bin/true")
        self.assertRegex(listed, r"squashfs-root/usr/bin/second -> /usr/bin/true")
        self.assertIn("squashfs-root/usr/bin/third", listed)
        self.assertNotIn("pipe", listed)
        self.assertNotRegex(listed, r"(?m)^[-d]\S*s")
        self.assertIn("is there already", self.make(self.root, code=2))   # and stays
        self.assertEqual(made["sha256"], hashlib.sha256((self.scratch / "one.sqfs").read_bytes()).hexdigest())

    def test_a_tar_archive_is_taken_as_containers_give_it(self):
        for flags, name in (("-cf", "a.tar"), ("-czf", "b.tar.gz")):
            subprocess.run(["tar", "-C", self.root, flags, self.scratch / name, "."], check=True)
            made = self.make(self.scratch / name, name + ".sqfs")
            with open(self.scratch / name, "rb") as stdin:
                self.assertEqual(self.make("-", name + "-2.sqfs", stdin=stdin)["sha256"], made["sha256"])

    def test_what_no_job_could_use_is_refused(self):
        (self.root / "usr/lib/libc.so.6").write_bytes(b"\x7fELF" + bytes(14) + b"\x3e\0 GNU C Library (X) stable release version 2.31.\n")
        self.assertIn("found: 2.31", self.make(self.root, code=3))
        (self.root / "usr/lib/libc.so.6").write_bytes(b"\x7fELF" + bytes(14) + b"\xf3\0 GNU C Library (X) stable release version 2.40.\n")
        self.assertIn("another processor", self.make(self.root, code=3))
        (self.root / "usr/lib/libc.so.6").unlink()
        self.assertIn("found: none", self.make(self.root, code=3))
        (self.root / "manifest.json").write_text("[]")
        self.assertIn("docker export", self.make(self.root, code=3))
        self.assertIn("no root of a system", self.make(self.scratch / "root/usr/bin", code=3))
        (self.scratch / "noise").write_bytes(b"no archive" * 1000)
        self.assertIn("no tar archive", self.make(self.scratch / "noise", code=3))
        self.make(self.scratch / "absent", code=4)
        self.assertEqual(ask("make-image", self.root, code=2)["error"]["kind"], "usage")
        with tarfile.open(self.scratch / "up.tar", "w") as tar:
            tar.addfile(tarfile.TarInfo("usr/../../x"))
        self.assertIn("leads out", self.make(self.scratch / "up.tar", code=3))
        subprocess.run(["tar", "-C", self.root, "-cf", self.scratch / "whole.tar", "."], check=True)
        whole = (self.scratch / "whole.tar").read_bytes()
        for size in (len(whole) // 2, whole.rindex(b"./usr/lib32/libc.so.6")):   # within a file, and before a member's header
            (self.scratch / "cut.tar").write_bytes(whole[:size])
            self.assertRegex(self.make(self.scratch / "cut.tar", code=3), "cut off|no tar archive")
        with tarfile.open(self.scratch / "twice.tar", "w") as tar:
            for _ in range(2):
                tar.addfile(tarfile.TarInfo("usr/one"))
        self.assertIn("left something out", self.make(self.scratch / "twice.tar", code=3))
        self.assertEqual(list(self.scratch.glob("*.sqfs")), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
