#!/usr/bin/env python3
"""Stands outside the fence and counts what arrives.

    listener.py --out FILE [--port 9001] [--dns 53] [--more PORT,...] [--abstract NAME] [--path PATH]... [--mark TEXT] [--seconds N]

Listens on TCP and UDP PORT over IPv4 and IPv6, on UDP and TCP DNS, on more TCP ports, on the abstract Unix socket NAME (with --kinds also
on NAME-stream, NAME-datagram, NAME-seqpacket), on path sockets ("datagram:PATH" for those), and with --give ADDRESS passes a socket
connected to ADDRESS to whoever connects to \\0NAME-giver or /tmp/NAME-giver. With --netlink it takes messages of other processes.
FILE holds, at any time, one JSON object: bytes and contacts per way, their sum ("bytes", "contacts"), and with --mark the bytes per
token MARK_NAME_ ("tokens"). A TCP connection that carries nothing is a contact too: it would be a signal.
Ends after N seconds (default: when it is told to).
"""
import argparse
import json
import os
import re
import selectors
import socket
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", required=True)
parser.add_argument("--port", type=int, default=9001)
parser.add_argument("--dns", type=int, default=53)
parser.add_argument("--more", default="")
parser.add_argument("--abstract", default="")
parser.add_argument("--kinds", action="store_true")
parser.add_argument("--give", default="")
parser.add_argument("--path", action="append", default=[])
parser.add_argument("--netlink", action="store_true")
parser.add_argument("--mark", default="")
parser.add_argument("--seconds", type=float, default=0)
options = parser.parse_args()

watch = selectors.DefaultSelector()
counts, tokens = {}, {}
token = re.compile(options.mark.encode() + rb"_([a-z0-9-]+)_") if options.mark else None
UNIX = {"stream": socket.SOCK_STREAM, "datagram": socket.SOCK_DGRAM, "seqpacket": socket.SOCK_SEQPACKET}


def note(way, contacts, data):
    entry = counts.setdefault(way, {"contacts": 0, "bytes": 0})
    entry["contacts"] += contacts
    entry["bytes"] += len(data)
    for name in token.findall(data) if token else ():
        tokens[name.decode()] = tokens.get(name.decode(), 0) + len(data)
    write()


def write():
    total = {"bytes": sum(c["bytes"] for c in counts.values()),
             "contacts": sum(c["contacts"] for c in counts.values()), "ways": counts, "tokens": tokens}
    with open(options.out + ".tmp", "w") as out:
        json.dump(total, out)
    os.replace(options.out + ".tmp", options.out)


def add(family, kind, address, way, protocol=0, what=None):
    s = socket.socket(family, kind, protocol)
    if family in (socket.AF_INET, socket.AF_INET6):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind(address)
    if kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        if family != socket.AF_UNIX:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
        s.listen(64)
        watch.register(s, selectors.EVENT_READ, (way, what or accept))
    else:
        watch.register(s, selectors.EVENT_READ, (way, receive))


def accept(s, way):
    connection, _ = s.accept()
    note(way, 1, b"")
    watch.register(connection, selectors.EVENT_READ, (way, read))


def give(s, way):
    connection, _ = s.accept()
    note(way, 1, b"")
    with connection, socket.create_connection((options.give, options.port), 2) as gift:
        socket.send_fds(connection, [b"x"], [gift.fileno()])


def read(s, way):
    try:
        data = s.recv(65536)
    except OSError:
        data = b""
    if data:
        note(way, 0, data)
    if not data or way.startswith("path:"):  # who asks a name service that is none must not wait for it
        watch.unregister(s)
        s.close()


def receive(s, way):
    note(way, 1, s.recv(65536))


def add_path(path, way, kind=socket.SOCK_STREAM, what=None):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)
    add(socket.AF_UNIX, kind, path, way, what=what)
    os.chmod(path, 0o777)


for family, any_address, name in ((socket.AF_INET, "0.0.0.0", "4"), (socket.AF_INET6, "::", "6")):
    add(family, socket.SOCK_STREAM, (any_address, options.port), "tcp" + name)
    add(family, socket.SOCK_DGRAM, (any_address, options.port), "udp" + name)
    if options.dns:
        add(family, socket.SOCK_DGRAM, (any_address, options.dns), "dns" + name)
        add(family, socket.SOCK_STREAM, (any_address, options.dns), "dns-tcp" + name)
for port in filter(None, options.more.split(",")):
    add(socket.AF_INET, socket.SOCK_STREAM, ("0.0.0.0", int(port)), "tcp4-" + port)
if options.abstract:
    add(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + options.abstract, "abstract")
for label, kind in UNIX.items() if options.kinds else ():
    add(socket.AF_UNIX, kind, f"\0{options.abstract}-{label}", "abstract-" + label)
if options.give:
    add(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{options.abstract}-giver", "giver", what=give)
    add_path(f"/tmp/{options.abstract}-giver", "giver-path", what=give)
for path in options.path:
    kind, _, place = path.rpartition(":")
    add_path(place, "path:" + place, UNIX[kind or "stream"])
if options.netlink:
    add(socket.AF_NETLINK, socket.SOCK_RAW, (7001, 0), "netlink-usersock", 2)
    add(socket.AF_NETLINK, socket.SOCK_RAW, (7000, 0), "netlink-route", 0)
write()

end = time.monotonic() + options.seconds if options.seconds else None
while end is None or time.monotonic() < end:
    for key, _ in watch.select(1):
        way, what = key.data
        try:
            what(key.fileobj, way)
        except OSError:
            pass  # the other side changed its mind
