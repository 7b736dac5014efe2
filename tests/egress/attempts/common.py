"""What all attempts share: how one is written down, run, and told about.

An attempt is a function that tries to get its token (bytes that name it) out by one mechanism. It returns if every call succeeded and
raises if one failed; whether anything arrived outside is for those who look there (listener.py, look.py, sniffer.py) to say.
"""
import ctypes
import errno
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from typing import Callable

LONGEST = 60.0  # seconds that one attempt may take: one that hangs proves nothing
CALLED = 6.0    # seconds that one waits for somebody outside to call, who calls several times in each
HOLD = "hold"  # returned by an attempt whose process must stay to be seen (a lock, a name)
libc = ctypes.CDLL(None, use_errno=True)


class Stopped(Exception):
    """An attempt that failed in a way that is not a system call's error."""


class Unreached(Exception):
    """It failed because nobody was there: nothing is proved."""


@dataclass
class Attempt:
    name: str
    how: str
    layer: str          # what in the fence stops it
    where: str          # "step", "ranks", "login" (somebody with Slurm's commands), "neighbour"
    function: Callable
    opens: bool         # no data by itself: that the call succeeds is the way out
    privilege: str      # why an ordinary account cannot do it without the fence either; the control run does it as root
    absent: str         # why the control run cannot show it on this machine at all
    allowed: str        # why it may be seen outside: what PROMISE.md does not promise


ATTEMPTS: dict[str, Attempt] = {}


def attempt(name, how, layer, where="step", *, opens=False, privilege="", absent="", allowed=""):
    def keep(function):
        assert name not in ATTEMPTS, name
        ATTEMPTS[name] = Attempt(name, how, layer, where, function, opens, privilege, absent, allowed)
        return function
    return keep


@dataclass
class Target:
    """Where to, and with which token."""
    run: str                 # the mark of this run; a token is mark_NAME_
    outside: str = ""        # beyond the cluster
    outside6: str = ""
    other: str = ""          # a node that is not in the job
    fellow: str = ""         # a node of the job, not this one
    slurm: str = "ctld"
    port: int = 9001
    work: str = "."          # where the job may write
    data: str = ""           # the dataset's folder
    name: str = ""
    rank: int = 0
    notes: dict = field(default_factory=dict)

    @property
    def text(self) -> str:
        return f"{self.run}_{self.name}_"

    @property
    def mark(self) -> bytes:
        return self.text.encode()

    def address(self, host: str) -> str:
        """Of a host of the test cluster (tests/cluster/cluster): inside, only the job's own nodes have names."""
        last = {"ctld": 2, "login": 3, "outside": 4}.get(host) or 10 + int(host.removeprefix("node"))
        return f"{self.outside.rpartition('.')[0]}.{last}"

    @property
    def number(self) -> int:
        """31 bits that stand for the token where only a number fits."""
        return number_of(self.text)


def number_of(text: str) -> int:
    value = 2166136261
    for byte in text.encode():  # FNV-1a: the same here and where it is looked for
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value & 0x7FFFFFFF


def describe(one: Attempt, error: BaseException) -> dict:
    if isinstance(error, Unreached):
        return {"result": "unreached", "stopped_by": str(error)}
    if isinstance(error, OSError):
        nobody = isinstance(error, socket.gaierror) and one.name != "dns-resolver" or error.errno in (
            errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH)
        code = errno.errorcode.get(error.errno, "timeout" if isinstance(error, TimeoutError) else str(error))
        if nobody:
            return {"result": "unreached", "stopped_by": f"{code}: nobody there"}
        return {"result": "stopped", "stopped_by": f"{code}: {one.layer}"}
    if isinstance(error, Stopped):
        return {"result": "stopped", "stopped_by": f"{error}: {one.layer}"}
    return {"result": "broken", "stopped_by": f"{type(error).__name__}: {error}"}


def too_late(*_):
    raise Unreached(f"no answer in {LONGEST:.0f} s")


def in_child(one: Attempt, target: Target, tell: int):
    """An attempt may lose its process, its namespace or its mind: it has a process of its own."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGALRM, too_late)
    signal.setitimer(signal.ITIMER_REAL, LONGEST - 0.5)
    held = None
    try:
        held = one.function(target)
        line = {"result": "out"}
    except BaseException as error:
        line = describe(one, error)
    signal.setitimer(signal.ITIMER_REAL, 0)
    os.write(tell, json.dumps(line).encode())
    os.close(tell)
    while held == HOLD:
        signal.pause()
    os._exit(0)


def start(one: Attempt, target: Target):
    """The attempt in a process of its own; returns the process, the pipe that it will answer on, and when it began."""
    target.name = one.name
    listen, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(listen)
        in_child(one, target, tell)
    os.close(tell)
    return child, listen, time.monotonic()


def finish(one: Attempt, listen: int, begin: float) -> dict:
    line = {"name": one.name, "where": one.where, "how": one.how, "layer": one.layer}
    if select.select([listen], [], [], max(0, begin + LONGEST - time.monotonic()))[0]:
        said = os.read(listen, 65536)
        line |= json.loads(said) if said else {"result": "stopped", "stopped_by": f"its process died: {one.layer}"}
    else:
        line |= {"result": "unreached", "stopped_by": f"its process hung for {LONGEST:.0f} s"}
    os.close(listen)
    return line | {"seconds": round(time.monotonic() - begin, 3)}


def run_all(attempts: list[Attempt], target: Target, together: int):
    """Yields what became of each, in their order, and the processes that hold something."""
    going = []
    for one in attempts:
        going.append((one, *start(one, target)))
        if len(going) == together:
            one, child, listen, begin = going.pop(0)
            yield finish(one, listen, begin), child
    for one, child, listen, begin in going:
        yield finish(one, listen, begin), child


def end(children: list):
    for child in children:
        try:
            os.killpg(child, signal.SIGKILL)
        except OSError:
            pass
        os.waitpid(child, 0)


def kernel_log():
    """The records of the kernel's log, root's to read; also those that somebody has cleared, which dmesg does not show."""
    log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    try:
        while True:
            try:
                yield os.read(log, 8192).decode(errors="replace")
            except BlockingIOError:
                return
            except BrokenPipeError:  # overwritten meanwhile
                continue
    finally:
        os.close(log)


def call(number, *arguments):
    """A system call by its number on x86-64; raises OSError."""
    result = libc.syscall(number, *(ctypes.c_long(one) if isinstance(one, int) else one for one in arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def program(*command, folder=None, text=None):
    """Runs a program; Stopped with its last words if it fails."""
    if not shutil.which(command[0]):
        raise Stopped("no such program")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST - 1, cwd=folder, input=text)
    except subprocess.TimeoutExpired:
        raise Unreached(f"no answer in {LONGEST - 1:.0f} s") from None
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Stopped(words[-1][:160] if words else f"exit {done.returncode}")
    return done.stdout


def stream(family, address, data, **options):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(options.get("wait", 3))
        for (level, name), value in options.get("set", {}).items():
            s.setsockopt(level, name, value)
        if "bind" in options:
            s.bind(options["bind"])
        s.connect(address)
        s.sendall(data)


def datagram(family, address, data, kind=socket.SOCK_DGRAM, set=None):
    with socket.socket(family, kind) as s:
        for (level, name), value in (set or {}).items():
            s.setsockopt(level, name, value)
        s.sendto(data, address)
