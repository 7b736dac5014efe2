"""The Debian packages: what is in them, and that each program of them starts on a Debian that has nothing else.

packages_test.py SOURCE BUILD LIBTORCH        (as root: a bare root is made and entered)"""
import gzip
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import first_job

SOURCE, BUILD, LIBTORCH = map(pathlib.Path, sys.argv[1:4])
PROGRAMS = {"aloft": "/usr/bin/aloft", "aloftd": "/usr/sbin/aloftd", "aloft-sign": "/usr/sbin/aloft-sign",
            "aloft-stage": "/usr/bin/aloft-stage", "aloft-node": "/usr/sbin/aloft-node",
            "aloft-session": "/opt/aloft/libexec/aloft/aloft-session", "aloft-mirror": "/opt/aloft/libexec/aloft/aloft-mirror", "aloft-relay": "/opt/aloft/libexec/aloft/aloft-relay"}
PACKAGES = {"aloft", "aloft-base", "aloft-service", "aloft-stage", "aloft-node", "aloft-train", "libaloft", "python3-aloft"}


def run(*command, **more) -> str:
    done = subprocess.run([str(word) for word in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    if done.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout[-4000:]}")
    return done.stdout


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid():
            raise unittest.SkipTest("a bare root is made and entered: needs root")
        cls.scratch = pathlib.Path(tempfile.mkdtemp(prefix="aloft-packages-"))
        run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", cls.scratch / "packages", cwd=cls.scratch)
        cls.files = sorted((cls.scratch / "packages").glob("*.deb"))
        cls.unpacked = cls.scratch / "unpacked"
        cls.unpacked.mkdir()
        for file in cls.files:
            run("dpkg-deb", "-x", file, cls.unpacked / file.name.split("_")[0])
        cls.root = cls.scratch / "root"
        release = dict(line.split("=", 1) for line in pathlib.Path("/etc/os-release").read_text().splitlines() if "=" in line)
        sources = [f for f in (pathlib.Path("/etc/apt/sources.list"), *pathlib.Path("/etc/apt/sources.list.d").glob("debian*"))
                   if f.is_file() and f.stat().st_size]
        # The one test that needs the network: what a mirror does not answer at once is asked for again.
        run("mmdebstrap", "--variant=minbase", '--aptopt=Acquire::Retries "8"', release["VERSION_CODENAME"], cls.root, *sources)
        # The machine's own way to its mirror (a proxy) is this root's, too.
        for file in pathlib.Path("/etc/apt/apt.conf.d").glob("*"):
            if re.search(r"(?i)proxy|verify-peer|cainfo", file.read_text(errors="replace")):
                shutil.copy(file, cls.root / "etc/apt/apt.conf.d")
        (cls.root / "etc/apt/apt.conf.d/80retries").write_text('Acquire::Retries "8";\n')
        shutil.copy("/etc/resolv.conf", cls.root / "etc/resolv.conf")
        (cls.root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (cls.root / "usr/sbin/policy-rc.d").chmod(0o755)
        (cls.root / "etc/dpkg/dpkg.cfg.d/unsafe").write_text("force-unsafe-io\n")   # a root of some minutes needs no fsync
        for file in cls.files:
            shutil.copy(file, cls.root / "usr/local/src")
        cls.inside("apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends /usr/local/src/*.deb man-db")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.scratch, ignore_errors=True)

    @classmethod
    def inside(cls, script: str, mounts: str = "") -> str:
        """A shell script in the root, in namespaces of its own: nothing that it mounts or starts is left."""
        enter = f"set -e; mount -t proc proc {cls.root}/proc; mount --rbind /dev {cls.root}/dev; {mounts}\n" \
                f"exec chroot {cls.root} /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root sh -ec \"$1\""
        return run("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", enter, "sh", script)

    def test_every_package_is_there_and_says_what_it_needs(self):
        self.assertEqual({file.name.split("_")[0] for file in self.files}, PACKAGES)
        for file in self.files:
            fields = run("dpkg-deb", "-f", file)
            self.assertRegex(fields, r"(?m)^Version: \d+\.\d+\.\d+-1\+")
            self.assertRegex(fields, r"(?m)^Description: Aloft: ")
            if not file.name.startswith(("python3-", )):
                self.assertRegex(fields, r"(?m)^Depends: .*libc6 \(>= ")
        node = run("dpkg-deb", "-f", next(f for f in self.files if f.name.startswith("aloft-node_")))
        self.assertRegex(node, r"Breaks: slurmd \(<< \d\d\.\d\d~\), slurmd \(>= \d\d\.\d\d~\)")

    def test_no_file_is_in_two_packages_and_none_lies_where_it_should_not(self):
        seen = {}
        allowed = re.compile(r"(opt/aloft|usr/s?bin/aloft|usr/share/(man|doc|bash-completion)/|usr/lib/(systemd/system/aloft|python3/dist-packages/aloft))")
        for package in sorted(PACKAGES):
            for file in (self.unpacked / package).rglob("*"):
                name = str(file.relative_to(self.unpacked / package))
                if file.is_dir() and not file.is_symlink():
                    continue
                self.assertRegex(name, allowed)
                self.assertEqual(seen.setdefault(name, package), package, name)
        catalogue = self.unpacked / "aloft-base/opt/aloft/share/locale/zh_TW/LC_MESSAGES/aloft.mo"
        self.assertIn("授權 {} 先前已撤銷".encode(), catalogue.read_bytes())
        session = self.unpacked / "aloft/opt/aloft/libexec/aloft/aloft-session"
        self.assertEqual(session.stat().st_mode & 0o7777, 0o4755)
        setuid = [f for f in self.unpacked.rglob("*") if not f.is_symlink() and f.is_file() and f.stat().st_mode & 0o6000]
        self.assertEqual(setuid, [session])

    def test_every_program_starts(self):
        for name, program in PROGRAMS.items():
            self.assertRegex(self.inside(f"{program} --help"), "Usage:|aloft-session -c COMMAND", name)
        # Nothing that is linked is missing, but for what only LibTorch has.
        found = self.inside("find /opt/aloft -type f | while read -r f; do [ \"$(head -c 4 \"$f\" | tail -c 3)\" = ELF ] && ldd \"$f\" 2>&1 | "
                            "sed -n \"s|^|$f: |;/not found/p\" || true; done")
        missing = [line for line in found.splitlines() if not line.startswith("/opt/aloft/libexec/aloft/aloft-train: ")]
        self.assertEqual(missing, [])

    def test_a_delivery_is_read_on_a_bare_host(self):
        told = self.inside("mkdir -p /tmp/d && printf 'patient,age\\n1,40\\n2,50\\n' > /tmp/d/t.csv && aloft-stage init north=/tmp/d --out /tmp/configs --json 2>/tmp/said; grep -q 'configs/deid' /tmp/said")
        self.assertEqual(json.loads(told)["kinds"], {"table": 1})

    def test_the_trainer_says_which_libtorch_it_wants_and_takes_it_from_where_it_is_told(self):
        why = self.inside("! aloft-train --help 2>&1")
        self.assertRegex(why, r"/opt/aloft/site-packages/torch: no LibTorch there.*Install PyTorch \d+\.\d+\.\d+ into /opt/aloft/site-packages")
        self.assertNotIn("error while loading", why)
        packages = LIBTORCH.parent
        mount = f"mkdir -p {self.root}/apps; mount --bind {packages} {self.root}/apps;"
        self.assertIn("Usage:", self.inside("ALOFT_LIBTORCH=/apps/torch aloft-train --help", mount))
        self.assertIn("Usage:", self.inside("ln -sfn /apps /opt/aloft/site-packages; aloft-train --help; rm /opt/aloft/site-packages", mount))
        other = "mkdir -p /tmp/o/lib; : > /tmp/o/lib/libtorch_cpu.so; echo 1.2.3+cpu > /tmp/o/build-version; "
        self.assertIn("LibTorch 1.2.3, but this aloft-train was built with", self.inside(other + "! ALOFT_LIBTORCH=/tmp/o aloft-train --help 2>&1"))

    def test_python_and_the_account_and_the_units_are_there(self):
        self.assertIn("/opt/aloft/share/aloft/python/aloft/__init__.py",
                      self.inside("DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends python3-numpy > /dev/null 2>&1; "
                                  "python3 -c 'import aloft; print(aloft.__file__)'"))
        self.assertIn("aloft 700", self.inside("stat -c '%U %a' /var/lib/aloft; getent group aloft-data"))
        for unit in (SOURCE / "slurm").rglob("*.service"):
            self.assertTrue((self.root / "usr/lib/systemd/system" / unit.name).is_symlink(), unit.name)
        units = self.inside("for u in /usr/lib/systemd/system/aloft*.service; do sed -n 's/^ExecStart=\\([^ ]*\\).*/\\1/p' $u; done").split()
        self.assertGreaterEqual(len(units), 7)
        for program in units:
            self.inside(f"test -x {program}")
        documents = self.inside("test -e /usr/share/doc/aloft/slurm/promise/PROMISE.md; test -e /usr/share/doc/aloft/examples/clusters/site.toml; "
                                "cat /usr/share/doc/aloft/README.md")
        self.assertIn("# Aloft", documents)

    def test_manual_pages_and_completion(self):
        pages = {p.name.removesuffix(".gz"): gzip.decompress(p.read_bytes()).decode() for p in self.unpacked.rglob("usr/share/man/man*/*.gz")}
        for name in ("aloft.1", "aloft-grant-issue.1", "aloft-release-request.1", "aloft-stage.1", "aloft-stage-build.1", "aloft-train.1",
                     "aloft-train-fit.1", "aloftd.8", "aloft-sign.8", "aloft-node.8", "aloft-node-preflight.8",
                     "aloft-mirror.8", "aloft-relay.8", "aloft-session.1"):
            self.assertIn(name, pages)
        for name, text in pages.items():
            self.assertRegex(text, r"(?m)^\.SH NAME\n", name)
            for private in (str(SOURCE), str(BUILD), "/tmp/"):
                self.assertNotIn(private, text, name)
        self.assertIn("aloft-grant-issue", self.inside("man -w aloft-grant-issue"))
        script = "COMP_WORDS=({words}); COMP_CWORD={at}; _aloft; echo ${{COMPREPLY[*]}}"
        completed = [self.inside("bash -c '. /usr/share/bash-completion/completions/aloft; " + script.format(words=words, at=at) + "'").split()
                     for words, at in (('aloft gr', 1), ('aloft grant ""', 2), ('aloft grant issue --cont', 3))]
        self.assertEqual(completed[0], ["grant"])
        self.assertLessEqual({"issue", "revoke", "list"}, set(completed[1]))
        self.assertEqual(completed[2], ["--contract"])

    def test_y_the_document_leads_from_nothing_to_the_first_job(self):   # late: it installs what a site has before
        first_job.prepare(self.inside)
        python = run(SOURCE / "configs/install-deps", "--path", "data").strip() + "/bin/python"

        def make_tables(folder):
            run(python, "-c", "import pathlib, sys; sys.path.insert(0, sys.argv[1]); import make_table, people; "
                "make_table.write_wdbc(pathlib.Path(sys.argv[2]), people.Town(1), 1)", SOURCE / "jobs/demo.d", folder)
        said = first_job.walk(self.root, SOURCE / "configs/packages/INSTALL.md", self.scratch, make_tables)
        self.assertRegex(said, r"(?m)^job 1: COMPLETED$")
        self.assertRegex(said, r"(?m)^[1-9]\d* samples$")

    def test_z_again_and_away(self):   # the last one
        self.inside("DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --reinstall --no-install-recommends /usr/local/src/*.deb")
        self.inside("apt-get -qq -y purge " + " ".join(sorted(PACKAGES)))
        left = self.inside("find /opt/aloft /usr/share/doc/aloft /usr/lib/systemd/system -name '*aloft*' 2> /dev/null || true")
        self.assertEqual(left.split(), [])
        self.assertIn("aloft", self.inside("getent passwd aloft"))   # whose files may still be there


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
