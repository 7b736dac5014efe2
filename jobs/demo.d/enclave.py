"""Step 2 and the admin's part of step 3: hosts, the site's keys and roles, the service, the enclave."""
from cluster import Cluster
from report import Failed, Report

ENCLAVE = "hel"
SERVICE = ("setpriv", "--reuid", "aloft", "--regid", "aloft", "--clear-groups", "aloftd")
CONFIGS = "/opt/aloft/share/aloft/configs"
ROLES = """# Who may do what at this site. Edited by root.
[accounts]
admin = ["admin"]
intake = ["intake"]
steward = ["steward"]
reviewer1 = ["reviewer-technical", "release-reviewer"]
reviewer2 = ["reviewer-legal", "release-reviewer"]
reviewer3 = ["reviewer-platform"]
reviewer4 = ["reviewer-research"]
"""


def start_cluster(report: Report, cluster: Cluster, prefix) -> None:
    report.say("Hosts ctld, login, outside, node1 and node2: each with a network, mounts and processes of its own.")
    cluster.up(prefix, ENCLAVE)
    idle = cluster.host("ctld", "sinfo", "-h", "-N", "-p", ENCLAVE, "-t", "idle", "-o", "%N").split()
    report.claim(idle == ["node1", "node2"], "two compute nodes are idle in the enclave's partition", " ".join(idle))
    views = {host: cluster.host(host, "readlink", "/proc/self/ns/net", "/proc/self/ns/mnt", "/proc/1/ns/pid").split()
             for host in ("ctld", "login", "outside", "node1", "node2")}
    distinct = all(len({view[kind] for view in views.values()}) == len(views) for kind in range(3))
    report.claim(distinct, "no two hosts share a network, mount or process view")
    plugins = cluster.host("ctld", "scontrol", "show", "config")
    loaded = [line.split("=")[1].strip() for line in plugins.splitlines() if line.startswith("JobSubmitPlugins")]
    report.claim(loaded == ["aloft"], "slurmctld runs Aloft's job_submit plugin", " ".join(loaded))


def open_site(report: Report, cluster: Cluster) -> None:
    """What an admin does once per site, as jobs/README.md says it: keys, roles, the service, the enclave."""
    def root(*command):
        return cluster.host("login", *command)

    nodes = ("node1", "node2")
    root("install", "-d", "-o", "aloft", "-g", "aloft", "-m", "0700", "/var/lib/aloft")
    root("install", "-d", "-o", "aloft", "-g", "aloft", "-m", "0755", "/run/aloft")
    cluster.host("login", "sh", "-c", "cat > /etc/aloft/roles.toml && chmod 644 /etc/aloft/roles.toml", stdin=ROLES)
    root("aloft", "admin", "keys", "service")
    for node in nodes:
        root("aloft", "admin", "keys", "node", node, "--out", f"/root/{node}.key")
    root("aloft", "admin", "keys", "steward", "--out", "/home/steward/steward.key")
    root("chown", "steward:steward", "/home/steward/steward.key")
    root("aloft", "admin", "enclave", "create", ENCLAVE, "--partition", ENCLAVE, "--account", "e-alice", "--account",
         "e-bob", "--node", "node1", "--node", "node2", "--software", "/opt/aloft", "--max-minutes", "60")
    cluster.push("/etc/aloft", "ctld", *nodes)
    # Private halves live on the nodes only, each node's own key on that node.
    for node in nodes:
        cluster.push(f"/root/{node}.key", node)
        cluster.host(node, "mv", f"/root/{node}.key", "/etc/aloft/keys/node.key")
        root("rm", f"/root/{node}.key")
    for host in ("login", "ctld"):
        cluster.host(host, "rm", f"/etc/aloft/keys/{ENCLAVE}.enclave.key")
    cluster.daemon("login", *SERVICE)
    up = cluster.try_host("login", "sh", "-c", "for n in $(seq 100); do [ -S /run/aloft/aloftd.sock ] && exit 0; sleep 0.05; done; exit 1")
    if up.code:
        raise Failed(f"aloftd did not open its socket. Its log: {cluster.folder.parent}/daemons.log")
    found = cluster.try_host("login", "sh", "-c", "ls /etc/aloft/keys/*.enclave.key; ls /root/*.key").out.strip()
    report.claim(not found, f"enclave {ENCLAVE} is there; its private key and the nodes' lie on the nodes only", found)
