"""Measures pairs inside and outside the fence. Called by `run`, which has made the clusters.

usage: measure.py --cluster PROGRAM --num K --scratch DIR --out FILE [--pairs 9] [--only PART]...
A pair is the same job twice, one right after the other: as e-alice in enclave hel, and as carol in the open partition, with the
nodes whole in both. Who goes first alternates. The ratio is of speeds, inside ÷ outside, within one pair; the median over the pairs is
what counts. Each job tells the best of many short batches, since other load on the machine only ever adds.
"""
import argparse
import datetime
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

TARGET = 0.98
TARGET_START_MS = 150
MPI = {"between_latency": ("MPI latency 8 B, two nodes", "µs"), "between_bandwidth": ("MPI bandwidth 4 MB, two nodes", "MB/s"),
       "within_latency": ("MPI latency 8 B, one node", "µs"), "within_bandwidth": ("MPI bandwidth 4 MB, one node", "MB/s"),
       "allreduce_1k": ("MPI allreduce 1 KB, 2 nodes × 2 ranks", "µs"), "allreduce_16m": ("MPI allreduce 16 MB, 2 nodes × 2 ranks", "µs")}
READ = {"read": ("file, read() of 1 MB", "MB/s"), "mmap": ("file, mmap", "MB/s"), "open": ("file, open + read 4 KB + close", "µs")}
TRAIN = {"step": ("aloft-train, a step on 2 nodes × 1 rank", "ms")}
PARTS = ["mpi", "read", "train", "start", "policy"]
# What aloft-run sets inside.
ENVIRONMENT = "export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader,tcp OMP_NUM_THREADS=1; "


def say(text):
    print(f"bench/fence: {text}", file=sys.stderr, flush=True)


