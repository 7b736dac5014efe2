// The network part of the fence: what processes of one cgroup may reach. Loaded and attached once per job and
// cgroup by aloft-node (slurm/fence/fence.cpp); nothing is pinned, so that the programs and maps die with the
// cgroup.
//
// Two kinds of cgroup:
//   step   user's code and its slurmstepd (root). Users' processes reach this job's nodes only: this job's
//   own sockets on this node,
//          ports from 1024 up, slurmd's excepted, on the others. slurmstepd also reaches the controller, to
//          report to it.
//   batch  the root-owned wrapper and its srun, which run no code of the user: the job's nodes and the
//   controller.

// All structures used here are the kernel's promise to user space; without this, each load would search the
// types of the running kernel for them (half of a Prolog: 74 against 38 ms).
#define BPF_NO_PRESERVE_ACCESS_INDEX
#include "vmlinux.h"
// These need the types above.
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "fence_bpf.h"

char LICENSE[] SEC("license") = "GPL";  // the kernel's name for a licence that may call its GPL-only helpers

const volatile __u64 JOB = 0;  // id of the job's cgroup, the parent of the one the programs are attached to
const volatile __u32 IS_BATCH = 0;
const volatile __u32 SLURMD_PORT = 6818;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __type(key, __u32);    // IPv4 address as on the wire
    __type(value, __u32);  // enum peer
} peers SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, BLOCKED_KINDS);
    __type(key, __u32);
    __type(value, __u64);
} blocked SEC(".maps");

// For people: what was tried. Bounded; what was not tried for long makes room.
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1024);
    __type(key, struct attempt);
    __type(value, __u64);
} attempts SEC(".maps");

static __always_inline int block(__u32 kind) {
    __u64* count = bpf_map_lookup_elem(&blocked, &kind);
    if (count) __sync_fetch_and_add(count, 1);
    return 0;
}

static __always_inline int block_and_note(struct attempt* what) {
    __u64 first = 1;
    __u64* count = bpf_map_lookup_elem(&attempts, what);
    if (count)
        __sync_fetch_and_add(count, 1);
    else
        bpf_map_update_elem(&attempts, what, &first, BPF_NOEXIST);
    return block(what->kind);
}

static __always_inline int block4(__u32 kind, __u16 protocol, __u32 address, __u16 port) {
    struct attempt what = {
        .kind = kind, .address = {address}, .port = port, .protocol = protocol, .family = 4};
    return block_and_note(&what);
}

static __always_inline int is_loopback(__u32 address) {
    return bpf_ntohl(address) >> 24 == 127;
}

static __always_inline int may_reach(__u32 address, __u16 port, __u32 uid) {
    if (is_loopback(address)) return 1;  // who receives there is looked at packet by packet
    __u32* peer = bpf_map_lookup_elem(&peers, &address);
    if (!peer) return 0;
    if (IS_BATCH || uid == 0) return 1;
    if (*peer == PEER_CONTROLLER) return 0;
    if (*peer == PEER_SELF) return 1;
    return is_open_port(port, SLURMD_PORT);
}

static __always_inline __u32 my_uid(void) {
    return (__u32)bpf_get_current_uid_gid();
}

static __always_inline int judge4(struct bpf_sock_addr* to, __u32 kind) {
    __u16 port = bpf_ntohs((__u16)to->user_port);
    return may_reach(to->user_ip4, port, my_uid()) ? 1 : block4(kind, to->protocol, to->user_ip4, port);
}

// IPv6 is for addresses that are IPv4 on the wire (::ffff:10.0.0.1: what PyTorch's TCPStore tries first).
static __always_inline int judge6(struct bpf_sock_addr* to, __u32 kind) {
    __u16 port = bpf_ntohs((__u16)to->user_port);
    struct attempt what = {.kind = kind, .port = port, .protocol = to->protocol, .family = 6};
    what.address[0] = to->user_ip6[0];
    what.address[1] = to->user_ip6[1];
    what.address[2] = to->user_ip6[2];
    what.address[3] = to->user_ip6[3];
    if (what.address[0] || what.address[1] || what.address[2] != bpf_htonl(0xffff))
        return block_and_note(&what);
    return may_reach(what.address[3], port, my_uid()) ? 1 : block4(kind, to->protocol, what.address[3], port);
}

SEC("cgroup/connect4")
int fence_connect4(struct bpf_sock_addr* to) {
    return judge4(to, BLOCKED_CONNECT);
}
SEC("cgroup/connect6")
int fence_connect6(struct bpf_sock_addr* to) {
    return judge6(to, BLOCKED_CONNECT);
}
SEC("cgroup/sendmsg4")
int fence_sendmsg4(struct bpf_sock_addr* to) {
    return judge4(to, BLOCKED_SENDMSG);
}
SEC("cgroup/sendmsg6")
int fence_sendmsg6(struct bpf_sock_addr* to) {
    return judge6(to, BLOCKED_SENDMSG);
}

