"""Reads a capture of the job's nodes' cables: which tokens left, and which frames went to anybody but those they may go to."""
import base64
import re
import socket
import struct
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from cards import lo_address
from common import number_of

IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806
FAREWELL = 599


@dataclass
class Wire:
    frames: int = 0
    tokens: dict[str, int] = field(default_factory=dict)   # bytes of frames to others that carry it, in any form
    strangers: Counter = field(default_factory=Counter)    # what went to an address that it had no business with
    refusals: int = 0                                      # the kernel's answers to calls from outside

    def __ior__(self, other: "Wire") -> "Wire":
        self.frames += other.frames
        self.refusals += other.refusals
        self.strangers += other.strangers
        for name, size in other.tokens.items():
            self.tokens[name] = self.tokens.get(name, 0) + size
        return self


def frames(path: Path):
    data = path.read_bytes()
    at = 24
    while at + 16 <= len(data):
        seconds, micros, size, _ = struct.unpack_from("IIII", data, at)
        yield seconds + micros / 1e6, data[at + 16:at + 16 + size]
        at += 16 + size


def forms(mark: str) -> re.Pattern:
    """The mark plain, as hex digits, and as base64 at any of the three offsets."""
    plain = mark.encode()
    encoded = {plain.hex().encode(), plain.hex().upper().encode()}
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + plain)
        encoded.add(text[-(-shift * 8 // 6):len(text) // 4 * 4 - 4].rstrip(b"="))
    return re.compile(re.escape(plain) + rb"_([a-z0-9-]+)_|" + re.escape(plain) + b"|" + b"|".join(re.escape(e) for e in encoded))


def is_refusal(protocol: int, body: bytes) -> bool:
    """The kernel's answer to a call from outside: a reset without a byte of data, or "port unreachable"."""
    if protocol == socket.IPPROTO_TCP:
        return bool(body[13] & 4) and len(body) == (body[12] >> 4) * 4
    return protocol == socket.IPPROTO_ICMP and body[0] == 3


def is_of_agents(protocol: int, body: bytes) -> bool:
    """What nodes' agents say to each other when jobs part (slurm/node/farewell.h): both ports are below 1024, which no job can have."""
    return protocol == socket.IPPROTO_UDP and len(body) >= 8 and all(port < 1024 for port in struct.unpack_from("!HH", body)) \
        and FAREWELL in struct.unpack_from("!HH", body)


class Reader:
    def __init__(self, mark: str, names: list[str], job: set[str], known: set[str], nodes: set[str] = frozenset()):
        """`job`: IPv4 addresses of the job's nodes; `known`: of the controller and the login host; `nodes`: of the cluster's other nodes, whom
        the job's nodes may look for (root's daemons talk to them), but nothing more."""
        self.mark, self.job, self.known, self.nodes = mark, job, known, nodes
        self.callers: set[str] = set()  # who called first may be told that nobody is there
        self.pattern = forms(mark)
        self.groups = {b"\xef" + struct.pack("!I", number_of(f"{mark}_{name}_"))[1:]: name for name in names if name.startswith("igmp")}
        self.groups |= {f"{mark}_{name}_".encode()[-14:].rjust(14, b"."): name for name in names if name.startswith("mld")}
        self.groups |= {f"{mark}_{name}_".encode()[-8:]: name for name in names if name.startswith("nd-")}  # an address's last half
        self.addresses = {socket.inet_aton(lo_address(number_of(f"{mark}_{name}_"))): name for name in names if name.startswith("lo-")}

    def read(self, path: Path, begin: float = 0, end: float = 1e12) -> Wire:
        wire = Wire()
        for _, frame in frames(path):  # two cables are not captured in strict order
            self.note_caller(frame)
        for when, frame in frames(path):
            if begin <= when <= end:
                wire.frames += 1
                self.look(frame, wire)
        return wire

    def note_caller(self, frame: bytes) -> None:
        kind = struct.unpack_from("!H", frame, 12)[0]
        if kind == IPV4 and socket.inet_ntoa(frame[30:34]) in self.job:
            self.callers.add(socket.inet_ntoa(frame[26:30]))
        elif kind == IPV6 and self.ours6(frame[38:54]):
            self.callers.add(socket.inet_ntop(socket.AF_INET6, frame[22:38]))

    def look(self, frame: bytes, wire: Wire) -> None:
        kind = struct.unpack_from("!H", frame, 12)[0]
        if kind == IPV4:
            self.look4(frame, wire)
        elif kind == IPV6:
            self.look6(frame, wire)
        elif kind == ARP:
            source, target = socket.inet_ntoa(frame[28:32]), socket.inet_ntoa(frame[38:42])
            if source in self.job and target not in self.job | self.known | self.callers | self.nodes:
                wire.strangers[f"ARP, who has {target}"] += 1
                self.count_name(self.addresses.get(frame[38:42]), frame, wire)
        elif self.pattern.search(frame):
            self.count(frame, wire)
            wire.strangers[f"Ethernet type {kind:#06x}"] += 1

    def look4(self, frame: bytes, wire: Wire) -> None:
        source, target = (socket.inet_ntoa(frame[at:at + 4]) for at in (26, 30))
        if source not in self.job:
            if target not in self.job and self.pattern.search(frame):  # forwarded or spoofed by a job's node
                self.count(frame, wire)
            return
        if target in self.job:
            return
        self.count(frame, wire)
        if target in self.known:
            return
        header, protocol = (frame[14] & 15) * 4, frame[23]
        body = frame[14 + header:14 + struct.unpack_from("!H", frame, 16)[0]]
        if protocol == socket.IPPROTO_IGMP and target.startswith("224.0.0.") and not any(group in frame for group in self.groups):
            return  # a report of the kernel's own groups
        if target in self.callers and is_refusal(protocol, body):
            wire.refusals += 1
        elif not is_of_agents(protocol, body):
            wire.strangers[f"IPv4 protocol {protocol} to {target}"] += 1

    def look6(self, frame: bytes, wire: Wire) -> None:
        target = socket.inet_ntop(socket.AF_INET6, frame[38:54])
        if not self.ours6(frame[22:38]):
            return
        self.count(frame, wire)
        protocol = frame[20]
        if protocol in (0, 58):  # neighbour discovery and group reports are the kernel's; their groups are looked at in count
            return
        if target in self.callers and is_refusal(protocol, frame[54:]):
            wire.refusals += 1
        else:
            wire.strangers[f"IPv6 protocol {protocol} to {target}"] += 1

    def ours6(self, address: bytes) -> bool:
        return any(address[-1] == int(one.rsplit(".", 1)[1], 16) for one in self.job) or address[:2] == b"\xfe\x80" or not any(address)

    def count(self, frame: bytes, wire: Wire) -> None:
        names = {(found.group(1) or b"unnamed").decode() for found in self.pattern.finditer(frame)}
        names |= {name for group, name in self.groups.items() if group in frame}
        names.add(self.addresses.get(frame[30:34]))
        for name in names:
            self.count_name(name, frame, wire)

    @staticmethod
    def count_name(name: str | None, frame: bytes, wire: Wire) -> None:
        if name:
            wire.tokens[name] = wire.tokens.get(name, 0) + len(frame)
