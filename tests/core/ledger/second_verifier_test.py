"""core/ledger/verify_ledger.py, which was written from FORMAT.md alone, and `aloft audit verify` are of one mind: about FORMAT.md's own
examples, about ledgers that this test signs by the document's words, and about each way of changing one.

second_verifier_test.py SOURCE ALOFT"""
import base64
import hashlib
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import unittest

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SOURCE, ALOFT = pathlib.Path(sys.argv[1]), sys.argv[2]
VERIFIER = SOURCE / "core/ledger/verify_ledger.py"
sys.path.insert(0, str(VERIFIER.parent))
import verify_ledger  # noqa: E402


def examples() -> dict[str, str]:
    return dict(re.findall(r"```example ([a-z-]+)\n(.*?)```", (SOURCE / "core/ledger/FORMAT.md").read_text(), re.DOTALL))


class Signer:
    """Writes ledgers as FORMAT.md says."""

    def __init__(self, seed: bytes):
        self.key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = hashlib.sha256(self.public).hexdigest()[:16]

    def public_file(self) -> str:
        return f"aloft-key-1 ed25519-public {base64.b64encode(self.public).decode()}\n"

    def sign(self, message: str) -> str:
        return base64.b64encode(self.key.sign(message.encode())).decode()

    def witness(self, lines: list[str]) -> str:
        digest = hashlib.sha256(lines[-1].encode()).hexdigest() if lines else "0" * 64
        signature = self.sign(f"aloft-ledger-head-1\n{len(lines)}\n{digest}\n")
        return json.dumps({"seq": len(lines), "sha256": digest, "signature": signature})


def start(lines: list[str]) -> str:
    previous = hashlib.sha256(lines[-1].encode()).hexdigest() if lines else "0" * 64
    return f'{{"seq":{len(lines) + 1},"time":"2026-11-23T20:35:{len(lines) % 60:02}Z","prev":"{previous}","actor":'


def add(lines: list[str], details: str, actor: str = '"e-alice"'):
    lines.append(start(lines) + f'{actor},"kind":"job.submitted","subject":"job:17","details":{details}}}\n')


def checkpoint(lines: list[str], signer: Signer):
    signed = start(lines) + f'"aloftd","kind":"checkpoint","subject":"ledger","details":{{"key":"{signer.id}"'
    lines.append(signed + f',"signature":"{signer.sign("aloft-ledger-checkpoint-1" + chr(10) + signed)}"}}}}\n')


