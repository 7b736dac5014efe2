/* What the BPF programs (C, in the kernel) and fence.cpp, gate.cpp, wall.cpp (C++) all know. */
#pragma once

/* On the job's sockets, so that gate.bpf.c knows them. A process without CAP_NET_ADMIN cannot set it. */
#define JOB_MARK 0xA10F7E57u

/* PEER_NEVER: an address of this node to which nobody talks, such as its networks' broadcasts. */
enum peer_kind { PEER_FELLOW = 1, PEER_SELF = 2, PEER_CONTROLLER = 3, PEER_NEVER = 4 };

#define PEER_INTERFACES 4
#define LOOPBACK_INTERFACE 1 /* the kernel's LOOPBACK_IFINDEX, the same in each network namespace */

/* What the maps of peers say of an address. Another host's: the interfaces by which it is reached, which are
   the only ones on which a packet to or from it counts as its own. 0: none. */
struct peer {
    unsigned int kind; /* enum peer_kind */
    unsigned int interface[PEER_INTERFACES];
};

/* One bit per port: closed for users' processes on other nodes (Slurm's, the system's, the site's). */
#define CLOSED_BYTES 8192

static inline void close_port(unsigned char* closed, unsigned short port) {
    closed[port >> 3] = (unsigned char)(closed[port >> 3] | 1u << (port & 7));
}

/* What a site's own daemons need while a job has the node: key of the gate's map of allowances, longest
   prefix first. Direction `in`: who calls which port here. `out`: from which port the answer comes. */
enum direction { DIRECTION_IN = 1, DIRECTION_OUT = 2 };
#define ALLOWANCE_BITS 32 /* what stands before the address, in bits */
struct allowance {
    unsigned int prefix_bits; /* ALLOWANCE_BITS + those of the network */
    unsigned char direction, protocol;
    unsigned short port;  /* as on the wire */
    unsigned int address; /* as on the wire */
};

/* What is a job's business at all: not the system's, not Slurm's. */
static inline int is_open_port(unsigned short port, unsigned int slurmd_port) {
    return port >= 1024 && port != slurmd_port;
}

enum blocked_kind {
    BLOCKED_CONNECT,
    BLOCKED_SENDMSG,
    BLOCKED_SOCKET,
    BLOCKED_PACKET_OUT,
    BLOCKED_PACKET_IN,
    BLOCKED_LOCAL,
    BLOCKED_KINDS
};

/* One kind of thing that was blocked; how often is the map's value. */
struct attempt {
    unsigned int kind;       /* enum blocked_kind */
    unsigned int address[4]; /* as on the wire; IPv4 in the first */
    unsigned short port;     /* of a socket: its type */
    unsigned short protocol;
    unsigned short family; /* 4, 6; of a socket: AF_... */
    unsigned short unused; /* a key must have no hole */
};
