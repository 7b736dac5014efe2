"""Step 7: the researcher's own program tries to carry a mark out; then the same program on a cluster without the fence."""
import json
import shutil
import sys
import time
from pathlib import Path

from cluster import HERE, Cluster
from enclave import ENCLAVE
from report import Failed, Report
from training import job_output, last_words, submit

TOOLS = HERE.parent.parent / "tests/egress"
sys.path.append(str(TOOLS / "attempts"))
from common import number_of  # noqa: E402

MARK = "ALOFTMARK7"
# What is tried, as tests/egress/attempts calls it; there are many more there.
NAMED = {"TCP": ["tcp", "tcp-mapped", "tcp-fastopen"], "UDP": ["udp", "udp-sendmmsg"], "DNS": ["dns-direct", "dns-tcp"], "IPv6": ["tcp6", "udp6"],
         "another node": ["other-node-tcp"], "sbatch": ["sbatch"], "sbcast": ["sbcast"], "home": ["file-home", "hard-link", "symbolic-link"],
         "/tmp": ["file-tmp"], "/dev/shm": ["file-dev-shm"],
         "a listener on the same node": ["local-tcp-loopback", "local-udp-own", "abstract-stream"], "Slurm": ["munge", "slurmctld-port", "slurmd-port", "srun"],
         "the kernel": ["igmp-join", "sysv-shm", "posix-queue", "keyring-user", "io-uring", "unshare-user", "vsock", "netlink-generic", "setuid"]}


def listen(cluster: Cluster) -> None:
    """Listeners outside the cluster, on the node that is not the job's, and on the job's own node outside the fence."""
    text = (TOOLS / "listener.py").read_text()
    for host in ("outside", "node1", "node2"):
        cluster.host(host, "sh", "-c", "cat > /root/listener.py", stdin=text)
        cluster.daemon(host, "python3", "/root/listener.py", "--out", "/root/heard.json", *(("--abstract", "aloft", "--kinds") if host != "outside" else ()))
    for host in ("outside", "node1", "node2"):
        for _ in range(600):
            if cluster.try_host(host, "test", "-s", "/root/heard.json").code == 0:
                break
            time.sleep(0.05)
        else:
            raise Failed(f"the listener on {host} did not start. Its log: {cluster.folder.parent}/daemons.log")


def heard(cluster: Cluster) -> dict[str, dict]:
    return {host: json.loads(cluster.host(host, "cat", "/root/heard.json")) for host in ("outside", "node1", "node2")}


def command(cluster: Cluster, folder: str) -> list[str]:
    return ["/usr/bin/python3", folder, "--only", ",".join(name for names in NAMED.values() for name in names),
            "--work", str(Path(folder).parent), "--mark", MARK, "--outside", f"10.{cluster.number}.0.4",
            "--outside6", f"fd00:{cluster.number}::4", "--node", "node2", "--slurm", "ctld"]


def parse(text: str) -> dict[str, dict]:
    attempts = {}
    for line in text.splitlines():
        try:
            one = json.loads(line)
        except ValueError:
            continue
        if isinstance(one, dict) and "name" in one and "result" in one:
            attempts[one["name"]] = one
    return attempts


def lay_down(cluster: Cluster, place: str) -> None:
    """The attempts as a folder at `place`, which every host shares."""
    shutil.copytree(TOOLS / "attempts", cluster.shared(place) / "attempts", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)


def found_outside(cluster: Cluster, user: str) -> dict[str, str]:
    """Where someone outside the fence finds a token: files on the node, in the home folder; shared memory; what a job left that ran."""
    places = {"file-tmp": "/tmp", "file-dev-shm": "/dev/shm", "sbcast": "/var/tmp"} | dict.fromkeys(
        ("sbatch", "file-home", "hard-link", "symbolic-link"), f"/home/{user}")
    found = {}
    for name, folder in places.items():
        path = f"{folder}/{MARK}_{name}_"
        if cluster.try_host("node1", "test", "-e", path).code == 0:
            found[name] = path
    if str(number_of(f"{MARK}_sysv-shm_")) in cluster.host("node1", "cat", "/proc/sysvipc/shm").split():
        found["sysv-shm"] = "shared memory"
    return found


def shorten(text: str, width: int) -> str:
    return text if len(text) <= width else text[:width - 1] + "…"


def show(report: Report, attempts: dict[str, dict]) -> None:
    report.row(f"{'attempt':<52} what stopped it")
    for one in attempts.values():
        report.row(f"{shorten(one['how'], 50):<52} {shorten(one.get('stopped_by', ''), 42)}")


