"""Attempts by Slurm's options and commands from the login host: what makes a helper act, or shows a text, outside the fence.

A function gets the Stage. It returns a job's number if one must run before anything can be seen, with a function that looks then, or None.
"""
from common import Stopped, Unreached, attempt

SUBMIT = "job_submit"
RECORDS = "job_submit; other accounts see no jobs (PrivateData)"
ENVIRONMENT = "job_submit: the batch environment is built, the user's variables are data until inside"
TOKEN = "a step must show the job's token"
VIEW = "slurmstepd opens the output inside the job's view"
HOME = "/home/e-alice"


def helper(name, how, layer, **more):
    return attempt(name, how, layer, "login", **more)


# --- texts that Slurm shows to everybody

TEXTS = {"job-name": "--job-name={}", "comment": "--comment={}", "account-field": "--account={}", "wckey": "--wckey={}", "network": "--network={}",
         "mail-user": "--mail-user={}@example.net --mail-type=BEGIN", "output-text": "--output={work}/{}", "error-text": "--error={work}/{}",
         "input-text": "--input={work}/{}", "work-dir-text": "--chdir={work}/{}"}

for label, option in TEXTS.items():
    @helper("text-" + label, f"the mark as {option.split('=')[0]}, which anybody may read with scontrol", RECORDS)
    def _(stage, label=label, option=option):
        words = [word.format(stage.token("text-" + label), work=stage.work) for word in option.split()]
        stage.held.append(stage.sbatch(*words, held=True))


for label, option in (("constraint", "--constraint"), ("licences", "--licenses"), ("gres", "--gres"), ("reservation", "--reservation"),
                      ("burst-buffer", "--bb"), ("mcs-label", "--mcs-label"), ("qos", "--qos"), ("clusters", "--clusters")):
    @helper("text-" + label, f"the mark as {option}", SUBMIT,
            absent="" if label in ("burst-buffer", "mcs-label") else "Slurm here knows no such names, or shows none, without the fence too")
    def _(stage, label=label, option=option):
        stage.held.append(stage.sbatch(f"{option}={stage.token('text-' + label)}", held=True))


for label, field in (("comment", "comment"), ("name", "name"), ("account", "account"), ("wckey", "wckey"), ("output", "StdOut")):
    @helper("update-" + label, f"scontrol update {field}= of the running job, from the login host", "job_submit, job_modify",
            absent={"wckey": "without accounting Slurm does not keep work keys", "account": "it is not changed once a job runs", "output": "the output of a job that runs is not changed",
                    "name": ""}.get(label, ""))
    def _(stage, label=label, field=field):
        text = stage.token("update-" + label)
        stage.run("e-alice", "scontrol", "update", f"jobid={stage.job}", f"{field}={stage.work + '/' if label == 'output' else ''}{text}")


@helper("update-held", "scontrol update of a job that waits", "job_submit, job_modify")
def _(stage):
    job = stage.sbatch(held=True)
    stage.held.append(job)
    stage.run("e-alice", "scontrol", "update", f"jobid={job}", "comment=" + stage.token("update-held"))


@helper("admin-comment", "the admin's comment", SUBMIT, absent="it is for operators, without the fence too")
def _(stage): stage.held.append(stage.sbatch("--admin-comment=" + stage.token("admin-comment"), held=True))


@helper("slurm-mail", "a mail to someone, by Slurm's mail program", SUBMIT)
def _(stage): return stage.sbatch("--mail-type=ALL", f"--mail-user={stage.token('slurm-mail')}@example.net")


# --- output, error and input elsewhere

def say(stage, name):
    return f"echo {stage.token(name)}"


@helper("output-home", "--output in the home folder", SUBMIT)
def _(stage): return stage.sbatch(f"--output={HOME}/{stage.token('output-home')}", wrap=say(stage, "output-home"))


@helper("error-home", "--error in the home folder", SUBMIT)
def _(stage): return stage.sbatch(f"--error={HOME}/{stage.token('error-home')}", wrap=say(stage, "error-home") + " >&2")


