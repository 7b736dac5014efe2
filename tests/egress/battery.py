"""All attempts on one cluster, in the order in which they need each other: a job on one node, somebody at the login host while it runs,
a job on two nodes, and a last look."""
import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import stage as staging
from stage import Stage

import cards  # noqa: F401  each registers its attempts
import client  # noqa: F401
import files  # noqa: F401
import helpers  # noqa: F401
import kernel  # noqa: F401
import neighbours  # noqa: F401
import network  # noqa: F401
import protocols  # noqa: F401
import ranks  # noqa: F401
import reported  # noqa: F401
import reported_programs  # noqa: F401
import reported_runtimes  # noqa: F401
import reported_slurm  # noqa: F401
from after import after_epilog
from common import ATTEMPTS, Stopped, Unreached, describe, number_of
from search import tokens_below
from wire import Reader


def battery(stage: Stage) -> dict:
    lines: dict[str, list[dict]] = {}
    one_node(stage, lines)
    two_nodes(stage, lines)
    stage.authority("revocations")
    after_epilog(stage, partial(program, stage, "--where", "after"))
    lines |= read_lines(stage, ["after.jsonl"])
    look(stage, ("node1", "node2"))
    look_at_disks(stage)
    root = {} if stage.fenced else as_root(stage)
    for host, out in (("outside", "/root/outside.json"), ("login", "/root/login.json"), ("node1", "/root/node1.json"), ("node2", "/root/node2.json"),
                      ("node3", "/root/node3.json"), ("outside", "/root/called.json")):
        heard(stage, host, out)
    if root:
        look(stage, ("node1",))
        look_at_disks(stage)
    capture = stage.end_capture()
    reader = Reader(stage.mark, list(ATTEMPTS), {stage.node[1], stage.node[2]}, {f"10.{stage.number}.0.2", f"10.{stage.number}.0.3"},
                    {stage.node[3], stage.node[4]})
    wire = reader.read(stage.scratch / "wire")
    # On the second card's network a fellow's address is anybody's.
    wire |= Reader(stage.mark, list(ATTEMPTS), {stage.card2}, set()).read(stage.scratch / "wire2")
    heard_there = json.loads((stage.scratch / "second.json").read_text())["tokens"]
    for name, size in heard_there.items():
        stage.note(name, size, "a host on the second card's network")
    for name, size in wire.tokens.items():
        stage.note(name, size, "the wire")
    return {"lines": lines, "root": root, "seen": stage.seen, "records": records(stage) if stage.fenced else [],
            "wire": {"frames": wire.frames, "tokens": wire.tokens, "strangers": dict(wire.strangers), "refusals": wire.refusals} | capture}


# --- a job on one node

def begun(stage: Stage, name: str, body: str, *where, user: str = "e-alice") -> int:
    """A job whose body starts when the file begin-NAME appears."""
    job = stage.sbatch(*where, "--time=60", user=user, wrap=body)
    stage.until(lambda: stage.state(job) == "RUNNING", f"job {name}")
    return job


def program(stage: Stage, *more) -> str:
    return " ".join(["/usr/bin/python3", f"{stage.work}/attempts", "--mark", stage.mark, "--outside", stage.outside, "--outside6", stage.outside6,
                     "--node", "node3", "--work", stage.work, "--data", stage.data, *more])


def one_node(stage: Stage, lines: dict) -> None:
    stage.authority("revocations")  # what was signed last counts for five minutes
    work = stage.work
    body = stage.file("one.sh", f"#!/bin/sh\n(while sleep 0.3; do echo {stage.token('sattach')}; done) & until [ -e {work}/begin-one ]; do sleep 0.05; done\n"
                      + program(stage, "--until", f"{work}/end-one", f">{work}/one.jsonl") + "\nkill $!\n")
    # Without the fence the job shares its node, as jobs do; its program runs in a step there too.
    stage.job = begun(stage, "one", body if stage.fenced else f"srun --mpi=none --overlap {body}", "--nodelist=node1")
    others = [open_job(stage), other_enclave(stage)]
    start_caller(stage)
    with stage.stranger("node1", "e-alice"):
        (stage.place() / "begin-one").touch()
        stage.until(lambda: (stage.place() / "end-one.ready0").exists(), "the end of the step's attempts")
        scan(stage)
        look(stage, ("node1",))
        look(stage, ("node4",), ",".join(name for name in ATTEMPTS if name.startswith(("flock-", "range-lock-"))))
        from_login = login(stage)
        (stage.place() / "end-one").touch()
        stage.wait([stage.job])
    for job, user in others:
        stage.cluster.try_as(user, "scancel", job)
    after_jobs(stage, from_login)
    from_login += [try_one(stage, one) for one in ATTEMPTS.values() if needs_a_free_node(one)]
    lines |= {line["name"]: [line] for line, _ in from_login}
    lines |= read_lines(stage, ["one.jsonl"])
    read_heard(stage, stage.cluster.folder / "home/carol/called.json", "a job outside the enclave")
    read_heard(stage, stage.cluster.folder / "home/carol/heard.json", "a job outside the enclave")
    read_heard(stage, other_home(stage) / "heard.json", "a job of another enclave")


