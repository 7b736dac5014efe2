"""TCP and UDP, to the world, to this node and to others; names."""
import ctypes
import os
import socket
import struct
import time

from common import CALLED, Stopped, attempt, datagram, stream

CONNECT = "cgroup BPF, connect and sendmsg"
LOCAL = "cgroup BPF, packets: the receiver is not in this job"
CREATE = "cgroup BPF, socket: TCP and UDP only"
V4, V6 = socket.AF_INET, socket.AF_INET6


# --- TCP

@attempt("tcp", "connect to outside and send", CONNECT)
def _(t): stream(V4, (t.outside, t.port), t.mark)


@attempt("tcp-443", "the same to port 443, where proxies listen", CONNECT)
def _(t): stream(V4, (t.outside, 443), t.mark)


@attempt("tcp6", "connect by IPv6 and send", CONNECT)
def _(t): stream(V6, (t.outside6, t.port), t.mark)


@attempt("tcp-mapped", "an IPv6 socket to ::ffff:outside", CONNECT)
def _(t): stream(V6, ("::ffff:" + t.outside, t.port), t.mark)


@attempt("tcp-fastopen", "TCP fast open: data in the first packet, without connect", CONNECT)
def _(t):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 3, 0))
        s.sendto(t.mark, 0x20000000, (t.outside, t.port))  # MSG_FASTOPEN


@attempt("tcp-fastopen-connect", "TCP_FASTOPEN_CONNECT: connect returns at once, the first write connects", CONNECT)
def _(t): stream(V4, (t.outside, t.port), t.mark, set={(socket.IPPROTO_TCP, 30): 1})


@attempt("tcp-nonblocking", "a connect that is not waited for", CONNECT)
def _(t):
    with socket.socket() as s:
        s.setblocking(False)
        code = s.connect_ex((t.outside, t.port))
        if code != 115:  # EINPROGRESS
            raise OSError(code, os.strerror(code))
        time.sleep(0.3)
        s.send(t.mark)


@attempt("tcp-simultaneous", "both sides connect to each other: no side ever listens", CONNECT,
         absent="it works only if both calls cross on the wire, which cannot be timed here")
def _(t):
    end = time.monotonic() + 2
    while True:
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("0.0.0.0", 7010))
            s.settimeout(0.3)
            try:
                s.connect((t.outside, 7011))
                s.sendall(t.mark)
                return
            except (ConnectionRefusedError, TimeoutError):
                if time.monotonic() > end:
                    raise


@attempt("tcp-reconnect", "connected to one's own listener, dropped (AF_UNSPEC), connected again to outside", CONNECT)
def _(t):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as s:
        s.connect(server.getsockname())
        disconnect(s)
        s.settimeout(3)
        s.connect((t.outside, t.port))
        s.sendall(t.mark)


def disconnect(s):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.connect(s.fileno(), struct.pack("H14x", 0), 16):
        raise OSError(ctypes.get_errno(), "connect AF_UNSPEC")


@attempt("tcp-bound-device", "SO_BINDTODEVICE: past the routes, straight to the interface", CONNECT)
def _(t): stream(V4, (t.outside, t.port), t.mark, set={(socket.SOL_SOCKET, 25): b"eth0\0"})


@attempt("tcp-bound-source", "bound to the node's own address and a low-numbered reply path first", CONNECT)
def _(t): stream(V4, (t.outside, t.port), t.mark, bind=(own_address(), 0))


def own_address():
    return socket.gethostbyname(socket.gethostname())


def connected(t):
    s = socket.socket()
    s.settimeout(3)
    s.connect((t.outside, t.port))
    return s


@attempt("tcp-sendfile", "sendfile(2) from a file into a socket to outside", CONNECT)
def _(t):
    with open("/tmp/sendfile-" + t.run, "w+b") as f, connected(t) as s:
        f.write(t.mark)
        f.flush()
        os.sendfile(s.fileno(), f.fileno(), 0, len(t.mark))


@attempt("tcp-splice", "splice(2) from a pipe into a socket to outside", CONNECT)
def _(t):
    read, write = os.pipe()
    os.write(write, t.mark)
    with connected(t) as s:
        os.splice(read, s.fileno(), len(t.mark))


@attempt("tcp-port-22", "connect to this node's ssh port (a listener stands in)", LOCAL)
def _(t): stream(V4, (own_address(), 22), t.mark, wait=1)


@attempt("mptcp", "Multipath TCP: subflows that the kernel opens by itself", CREATE)
def _(t):
    with socket.socket(V4, socket.SOCK_STREAM, 262) as s:
        s.settimeout(3)
        s.connect((t.outside, t.port))
        s.sendall(t.mark)


