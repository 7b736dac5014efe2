#!/usr/bin/env python3
"""Is every job of a soak on record? Called by soak_test.

usage: soak_records.py JOBS SPOOL      JOBS: what soak.py wrote; SPOOL: SITE.spool with NODE/*.json
Each start on a node has its end there, unless the node lost power in between; a job that did what it was told to, or was hit while it
ran, has a start. Prints what is missing; exit code 1 if something is.
"""
import base64
import collections
import json
import sys
from pathlib import Path

jobs = {}
for job in json.loads(Path(sys.argv[1]).read_text()):
    if job["number"]:
        jobs.update({number: job for number in [job["number"], *job["ids"].values()]})  # each task of an array is a job
starts, ends, refusals = collections.Counter(), collections.Counter(), collections.Counter()
records = 0
for path in Path(sys.argv[2]).glob("*/*.json"):
    record = json.loads(base64.b64decode(json.loads(path.read_text())["payload"]))
    where = (record["details"].get("job"), path.parent.name)
    counter = {"job-started": starts, "job-ended": ends, "job-refused": refusals}.get(record["kind"])
    if counter is not None:
        counter[where] += 1
    records += 1

faults = []
for (number, node), count in sorted(starts.items()):
    lost = any(why.startswith("lost") for why in jobs.get(number, {}).get("excuses", []))
    if ends[number, node] != count and not (lost and ends[number, node] <= count):
        faults.append(f"job {number} started {count} times on {node} and ended {ends[number, node]} times")
for number, job in sorted(jobs.items()):
    ran = job["state"] in ("COMPLETED", "FAILED") or job["marked_at"]
    seen = [where for where in [*starts, *refusals] if where[0] == number]
    # A node that lost power as the job began had no Prolog of it; that job may run on the others, and fail.
    cut_off = job["state"] == "FAILED" and any(why.startswith("lost") for why in job["excuses"])
    if ran and len({node for _, node in seen}) < (1 if cut_off else job["nodes"]):
        faults.append(f"job {number} ({job['kind']}, {job['state']}, {job['nodes']} nodes, {job['excuses']}) is on record on {len(seen)} nodes")
print(f"      {records} records of {len(jobs)} jobs: {sum(starts.values())} starts, {sum(ends.values())} ends, {sum(refusals.values())} refusals")
print("\n".join(faults), end="\n" if faults else "")
sys.exit(1 if faults else 0)
