"""configs/packages/INSTALL.md as an admin types it: from nothing to the first job's output, on two hosts that systemd has booted, with sshd,
munge and Slurm's daemons as Debian brings them. "svc" is the service's host, the controller and a login host; "n1" is the node. The document's
second node is left out; what it tells the reader to edit is edited here. The root has all packages; n1 keeps those of a node alone."""
import json
import os
import pathlib
import re
import subprocess

from booted import Booted

EXTRA = "systemd-sysv dbus munge slurm-wlm libpmix-dev nftables iproute2 openssh-server python3-numpy"
ACCOUNTS = ("admin", "steward", "reviewer1", "reviewer2", "reviewer3", "reviewer4", "e-alice")
SLURM = r"""sed -i -E 's/^SlurmctldHost=.*/SlurmctldHost=svc/; s/^NodeName=.*/NodeName=n1 CPUs=2 RealMemory=4000/; /^PartitionName=open/d
    s/^(PartitionName=hel) Nodes=[^ ]*/\1 Nodes=n1/' /etc/slurm/slurm.conf"""
QUESTION = r'''sed -i 's/^title = ""/title = "Whom does a biopsy call back?"/; s/digits@1/wdbc@1/; s/= "\{3\}$/&Thirty measurements tell benign from malignant./' /home/e-alice/question.toml'''
EDITS = (("aloft admin site init  ", ""), ("/etc/slurm/$file.conf", SLURM), ("apply create", QUESTION))   # after the line that holds this


def prepare(inside) -> None:
    """What a site has before Aloft comes: Slurm and munge installed, accounts, hosts that know each other. `inside` runs a script in the root."""
    version1 = "" if pathlib.Path("/sys/fs/cgroup/unified").is_dir() else "sed -i /^CgroupPlugin/d /opt/aloft/share/aloft/configs/clusters/cgroup.conf.example\n"
    inside(f"DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends {EXTRA} > /dev/null\n{version1}"
           "rm -f /etc/ssh/ssh_host_*; ssh-keygen -q -A; mkdir -p -m 700 /root/.ssh; ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519\n"
           "cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys; printf 'StrictHostKeyChecking accept-new\\nConnectionAttempts 20\\n' > /root/.ssh/config\n"
           "printf '127.0.0.1 localhost\\n10.77.0.2 svc\\n10.77.0.11 n1\\n' > /etc/hosts; : > /etc/resolv.conf; rm -f /usr/sbin/policy-rc.d\n"
           "systemctl disable slurmd slurmctld > /dev/null 2>&1; deluser --quiet intake || true\n"
           + "".join(f"useradd -m {account}\n" for account in ACCOUNTS))


def blocks(document: str) -> list[list[list[str]]]:
    """The sections' blocks of commands, a command of several lines as one."""
    sections = []
    for part in re.split(r"(?m)^## \d.*$", document)[1:]:
        found = [[]]
        for line in part.splitlines():
            if line.startswith("    "):
                found[-1].append(line[4:])
            elif found[-1]:
                found.append([])
        sections.append([block for block in found if block])
    return sections


def script(block: list[str]) -> str:
    lines = []
    for line in block:
        line = line.replace("n1 n2", "n1").replace(" --node n2", "").replace("apt install", "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install")
        lines.append(line)
        lines += [edit for mark, edit in EDITS if mark in line and "dit" in line]
    return "cd /usr/local/src\n" + "\n".join(lines)


def connect(service: Booted, node: Booted) -> None:
    subprocess.run(["ip", "link", "add", "aloftsvc", "type", "veth", "peer", "name", "aloftn1"], check=True)
    for host, cable, address in ((service, "aloftsvc", 2), (node, "aloftn1", 11)):
        subprocess.run(["ip", "link", "set", cable, "netns", str(host.init)], check=True)
        host.run(f"ip link set {cable} name eth0; ip addr add 10.77.0.{address}/24 dev eth0; ip link set eth0 up; systemctl restart ssh munge")


def until(host: Booted, command: str, what: str) -> None:
    host.run(f"for i in $(seq 1500); do {command} > /tmp/said 2>&1 && exit 0; sleep 0.2; done; echo 'not reached: {what}'; cat /tmp/said; exit 1")


def walk(root: pathlib.Path, document: pathlib.Path, scratch: pathlib.Path, make_tables) -> str:
    """Runs all of it; what the job's watcher said. `make_tables(folder)` writes the hospitals' tables into it."""
    srv, home = scratch / "srv", scratch / "home"
    srv.mkdir(mode=0o755)
    subprocess.run(["cp", "-a", root / "home", home], check=True)
    make_tables(srv / "incoming")
    subprocess.run(["chmod", "-R", "a+rX", srv], check=True)
    first, others, nodes, enclave, slurm, job, *_ = blocks(document.read_text())
    with Booted(root, "svc", [srv, home]) as service, Booted(root, "n1", [srv, home]) as node:
        connect(service, node)
        node.run("apt-get -qq -y purge aloft aloft-service aloft-stage > /dev/null; rm -rf /var/lib/aloft")
        service.run(script(first[0]))
        service.run(script(others[0]))
        node.run(script(nodes[0]))
        service.run(script(nodes[1]))
        service.run(script(enclave[0]))
        service.run(script(slurm[0]))
        until(service, "test \"$(sinfo -h -p hel -o %T)\" = idle", "an idle node")
        until(node, "test -e /run/aloft-mirror/enclaves/hel.json", "the policy of the enclave on its node")
        service.run(script(slurm[1][:1]))
        until(service, "aloft admin preflight hel", "a node that may hold the enclave")
        service.run(script(slurm[1][1:]))   # aloft doctor on the node among it: nothing is wrong there
        for host, roles in ((node, "every node trainer"), (service, "every service controller intake trainer")):
            told = json.loads(host.run("aloft doctor --json 2> /dev/null"))
            assert (told["roles"], told["misses"]) == (roles.split(), 0), told
        service.run(script(job[0]))
        service.run(script(job[1]))  # its last command returns when this host knows the grant
        until(node, "ls /run/aloft-mirror/grants/* /run/aloft-mirror/keys/*", "the grant on the node")
        said = service.run(script(job[2]))
        failed = [host.run("systemctl --failed --plain --no-legend").strip() for host in (service, node)]
        assert failed == ["", ""], failed
        for host, unit, event in ((service, "aloftd", "aloftd_ready"), (service, "aloft-sign", "aloft_sign_ready"), (node, "aloft-node", "agent_started"),
                                  (node, "aloft-mirror", "aloft_mirror_ready")):   # as fields of the journal
            host.run(f"test -n \"$(journalctl -q -o cat -u {unit} ALOFT_EVENT={event} PRIORITY=6)\"")
        return said