@attempt("tcp-inbound", "someone outside calls a listener of the job; the answer carries the data", "cgroup BPF, packets in")
def _(t):
    with socket.create_server(("", 7007)) as server:
        server.settimeout(CALLED)
        server.accept()[0].send(t.mark)


@attempt("tcp6-inbound", "the same by IPv6", "cgroup BPF, packets in")
def _(t):
    with socket.create_server(("::", 7009), family=V6) as server:
        server.settimeout(CALLED)
        server.accept()[0].send(t.mark)


@attempt("udp-inbound", "someone outside sends a datagram first; the answer carries the data", "cgroup BPF, packets in")
def _(t):
    with socket.socket(V4, socket.SOCK_DGRAM) as s:
        s.bind(("", 7008))
        s.settimeout(CALLED)
        address = s.recvfrom(100)[1]
        s.sendto(t.mark, address)


# --- UDP

@attempt("udp", "one datagram to outside", CONNECT)
def _(t): datagram(V4, (t.outside, t.port), t.mark)


@attempt("udp6", "one datagram by IPv6", CONNECT)
def _(t): datagram(V6, (t.outside6, t.port), t.mark)


@attempt("udp-mapped", "one datagram by an IPv6 socket to ::ffff:outside", CONNECT)
def _(t): datagram(V6, ("::ffff:" + t.outside, t.port), t.mark)


@attempt("udp-fragmented", "a datagram of 4 KB: fragments without ports", CONNECT)
def _(t): datagram(V4, (t.outside, t.port), t.mark + b"." * 4000 + t.mark)


@attempt("udp-redirected", "a socket connected to its own node, one datagram with another address", CONNECT)
def _(t):
    with socket.socket(V4, socket.SOCK_DGRAM) as s:
        s.connect((own_address(), 30000))
        s.sendto(t.mark, (t.outside, t.port))


@attempt("udp-reconnected", "connected to its own node, dropped, connected to outside", CONNECT)
def _(t):
    with socket.socket(V4, socket.SOCK_DGRAM) as s:
        s.connect((own_address(), 30000))
        disconnect(s)
        s.connect((t.outside, t.port))
        s.send(t.mark)


@attempt("udp-corked", "a datagram begun for its own node (MSG_MORE), ended for outside", CONNECT)
def _(t):
    with socket.socket(V4, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.IPPROTO_UDP, 1, 1)  # UDP_CORK
        s.sendto(t.mark, (t.outside, t.port))
        s.setsockopt(socket.IPPROTO_UDP, 1, 0)


@attempt("udp-sendmmsg", "sendmmsg(2): the first datagram to its own node, the second to outside", CONNECT)
def _(t):
    class Message(ctypes.Structure):
        _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint), ("iov", ctypes.c_void_p), ("count", ctypes.c_size_t),
                    ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t), ("flags", ctypes.c_int), ("pad", ctypes.c_int), ("sent", ctypes.c_uint)]
    libc = ctypes.CDLL(None, use_errno=True)
    with socket.socket(V4, socket.SOCK_DGRAM) as s:
        keep, messages = [], (Message * 2)()
        for message, host in zip(messages, (own_address(), t.outside)):
            name = ctypes.create_string_buffer(struct.pack("!2sH4s8x", struct.pack("H", V4), t.port if host == t.outside else 30000,
                                                           socket.inet_aton(host)))
            data = ctypes.create_string_buffer(t.mark)
            vector = ctypes.create_string_buffer(struct.pack("PN", ctypes.addressof(data), len(t.mark)))
            keep += [name, data, vector]
            message.name, message.name_length = ctypes.addressof(name), 16
            message.iov, message.count = ctypes.addressof(vector), 1
        for index in range(2):  # the kernel reports the count sent, not the error of the last
            if libc.sendmmsg(s.fileno(), ctypes.byref(messages[index]), 1, 0) != 1:
                raise OSError(ctypes.get_errno(), "sendmmsg")


@attempt("udp-pktinfo", "IP_PKTINFO names the interface to leave by", CONNECT)
def _(t):
    with socket.socket(V4, socket.SOCK_DGRAM) as s:
        info = struct.pack("i4s4s", socket.if_nametoindex("eth0"), b"\0" * 4, b"\0" * 4)
        s.sendmsg([t.mark], [(socket.IPPROTO_IP, 8, info)], 0, (t.outside, t.port))


@attempt("udp-lite", "UDP-Lite", CREATE)
def _(t):
    with socket.socket(V4, socket.SOCK_DGRAM, 136) as s:
        s.sendto(t.mark, (t.outside, t.port))


@attempt("udp-broadcast", "a datagram to 255.255.255.255", CONNECT)
def _(t): datagram(V4, ("255.255.255.255", t.port), t.mark, set={(socket.SOL_SOCKET, socket.SO_BROADCAST): 1})