SEC("cgroup/sock_create")
int fence_socket(struct bpf_sock* sk) {
    sk->mark = JOB_MARK;
    if (sk->type == SOCK_STREAM && sk->protocol == IPPROTO_TCP) return 1;
    if (sk->type == SOCK_DGRAM && sk->protocol == IPPROTO_UDP) return 1;
    struct attempt what = {
        .kind = BLOCKED_SOCKET, .port = sk->type, .protocol = sk->protocol, .family = sk->family};
    return block_and_note(&what);
}

// The job's batch part counts too: slurmstepd connects a task's output to srun with a socket that is the
// user's.
static __always_inline int is_inside(struct bpf_sock* sk) {
#pragma unroll
    for (int level = 1; level < 12; level++)
        if (bpf_sk_ancestor_cgroup_id(sk, level) == JOB) return 1;
    return 0;
}

struct packet {
    __u32 source, destination;
    __u16 source_port, destination_port;
    __u8 protocol;
};

struct headers {
    struct iphdr ip;
    __u16 ports[2];
};

// Straight from where the kernel keeps them for itself: a packet feels each call of a helper.
static __always_inline long read_headers(struct __sk_buff* skb, struct headers* h) {
    void *data = (void*)(long)skb->data, *end = (void*)(long)skb->data_end;
    if (data + sizeof *h > end) return bpf_skb_load_bytes(skb, 0, h, sizeof *h);
    __builtin_memcpy(h, data, sizeof *h);
    return 0;
}

static __always_inline int read_packet(struct __sk_buff* skb, struct packet* p) {
    struct headers h = {};
    if (skb->protocol != bpf_htons(0x0800)) return 0;  // ETH_P_IP
    long is_short = read_headers(skb, &h);
    if (is_short && bpf_skb_load_bytes(skb, 0, &h.ip, sizeof h.ip)) return 0;
    // A header with options can name another destination (a source route), or carry data itself.
    if (h.ip.ihl != 5 || (h.ip.protocol != IPPROTO_TCP && h.ip.protocol != IPPROTO_UDP)) return 0;
    p->source = h.ip.saddr;
    p->destination = h.ip.daddr;
    p->protocol = h.ip.protocol;
    if (h.ip.frag_off & bpf_htons(0x1fff)) {  // a later fragment has no ports; the first one was judged
        p->source_port = p->destination_port = 0xffff;
        return 1;
    }
    if (is_short) return 0;
    p->source_port = bpf_ntohs(h.ports[0]);
    p->destination_port = bpf_ntohs(h.ports[1]);
    return 1;
}

// Whatever made the packet (a listening socket that answers, TCP fast open, a relay on this node), it goes to
// the job's own only.
SEC("cgroup_skb/egress")
int fence_egress(struct __sk_buff* skb) {
    struct packet p;
    if (!read_packet(skb, &p)) return block(BLOCKED_PACKET_OUT);
    __u32* peer = bpf_map_lookup_elem(&peers, &p.destination);
    if (peer && *peer == PEER_FELLOW && is_open_port(p.destination_port, SLURMD_PORT))
        return 1;  // nearly all: whoever asks
    __u32 uid = bpf_get_socket_uid(skb);
    if (!may_reach(p.destination, p.destination_port, uid))
        return block4(BLOCKED_PACKET_OUT, p.protocol, p.destination, p.destination_port);
    if (IS_BATCH || uid == 0) return 1;
    if (!is_loopback(p.destination) && !(peer && *peer == PEER_SELF)) return 1;
    struct bpf_sock_tuple tuple = {};
    tuple.ipv4.saddr = p.source;
    tuple.ipv4.daddr = p.destination;
    tuple.ipv4.sport = bpf_htons(p.source_port);
    tuple.ipv4.dport = bpf_htons(p.destination_port);
    struct bpf_sock* receiver =
        p.protocol == IPPROTO_TCP ? bpf_sk_lookup_tcp(skb, &tuple, sizeof tuple.ipv4, BPF_F_CURRENT_NETNS, 0)
                                  : bpf_sk_lookup_udp(skb, &tuple, sizeof tuple.ipv4, BPF_F_CURRENT_NETNS, 0);
    if (!receiver) return 1;  // nobody: the kernel answers that itself
    int ours = is_inside(receiver);
    bpf_sk_release(receiver);
    return ours ? 1 : block4(BLOCKED_LOCAL, p.protocol, p.destination, p.destination_port);
}

// Nobody outside the job talks to a socket inside.
SEC("cgroup_skb/ingress")
int fence_ingress(struct __sk_buff* skb) {
    struct headers h;
    if (skb->protocol != bpf_htons(0x0800) ||
        (read_headers(skb, &h) && bpf_skb_load_bytes(skb, 0, &h.ip, sizeof h.ip)))
        return block(BLOCKED_PACKET_IN);
    __u32 source = h.ip.saddr;
    if (is_loopback(source) || bpf_map_lookup_elem(&peers, &source)) return 1;
    return block(BLOCKED_PACKET_IN);
}