def open_job(stage: Stage) -> tuple[int, str]:
    listen = f"/usr/bin/python3 /srv/aloft/listener.py --mark {stage.mark} --port 9003 --dns 0 --out /home/carol/heard.json"
    call = f"/usr/bin/python3 /srv/aloft/caller.py --mark {stage.mark} --neighbour --seconds 3600 --node {stage.node[1]} --out /home/carol/called.json"
    job = begun(stage, "open", f"{listen} & {call}; wait", "--nodelist=node3", "--partition=open", user="carol")
    stage.until(lambda: (stage.cluster.folder / "home/carol/heard.json").exists(), "the open job's listener")
    return job, "carol"


def other_home(stage: Stage):
    return stage.cluster.folder / ("srv/workspaces/two/e-bob" if stage.fenced else "home/e-bob")


def other_enclave(stage: Stage) -> tuple[int, str]:
    home = "/aloft/workspace" if stage.fenced else "/home/e-bob"
    (other_home(stage) / "listener.py").write_text((staging.HERE / "listener.py").read_text())
    (other_home(stage) / "listener.py").chmod(0o755)
    job = begun(stage, "other", f"/usr/bin/python3 {home}/listener.py --mark {stage.mark} --port 9004 --dns 0 --out {home}/heard.json", "--nodelist=node4",
                "--partition=two", "--chdir=" + home, user="e-bob")
    stage.until(lambda: (other_home(stage) / "heard.json").exists(), "the other enclave's listener")
    return job, "e-bob"


def start_caller(stage: Stage) -> None:
    """Calls from outside go on all the time; they end with the cluster."""
    stage.cluster.daemon("outside", "/usr/bin/python3", "/srv/aloft/caller.py", "--mark", stage.mark, "--node", stage.node[1], "--node6",
                         f"fd00:{stage.number}::11", "--second", stage.node[2], "--seconds", "3600", "--out", "/root/called.json")


def scan(stage: Stage) -> None:
    """Listening ports as a pattern: open or refused or silent, as a scan from outside finds them."""
    answers = json.loads(stage.cluster.host("outside", "/usr/bin/python3", "/srv/aloft/caller.py", "--scan", stage.node[1]))["ports"]
    bits = [number_of(stage.token("port-pattern")) >> bit & 1 for bit in range(16)]
    by_bit = [{answer for answer, one in zip(answers, bits) if one == bit} for bit in (0, 1)]
    if not by_bit[0] & by_bit[1]:
        stage.note("port-pattern", 2, f"a scan from outside: {'/'.join(by_bit[1])} against {'/'.join(by_bit[0])}")


def login(stage: Stage) -> list:
    """Everything from the login host, several at a time, and what others see then; what became of each, and the job to wait for."""
    mine = [one for one in ATTEMPTS.values() if one.where in ("login", "neighbour") and not needs_a_free_node(one)]
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda one: try_one(stage, one), mine))
    seen_by_others(stage)
    let_them_run(stage)
    for name, job in stage.waiting:
        if stage.state(job) in ("RUNNING", "COMPLETING", "COMPLETED"):
            stage.note(name, len(stage.token(name)), "it ran beside the job on node1")
    for job in stage.held + [job for _, job in stage.waiting]:
        stage.cluster.try_host("ctld", "scancel", job)
    return done


def let_them_run(stage: Stage) -> None:
    """Those who want onto the job's node get the time that they need without the fence."""
    end = time.monotonic() + (2 if stage.fenced else 15)
    left = {job for name, job in stage.waiting if not ATTEMPTS[name].absent}
    while left and time.monotonic() < end:
        left -= {job for job in left if stage.state(job) not in ("PENDING", "")}
        time.sleep(0.2)


def needs_a_free_node(one) -> bool:
    return one.name.endswith("-on-node")


def after_jobs(stage: Stage, done: list) -> None:
    """The jobs that were submitted have every node now; then those who wait for one look at it."""
    waiting = [(line, *(job if isinstance(job, tuple) else (job, None))) for line, job in done if job]
    stage.wait([job for _, job, _ in waiting])
    for line, _, look_at in waiting:
        try:
            if look_at:
                look_at()
        except (Stopped, Unreached, OSError) as error:
            line |= describe(ATTEMPTS[line["name"]], error)


