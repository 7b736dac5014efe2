"""Steps 5 and 6: training jobs on two nodes with two ranks each, and the image job again with a node lost in the middle."""
import hashlib
import json
import re
import time
from pathlib import Path

from cluster import Cluster
from enclave import CONFIGS, ENCLAVE
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


def fit(dataset: str, out: str, settings: tuple[str, ...]) -> list[str]:
    command = ["aloft-train", "fit", "--recipe", f"{CONFIGS}/recipes/{RECIPE[dataset]}.toml", "--dataset", f"/aloft/data/{dataset}@1",
               "--key", f"/aloft/keys/{dataset}@1.key", "--out", f"/aloft/workspace/{out}", "--json"]
    for setting in settings:
        command += ["--set", setting]
    return command


def workspace(cluster: Cluster, account: str = RESEARCHER) -> Path:
    return cluster.shared(f"/srv/aloft/workspaces/{ENCLAVE}/{account}")


def outputs(cluster: Cluster, job: int, account: str) -> list[Path]:
    """Files of the workspace that carry the job's number: what its program printed."""
    return [file for file in sorted(workspace(cluster, account).rglob(f"*{job}*"))
            if file.is_file() and re.search(rf"(^|\D){job}(\D|$)", file.name) and file.suffix in (".out", ".err", ".log", ".txt", "")]


def job_output(cluster: Cluster, job: int, account: str = RESEARCHER) -> str:
    """The end of the job's output, for a failure's message."""
    for file in outputs(cluster, job, account):
        lines = file.read_text(errors="replace").strip().splitlines()
        if lines:
            return " | ".join(lines[-3:])[-600:]
    return "no output"


def result(folder: Path) -> dict:
    """What a finished fit left: its metrics and the digest of its model."""
    return {"metrics": json.loads((folder / "metrics.json").read_text()),
            "model_sha256": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()}


def claim_result(report: Report, dataset: str, seen: dict) -> None:
    metrics = seen["metrics"]
    accuracy = metrics["overall"]["accuracy"]
    report.claim(accuracy >= ACCURACY[dataset], f"{dataset} ({WHAT[dataset]}): accuracy on held-out patients at least {ACCURACY[dataset]}",
                 f"{accuracy:.4f} on {metrics['overall']['samples']} samples of {metrics['patients']} patients")
    for kind in ("site", "vendor"):
        rows, small = metrics["strata"][kind]["worst_first"], metrics["strata"][kind]["suppressed"]
        report.claim(len(rows) + len(small) == 4, f"{dataset}: accuracy per {kind}, worst first",
                     ", ".join(f"{r['value']} {r['accuracy']:.3f}" for r in rows) + (f"; too small to be shown: {', '.join(small)}" if small else ""))


def train(report: Report, cluster: Cluster, settings: dict[str, tuple[str, ...]]) -> dict[str, dict]:
    """Both jobs are submitted at once; each gets both nodes whole, so the second waits for the first."""
    jobs = {dataset: submit(cluster, dataset, *fit(dataset, dataset, settings[dataset])) for dataset in ("digits", "wdbc")}
    results = {}
    for dataset, job in jobs.items():
        state = cluster.wait_job(job, timeout=240)
        ended = state["JobState"] == "COMPLETED"
        report.claim(ended, f"job {job} trained {dataset} on {state.get('NodeList')} with {state.get('NumTasks')} ranks inside the enclave",
                     f"{state.get('RunTime')}" if ended else f"{state['JobState']}: {job_output(cluster, job)}")
        if ended:
            results[dataset] = {"job": job, "run_time": state.get("RunTime"), **result(workspace(cluster) / dataset)}
            claim_result(report, dataset, results[dataset])
    report.figure("jobs", results)
    return results


def in_a_line(results: dict[str, dict]) -> str:
    return ", ".join(f"{dataset} {r['metrics']['overall']['accuracy']:.4f}" for dataset, r in results.items()) + " on patients held out"


def lose_a_node(report: Report, cluster: Cluster, settings: tuple[str, ...], undisturbed: dict) -> str:
    """The same fit, in a folder of its own; node 2 loses power after the first checkpoint, and comes back."""
    job = submit(cluster, "digits-again", *fit("digits", "digits-again", settings))
    folder = workspace(cluster) / "digits-again"
    end = time.monotonic() + 120
    while not list((folder / "checkpoints").glob("*")):
        state = cluster.job_state(job).get("JobState")
        if time.monotonic() > end or state not in ("PENDING", "CONFIGURING", "RUNNING"):
            raise Failed(f"job {job} is {state} and left no checkpoint: {job_output(cluster, job)}")
        time.sleep(0.1)
    at = steps_done(folder)
    cluster.kill_node(2)
    lost = time.monotonic()
    report.say(f"node2 lost its power in job {job}, after a checkpoint was there")
    cluster.wait_job(job, until=("PENDING", "REQUEUED", "CONFIGURING"), timeout=90)
    report.say(f"Slurm has put the job back into the queue after {time.monotonic() - lost:.1f} s; node2 gets its power back")
    cluster.start_node(2)
    state = cluster.wait_job(job, timeout=240)
    restarts = int(state.get("Restarts", 0))
    report.claim(state["JobState"] == "COMPLETED" and restarts >= 1, f"job {job} was requeued and ended",
                 f"{state['JobState']}, restarts: {restarts}" + ("" if state["JobState"] == "COMPLETED" else f": {job_output(cluster, job)}"))
    if state["JobState"] != "COMPLETED":
        return "the job did not end"
    seen = result(folder)
    resumed = resumed_at(cluster, job)
    report.claim(resumed is not None, "it went on from its checkpoint, not from the beginning", f"at step {resumed}")
    same_bytes = seen["model_sha256"] == undisturbed["model_sha256"]
    same_metrics = seen["metrics"] == undisturbed["metrics"]
    report.claim(same_bytes or same_metrics, "the result is that of the undisturbed job",
                 ("model.safetensors is byte-equal" if same_bytes else "metrics are equal, the model's bytes are not") if same_bytes or same_metrics
                 else f"accuracy {seen['metrics']['overall']['accuracy']} against {undisturbed['metrics']['overall']['accuracy']}")
    report.figure("lost_node", {"job": job, "restarts": restarts, "progress_when_lost": at, "resumed_at": resumed,
                                "seconds_from_loss_to_end": round(time.monotonic() - lost, 1), "model_equal": same_bytes,
                                "metrics_equal": same_metrics, **seen})
    return f"node2 lost and back; requeued, resumed, {'byte-equal model' if same_bytes else 'equal metrics' if same_metrics else 'ANOTHER result'}"


def log_lines(folder: Path) -> list[dict]:
    lines = []
    for line in (folder / "log.jsonl").read_text().splitlines() if (folder / "log.jsonl").exists() else []:
        try:
            lines.append(json.loads(line))
        except ValueError:  # the last line of a run that lost its machine
            continue
    return lines


def steps_done(folder: Path) -> int | None:
    return next((line["step"] for line in reversed(log_lines(folder)) if "step" in line), None)


def resumed_at(cluster: Cluster, job: int) -> int | None:
    """The step at which the job says that it took its checkpoint up."""
    for file in outputs(cluster, job, RESEARCHER):
        for step in re.findall(r" resumed .*?\bstep=(\d+)", file.read_text(errors="replace")):
            return int(step)
    return None