@helper("output-tmp", "--output in the node's /tmp", SUBMIT)
def _(stage): return stage.sbatch(f"--output=/tmp/{stage.token('output-tmp')}", wrap=say(stage, "output-tmp"))


@helper("output-up", "--output by a way up (..)", SUBMIT)
def _(stage): return stage.sbatch(f"--output={stage.work}/../{stage.token('output-up')}", wrap=say(stage, "output-up"))


@helper("output-pattern", "--output=%x, with a job's name that is a way out", VIEW + "; job_submit",
        absent="Slurm keeps slashes of names out of patterns")
def _(stage):
    return stage.sbatch("--output=%x", f"--job-name=../../home/e-alice/{stage.token('output-pattern')}", wrap=say(stage, "output-pattern"))


def through(stage, name, link):
    """A job that waits while `link` is laid where Slurm opens its output, which admission has chosen. The link must have been met: a job that
    begins and finds no way there fails, and one that ends well has written somewhere else."""
    job = stage.sbatch(wrap=say(stage, name), held=True)
    stage.run("e-alice", "ln", "-s", link, f"{stage.work}/slurm-{job}.out")
    return job


def met_its_link(stage, job):
    stage.run("e-alice", "scontrol", "release", str(job))

    def look():
        state = stage.state(job)
        if stage.fenced and state != "FAILED":
            raise Unreached(f"the job is {state}: its output did not go through the link")
    return job, look


@helper("output-link", "a symbolic link to elsewhere where Slurm opens the job's output", VIEW)
def _(stage):
    return met_its_link(stage, through(stage, "output-link", f"{HOME}/{stage.token('output-link')}"))


@helper("output-link-folder", "a link through a folder of the workspace, which is swapped for a link to elsewhere after submission", VIEW)
def _(stage):
    work = stage.work
    stage.run("e-alice", "mkdir", "-p", work + "/swapped")
    job = through(stage, "output-link-folder", "swapped/" + stage.token("output-link-folder"))
    stage.run("e-alice", "rmdir", work + "/swapped")
    stage.run("e-alice", "ln", "-s", HOME, work + "/swapped")
    return met_its_link(stage, job)


# --- environment and profile

def leaves(stage, name):
    return f"echo {stage.token(name)} > {HOME}/{stage.token(name)}"


@helper("get-user-env", "--get-user-env, and --export=NAME which implies it: slurmd runs the account's login profile", SUBMIT + ": dropped")
def _(stage):
    stage.profile(leaves(stage, "get-user-env"))
    stage.sbatch("--get-user-env")
    return stage.sbatch("--export=FOO=bar")


@helper("export-bash-env", "BASH_ENV for the batch shell", ENVIRONMENT)
def _(stage):
    path = stage.file("bash-env", leaves(stage, "export-bash-env") + "\n")
    return stage.sbatch("--export=ALL,BASH_ENV=" + path, script="#!/bin/bash\nunset BASH_ENV\ntrue\n")


@helper("export-preload", "LD_PRELOAD for whatever starts first", ENVIRONMENT)
def _(stage):
    return stage.sbatch("--export=ALL,LD_PRELOAD=" + stage.preload("export-preload"))


for label, variable in (("prolog", "SLURM_PROLOG"), ("epilog", "SLURM_EPILOG"), ("task-prolog", "SLURM_TASK_PROLOG"), ("task-epilog", "SLURM_TASK_EPILOG")):
    @helper("export-" + label, f"{variable}, which srun obeys", ENVIRONMENT)
    def _(stage, label=label, variable=variable):
        path = stage.file("run-" + label, "#!/bin/sh\n" + leaves(stage, "export-" + label) + "\n")
        return stage.sbatch(f"--export=ALL,{variable}={path}", wrap="srun true")


@helper("export-slurm-conf", "SLURM_CONF: a configuration with a helper in it (SrunEpilog)", ENVIRONMENT,
        absent="slurmstepd sets SLURM_CONF itself, without the fence too")
