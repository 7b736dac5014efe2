/* What the fence and the gate decide about a packet. Plain C that calls nothing: fence.bpf.c and gate.bpf.c
   look things up and obey; tests/slurm/fence/judge_test.cpp evaluates the same lines as tables, without a
   kernel.

   A packet is judged by interface *and* address, in and out. By address alone a socket that is bound to a
   network card sends 127.1.2.3 out of it, and a fellow's address reaches whoever has it on another one. */
#pragma once
#include "fence_bpf.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define JUDGE_HOST32(x) __builtin_bswap32(x)
#define JUDGE_HOST16(x) __builtin_bswap16(x)
#else
#define JUDGE_HOST32(x) (x)
#define JUDGE_HOST16(x) (x)
#endif

/* A function of BPF has five parameters at most, unless it is none. */
#define JUDGE_INLINE inline __attribute__((always_inline))

#define JUDGE_TCP 6
#define JUDGE_UDP 17
#define JUDGE_NAMES_PORT 53

enum verdict { VERDICT_DROP = 0, VERDICT_PASS = 1, VERDICT_ASK_RECEIVER = 2 };

/* An IPv4 header without options, and the ports behind it, as on the wire. */
struct ip4_head {
    unsigned char version_and_words, service;
    unsigned short length, id, fragment;
    unsigned char hops, protocol;
    unsigned short sum;
    unsigned int source, destination;
    unsigned short source_port, destination_port;
};
#define IP4_HEADER_BYTES 20
#define IP4_HEAD_BYTES 24

struct packet {
    unsigned int source, destination; /* as on the wire */
    unsigned short source_port, destination_port;
    unsigned char protocol;
};

static inline int is_loopback(unsigned int address) {
    return JUDGE_HOST32(address) >> 24 == 127;
}

/* The lowest and the highest loopback address are broadcasts: a datagram there goes to every socket. */
static inline int is_loopback_broadcast(unsigned int address) {
    return JUDGE_HOST32(address) == 0x7f000000u || JUDGE_HOST32(address) == 0x7fffffffu;
}

/* What users' processes reach on another node: not Slurm, not the system's services, not the site's. */
static inline int is_open(const volatile unsigned char* closed, unsigned short port) {
    return !(closed[port >> 3] >> (port & 7) & 1);
}

static inline int is_on(const struct peer* peer, unsigned int interface) {
    if (!interface) return 0;
    return peer->interface[0] == interface || peer->interface[1] == interface ||
           peer->interface[2] == interface || peer->interface[3] == interface;
}

/* False for what a job's packet never is. A header with options can name another destination (a source
   route), or carry data itself. `bytes`: how many of `head` there are. */
static inline int read_packet(const struct ip4_head* head, unsigned int bytes, struct packet* p) {
    if (bytes < IP4_HEADER_BYTES || head->version_and_words != 0x45) return 0;
    if (head->protocol != JUDGE_TCP && head->protocol != JUDGE_UDP) return 0;
    p->source = head->source;
    p->destination = head->destination;
    p->protocol = head->protocol;
    if (JUDGE_HOST16(head->fragment) & 0x1fff) { /* a later fragment has no ports; the first one was judged */
        p->source_port = p->destination_port = 0xffff;
        return 1;
    }
    if (bytes < IP4_HEAD_BYTES) return 0;
    p->source_port = JUDGE_HOST16(head->source_port);
    p->destination_port = JUDGE_HOST16(head->destination_port);
    return 1;
}

/* May a process of the job talk to `address`, of which the map of peers says `peer` (null: nothing)?
   `interface`: by which one; 0 where the kernel has not chosen yet. `is_trusted`: root's or the wrapper's. */
static inline int may_reach(const struct peer* peer, unsigned int address, unsigned short port,
                            unsigned int interface, int is_trusted, const volatile unsigned char* closed) {
    if (peer && peer->kind == PEER_NEVER) return 0;
    if (port == JUDGE_NAMES_PORT && !is_trusted) return 0; /* a resolver on this node, such as 127.0.0.53 */
    if (is_loopback(address))
        return (!interface || interface == LOOPBACK_INTERFACE) && !is_loopback_broadcast(address);
    if (!peer) return 0;
    if (peer->kind == PEER_SELF) return !interface || interface == LOOPBACK_INTERFACE;
    if (peer->kind != PEER_FELLOW && peer->kind != PEER_CONTROLLER) return 0;
    if (interface && !is_on(peer, interface)) return 0;
    if (is_trusted) return 1;
    return peer->kind == PEER_FELLOW && is_open(closed, port);
}

/* Nearly all packets between nodes, whoever sends them: `peer` is the destination's. What passes here passes
   judge_out as well. */
static inline int is_to_fellow(const struct packet* p, const struct peer* peer, unsigned int interface,
                               const volatile unsigned char* closed) {
    return peer && peer->kind == PEER_FELLOW && peer->interface[0] == interface && interface &&
           !is_loopback(p->destination) && is_open(closed, p->destination_port);
}

/* A packet that leaves a socket of the job, `peer` its destination's. VERDICT_ASK_RECEIVER: it stays on this
   node, so judge_receiver has the last word. */
