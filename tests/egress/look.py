#!/usr/bin/env python3
"""Looks for tokens on one host, as somebody there with every right would: files in memory, IPC, keyrings, kernel log, locks, names.

    look.py --mark TEXT --names NAME,... --since EPOCH [--data FOLDER] [--account UID]

Prints one JSON object: {"found": {NAME: {"bytes": N, "at": WHERE}}}. What it finds it removes, where that is possible without harm.
"""
import argparse
import ctypes
import fcntl
import json
import os
import re
import struct
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "attempts"))
from common import call, kernel_log, number_of  # noqa: E402
from search import tokens_below  # noqa: E402

CGROUP2 = "/sys/fs/cgroup/unified" if os.path.isdir("/sys/fs/cgroup/unified") else "/sys/fs/cgroup"
FOLDERS = ("/tmp", "/dev/shm", "/run", CGROUP2)  # what lies in memory; the rest is looked through from the machine
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--mark", required=True)
parser.add_argument("--names", required=True)
parser.add_argument("--since", type=float, required=True)
parser.add_argument("--data", default="/srv/aloft/datasets/digits/1")
parser.add_argument("--account", type=int, default=70001)
options = parser.parse_args()
names = options.names.split(",")
token = re.compile(re.escape(options.mark) + "_([a-z0-9-]+)_")
found = {}


def note(name, size, where):
    entry = found.setdefault(name, {"bytes": 0, "at": where})
    entry["bytes"] += size


def text_of(name):
    return f"{options.mark}_{name}_"


def files():
    for top in FOLDERS:
        for name, size, path in tokens_below(top, options.mark, options.since, names_only=("/sys",)):
            note(name, size, path)


def ipc():
    for table in ("shm", "sem", "msg"):
        with open("/proc/sysvipc/" + table) as f:
            keys = {int(line.split()[0]) for line in list(f)[1:]}
        for name in names:
            if number_of(text_of(name)) in keys:
                note(name, 4, f"System V {table}")
    for name in names:
        try:
            os.close(call(240, text_of(name).encode(), os.O_RDONLY, 0, None))
            call(241, text_of(name).encode())
            note(name, len(text_of(name)), "POSIX message queue")
        except OSError:
            pass


def keyrings():
    """As the account: keys are the user's on the whole machine."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgid(options.account)
        os.setuid(options.account)
        here = []
        try:
            persistent = call(250, 22, -1, -2)
        except OSError:
            persistent = None
        for ring in (-4, -5, persistent):
            for name in names:
                try:
                    key = call(250, 10, ring, b"user", text_of(name).encode(), 0)
                    call(250, 9, key, ring)
                    here.append(name)
                except (OSError, ctypes.ArgumentError, TypeError):
                    continue
        os.write(write, json.dumps(here).encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    for name in json.loads(os.read(read, 65536) or b"[]"):
        note(name, len(text_of(name)), "the account's keyring")


def look_in_kernel_log():
    for record in kernel_log():
        for name in token.findall(record):
            note(name, len(text_of(name)), "the kernel's log")


def boards():
    """What can be read without being a file: names of processes, sysctls, locks and times of a dataset's files."""
    with open("/proc/sys/kernel/domainname") as f:
        for name in token.findall(f.read()):
            note(name, len(text_of(name)), "the domain name")
    wanted = {f"n{number_of(text_of(name))}": name for name in names}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as f:
                name = wanted.get(f.read().strip())
        except OSError:
            continue
        if name:
            note(name, 4, f"the name of process {pid}")


def locks(folder, label, what):
    """Locks and times of the files of a tree that jobs only read."""
    with open(os.path.join(folder, "shared-file")) as f:
        for name in names:
            if name.startswith("range-lock") and name.endswith("-" + label):
                query = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, number_of(text_of(name)), 8, 0)
                if struct.unpack("hhqqi4x", fcntl.fcntl(f, fcntl.F_GETLK, query))[0] != fcntl.F_UNLCK:
                    note(name, 4, f"a lock on {what}")
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(f, fcntl.LOCK_UN)
        except BlockingIOError:
            note("flock-" + label, 1, f"a lock on {what}")
    if os.stat(os.path.join(folder, "touched-file")).st_atime != 1000000:
        note("times-" + label, 1, f"the access time of {what}")


def dataset():
    locks(options.data, "data", "a dataset's file")
    locks("/srv/aloft/software", "software", "a file of the software tree")
    path = os.path.join(options.data, "shared-file")
    if os.stat(path).st_mtime == number_of(text_of("set-times-data")):
        note("set-times-data", 4, "times of a dataset's file")
    for place, name in ((path, "xattr-data"), ("/usr/local", "xattr-usr")):
        for attribute in ("trusted.aloft", "user.aloft"):
            try:
                if os.getxattr(place, attribute) == text_of(name).encode():
                    note(name, len(text_of(name)), f"an attribute of {place}")
            except OSError:
                pass


for work in (files, ipc, keyrings, look_in_kernel_log, boards, dataset):
    work()
print(json.dumps({"found": found}))
