"""Packets by interface instead of address: loopback and own addresses out of a network card, neighbours asked for addresses of choice.

node1 has two cards: eth0 on the cluster's network, with a default route; eth1 on another network, without one and with route_localnet, where
somebody has a fellow node's address (stage.py). What an address itself says is searched in the capture too: lo_address.
"""
import socket
import struct

from common import attempt, datagram

BOTH = "cgroup BPF and nftables, by interface and address"
DECOY = "cgroup BPF and nftables: no broadcasts of the loopback network"
V4, V6 = socket.AF_INET, socket.AF_INET6
UDP_CORK, UDP_SEGMENT = 1, 103

# How a socket is told its interface, by level and option; a control message is another way (pktinfo).
WAYS = {"device": lambda card: (socket.SOL_SOCKET, 25, card.encode() + b"\0"),
        "ifindex": lambda card: (socket.SOL_SOCKET, 62, struct.pack("i", socket.if_nametoindex(card))),
        "unicast-if": lambda card: (socket.IPPROTO_IP, 50, struct.pack("!i", socket.if_nametoindex(card)))}
BINDING = ("device", "ifindex")  # IP_UNICAST_IF is for datagrams


def lo_address(number: int) -> str:
    """127.x.y.z from a token's number: 24 bits that a frame would show, no broadcast."""
    return f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 127 | 1}"


def bound(way, card, kind=socket.SOCK_DGRAM, family=V4):
    s = socket.socket(family, kind)
    s.settimeout(1.5)
    s.setsockopt(*WAYS[way](card))
    return s


def send_pktinfo(address, data, card, options=()):
    with socket.socket(V4, socket.SOCK_DGRAM) as s:
        for level, name, value in options:
            s.setsockopt(level, name, value)
        info = struct.pack("i4s4s", socket.if_nametoindex(card), b"\0" * 4, b"\0" * 4)
        s.sendmsg([data], [(socket.IPPROTO_IP, 8, info)], 0, address)


def send(way, address, data, card):
    if way == "pktinfo":
        return send_pktinfo(address, data, card)
    with bound(way, card) as s:
        s.sendto(data, address)


def connect(way, address, data, card):
    with bound(way, card, socket.SOCK_STREAM) as s:
        s.connect(address)
        s.sendall(data)


for way in (*WAYS, "pktinfo"):
    @attempt("lo-udp-" + way, f"a datagram to 127.x.y.z out of the network card, by {way}", BOTH)
    def _(t, way=way): send(way, (lo_address(t.number), 9), t.mark, "eth0")

    @attempt("lo-card2-" + way, f"the same by a second card without a route: the kernel would ask who has 127.x.y.z, by {way}", BOTH)
    def _(t, way=way): send(way, (lo_address(t.number), 9), t.mark, "eth1")


for way in BINDING:
    @attempt("lo-tcp-" + way, f"a connection to 127.x.y.z out of the network card: the SYN carries 24 bits of choice, by {way}", BOTH)
    def _(t, way=way): connect(way, (lo_address(t.number), 9), t.mark, "eth0")

    @attempt("lo-tcp-card2-" + way, f"the same by the second card, by {way}", BOTH)
    def _(t, way=way): connect(way, (lo_address(t.number), 9), t.mark, "eth1")