@attempt("udp-broadcast-subnet", "a datagram to the subnet's broadcast address", CONNECT)
def _(t):
    datagram(V4, (t.outside.rsplit(".", 1)[0] + ".255", t.port), t.mark, set={(socket.SOL_SOCKET, socket.SO_BROADCAST): 1})


@attempt("udp-multicast", "a datagram to 239.1.2.3", CONNECT)
def _(t): datagram(V4, ("239.1.2.3", t.port), t.mark)


@attempt("udp6-multicast", "a datagram to ff02::1", CONNECT)
def _(t): datagram(V6, ("ff02::1", t.port, 0, socket.if_nametoindex("eth0")), t.mark)


# --- DNS

def question(t):
    name = b"".join(bytes([len(part)]) + part for part in (t.mark[:60], b"example", b"net")) + b"\0"
    return struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1)


@attempt("dns-direct", "the mark as a host name, asked of outside:53", CONNECT)
def _(t): datagram(V4, (t.outside, 53), question(t))


@attempt("dns-tcp", "the same by TCP", CONNECT)
def _(t):
    data = question(t)
    stream(V4, (t.outside, 53), struct.pack(">H", len(data)) + data)


@attempt("dns-resolver", "the mark as a host name, asked of the C library", "no resolver can be reached")
def _(t):
    try:
        socket.getaddrinfo(t.text + ".example.net", 80)
    except socket.gaierror as error:  # nobody answers either way: whether the question left is for the listener to say
        raise Stopped(f"gai {error.errno}") from None


# --- on this node: loopback and own address

for label, family, address in (("loopback", V4, "127.0.0.1"), ("loopback-2", V4, "127.0.0.2"), ("any", V4, "0.0.0.0"), ("own", V4, None),
                               ("loopback6", V6, "::1"), ("loopback-mapped", V6, "::ffff:127.0.0.1")):
    @attempt("local-tcp-" + label, f"connect to a listener outside the fence on this node, by {address or 'its own address'}", LOCAL)
    def _(t, family=family, address=address): stream(family, (address or own_address(), t.port), t.mark, wait=1)

    @attempt("local-udp-" + label, f"one datagram to a listener outside the fence on this node, by {address or 'its own address'}", LOCAL)
    def _(t, family=family, address=address): datagram(family, (address or own_address(), t.port), t.mark)


@attempt("local-udp-connected", "a connected datagram socket to a listener outside the fence on this node", LOCAL)
def _(t):
    with socket.socket(V4, socket.SOCK_DGRAM) as s:
        s.connect(("127.0.0.1", t.port))
        s.send(t.mark)


@attempt("local-udp-large", "a datagram of 60 KB, fragments and all, to a listener outside the fence on this node", LOCAL)
def _(t): datagram(V4, (own_address(), t.port), t.mark + b"." * 60000)


# --- Slurm's and other nodes' ports

@attempt("other-node-tcp", "connect to a node that is not in the job", CONNECT)
def _(t): stream(V4, (t.address(t.other), t.port), t.mark)


@attempt("other-node-udp", "one datagram to a node that is not in the job", CONNECT)
def _(t): datagram(V4, (t.address(t.other), t.port), t.mark)


@attempt("login-node-tcp", "connect to the login host", CONNECT)
def _(t): stream(V4, (t.address("login"), t.port), t.mark)


@attempt("slurmctld-port", "connect to slurmctld, port 6817", CONNECT, opens=True)
def _(t): stream(V4, (t.address(t.slurm), 6817), t.mark)


@attempt("slurmd-port", "connect to slurmd of this node, port 6818", LOCAL, opens=True)
def _(t): stream(V4, (own_address(), 6818), t.mark, wait=1)


@attempt("slurmd-port-other", "connect to slurmd of a node that is not in the job", CONNECT, opens=True)
def _(t): stream(V4, (t.address(t.other), 6818), t.mark)


# --- other people's jobs (the harness runs them)

@attempt("open-job-tcp", "connect to a job outside the enclave, on another node", CONNECT)
def _(t): stream(V4, (t.address(t.other), 9003), t.mark)


@attempt("open-job-udp", "one datagram to a job outside the enclave", CONNECT)
def _(t): datagram(V4, (t.address(t.other), 9003), t.mark)


@attempt("other-enclave-tcp", "connect to a job of another enclave (the same researcher may have both)", CONNECT + "; there: packets in")
def _(t): stream(V4, (t.address("node4"), 9004), t.mark)


@attempt("other-enclave-udp", "one datagram to a job of another enclave", CONNECT + "; there: packets in")
def _(t): datagram(V4, (t.address("node4"), 9004), t.mark)


@attempt("open-job-calls", "a job outside the enclave calls a listener of this one", "cgroup BPF, packets in")
def _(t):
    with socket.create_server(("", 7012)) as server:
        server.settimeout(CALLED)
        server.accept()[0].send(t.mark)
