"""Measures how many bits a second pass by channels that the fence leaves. Called by `run`, which has made the cluster.

usage: measure.py --cluster PROGRAM --num K --scratch DIR --out FILE [--only CHANNEL]...
The sender is an enclave's job (send.py, or how and when jobs end); the receiver is outside, as somebody who may look there. A rate counts only if
random bits arrived without an error; where several rates are tried, the fastest of those.
"""
import argparse
import json
import math
import os
import platform
import random
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHANNELS = ["space", "memory", "load", "ends", "times"]


class Cluster:
    def __init__(self, program, number, folder):
        self.command, self.folder = [program, "--num", str(number), "--dir", folder], Path(folder)

    def run(self, *words):
        done = subprocess.run([*self.command, *map(str, words)], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"bench/channels: {' '.join(map(str, words))}: {done.stderr.strip()}")
        return done.stdout

    def submit(self, script):
        return self.run("as", "e-alice", "sbatch", "--parsable", "-p", "hel", "-N1", "-w", "node1", "--wrap", script).strip()

    def ended(self, job):
        """What is on record of a job that is over, as a word each; waits for it, and until its node is free."""
        while True:
            shown = self.run("host", "ctld", "scontrol", "show", "job", job)
            state, code = (re.search(rf"\b{name}=(\S+)", shown)[1] for name in ("JobState", "ExitCode"))
            if state not in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING"):
                self.run("wait-idle")
                return f"{state} {code}"
            time.sleep(0.05)

    def node_field(self, name):
        """What the controller tells an administrator of node1."""
        return float(re.search(rf"\b{name}=([0-9.]+)", self.run("host", "ctld", "scontrol", "show", "node", "node1", "-o"))[1])


def say(text):
    print(f"bench/channels: {text}", file=sys.stderr, flush=True)


def sent_by_slots(cluster, channel, slot, bits, look):
    """What a receiver reads who looks twice a slot, late in each half. `look` gives a figure that is lower while the sender's is high."""
    begin = math.ceil(time.time()) + 30  # the job's start is in it
    job = cluster.submit(f"/usr/bin/python3 send.py {channel} {begin} {slot} {bits}")
    read = ""
    for number in range(len(bits)):
        seen = []
        for half in (0, 1):
            time.sleep(max(0, begin + (number + half / 2 + 0.42) * slot - time.time()))
            seen.append(look())
        read += "1" if seen[0] < seen[1] else "0"
    cluster.ended(job)
    return read


def fastest(cluster, channel, slots, count, look):
    """Slots from the slowest; ends with the first of which a bit is read wrongly."""
    found = {"bits_per_second": 0.0, "tried": []}
    for slot in slots:
        bits = "".join(random.choice("01") for _ in range(count))
        read = sent_by_slots(cluster, channel, slot, bits, look)
        wrong = sum(a != b for a, b in zip(bits, read))
        found["tried"].append({"slot_seconds": slot, "bits": count, "wrong": wrong})
        say(f"{channel}: {1 / slot:.2f} bits a second, {wrong} of {count} wrong")
        if wrong:
            break
        found["bits_per_second"] = 1 / slot
    return found


def free_space(folder):
    status = os.statvfs(folder)
    return status.f_bfree * status.f_frsize


def ends(cluster, jobs=12):
    """The exit code that an administrator of Slurm sees: one of 256."""
    began, wrong = time.time(), 0
    for _ in range(jobs):
        code = random.randrange(256)
        wrong += cluster.ended(cluster.submit(f"exit {code}")) != f"{'FAILED' if code else 'COMPLETED'} {code}:0"
    return {"bits_per_job": 8, "jobs": jobs, "wrong": wrong, "bits_per_second": 0.0 if wrong else 8 * jobs / (time.time() - began)}


def times(cluster, jobs=10, symbols=8, step=1.0):
    """A job's length, as anybody sees it who may look at the node's state."""
    def length(seconds):
        job = cluster.submit(f"sleep {seconds}")
        began = ended = None
        while ended is None:
            state = cluster.run("as", "carol", "sinfo", "-h", "-n", "node1", "-o", "%t").split()
            busy = any(one.startswith(("alloc", "mix")) for one in state)
            if busy and began is None:
                began = time.time()
            if began is not None and not busy:
                ended = time.time()
        cluster.ended(job)
        return ended - began
    shortest = sorted(length(0) for _ in range(3))[1]
    wrong, began = 0, time.time()
    for _ in range(jobs):
        symbol = random.randrange(symbols)
        wrong += round((length(symbol * step) - shortest) / step) != symbol
    bits = math.log2(symbols)
    return {"bits_per_job": bits, "jobs": jobs, "wrong": wrong, "step_seconds": step, "bits_per_second": 0.0 if wrong else bits * jobs / (time.time() - began)}


def main():
    parser = argparse.ArgumentParser()
    for name in ("cluster", "scratch", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--num", type=int, required=True)
    parser.add_argument("--only", action="append", choices=CHANNELS)
    options = parser.parse_args()
    cluster = Cluster(options.cluster, options.num, f"{options.scratch}/cluster")
    report = {"schema": 1, "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "cores": os.cpu_count(), "kernel": platform.release(),
              "load": os.getloadavg()[0], "channels": {}}
    measures = {"space": lambda: fastest(cluster, "space", (0.5, 0.2, 0.1, 0.05, 0.02), 64, lambda: free_space(cluster.folder / "home/carol")),
                "memory": lambda: fastest(cluster, "memory", (12.0, 6.0, 4.0), 8, lambda: cluster.node_field("FreeMem")),
                "load": lambda: fastest(cluster, "load", (60.0, 24.0), 6, lambda: -cluster.node_field("CPULoad")),
                "ends": lambda: ends(cluster), "times": lambda: times(cluster)}
    for name in options.only or CHANNELS:
        say(name)
        report["channels"][name] = measures[name]()
        say(json.dumps(report["channels"][name]))
    Path(options.out).parent.mkdir(parents=True, exist_ok=True)
    Path(options.out).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
