"""matrix.py SITE_FOLDER OPERATIONS IDS: asks for every operation as every kind of caller, about things of e-alice.

Whether a caller may is known twice: from the operation's row (aloftd --operations json), and, for what matters most, from
a table written by hand below. An answer tells by its words whether the caller was refused: one place decides that."""
import json
import os
import pwd
import sys

from ask import ask

FOLDER, SOCKET = sys.argv[1], sys.argv[1] + "/run/aloftd.sock"
OPERATIONS = json.load(open(sys.argv[2]))
IDS = json.loads(sys.argv[3])  # {"A": "A-7", "G": ..., "J": ..., "R": ..., "job": 17}
OWNER = "e-alice"
ROLES = {
    "root": ["admin"], "admin": ["admin"], "steward": ["steward"], "intake": ["intake"],
    "r1": ["reviewer-technical", "release-reviewer"], "r2": ["reviewer-legal", "release-reviewer"],
    "r3": ["reviewer-platform", "auditor"], "r4": ["reviewer-research"],
    "mei": ["reviewer-legal", "release-reviewer"],     # e-bob is hers, too
    "alma": ["reviewer-legal", "release-reviewer"],    # and this one is e-alice's own
}
ENCLAVES = {"e-alice": "hel", "e-bob": "hel", "e-eve": "oth", "e-dan": "oth"}
PERSON = {"root": "Ada", "admin": "Ada", "steward": "Stella", "intake": "Ines", "r1": "R1", "r2": "R2", "r3": "R3", "r4": "R4",
          "mei": "Mei", "e-bob": "Mei", "alma": "Alice", "e-alice": "Alice", "e-eve": "Eve"}  # e-dan, carol: nobody knows
CALLERS = sorted(ROLES.keys() | ENCLAVES.keys() | {"carol"}, key=lambda one: one == OWNER)  # the owner last

ADMINS = {"root", "admin"}
BY_HAND = {
    "application.submit": {"e-alice", "e-bob", "e-eve"},
    "application.show": {OWNER, "r1", "r2", "r3", "r4", "mei", "alma"} | ADMINS,
    "application.withdraw": {OWNER},
    "review.decide": {"r1", "r2", "r3", "r4", "mei"},  # the group's own role is asked for afterwards
    "key.seal": {"intake"},
    "dataset.register": {"steward"} | ADMINS,
    "audit.copy": {"r3"} | ADMINS,
    "text.erase": ADMINS, "backup.made": ADMINS,
    "enclave.create": ADMINS, "enclave.open": ADMINS, "enclave.suspend": ADMINS, "enclave.close": ADMINS, "enclave.change": ADMINS,
    "preflight.reports": {"r3"} | ADMINS, "overview": {"r3"} | ADMINS,
    "grant.issue": ADMINS, "grant.revoke": ADMINS,
    "job.request": set(ENCLAVES),
    "job.submitted": {OWNER}, "job.rejected": {OWNER},
    "job.show": {OWNER, "r3"} | ADMINS,
    "release.request": {"e-alice", "e-bob", "e-eve"},
    "release.show": {OWNER, "r1", "r2", "r3", "mei", "alma"} | ADMINS,
    "release.view": {"r1", "r2", "mei"}, "release.review": {"r1", "r2", "mei"},
    "release.withdraw": {OWNER} | ADMINS,  # these under a grant that was revoked
    "release.export": {OWNER, "r1", "r2", "mei", "alma"} | ADMINS,
}
REFUSALS = ("does not have the role", "is in no enclave", "only its author", "no such job that you may see",
            "stands under no person", "nobody decides on an own request")


def by_row(row, caller):
    kinds = {"anybody"} | set(ROLES.get(caller, [])) | ({"enclave"} if caller in ENCLAVES else set())
    if not kinds & set(row["who"]):
        return False
    if row["object"] != "none" and caller != OWNER and not kinds & set(row["others"]):
        return False
    if row["person"] != "any" and caller not in PERSON:
        return False
    return row["person"] != "apart" or PERSON[caller] != PERSON[OWNER]


def value_of(row, field, caller):
    name, kind = field["name"], field["is"]
    if name == "id":
        ids = {"application": "A", "release": "R", "grant": "G", "request": "J"}
        if row["object"] in ids:
            return IDS[ids[row["object"]]]
        return "digits@1" if "@" in kind else "nosuch"
    if name == "job":
        return IDS["job"]
    if name == "group":  # the caller's own, if it has one
        own = [role.removeprefix("reviewer-") for role in ROLES.get(caller, []) if role.startswith("reviewer-")]
        return own[0] if own else "technical"
    if name == "decision":
        return "reject"
    if field["choices"] and not kind.startswith("lists"):
        return field["choices"].split("|")[0]
    if "hexadecimal" in kind:
        return "a" * 64
    if kind.startswith("an integer"):
        return field["least"]
    if kind.startswith("a list"):
        return ["x"] * field["least"]
    return "x" * max(field["least"], 1)


def request_of(row, caller):
    body = {field["name"]: value_of(row, field, caller) for field in row["fields"] if field["required"]}
    return {"op": row["operation"], **body}


def main():
    assert len(OPERATIONS) >= 30, "the table of operations is shorter than it was"
    missing = set(BY_HAND) - {row["operation"] for row in OPERATIONS}
    assert not missing, f"operations by hand that have no row: {missing}"
    file = os.open("/dev/null", os.O_RDONLY)
    wrong, asked, refused = [], 0, 0
    for row in OPERATIONS:
        for caller in CALLERS:
            answer = ask(SOCKET, pwd.getpwnam(caller).pw_uid, request_of(row, caller), [file] * row["files"][0])
            asked += 1
            if answer is None:
                wrong.append(f"{row['operation']} as {caller}: no answer")
                continue
            is_refused = not answer["ok"] and any(words in answer["error"] for words in REFUSALS)
            refused += is_refused
            expected = by_row(row, caller)
            if row["operation"] in BY_HAND and expected != (caller in BY_HAND[row["operation"]]):
                wrong.append(f"{row['operation']} as {caller}: the row says {expected}, the table by hand does not")
            if is_refused == expected:
                wrong.append(f"{row['operation']} as {caller}: expected {'allowed' if expected else 'refused'}, got {answer}")
    print("\n".join(wrong))
    print(f"{len(OPERATIONS)} operations, {len(CALLERS)} callers: {asked} asked, {refused} refused")
    sys.exit(1 if wrong or refused < asked / 3 else 0)


if __name__ == "__main__":
    main()
