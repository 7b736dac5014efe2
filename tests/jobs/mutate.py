"""mutate.py SOCKET OPERATIONS COUNT ACCOUNT...: requests of the right form and of every wrong one, from a seed, as each account in
turn and as accounts without a name. Exit 1 if one is not answered in a line that says what was wrong."""
import json
import os
import pwd
import random
import sys

from ask import talk

SOCKET, OPERATIONS, COUNT = sys.argv[1], json.load(open(sys.argv[2])), int(sys.argv[3])
PER_ACCOUNT = 250  # below what an account may ask at once
VALUES = [None, True, 0, -1, 1, 17, 2**63, -2**63, 1.5, 1e300, "", "x", "legal", "approve", "A-1", "R-1", "G-1", "J-1", "a" * 64, "hel",
          "digits@1", "\x1b]52;c;x", "\u202e", "\ud800", "\0", "x" * 5000, "text:" + "a" * 64, [], ["x"], [[]], ["x"] * 2000, {}, {"nodes": ["x"]},
          {"nodes": 7}, [None], {"": {}}]
HARMLESS = ("enclave.suspend", "enclave.close", "enclave.open")  # left to tests that look at what they do


def line_of(chance):
    row = chance.choice([row for row in OPERATIONS if row["operation"] not in HARMLESS])
    body = {"op": row["operation"]}
    for field in row["fields"]:
        if chance.random() < 0.9:
            body[field["name"]] = chance.choice(VALUES)
    if chance.random() < 0.1:
        body[chance.choice(["op", "id", "x", "limit", "after"])] = chance.choice(VALUES)
    line = bytearray(json.dumps(body).encode())
    if chance.random() < 0.3:
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(len(line))
            line[at:at + chance.randint(0, 3)] = bytes(b for b in chance.randbytes(chance.randint(0, 3)) if b != 10)
            line = line or bytearray(b"x")
    return bytes(line).replace(b"\n", b" ") + b"\n"


def as_account(uid, seed, count):
    chance = random.Random(seed)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    for _ in range(count):
        line = line_of(chance)
        answer = talk(SOCKET, line)
        if answer is None or (not answer["ok"] and (answer["fault"] not in (2, 3, 4, 5) or not answer["error"])):
            print(f"{line[:200]!r} -> {answer}", flush=True)
            os._exit(1)
    os._exit(0)


def main():
    uids = [pwd.getpwnam(name).pw_uid for name in sys.argv[4:]]
    bad, asked, turn = 0, 0, 0
    while asked < COUNT:
        count = min(PER_ACCOUNT, COUNT - asked)
        uid = uids[turn] if turn < len(uids) else 200000 + turn
        child = os.fork()
        if child == 0:
            as_account(uid, turn, count)
        bad += os.waitpid(child, 0)[1] != 0
        asked, turn = asked + count, turn + 1
    print(f"{asked} requests as {turn} accounts")
    sys.exit(1 if bad else 0)


main()
