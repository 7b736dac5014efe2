"""What is left on a node when a job's Epilog is over, as another account's job finds it there (attempts/residue.py)."""
import json

from common import kernel_log
from residue import in_kernel_log
from stage import Stage

NODE = "node2"
OF_THE_MACHINE = "residue-page-cache"  # one for all network and mount namespaces; kernel_log() knows the other


def after_epilog(stage: Stage, program) -> None:
    """A job writes, is over, and another account's job has the node as soon as it is free. `program(*more)`: the job's own, with options."""
    before = stage.cluster.folder / "srv/world/counters"
    before.write_text(stage.cluster.host(NODE, "cat", "/proc/net/snmp"))
    before.chmod(0o644)
    found = written_and_read(stage, program(f">{stage.work}/after.jsonl"))
    # The Epilog of another cluster that is tested on this machine forgets for all. Without the fence that must not hide what works.
    for _ in range(0 if stage.fenced else 40):
        if OF_THE_MACHINE in found:
            break
        found |= written_and_read(stage, program("--only", OF_THE_MACHINE), "--only", OF_THE_MACHINE)
    for name, entry in found.items():
        stage.note(name, entry["bytes"], entry["at"])
    log = stage.cluster.host(NODE, "dmesg", "--syslog") if stage.fenced else "".join(kernel_log())
    if size := in_kernel_log(log, stage.token("residue-kernel-log")):
        stage.note("residue-kernel-log", size, "the kernel's log")


def written_and_read(stage: Stage, program: str, *options: str) -> dict:
    """What the reader finds, by name."""
    body = stage.file("residue.sh", f"#!/bin/sh\n{program}\n")
    stage.wait([stage.sbatch("--nodelist=" + NODE, wrap=body)])  # without the fence both would share the node
    reader = " ".join(["/usr/bin/python3 /srv/aloft/attempts/residue.py --mark", stage.mark, "--before /srv/aloft/world/counters", *options])
    reads = stage.sbatch("--nodelist=" + NODE, "--partition=open", "--output=/home/carol/residue.out", user="carol", wrap=f"{reader} >/home/carol/residue.json")
    stage.wait([reads])
    home = stage.cluster.folder / "home/carol"
    text = (home / "residue.json").read_text()
    if not text:
        raise RuntimeError("the reader after Epilog failed: " + (home / "residue.out").read_text()[-500:])
    return json.loads(text)["found"]
