/* What fence.bpf.c (C, in the kernel) and fence.cpp (C++) both know. */
#pragma once

/* On the job's sockets, so that gate.bpf.c knows them. A process without CAP_NET_ADMIN cannot set it. */
#define JOB_MARK 0xA10F7E57u

enum peer { PEER_FELLOW = 1, PEER_SELF = 2, PEER_CONTROLLER = 3 };

/* What users' processes reach on another node: not Slurm, not the system's services. */
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
