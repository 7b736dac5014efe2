"""Speaks to aloftd as it is spoken on the socket, as any account: what `aloft` would never send."""
import array
import json
import os
import pwd
import socket
import sys


def talk(path, line, files=(), timeout=60):
    """Sends one line (bytes) with descriptors; the answer as JSON, or None if the connection closed without one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(timeout)
        try:
            s.connect(path)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
            s.sendmsg([line[:1]], rights)
            s.sendall(line[1:])
        except OSError:  # it may have answered and closed
            pass
        text = b""
        while not text.endswith(b"\n"):
            try:
                more = s.recv(1 << 16)
            except OSError:
                return None
            if not more:
                return None
            text += more
    return json.loads(text)


def ask(path, uid, request, files=()):
    """Asks as the account with this uid."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            line = request if isinstance(request, bytes) else (json.dumps(request) + "\n").encode()
            with os.fdopen(writing, "w") as out:
                json.dump(talk(path, line, files), out)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else None


def main(path, account, *requests):
    """ask.py SOCKET ACCOUNT [REQUEST...]: each request, or each line of standard input, and its answer on a line."""
    uid = pwd.getpwnam(account).pw_uid
    for line in requests or sys.stdin:
        print(json.dumps(ask(path, uid, line.strip().encode() + b"\n"), separators=(",", ":"), sort_keys=True), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
