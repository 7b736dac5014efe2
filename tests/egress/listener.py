#!/usr/bin/env python3
"""Stands outside the fence and counts what arrives.

    listener.py --out FILE [--port 9001] [--dns 53] [--abstract NAME] [--seconds N]

Listens on TCP and UDP PORT over IPv4 and IPv6, on UDP DNS, and on the abstract Unix socket NAME. FILE holds, at any
time, one JSON object: bytes and contacts per way, and their sum ("bytes", "contacts"). A TCP connection that carries
nothing is a contact too: it would be a signal. Ends after N seconds (default: when it is told to).
"""
import argparse
import json
import os
import selectors
import socket
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", required=True)
parser.add_argument("--port", type=int, default=9001)
parser.add_argument("--dns", type=int, default=53)
parser.add_argument("--abstract", default="")
parser.add_argument("--seconds", type=float, default=0)
options = parser.parse_args()

watch = selectors.DefaultSelector()
counts = {}


def note(way, contacts, size):
    entry = counts.setdefault(way, {"contacts": 0, "bytes": 0})
    entry["contacts"] += contacts
    entry["bytes"] += size
    write()


def write():
    total = {"bytes": sum(c["bytes"] for c in counts.values()),
             "contacts": sum(c["contacts"] for c in counts.values()), "ways": counts}
    with open(options.out + ".tmp", "w") as out:
        json.dump(total, out)
    os.replace(options.out + ".tmp", options.out)


def add(family, kind, address, way):
    s = socket.socket(family, kind)
    if family in (socket.AF_INET, socket.AF_INET6):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind(address)
    if kind == socket.SOCK_STREAM:
        s.listen(64)
        watch.register(s, selectors.EVENT_READ, (way, accept))
    else:
        watch.register(s, selectors.EVENT_READ, (way, receive))


def accept(s, way):
    connection, _ = s.accept()
    note(way, 1, 0)
    watch.register(connection, selectors.EVENT_READ, (way, read))


def read(s, way):
    try:
        data = s.recv(65536)
    except OSError:
        data = b""
    if data:
        note(way, 0, len(data))
    else:
        watch.unregister(s)
        s.close()


def receive(s, way):
    note(way, 1, len(s.recv(65536)))


for family, any_address, name in ((socket.AF_INET, "0.0.0.0", "4"), (socket.AF_INET6, "::", "6")):
    add(family, socket.SOCK_STREAM, (any_address, options.port), "tcp" + name)
    add(family, socket.SOCK_DGRAM, (any_address, options.port), "udp" + name)
    if options.dns:
        add(family, socket.SOCK_DGRAM, (any_address, options.dns), "dns" + name)
if options.abstract:
    add(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + options.abstract, "abstract")
write()

end = time.monotonic() + options.seconds if options.seconds else None
while end is None or time.monotonic() < end:
    for key, _ in watch.select(1):
        way, what = key.data
        what(key.fileobj, way)
