"""json_test.py ALOFT_STAGE MPIEXEC SOURCE: every verb of aloft-stage answers --json, done, tried and refused, as configs/schemas says; on the
demo's hospitals' tables. Judged by tests/support/check_json.py, with the system's Python, which has jsonschema."""
import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

STAGE, MPIEXEC, SOURCE = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
HOSPITALS = ("north", "central", "south", "east")
sys.path.insert(0, str(SOURCE / "jobs/demo.d"))
import make_table, people  # noqa: E402
JUDGE = ["/usr/bin/python3", SOURCE / "tests/support/check_json.py", "aloft-stage"]


class Answers(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="aloft-json-")
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)
        self.heard = self.root / "heard"
        self.heard.mkdir()

    def told(self, code, *arguments):
        arguments = [*map(str, arguments), "--json"]
        done = subprocess.run([STAGE, *arguments], capture_output=True, text=True, timeout=240)
        self.assertEqual(done.returncode, code, done.stderr)
        call = self.heard / f"{len(list(self.heard.iterdir())):04}"
        call.write_text(f"{code}\n{' '.join(arguments)}\n")
        call.with_suffix(".out").write_text(done.stdout)
        return done.stdout

    def pair(self):
        """A steward's two key files (core/ledger/FORMAT.md)."""
        secret = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-outform", "DER"], capture_output=True, check=True).stdout
        public = subprocess.run(["openssl", "pkey", "-inform", "DER", "-pubout", "-outform", "DER"], input=secret, capture_output=True, check=True).stdout
        files = self.root / "steward.key", self.root / "steward.pub"
        for file, kind, der in zip(files, ("private", "public"), (secret, public)):
            file.write_text(f"aloft-key-1 ed25519-{kind} {base64.b64encode(der[-32:]).decode()}\n")
            file.chmod(0o400)
        return files

    def judged(self, *more):
        return subprocess.run([*JUDGE, self.heard, *more], capture_output=True, text=True)

    def test_every_verb(self):
        make_table.write_wdbc(self.root, people.Town(1), 1)
        keys, version, configs = self.root / "keys", self.root / "wdbc", SOURCE / "configs"
        deliveries = [word for name in HOSPITALS for word in ("--delivery", f"{name}={self.root / name}")]
        build = ["build", "--dataset", configs / "datasets/wdbc.toml", "--deliveries", configs / "deliveries/demo", *deliveries, "--keys", keys, "--out", version]
        self.told(0, "keys", "new", keys, "--dataset", "wdbc@1")
        self.told(0, "init", f"north={self.root / 'north'}", "--out", self.root / "first")
        self.told(0, *build, "--dry-run")
        self.told(0, *build)
        self.told(0, *build)
        self.told(0, "verify", version, "--key", keys / "wdbc@1.key")
        self.told(0, "inspect", version)
        self.told(0, "report", version)
        self.told(0, "report", version, "--out", self.root / "report")
        self.told(0, "report", version, "--contact-sheet", self.root / "sheet.html", "--key", keys / "wdbc@1.key")
        self.told(5, "report", version, "--limits", configs / "quality/limits.toml")
        left_out = [json.loads(line) for line in self.told(0, "quarantine", "list", version).splitlines()]
        one = left_out[0]
        self.told(0, "quarantine", "find", version, one["number"], "--delivery", f"{one['site']}={self.root / one['site']}", "--key", keys / "pseudonym.key")
        self.told(5, "risk", version)
        self.told(5, "risk", version, "--with", version, "--keys", keys)
        self.told(5, "risk", version, "--with", version, "--keys", keys, "--shown")
        steward, known = self.pair()
        self.told(0, "seal", version, "--key", steward, "--to", self.root / "seal")
        self.told(0, "seal", version, "--attach", self.root / "seal", "--steward", known)
        card = self.root / "card.toml"
        card.write_text((configs / "cards/digits.toml").read_text().replace('dataset = "digits"', 'dataset = "wdbc"'))
        self.told(0, "card", version, "--card", card, "--steward", known, "--out", self.root / "card")
        self.assertIn("none", self.told(4, "quarantine", "list", self.root / "none"))
        for code, *words in ((2, "build"), (2, "nothing"), (2, "verify", version), (4, "inspect", self.root / "none"),
                             (2, "keys", "new", keys, "--dataset", "SURNAME^NAME 1")):
            self.assertNotIn("SURNAME", self.told(code, *words))
        judged = self.judged(STAGE)
        self.assertEqual(judged.returncode, 0, judged.stderr)
        # And the judge sees a key that no schema has, one that is missing, and another exit code.
        for bend in (lambda answer: answer.update(surprise=1), lambda answer: answer.pop("samples")):
            self.bent("verify", bend)
        self.bent("nothing", lambda answer: answer["error"].update(code=3))
        self.bent("quarantine list", lambda answer: answer.clear(), code=4)  # a verb that prints a line each, or none

    def test_of_several_ranks_one_tells(self):
        """Before MPI starts, by the launcher's number; after, what all ranks agree on."""
        for verb in "build", "verify":
            told = [subprocess.run([STAGE, verb, "--json"], env={**os.environ, "OMPI_COMM_WORLD_RANK": rank, "OMPI_COMM_WORLD_SIZE": "4"}, capture_output=True, text=True, timeout=600)
                    for rank in "0123"]
            self.assertEqual([(one.returncode, one.stdout.count('"error"')) for one in told], [(2, 1), (2, 0), (2, 0), (2, 0)])
        mpirun = [MPIEXEC, "--allow-run-as-root", "--oversubscribe", "--mca", "btl", "self,vader", "-n", "4"]
        none = subprocess.run([*mpirun, STAGE, "verify", str(self.root / "none"), "--key", str(self.root / "key"), "--json"], capture_output=True, text=True, timeout=600)
        self.assertEqual(json.loads(none.stdout)["error"]["code"], none.returncode, none.stdout + none.stderr)

    def bent(self, verb, bend, code=None):
        calls = (one for one in sorted(self.heard.iterdir()) if not one.suffix)
        call = next(one for one in calls if (told := one.read_text().split("\n"))[1].startswith(verb) and code in (None, int(told[0])))
        out = call.with_suffix(".out")
        before = out.read_text()
        answer = json.loads(before)
        bend(answer)
        out.write_text(json.dumps(answer) if answer else "")
        judged = self.judged()
        self.assertEqual(judged.returncode, 1, verb)
        self.assertIn(verb, judged.stderr)
        out.write_text(before)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
