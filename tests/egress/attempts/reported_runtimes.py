"""What was reported of container runtimes and sandboxes, tried from a step: the same kinds of mistake in what builds a job's view."""
import os
import socket
import struct

from common import Stopped, call
from reported import MOUNT, PATCHED, SECCOMP, USER, VIEW, reported

def parents():
    """The processes above this one, up to the first that is not to be seen."""
    pid = os.getppid()
    while pid > 1:
        yield pid
        try:
            with open(f"/proc/{pid}/stat") as f:
                pid = int(f.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            return


# --- what a runtime leaves open, and its own program

@reported("runtime-program", "CVE-2019-5736", "overwrite the program that started the step, by /proc/PID/exe", "the program is root's; Landlock domain", opens=True, absent=PATCHED)
def _(t):
    for pid in parents():
        try:
            os.close(os.open(os.readlink(f"/proc/{pid}/exe"), os.O_WRONLY))
            return
        except OSError:
            continue
    raise Stopped("none may be written")


@reported("runtime-program-again", "CVE-2019-5736", "the same through a path-only descriptor, opened again", "the program is root's; Landlock domain", opens=True, absent=PATCHED)
def _(t):
    for pid in parents():
        try:
            os.close(os.open(f"/proc/self/fd/{os.open(f'/proc/{pid}/exe', os.O_PATH)}", os.O_WRONLY))
            return
        except OSError:
            continue
    raise Stopped("none may be written")


@reported("leaked-folder", "CVE-2024-21626", "a folder outside that an inherited descriptor leads to", "slurmstepd's descriptors are closed at exec", opens=True, absent=PATCHED)
def _(t):
    for fd in os.listdir("/proc/self/fd"):
        try:
            if os.path.isdir(f"/proc/self/fd/{fd}") and not os.readlink(f"/proc/self/fd/{fd}").startswith("/proc"):
                os.listdir(f"/proc/self/fd/{fd}/../../../../home/e-alice")
                return
        except OSError:
            continue
    raise Stopped("no folder among its descriptors")


@reported("parent-folder", "CVE-2024-21626", "the working folder of what started the step (/proc/PID/cwd)", "Landlock domain", opens=True, absent=PATCHED)
def _(t):
    for pid in parents():
        try:
            if os.path.exists(f"/proc/{pid}/cwd/../../../../../etc/shadow") and os.stat(f"/proc/{pid}/root").st_ino != os.stat("/").st_ino:
                return
        except OSError:
            continue
    raise Stopped("none leads out")


@reported("leaked-proc", "CVE-2016-8649, CVE-2015-3627", "up from an inherited descriptor of /proc, or of any folder, to the host's files", "slurmstepd's descriptors are closed at exec", opens=True, absent=PATCHED)
def _(t):
    for fd in map(int, os.listdir("/proc/self/fd")):
        for way in ("1/root/etc/hostname", "../etc/hostname"):
            try:
                os.close(os.open(way, os.O_RDONLY, dir_fd=fd))
                return
            except OSError:
                continue
    raise Stopped("no folder among its descriptors")


@reported("parent-descriptors", "CVE-2016-9962, CVE-2016-8659", "the descriptors of what started the step, while it does", "Landlock domain", opens=True, privilege="they are root's")
def _(t):
    for pid in parents():
        if os.stat(f"/proc/{pid}").st_uid == 0:
            os.listdir(f"/proc/{pid}/fd")
            return
    raise Stopped("none is to be seen")


@reported("capabilities", "CVE-2022-24769, CVE-2016-8867", "capabilities that the step was given, inheritable or ambient", "slurmstepd gives none", opens=True, absent=PATCHED)
def _(t):
    with open("/proc/self/status") as f:
        left = [line for line in f if line.startswith(("CapInh", "CapPrm", "CapEff", "CapAmb")) and int(line.split()[1], 16)]
    if not left:
        raise Stopped("none")


# --- where mounts land

@reported("mount-target", "CVE-2021-30465, CVE-2015-1335", "a name of one's own where the next step mounts the workspace", "the root of the view is read-only", opens=True, privilege="the folder above is root's")
def _(t):
    above = os.path.dirname(t.work.rstrip("/"))
    os.symlink("/home", os.path.join(above, t.text))
    os.unlink(os.path.join(above, t.text))


@reported("subpath-link", "CVE-2017-1002101, CVE-2021-25741", "a link in the workspace that becomes a way out between a look and a use", VIEW)
def _(t):
    way = os.path.join(t.work, "way-" + t.name)
    for _ in range(50):
        os.makedirs(way + ".kept", exist_ok=True)
        os.rename(way + ".kept", way)
        os.rename(way, way + ".kept")
        os.symlink("/home/e-alice", way)
        with open(os.path.join(way, t.text), "w") as f:
            f.write(t.text)
        os.unlink(way)


@reported("proc-over", "CVE-2019-16884, CVE-2019-19921, CVE-2023-27561, CVE-2015-1334", "another /proc over the first, which who writes labels would take for it", SECCOMP, opens=True)
def _(t):
    user, group = os.getuid(), os.getgid()
    call(272, USER | MOUNT)
    for name, text in (("uid_map", f"0 {user} 1"), ("setgroups", "deny"), ("gid_map", f"0 {group} 1")):
        with open("/proc/self/" + name, "w") as f:
            f.write(text)
    call(165, b"none", b"/proc", b"tmpfs", 0, 0)


@reported("new-mount-calls", "CVE-2021-41133", "the newer calls for mounts, which a list of forbidden ones may not know: open_tree, mount_setattr, move_mount", SECCOMP, opens=True)
def _(t):
    call(272, USER | MOUNT)
    tree = call(428, -100, b"/tmp", 1)                                    # open_tree, OPEN_TREE_CLONE
    call(442, tree, b"", 0x1000, struct.pack("QQQQ", 2, 0, 0, 0), 32)     # mount_setattr, AT_EMPTY_PATH, nosuid
    call(429, tree, b"", -100, b"/tmp", 4)                                # move_mount


@reported("name-service-library", "CVE-2019-14271", "a library for names, which a program of root's in the view would load", "the trees of the view are read-only", opens=True, privilege="they are root's")
def _(t):
    path = f"/usr/lib/x86_64-linux-gnu/libnss_{t.name}.so.2"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT))
    os.unlink(path)


