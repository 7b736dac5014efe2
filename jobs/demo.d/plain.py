"""Without root there is no cluster and no fence: steps 3 and 5 with mpirun, as whoever calls."""
import os
import shutil
from pathlib import Path

import intake
import training
from cluster import last_json, run
from report import Failed, Report

DATASETS = ("digits", "wdbc")


class Here:
    """The run's own keys, datasets and models, below OUT/plain."""

    def __init__(self, args):
        self.folder, self.log = args.out / "plain", args.out / "plain.log"
        self.keys, self.configs = self.folder / "keys", args.prefix / "share/aloft/configs"
        os.environ["PATH"] = f"{args.prefix}/bin:{os.environ['PATH']}"
        os.environ["ALOFT_LIBTORCH"] = str(next(args.torch.glob("lib/python3.*/site-packages/torch"), ""))
        os.environ["OMP_NUM_THREADS"] = "1"

    def version(self, dataset: str) -> Path:
        return self.folder / "datasets" / dataset / "1"

    def key(self, dataset: str) -> Path:
        return self.keys / f"{dataset}@1.key"

    def must(self, *command) -> str:
        done = run([*command], self.log, timeout=300)
        if done.code:
            raise Failed(f"`{' '.join(map(str, command[:8]))} …` ended with exit code {done.code}: {done.last_words}. Log: {self.log}")
        return done.out


def take_in(report: Report, args, made: dict) -> str:
    here, figures = Here(args), {}
    shutil.rmtree(here.folder, ignore_errors=True)
    here.keys.mkdir(parents=True, mode=0o700)
    (here.keys / "pseudonym.key").touch(mode=0o600)
    (here.keys / "pseudonym.key").write_text(intake.project_key())
    for dataset in DATASETS:
        version = here.version(dataset)
        version.parent.mkdir(parents=True)
        here.must("aloft-stage", "keys", "new", here.keys, "--dataset", f"{dataset}@1")
        built = last_json(here.must(*intake.MPIRUN, "-n", "2", *intake.build(dataset, here.configs, args.out / "deliveries", here.keys, version)))
        here.must("aloft-stage", "verify", version, "--key", here.key(dataset), "--json")
        report.claim(True, f"{dataset}@1 is built by 2 ranks, and every byte was read back, authenticated and compared")
        refused = intake.reasons(here.must("aloft-stage", "quarantine", "list", version, "--json"))
        intake.expect_refusals(report, dataset, refused, made["hostile"])
        figures[dataset] = {"built": built, "quarantine": refused}
    report.figure("datasets", figures)
    return "digits@1 and wdbc@1 built by 2 ranks of aloft-stage and verified; not sealed for an enclave"


def train(report: Report, args) -> str:
    here, results = Here(args), {}
    for dataset in DATASETS:
        out = here.folder / dataset
        here.must(*intake.MPIRUN, "-n", "4", *training.fit(dataset, here.configs, here.version(dataset), here.key(dataset), out))
        results[dataset] = training.result(out)
        training.claim_result(report, dataset, results[dataset])
        report.output(dataset, out)
    report.figure("jobs", results)
    return training.in_a_line(results) + ", unfenced"