class Cluster:
    def __init__(self, program, number, folder):
        self.command = [program, "--num", str(number), "--dir", folder]
        self.folder, self.number = Path(folder), number

    def run(self, *words):
        done = subprocess.run([*self.command, *map(str, words)], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"bench/fence: {' '.join(map(str, words))}: {done.stderr.strip()}")
        return done.stdout

    def background(self, *words):
        return subprocess.Popen([*self.command, *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


class Side:
    """Where jobs of one account run, and how: inside, the wrapper starts the step; outside, the job's own srun does."""

    def __init__(self, cluster, account, partition, folder, data, keys, fenced):
        self.cluster, self.account, self.partition = cluster, account, partition
        self.folder, self.data, self.keys, self.fenced = folder, data, keys, fenced

    def submit(self, shape, script):
        """Returns the job's output file, and the nanoseconds before and after sbatch."""
        words = self.cluster.run("as", self.account, "bash", "-c", 'date +%s%N; sbatch --parsable "$@"; date +%s%N', "submit", "-p",
                                 self.partition, "--exclusive", *shape, "--wrap", script).split()
        return self.folder / f"slurm-{words[1]}.out", int(words[0]), int(words[2])

    def output_of(self, shape, program):
        """Runs `program` as the job's one step; returns what it printed."""
        if self.fenced:
            script = f"{ENVIRONMENT}{program}; code=$?; [ $SLURM_PROCID != 0 ] || echo END $code"
        else:
            script = f"{ENVIRONMENT}srun --mpi=pmix {program}; echo END $?"
        output, _, _ = self.submit(shape, script)
        text = wait_for_text(output, "END ")
        if "END 0" not in text:
            sys.exit(f"bench/fence: a job of {self.account} failed:\n{text}")
        self.cluster.run("wait-idle")
        return text


def wait_for_text(path, text, seconds=180):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if path.exists() and text in (found := path.read_text(errors="replace")) and found.endswith("\n"):
            return found
        time.sleep(0.05)
    sys.exit(f"bench/fence: {path.name} has no {text!r} after {seconds} s:\n{path.read_text() if path.exists() else 'no output'}")


def last_json(text):
    return json.loads(next(line for line in reversed(text.splitlines()) if line.startswith("{")))


class Authority:
    """The revocation list counts for minutes only; aloftd would sign it anew all the time."""

    def __init__(self, cluster):
        self.cluster, self.signed = cluster, -1e9

    def sign_again(self):
        if time.monotonic() - self.signed > 60:
            self.cluster.run("host", "login", "/srv/aloft/authority", "revocations")
            self.signed = time.monotonic()


def pinned(core, program):
    """On one core of this machine, which two nodes share; `core` is a shell expression of the task's own variables."""
    return f"sh -c 'exec taskset -c {core} {program}'"


def measure_mpi(side):
    # Ranks 0 and 1 are on one node, 2 and 3 on the other; rank 0 and its partner of each kind get a core each.
    core = "$(( (SLURM_PROCID ^ (SLURM_PROCID >> 1)) & 1 ))"
    shape = ["-N2", "--ntasks-per-node=2"]
    figures = last_json(side.output_of(shape, pinned(core, "./bench_mpi pairs")))
    # Four ranks on two cores: who waits must give up its core.
    figures.update(last_json(side.output_of(shape, pinned(core, "env OMPI_MCA_mpi_yield_when_idle=1 ./bench_mpi allreduce"))))
    return figures


def measure_read(side):
    return last_json(side.output_of(["-N1", "-w", "node1", "-n1"], f"./bench_read {side.data('block')}/file"))


def measure_train(side):
    out = f"run-{time.monotonic_ns()}"
    program = (f"/opt/aloft/bin/aloft-train fit --recipe recipe.toml --dataset {side.data('bars')} "
               f"--key {side.keys}/{'bars@1' if side.fenced else 'bars'}.key --out {out}")
    side.output_of(["-N2", "--ntasks-per-node=1"], pinned("$SLURM_NODEID", program))
    lines = [json.loads(line) for line in (side.folder / out / "log.jsonl").read_text().splitlines()]
    seconds = [64 / line["samples_per_second"] for line in lines if line["event"] == "step"]
    return {"step": 1e3 * statistics.median(seconds)}


def pairs(options, names, measure, inside, outside, authority):
    """{key: {"inside": [...], "outside": [...], "ratio": [...]}} over all pairs."""
    found = {key: {"what": what, "unit": unit, "inside": [], "outside": [], "ratio": []} for key, (what, unit) in names.items()}
    for number in range(options.pairs):
        authority.sign_again()
        order = [inside, outside] if number % 2 == 0 else [outside, inside]
        figures = {side.account: measure(side) for side in order}
        for key, row in found.items():
            a, b = figures[inside.account][key], figures[outside.account][key]
            row["inside"].append(a)
            row["outside"].append(b)
            row["ratio"].append(a / b if row["unit"] == "MB/s" else b / a)
    return found


def measure_start(options, inside, outside, bare, authority):
    """Milliseconds from the call of sbatch to the first line of output, of four ways in turns. Of it, what the job waited for the
    scheduler's next look (once a second here, whoever submits) is chance, and left out of the comparison."""
    ways = {"inside": (inside, "date +%s%N"), "outside, by srun": (outside, "srun date +%s%N"), "outside, no step": (outside, "date +%s%N"),
            "without Aloft, by srun": (bare, "srun date +%s%N")}
    found = {way: {"start_ms": [], "sbatch_ms": [], "waited_ms": []} for way in ways}
    for number in range(2 * options.pairs):
        authority.sign_again()
        names = list(ways) if number % 2 == 0 else list(reversed(ways))
        for way in names:
            side, script = ways[way]
            output, begin, submitted = side.submit(["-N1", "-n1"], script)
            line = int(wait_for_text(output, "\n").split()[0])
            side.cluster.run("wait-idle")
            found[way]["start_ms"].append((line - begin) / 1e6)
            found[way]["sbatch_ms"].append((submitted - begin) / 1e6)
            found[way]["waited_ms"].append(max(0.0, (scheduled(side.cluster, output.stem.removeprefix("slurm-")) - submitted) / 1e6))
    for row in found.values():
        row["own_ms"] = [start - waited for start, waited in zip(row["start_ms"], row["waited_ms"])]
    for row in found.values():
        row["more_ms"] = [a - b for a, b in zip(found["inside"]["own_ms"], row["own_ms"])]
    return found


def scheduled(cluster, job):
    """When the controller gave the job its nodes, by its log: nanoseconds."""
    log = (cluster.folder / "ctld/root/var/log/slurm/slurmctld.log").read_text()
    told = re.search(rf"^\[([-0-9T:.]+)\] .*(?:Started|Allocate) JobId={job} ", log, re.MULTILINE)
    return int(datetime.datetime.fromisoformat(told[1]).timestamp() * 1000) * 1000000


def measure_policy(options, cluster):
    # Both on one core: nothing but the packet's own way counts then.
    server = cluster.background("host", "node2", "taskset", "-c", "0", "/srv/aloft/bench_policy", "serve")
    time.sleep(0.5)
    try:
        net = f"10.{cluster.number}.0"
        lines = cluster.run("host", "node1", "taskset", "-c", "0", "/srv/aloft/bench_policy", "measure", "--own", f"{net}.11",
                            "--to", f"{net}.12", "--rounds", 2 * options.pairs).splitlines()
    finally:
        cluster.run("host", "node2", "sh", "-c", "kill $(pidof bench_policy)")
        server.wait()
    rounds = {}
    for line in map(json.loads, lines):
        rounds.setdefault(line["round"], {})[line["fellows"]] = line
    rows = []
    for fellows in sorted(next(iter(rounds.values()))):
        row = {"fellows": fellows}
        for key in ("attach_ms", "udp_us", "tcp_us", "thousand_sends"):
            row[key] = [by[fellows][key] for by in rounds.values()]
        for key in ("udp_us", "tcp_us"):
            row[f"of_one_{key}"] = [by[1][key] / by[fellows][key] for by in rounds.values()]
        row["of_one_thousand_sends"] = [by[fellows]["thousand_sends"] / by[1]["thousand_sends"] for by in rounds.values()]
        rows.append(row)
    return rows


def spread(values, digits=2):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def table(report):
    lines = []
    if report["pairs"]:
        lines += ["| inside ÷ outside, speed | inside | outside | ratio: median (min to max) | target |", "|---|---|---|---|---|"]
        for row in report["pairs"].values():
            digits = 0 if row["unit"] == "MB/s" else 2
            lines.append(f"| {row['what']} | {statistics.median(row['inside']):.{digits}f} {row['unit']} | "
                         f"{statistics.median(row['outside']):.{digits}f} {row['unit']} | {spread(row['ratio'], 3)} | {TARGET} |")
        lines.append("")
    if report["start"]:
        lines += ["| job start, ms | sbatch to first line | without the wait for the scheduler | of it sbatch | inside takes more | target |",
                  "|---|---|---|---|---|---|"]
        for way, row in report["start"].items():
            more = "" if way == "inside" else spread(row["more_ms"], 0)
            lines.append(f"| {way} | {spread(row['start_ms'], 0)} | {spread(row['own_ms'], 0)} | {statistics.median(row['sbatch_ms']):.0f} | {more} | "
                         f"{f'≤ {TARGET_START_MS}' if way.endswith('srun') else ''} |")
        lines.append("")
    if report["policy"]:
        lines += ["| nodes in the policy | attach, ms | UDP round trip, µs | TCP round trip, µs | thousand datagrams/s | of one node's: UDP, TCP, datagrams |",
                  "|---|---|---|---|---|---|"]
        for row in report["policy"]:
            ratios = ", ".join(f"{statistics.median(row['of_one_' + key]):.3f}" for key in ("udp_us", "tcp_us", "thousand_sends"))
            lines.append(f"| {row['fellows'] or 'no fence'} | {spread(row['attach_ms'], 1) if row['fellows'] else ''} | {spread(row['udp_us'])} | "
                         f"{spread(row['tcp_us'])} | {spread(row['thousand_sends'], 0)} | {ratios} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    for name in ("cluster", "scratch", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--num", type=int, required=True)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--only", action="append", choices=PARTS)
    options = parser.parse_args()
    parts = options.only or PARTS
    fenced = Cluster(options.cluster, options.num, f"{options.scratch}/cluster")
    plain = Cluster(options.cluster, options.num + 1, f"{options.scratch}/bare")
    authority = Authority(fenced)
    inside = Side(fenced, "e-alice", "hel", fenced.folder / "srv/workspaces/hel/e-alice", lambda name: f"/aloft/data/{name}@1", "/aloft/keys", True)
    outside = Side(fenced, "carol", "open", fenced.folder / "home/carol", lambda name: f"/srv/aloft/datasets/{name}/1", "/home/carol", False)
    bare = Side(plain, "carol", "open", plain.folder / "home/carol", None, None, False)
    processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    report = {"schema": 1, "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "processor": processor, "cores": os.cpu_count(),
              "kernel": platform.release(), "load": os.getloadavg()[0], "target_ratio": TARGET, "target_start_ms": TARGET_START_MS,
              "pairs": {}, "start": {}, "policy": []}
    for part, names, measure in (("mpi", MPI, measure_mpi), ("read", READ, measure_read), ("train", TRAIN, measure_train)):
        if part in parts:
            say(f"{part}: {options.pairs} pairs")
            report["pairs"].update(pairs(options, names, measure, inside, outside, authority))
    if "start" in parts:
        say(f"job start: {2 * options.pairs} rounds")
        report["start"] = measure_start(options, inside, outside, bare, authority)
    if "policy" in parts:
        say("policy")
        report["policy"] = measure_policy(options, fenced)
    report["load_at_end"] = os.getloadavg()[0]
    Path(options.out).parent.mkdir(parents=True, exist_ok=True)
    Path(options.out).write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))
    say(f"figures in {options.out}")


main()
