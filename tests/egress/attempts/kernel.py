"""The kernel's other doors: processes outside, namespaces, IPC, keyrings, BPF and its kin, privileges."""
import ctypes
import fcntl
import os
import resource
import signal
import socket
import struct
import subprocess
import time

from common import Stopped, attempt, call

SECCOMP = "seccomp"
IPC = "IPC namespace of its own"
DOMAIN = "Landlock domain"
NONE = "no capabilities"
STRANGER = "it needs a process of the same account outside the job on the node: enclave accounts have no logins there"


def stranger(t):
    """A process of the same account outside the fence (the harness starts one on the node, and says which)."""
    with open(os.path.join(t.work, "stranger." + socket.gethostname())) as f:
        return int(f.read())


# --- a process outside: ptrace and its kin

@attempt("ptrace-attach", "ptrace a process of the same account outside", DOMAIN, opens=True)
def _(t):
    patiently(lambda: call(101, 16, stranger(t), 0, 0))
    os.waitpid(stranger(t), 0x40000000)
    call(101, 17, stranger(t), 0, 0)


@attempt("ptrace-seize", "the same by PTRACE_SEIZE", DOMAIN, opens=True)
def _(t): patiently(lambda: call(101, 0x4206, stranger(t), 0, 0))


def patiently(work):
    """Another attempt may trace it now."""
    end = time.monotonic() + 1
    while True:
        try:
            return work()
        except PermissionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


@attempt("process-vm-write", "write into its memory", DOMAIN, opens=True)
def _(t): vm(t, 311)


@attempt("process-vm-read", "read its memory", DOMAIN, opens=True)
def _(t): vm(t, 310)


def vm(t, number):
    with open(f"/proc/{stranger(t)}/stat") as f:  # the stack's address; 0 if it may not be seen
        start = int(f.read().rsplit(")", 1)[1].split()[25])
    if not start:
        raise PermissionError(1, "its memory's addresses are hidden")
    buffer = ctypes.create_string_buffer(8)
    here = struct.pack("PN", ctypes.addressof(buffer), 8)
    there = struct.pack("PN", start - 4096 if number == 311 else start, 8)
    call(number, stranger(t), here, 1, there, 1, 0)


for label in ("mem", "environ", "root", "cwd", "fd", "maps", "auxv"):
    @attempt("proc-" + label if label != "root" else "proc-stranger-root", f"/proc/PID/{label} of it", DOMAIN, opens=True)
    def _(t, label=label):
        path = f"/proc/{stranger(t)}/{label}"
        if label in ("root", "cwd", "fd"):
            os.listdir(path)
        else:
            with open(path, "r+b" if label == "mem" else "rb", buffering=0) as f:
                if label != "mem":
                    f.read(64)


@attempt("pidfd-getfd", "one of its sockets, by pidfd_getfd", DOMAIN)
def _(t):
    pid = call(434, stranger(t), 0)
    for number in range(3, 10):
        try:
            fd = call(438, pid, number, 0)
        except OSError as error:
            if error.errno == 9:
                continue
            raise
        os.write(fd, t.mark)
        return
    raise Stopped("it has no socket")


@attempt("kcmp", "compare its descriptors with one's own", DOMAIN, opens=True)
def _(t): call(312, stranger(t), os.getpid(), 0, 0, 0)


@attempt("signal", "a signal to it", "Landlock scope", opens=True)
def _(t): os.kill(stranger(t), 0)


@attempt("signal-value", "a signal with a number in it (rt_sigqueueinfo)", "Landlock scope", opens=True)
def _(t):
    info = ctypes.create_string_buffer(struct.pack("iiiIIii", 28, 0, -1, os.getpid(), os.getuid(), 7, 0).ljust(128, b"\0"))
    call(129, stranger(t), 28, ctypes.addressof(info))  # SIGWINCH: ignored


@attempt("signal-pidfd", "a signal by pidfd_send_signal", "Landlock scope", opens=True)
def _(t): call(424, call(434, stranger(t), 0), 0, 0, 0)


@attempt("signal-io", "SIGIO by fcntl(F_SETOWN) on a socket", "Landlock scope")
def _(t):
    a, b = socket.socketpair()
    fcntl.fcntl(a, 10, signal.SIGUSR1)  # F_SETSIG
    fcntl.fcntl(a, fcntl.F_SETOWN, stranger(t))
    fcntl.fcntl(a, fcntl.F_SETFL, os.O_ASYNC)
    b.send(b"x")


