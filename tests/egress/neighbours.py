"""Attempts with somebody else's help: other accounts, other jobs, another enclave, on the job's nodes and beside them.

A function gets the Stage; it returns a job's number if one must run before anything can be seen.
"""
from common import Stopped, attempt

WHOLE = "nodes whole to a job (job_submit, shared=0)"
OWNER = "Slurm: jobs are their owner's"
HOME = "/home/carol"
ALONE = "none: nobody has logins on the nodes, and Slurm ends what a job leaves"
LOGINS = "nodes must have no logins of ordinary accounts, and enclave accounts none at all"


def neighbour(name, how, layer, **more):
    return attempt(name, how, layer, "neighbour", **more)


# --- onto the same node

def beside(stage, name, *options, user="carol", home=HOME):
    """A job that wants onto the node of the running job and would look around there: if it ever runs, it says so."""
    token = stage.token(name)
    job = stage.sbatch("--nodelist=node1", *options, user=user, wrap=f"echo {token} > {home}/{token}")
    stage.waiting.append((name, job))


for label, options in (("plain", []), ("oversubscribe", ["--oversubscribe"]), ("exclusive-user", ["--exclusive=user"]),
                       ("overcommit", ["--overcommit", "--oversubscribe"]), ("one-task", ["--ntasks=1", "--mem=1"])):
    @neighbour("beside-" + label, f"another account's job on the same node {' '.join(options)}".strip(), WHOLE,
               absent="it keeps other accounts away itself" if label == "exclusive-user" else "")
    def _(stage, label=label, options=options): beside(stage, "beside-" + label, "--partition=open", *options)


for label, options in (("plain", []), ("oversubscribe", ["--oversubscribe"]), ("exclusive-user", ["--exclusive=user"])):
    @neighbour("second-job-" + label, f"a second job of the same account on the same node {' '.join(options)}".strip(), WHOLE)
    def _(stage, label=label, options=options):
        beside(stage, "second-job-" + label, *options, user="e-alice", home="/srv/aloft/world" if not stage.fenced else "/aloft/workspace")


@neighbour("beside-other-enclave", "a job of another enclave's account on the same node", "job_submit: an enclave's accounts in its partition only; " + WHOLE)
def _(stage): beside(stage, "beside-other-enclave", "--partition=" + ("hel" if stage.fenced else "open"), "--chdir=/", "--output=/dev/null", user="e-bob", home="/srv/aloft/world")


@neighbour("open-account-inside", "an open account's job in the enclave's partition", "job_submit")
def _(stage):
    token = stage.token("open-account-inside")
    return stage.sbatch("--partition=hel", user="carol", wrap=f"echo {token} > {HOME}/{token}")


@neighbour("enclave-account-outside", "the enclave account's job in an open partition", "job_submit")
def _(stage):
    token = stage.token("enclave-account-outside")
    return stage.sbatch("--partition=open", "--nodelist=node2", wrap=f"echo {token} > /home/e-alice/{token}")


# --- into the job, from another account

@neighbour("neighbour-step", "another account's srun --jobid", OWNER, absent="jobs are their owner's, without the fence too")
def _(stage):
    stage.note_in(stage.run("carol", "srun", f"--jobid={stage.job}", "--overlap", "--nodes=1", "echo", stage.token("neighbour-step")), "carol's terminal")


@neighbour("neighbour-attach", "another account's sattach", OWNER, absent="jobs are their owner's, without the fence too")
def _(stage):
    done = stage.cluster.try_as("carol", "timeout", "2", "sattach", f"{stage.job}.{stage.step}")
    if stage.mark in done.out:
        stage.note("neighbour-attach", len(done.out), "carol's terminal")
    raise Stopped(done.last_words[:120])


@neighbour("neighbour-script", "another account reads the job's script", OWNER, absent="jobs are their owner's, without the fence too", opens=True)
def _(stage):
    if stage.mark not in stage.run("carol", "scontrol", "write", "batch_script", str(stage.job), "-"):
        raise Stopped("it is not shown")


@neighbour("neighbour-files", "another account reads the job's folder on the shared file system", "workspaces are 0700 below a 0700 parent", opens=True,
           absent="the control run's job works in a home folder, which is 0700")
def _(stage): stage.run("carol", "ls", "/srv/aloft/workspaces/hel/e-alice")


@neighbour("neighbour-dataset", "an ordinary account reads a dataset's files on the login host", "datasets lie in a folder that no account may enter", opens=True)
def _(stage): stage.run("carol", "head", "-c1", "/srv/aloft/datasets/digits/1/shared-file")


@neighbour("own-dataset-outside", "the enclave account reads a dataset's files on the login host", "datasets lie in a folder that no account may enter", opens=True)
def _(stage): stage.run("e-alice", "head", "-c1", "/srv/aloft/datasets/digits/1/shared-file")


@neighbour("neighbour-list", "another account lists the enclave's jobs", "PrivateData", opens=True)
def _(stage):
    if str(stage.job) not in stage.run("carol", "squeue", "--all", "--noheader", "--format=%i").split():
        raise Stopped("it is not in the list")


@neighbour("neighbour-usage", "another account reads what the job's step uses (sstat)", OWNER, opens=True, absent="sstat answers the owner, without the fence too")
def _(stage):
    if not stage.run("carol", "sstat", "--noheader", f"--jobs={stage.job}.{stage.step}").strip():
        raise Stopped("no answer")


# --- who is left on a node

@neighbour("left-process-on-node", "a job on a node where another account has left a process", ALONE, opens=True, allowed=LOGINS)
def _(stage): on_unclean_node(stage, "carol")


@neighbour("own-process-on-node", "a job on a node where a process of its own account runs outside", ALONE, opens=True, allowed=LOGINS)
def _(stage): on_unclean_node(stage, "e-alice")


def on_unclean_node(stage, account):
    with stage.stranger("node2", account):
        job = stage.sbatch("--nodelist=node2", wrap="true")
        stage.until(lambda: stage.state(job) in ("COMPLETED", "FAILED") or stage.is_drained("node2"), "a decision about node2")
        state = stage.state(job)
        if stage.is_drained("node2"):
            stage.cluster.try_as("e-alice", "scancel", str(job))
    stage.resume("node2")
    if state != "COMPLETED":
        raise Stopped("the node is drained")
