#!/usr/bin/env python3
"""The demo's eight steps, in order. Called by jobs/demo, which has installed and built what they need."""
import argparse
import json
import os
import signal
import sys
from pathlib import Path

sys.dont_write_bytecode = True
import access  # noqa: E402
import egress  # noqa: E402
import enclave  # noqa: E402
import intake  # noqa: E402
import plain  # noqa: E402
import release  # noqa: E402
import training  # noqa: E402
from cluster import HARNESS, HERE, Cluster, run  # noqa: E402
from report import Failed, Report  # noqa: E402


class Demo:
    """One run: what was asked for, and what the steps hand on to each other."""

    def __init__(self, args: argparse.Namespace, report: Report):
        self.args, self.report = args, report
        self.cluster = Cluster(args.out / "cluster", args.num, args.out / "cluster.log")
        self.control = Cluster(args.out / "control", args.num + 1, args.out / "control.log")
        self.made: dict = {}            # step 1: what was planted, and where
        self.short_grant: dict = {}     # step 4: the grant of a minute
        self.results: dict = {}         # step 5: by dataset

    def deliver(self) -> str:
        report, args = self.report, self.args
        report.say("Real: the pixels of scikit-learn's digits, the measurements and diagnoses of WDBC, and the DICOM files under mixed/ "
                   "(test files of pydicom and pydicom-data, from real scanners). Made: patients, hospitals, vendors of digits and "
                   "biopsies, each hospital's intensity and noise, every identifier, and the broken and hostile files.")
        done = run([args.data_python, HERE / "deliveries.py", args.out, "--json", *(["--quick"] if args.quick else [])],
                   args.out / "deliveries.log")
        if done.code:
            raise Failed(f"the deliveries could not be made: {done.last_words}. Try: configs/install-deps --only data")
        made = self.made = json.loads(done.out)
        identifiers = sum(made["planted"].values())
        report.claim(made["tree"]["files"] > 0, "deliveries of four hospitals" + (" (as the last run made them: digests compared)" if made["reused"] else ""),
                     f"{made['digits']['real_images']} digits as DICOM, {made['wdbc']['real_rows']} biopsies as CSV, {made['mixed']['real_files']} real "
                     f"DICOM files, {len(made['hostile'])} broken or hostile; {identifiers} identifiers planted")
        report.say(intake.introduce(json.loads((args.out / "followed.json").read_text())))
        report.figure("deliveries", made)
        report.output("deliveries", args.out / "deliveries")
        return f"{made['tree']['files']} files of four hospitals, {identifiers} identifiers planted"

    def start_cluster(self) -> str:
        enclave.start_cluster(self.report, self.cluster, self.args.prefix)
        return "slurmctld, a login host, two compute nodes, a world outside"

    def take_in(self) -> str:
        enclave.open_site(self.report, self.cluster)
        intake.deliver(self.cluster, self.args.out / "deliveries")
        return intake.take_in(self.report, self.cluster, self.made, self.args)

    def give_access(self) -> str:
        self.short_grant = access.give_access(self.report, self.cluster)
        return "an application, four decisions, a signed grant of a year and one of a minute"

    def train(self) -> str:
        self.results = training.train(self.report, self.cluster)
        return training.in_a_line(self.results)

    def lose_a_node(self) -> str:
        return training.lose_a_node(self.report, self.cluster, self.results["digits"])

    def try_to_get_out(self) -> str:
        attempts = egress.inside(self.report, self.cluster)
        egress.control(self.report, self.control, self.args.prefix)
        return f"{attempts} attempts, 0 bytes outside; without the fence they get out"

    def let_out(self) -> str:
        digits = self.results["digits"]
        release.release(self.report, self.cluster, self.args.out, digits["model_sha256"])
        release.ended_grant(self.report, self.cluster, self.short_grant)
        release.audit(self.report, self.cluster, self.args.out, digits["job"])
        return "model and metrics released by hash; the late refused; the ledger verified"

    def take_in_unfenced(self) -> str:
        return plain.take_in(self.report, self.args, self.made)

    def train_unfenced(self) -> str:
        return plain.train(self.report, self.args)

    def down(self) -> None:
        self.control.down()
        if self.args.keep and self.cluster.is_up:
            cluster = f"{HARNESS} --num {self.cluster.number} --dir {self.cluster.folder}"
            print(f"\n   The cluster stays: {cluster} as e-alice bash\n   and goes with:     {cluster} down")
        else:
            self.cluster.down()


TITLES = {1: "Four hospitals deliver", 2: "A Slurm cluster on this machine", 3: "Deliveries become datasets",
          4: "A researcher is given access", 5: "Two models are trained",
          6: "The same job, with a node lost in the middle", 7: "The researcher's own program tries to get data out",
          8: "Release, the grant's end, the ledger"}

# What each step does, and the steps that must have held before it.
FENCED = {1: (Demo.deliver, ()), 2: (Demo.start_cluster, ()), 3: (Demo.take_in, (1, 2)), 4: (Demo.give_access, (3,)),
          5: (Demo.train, (4,)), 6: (Demo.lose_a_node, (5,)), 7: (Demo.try_to_get_out, (4,)), 8: (Demo.let_out, (5,))}
WITHOUT_ROOT = {1: (Demo.deliver, ()), 3: (Demo.take_in_unfenced, (1,)), 5: (Demo.train_unfenced, (3,))}


def run_steps(demo: Demo, plan: dict) -> None:
    report = demo.report
    for number, title in TITLES.items():
        if number not in plan:
            report.skip(number, title, "left out", "needs root (namespaces, cgroups, BPF)")
            continue
        work, needed = plan[number]
        missing = [str(n) for n in needed if not report.held(n)]
        if missing:
            report.skip(number, title, "not run", f"needs step {' and '.join(missing)}")
        else:
            report.step(number, title, lambda: work(demo))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--prefix", type=Path, required=True)
    parser.add_argument("--data-python", required=True)
    parser.add_argument("--tests", type=Path, required=True, help="the build's tests/: what looks into datasets from outside")
    parser.add_argument("--torch", type=Path, required=True)
    parser.add_argument("--num", type=int, default=40)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the clusters are taken down

    (args.out / "summary.json").unlink(missing_ok=True)
    for log in args.out.glob("*.log"):
        if log.name not in ("build.log", "install.log"):
            log.unlink()
    root = os.geteuid() == 0
    report = Report(args.out, args.quick, root)
    demo = Demo(args, report)
    if root:
        report.output("log", demo.cluster.log)
    else:
        print("\n   You are not root: there is no cluster, and NOTHING IS FENCED. Steps 1, 3 and 5 run with mpirun.")
    try:
        run_steps(demo, FENCED if root else WITHOUT_ROOT)
    finally:
        demo.down()
    return 0 if report.finish() else 1


if __name__ == "__main__":
    sys.exit(main())