@attempt("wrapper-memory", "the memory of the job's own wrapper and srun", DOMAIN, opens=True)
def _(t):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as f:
                if f.read().strip() not in ("srun", "aloft-run"):
                    continue
            os.close(os.open(f"/proc/{pid}/mem", os.O_RDWR))
            return
        except FileNotFoundError:
            continue
    raise Stopped("not to be seen")


# --- namespaces

FLAGS = {"user": 0x10000000, "mount": 0x20000, "network": 0x40000000, "process": 0x20000000, "ipc": 0x8000000, "host-name": 0x4000000,
         "cgroup": 0x2000000, "time": 0x80}

for label, flag in FLAGS.items():
    @attempt("unshare-" + label, f"unshare(2): a {label} namespace", SECCOMP, opens=True)
    def _(t, flag=flag): call(272, flag | 0x10000000)  # with a user namespace an ordinary account may


def child_of(number, *arguments):
    pid = call(number, *arguments)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


@attempt("clone-user", "clone(2) into a user and network namespace", SECCOMP, opens=True)
def _(t): child_of(56, 0x50000000 | 17, 0, 0, 0, 0)


@attempt("clone3-user", "the same by clone3, whose flags seccomp cannot see", SECCOMP, opens=True)
def _(t): child_of(435, struct.pack("Q7QQ", 0x50000000, 0, 0, 0, 17, 0, 0, 0, 0), 64)


for label in ("net", "mnt", "ipc", "uts", "pid"):
    @attempt("setns-" + label, f"setns(2) into the node's {label} namespace", SECCOMP, opens=True, privilege="setns needs CAP_SYS_ADMIN")
    def _(t, label=label): call(308, os.open(f"/proc/{'1' if os.getuid() == 0 else 'self'}/ns/{label}", os.O_RDONLY), 0)


# --- messages and memory that outlive a process

@attempt("sysv-shm", "System V shared memory", IPC)
def _(t): call(29, t.number, 4096, 0o1666)


@attempt("sysv-semaphore", "a System V semaphore", IPC)
def _(t): call(64, t.number, 1, 0o1666)


@attempt("sysv-queue", "a System V message queue", IPC)
def _(t): call(68, t.number, 0o1666)


@attempt("posix-queue", "a POSIX message queue", "seccomp; " + IPC)
def _(t): call(240, t.mark, os.O_CREAT | os.O_RDWR, 0o666, None)


@attempt("posix-shm", "POSIX shared memory", "a /dev/shm of the job's own")
def _(t):
    with open("/dev/shm/" + t.text, "w") as f:
        f.write(t.text)


KEYRINGS = {"user": -4, "session-of-user": -5}
for label, ring in KEYRINGS.items():
    @attempt("keyring-" + label, f"a key in the {label} keyring, which the account's other processes have too", SECCOMP)
    def _(t, ring=ring): call(248, b"user", t.mark, t.mark, len(t.mark), ring)


@attempt("keyring-persistent", "a key in the account's persistent keyring", SECCOMP)
def _(t):
    ring = call(250, 22, -1, -2)  # the persistent keyring, linked to this process's
    call(248, b"user", t.mark, t.mark, len(t.mark), ring)


@attempt("request-key", "request_key, which can start a program of root's", SECCOMP, opens=True)
def _(t):
    try:
        call(249, b"user", t.mark, t.mark, -4)
    except OSError as error:
        if error.errno not in (2, 126):  # asked for, and not found
            raise


# --- the kernel's machinery

@attempt("io-uring", "io_uring, which passes seccomp's socket rules", SECCOMP, opens=True)
def _(t): os.close(call(425, 1, ctypes.create_string_buffer(256)))


@attempt("bpf", "bpf(2)", SECCOMP, opens=True, privilege="unprivileged BPF is off")
def _(t): os.close(call(321, 0, struct.pack("IIIII", 2, 4, 8, 1, 0).ljust(72, b"\0"), 72))


@attempt("perf", "perf_event_open(2)", SECCOMP, opens=True)
def _(t): os.close(call(298, struct.pack("IIQ", 1, 128, 9).ljust(40, b"\0") + struct.pack("Q", 0x61).ljust(88, b"\0"), 0, -1, -1, 0))


@attempt("userfaultfd", "userfaultfd(2)", SECCOMP, opens=True)
def _(t): os.close(call(323, 1))


@attempt("fanotify", "fanotify: which files others open", SECCOMP, opens=True, privilege="it needs CAP_SYS_ADMIN")
def _(t): os.close(call(300, 0, 0))


