"""Slurm's commands, and mail, from inside a step."""
import os

from common import attempt, program

SLURM = "/usr/bin/"  # in PATH others stand before them, which try nothing (slurm/step/inside)
NO_WAY = "no munge, no way to slurmctld"


@attempt("sbatch", "submit a job outside the enclave that writes the mark", NO_WAY)
def _(t): program(SLURM + "sbatch", "--partition=open", "--output=/dev/null", "--wrap", f"echo {t.text} > /home/e-alice/{t.text}")


@attempt("srun", "start a step outside this one", NO_WAY, opens=True)
def _(t): program(SLURM + "srun", "--overlap", "--ntasks=1", "--nodes=1", "true")


@attempt("srun-epilog", "srun with a task epilog", NO_WAY)
def _(t):
    script = os.path.join(t.work, "epilog.sh")
    with open(script, "w") as f:
        f.write(f"#!/bin/sh\necho {t.text} > /home/e-alice/{t.text}\n")
    os.chmod(script, 0o755)
    program(SLURM + "srun", "--overlap", "--ntasks=1", "--nodes=1", "--task-epilog=" + script, "true")


@attempt("salloc", "an allocation outside the enclave", NO_WAY, opens=True)
def _(t): program(SLURM + "salloc", "--partition=open", "--nodes=1", "--no-shell", "--immediate=2", "--time=1", "--job-name=free")


@attempt("sbcast", "copy a file to a folder of the job's nodes", "no munge, no way to slurmd")
def _(t):
    path = os.path.join(t.work, "broadcast")
    with open(path, "w") as f:
        f.write(t.text)
    program(SLURM + "sbcast", "--force", path, "/var/tmp/" + t.text)


@attempt("scontrol-update", "the job's comment", NO_WAY)
def _(t): program(SLURM + "scontrol", "update", "jobid=" + os.environ.get("SLURM_JOB_ID", "0"), "comment=" + t.text)


@attempt("scontrol-name", "the job's name", NO_WAY)
def _(t): program(SLURM + "scontrol", "update", "jobid=" + os.environ.get("SLURM_JOB_ID", "0"), "name=" + t.text)


@attempt("scontrol-ping", "ask the controller anything", NO_WAY, opens=True)
def _(t): program(SLURM + "scontrol", "show", "job", os.environ.get("SLURM_JOB_ID", "0"))


@attempt("scancel", "a signal to another step", NO_WAY, opens=True)
def _(t): program(SLURM + "scancel", "--signal=CONT", "--batch", os.environ.get("SLURM_JOB_ID", "0"))


@attempt("mail", "a mail to someone", "no mail program; no way out", absent="no mail program is installed here")
def _(t): program("sendmail", "someone@example.net", text=t.text)


@attempt("at", "a job of at(1) or cron", "no such program; no spool", absent="neither is installed here")
def _(t): program("at", "now", text=f"echo {t.text} > /var/tmp/{t.text}")
