"""Files: places where others look, and what a file can say without being written."""
import ctypes
import fcntl
import os
import pwd
import socket
import struct

from common import HOLD, attempt, call

VIEW = "mount namespace: no such place, or a private one"
READ_ONLY = "read-only mount"
SOFTWARE = "/srv/aloft/software"  # a software tree of the enclave on the shared file system: stage.py
HOME = pwd.getpwuid(os.getuid()).pw_dir


def leave(t, folder):
    with open(os.path.join(folder, t.text), "w") as f:
        f.write(t.text)


for label, folder in (("home", HOME), ("tmp", "/tmp"), ("var-tmp", "/var/tmp"), ("dev-shm", "/dev/shm"), ("run-lock", "/run/lock"),
                      ("shared", "/srv/aloft/world"), ("scratch", "/scratch")):
    @attempt("file-" + label, f"a file in {folder}", VIEW)
    def _(t, folder=folder): leave(t, folder)

for label, folder in (("cron", "/var/spool/cron/crontabs"), ("mail", "/var/mail"), ("etc", "/etc"), ("usr", "/usr/local/bin"), ("opt", "/opt/aloft/bin"),
                      ("spool", "/srv/aloft/spool/node1"), ("published", "/srv/aloft/published"), ("released", "/srv/aloft/released"),
                      ("slurm-log", "/var/log/slurm"), ("slurm-spool", "/var/lib/slurm/slurmd"), ("root", "/root"), ("run", "/run")):
    @attempt("file-" + label, f"a file in {folder}", VIEW + "; " + READ_ONLY, privilege="the folder is not the account's"
             if label != "opt" else "", absent="it is a read-only mount of the test cluster without the fence too" if label == "opt" else "")
    def _(t, folder=folder): leave(t, folder)


@attempt("other-workspace", "a file in another account's workspace", VIEW, privilege="workspaces are 0700")
def _(t): leave(t, "/srv/aloft/workspaces/two/e-bob")


@attempt("all-workspaces", "the folder that holds everybody's workspaces", VIEW, opens=True, privilege="it is root's, 0700")
def _(t): os.listdir("/srv/aloft/workspaces")


@attempt("dataset-file", "a file among the dataset's", READ_ONLY, privilege="datasets are the intake account's")
def _(t): leave(t, t.data)


def made(t):
    path = os.path.join(t.work, "made-" + t.name)
    with open(path, "w") as f:
        f.write(t.text)
    return path


@attempt("hard-link", "a hard link from the workspace to the home folder", VIEW)
def _(t): os.link(made(t), os.path.join(HOME, t.text))


@attempt("rename", "a file of the workspace moved to the home folder", VIEW)
def _(t): os.rename(made(t), os.path.join(HOME, t.text))


@attempt("symbolic-link", "through a symbolic link in the workspace that leads to the home folder", VIEW)
def _(t):
    link = os.path.join(t.work, "link-" + t.name)
    os.symlink(HOME, link)
    leave(t, link)


@attempt("proc-root", "through /proc/1/root", "/proc: other processes' files are closed", privilege="/proc/1/root is root's")
def _(t): leave(t, "/proc/1/root/var/tmp")


@attempt("parent-of-view", "up from the root of the view (..)", "pivot_root: there is nothing above")
def _(t): leave(t, "/" + "../" * 30 + "home/e-alice")


@attempt("handle", "a file by its handle, past all mounts (open_by_handle_at)", "seccomp", opens=True, privilege="it needs CAP_DAC_READ_SEARCH")
def _(t):
    handle = ctypes.create_string_buffer(b"\x80\0\0\0" + b"\0" * 132)
    mount = ctypes.c_int()
    folder = os.open(t.work, os.O_RDONLY)
    call(303, -100, t.work.encode(), ctypes.addressof(handle), ctypes.byref(mount), 0)
    os.close(call(304, folder, ctypes.addressof(handle), os.O_RDONLY))


# --- a file that is only read can carry data too: locks, times, names

OWN_LOCKS = "an overlay of the job's own: its locks are its own"
TREES = {"data": "a dataset's file", "software": "a file of a shared software tree"}


def shared_file(t, label, name="shared-file"):
    return os.open(os.path.join(t.data if label == "data" else SOFTWARE, name), os.O_RDONLY)