def try_one(stage: Stage, one) -> tuple:
    line = {"name": one.name, "where": one.where, "how": one.how, "layer": one.layer}
    begin, job = time.monotonic(), None
    try:
        job = one.function(stage)
        line["result"] = "out"
    except (Stopped, Unreached, OSError) as error:
        line |= describe(one, error)
    return line | {"seconds": round(time.monotonic() - begin, 3)}, job


def seen_by_others(stage: Stage) -> None:
    for command in (["scontrol", "show", "job", "-d"], ["scontrol", "show", "step"], ["squeue", "--all", "--format=%all"], ["sinfo", "--all", "--long"]):
        stage.note_in(stage.cluster.try_as("carol", *command).out, "another account's " + " ".join(command[:2]))


# --- a job on two nodes

def two_nodes(stage: Stage, lines: dict) -> None:
    stage.authority("revocations")
    work = stage.work
    body = stage.file("ranks.sh", f"#!/bin/sh\nuntil [ -e {work}/begin-two ]; do sleep 0.05; done\n"
                      + program(stage, "--where", "ranks", "--fellow", "node2", "--until", f"{work}/end-two", f">{work}/two.$SLURM_PROCID.jsonl") + "\n")
    job = begun(stage, "two", body if stage.fenced else f"srun --mpi=none {body}", "--nodes=2", "--ntasks=4", "--ntasks-per-node=2", "--nodelist=node1,node2")
    out = "/scratch/service.json"
    stage.start_listener("node2", out, "--port", "9002", "--dns", "0", user="carol")
    (stage.place() / "begin-two").touch()
    stage.until(lambda: (stage.place() / "end-two.ready0").exists(), "the end of the ranks' attempts")
    (stage.place() / "end-two").touch()
    stage.wait([job])
    heard(stage, "node2", out)
    lines |= read_lines(stage, [f"two.{rank}.jsonl" for rank in range(4)])


# --- a last look

def as_root(stage: Stage) -> dict:
    """What an ordinary account may not do at all, as root: it shows that the attempt itself can work."""
    with stage.stranger("node1", "e-alice"):
        out = stage.cluster.try_host("node1", "/usr/bin/python3", "/srv/aloft/attempts", "--mark", stage.mark, "--outside", stage.outside,
                                     "--outside6", stage.outside6, "--node", "node3", "--work", stage.work, "--data", stage.data, "--privileged").out
    return {line["name"]: line for line in map(json.loads, filter(None, out.splitlines()))}


def read_lines(stage: Stage, names: list[str]) -> dict[str, list[dict]]:
    lines: dict[str, list[dict]] = {}
    for name in names:
        path = stage.place() / name
        for text in path.read_text(errors="replace").splitlines() if path.exists() else ():
            if text.startswith("{"):
                line = json.loads(text)
                lines.setdefault(line["name"], []).append(line)
    return lines


def heard(stage: Stage, host: str, out: str) -> None:
    tokens = json.loads(stage.cluster.host(host, "cat", out))
    for name, size in tokens["tokens"].items():
        stage.note(name, size, f"a listener on {host}")


def read_heard(stage: Stage, path, who: str) -> None:
    if path.exists():
        for name, size in json.loads(path.read_text())["tokens"].items():
            stage.note(name, size, who)


def look(stage: Stage, hosts: tuple, only: str = "") -> None:
    for host in hosts:
        found = json.loads(stage.cluster.host(host, "/usr/bin/python3", "/srv/aloft/look.py", "--mark", stage.mark, "--names", only or ",".join(ATTEMPTS),
                                              "--since", stage.began))["found"]
        for name, entry in found.items():
            stage.note(name, entry["bytes"], f"{entry['at']} on {host}")


def look_at_disks(stage: Stage) -> None:
    """What lies on any host's disk or a shared one. Slurm's own state, its spool and its logs, which root reads, hold
    what was submitted."""
    folder = stage.cluster.folder
    skip = {str(stage.place()), str(folder / "home/e-alice/.profile"), str(other_home(stage) / "listener.py"), str(folder / "ctld"), str(folder / "login/root/tmp")}
    for top in [folder / "home", folder / "srv", *folder.glob("node*/root"), folder / "login/root"]:
        for name, size, path in tokens_below(str(top), stage.mark, stage.began, skip, names_only=("/var/lib/slurm", "/var/log/slurm", "/root/root")):
            stage.note(name, size, path.removeprefix(str(folder)))


def records(stage: Stage) -> list[dict]:
    """The node's signed records of the jobs: what was blocked is counted there."""
    out = []
    for path in sorted((stage.cluster.folder / "srv/spool").rglob("*.json")):
        try:
            out.append(json.loads(base64.b64decode(json.loads(path.read_text())["payload"])))
        except (ValueError, KeyError):
            continue
    return out
