"""What a job leaves on its node for whoever comes next: written by a job of the enclave, read by another account's job when the node is free.

    python3 residue.py --mark TEXT --before FILE [--only NAME]    the reader: prints {"found": {NAME: {"bytes": N, "at": WHERE}}} as the account that runs it

The bits of a token's number stand for the token where only bits fit. `--before`: /proc/net/snmp as it was before the first job.
"""
import argparse
import ctypes
import glob
import json
import mmap
import os
import re
import resource
import socket
import struct
import subprocess
import sys
import time

sys.path.append(os.path.dirname(os.path.abspath(__file__)))
from common import Stopped, attempt, call, datagram, number_of  # noqa: E402

EPILOG = "Epilog (slurm/node/residue.cpp)"
VIEW = "mount namespace: no such place, or a private one"
IPC = "IPC namespace of its own"
NODE = "the node's network namespace is every job's"
DEVICES = ("null", "zero", "full", "random", "urandom")
READERS = {}


def residue(name, how, layer, **more):
    return attempt("residue-" + name, how, layer, "after", **more)


def reader(name):
    def keep(function):
        READERS["residue-" + name] = function
        return function
    return keep


# --- page cache: which pages of a file that all may read are in memory

def cold_file():
    """One that nobody reads: an archive for static linking, or documentation."""
    for pattern in ("/usr/lib/*/*.a", "/usr/share/doc/*/*", "/usr/share/*/*", "/usr/share/*/*/*"):
        for path in sorted(glob.glob(pattern)):
            if os.path.isfile(path) and os.path.getsize(path) > 32 * STRIDE:
                return path
    raise Stopped("no file is large enough")


STRIDE = 32 * mmap.PAGESIZE


