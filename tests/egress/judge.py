#!/usr/bin/env python3
"""Compares the attempts of a fenced job with those of a control run without the fence.

    judge.py --fenced FILE --control FILE --arrived FILE... --control-arrived FILE... [--left-outside FILE] [--json]

FILE: attempts.py's lines; "arrived": listener.py's counts, of all listeners; --left-outside: paths that were looked for outside the
fence and found (one per line). Prints one line per attempt with what stopped it. Exit code 0 only if the listeners of the fenced run
have no contact at all, nothing was found outside, every attempt that the control run can make was stopped or stayed private, and the
control run shows that the same attempts do get out (so that "stopped" is the fence's doing).
"""
import argparse
import json
import sys

# Ways that an ordinary account does not have without the fence either: the fence closes them again, but no control can show it.
NEEDS_PRIVILEGE = {"raw", "ping", "netlink-audit", "wrapper-memory", "signal-outside", "slurm-spool", "all-workspaces"}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--fenced", required=True)
parser.add_argument("--control", required=True)
parser.add_argument("--arrived", nargs="+", required=True)
parser.add_argument("--control-arrived", nargs="+", required=True)
parser.add_argument("--left-outside", default="")
parser.add_argument("--json", action="store_true")
options = parser.parse_args()


def attempts(path):
    lines = (line for line in open(path) if line.startswith("{"))
    return {one["name"]: one for one in map(json.loads, lines)}


def total(paths):
    return [sum(json.load(open(path))[key] for path in paths) for key in ("contacts", "bytes")]


fenced, control = attempts(options.fenced), attempts(options.control)
found = set(open(options.left_outside).read().split()) if options.left_outside else set()
faults, rows = [], []
for name, one in fenced.items():
    free = control.get(name, {}).get("result", "not tried")
    private = one["result"] == "out" and "left" in one and one["left"] not in found
    result = "stayed inside" if private else one["result"]
    rows.append({"name": name, "how": one["how"], "fenced": result, "control": free, "stopped_by": one.get("stopped_by", "a private place")})
    if result not in ("stopped", "stayed inside"):
        faults.append(f"{name}: {result} inside the fence")
    if free != "out" and name not in NEEDS_PRIVILEGE and not name.startswith("family-"):
        faults.append(f"{name}: {free} in the control run, so it proves nothing")
contacts, size = total(options.arrived)
free_contacts, free_size = total(options.control_arrived)
if not fenced:
    faults.append("no attempts in the fenced run")
if contacts or size:
    faults.append(f"listeners of the fenced run saw {contacts} contacts, {size} bytes")
if not free_size:
    faults.append("listeners of the control run saw nothing")
summary = {"attempts": rows, "contacts": contacts, "bytes": size, "control_contacts": free_contacts, "control_bytes": free_size,
           "left_outside": sorted(found), "faults": faults}
if options.json:
    print(json.dumps(summary, indent=1))
else:
    for row in rows:
        print(f"{row['name']:<18} {row['fenced']:<14} {row['stopped_by']:<60} without the fence: {row['control']}")
    print(f"arrived: {size} bytes with the fence, {free_size} without")
    for fault in faults:
        print("FAULT " + fault)
sys.exit(1 if faults else 0)
