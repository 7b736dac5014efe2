"""Sockets and messages that stay on a node: Unix sockets, netlink, other families."""
import array
import os
import socket
import struct

from common import Stopped, attempt, call, datagram, stream

UNIX = socket.AF_UNIX
SCOPE = "Landlock scope"
VIEW = "mount namespace: no such place, or a private one"
FAMILIES = "seccomp, list of socket families"

# Sockets that daemons of a node have; listener.py stands in for those that are not installed.
DAEMONS = {"nscd": "/run/nscd/socket", "resolved": "/run/systemd/resolve/io.systemd.Resolve", "dbus": "/run/dbus/system_bus_socket",
           "journal": "/run/systemd/journal/stdout", "docker": "/run/docker.sock", "containerd": "/run/containerd/containerd.sock",
           "sssd": "/var/lib/sss/pipes/nss", "x11": "/tmp/.X11-unix/X0", "ssh-agent": "/tmp/ssh-agent/agent.1",
           "user-bus": "/run/user/70001/bus", "aloftd": "/run/aloftd/aloftd.sock", "home": "/home/e-alice/socket"}
DATAGRAM_DAEMONS = {"syslog": "/dev/shm/stand-in-for-dev-log", "journal-native": "/run/systemd/journal/socket"}

for label, path in DAEMONS.items():
    @attempt("path-" + label, f"the path socket {path} of a process outside the fence", VIEW)
    def _(t, path=path): stream(UNIX, path, t.mark)

for label, path in DATAGRAM_DAEMONS.items():
    @attempt("path-" + label, f"a datagram to the path socket {path}", VIEW)
    def _(t, path=path): datagram(UNIX, path, t.mark)


@attempt("munge", "ask munge for a credential", "mount namespace: no munge in the step", opens=True)
def _(t): stream(UNIX, "/run/munge/munge.socket.2", t.mark)


@attempt("slurmstepd-socket", "slurmstepd's own socket in Slurm's spool", "mount namespace: this step's PMIx folder only", opens=True)
def _(t):
    folder = "/var/lib/slurm/slurmd"
    if not os.path.isdir(folder):
        raise Stopped("no such folder")
    for name in os.listdir(folder):
        if name.startswith(socket.gethostname() + "_"):
            stream(UNIX, os.path.join(folder, name), b"")
            return
    raise Stopped("nothing but this step's PMIx folder")


for label, kind in (("stream", socket.SOCK_STREAM), ("datagram", socket.SOCK_DGRAM), ("seqpacket", socket.SOCK_SEQPACKET)):
    @attempt("abstract-" + label, f"an abstract Unix socket ({label}) of a process outside the fence", SCOPE)
    def _(t, label=label, kind=kind):
        with socket.socket(UNIX, kind) as s:
            s.connect("\0aloft-" + label)
            s.send(t.mark)


@attempt("abstract-sendto", "an abstract datagram socket without connect", SCOPE)
def _(t): datagram(UNIX, "\0aloft-datagram", t.mark)


@attempt("scm-rights", "a connected socket, passed by a process outside through an abstract socket", SCOPE)
def _(t):
    with socket.socket(UNIX, socket.SOCK_STREAM) as s:
        s.connect("\0aloft-giver")
        _, ancillary, _, _ = s.recvmsg(1, socket.CMSG_SPACE(4))
        files = array.array("i")
        files.frombytes(ancillary[0][2])
        os.write(files[0], t.mark)


@attempt("scm-rights-path", "the same through a path socket in /tmp", VIEW)
def _(t):
    with socket.socket(UNIX, socket.SOCK_STREAM) as s:
        s.connect("/tmp/aloft-giver")
        _, ancillary, _, _ = s.recvmsg(1, socket.CMSG_SPACE(4))
        files = array.array("i")
        files.frombytes(ancillary[0][2])
        os.write(files[0], t.mark)


@attempt("inherited", "a socket that the step inherited", "slurmstepd's descriptors are closed at exec",
         absent="Slurm leaves none open, without the fence too")
def _(t):
    for fd in range(3, 256):
        try:
            with socket.socket(fileno=os.dup(fd)) as s:
                if s.family in (socket.AF_INET, socket.AF_INET6) and s.getpeername():
                    s.send(t.mark)
                    return
        except OSError:
            continue
    raise Stopped("no socket among its descriptors")


# --- netlink, one attempt per protocol that this kernel has

NETLINK = {2: "usersock", 4: "sock-diag", 6: "xfrm", 7: "selinux", 9: "audit", 10: "fib-lookup", 11: "connector", 12: "netfilter",
           15: "kobject-uevent", 16: "generic"}

for number, label in NETLINK.items():
    if label == "usersock":
        continue

    @attempt("netlink-" + label, f"a netlink socket of protocol {number} ({label})", FAMILIES, opens=True)
    def _(t, number=number): socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, number).close()


@attempt("netlink-usersock", "netlink between processes: a message to one outside the fence", FAMILIES)
def _(t):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 2) as s:
        s.sendto(struct.pack("IHHII", 16 + len(t.mark), 20, 0, 1, 0) + t.mark, (7001, 0))


@attempt("netlink-route-message", "the one protocol that is open (route): a message to a process outside", "the kernel: route messages go to the kernel only",
         privilege="unicast on NETLINK_ROUTE needs CAP_NET_ADMIN")
def _(t):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.sendto(struct.pack("IHHII", 16 + len(t.mark), 20, 0, 1, 0) + t.mark, (7000, 0))


@attempt("netlink-route-change", "an address of choice for the node's loopback, by the route protocol", "no capabilities", opens=True,
         privilege="changing addresses needs CAP_NET_ADMIN")
def _(t):
    body = struct.pack("BBBBi", socket.AF_INET, 32, 0, 0, socket.if_nametoindex("lo")) + struct.pack("HH4s", 8, 2, b"\x7f\x03\x02\x01")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.send(struct.pack("IHHII", 16 + len(body), 20, 0x405, 1, 0) + body)  # RTM_NEWADDR, create, acknowledge
        code = struct.unpack_from("i", s.recv(4096), 16)[0]
        if code:
            raise OSError(-code, os.strerror(-code))


# --- other families

@attempt("vsock", "a socket to the hypervisor", FAMILIES, opens=True)
def _(t): socket.socket(40, socket.SOCK_STREAM).close()


@attempt("xdp", "an AF_XDP socket", FAMILIES, opens=True, privilege="AF_XDP needs CAP_NET_RAW")
def _(t): socket.socket(44, socket.SOCK_RAW).close()


for label, family, kind in (("alg", 38, 5), ("tipc", 30, 5), ("rds", 21, 5), ("bluetooth", 31, 3), ("smc", 43, 1), ("kcm", 41, 5), ("can", 29, 3),
                            ("rxrpc", 33, 2), ("key", 15, 3), ("qipcrtr", 42, 2), ("mctp", 45, 2), ("x25", 9, 5), ("ax25", 3, 5),
                            ("pppox", 24, 1), ("llc", 26, 1), ("ib", 27, 3), ("phonet", 35, 2), ("caif", 37, 5), ("nfc", 39, 5)):
    @attempt("family-" + label, f"a socket of family {family}", FAMILIES, opens=True, absent="the kernel here does not have the family")
    def _(t, family=family, kind=kind): socket.socket(family, kind).close()


@attempt("socketpair-netlink", "socketpair(2) of another family than Unix", FAMILIES, opens=True, absent="the kernel pairs Unix sockets only (and TIPC)")
def _(t): call(53, 30, 5, 0, b"\0" * 8)
