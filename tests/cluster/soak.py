#!/usr/bin/env python3
"""Many jobs at once on a cluster that suffers. Called by soak_test, which has made the cluster and looks for what is left.

usage: soak.py --cluster PROGRAM --workspaces DIR --nodes N --jobs N --seed S --out FILE
Two accounts submit short jobs of one or two nodes and arrays of two tasks; some fail, are cancelled, held and released, requeued, changed
(which is refused), ask to be run again, or lose a process to kill -9: a task, srun, the wrapper, slurmstepd. One account's grant is revoked
in the middle, while a job of it runs that would go on for minutes, and given back once that one is gone; nodes lose power twice. What
happens to which job comes from the seed. Prints a line per job that did not end as it must; FILE gets all of them. Exit code 1 if there was one.
"""
import argparse
import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ACCOUNTS = {"e-alice": 70001, "e-bob": 70002}
IN_QUEUE = 8  # jobs at a time: more than the nodes hold
PATIENCE = 600.0, 6.0  # seconds for all of it, and more for each job: a job that hangs must end the test, not stay in it
HELPED_AFTER = 60.0  # seconds from a node's loss: what is on two nodes and has not ended is cancelled by its user
REVOKED_WITHIN = 180.0  # seconds from a revocation to the end of the last job under it: many times what is promised, on a busy machine
NOTICED_WITHIN = 120.0  # seconds: that the controller calls a lost node down
SIGN_AGAIN = 60.0  # seconds: the published list is renewed
ENDS = set((Path(__file__).resolve().parent / "states_over").read_text().split())

# What jobs leave lying about for the fence to clear.
LITTER = """
echo x >/tmp/left-$SLURM_JOB_ID; echo x >/var/tmp/left-$SLURM_JOB_ID; echo x >/dev/shm/left-$SLURM_JOB_ID; ipcmk -M 4096 >/dev/null
(setsid sleep 300 </dev/null >/dev/null 2>&1 &)
"""
# The first task says that the job runs; in its second life a job that was hit in the first just ends.
MARK = """
[ "${SLURM_RESTART_COUNT:-0}" = 0 ] || again=yes
[ "$SLURM_PROCID" != 0 ] || touch ran-$SLURM_JOB_ID
"""
BODY = {"clean": "sleep 0.$((RANDOM % 5))", "ring": "./ring", "fails": "exit 3", "again": '[ "$again" = yes ] || exit 75',
        "array": "sleep 0.$((RANDOM % 5))", "held": "true", "long": "sleep 1000",
        "cancel": "sleep 1000", "array cancel": "sleep 1000"}  # they are cancelled, however late a busy machine gets to it
WAITS = '[ "$again" = yes ] || sleep 8'

# kind: weight; how it ends if nothing else befalls it (None: any way, as long as it ends)
KINDS = {"clean": (36, "COMPLETED"), "ring": (8, "COMPLETED"), "fails": (10, "FAILED"), "again": (5, "COMPLETED"),
         "cancel": (9, "CANCELLED"), "cancel early": (5, None), "kill task": (9, None), "kill srun": (7, None), "kill wrapper": (5, None),
         "kill stepd": (4, None), "kill batch stepd": (2, None), "array": (8, "COMPLETED"), "held": (5, "COMPLETED"),
         "requeue": (5, "COMPLETED"), "update": (4, "COMPLETED"), "array cancel": (3, "CANCELLED"), "long": (0, "CANCELLED")}


class Shell:
    """A session on one host that takes one command after the other: entering a host costs more than most commands."""

    def __init__(self, *command):
        self.command, self.process = command, None

    def run(self, line):
        """(exit code, output); (None, "") if the host is gone."""
        try:
            if self.process is None or self.process.poll() is not None:
                self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                                stderr=subprocess.STDOUT, text=True)
            self.process.stdin.write(f"{{ {line}\n}} </dev/null; code=$?; echo; echo end-of-answer $code\n")
            self.process.stdin.flush()
            answer = []
            for text in self.process.stdout:
                if text.startswith("end-of-answer "):
                    return int(text.split()[1]), "".join(answer).rstrip("\n")
                answer.append(text)
        except BrokenPipeError:
            pass
        self.close()
        return None, ""

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


