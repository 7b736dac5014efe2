"""Tries to carry a mark out of an enclave, each way with its own mechanism; says what happened.

    python3 attempts --mark TEXT --outside ADDRESS [--outside6 ADDRESS] [--node HOST] [--slurm HOST] [--only NAME,NAME...]

The folder is the program. Prints one JSON object per attempt:
    {"name": "tcp", "where": "step", "how": "connect and send to outside", "layer": "cgroup BPF, ...", "result": "stopped",
     "stopped_by": "EPERM: cgroup BPF, ...", "seconds": 0.004}
result: "out"       the calls that carry the mark succeeded; whether it arrived is for those who look outside to say
        "stopped"   one failed; stopped_by names the error and the layer that gives it
        "unreached" it failed because nobody was there (refused, no route, no such host): nothing is proved
        "broken"    the attempt itself is at fault
The mark is letters and digits; each attempt sends MARK_NAME_. Python's standard library only.
"""
import argparse
import json
import os
import sys
import time

import cards  # noqa: F401  each registers its attempts
import client  # noqa: F401
import files  # noqa: F401
import kernel  # noqa: F401
import local  # noqa: F401
import network  # noqa: F401
import protocols  # noqa: F401
import ranks
import reported  # noqa: F401
import reported_programs  # noqa: F401
import reported_runtimes  # noqa: F401
import residue  # noqa: F401
from common import ATTEMPTS, Target, end, run_all

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--mark", required=True)
parser.add_argument("--outside", required=True, help="IPv4 address on which listener.py listens")
parser.add_argument("--outside6", default="::1", help="its IPv6 address")
parser.add_argument("--node", default="node2", help="a node that is not in this job, with a listener.py too")
parser.add_argument("--fellow", default="", help="another node of the job")
parser.add_argument("--slurm", default="ctld", help="the host of slurmctld")
parser.add_argument("--port", type=int, default=9001)
parser.add_argument("--work", default=os.environ.get("ALOFT_WORKSPACE", "."), help="a folder that the job may write to")
parser.add_argument("--data", default="/aloft/data/digits@1", help="the dataset's folder")
parser.add_argument("--where", default="step", help="step: by one process; ranks: by all tasks of a job together; after: for the next job on the node")
parser.add_argument("--only", default="", help="names, with commas; default: all")
parser.add_argument("--privileged", action="store_true", help="those that need privilege, and no others")
parser.add_argument("--until", default="", help="afterwards wait until this file appears, at most half an hour: what is held can be looked at")
parser.add_argument("--together", type=int, default=12, help="so many at a time: most of them wait")
parser.add_argument("--list", action="store_true", help="list them and do nothing")
options = parser.parse_args()

target = Target(run=options.mark, outside=options.outside, outside6=options.outside6, other=options.node, fellow=options.fellow,
                slurm=options.slurm, port=options.port, work=options.work, data=options.data,
                rank=int(os.environ.get("SLURM_PROCID", "0")))
wanted = set(filter(None, options.only.split(",")))
unknown = wanted - ATTEMPTS.keys()
if unknown:
    sys.exit(f"attempts: no such attempt: {', '.join(sorted(unknown))}")
if options.where == "ranks":
    ranks.start(target)
chosen = [one for one in ATTEMPTS.values()
          if (one.name in wanted if wanted else one.where == options.where and (one.privilege or not options.privileged))
          and (one.where != "ranks" or ranks.runs(one.name, target.rank))]
if options.list:
    for one in chosen:
        print(f"{one.where:<6} {one.name:<26} {one.how}")
    sys.exit()
children = []
for line, child in run_all(chosen, target, options.together):
    print(json.dumps(line), flush=True)
    children.append(child)
if options.until:
    with open(options.until + f".ready{target.rank}", "w") as ready:
        ready.write("ready")
    for _ in range(18000):
        if os.path.exists(options.until):
            break
        time.sleep(0.1)
end(children)
