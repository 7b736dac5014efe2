#!/usr/bin/env python3
"""verify_ledger.py LEDGER KEY.pub [KEY.pub ...] [--witness FILE] [--json]

Checks a ledger of Aloft's, for auditors who would rather not take our own program's word for it (`aloft audit verify`). Written from
FORMAT.md and nothing else; needs Python 3.10 and the package `cryptography`. KEY.pub: the ledger's public key, and those that it had
before. It reads the file once, in constant memory.

Exit codes: 0 every record is as it was written; 2 a flag, or a key or witness that is none; 3 the ledger was changed, the record is named;
4 a file that cannot be read; 5 the witness is signed by none of the keys. With --json one object is printed, of a failure, too.
"""
import argparse
import base64
import binascii
import hashlib
import json
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LONGEST_LINE = 1 << 20
STRING = rb'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[bfnrt"\\]|\\u[0-9a-f]{4})*"'
TIME = rb"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z"
START = re.compile(rb'\{"seq":([1-9][0-9]{0,19}),"time":"(' + TIME + rb')","prev":"([0-9a-f]{64})","actor":')
RECORD = re.compile(START.pattern + rb"(" + STRING + rb'),"kind":(' + STRING + rb'),"subject":(' + STRING + rb'),"details":(\{.*\})\}')
CHECKPOINT = re.compile(START.pattern + rb'"aloftd","kind":"checkpoint","subject":"ledger","details":\{"key":"([0-9a-f]{16})"')
SIGNATURE = re.compile(rb',"signature":"([A-Za-z0-9+/]{86}==)"\}\}')
SIGNATURE_BYTES = 13 + 1 + 88 + 3   # ,"signature": and its value to the line's end


KINDS = {2: "usage", 3: "data", 4: "system", 5: "refused"}


class Refused(Exception):
    def __init__(self, code: int, text: str):
        super().__init__(text)
        self.code = code


class Key:
    def __init__(self, file: str):
        try:
            with open(file, "rb") as opened:
                words = opened.read(4096).decode("ascii").split(" ")
            raw = base64.b64decode(words[2].removesuffix("\n"), validate=True)
            if words[:2] != ["aloft-key-1", "ed25519-public"] or len(words) != 3 or not words[2].endswith("\n") or len(raw) != 32:
                raise ValueError
        except (OSError, ValueError, IndexError) as e:
            raise Refused(2, f"{file}: not an ed25519-public key of Aloft's") from e
        self.id = hashlib.sha256(raw).hexdigest()[:16]
        self.key = Ed25519PublicKey.from_public_bytes(raw)

    def signed(self, message: bytes, signature: bytes) -> bool:
        try:
            self.key.verify(signature, message)
            return True
        except InvalidSignature:
            return False


def signature_of(text: bytes) -> bytes:
    """The 64 bytes that `text` spells, or nothing if it is not their one spelling."""
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
    return raw if len(raw) == 64 and base64.b64encode(raw) == text else b""


def is_signed_checkpoint(line: bytes, keys: list[Key]) -> bool:
    begin, end = CHECKPOINT.match(line), SIGNATURE.fullmatch(line, max(len(line) - SIGNATURE_BYTES, 0))
    if not begin or not end or begin.end() != end.start():
        return False
    message = b"aloft-ledger-checkpoint-1\n" + line[:end.start()]
    signature = signature_of(end.group(1))
    return bool(signature) and any(key.signed(message, signature) for key in keys)


def no_twice(pairs):
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def is_record(line: bytes) -> bool:
    """The exact form: no byte of a line is free to be another way of saying the same."""
    match = RECORD.fullmatch(line)
    if not match:
        return False
    try:
        details = json.loads(match.group(7), object_pairs_hook=no_twice)
    except (ValueError, RecursionError):
        return False
    return isinstance(details, dict)