for label, what in TREES.items():
    @attempt("flock-" + label, f"flock(2) on {what}: others who read it see the lock", OWN_LOCKS)
    def _(t, label=label):
        fcntl.flock(shared_file(t, label), fcntl.LOCK_SH | fcntl.LOCK_NB)
        return HOLD

    @attempt("range-lock-" + label, f"fcntl locks on byte ranges of {what}: the ranges are the data", OWN_LOCKS)
    def _(t, label=label):
        fcntl.lockf(shared_file(t, label), fcntl.LOCK_SH | fcntl.LOCK_NB, 8, t.number)
        return HOLD

    @attempt("range-lock-open-" + label, f"the same with locks of the open file (F_OFD_SETLK) on {what}", OWN_LOCKS)
    def _(t, label=label):
        fcntl.fcntl(shared_file(t, label), 37, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, t.number, 8, 0))
        return HOLD

    @attempt("lease-" + label, f"a lease on {what}", "the file is not the account's", opens=True, privilege="leases are for the owner or CAP_LEASE")
    def _(t, label=label): fcntl.fcntl(shared_file(t, label), 1024, fcntl.F_RDLCK)

    @attempt("times-" + label, f"the access time that reading leaves on {what}", READ_ONLY)
    def _(t, label=label): os.read(shared_file(t, label, "touched-file"), 4096)


@attempt("set-times-data", "times of choice on a dataset's file", READ_ONLY, privilege="the file is not the account's")
def _(t): os.utime(os.path.join(t.data, "shared-file"), (t.number, t.number))


@attempt("xattr-data", "an extended attribute on a dataset's file", READ_ONLY, privilege="the file is not the account's")
def _(t): os.setxattr(os.path.join(t.data, "shared-file"), "trusted.aloft" if os.getuid() == 0 else "user.aloft", t.mark)


@attempt("xattr-usr", "an extended attribute on a system folder", READ_ONLY, privilege="the folder is not the account's")
def _(t): os.setxattr("/usr/local", "trusted.aloft" if os.getuid() == 0 else "user.aloft", t.mark)


# --- devices and the kernel's own files

@attempt("times-device", "times of the node's own /dev/null, which the next job reads", "devices are mounted read-only", opens=True)
def _(t): os.utime("/dev/null")


for label, path in (("kmsg", "/dev/kmsg"), ("console", "/dev/console"), ("tty0", "/dev/tty0")):
    @attempt("device-" + label, f"write to {path}", "a /dev of the job's own", privilege="the device is root's", opens=True)
    def _(t, path=path):
        with open(path, "wb", buffering=0) as f:
            f.write(t.mark if path == "/dev/kmsg" else b"")

for label, path in (("fuse", "/dev/fuse"), ("loop", "/dev/loop-control"), ("tun", "/dev/net/tun"), ("kvm", "/dev/kvm"), ("mem", "/dev/mem"),
                    ("snapshot", "/dev/btrfs-control"), ("hpet", "/dev/cpu_dma_latency")):
    @attempt("device-" + label, f"open {path}", "a /dev of the job's own", opens=True,
             privilege="the device is root's",
             absent="the machine has no /dev/mem" if label == "mem" and not os.path.exists("/dev/mem") else "")
    def _(t, path=path): os.close(os.open(path, os.O_RDWR))


@attempt("device-node", "a device of one's own making", "no capabilities; nodev", opens=True, privilege="mknod needs CAP_MKNOD")
def _(t):
    path = os.path.join("/tmp", "device-" + t.run)
    os.mknod(path, 0o20600, os.makedev(1, 11))
    os.unlink(path)


@attempt("terminal", "write to a terminal of the same account outside the fence", "a /dev of the job's own: no terminals")
def _(t):
    with open(os.path.join(t.work, "terminal." + socket.gethostname())) as f:
        path = f.read()
    with open(path, "wb", buffering=0) as f:
        f.write(t.mark + b"\n")


@attempt("proc-sys", "a sysctl as a notice board (/proc/sys/kernel/domainname)", "not the account's; no capabilities", privilege="sysctls are root's")
def _(t):
    with open("/proc/sys/kernel/domainname", "w") as f:
        f.write(t.text)


@attempt("sysfs", "a file of /sys", READ_ONLY, opens=True, privilege="/sys is root's")
def _(t): os.close(os.open("/sys/kernel/profiling" if os.path.exists("/sys/kernel/profiling") else "/sys/power/pm_async", os.O_WRONLY))


@attempt("cgroupfs", "a cgroup named after the data", "mount namespace: no cgroup file system", privilege="the cgroup folders are root's")
def _(t): os.mkdir("/sys/fs/cgroup/" + ("unified/" if os.path.isdir("/sys/fs/cgroup/unified") else "") + t.text)


@attempt("proc-comm", "the process's own name: others on the node see it with ps",
         "whole nodes: no other account has a process here",
         allowed="an account with a process on the node sees names of processes; nodes are whole to a job, and other accounts have no logins there")
def _(t):
    ctypes.CDLL(None).prctl(15, b"n%d" % t.number, 0, 0, 0)
    return HOLD