@dataclass
class Job:
    kind: str
    account: str
    nodes: int
    delay: float      # seconds from its first mark to what befalls it
    choice: int       # which of several processes
    number: int = 0   # Slurm's
    said: str = ""    # by sbatch, if it refused
    state: str = ""
    exit_code: str = ""
    node: str = ""    # its first
    marked_at: float | None = None
    is_hit: bool = False
    helped_at: float | None = None  # when the user cancels what Slurm does not notice
    tasks: dict = field(default_factory=dict)  # of an array: number -> state
    ids: dict = field(default_factory=dict)    # and Slurm's number of each
    fault: str = ""   # what went wrong with it besides its end
    excuses: list = field(default_factory=list)  # what else befell it

    @property
    def over(self):
        return bool(self.said) or self.state in ENDS


def make_plan(count, seed):
    """Of each kind one at least, so that a short soak leaves nothing out; the rest by weight."""
    dice = random.Random(seed)
    weights = {kind: weight for kind, (weight, _) in KINDS.items() if weight}
    kinds = list(weights) + dice.choices(list(weights), list(weights.values()), k=max(0, count - len(weights)))
    dice.shuffle(kinds)
    plan = []
    for kind in kinds:
        nodes = 2 if kind == "ring" or (dice.random() < 0.15 and not kind.startswith("array")) else 1
        plan.append(Job(kind, dice.choice(list(ACCOUNTS)), nodes, dice.random() * 0.6, dice.randrange(1000)))
    return plan


