#!/usr/bin/env python3
"""The demo's eight steps, in order. Called by jobs/demo, which has installed and built what they need."""
import argparse
import json
import os
import shutil
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
from cluster import HERE, Cluster, run  # noqa: E402
from report import Failed, Report  # noqa: E402

TITLES = {1: "Four hospitals deliver", 2: "A Slurm cluster on this machine", 3: "Deliveries become datasets",
          4: "A researcher is given access", 5: "Two models are trained inside the enclave",
          6: "The same job, with a node lost in the middle", 7: "The researcher's own program tries to get data out",
          8: "Release, the grant's end, the ledger"}


def make_deliveries(report: Report, args) -> dict:
    with report.step(1, TITLES[1]) as step:
        report.say("Real: the pixels of scikit-learn's digits, the measurements and diagnoses of WDBC, and the DICOM files under\n"
                   "mixed/ (test files of pydicom and pydicom-data, from real scanners). Made: patients, hospitals, vendors of digits\n"
                   "and biopsies, each hospital's intensity and noise, every identifier, and the broken and hostile files.")
        command = [args.data_python, HERE / "deliveries.py", args.out, "--json", *(["--quick"] if args.quick else [])]
        done = run(command, args.out / "deliveries.log")
        if done.code:
            raise Failed(f"the deliveries could not be made: {done.last_words}. Try: configs/install-deps --only data")
        made = json.loads(done.out)
        identifiers = sum(made["planted"].values())
        report.claim(made["tree"]["files"] > 0, "deliveries of four hospitals" + (" (unchanged since the last run: digests compared)" if made["reused"] else ""),
                     f"{made['digits']['real_images']} digits as DICOM, {made['wdbc']['real_rows']} biopsies as CSV, {made['mixed']['real_files']} real "
                     f"DICOM files, {len(made['hostile'])} broken or hostile; {identifiers} identifiers planted")
        report.figure("deliveries", made)
        report.output("deliveries", args.out / "deliveries")
        step["happened"] = f"{made['tree']['files']} files of four hospitals, {identifiers} identifiers planted"
        return made
    return {}


def settings(quick: bool) -> dict[str, tuple[str, ...]]:
    """What --quick changes in the recipes."""
    return {"digits": (), "wdbc": ()} if not quick else {"digits": (), "wdbc": ()}


def fenced(report: Report, args, cluster: Cluster, beside: Cluster) -> None:
    made = make_deliveries(report, args)
    with report.step(2, TITLES[2]) as step:
        enclave.start_cluster(report, cluster, args.prefix)
        step["happened"] = "slurmctld, a login host, two compute nodes and a world outside, as hosts of their own"

    def step_after(number: int, *needed: int):
        """The step, or None (and a line that says why) if what it needs did not hold."""
        if report.held(*needed):
            return report.step(number, TITLES[number])
        report.skip(number, TITLES[number], f"needs step {' and '.join(str(n) for n in needed if not report.held(n))}")
        return None

    if run_step := step_after(3, 1, 2):
        with run_step as step:
            enclave.open_site(report, cluster)
            intake.deliver(cluster, args.out / "deliveries")
            step["happened"] = intake.take_in(report, cluster, made, args)
    short = {}
    if run_step := step_after(4, 3):
        with run_step as step:
            short = access.give_access(report, cluster)
            step["happened"] = "an application, four decisions, a signed grant of a year and one of a minute"
    results = {}
    if run_step := step_after(5, 4):
        with run_step as step:
            results = training.train(report, cluster, settings(args.quick))
            step["happened"] = training.in_a_line(results)
    if run_step := step_after(6, 5):
        with run_step as step:
            step["happened"] = training.lose_a_node(report, cluster, settings(args.quick)["digits"], results["digits"])
    if run_step := step_after(7, 4):
        with run_step as step:
            attempts = egress.inside(report, cluster)
            egress.control(report, beside, args.prefix)
            step["happened"] = f"{len(attempts)} attempts, 0 bytes outside; without the fence they get out"
    if run_step := step_after(8, 5):
        with run_step as step:
            package = release.release(report, cluster)
            release.ended_grant(report, cluster, short)
            release.audit(report, cluster, args.out)
            if package:
                shutil.rmtree(args.out / "released", ignore_errors=True)
                shutil.copytree(package, args.out / "released")
                report.output("released", args.out / "released")
            step["happened"] = "model and metrics released by hash; a late submission refused; the ledger verified"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--prefix", type=Path, required=True)
    parser.add_argument("--data-python", required=True)
    parser.add_argument("--find-identifiers", type=Path, required=True, help="tests/identifiers/find_identifiers, built")
    parser.add_argument("--torch", type=Path, required=True)
    parser.add_argument("--num", type=int, default=40)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the clusters are taken down

    root = os.geteuid() == 0
    report = Report(args.out, args.quick, root)
    for log in args.out.glob("*.log"):
        if log.name not in ("build.log", "install.log"):
            log.unlink()
    cluster = Cluster(args.out / "cluster", args.num, args.out / "cluster.log")
    beside = Cluster(args.out / "control", args.num + 1, args.out / "control.log")
    report.output("log", cluster.log)
    try:
        if root:
            fenced(report, args, cluster, beside)
        else:
            made = make_deliveries(report, args)
            plain.run_plain(report, args, made, TITLES, settings(args.quick))
    finally:
        if args.keep and cluster.is_up:
            harness = HERE.parent.parent / "tests/cluster/cluster"
            print(f"\n   The cluster stays: {harness} --num {args.num} --dir {cluster.folder} as e-alice bash\n"
                  f"   and goes with:     {harness} --num {args.num} --dir {cluster.folder} down")
            beside.down()
        else:
            cluster.down()
            beside.down()
    return 0 if report.finish() else 1


if __name__ == "__main__":
    sys.exit(main())
