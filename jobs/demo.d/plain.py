"""Without root there is no cluster and no fence: steps 1, 3 and 5 with mpirun, as whoever calls."""
import os
import shutil
from pathlib import Path

import intake
import training
from cluster import HERE, Failed, run
from report import Report

WHY = "needs root: namespaces, cgroups and BPF. Nothing was fenced in this run"


def run_plain(report: Report, args, made: dict, titles: dict[int, str], settings: dict[str, tuple[str, ...]]) -> None:
    print("\n   You are not root: there is no cluster, and NOTHING IS FENCED. Steps 1, 3 and 5 run with mpirun.")
    os.environ["PATH"] = f"{args.prefix}/bin:{os.environ['PATH']}"
    os.environ["LD_LIBRARY_PATH"] = str(next(args.torch.glob("lib/python3.*/site-packages/torch/lib"), ""))
    os.environ["OMP_NUM_THREADS"] = "1"
    here = args.out / "plain"
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir()
    report.skip(2, titles[2], WHY, "left out")
    with report.step(3, titles[3]) as step:
        for dataset in ("digits", "wdbc"):
            take_in(report, dataset, args, here, made)
        step["happened"] = "digits@1 and wdbc@1 built by 2 ranks of aloft-stage and verified; not sealed for an enclave"
    report.skip(4, titles[4], WHY, "left out")
    if report.held(3):
        with report.step(5, titles[5]) as step:
            results = {}
            for dataset in ("digits", "wdbc"):
                results[dataset] = fit(report, dataset, here, settings[dataset])
            step["happened"] = training.in_a_line(results) + ", unfenced"
    else:
        report.skip(5, titles[5], "needs step 3")
    for number in (6, 7, 8):
        report.skip(number, titles[number], WHY, "left out")


def must(command: list, log: Path) -> str:
    done = run(command, log, timeout=300)
    if done.code:
        raise Failed(f"`{' '.join(str(c) for c in command[:8])} …` ended with exit code {done.code}: {done.last_words}. Log: {log}")
    return done.out


def take_in(report: Report, dataset: str, args, here: Path, made: dict) -> None:
    keys, version, log = here / "keys", here / f"datasets/{dataset}/1", args.out / "plain.log"
    version.parent.mkdir(parents=True)
    must(["aloft-stage", "keys", "new", keys, "--dataset", f"{dataset}@1"], log)
    built = intake.last_json(must(intake.build_command(dataset, str(HERE.parent.parent / "configs"), str(args.out / "deliveries"),
                                                       str(keys), str(version)), log))
    must(["aloft-stage", "verify", version, "--key", keys / f"{dataset}@1.key", "--json"], log)
    report.claim(True, f"{dataset}@1 is built by 2 ranks, and every byte was read back, authenticated and compared")
    report.figure(dataset, built)
    intake.expect_refusals(report, dataset, intake.reasons(must(["aloft-stage", "quarantine", "list", version, "--json"], log)), made["hostile"])


def fit(report: Report, dataset: str, here: Path, settings: tuple[str, ...]) -> dict:
    command = ["mpirun", "--oversubscribe", "--mca", "btl", "self,vader,tcp", "--mca", "mpi_yield_when_idle", "1", "-n", "4",
               "aloft-train", "fit", "--recipe", HERE.parent.parent / f"configs/recipes/{training.RECIPE[dataset]}.toml", "--dataset", here / f"datasets/{dataset}/1",
               "--key", here / f"keys/{dataset}@1.key", "--out", here / dataset, "--json"]
    for setting in settings:
        command += ["--set", setting]
    must(command, here.parent / "plain.log")
    seen = training.result(here / dataset)
    training.claim_result(report, dataset, seen)
    report.output(dataset, here / dataset)
    return seen