def _(stage):
    path = stage.file("run-srun-epilog", "#!/bin/sh\n" + leaves(stage, "export-slurm-conf") + "\n")
    conf = (stage.cluster.folder / "common/slurm.conf").read_text() + f"\nSrunEpilog={path}\n"
    stage.file("slurm.conf", conf, 0o644)
    stage.file("cgroup.conf", "", 0o644)
    stage.file("plugstack.conf", "", 0o644)
    return stage.sbatch(f"--export=ALL,SLURM_CONF={stage.work}/slurm.conf", wrap="srun true")


@helper("export-file", "--export-file: variables from a file", ENVIRONMENT)
def _(stage):
    path = stage.file("run-export-file", "#!/bin/sh\n" + leaves(stage, "export-file") + "\n")
    place = stage.file("variables", f"SLURM_EPILOG={path}\0PATH=/usr/bin:/bin\0HOME={HOME}\0", 0o644)
    return stage.sbatch("--export-file=" + (place), wrap="srun true")


@helper("propagate", "--propagate: the limits of the login session, core dumps among them", "restrict_task: the limit is set in the step", opens=True)
def _(stage):
    def limit():
        said = (stage.place() / f"slurm-{job}.out").read_text().split()[-1]
        if said in ("0", "1"):
            raise Stopped(f"ulimit -Hc says {said}")
    job = stage.sbatch("--propagate=ALL", wrap="ulimit -Hc")
    return job, limit


# --- other kinds of jobs

def connect(stage, name):
    return (f"python3 -c 'import socket; s = socket.create_connection((\"{stage.outside}\", 9001), 3); s.send(b\"{stage.token(name)}\")'; true")


@helper("array", "an array: every task connects to outside", "cgroup BPF, connect and sendmsg")
def _(stage): return stage.sbatch("--array=0-1", wrap=connect(stage, "array"))


@helper("heterogeneous", "a heterogeneous job, whose second component has no script of its own", SUBMIT)
def _(stage): return stage.sbatch(":", "--nodes=1", "--ntasks=1", script="#!/bin/sh\n" + connect(stage, "heterogeneous") + "\n")


@helper("directives", "#SBATCH lines: output, mail, comment, partition in the script", SUBMIT)
def _(stage):
    token = stage.token("directives")
    return stage.sbatch(script=f"#!/bin/sh\n#SBATCH --comment={token}\n#SBATCH --output={HOME}/{token}\n{say(stage, 'directives')}\n")


@helper("container", "--container", SUBMIT, opens=True)
def _(stage):
    def end():
        if stage.state(job) != "COMPLETED":
            raise Stopped("it failed")
    job = stage.sbatch("--container=/usr")
    return job, end


@helper("x11", "--x11", SUBMIT, opens=True, absent="X11 forwarding is not configured here")
def _(stage): stage.run("e-alice", "srun", *stage.partition, "--x11", "true")


@helper("login-salloc", "an allocation, with the login host's shell in it", SUBMIT, opens=True)
def _(stage): stage.run("e-alice", "salloc", *stage.partition, "--no-shell", f"--immediate={stage.patience}", "--time=1", "--job-name=free")


for label, options in (("srun", []), ("srun-pty", ["--pty"]), ("srun-overcommit", ["--overcommit"])):
    @helper("interactive-" + label, f"srun {' '.join(options)} from the login host: what it prints is outside", SUBMIT)
    def _(stage, label=label, options=options):
        stage.note_in(stage.run("e-alice", "srun", *stage.partition, *options, f"--immediate={stage.patience}", "--time=1", "echo", stage.token("interactive-" + label)),
                      "the login host's terminal")


@helper("scrontab", "scrontab", SUBMIT, opens=True, absent="not in Debian's package")
def _(stage): stage.run("e-alice", "scrontab", "-l")


@helper("strigger", "strigger: a program at a job's end, on the controller", "Slurm: triggers are SlurmUser's", opens=True,
        absent="triggers are for SlurmUser, without the fence too")
def _(stage): stage.run("e-alice", "strigger", "--set", f"--jobid={stage.job}", "--fini", "--program=/usr/bin/true")


