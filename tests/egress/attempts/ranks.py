"""What several ranks on two nodes try together: by each other, by what another rank left, by services of the fellow node.

Rank 0 (first node) tries; the ranks of the second node relay whatever they are told to outside, and say how that went.
"""
import os
import socket
import threading
import time

from common import CALLED, LONGEST, Stopped, Unreached, attempt, datagram, stream

RELAY = "the fellow rank is behind the same fence"
FELLOW = "cgroup BPF, connect: ports from 1024 up of the job's nodes only"
GUARD = "the gate of the fellow node: the receiver is not in this job"
EVERYBODY = {"ranks-tcp", "ranks-udp", "left-process"}
ON_SECOND = {"ranks-inbound"}
V4, V6 = socket.AF_INET, socket.AF_INET6


def runs(name, rank):
    return name in EVERYBODY or rank == (2 if name in ON_SECOND else 0)


def start(t):
    """The relays, in processes of their own that end with the job."""
    if t.rank < 2:
        return
    if t.rank == 2:
        spawn(lambda: relay_tcp(t, 7101))
        spawn(lambda: relay_udp(t, 7102))
    else:
        spawn(lambda: relay_tcp(t, 7103), leave=True)


def spawn(work, leave=False):
    if os.fork():
        return
    if leave:
        os.setsid()
        if os.fork():
            os._exit(0)
    try:
        work()
    finally:
        os._exit(0)


def relay_tcp(t, port):
    def serve(connection):
        with connection:
            data = connection.recv(65536)
            try:
                stream(V4, (t.outside, t.port), data)
                connection.send(b"sent")
            except OSError as error:
                connection.send(str(error).encode())
    with socket.create_server(("", port)) as server:
        while True:
            threading.Thread(target=serve, args=(server.accept()[0],)).start()


def relay_udp(t, port):
    with socket.socket(V4, socket.SOCK_DGRAM) as s:
        s.bind(("", port))
        while True:
            data, sender = s.recvfrom(65536)
            try:
                datagram(V4, (t.outside, t.port), data)
                s.sendto(b"sent", sender)
            except OSError as error:
                s.sendto(str(error).encode(), sender)


def patiently(work):
    """The other rank may not listen yet."""
    end = time.monotonic() + LONGEST - 5
    while True:
        try:
            return work()
        except (ConnectionRefusedError, TimeoutError):
            if time.monotonic() > end:
                raise Unreached("no relay") from None
            time.sleep(0.05)


def by_relay(t, port):
    def ask():
        with socket.create_connection((t.fellow, port), 3) as s:
            s.sendall(t.mark)
            return s.recv(100)
    answer = patiently(ask)
    if answer != b"sent":
        raise Stopped(f"the relay says: {answer.decode()}")


@attempt("relay-rank-tcp", "to a listener of a rank on the fellow node, which passes it on by TCP", RELAY, "ranks")
def _(t): by_relay(t, 7101)


@attempt("relay-left-tcp", "to a process that another rank left behind (own session, no parent), which passes it on", RELAY, "ranks")
def _(t): by_relay(t, 7103)


@attempt("relay-rank-udp", "to a rank on the fellow node, which passes it on by UDP", RELAY, "ranks")
def _(t):
    def ask():
        with socket.socket(V4, socket.SOCK_DGRAM) as s:
            s.connect((t.fellow, 7102))
            s.settimeout(0.5)
            s.send(t.mark)
            return s.recv(100)
    answer = patiently(ask)
    if answer != b"sent":
        raise Stopped(f"the relay says: {answer.decode()}")


@attempt("relay-passed-socket", "a socket that a child makes and passes to its parent", "cgroup BPF, connect and sendmsg", "ranks")
def _(t):
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        with socket.socket(V4, socket.SOCK_DGRAM) as s:
            socket.send_fds(theirs, [b"x"], [s.fileno()])
        os._exit(0)
    fds = socket.recv_fds(ours, 1, 1)[1]
    with socket.socket(fileno=fds[0]) as s:
        s.sendto(t.mark, (t.outside, t.port))


@attempt("ranks-tcp", "all ranks at once connect to outside", "cgroup BPF, connect and sendmsg", "ranks")
def _(t): stream(V4, (t.outside, t.port), t.mark)


@attempt("ranks-udp", "all ranks at once send datagrams to outside", "cgroup BPF, connect and sendmsg", "ranks")
def _(t): datagram(V4, (t.outside, t.port), t.mark)


@attempt("ranks-inbound", "someone outside calls a rank on the second node", "cgroup BPF, packets in", "ranks")
def _(t):
    with socket.create_server(("", 7007)) as server:
        server.settimeout(CALLED)
        server.accept()[0].send(t.mark)


@attempt("left-process", "a process left behind tries again and again, also after the job's end", "it is in the job's cgroup, and dies with it", "ranks")
def _(t):
    def go_on():
        while True:
            try:
                datagram(V4, (t.outside, t.port), t.mark)
            except OSError:
                pass
            time.sleep(0.1)
    spawn(go_on, leave=True)
    datagram(V4, (t.outside, t.port), t.mark)


@attempt("fellow-service-tcp", "to a service of an ordinary account, not of the job, on the fellow node", GUARD, "ranks")
def _(t): stream(V4, (t.fellow, 9002), t.mark)


@attempt("fellow-service-udp", "one datagram to the same", GUARD, "ranks")
def _(t): datagram(V4, (t.fellow, 9002), t.mark)


@attempt("fellow-service-fragments", "a datagram of 4 KB to the same", GUARD, "ranks")
def _(t): datagram(V4, (t.fellow, 9002), t.mark + b"." * 4000)


@attempt("fellow-root-service", "to a service of root's on the fellow node, port 9001", GUARD, "ranks")
def _(t): stream(V4, (t.fellow, t.port), t.mark)


for label, port in (("ssh", 22), ("dns", 53), ("http", 80), ("portmapper", 111)):
    @attempt("fellow-" + label, f"to port {port} of the fellow node", FELLOW, "ranks")
    def _(t, port=port): stream(V4, (t.fellow, port), t.mark)


@attempt("fellow-dns-udp", "a question to a resolver on the fellow node", FELLOW, "ranks")
def _(t): datagram(V4, (t.fellow, 53), t.mark)


@attempt("fellow-slurmd", "to slurmd of the fellow node", FELLOW, "ranks", opens=True)
def _(t): stream(V4, (t.fellow, 6818), t.mark)


@attempt("fellow-ipv6", "to the fellow node by IPv6, where nothing is filtered by address", "cgroup BPF, connect: no IPv6", "ranks")
def _(t): stream(V6, (t.outside6.rsplit("::", 1)[0] + "::" + str(10 + int(t.fellow.removeprefix("node"))), t.port), t.mark)