@reported("lock-folder", "CVE-2015-1331", "a file, and a link to follow, in the folder of everybody's locks", VIEW)
def _(t):
    os.symlink(os.path.join("/home/e-alice", t.text), "/run/lock/" + t.name)
    try:
        with open("/run/lock/" + t.name, "w") as f:
            f.write(t.text)
    finally:
        os.unlink("/run/lock/" + t.name)


# --- sockets and devices of a runtime

@reported("shim-sockets", "CVE-2020-15257", "every abstract socket that /proc/net/unix shows", "Landlock scope")
def _(t):
    with open("/proc/net/unix") as f:
        names = {word for line in f for word in line.split()[7:] if word.startswith("@aloft-")}
    sent, refusals = 0, []
    for name in names:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            try:
                with socket.socket(socket.AF_UNIX, kind) as s:
                    s.settimeout(1)
                    s.connect("\0" + name[1:])
                    s.send(t.mark)
                    sent += 1
            except OSError as error:
                if error.errno in (1, 13):  # others are of another kind than this one
                    refusals.append(error)
    if not sent:
        raise refusals[0] if refusals else Stopped("none is shown")


@reported("masked-path", "CVE-2025-31133, CVE-2025-52881", "a name of one's own beside /dev/null, for a runtime that binds it", "a /dev of the job's own, read-only", opens=True, privilege="/dev is root's")
def _(t):
    os.symlink("/proc/sys/kernel/core_pattern", "/dev/" + t.text)
    os.unlink("/dev/" + t.text)


@reported("console", "CVE-2025-52565", "a console that the runtime makes: /dev/ptmx and a name for it", "a /dev of the job's own, read-only", opens=True, privilege="/dev is root's")
def _(t):
    os.symlink("/dev/ptmx", "/dev/" + t.text)
    os.unlink("/dev/" + t.text)


@reported("munge-length", "CVE-2026-25506", "a request to munge whose length of an address is a lie", "mount namespace: no munge in the step", opens=True)
def _(t):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(3)
        s.connect("/run/munge/munge.socket.2")
        body = b"\1\1\0\0\0" + b"\xff" * 64  # a decode request's parts are lengths and what they count
        s.sendall(struct.pack(">IBBBI", 0x00606D4B, 4, 4, 0, len(body)) + body)
