"""Measures every loader on the same corpus, in turns, and writes a table and JSON. Called by `run`.

usage: measure.py --bench PROGRAM --data-python P --peers-python P --work DIR --json FILE [--mb 400] [--rounds 5]
In a round every loader delivers one epoch, one after the other, so that a busy machine hurts all alike; the
ratios are of one round to FFCV's epoch in the same round, and the median over the rounds is what counts. A round
before them warms the page cache and compiles FFCV's pipeline.
"""
import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SIZES = [(56, 64), (224, 64), (2048, 64)]  # side of a sample, samples in a batch
PEERS = ["ffcv", "ffcv-sequential", "memmap", "webdataset", "mds"]


def say(text):
    print(f"bench/loader: {text}", file=sys.stderr, flush=True)


class Server:
    """A loader that is open: one epoch per line."""

    def __init__(self, command, log):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)

    def epoch(self, expected):
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            words = self.process.stdout.readline().split()
        except BrokenPipeError:
            words = []
        if len(words) != 2 or int(words[0]) != expected:
            return None
        return float(words[1])

    def close(self):
        self.process.kill()
        self.process.wait()


def commands(options, name, folder, corpus, side, count, batch):
    if name.startswith("aloft"):
        codec = name.removeprefix("aloft-") if "-" in name else "none"
        return ([options.bench, "pack", corpus, str(side), folder, codec],
                [options.bench, "serve", folder, str(batch), "1"])
    peer = [options.peers_python, "-W", "ignore", HERE / "peers.py", name]
    return (peer + ["pack", corpus, str(side), str(count), folder],
            peer + ["serve", folder, str(side), str(count), str(batch)])


def measure_size(options, side, batch, log):
    count = max(2 * batch, options.mb * 1000000 // (side * side))
    work = Path(options.work) / str(side)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    corpus = work / "corpus.bin"
    subprocess.run([options.data_python, "-W", "ignore", HERE / "corpus.py", str(side), str(count), corpus],
                   check=True)
    gigabytes = count * side * side / 1e9
    servers, result = {}, {}
    for name in ["aloft"] + PEERS + ["aloft-lz4"]:
        folder = work / name.replace("ffcv-sequential", "ffcv")
        pack, serve = commands(options, name, folder, corpus, side, count, batch)
        start = time.perf_counter()
        if not folder.exists() and subprocess.run(pack, stdout=log, stderr=log).returncode != 0:
            say(f"{name}: could not write {side} x {side}; left out (see {options.work}/log)")
            continue
        result[name] = {"write_seconds": time.perf_counter() - start, "gb_per_s": [], "of_ffcv": []}
        servers[name] = Server(serve, log)
    for number in range(options.rounds + 1):
        seconds = {}
        for name in list(servers):
            seconds[name] = servers[name].epoch(count)
            if seconds[name] is None:
                say(f"{name}: could not read {side} x {side}; left out (see {options.work}/log)")
                servers.pop(name).close()
                result.pop(name)
                seconds.pop(name)
        if number == 0:
            continue
        for name, value in seconds.items():
            result[name]["gb_per_s"].append(gigabytes / value)
            if "ffcv" in seconds:
                result[name]["of_ffcv"].append(seconds["ffcv"] / value)
    for server in servers.values():
        server.close()
    shutil.rmtree(work)
    return {"side": side, "sample_bytes": side * side, "samples": count, "batch": batch, "loaders": result}


def table(report):
    lines = ["| loader | " + " | ".join(f"{s['sample_bytes'] / 1000:.0f} KB" for s in report["sizes"]) + " |",
             "|---|" + "---|" * len(report["sizes"])]
    for name in ["aloft"] + PEERS + ["aloft-lz4"]:
        cells = []
        for size in report["sizes"]:
            found = size["loaders"].get(name)
            if not found:
                cells.append("–")
                continue
            cell = f"{statistics.median(found['gb_per_s']):.2f} GB/s"
            if found["of_ffcv"]:
                ratios = found["of_ffcv"]
                cell += f", {statistics.median(ratios):.2f} × ({min(ratios):.2f} to {max(ratios):.2f})"
            cells.append(cell)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    for name in ("bench", "data-python", "peers-python", "work", "json"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--mb", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    os.makedirs(options.work, exist_ok=True)
    processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
                     platform.machine())
    report = {"schema": 1, "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "processor": processor,
              "cores": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()[0],
              "rounds": options.rounds, "sizes": []}
    with open(Path(options.work) / "log", "w") as log:
        for side, batch in SIZES:
            say(f"{side} x {side} bytes, batches of {batch}")
            report["sizes"].append(measure_size(options, side, batch, log))
    Path(options.json).parent.mkdir(parents=True, exist_ok=True)
    Path(options.json).write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))


main()