def verify(ledger: str, keys: list[Key], witness: dict | None) -> dict:
    previous, number, checkpoints, unsigned, seen = "0" * 64, 0, 0, 0, None
    with open(ledger, "rb") as file:
        while line := file.readline(LONGEST_LINE + 1):
            if not line.endswith(b"\n"):
                if len(line) > LONGEST_LINE:
                    raise Refused(3, f"{ledger}: line {number + 1} is longer than any record")
                raise Refused(3, f"{ledger}: line {number + 1} has no end: of a crash, or cut")
            number += 1
            body = line[:-1]
            begin = START.match(body)
            if not begin or not is_record(body):
                raise Refused(3, f"{ledger}: line {number} is not a record: it was changed, or the line before it")
            if int(begin.group(1)) != number:
                raise Refused(3, f"{ledger}: line {number} holds record {int(begin.group(1))}: one was dropped, repeated or moved")
            if begin.group(3).decode() != previous:
                raise Refused(3, f"{ledger}: record {number} does not follow from the one before: one of the two was changed")
            looks_so = CHECKPOINT.match(body) or SIGNATURE.fullmatch(body, max(len(body) - SIGNATURE_BYTES, 0))
            if looks_so:
                if not is_signed_checkpoint(body, keys):
                    raise Refused(3, f"{ledger}: record {number}, a checkpoint, is signed by none of the keys")
                checkpoints, unsigned = checkpoints + 1, 0
            else:
                unsigned += 1
            previous = hashlib.sha256(line).hexdigest()
            if witness and witness["seq"] == number:
                seen = previous
    if witness and witness["seq"] == 0:
        seen = "0" * 64
    if witness and seen != witness["sha256"]:
        raise Refused(3, f"{ledger}: " + (f"record {witness['seq']} is missing, which the witness saw" if seen is None else
                                          f"record {witness['seq']} is not the one that the witness saw"))
    return {"records": number, "sha256": previous, "checkpoints": checkpoints, "unsigned_records": unsigned,
            "witness": witness["seq"] if witness else None}


def load_witness(file: str, keys: list[Key]) -> dict:
    try:
        with open(file, "rb") as opened:
            witness = json.loads(opened.read(4096))
        signature = signature_of(witness["signature"].encode())
        if not isinstance(witness["seq"], int) or witness["seq"] < 0 or not re.fullmatch("[0-9a-f]{64}", witness["sha256"]):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise Refused(2, f"{file}: not a witness") from e
    message = f"aloft-ledger-head-1\n{witness['seq']}\n{witness['sha256']}\n".encode()
    if not signature or not any(key.signed(message, signature) for key in keys):
        raise Refused(5, f"{file}: the witness is signed by none of these keys")
    return witness


def tell(failure: Refused, is_json: bool) -> int:
    print(f"verify_ledger.py: {failure}", file=sys.stderr)
    if is_json:
        print(json.dumps({"error": {"kind": KINDS[failure.code], "code": failure.code, "text": str(failure)}}))
    return failure.code


class Parser(argparse.ArgumentParser):
    def error(self, message: str):
        self.print_usage(sys.stderr)
        sys.exit(tell(Refused(2, message), "--json" in sys.argv))


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ledger", help="a ledger, or an auditor's copy of one (aloft audit copy)")
    parser.add_argument("keys", nargs="+", metavar="KEY.pub", help="its public key, and those that it had before")
    parser.add_argument("--witness", metavar="FILE", help="what somebody else carried away of it")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    try:
        keys = [Key(file) for file in options.keys]
        found = verify(options.ledger, keys, load_witness(options.witness, keys) if options.witness else None)
    except Refused as e:
        return tell(e, options.json)
    except OSError as e:
        return tell(Refused(4, f"{options.ledger}: {e.strerror}"), options.json)
    if options.json:
        print(json.dumps(found))
    else:
        print(f"{found['records']} records, each as it was written; {found['checkpoints']} signed checkpoints, "
              f"{found['unsigned_records']} records after the last" +
              ("; nothing is missing that the witness saw" if found["witness"] is not None else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