@residue("page-cache", "which pages of a file in /usr are in memory", EPILOG + ": drop_caches")
def _(t):
    fd = os.open(cold_file(), os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    for bit in range(31):
        if t.number >> bit & 1:
            os.pread(fd, 1, bit * STRIDE)


@reader("page-cache")
def _(t):
    # A page that is not in memory costs a major fault. (RWF_NOWAIT would say it too, but not on an overlay.)
    found = 0
    with open(cold_file(), "rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as pages:
        pages.madvise(mmap.MADV_RANDOM)
        for bit in range(31):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
            pages[bit * STRIDE]
            found |= (resource.getrusage(resource.RUSAGE_SELF).ru_majflt == before) << bit
    return 4 if found == t.number else 0


# --- connections and what became of them

def number_bytes(t):
    return struct.pack(">I", t.number)


def leave_connection(source, destination, family=socket.AF_INET):
    """One that is closed at both ends: its addresses stay to be read for a minute."""
    with socket.socket(family) as server, socket.socket(family) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", 0))
        server.listen()
        client.bind(source)
        client.connect((destination, server.getsockname()[1]))
        with server.accept()[0] as served:
            client.shutdown(socket.SHUT_WR)
            served.recv(1)


def table(name):
    with open("/proc/net/" + name) as f:
        return [line.split() for line in list(f)[1:]]


@residue("time-wait", "addresses of connections to oneself, which stay in /proc/net/tcp for a minute", EPILOG + ": connections without a process are ended")
def _(t):
    a, b, c, d = number_bytes(t)
    leave_connection((f"127.{a}.{b}.{c}", 0), f"127.{d}.65.66")


@reader("time-wait")
def _(t):
    a, b, c, d = number_bytes(t)
    ends = [bytes([c, b, a, 127]).hex(), bytes([66, 65, d, 127]).hex()]
    rows = [[end.split(":")[0].lower() for end in row[1:3]] for row in table("tcp")]
    return 4 if any(row == ends or row == ends[::-1] for row in rows) else 0


@residue("time-wait-ports", "the same in the port numbers of connections over IPv6", EPILOG + ": connections without a process are ended")
def _(t): leave_connection(("::1", 20000 + t.number % 10000), "::1", socket.AF_INET6)


@reader("time-wait-ports")
def _(t):
    port = f"{20000 + t.number % 10000:04X}"
    return 2 if any(row[1].endswith(":" + port) or row[2].endswith(":" + port) for row in table("tcp6")) else 0


@residue("tcp-metrics", "addresses in the table of round trips, which every account lists (ip tcp_metrics)", EPILOG + ": the table is flushed")
def _(t):
    a, b, c, d = number_bytes(t)
    leave_connection(("127.67.68.69", 0), f"127.{a}.{b}.{c}")


@reader("tcp-metrics")
def _(t):
    a, b, c, d = number_bytes(t)
    shown = subprocess.run(["/usr/sbin/ip", "tcp_metrics", "show"], capture_output=True, text=True).stdout
    return 3 if re.search(rf"\b127\.{a}\.{b}\.{c}\b", shown) else 0


@residue("flow-label", "IPv6 flow labels with a lease, which every account lists", "seccomp; " + EPILOG + ": it waits for them")
def _(t):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        request = socket.inet_pton(socket.AF_INET6, "::1") + struct.pack(">I", t.number & 0xFFFFF) + struct.pack("BBHHHI", 0, 255, 1, 60, 60, 0)
        s.setsockopt(41, 32, request)


@reader("flow-label")
def _(t): return 2 if any(row and int(row[0], 16) == t.number & 0xFFFFF for row in table("ip6_flowlabel")) else 0


@residue("neighbours", "the table of neighbours: addresses that somebody asked for on the cable", "cgroup BPF, connect and sendmsg")
def _(t): datagram(socket.AF_INET, (stranger_address(t), 9), b"x")


def stranger_address(t):
    return f"{t.outside.rpartition('.')[0]}.{100 + t.number % 128}"


@reader("neighbours")
def _(t):
    shown = subprocess.run(["/usr/sbin/ip", "neigh", "show", "nud", "all"], capture_output=True, text=True).stdout
    return 1 if re.search(rf"\.{100 + t.number % 128} dev", shown) else 0


@residue("counters", "the number of datagrams to a closed port, in /proc/net/snmp", NODE,
         allowed="counters of the node's network cannot be reset: a job adds to some 100 of them, and who reads them before and after learns "
                 "20 bits of each, 250 bytes a job and node; nodes of an enclave are offered by no other partition")
def _(t):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for _ in range(1000 + t.number % 1000):
            s.sendto(b"x", ("127.0.0.1", 9))


def no_ports(text):
    names, values = [line.split() for line in text.splitlines() if line.startswith("Udp:")]
    return int(values[names.index("NoPorts")])


@reader("counters")
def _(t):
    with open("/proc/net/snmp") as now:
        count = no_ports(now.read()) - no_ports(options.before)
    return 2 if 0 <= count - 1000 - t.number % 1000 < 5000 else 0


# --- the kernel's log, and times of devices

@residue("kernel-log", "the name of a program that crashes or asks oddly, in the kernel's log", EPILOG + ": the log is cleared; nodes without dmesg_restrict start nothing (preflight)")
def _(t):
    for odd in (lambda: ctypes.string_at(8), wake_oddly):  # the first is not logged where debug.exception-trace is 0
        child = os.fork()
        if child == 0:
            ctypes.CDLL(None).prctl(15, b"n%d" % t.number, 0, 0, 0)
            opened(odd, 0)
            os._exit(0)
        os.waitpid(child, 0)


def wake_oddly():
    words = (ctypes.c_int * 2)()
    call(202, ctypes.addressof(words), 5, 0, 0, ctypes.addressof(words) + 4, 0x80000000 | 40 << 12)  # FUTEX_WAKE_OP that shifts by 40


# Read by root (see after.py): this machine's log is closed to accounts.
def in_kernel_log(text, token):
    return 4 if re.search(rf"n{number_of(token)}\b", text) else 0


def moment(t, at):
    """Which eighth of a second a device's time is to lie in."""
    return t.number >> 3 * at & 7


def is_in_time(t, at, name):
    return int(os.stat("/dev/" + name).st_mtime % 1 * 8) == moment(t, at)


@residue("device-times", "times of the node's own devices (/dev/null and others), to the eighth of a second", "devices are mounted read-only")
def _(t):
    for at, name in enumerate(DEVICES):
        while not is_in_time(t, at, name):
            while int(time.time() % 1 * 8) != moment(t, at):
                time.sleep(0.002)
            os.utime("/dev/" + name)


@reader("device-times")
def _(t): return 2 if all(is_in_time(t, at, name) for at, name in enumerate(DEVICES)) else 0


# --- files and memory that outlive a process

FOLDERS = {"tmp": "/tmp", "var-tmp": "/var/tmp", "shm": "/dev/shm", "run-lock": "/run/lock", "scratch": "/scratch", "x11": "/tmp/.X11-unix"}
for label, folder in FOLDERS.items():
    @residue("file-" + label, f"a file in {folder}", VIEW + "; " + EPILOG)
    def _(t, folder=folder):
        if folder == "/tmp/.X11-unix":
            os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, t.text), "w") as f:
            f.write(t.text)
        os.chmod(f.name, 0o644)

    @reader("file-" + label)
    def _(t, folder=folder): return len(t.text) if os.path.exists(os.path.join(folder, t.text)) else 0