static inline enum verdict judge_out(const struct packet* p, const struct peer* peer, unsigned int interface,
                                     int is_trusted, const volatile unsigned char* closed) {
    if (!interface || !may_reach(peer, p->destination, p->destination_port, interface, is_trusted, closed))
        return VERDICT_DROP;
    if (is_trusted || interface != LOOPBACK_INTERFACE) return VERDICT_PASS;
    return VERDICT_ASK_RECEIVER;
}

/* `has_receiver` false: nobody. The wall says so to the sender (wall.cpp, `relayed`): the kernel, which looks once more,
   might find who listens since. A packet of a cgroup cannot be changed or answered here, so without a wall silence. */
static inline enum verdict judge_receiver(int has_receiver, int is_ours, int has_wall) {
    return (has_receiver ? is_ours : has_wall) ? VERDICT_PASS : VERDICT_DROP;
}

/* A packet that comes to a socket of the job, `peer` its source's. */
static inline enum verdict judge_in(unsigned int source, unsigned int destination, const struct peer* peer,
                                    unsigned int interface) {
    if (interface == LOOPBACK_INTERFACE)
        return is_loopback(source) || (peer && peer->kind == PEER_SELF) ? VERDICT_PASS : VERDICT_DROP;
    if (is_loopback(source) || is_loopback(destination)) return VERDICT_DROP;
    if (!peer || (peer->kind != PEER_FELLOW && peer->kind != PEER_CONTROLLER)) return VERDICT_DROP;
    return is_on(peer, interface) ? VERDICT_PASS : VERDICT_DROP;
}

/* --- the gate: what comes in by a network card, before any socket */

#define GATE_UNDECIDED 2
#define GATE_REFUSE 3 /* the sender is told that nobody listens, and nobody gets it */

#define JUDGE_SYN 0x02
#define JUDGE_ACK 0x10

/* Only a SYN opens anything. */
static inline int is_call(int is_tcp, unsigned char tcp_flags) {
    return is_tcp && (tcp_flags & (JUDGE_SYN | JUDGE_ACK)) == JUDGE_SYN;
}

/* Whose packet is it? A fellow's or controller's address on another interface is a stranger's. */
static inline int is_peer_at_gate(const struct peer* peer, unsigned int interface) {
    return peer && (peer->kind == PEER_FELLOW || peer->kind == PEER_CONTROLLER) && is_on(peer, interface);
}

/* By what the IPv4 header says alone, `peer` the source's. GATE_UNDECIDED: the ports decide. */
static inline int judge_gate_addresses(unsigned int source, unsigned int destination, unsigned char protocol,
                                       unsigned short fragment, const struct peer* peer) {
    if (is_loopback(source) || is_loopback(destination)) return VERDICT_DROP; /* route_localnet is on */
    if (peer && (peer->kind == PEER_SELF || peer->kind == PEER_NEVER)) return VERDICT_DROP; /* forged */
    if (protocol != JUDGE_TCP && protocol != JUDGE_UDP) return VERDICT_PASS; /* a job has no such socket */
    if (JUDGE_HOST16(fragment) & 0x1fff) return VERDICT_PASS; /* worth nothing without the first */
    return GATE_UNDECIDED;
}

/* Then by the ports: what a job has no part in, and what opens nothing. `slurmd_port` as in slurm.conf.
   A call in pieces is put together after the gate, for whoever listens by then: nobody sends any. */
static JUDGE_INLINE int judge_gate_ports(unsigned short destination_port, int is_tcp, unsigned char tcp_flags,
                                         unsigned short fragment, int is_peer, unsigned int slurmd_port) {
    if (!is_open_port(destination_port, slurmd_port)) return VERDICT_PASS;
    if (!is_call(is_tcp, tcp_flags)) return is_peer && is_tcp ? VERDICT_PASS : GATE_UNDECIDED;
    return JUDGE_HOST16(fragment) & 0x3fff ? VERDICT_DROP : GATE_UNDECIDED;
}

/* Who would receive. `is_settled`: the node's own talk with that address and port, which a call is no part of;
   `is_ours`: the job's. */
struct receiver {
    int is_there, is_settled, is_ours;
};

/* Then by who receives it. `is_allowed_in`, `is_allowed_out`: the policy lets a daemon of the site have it.
   An allowance never reaches the job's sockets, nor tells whether there is one: where nobody listens,
   silence; only a fellow's call is answered. It must not pass as it is: between this look and the kernel's own
   somebody may begin to listen who is not the job. A fellow's answer is none that the job's own code over
   there could not forge. */
static JUDGE_INLINE int judge_gate_receiver(const struct receiver* r, int is_tcp, int is_peer, int is_fellow,
                                            int is_allowed_in, int is_allowed_out) {
    if (!r->is_there) return is_peer && is_tcp ? GATE_REFUSE : VERDICT_DROP;
    if (r->is_settled || (is_peer && r->is_ours)) return VERDICT_PASS;
    if (r->is_ours) return VERDICT_DROP;
    return is_allowed_in || (is_allowed_out && !is_fellow) ? VERDICT_PASS : VERDICT_DROP;
}
