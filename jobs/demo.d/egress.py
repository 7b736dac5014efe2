"""Step 7: the researcher's own program tries to carry a mark out; then the same program on a cluster without the fence."""
import json
import time
from pathlib import Path

from cluster import HERE, Cluster
from enclave import ENCLAVE
from report import Failed, Report
from training import job_output, last_words, submit

TOOLS = HERE.parent.parent / "tests/egress"
MARK = "ALOFTMARK7"
# What an attempt of the list in the issue is called in attempts.py.
NAMED = {"TCP": ["tcp"], "UDP": ["udp"], "DNS": ["dns-direct", "dns-resolver"], "IPv6": ["tcp6", "udp6"], "another node": ["other-node"],
         "sbatch": ["sbatch"], "sbcast": ["sbcast"], "home": ["file-home"], "/tmp": ["file-tmp"], "/dev/shm": ["file-dev-shm"]}


def listen(cluster: Cluster) -> None:
    """Listeners outside the cluster, on the node that is not the job's, and on the job's own node outside the fence."""
    text = (TOOLS / "listener.py").read_text()
    for host in ("outside", "node1", "node2"):
        cluster.host(host, "sh", "-c", "cat > /root/listener.py", stdin=text)
        cluster.daemon(host, "python3", "/root/listener.py", "--out", "/root/heard.json", *(("--abstract", "aloft-listener")
                                                                                      if host != "outside" else ()))
    for host in ("outside", "node1", "node2"):
        for _ in range(100):
            if cluster.try_host(host, "test", "-s", "/root/heard.json").code == 0:
                break
            time.sleep(0.05)
        else:
            raise Failed(f"the listener on {host} did not start. Its log: {cluster.folder.parent}/daemons.log")


def heard(cluster: Cluster) -> dict[str, dict]:
    return {host: json.loads(cluster.host(host, "cat", "/root/heard.json")) for host in ("outside", "node1", "node2")}


def command(cluster: Cluster, script: str) -> list[str]:
    return ["/usr/bin/python3", script, "--mark", MARK, "--outside", f"10.{cluster.number}.0.4",
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


def found_outside(cluster: Cluster, attempts: dict[str, dict], user: str) -> dict[str, str]:
    """Where someone outside the fence finds the mark: files on the node, in the home folder; shared memory; jobs that ran."""
    found = {}
    for name, one in attempts.items():
        left = one.get("left", "")
        if left.startswith("/") and cluster.try_host("node1", "test", "-e", left).code == 0:
            found[name] = left
        elif left.startswith("shm:") and left[4:].removeprefix("0x") in cluster.host("node1", "cat", "/proc/sysvipc/shm"):
            found[name] = left
    key = str(int.from_bytes(MARK.encode()[:4], "little") & 0x7FFFFFFF)
    if key in cluster.host("node1", "cat", "/proc/sysvipc/shm").split():
        found["sysv-shm"] = "shared memory"
    for name, path in (("sbatch", f"/home/{user}/{MARK}-sbatch"), ("sbcast", f"/tmp/{MARK}-sbcast")):
        if cluster.try_host("node1", "test", "-e", path).code == 0:
            found[name] = path
    return found


def shorten(text: str, width: int) -> str:
    return text if len(text) <= width else text[:width - 1] + "…"


def show(report: Report, attempts: dict[str, dict]) -> None:
    report.row(f"{'attempt':<52} what stopped it")
    for one in attempts.values():
        report.row(f"{shorten(one['how'], 50):<52} {shorten(one.get('stopped_by', ''), 42)}")


def inside(report: Report, cluster: Cluster) -> int:
    """Returns how many attempts were made."""
    report.say(f"A Python program of e-alice's, submitted as any other, tries to carry the mark {MARK} out in every way that it knows. Listeners "
               "stand outside the cluster, on the node that is not its own, and beside it on its own node.")
    listen(cluster)
    cluster.as_user("e-alice", "sh", "-c", "cat > /aloft/workspace/attempts.py", stdin=(TOOLS / "attempts.py").read_text())
    job = submit(cluster, "attempts", *command(cluster, "/aloft/workspace/attempts.py"), nodes=1, ranks=1)
    state = cluster.wait_job(job, timeout=120)
    attempts = parse(job_output(cluster, job))
    if not attempts:
        raise Failed(f"job {job} ({state['JobState']} on {state.get('NodeList')}) shows no attempt: {last_words(cluster, job)}")
    time.sleep(0.5)  # a datagram on its way
    ears, found = heard(cluster), found_outside(cluster, attempts, "e-alice")
    for name, one in attempts.items():
        if one["result"] == "out" and name not in found:
            # A private place: the call succeeded, and nobody outside finds anything there.
            one["stopped_by"] = "private to the step: gone with it" if one.get("left") else "arrived nowhere"
    show(report, attempts)
    total, contacts = (sum(ear[what] for ear in ears.values()) for what in ("bytes", "contacts"))
    report.claim(total == 0 and contacts == 0, "the listeners heard nothing", f"{total} bytes, {contacts} contacts")
    report.claim(not found, f"nothing that {len(attempts)} attempts left is to be found outside the fence", ", ".join(found))
    missing = [what for what, names in NAMED.items() if not any(n in attempts for n in names)]
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
    cluster.as_user("e-alice", "sh", "-c", "cat > attempts.py", stdin=(TOOLS / "attempts.py").read_text())
    answer = cluster.as_user("e-alice", "sbatch", "--parsable", "--partition", ENCLAVE, "--nodelist", "node1", "--ntasks", "1",
                             "--output", "/home/e-alice/attempts.out", "--wrap", "exec " + " ".join(command(cluster, "/home/e-alice/attempts.py")))
    job = int(answer.strip().split(";")[0])
    cluster.wait_job(job, timeout=120)
    time.sleep(0.5)
    tried = parse(cluster.shared("/home/e-alice/attempts.out").read_text(errors="replace"))
    ears, found = heard(cluster), {}
    # The job that `sbatch` left in the queue runs once its author has ended.
    for _ in range(50):
        found = found_outside(cluster, tried, "e-alice")
        if "sbatch" in found:
            break
        time.sleep(0.2)
    out = {name for name, one in tried.items() if one["result"] == "out"}
    ways = ears["outside"]["ways"]
    arrived = {"TCP": ways.get("tcp4", {}).get("bytes", 0) > 0, "UDP": ways.get("udp4", {}).get("bytes", 0) > 0,
               "DNS": ways.get("dns4", {}).get("bytes", 0) > 0,
               "IPv6": ways.get("tcp6", {}).get("bytes", 0) > 0 and ways.get("udp6", {}).get("bytes", 0) > 0,
               "another node": ears["node2"]["bytes"] > 0, "sbatch": "sbatch" in found, "sbcast": "sbcast" in found,
               "home": "file-home" in found, "/tmp": "file-tmp" in found, "/dev/shm": "file-dev-shm" in found}
    report.claim(all(arrived.values()), "control: without the fence each of them gets out",
                 "; ".join(f"{what} {'out' if yes else 'NOT'}" for what, yes in arrived.items()))
    report.say(f"Without the fence the listener outside heard {ears['outside']['bytes']} bytes in {ears['outside']['contacts']} contacts; "
               f"{len(out)} of {len(tried)} attempts went through (others need root or what this kernel lacks).")
    report.figure("control", {"job": job, "attempts": list(tried.values()), "heard": ears, "found_outside": found, "arrived": arrived})
