#!/usr/bin/env python3
"""Calls in from outside: what a job offers to those who call or look.

    caller.py --out FILE --mark TEXT --node ADDRESS [--node6 ADDRESS] [--second ADDRESS] [--neighbour] [--seconds N]   calls listeners of the job, again and again
    caller.py --scan ADDRESS                                                                 which of the ports 20000 to 20015 answers how

FILE holds one JSON object: "tokens" as listener.py's. With --scan one is printed, "ports": open, refused or silent for each.
"""
import argparse
import json
import os
import re
import socket
import threading
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out")
parser.add_argument("--mark", default="")
parser.add_argument("--node", default="")
parser.add_argument("--node6", default="")
parser.add_argument("--second", default="")
parser.add_argument("--neighbour", action="store_true", help="call what is meant for a job on another node, nothing else")
parser.add_argument("--scan", default="")
parser.add_argument("--seconds", type=float, default=30)
options = parser.parse_args()
tokens, lock = {}, threading.Lock()
end = time.monotonic() + options.seconds


def note(data):
    with lock:
        for name in re.findall(options.mark.encode() + rb"_([a-z0-9-]+)_", data):
            tokens[name.decode()] = tokens.get(name.decode(), 0) + len(data)
        write()


def write():
    with open(options.out + ".tmp", "w") as out:
        json.dump({"tokens": tokens}, out)
    os.replace(options.out + ".tmp", options.out)


def again(work):
    while time.monotonic() < end:
        try:
            work()
        except OSError:
            pass
        time.sleep(0.1)


def call(address, family, port, source=0):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if source:
            s.bind(("0.0.0.0", source))
        s.settimeout(0.4)
        s.connect((address, port))
        s.settimeout(2)
        note(s.recv(4096))


def ask(address, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((address, port))
        s.settimeout(0.3)
        s.send(b"?")
        note(s.recv(4096))


def state(port):
    with socket.socket() as s:
        s.settimeout(1)
        try:
            s.connect((options.scan, port))
            return "open"
        except ConnectionRefusedError:
            return "refused"
        except OSError:
            return "silent"


if options.scan:
    print(json.dumps({"ports": [state(port) for port in range(20000, 20016)]}))
else:
    write()
    work = [lambda: call(options.node, socket.AF_INET, 7007), lambda: ask(options.node, 7008),
            lambda: call(options.node, socket.AF_INET, 7010, 7011)]
    if options.node6:
        work.append(lambda: call(options.node6, socket.AF_INET6, 7009))
    if options.second:
        work.append(lambda: call(options.second, socket.AF_INET, 7007))
    if options.neighbour:
        work = [lambda: call(options.node, socket.AF_INET, 7012)]
    threads = [threading.Thread(target=again, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    write()
