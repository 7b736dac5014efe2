"""Step 8: the one way out, the end of a grant, and the ledger."""
import hashlib
import json
import shutil
import time
from datetime import datetime, timezone
from pathlib import Path

from cluster import Cluster
from report import Report

LEDGER = "/var/lib/aloft/ledger.jsonl"
PUBLIC_KEY = "/etc/aloft/keys/ledger.pub"


def release(report: Report, cluster: Cluster, out: Path, trained_sha256: str) -> None:
    report.say("What a job computed lies in the workspace, and leaves it in one way: e-alice asks, the gate writes what may leave anew from "
               "copies, two reviewers look at that and approve its hash, and a package is made of exactly those bytes.")
    folder = "/aloft/workspace/digits"
    asked = cluster.json_as("e-alice", "aloft", "release", "request", f"{folder}/model.safetensors", f"{folder}/metrics.json",
                            "--title", "Digits, first model", "--json")
    number, approval = asked["release"], asked["approval"]
    report.say(f"{number}: " + ", ".join(f"{f['name']} {f['bytes']} bytes, at most {f['bits']} bits, {f['sha256'][:12]}…" for f in asked["files"]) +
               f"; {asked['budget']['left_bits']} bits of the grant's year are left")
    early = cluster.try_as("e-alice", "aloft", "release", "export", number, "--json")
    own = cluster.try_as("e-alice", "aloft", "release", "review", number, "--approve", "--sha256", approval, "--reason", "mine")
    report.claim(early.code == 5 and own.code == 5, "before two approvals nothing is exported, and nobody approves an own request",
                 own.last_words)
    blind = cluster.try_as("reviewer1", "aloft", "release", "review", number, "--approve", "--sha256", approval, "--reason", "unseen")
    other = cluster.try_as("reviewer1", "aloft", "release", "review", number, "--approve", "--sha256", "0" * 64, "--reason", "other bytes")
    report.claim(blind.code == 5 and other.code == 5, "an approval of what was not looked at, or of something else, is refused", blind.last_words)
    for reviewer in ("reviewer1", "reviewer2"):
        seen = cluster.as_user(reviewer, "aloft", "release", "view", number)
        cluster.as_user(reviewer, "aloft", "release", "review", number, "--approve", "--sha256", approval, "--reason", "aggregates only")
    for line in seen.splitlines()[:12]:
        report.row(line[:110])
    exported = cluster.json_as("e-alice", "aloft", "release", "export", number, "--json")
    shutil.rmtree(out / "released", ignore_errors=True)
    shutil.copytree(cluster.shared(exported["package"]), out / "released")
    report.output("released", out / "released")
    packed = {str(p.relative_to(out / "released")): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((out / "released").rglob("*")) if p.is_file()}
    report.claim({f["sha256"] for f in asked["files"]} <= set(packed.values()), "two reviewers approved the hash, and the package is there",
                 ", ".join(packed))
    model = next(f for f in asked["files"] if f["type"] == "safetensors")
    report.claim(model["author"]["sha256"] == trained_sha256 and packed.get("data/" + model["name"]) not in (None, trained_sha256),
                 "its model is made from the one that the job trained, and written by the gate", model["sha256"][:12] + "…")
    report.figure("release", {"request": asked, "exported": exported, "package": list(packed)})


def ended_grant(report: Report, cluster: Cluster, short: dict) -> None:
    """e-bob's grant of a minute was issued in step 4."""
    end = datetime.fromisoformat(short["not_after"].replace("Z", "+00:00"))
    left = (end - datetime.now(timezone.utc)).total_seconds()
    if left > 0:
        report.say(f"waiting {left:.0f} s for the grant of a minute to end")
        time.sleep(left + 1)
    refused = cluster.try_as("e-bob", "aloft", "submit", "--json", "--", "true")
    report.claim(refused.code == 5, "a submission after the grant's end is refused with exit code 5", refused.last_words)
    # Past `aloft`, straight to Slurm: the controller's plugin says the same.
    around = cluster.try_as("e-bob", "sbatch", "--partition", "hel", "--wrap", "true")
    report.claim(around.code != 0 and short["grant"] in around.err, "so is sbatch itself", around.last_words)


def audit(report: Report, cluster: Cluster, out: Path, job: int) -> None:
    sound = cluster.try_host("login", "aloft", "audit", "verify", LEDGER, "--key", PUBLIC_KEY)
    report.claim(sound.code == 0, "`aloft audit verify` finds the ledger whole", (sound.out.strip() or sound.last_words).splitlines()[-1])
    lines = cluster.host("login", "cat", LEDGER).splitlines(keepends=True)
    report.figure("ledger_records", len(lines))
    tell_story(report, [json.loads(line) for line in lines], job)
    (out / "ledger.jsonl").write_text("".join(lines))
    (out / "ledger.pub").write_text(cluster.host("login", "cat", PUBLIC_KEY))
    report.output("ledger", out / "ledger.jsonl")
    # One bit of one byte in the middle of the tenth record of a copy.
    at = min(9, len(lines) - 2)
    record = bytearray(lines[at].encode())
    record[len(record) // 2] ^= 1
    flipped = "".join(lines[:at]).encode() + bytes(record) + "".join(lines[at + 1:]).encode()
    (out / "ledger-flipped.jsonl").write_bytes(flipped)
    cluster.host("login", "sh", "-c", "cat > /root/ledger-flipped.jsonl", stdin=flipped.decode("utf-8", "surrogateescape"))
    found = cluster.try_host("login", "aloft", "audit", "verify", "/root/ledger-flipped.jsonl", "--key", PUBLIC_KEY)
    named = str(at + 1) in found.err + found.out
    report.claim(found.code == 3 and named, f"a flipped bit in record {at + 1} of a copy is found and named", found.last_words)
    report.figure("ledger_kinds", kinds(lines))


def tell_story(report: Report, records: list[dict], job: int) -> None:
    """What stands in the ledger about the image job: from the data and the grant to the export."""
    submitted = next(r for r in records if r["kind"] == "job.submitted" and r["details"]["job"] == job)
    requested = next(r for r in records if r["kind"] == "job.requested" and r["subject"] == submitted["details"]["request"])
    grant = next(r for r in records if r["kind"] == "grant.issued" and r["subject"] == requested["details"]["grant"])
    release = next(r for r in records if r["kind"] == "release.requested")
    about = {"digits@1", grant["details"]["application"], grant["subject"], submitted["details"]["request"], submitted["subject"],
             release["subject"]}
    report.say(f"What the ledger has about job {job}, from the sealed data to the package:")
    told = [r for r in records if r["subject"] in about and r["kind"] != "refused"]
    for r in told:
        report.row(f"{r['seq']:>4}  {r['time'][11:19]}  {r['actor']:<11} {r['kind']:<28} {r['subject']}")
    kinds_told = {r["kind"] for r in told}
    needed = {"key.sealed", "dataset.registered", "application.approved", "grant.issued", "job.submitted", "node.job-started",
              "node.job-ended", "release.approved", "release.exported"}
    report.claim(needed <= kinds_told, "no stage of the way is missing in the ledger", ", ".join(sorted(needed - kinds_told)))


def kinds(lines: list[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for line in lines:
        kind = json.loads(line).get("kind", "?")
        counts[kind] = counts.get(kind, 0) + 1
    return dict(sorted(counts.items()))