class Soak:
    def __init__(self, options):
        self.options = options
        self.workspaces = Path(options.workspaces)
        self.plan = make_plan(options.jobs, options.seed)
        self.controller = Shell(options.cluster, "host", "ctld", "bash")
        self.login = Shell(options.cluster, "host", "login", "bash")
        self.harness = options.cluster
        self.users = {account: Shell(options.cluster, "as", account, "bash") for account in ACCOUNTS}
        self.nodes = {f"node{k}": Shell(options.cluster, "node", str(k), "bash") for k in range(1, options.nodes + 1)}
        self.running = []
        self.revoked = False
        self.signed = float("-inf")
        self.end = time.monotonic() + PATIENCE[0] + PATIENCE[1] * options.jobs
        dice = random.Random(options.seed + 1)
        third = options.jobs // 3
        # After so many jobs are over: what happens to the whole cluster.
        self.events = [(third // 2, self.revoke), (third, lambda: self.lose(dice.choice(list(self.nodes)), True)),
                       (2 * third, lambda: self.lose(dice.choice(list(self.nodes)), False))]

    def run(self):
        waiting, running = list(self.plan), []
        while waiting or running:
            if time.monotonic() > self.signed + SIGN_AGAIN:
                self.publish_revocations()
            if time.monotonic() > self.end:
                sys.exit(f"soak: not over in time: {[(j.number, j.kind, j.state) for j in running]}, {len(waiting)} not begun")
            while waiting and len(running) < IN_QUEUE:
                job = waiting.pop(0)
                self.submit(job)
                running.append(job)
            self.look(running)
            for job in running:
                self.hit(job)
            self.running = running = [job for job in running if not job.over]
            done = len(self.plan) - len(waiting) - len(running)
            while self.events and done >= self.events[0][0]:
                self.events.pop(0)[1]()
            time.sleep(0.05)
        for shell in [self.controller, self.login, *self.users.values(), *self.nodes.values()]:
            shell.close()

    def submit(self, job):
        body = BODY.get(job.kind, WAITS)
        if self.revoked and job.account == "e-bob":
            job.excuses.append("revoked")
        more = {"array": "--array=0-1", "array cancel": "--array=0-1", "held": "--hold"}.get(job.kind, "")
        script = f"sbatch --parsable {more} -N{job.nodes} --ntasks-per-node={1 + job.choice % 2} --wrap '{(MARK + LITTER + body)}'"
        code, said = self.users[job.account].run(script)
        if code:
            job.said = said or "sbatch could not be started"
        else:
            job.number = int(said.splitlines()[-1])

    def look(self, running):
        """Asks the controller about all of them at once."""
        code, told = self.controller.run("scontrol -o show jobs")
        if code is None:
            sys.exit("soak: the controller's host is gone")
        states, tasks = {}, {}
        for line in told.splitlines():
            pairs = dict(word.split("=", 1) for word in line.split() if "=" in word)
            if "ArrayTaskId" in pairs:
                tasks.setdefault(int(pairs["ArrayJobId"]), {})[pairs["ArrayTaskId"]] = pairs
            elif "JobId" in pairs:
                states[int(pairs["JobId"])] = pairs
        for job in running:
            if job.kind.startswith("array"):
                self.look_at_tasks(job, tasks.get(job.number, {}))
            elif job.number in states:
                pairs = states[job.number]
                job.state, job.exit_code = pairs["JobState"], pairs["ExitCode"]
                job.node = pairs.get("BatchHost", job.node)

    @staticmethod
    def look_at_tasks(job, tasks):
        """An array is over when all that Slurm has of it is; it ends as the task that ended worse. One that was cancelled before it
        began has no record of its own."""
        job.tasks = {number: pairs["JobState"] for number, pairs in tasks.items()}
        job.ids = {number: int(pairs["JobId"]) for number, pairs in tasks.items()}
        ends = set(job.tasks.values())
        if ends and ends <= ENDS:
            job.state = min(ends, key=lambda end: end == "COMPLETED")
        elif "RUNNING" in ends:
            job.state = "RUNNING"

    def hit(self, job):
        if job.helped_at and time.monotonic() > job.helped_at and not job.over:
            job.helped_at = None
            self.users[job.account].run(f"scancel {job.number}")
        if job.is_hit or job.over or not job.kind.startswith(("kill", "cancel", "array cancel", "held", "requeue", "update")):
            return
        if job.kind == "held":
            job.is_hit = True
            self.users[job.account].run(f"scontrol hold {job.number}; scontrol release {job.number}")
            return
        if job.kind == "array cancel":
            job.is_hit = True
            self.users[job.account].run(f"scancel {job.number}_0; scancel {job.number}")
            return
        if job.kind == "cancel early":
            job.is_hit = True
            self.users[job.account].run(f"scancel {job.number}")
            return
        if job.marked_at is None and (self.workspaces / job.account / f"ran-{job.number}").exists():
            job.marked_at = time.monotonic()
        if job.marked_at is None or time.monotonic() < job.marked_at + job.delay or job.state != "RUNNING":
            return
        job.is_hit = True
        if job.kind == "cancel":
            self.users[job.account].run(f"scancel {job.number}")
        elif job.kind == "requeue":
            self.users[job.account].run(f"scontrol requeue {job.number}")
        elif job.kind == "update":
            code, _ = self.users[job.account].run(f"scontrol update jobid={job.number} name=mine timelimit=1")
            if code == 0:
                job.fault = "a user's update was taken"
        else:
            if job.kind == "kill stepd":  # srun waits for it until the job's time is up, in the fence as without one
                job.helped_at = time.monotonic() + 3
            self.nodes[job.node].run(f"{self.find(job)}; set -- $found; [ $# = 0 ] || {{ shift $(({job.choice} % $#)); kill -KILL $1; }}")

    @staticmethod
    def find(job):
        uid, step = ACCOUNTS[job.account], f"/sys/fs/cgroup/unified/aloft/job_{job.number}/step/cgroup.procs"
        return {"kill task": f"found=$(for p in $(cat {step}); do [ \"$(stat -c %u /proc/$p)\" = {uid} ] && echo $p; done)",
                "kill srun": f"found=$(pgrep -x -u {uid} srun)",
                "kill wrapper": f"found=$(pgrep -x -u {uid} aloft-run)",
                "kill stepd": rf"found=$(pgrep -f '^slurmstepd: \[{job.number}\.0\]')",
                "kill batch stepd": rf"found=$(pgrep -f '^slurmstepd: \[{job.number}\.batch\]')"}[job.kind]

    def publish_revocations(self):
        self.login.run(f"/srv/aloft/authority revocations {'G-BOB' if self.revoked else ''}")
        subprocess.run([self.harness, "mirror"], check=False)  # every host has it now, not within a second
        self.signed = time.monotonic()

    def revoke(self):
        """e-bob's grant, while jobs of his run, one of which would go on. It must not: the grant comes back only once all are over."""
        long = Job("long", "e-bob", 1, 0.0, 0)
        self.submit(long)
        self.plan.append(long)
        self.running.append(long)
        limit = time.monotonic() + REVOKED_WITHIN
        while long.state != "RUNNING" and not long.over and time.monotonic() < limit:
            self.look(self.running)
            for job in self.running:
                self.hit(job)  # one that only a cancel ends may have the nodes that this one waits for
            time.sleep(0.2)
        if long.state != "RUNNING":
            long.fault = f"did not run before the revocation ({long.said or long.state})"
        self.revoked = True
        under = [job for job in self.running if job.account == "e-bob" and not job.over]
        self.excuse("revoked", lambda job: job.account == "e-bob")
        self.publish_revocations()
        limit = time.monotonic() + REVOKED_WITHIN
        while not all(job.over or job.state == "PENDING" for job in under) and time.monotonic() < limit:
            self.look(under)
            for job in under:
                self.hit(job)
            time.sleep(0.2)
        for job in under:
            if not job.over and job.state != "PENDING":
                job.fault = f"{job.state} {REVOKED_WITHIN:.0f} s after its grant was revoked"
        code, said = self.users["e-bob"].run("sbatch --parsable --wrap true")
        if code == 0 or "revoked" not in said:
            long.fault = f"sbatch under a revoked grant: {said}"
        self.excuse("revoked", lambda job: job.account == "e-bob")
        self.revoked = False
        self.publish_revocations()

    def lose(self, node, noticed):
        """Power goes, and comes back after the controller has noticed or before."""
        self.excuse("lost " + node, lambda job: True)
        # Between taking a step and its slurmstepd's first word to srun, and back before the controller notices: what the controller
        # then tells srun (srun_step_missing) srun cannot verify, having no connection, and waits for its time limit, in the fence as without.
        for job in self.running:
            if job.nodes > 1:
                job.helped_at = time.monotonic() + HELPED_AFTER
        self.nodes[node].close()
        number = node.removeprefix("node")
        subprocess.run([self.options.cluster, "kill-node", number], check=True)
        limit = time.monotonic() + NOTICED_WITHIN
        while noticed and time.monotonic() < limit and "down" not in self.controller.run(f"sinfo -h -n {node} -o %T")[1]:
            time.sleep(0.2)
        subprocess.run([self.options.cluster, "start-node", number], check=True)

    def excuse(self, why, applies):
        for job in self.plan:
            if (job.number or job.said) and not job.over and applies(job):
                job.excuses.append(why)

    def judge(self):
        """Lines about jobs that did not end as they must."""
        faults = []
        for job in self.plan:
            expected = KINDS[job.kind][1]
            what = f"job {job.number} ({job.kind}, {job.account}, {job.nodes} nodes, {job.excuses}): "
            if job.fault:
                faults.append(what + job.fault)
            if job.said:
                if "revoked" not in job.excuses:
                    faults.append(what + f"sbatch refused: {job.said}")
            elif "revoked" in job.excuses:
                continue  # cancelled, refused on the node, or through before anybody noticed
            elif job.nodes > 1 and any(why.startswith("lost") for why in job.excuses):
                continue  # requeued; or its program failed for want of the other node before Slurm noticed
            elif expected and job.state != expected and not (job.kind in ("cancel", "requeue", "array cancel") and job.excuses):
                faults.append(what + f"{job.state}, not {expected}")
            elif job.kind == "fails" and job.exit_code != "3:0":
                faults.append(what + f"exit code {job.exit_code}, not 3:0")
        return faults


def main():
    parser = argparse.ArgumentParser()
    for name in ("cluster", "workspaces", "out"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("nodes", "jobs", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    soak = Soak(parser.parse_args())
    begin = time.monotonic()
    soak.run()
    ends = {}
    for job in soak.plan:
        end = "refused by sbatch" if job.said else job.state
        ends[end] = ends.get(end, 0) + 1
    Path(soak.options.out).write_text(json.dumps([vars(job) for job in soak.plan], indent=1) + "\n")
    print(f"      {len(soak.plan)} jobs in {time.monotonic() - begin:.0f} s, seed {soak.options.seed}: " +
          ", ".join(f"{count} {end}" for end, count in sorted(ends.items())))
    faults = soak.judge()
    print("\n".join(faults), end="\n" if faults else "")
    sys.exit(1 if faults else 0)


main()
