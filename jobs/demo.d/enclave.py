"""Step 2 and the admin's part of step 3: hosts, the site's keys and roles, the service, the enclave."""
import time

from cluster import Cluster
from report import Failed, Report

ENCLAVE = "hel"
ACCOUNTS = ("e-alice", "e-bob")
NODES = ("node1", "node2")
CONFIGS = "/opt/aloft/share/aloft/configs"
WORKSPACES = f"/srv/aloft/workspaces/{ENCLAVE}"


def start_cluster(report: Report, cluster: Cluster, prefix) -> None:
    report.say("Hosts ctld, login, outside, node1 and node2: each with a network, mounts and processes of its own.")
    cluster.up(prefix, ENCLAVE, open_nodes="none")  # an enclave's nodes are its own
    idle = cluster.host("ctld", "sinfo", "-h", "-N", "-p", ENCLAVE, "-t", "idle", "-o", "%N").split()
    report.claim(idle == list(NODES), "two compute nodes are idle in the enclave's partition", " ".join(idle))
    views = {host: cluster.host(host, "readlink", "/proc/self/ns/net", "/proc/self/ns/mnt", "/proc/1/ns/pid").split()
             for host in ("ctld", "login", "outside", *NODES)}
    distinct = all(len({view[kind] for view in views.values()}) == len(views) for kind in range(3))
    report.claim(distinct, "no two hosts share a network, mount or process view")
    config = cluster.host("ctld", "scontrol", "show", "config")
    loaded = [line.split("=")[1].strip() for line in config.splitlines() if line.startswith("JobSubmitPlugins")]
    report.claim(loaded == ["aloft"], "slurmctld runs Aloft's job_submit plugin", " ".join(loaded))


def open_site(report: Report, cluster: Cluster) -> None:
    """What an admin does once per site, as jobs/README.md says it: keys, roles, the service, the enclave."""
    def root(*command):
        return cluster.host("login", *command)

    root("install", "-d", "-o", "aloft", "-g", "aloft", "-m", "0700", "/var/lib/aloft")
    root("install", "-d", "-o", "aloft", "-g", "aloft", "-m", "0755", "/run/aloftd")
    root("install", "-m", "0644", f"{CONFIGS}/clusters/roles.toml", "/etc/aloft/roles.toml")
    root("aloft", "admin", "keys", "service")
    for node in NODES:
        root("aloft", "admin", "keys", "node", node, "--out", f"/root/{node}.key")
    root("aloft", "admin", "keys", "steward", "--out", "/home/steward/steward.key")
    root("chown", "steward:steward", "/home/steward/steward.key")
    start_service(cluster)
    root("aloft", "admin", "enclave", "create", ENCLAVE, "--partition", ENCLAVE, *named("--account", ACCOUNTS), *named("--node", NODES),
         "--software", "/opt/aloft", "--max-minutes", "60")
    early = cluster.try_host("login", "aloft", "admin", "enclave", "open", ENCLAVE)  # no node can have said anything yet
    report.claim(early.code == 5, "before its nodes have been looked at, the enclave cannot be opened", early.last_words)
    root("install", "-d", "-m", "0700", WORKSPACES)
    for account in ACCOUNTS:
        root("install", "-d", "-m", "0700", "-o", account, "-g", account, f"{WORKSPACES}/{account}")
    hand_out_keys(cluster)
    cluster.wait_published(f"enclaves/{ENCLAVE}.json", "login", "ctld", *NODES)
    found = cluster.try_host("login", "sh", "-c", "ls /etc/aloft/keys/*.enclave.key; ls /root/*.key").out.strip()
    report.claim(not found, f"enclave {ENCLAVE} is there; its private key and the nodes' lie on the nodes only", found)
    open_enclave(report, cluster)


def named(option: str, values) -> list[str]:
    return [word for value in values for word in (option, value)]


def start_service(cluster: Cluster) -> None:
    cluster.daemon("login", "setpriv", "--reuid", "aloft", "--regid", "aloft", "--init-groups", "aloftd")
    cluster.daemon("login", "setpriv", "--reuid", "aloft", "--regid", "aloft", "--clear-groups", "aloft-sign")
    up = cluster.try_host("login", "sh", "-c", "for n in $(seq 1800); do [ -S /run/aloftd/aloftd.sock ] && exit 0; sleep 0.05; done; exit 1")
    if up.code:
        raise Failed(f"aloftd did not open its socket. Its log: {cluster.folder.parent}/daemons.log")


def hand_out_keys(cluster: Cluster) -> None:
    """/etc/aloft is the same on every host, but for the private halves: they lie on the nodes only, each node's own on that node."""
    cluster.push("/etc/aloft", "ctld", *NODES)
    for node in NODES:
        cluster.push(f"/root/{node}.key", node)
        cluster.host(node, "mv", f"/root/{node}.key", "/etc/aloft/keys/node.key")
        cluster.host("login", "rm", f"/root/{node}.key")
    for host in ("login", "ctld"):
        cluster.host(host, "rm", f"/etc/aloft/keys/{ENCLAVE}.enclave.key")


def open_enclave(report: Report, cluster: Cluster) -> None:
    """Nothing runs in an enclave before each of its nodes has shown that it can hold it."""
    for node in NODES:
        cluster.host(node, "/opt/aloft/libexec/aloft/aloft-node", "preflight", "--report")
    for _ in range(240):  # aloftd collects the signed reports within seconds
        opened = cluster.try_host("login", "aloft", "admin", "enclave", "open", ENCLAVE, "--json")
        if opened.code != 5:
            break
        time.sleep(0.5)
    report.claim(opened.code == 0, f"both nodes passed their preflight, and enclave {ENCLAVE} is open", opened.last_words if opened.code else "")