class SecondVerifier(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="aloft-test-")
        cls.root = pathlib.Path(cls.scratch.name)
        cls.signer, cls.older = Signer(bytes(range(32))), Signer(bytes(range(1, 33)))
        (cls.root / "new.pub").write_text(cls.signer.public_file())
        (cls.root / "old.pub").write_text(cls.older.public_file())
        cls.lines = []
        for n in range(4):
            add(cls.lines, '{"a":1,"b":"\\u80ba \\"x\\" \\\\ \\n","c":[null,true,-2.5e3]}')
        checkpoint(cls.lines, cls.signer)
        add(cls.lines, "{}")
        cls.text = "".join(cls.lines).encode()
        cls.heard = cls.root / "heard"
        cls.heard.mkdir()

    @classmethod
    def tearDownClass(cls):
        # Every answer to --json, be it of a good ledger or not, by its schema. The system's Python has jsonschema.
        subprocess.run(["/usr/bin/python3", SOURCE / "tests/support/check_json.py", "verify_ledger", cls.heard], check=True)
        cls.scratch.cleanup()

    def ask(self, *words) -> subprocess.CompletedProcess:
        words = [str(word) for word in (*words, "--json")]
        done = subprocess.run([sys.executable, VERIFIER, *words], capture_output=True, text=True)
        self.assertNotIn("Traceback", done.stderr)
        file = self.heard / str(sum(1 for _ in self.heard.iterdir()))
        file.write_text(f"{done.returncode}\n{' '.join(words)}\n")
        file.with_suffix(".out").write_text(done.stdout)
        return done

    def both(self, ledger: bytes, witness: str | None = None, keys=("new.pub",)) -> int:
        """The exit code of both programs, which must be one; what they say of a good ledger, too."""
        file = self.root / "ledger.jsonl"
        file.unlink(missing_ok=True)
        file.write_bytes(ledger)
        more = []
        if witness is not None:
            (self.root / "witness.json").write_text(witness)
            more = ["--witness", self.root / "witness.json"]
        ours = subprocess.run([ALOFT, "audit", "verify", file, "--key", self.root / keys[0], "--json", *more], capture_output=True, text=True)
        theirs = self.ask(file, *(self.root / k for k in keys), *more)
        self.assertEqual(ours.returncode, theirs.returncode, ours.stderr + theirs.stdout + theirs.stderr)
        if ours.returncode == 0:
            one, other = json.loads(ours.stdout), json.loads(theirs.stdout)
            one.pop("seconds")
            self.assertEqual(one, other)
        return ours.returncode

    def test_the_examples_of_the_document(self):
        given = examples()
        self.assertEqual(given["public-key"], self.signer.public_file())
        self.assertEqual(self.both(given["ledger"].encode(), given["witness"]), 0)

    def test_ledgers_by_the_document(self):
        self.assertEqual(self.both(self.text), 0)
        self.assertEqual(self.both(self.text, self.signer.witness(self.lines)), 0)
        self.assertEqual(self.both(self.text, self.signer.witness(self.lines[:3])), 0)
        self.assertEqual(self.both(b"", self.signer.witness([])), 0)
        self.assertEqual(self.both(self.text, self.older.witness(self.lines)), 5)
        self.assertEqual(self.both("".join(self.lines[:-1]).encode(), self.signer.witness(self.lines)), 3)
        rewritten = list(self.lines[:5])
        add(rewritten, '{"other":1}')
        self.assertEqual(self.both("".join(rewritten).encode()), 0)   # what a witness is for
        self.assertEqual(self.both("".join(rewritten).encode(), self.signer.witness(self.lines)), 3)

    def test_another_key_signs_from_somewhere_on(self):
        lines = []
        add(lines, "{}")
        checkpoint(lines, self.older)
        add(lines, "{}")
        checkpoint(lines, self.signer)
        self.assertEqual(self.both("".join(lines).encode()), 3)
        file = self.root / "both.jsonl"
        file.write_text("".join(lines))
        done = subprocess.run([sys.executable, VERIFIER, file, self.root / "new.pub", self.root / "old.pub"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_lines_dropped_repeated_moved_and_joined(self):
        for made in (self.lines[1:], self.lines[:2] + self.lines[3:], self.lines[:3] + self.lines[2:], [self.lines[1], self.lines[0], *self.lines[2:]],
                     [self.lines[0][:-1], *self.lines[1:]], [*self.lines, "\n"], ["\n", *self.lines], [line.replace(":", ": ", 1) for line in self.lines]):
            self.assertEqual(self.both("".join(made).encode()), 3)

    def test_what_looks_like_a_checkpoint_must_be_one(self):
        for start_of, signer in ((self.lines[:2], self.older),):
            lines = list(start_of)
            checkpoint(lines, signer)
            self.assertEqual(self.both("".join(lines).encode()), 3)
        lines = list(self.lines[:2])
        add(lines, '{"key":1,"signature":"' + "A" * 86 + '=="}')
        self.assertEqual(self.both("".join(lines).encode()), 3)

    def test_what_is_no_call_no_file_no_key_and_no_witness(self):
        (self.root / "deep.json").write_text("[" * 4000)
        (self.root / "good.jsonl").write_bytes(self.text)
        good, key = self.root / "good.jsonl", self.root / "new.pub"
        for words, code in (((), 2), ((good, key, "--nothing"), 2), ((self.root / "absent", key), 4), ((good, self.root / "absent"), 2), ((good, good), 2),
                            ((good, key, "--witness", self.root / "deep.json"), 2)):
            done = self.ask(*words)
            self.assertEqual(done.returncode, code, done.stderr)

    def test_each_changed_byte_is_seen(self):
        # All by the second verifier, some by both: the rest of the last line is vouched for by nothing but its form and a witness.
        witness = {"seq": len(self.lines), "sha256": hashlib.sha256(self.lines[-1].encode()).hexdigest()}
        key = verify_ledger.Key(str(self.root / "new.pub"))
        random.seed(7)
        file = self.root / "changed.jsonl"
        for at in range(len(self.text)):
            changed = self.text[:at] + bytes([self.text[at] ^ (1 << random.randrange(8))]) + self.text[at + 1:]
            file.unlink(missing_ok=True)
            file.write_bytes(changed)
            with self.assertRaises(verify_ledger.Refused, msg=f"byte {at}") as caught:
                verify_ledger.verify(str(file), [key], witness)
            self.assertEqual(caught.exception.code, 3)
            if at % 29 == 0:
                self.assertEqual(self.both(changed, self.signer.witness(self.lines)), 3, f"byte {at}")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
