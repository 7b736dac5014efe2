#!/usr/bin/env python3
"""A process of the job's account on the job's node, outside the fence: what a step must not be able to use.

    stranger.py --out FILE --mark TEXT --connect ADDRESS

It has a socket connected to ADDRESS (for whoever takes it), a terminal (for whoever writes to it), and notes signals. FILE holds one
JSON object: "tokens" as listener.py's, and "terminal", the terminal's path.
"""
import argparse
import json
import os
import re
import select
import signal
import socket
import tty

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", required=True)
parser.add_argument("--mark", required=True)
parser.add_argument("--connect", required=True)
options = parser.parse_args()
tokens = {}
gift = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
gift.connect((options.connect, 9001))
master, slave = os.openpty()
tty.setraw(slave)


def note(name, size):
    tokens[name] = tokens.get(name, 0) + size
    write()


def write():
    with open(options.out + ".tmp", "w") as out:
        json.dump({"tokens": tokens, "terminal": os.ttyname(slave), "pid": os.getpid()}, out)
    os.replace(options.out + ".tmp", options.out)


# A handler may come between any two lines: it only takes down what is noted below.
signalled = []
signal.signal(signal.SIGUSR1, lambda *_: signalled.append(("signal-io", 1)))
signal.signal(signal.SIGWINCH, lambda *_: signalled.append(("signal-value", 4)))
write()
while True:
    data = os.read(master, 65536) if select.select([master], [], [], 0.1)[0] else b""
    while signalled:
        note(*signalled.pop())
    for name in re.findall(options.mark.encode() + rb"_([a-z0-9-]+)_", data):
        note(name.decode(), len(data))