@attempt("mount", "a mount", SECCOMP, opens=True, privilege="mount needs CAP_SYS_ADMIN")
def _(t): mount_and_leave()


def mount_and_leave():
    os.makedirs("/tmp/aloft-mount", exist_ok=True)
    call(165, b"none", b"/tmp/aloft-mount", b"tmpfs", 0, 0)
    call(166, b"/tmp/aloft-mount", 2)


@attempt("mount-new", "a mount by fsopen", SECCOMP, opens=True, privilege="mount needs CAP_SYS_ADMIN")
def _(t): os.close(call(430, b"tmpfs", 0))


@attempt("chroot", "chroot(2)", SECCOMP, opens=True, privilege="it needs CAP_SYS_CHROOT")
def _(t): call(161, b"/usr")


@attempt("host-name", "the node's host name as a notice board", NONE, opens=True, privilege="it needs CAP_SYS_ADMIN")
def _(t):
    name = socket.gethostname().encode()
    call(170, name, len(name))


@attempt("clock", "set the clock", NONE, opens=True, privilege="it needs CAP_SYS_TIME")
def _(t): time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_REALTIME))


@attempt("swap", "swapon(2)", NONE, opens=True, privilege="it needs CAP_SYS_ADMIN")
def _(t): privileged_call(167, b"/nonexistent", 0)


@attempt("process-accounting", "acct(2): a record of processes where one likes", NONE, opens=True, privilege="it needs CAP_SYS_PACCT")
def _(t): privileged_call(163, b"/nonexistent")


@attempt("module", "a kernel module", SECCOMP, opens=True, privilege="it needs CAP_SYS_MODULE")
def _(t): privileged_call(175, b"", 0, b"")


@attempt("kexec", "another kernel", SECCOMP, opens=True, privilege="it needs CAP_SYS_BOOT")
def _(t): privileged_call(246, 0, 17, 0, 0)


def privileged_call(number, *arguments):
    """Root gets past the question of privilege to a complaint about the arguments: so much proves the door."""
    try:
        call(number, *arguments)
    except OSError as error:
        if error.errno == 1:
            raise


@attempt("kernel-log", "syslog(2): the kernel's log, which others write and read", SECCOMP, opens=True, privilege="dmesg_restrict")
def _(t): call(103, 10, 0, 0)


@attempt("flow-label", "a table of IPv6 flow labels, which every account of the node reads", SECCOMP, opens=True)
def _(t):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        label = socket.inet_pton(socket.AF_INET6, t.outside6) + struct.pack(">I", t.number & 0xFFFFF) + struct.pack("BBHHHI", 0, 255, 1, 0, 0, 0)
        s.setsockopt(41, 32, label)


@attempt("log-futex", "a futex operation that the kernel logs with the process's name", SECCOMP, opens=True)
def _(t):
    words = (ctypes.c_int * 2)()
    call(202, ctypes.addressof(words), 5, 0, 0, ctypes.addressof(words) + 4, 0x80000000 | 40 << 12)


@attempt("log-remap-file-pages", "an old call that the kernel logs with the process's name", SECCOMP, opens=True)
def _(t): privileged_call(216, 0, 0, 0, 0, 0)


@attempt("setuid", "a setuid program becomes root", "no_new_privs; nosuid", opens=True)
def _(t):
    with subprocess.Popen(["/usr/bin/su"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as su:
        time.sleep(0.2)
        with open(f"/proc/{su.pid}/status") as f:
            effective = next(line.split()[2] for line in f if line.startswith("Uid:"))
        su.kill()
    if effective != "0":
        raise Stopped(f"it runs as {effective}")


@attempt("core-dump", "a core dump, which a handler of the node may collect", "the limit for them is 1 byte, and cannot be raised", opens=True)
def _(t):
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (65536, 65536))
    except ValueError as error:
        raise Stopped(str(error)) from None


@attempt("priority", "the priority of a process outside as a notice board", DOMAIN, opens=True,
         allowed=STRANGER)
def _(t): os.setpriority(os.PRIO_PROCESS, stranger(t), 7)


@attempt("affinity", "the CPU affinity of a process outside", DOMAIN, opens=True,
         allowed=STRANGER)
def _(t): os.sched_setaffinity(stranger(t), {0})


@attempt("limits", "the limits of a process outside (prlimit)", DOMAIN, opens=True, allowed=STRANGER)
def _(t): call(302, stranger(t), 4, struct.pack("QQ", 1 << 20, 1 << 20), 0)