@residue("file-deep", "a file in 300 folders of each other, which nobody wants to search", VIEW + "; " + EPILOG)
def _(t):
    os.chdir("/scratch")
    os.mkdir(t.text, 0o755)
    os.chdir(t.text)
    for _ in range(300):
        os.mkdir("d", 0o755)
        os.chdir("d")
    with open(t.text, "w") as f:
        f.write(t.text)


@reader("file-deep")
def _(t): return len(t.text) if os.path.exists(os.path.join("/scratch", t.text)) else 0


@residue("posix-queue", "a POSIX message queue for everybody", "seccomp; " + IPC + "; " + EPILOG)
def _(t):
    os.umask(0)
    call(240, t.mark, os.O_CREAT | os.O_RDWR, 0o666, None)


@reader("posix-queue")
def _(t): return opened(lambda: os.close(call(240, t.mark, os.O_RDONLY, 0, None)), len(t.text))


def opened(work, size):
    try:
        work()
        return size
    except OSError:
        return 0


for label, make, look in (("shm", (29, 4096), (29, 0)), ("semaphore", (64, 1), (64, 0)), ("queue", (68,), (68,))):
    @residue("sysv-" + label, f"System V: {label} for everybody", IPC + "; " + EPILOG)
    def _(t, make=make): call(make[0], t.number, *make[1:], 0o1666)

    @reader("sysv-" + label)
    def _(t, look=look): return opened(lambda: call(look[0], t.number, *look[1:], 0), 4)


@residue("process", "a process that leaves its session and goes on", "the job's cgroup is killed", absent="Slurm kills what is in the job's cgroup, without the fence too")
def _(t):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            ctypes.CDLL(None).prctl(15, b"n%d" % t.number, 0, 0, 0)
            for fd in range(256):
                opened(lambda fd=fd: os.close(fd), 0)
            time.sleep(60)
        os._exit(0)


@reader("process")
def _(t):
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            with open(path) as f:
                if f.read().strip() == f"n{t.number}":
                    return 4
        except OSError:
            pass
    return 0


for label, path in (("cron", "/var/spool/cron/crontabs/e-alice"), ("mail", "/var/mail/e-alice")):
    @residue(label, f"the account's file in {os.path.dirname(path)}, which acts or is read later", VIEW + "; " + EPILOG, opens=True,
             absent="the folder is not the account's, without the fence too")
    def _(t, path=path): os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))


class Seen:
    """A token as the reader needs it."""
    def __init__(self, name, mark):
        self.name, self.text = name, f"{mark}_{name}_"
        self.mark, self.number = self.text.encode(), number_of(self.text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mark", required=True)
    parser.add_argument("--before", required=True)
    parser.add_argument("--only", choices=READERS)
    options = parser.parse_args()
    with open(options.before) as f:
        options.before = f.read()
    found = {}
    for name in [options.only] if options.only else READERS:
        size = READERS[name](Seen(name, options.mark))
        if size:
            found[name] = {"bytes": size, "at": "the next job on the node"}
    print(json.dumps({"found": found}))
