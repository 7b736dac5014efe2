"""Steps 5 and 6: training jobs on two nodes with two ranks each, and the image job again with a node lost in the middle."""
import hashlib
import json
import re
import time
from pathlib import Path

from cluster import Cluster
from enclave import CONFIGS, WORKSPACES
from report import Failed, Report

RESEARCHER = "e-alice"
ACCURACY = {"digits": 0.96, "wdbc": 0.95}
RECIPE = {"digits": "digits-resnet", "wdbc": "wdbc-mlp"}
WHAT = {"digits": "images, 2D ResNet", "wdbc": "table, MLP"}


def submit(cluster: Cluster, name: str, *program: str, nodes: int = 2, ranks: int = 2, minutes: int = 10,
           account: str = RESEARCHER) -> int:
    answer = cluster.json_as(account, "aloft", "submit", "--name", name, "--nodes", nodes, "--ntasks-per-node", ranks,
                             "--time", minutes, "--json", "--", *program)
    return int(answer["job"])


def fit(dataset: str, configs, version, key, out) -> list:
    return ["aloft-train", "fit", "--recipe", f"{configs}/recipes/{RECIPE[dataset]}.toml", "--dataset", version, "--key", key,
            "--out", out, "--json"]


def submit_fit(cluster: Cluster, dataset: str, name: str) -> int:
    """The same command as anywhere; only the paths are those that a job of the enclave sees."""
    return submit(cluster, name, *fit(dataset, CONFIGS, f"/aloft/data/{dataset}@1", f"/aloft/keys/{dataset}@1.key",
                                      f"/aloft/workspace/{name}"))


def workspace(cluster: Cluster, account: str = RESEARCHER) -> Path:
    return cluster.shared(f"{WORKSPACES}/{account}")


def job_output(cluster: Cluster, job: int, account: str = RESEARCHER) -> str:
    """What the job printed so far."""
    file = workspace(cluster, account) / f"slurm-{job}.out"
    return file.read_text(errors="replace") if file.exists() else ""


def last_words(cluster: Cluster, job: int) -> str:
    """The end of the job's output, and what Slurm's daemons call an error, for a failure's message: what a rank says of itself stands
    before what MPI and srun say of it, and which part of Slurm ended a step stands in its logs alone."""
    said = [line for line in job_output(cluster, job).splitlines() if line.strip(" -")][-60:]
    errors = [f"{log.relative_to(cluster.folder).parts[0]}: {line}" for log in sorted(cluster.folder.glob("*/root/var/log/slurm/slurm*.log"))
              for line in log.read_text(errors="replace").splitlines() if "error" in line or "begins_closed" in line][-60:]
    return " | ".join([" | ".join(said)[-6000:] or "no output", " | ".join(errors)[-6000:]])


def result(folder: Path) -> dict:
    """What a finished fit left: its metrics and the digest of its model."""
    return {"metrics": json.loads((folder / "metrics.json").read_text()),
            "model_sha256": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()}


def claim_result(report: Report, dataset: str, seen: dict) -> None:
    metrics = seen["metrics"]
    report.claim(accuracy(seen) >= ACCURACY[dataset], f"{dataset} ({WHAT[dataset]}): accuracy on held-out patients at least {ACCURACY[dataset]}",
                 f"{accuracy(seen):.4f} on {metrics['overall']['samples']} samples of {metrics['patients']} patients")
    for kind in ("site", "vendor"):
        rows, small = metrics["strata"][kind]["worst_first"], metrics["strata"][kind]["suppressed"]
        report.claim(len(rows) + len(small) == 4, f"{dataset}: accuracy per {kind}, worst first",
                     ", ".join(f"{r['value']} {r['accuracy']:.3f}" for r in rows) + (f"; too small to be shown: {', '.join(small)}" if small else ""))


