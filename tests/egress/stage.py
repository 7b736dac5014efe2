"""A cluster with everything that a battery needs: two enclaves, listeners outside and beside the job, a capture of the nodes' cables."""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "attempts"), str(HERE.parent.parent / "jobs/demo.d")]

import local  # noqa: E402
from cluster import STATES_OVER, Cluster  # noqa: E402
from common import Stopped  # noqa: E402

NODES = 4  # node1, node2: the job's; node3: an open job's; node4: another enclave's
PROGRAMS = ("listener.py", "stranger.py", "caller.py", "look.py", "search.py")


class Stage:
    def __init__(self, number: int, prefix: Path, build: Path, scratch: Path, fenced: bool, mark: str):
        self.fenced, self.mark, self.scratch, self.build = fenced, mark, scratch, build
        self.cluster = Cluster(scratch / "cluster", number, scratch / "log")
        self.prefix, self.number = prefix, number
        self.outside, self.outside6 = f"10.{number}.0.4", f"fd00:{number}::4"
        self.node = {k: f"10.{number}.0.{10 + k}" for k in range(1, NODES + 1)}
        self.work = "/aloft/workspace" if fenced else "/home/e-alice/work"
        self.data = "/aloft/data/digits@1" if fenced else "/srv/aloft/datasets/digits/1"
        self.seen: dict[str, dict] = {}
        self.job, self.step = 0, 0  # of the job on one node, for those who reach into it
        self.began = time.time()
        self.partition = [] if fenced else ["--partition=open"]
        self.held: list[int] = []
        self.waiting: list[tuple[str, int]] = []
        self.one_note = threading.Lock()
        self.patience = 2 if fenced else 10  # without the fence an answer is expected
        self.sniffers: list[tuple[subprocess.Popen, Path]] = []
        self.second: subprocess.Popen | None = None
        self.card2 = "192.0.2.1"  # of node1 on the network of its second card

    # --- up

    def up(self) -> None:
        # The files with which Aloft's own plugins are not loaded stand in the harness.
        self.cluster.up(self.prefix, "hel", fence="on" if self.fenced else "off", nodes=NODES)
        shutil.copy(self.build / "tests/cluster/cluster_authority", self.cluster.folder / "srv/authority")
        for name in PROGRAMS:
            shutil.copy(HERE / name, self.cluster.folder / "srv" / name)
        shutil.copytree(HERE / "attempts", self.cluster.folder / "srv/attempts", ignore=shutil.ignore_patterns("__pycache__"))
        self.configure()
        self.make_enclaves()
        self.make_second_network()
        self.make_places()
        self.listen()
        self.capture()

    def configure(self) -> None:
        """A second enclave's partition, and a mail program. The control run's controller shows jobs to everybody, as Slurm does."""
        mailer = self.cluster.folder / "srv/mailer"
        mailer.write_text('#!/bin/sh\necho "$@" >> /srv/aloft/world/mails\n')
        mailer.chmod(0o755)
        for conf in self.cluster.folder.glob("*/root/etc/slurm/slurm.conf"):
            lines = conf.read_text().splitlines()
            if not self.fenced:
                lines = [line for line in lines if not line.startswith("PrivateData=")]
            lines += ["PartitionName=two Nodes=node4 MaxTime=1440 OverSubscribe=EXCLUSIVE State=UP", "MailProg=/srv/aloft/mailer"]
            conf.write_text("\n".join(lines) + "\n")
        self.cluster.host("ctld", "scontrol", "reconfigure")

    def make_enclaves(self) -> None:
        c = self.cluster
        for name, account, nodes in (("hel", "e-alice", (1, 2, 3, 4)), ("two", "e-bob", (4,))):
            text = (f'name = "{name}"\npartition = "{name}"\naccounts = ["{account}"]\nnodes = {json.dumps([f"node{k}" for k in nodes])}\n'
                    'software = ["/opt/aloft", "/srv/aloft/software"]\nmax_minutes = 60\n')
            (c.folder / f"login/root/etc/aloft/enclaves/{name}.toml").write_text(text)
            home = c.folder / "srv/workspaces" / name
            home.mkdir(mode=0o700)
            uid = {"e-alice": 70001, "e-bob": 70002}[account]
            (home / account).mkdir(mode=0o700)
            os.chown(home / account, uid, uid)
        self.authority("keys")
        self.authority("revocations")
        self.authority("seal", "digits@1")
        c.host("login", "/srv/aloft/authority", "grant", "--uid", "70001", "--account", "e-alice", "--dataset", "digits@1")
        c.host("login", "/srv/aloft/authority", "--enclave", "two", "grant", "--uid", "70002", "--account", "e-bob", "--id", "G-TWO",
               "--dataset", "digits@1")
        nodes = [f"node{k}" for k in range(1, NODES + 1)]
        c.push("/etc/aloft/enclaves", *nodes, "ctld")
        c.push("/etc/aloft/keys/grant.pub", *nodes, "ctld")
        for enclave in ("hel", "two"):
            c.push(f"/etc/aloft/keys/{enclave}.enclave.key", *nodes)
        for node in nodes if self.fenced else ():
            c.host(node, "/opt/aloft/libexec/aloft/aloft-node", "init")

    def authority(self, *words) -> None:
        self.cluster.host("login", "/srv/aloft/authority", "--enclave", "hel", "--enclave", "two", *words)

    def make_second_network(self) -> None:
        """node1's second card, and on its network a host that has both nodes' addresses; it goes with the cluster (its name)."""
        there, node1 = f"aloft{self.number}-second", f"aloft{self.number}-node1"
        for words in (f"netns add {there}", f"-n {node1} link add eth1 type veth peer name eth0 netns {there}", f"-n {node1} addr add {self.card2}/24 dev eth1",
                      f"-n {node1} link set eth1 up", f"-n {there} addr add 192.0.2.2/24 dev eth0", f"-n {there} addr add {self.node[1]}/32 dev eth0", f"-n {there} addr add {self.node[2]}/32 dev eth0",
                      f"-n {there} link set eth0 up", f"-n {there} link set lo up"):
            subprocess.run(["ip", *words.split()], check=True)
        self.cluster.host("node1", "sysctl", "-qw", "net.ipv4.conf.eth1.route_localnet=1")
        self.second = subprocess.Popen(["nsenter", f"--net=/run/netns/{there}", "/usr/bin/python3", HERE / "listener.py", "--mark", self.mark, "--dns", "0",
                                        "--out", self.scratch / "second.json"])
        self.until(lambda: (self.scratch / "second.json").exists(), "the listener on the second network")

    def make_places(self) -> None:
        """What a site may have that makes a way out: a world-writable shared folder, nodes that forward, echo sockets for everybody."""
        folder = self.cluster.folder
        world = folder / "srv/world"
        world.mkdir()
        world.chmod(0o1777)
        if not self.fenced:  # a site that lets everybody read its datasets
            (folder / "srv/datasets").chmod(0o755)
        data = folder / "srv/datasets/digits/1"
        software = folder / "srv/software"  # a tree of programs on the shared file system, as sites have it
        software.mkdir()
        for tree in (data, software):
            for name in ("shared-file", "touched-file"):
                (tree / name).write_text("0" * 4096)
            os.utime(tree / "touched-file", (1000000, 2000000))
        if not self.fenced:
            work = folder / "home/e-alice/work"
            work.mkdir()
            os.chown(work, 70001, 70001)
        shutil.copytree(HERE / "attempts", self.place() / "attempts", ignore=shutil.ignore_patterns("__pycache__"))
        for k in range(1, NODES + 1):
            self.cluster.host(f"node{k}", "sh", "-c", """
                for a in e-alice e-bob carol; do echo "$a:!:19000:0:99999:7:::" >>/etc/shadow; done
                mkdir -p /scratch /run/lock /var/spool/cron/crontabs /var/mail /srv/aloft/spool/$(hostname) && chmod 1777 /scratch
                sysctl -qw net.ipv4.ping_group_range='0 2147483647' net.ipv4.ip_forward=1 net.ipv4.conf.all.accept_source_route=1
                sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.tcp_fastopen=3""")
        self.cluster.host("outside", "sysctl", "-qw", "net.ipv4.tcp_fastopen=3")

    def place(self) -> Path:
        """The job's folder, as this machine sees it."""
        return self.cluster.folder / ("srv/workspaces/hel/e-alice" if self.fenced else "home/e-alice/work")

    def listen(self) -> None:
        paths = [word for path in local.DAEMONS.values() for word in ("--path", path)]
        paths += [word for path in local.DATAGRAM_DAEMONS.values() for word in ("--path", "datagram:" + path)]
        for host, more in (("outside", ["--more", "443"]), ("login", []), ("node3", []), ("node2", ["--more", "22,80,111"]),
                           ("node1", ["--more", "22", "--abstract", "aloft", "--kinds", "--give", self.outside, "--netlink", *paths])):
            self.start_listener(host, f"/root/{host}.json", *more)

    def start_listener(self, host: str, out: str, *more, user: str = "") -> None:
        become = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] if user else []
        self.cluster.daemon(host, *become, "/usr/bin/python3", "/srv/aloft/listener.py", "--out", out, "--mark", self.mark, *more)
        self.until(lambda: self.cluster.try_host(host, "test", "-s", out).code == 0, f"the listener on {host}")

    def capture(self) -> None:
        self.sniff("wire", [], *(f"al{self.number}-node{k}" for k in (1, 2)))
        self.sniff("wire2", ["nsenter", f"--net=/run/netns/aloft{self.number}-second"], "eth0")

    def sniff(self, name: str, within: list[str], *interfaces: str) -> None:
        out = self.scratch / name
        self.sniffers.append((subprocess.Popen([*within, sys.executable, HERE / "sniffer.py", "--out", out, *interfaces]), out))
        self.until(lambda: out.with_name(name + ".ready").exists(), "the sniffer")

    def until(self, is_so, what: str, seconds: float = 300) -> None:
        end = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > end:
                raise RuntimeError(f"{what} did not come up in {seconds:.0f} s; log: {self.cluster.log}")
            time.sleep(0.05)

    def end_capture(self) -> dict:
        """How many frames were seen and dropped."""
        report = {"frames": 0, "dropped": 0}
        for sniffer, out in self.sniffers:
            sniffer.send_signal(signal.SIGTERM)
            sniffer.wait(120)
            for key, count in json.loads(out.with_name(out.name + ".json").read_text()).items():
                report[key] += count
        self.sniffers = []
        if self.second:
            self.second.terminate()
            self.second.wait(120)
            self.second = None
        return report

    # --- what attempts from the login host use

    def token(self, name: str) -> str:
        return f"{self.mark}_{name}_"

    def note(self, name: str, size: int, where: str) -> None:
        with self.one_note:
            entry = self.seen.setdefault(name, {"bytes": 0, "at": where})
            entry["bytes"] += size

    def note_in(self, text: str, where: str) -> None:
        """Every token in what somebody outside reads."""
        for name in set(re_tokens(self.mark, text)):
            self.note(name, len(self.token(name)), where)

    def run(self, user: str, *command, stdin: str | None = None, patience: int = 0) -> str:
        """As `user` on the login host; Stopped with its last words if it fails, or says nothing for some seconds."""
        patience = patience or self.patience
        done = self.cluster.try_as(user, "timeout", patience + 1, *command, timeout=patience + 6, stdin=stdin)
        if done.code:
            raise Stopped(done.last_words[:160] if done.code != 124 else f"no answer in {patience + 1} s")
        return done.out

    def sbatch(self, *options, wrap: str = "true", script: str = "", user: str = "e-alice", held: bool = False) -> int:
        words = ["sbatch", "--parsable", "--nodes=1", "--ntasks=1", "--time=10"]
        if not self.fenced and user == "e-alice" and not any(str(one).startswith("--partition") for one in options):
            words += ["--partition=open"]
        if not self.fenced and user == "e-alice" and not any(str(one).startswith("--chdir") for one in options):
            words += ["--chdir=" + self.work]
        words += ["--hold"] if held else []
        # It is answered at once, also where it is refused; most of what follows needs the job.
        out = self.run(user, *words, *options, *([] if script else ["--wrap", wrap]), stdin=script or None, patience=60)
        return int(out.strip().split(";")[0])

    def state(self, job: int) -> str:
        return self.cluster.job_state(job).get("JobState", "")

    def wait(self, jobs: list[int], seconds: float = 300) -> None:
        self.until(lambda: all(self.state(job) in (*STATES_OVER, "") for job in jobs), f"the end of jobs {jobs}", seconds)

    def file(self, name: str, text: str, mode: int = 0o755) -> str:
        """A file in the job's folder; its path for the job."""
        path = self.place() / name
        path.write_text(text)
        path.chmod(mode)
        os.chown(path, 70001, 70001)
        return f"{self.work}/{name}"


    def profile(self, line: str) -> None:
        """The account's login profile."""
        path = self.cluster.folder / "home/e-alice/.profile"
        path.write_text(line + "\n")
        os.chown(path, 70001, 70001)

    def preload(self, name: str) -> str:
        """A library that leaves a token in the home folder as soon as it is loaded; its path for the job."""
        token = self.token(name)
        code = (f'#include <stdio.h>\n__attribute__((constructor)) static void start(void) {{ FILE* f = fopen("/home/e-alice/{token}", "w");'
                f' if (f) {{ fputs("{token}", f); fclose(f); }} }}\n')
        source, library = self.scratch / f"{name}.c", self.place() / f"{name}.so"
        source.write_text(code)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
        library.chmod(0o755)
        return f"{self.work}/{name}.so"

    @contextlib.contextmanager
    def stranger(self, node: str, account: str, connect: str = ""):
        """A process of `account` on `node`, outside any job."""
        out = f"/srv/aloft/world/stranger-{node}-{account}.json"  # Epilog looks through all that is the node's own
        self.cluster.daemon(node, "setpriv", "--reuid", account, "--regid", account, "--clear-groups", "/usr/bin/python3",
                            "/srv/aloft/stranger.py", "--out", out, "--mark", self.mark, "--connect", connect or self.outside)
        self.until(lambda: self.cluster.try_host(node, "test", "-s", out).code == 0, f"a process of {account} on {node}")
        about = json.loads(self.cluster.host(node, "cat", out))
        self.file(f"stranger.{node}", str(about["pid"]), 0o644)
        self.file(f"terminal.{node}", about["terminal"], 0o644)
        try:
            yield
        finally:
            for name, size in json.loads(self.cluster.host(node, "cat", out))["tokens"].items():
                self.note(name, size, f"a process of {account} on {node}")
            self.cluster.try_host(node, "kill", about["pid"])
            self.cluster.try_host(node, "rm", "-f", out)

    def is_drained(self, node: str) -> bool:
        return "drain" in self.cluster.host("ctld", "sinfo", "-h", "-n", node, "-o", "%T")

    def resume(self, node: str) -> None:
        if self.is_drained(node):
            self.cluster.host("ctld", "scontrol", "update", "nodename=" + node, "state=resume")
            self.until(lambda: not self.is_drained(node), f"{node} in service")


def re_tokens(mark: str, text: str) -> list[str]:
    return re.findall(re.escape(mark) + "_([a-z0-9-]+)_", text)