for way in WAYS:
    @attempt("lo-udp-connected-" + way, f"a connected datagram socket to 127.x.y.z, by {way}", BOTH)
    def _(t, way=way):
        with bound(way, "eth0") as s:
            s.connect((lo_address(t.number), 9))
            s.send(t.mark)

    @attempt("lo-udp-fragments-" + way, f"39 KB to 127.x.y.z, in fragments, by {way}", BOTH)
    def _(t, way=way): send(way, (lo_address(t.number), 9), t.mark * (39000 // len(t.mark)), "eth0")


@attempt("lo-udp-fragments-pktinfo", "39 KB to 127.x.y.z, in fragments, by pktinfo", BOTH)
def _(t): send_pktinfo((lo_address(t.number), 9), t.mark * (39000 // len(t.mark)), "eth0")


@attempt("lo-udp-gso", "13 datagrams in one call (UDP_SEGMENT) to 127.x.y.z", BOTH)
def _(t):
    with bound("device", "eth0") as s:
        s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
        s.sendto(t.mark.ljust(1000, b".") * 13, (lo_address(t.number), 9))


@attempt("lo-udp-gso-pktinfo", "the same by pktinfo", BOTH)
def _(t):
    send_pktinfo((lo_address(t.number), 9), t.mark.ljust(1000, b".") * 13, "eth0", [(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)])


@attempt("lo-udp-corked", "a corked datagram to 127.x.y.z", BOTH)
def _(t):
    with bound("device", "eth0") as s:
        s.setsockopt(socket.IPPROTO_UDP, UDP_CORK, 1)
        s.sendto(t.mark, (lo_address(t.number), 9))
        s.setsockopt(socket.IPPROTO_UDP, UDP_CORK, 0)


@attempt("lo-tcp-fastopen", "TCP fast open to 127.x.y.z out of the network card", BOTH)
def _(t):
    with bound("device", "eth0", socket.SOCK_STREAM) as s:
        s.sendto(t.mark, 0x20000000, (lo_address(t.number), 9))  # MSG_FASTOPEN


@attempt("lo-mapped-device", "an IPv6 socket to ::ffff:127.x.y.z, SO_BINDTODEVICE", BOTH)
def _(t):
    with bound("device", "eth0", family=V6) as s:
        s.sendto(t.mark, ("::ffff:" + lo_address(t.number), 9))


@attempt("lo-mapped-unicast-if", "an IPv6 socket to ::ffff:127.x.y.z, IP_UNICAST_IF", BOTH)
def _(t):
    with bound("unicast-if", "eth0", family=V6) as s:
        s.sendto(t.mark, ("::ffff:" + lo_address(t.number), 9))


@attempt("lo-mapped-pktinfo", "an IPv6 socket to ::ffff:127.x.y.z, IPV6_PKTINFO", BOTH)
def _(t):
    with socket.socket(V6, socket.SOCK_DGRAM) as s:
        info = socket.inet_pton(V6, "::ffff:0.0.0.0") + struct.pack("i", socket.if_nametoindex("eth0"))
        s.sendmsg([t.mark], [(socket.IPPROTO_IPV6, 50, info)], 0, ("::ffff:" + lo_address(t.number), 9))


for way in (*WAYS, "pktinfo"):
    @attempt("own-card2-" + way, f"this node's own address out of the second card, by {way}", BOTH)
    def _(t, way=way): send(way, (socket.gethostbyname(socket.gethostname()), 9), t.mark, "eth1")


@attempt("nd-address", "a datagram to an IPv6 address of choice on the segment: the kernel asks the neighbours for it", BOTH)
def _(t): datagram(V6, (socket.inet_ntop(V6, socket.inet_pton(V6, t.outside6)[:8] + t.mark[-8:]), 9), t.mark)


for label, address, absent in (("high", "127.255.255.255", ""), ("low", "127.0.0.0", "Linux since 5.14 takes the lowest address for a host's")):
    @attempt("lo-broadcast-" + label, f"a datagram to {address}, with a socket of the job's own there as a decoy: others get copies", DECOY, absent=absent)
    def _(t, address=address):
        with socket.socket(V4, socket.SOCK_DGRAM) as decoy, socket.socket(V4, socket.SOCK_DGRAM) as s:
            decoy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            decoy.bind((address, t.port))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            s.sendto(t.mark, (address, t.port))


for way in (*WAYS, "pktinfo"):
    @attempt("fellow-card2-udp-" + way, f"a fellow node's address by the second card, where somebody else has it: a datagram, by {way}", BOTH, "ranks")
    def _(t, way=way): send(way, (socket.gethostbyname(t.fellow), t.port), t.mark, "eth1")


for way in BINDING:
    @attempt("fellow-card2-tcp-" + way, f"the same by TCP, by {way}", BOTH, "ranks")
    def _(t, way=way): connect(way, (socket.gethostbyname(t.fellow), t.port), t.mark, "eth1")