def inside(report: Report, cluster: Cluster) -> int:
    """Returns how many attempts were made."""
    report.say(f"A Python program of e-alice's, submitted as any other, tries to carry the mark {MARK} out. Listeners stand outside the cluster, "
               "on the node that is not its own, and beside it on its own node. (These are some ways; tests/egress/run tries all that we know.)")
    listen(cluster)
    lay_down(cluster, f"/srv/aloft/workspaces/{ENCLAVE}/e-alice")
    job = submit(cluster, "attempts", *command(cluster, "/aloft/workspace/attempts"), nodes=1, ranks=1)
    state = cluster.wait_job(job)
    attempts = parse(job_output(cluster, job))
    if not attempts:
        raise Failed(f"job {job} ({state['JobState']} on {state.get('NodeList')}) shows no attempt: {last_words(cluster, job)}")
    time.sleep(0.5)  # a datagram on its way
    ears, found = heard(cluster), found_outside(cluster, "e-alice")
    for name, one in attempts.items():
        if one["result"] == "out" and name not in found:
            # The call succeeded, but in a place that is the step's own.
            one["stopped_by"] = "done, but nothing of it is outside"
    show(report, attempts)
    total, contacts = (sum(ear[what] for ear in ears.values()) for what in ("bytes", "contacts"))
    report.claim(total == 0 and contacts == 0, "the listeners heard nothing", f"{total} bytes, {contacts} contacts")
    report.claim(not found, f"nothing that {len(attempts)} attempts left is to be found outside the fence", ", ".join(found))
    missing = [name for names in NAMED.values() for name in names if name not in attempts]
    report.claim(not missing, "TCP, UDP, DNS, IPv6, another node, sbatch, sbcast, home, /tmp and /dev/shm were tried", ", ".join(missing))
    unproven = [name for name, one in attempts.items() if one["result"] == "unreached"]
    report.claim(not unproven, "no attempt failed only because nobody was there", ", ".join(unproven))
    told = [line for line in job_output(cluster, job).splitlines() if line.startswith("aloft: blocked:")]
    report.claim(bool(told), "the job's output tells its author what was blocked", f"{len(told)} lines, the first: {told[0]}" if told else "")
    report.figure("inside", {"job": job, "attempts": list(attempts.values()), "heard": ears, "found_outside": found, "told": told})
    return len(attempts)


def control(report: Report, cluster: Cluster, prefix: Path) -> None:
    """The same program on a cluster without the fence: what each attempt of the list is worth."""
    report.say("Now the control: the same program on the same kind of cluster, started without Aloft's plugins.")
    cluster.up(prefix, ENCLAVE, fence="off")
    listen(cluster)
    lay_down(cluster, "/home/e-alice")
    answer = cluster.as_user("e-alice", "sbatch", "--parsable", "--partition", ENCLAVE, "--nodelist", "node1", "--ntasks", "1",
                             "--output", "/home/e-alice/attempts.out", "--wrap", "exec " + " ".join(command(cluster, "/home/e-alice/attempts")))
    job = int(answer.strip().split(";")[0])
    cluster.wait_job(job)
    time.sleep(0.5)
    tried = parse(cluster.shared("/home/e-alice/attempts.out").read_text(errors="replace"))
    # The job that `sbatch` left in the queue runs once its author has ended; a listener may be late, too.
    end = time.monotonic() + 120
    while True:
        ears, found = heard(cluster), found_outside(cluster, "e-alice")
        ways = ears["outside"]["ways"]
        if "sbatch" in found and ears["node2"]["bytes"] and all(ways.get(way, {}).get("bytes") for way in ("tcp4", "udp4", "dns4", "tcp6", "udp6")) or time.monotonic() > end:
            break
        time.sleep(0.2)
    out = {name for name, one in tried.items() if one["result"] == "out"}
    arrived = {"TCP": ways.get("tcp4", {}).get("bytes", 0) > 0, "UDP": ways.get("udp4", {}).get("bytes", 0) > 0,
               "DNS": ways.get("dns4", {}).get("bytes", 0) > 0,
               "IPv6": ways.get("tcp6", {}).get("bytes", 0) > 0 and ways.get("udp6", {}).get("bytes", 0) > 0,
               "another node": ears["node2"]["bytes"] > 0, "sbatch": "sbatch" in found, "sbcast": "sbcast" in found,
               "home": "file-home" in found, "/tmp": "file-tmp" in found, "/dev/shm": "file-dev-shm" in found}
    report.claim(all(arrived.values()), "control: without the fence each of them gets out",
                 "; ".join(f"{what} {'out' if yes else 'NOT'}" for what, yes in arrived.items()))
    report.say(f"Without the fence the listener outside heard {ears['outside']['bytes']} bytes in {ears['outside']['contacts']} contacts; "
               f"{len(out)} of {len(tried)} attempts went through.")
    report.figure("control", {"job": job, "attempts": list(tried.values()), "heard": ears, "found_outside": found, "arrived": arrived})