def train(report: Report, cluster: Cluster) -> dict[str, dict]:
    report.say("What e-alice types (the paths are those that her job will see):")
    report.row("aloft submit --name digits --nodes 2 --ntasks-per-node 2 --time 10 -- aloft-train fit \\")
    report.row("    --recipe …/digits-resnet.toml --dataset /aloft/data/digits@1 \\")
    report.row("    --key /aloft/keys/digits@1.key --out /aloft/workspace/digits")
    report.say("aloft asks aloftd, which checks her grant and writes the request into the ledger, and hands the job to sbatch as her. slurmctld's "
               "plugin checks the grant again. On both nodes Prolog checks it a third time, unseals the dataset's key into memory and builds "
               "the fence; then four ranks train over MPI. Both jobs are submitted at once; each gets both nodes whole.")
    jobs = {dataset: submit_fit(cluster, dataset, dataset) for dataset in ("digits", "wdbc")}
    results = {}
    for dataset, job in jobs.items():
        state = cluster.wait_job(job)
        ended = state["JobState"] == "COMPLETED"
        report.claim(ended, f"job {job} trained {dataset} on {state.get('NodeList')} with {state.get('NumTasks')} ranks inside the enclave",
                     f"{state.get('RunTime')}" if ended else f"{state['JobState']}: {last_words(cluster, job)}")
        if ended:
            results[dataset] = {"job": job, "run_time": state.get("RunTime"), **result(workspace(cluster) / dataset)}
            claim_result(report, dataset, results[dataset])
    report.figure("jobs", results)
    return results


def in_a_line(results: dict[str, dict]) -> str:
    return ", ".join(f"{dataset} {accuracy(r):.4f}" for dataset, r in results.items()) + " on patients held out"


def lose_a_node(report: Report, cluster: Cluster, undisturbed: dict) -> str:
    """The same fit, in a folder of its own; node 2 loses power when a third of the steps are done, and comes back."""
    job = submit_fit(cluster, "digits", "digits-again")
    folder = workspace(cluster) / "digits-again"
    end = time.monotonic() + 600
    while (at := steps_done(folder)) < undisturbed["metrics"]["training"]["steps"] // 3:
        state = cluster.job_state(job).get("JobState")
        # None: the controller did not answer this once.
        if time.monotonic() > end or state not in (None, "PENDING", "CONFIGURING", "RUNNING"):
            raise Failed(f"job {job} is {state} after {at} steps: {last_words(cluster, job)}")
        time.sleep(0.1)
    cluster.kill_node(2)
    lost = time.monotonic()
    report.say(f"node2 lost its power in job {job}, at step {at} or a little later")
    cluster.wait_job(job, until=("PENDING", "REQUEUED", "CONFIGURING"))
    report.say(f"Slurm has put the job back into the queue after {time.monotonic() - lost:.1f} s; node2 gets its power back")
    cluster.start_node(2)
    state = cluster.wait_job(job)
    restarts = int(state.get("Restarts", 0))
    if state["JobState"] != "COMPLETED":
        raise Failed(f"job {job} ended as {state['JobState']} after {restarts} restarts: {last_words(cluster, job)}")
    report.claim(restarts >= 1, f"job {job} was requeued and completed", f"restarts: {restarts}")
    seen = result(folder)
    resumed = resumed_at(cluster, job)
    report.claim(resumed is not None, "it went on from its checkpoint, not from the beginning", f"at step {resumed}")
    equal = {"model": seen["model_sha256"] == undisturbed["model_sha256"], "metrics": seen["metrics"] == undisturbed["metrics"]}
    report.claim(all(equal.values()), "model and metrics are those of the undisturbed job, byte for byte and number for number",
                 f"model.safetensors {seen['model_sha256'][:12]}…" if all(equal.values()) else
                 f"other {' and '.join(what for what, same in equal.items() if not same)}: accuracy {accuracy(seen)} against {accuracy(undisturbed)}")
    report.figure("lost_node", {"job": job, "restarts": restarts, "progress_when_lost": at, "resumed_at": resumed,
                                "seconds_from_loss_to_end": round(time.monotonic() - lost, 1), "model_equal": equal["model"],
                                "metrics_equal": equal["metrics"], **seen})
    return f"node2 lost and back: requeued, resumed at step {resumed}, the same model to the byte"


def accuracy(seen: dict) -> float:
    return seen["metrics"]["overall"]["accuracy"]


def log_lines(folder: Path) -> list[dict]:
    lines = []
    for line in (folder / "log.jsonl").read_text().splitlines() if (folder / "log.jsonl").exists() else []:
        try:
            lines.append(json.loads(line))
        except ValueError:  # the last line of a run that lost its machine
            continue
    return lines


def steps_done(folder: Path) -> int:
    return next((line["step"] for line in reversed(log_lines(folder)) if "step" in line), 0)


def resumed_at(cluster: Cluster, job: int) -> int | None:
    """The step at which the job says that it took its checkpoint up."""
    found = re.search(r" resumed .*?\bstep=(\d+)", job_output(cluster, job))
    return int(found[1]) if found else None
