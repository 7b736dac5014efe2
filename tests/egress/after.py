"""What is left on a node when a job's Epilog is over, as another account's job finds it there (attempts/residue.py)."""
import json

from common import kernel_log
from residue import in_kernel_log
from stage import Stage

NODE = "node2"


def after_epilog(stage: Stage, program: str) -> None:
    """A job writes, is over, and another account's job has the node as soon as it is free. `program`: the job's own."""
    before = stage.cluster.folder / "srv/world/counters"
    before.write_text(stage.cluster.host(NODE, "cat", "/proc/net/snmp"))
    before.chmod(0o644)
    body = stage.file("residue.sh", f"#!/bin/sh\n{program}\n")
    stage.wait([stage.sbatch("--nodelist=" + NODE, wrap=body)], 120)  # without the fence both would share the node
    reads = stage.sbatch("--nodelist=" + NODE, "--partition=open", "--output=/home/carol/residue.out", user="carol",
                         wrap=f"/usr/bin/python3 /srv/aloft/attempts/residue.py --mark {stage.mark} --before /srv/aloft/world/counters >/home/carol/residue.json")
    stage.wait([reads], 120)
    home = stage.cluster.folder / "home/carol"
    text = (home / "residue.json").read_text()
    if not text:
        raise RuntimeError("the reader after Epilog failed: " + (home / "residue.out").read_text()[-500:])
    found = json.loads(text)["found"]
    for name, entry in found.items():
        stage.note(name, entry["bytes"], entry["at"])
    # The log is the whole machine's: the Epilog of another cluster that is tested here clears it, too. Without the fence that must not hide it.
    log = stage.cluster.host(NODE, "dmesg", "--syslog") if stage.fenced else "".join(kernel_log())
    if size := in_kernel_log(log, stage.token("residue-kernel-log")):
        stage.note("residue-kernel-log", size, "the kernel's log")