@helper("accounting", "sacctmgr, sacct: fields of the accounting", "no accounting for accounts", opens=True, absent="no accounting service here")
def _(stage): stage.run("e-alice", "sacctmgr", "-i", "modify", "user", "e-alice", "set", "DefaultWCKey=x")


# --- into the running job

def into(stage, *options):
    return ["srun", f"--jobid={stage.job}", "--overlap", "--nodes=1", "--ntasks=1", *options]


@helper("step-overlap", "srun --jobid --overlap: a step whose output comes to the login host", TOKEN)
def _(stage): stage.note_in(stage.run("e-alice", *into(stage, "echo", stage.token("step-overlap"))), "the login host's terminal")


@helper("step-file", "the same, writing to the home folder", TOKEN)
def _(stage): stage.run("e-alice", *into(stage, "sh", "-c", leaves(stage, "step-file")))


@helper("step-output", "the same with --output in the home folder", TOKEN)
def _(stage): stage.run("e-alice", *into(stage, f"--output={HOME}/step-output", "echo", stage.token("step-output")))


@helper("step-token-guess", "the same with a made-up token of the job", TOKEN)
def _(stage):
    stage.note_in(stage.run("e-alice", "env", "ALOFT_STEP_TOKEN=" + "0" * 64, *into(stage, "echo", stage.token("step-token-guess"))), "the login host's terminal")


for label in ("prolog", "epilog"):
    @helper("step-task-" + label, f"srun --jobid --task-{label}: a program of one's own around the task", TOKEN)
    def _(stage, label=label):
        path = stage.file("step-" + label, "#!/bin/sh\n" + leaves(stage, "step-task-" + label) + "\n")
        stage.run("e-alice", *into(stage, f"--task-{label}={path}", "true"))


@helper("step-environment", "srun --jobid with LD_PRELOAD for the step", TOKEN)
def _(stage):
    stage.run("e-alice", *into(stage, "--export=ALL,LD_PRELOAD=" + stage.preload("step-environment"), "true"))


@helper("step-bcast", "srun --jobid --bcast: a program that Slurm copies to the node", TOKEN + "; the file lands outside the job's view")
def _(stage):
    path = stage.file("broadcast.sh", f"#!/bin/sh\nm={stage.mark}\necho ${{m}}_step-bcast_ > {HOME}/${{m}}_step-bcast_\n")  # the copy shows no token
    stage.run("e-alice", *into(stage, "--bcast=/var/tmp/broadcast-" + stage.mark, path))


@helper("step-pty", "srun --jobid --pty: a terminal on the node", TOKEN)
def _(stage): stage.note_in(stage.run("e-alice", *into(stage, "--pty", "echo", stage.token("step-pty"))), "the login host's terminal")


@helper("sattach", "sattach: the output of the job's own step, as it prints", "slurmstepd answers the job's nodes and the controller only")
def _(stage):
    done = stage.cluster.try_as("e-alice", "timeout", "2", "sattach", f"{stage.job}.{stage.step}")
    stage.note_in(done.out, "the login host's terminal")
    if not done.out:
        raise Stopped(done.last_words[:120])


@helper("sgather", "sgather: files of the nodes to the login host", TOKEN, opens=True, absent="not in Debian's package")
def _(stage): stage.run("e-alice", "sgather", "--jobid", str(stage.job), "/etc/hostname", "/tmp/gathered")


@helper("sbcast-in", "sbcast --jobid: a file of the login host to the job's nodes, outside the view", "not the fence's: it carries what the login host can read anyway",
        allowed="the login host stands inside the site's fence; nothing of the job's own is in it")
def _(stage):
    path = stage.file("cast", stage.token("sbcast-in"))
    stage.run("e-alice", "sbcast", f"--jobid={stage.job}", "--force", path, "/var/tmp/" + stage.token("sbcast-in"))


@helper("notify", "scontrol notify: a text into the job's output", "none needed: it goes in", opens=True,
        allowed="it carries nothing out: the text lands in the workspace")
def _(stage): stage.run("e-alice", "scontrol", "notify", str(stage.job), "hello")
