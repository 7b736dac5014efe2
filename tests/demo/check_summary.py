#!/usr/bin/env python3
"""Runs the demo in its short form and checks what it leaves: usage check_summary.py quick|plain JOBS_DEMO BUILD_DIR NUMBER

quick: as whoever calls, on a cluster if that is root. plain: as somebody who is not root (in a user namespace), so without.
The exit code alone would believe the demo's own word. This reads summary.json by jobs/demo.d/SUMMARY.md and asks for the
figures behind the claims: accuracies, bytes heard, identifiers found, records in the ledger, files in the package.
"""
import json
import subprocess
import sys
from pathlib import Path

TOP = {"schema": str, "started": str, "seconds": float, "held": bool, "quick": bool, "fenced": bool, "machine": dict,
       "steps": list, "outputs": dict}
STEP = {"number": int, "title": str, "outcome": str, "seconds": float, "happened": str, "claims": list, "figures": dict}
CLAIM = {"claim": str, "held": bool, "seen": str}
NOBODY = ["unshare", "--user", "--map-user=65534", "--map-group=65534"]
wrong: list[str] = []


def check(holds: bool, what: str) -> None:
    if not holds:
        wrong.append(what)


def check_shape(value: dict, shape: dict, where: str) -> None:
    check(set(value) == set(shape), f"{where}: keys {sorted(set(value) ^ set(shape))} are not as SUMMARY.md says")
    for key, kind in shape.items():
        if key in value:
            check(isinstance(value[key], kind), f"{where}.{key} is no {kind.__name__}")


def check_steps(summary: dict) -> None:
    check([s["number"] for s in summary["steps"]] == list(range(1, 9)), "not eight steps in order")
    for step in summary["steps"]:
        check_shape(step, STEP, f"step {step.get('number')}")
        for claim in step["claims"]:
            check_shape(claim, CLAIM, f"step {step['number']}: a claim")
            check(claim["held"], f"step {step['number']}: {claim['claim']}: {claim['seen']}")
        wanted = "held" if summary["fenced"] or step["number"] in (1, 3, 5) else "left out"
        check(step["outcome"] == wanted, f"step {step['number']}: {step['outcome']}: {step['happened']}")
    check(summary["held"] == all(s["outcome"] in ("held", "left out") for s in summary["steps"]), "`held` is not what the steps say")


def check_training(figures: dict[int, dict]) -> None:
    planted = figures[1]["deliveries"]["planted"]
    check(sum(planted.values()) > 1000, "fewer than 1000 identifiers were planted")
    for dataset, least in (("digits", 0.96), ("wdbc", 0.95)):
        check(figures[5]["jobs"][dataset]["metrics"]["overall"]["accuracy"] >= least, f"{dataset}: accuracy below {least}")


def check_enclave(figures: dict[int, dict]) -> None:
    search = figures[3]["identifiers"]
    check(search["found"] == 0, f"{search['found']} planted identifiers were found in what staging wrote")
    check(search["found_in_naive_copy"] > 0, "the search finds nothing in a plain copy of the deliveries")
    check(search["searched_bytes"] > 100_000, "hardly anything was searched for identifiers")
    check(len(figures[3]["followed"]["samples"]) > 1, "the patient of two hospitals is not in the dataset")
    lost = figures[6]["lost_node"]
    check(lost["restarts"] >= 1, "the job that lost a node was not requeued")
    check(lost["model_equal"] and lost["metrics_equal"], "the job that lost a node ended with another result")
    inside, control = figures[7]["inside"], figures[7]["control"]
    check(all(ear["bytes"] == 0 and ear["contacts"] == 0 for ear in inside["heard"].values()), "a listener outside heard something")
    check(len(inside["attempts"]) >= 20, "fewer than 20 attempts were made inside")
    check(all(control["arrived"].values()), "an attempt does not get out without the fence either: it proves nothing")
    check(control["heard"]["outside"]["bytes"] > 0, "the control run's listener heard nothing")
    check(any(name.endswith("model.safetensors") for name in figures[8]["release"]["package"]), "no model in the package")
    check(figures[8]["ledger_records"] >= 15, "the ledger has fewer records than the steps must have left")


def main() -> int:
    form, demo, build, number = sys.argv[1:5]
    out = Path(build) / f"demo-{form}"
    done = subprocess.run([*(NOBODY if form == "plain" else []), demo, "--quick", "--build-dir", build, "--out", out, "--num", number])
    if done.returncode not in (0, 1):
        return done.returncode
    summary = json.loads((out / "summary.json").read_text())
    check_shape(summary, TOP, "summary")
    check(summary["schema"] == "aloft-demo-summary-1", "another schema")
    check(summary["quick"], "not the short form")
    check(form == "quick" or not summary["fenced"], "it took itself for root")
    check_steps(summary)
    check((done.returncode == 0) == summary["held"], f"exit code {done.returncode}, but held is {summary['held']}")
    for name, where in summary["outputs"].items():
        check(Path(where).exists(), f"output {name} is not where it is said to be")
    if summary["held"]:
        figures = {s["number"]: s["figures"] for s in summary["steps"]}
        check_training(figures)
        if summary["fenced"]:
            check_enclave(figures)
    for what in wrong:
        print(f"demo_{form}: {what}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
