// The network part of the fence: what processes of one cgroup may reach. Loaded and attached once per job and
// cgroup by aloft-node (slurm/fence/fence.cpp); nothing is pinned, so that the programs and maps die with the
// cgroup. What is decided stands in judge.h; here it is looked up and obeyed.
//
// Two kinds of cgroup:
// - step: user's code and its slurmstepd (root). Users' processes reach this job's nodes only: this job's own
//   sockets on this node, open ports (judge.h) on the others. slurmstepd also reaches the controller, to
//   report to it.
// - batch: the root-owned wrapper and its srun, which run no code of the user: the job's nodes and the
//   controller.

// All structures used here are the kernel's promise to user space; without this, each load would search the
// types of the running kernel for them (half of a Prolog: 74 against 38 ms).
#define BPF_NO_PRESERVE_ACCESS_INDEX
#include "vmlinux.h"
// These need the types above.
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "judge.h"

char LICENSE[] SEC("license") = "GPL";  // the kernel's name for a licence that may call its GPL-only helpers

const volatile __u64 JOB = 0;  // id of the job's cgroup, the parent of the one the programs are attached to
const volatile __u32 IS_BATCH = 0;
const volatile __u32 HAS_WALL = 0;  // wall.h: a job's cgroup has one, a session's has not
const volatile __u8 CLOSED[CLOSED_BYTES] = {};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __type(key, __u32);  // IPv4 address as on the wire
    __type(value, struct peer);
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

#define TCP_FLAGS_AT 13  // in its header

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

static __always_inline int is_trusted(__u32 uid) {
    return IS_BATCH || uid == 0;
}

// The packet is looked at again with its interface; here, so that the caller is told at once.
static __always_inline int may_begin(struct bpf_sock_addr* to, __u32 address, __u16 port) {
    struct peer* peer = bpf_map_lookup_elem(&peers, &address);
    __u32 interface = to->sk ? to->sk->bound_dev_if : 0;
    return may_reach(peer, address, port, interface, is_trusted((__u32)bpf_get_current_uid_gid()), CLOSED);
}

static __always_inline int judge4(struct bpf_sock_addr* to, __u32 kind) {
    __u16 port = bpf_ntohs((__u16)to->user_port);
    if (may_begin(to, to->user_ip4, port)) return 1;
    // Libraries ask for names by themselves (torch.distributed for each peer's): no attempt of anybody.
    return port == JUDGE_NAMES_PORT ? 0 : block4(kind, to->protocol, to->user_ip4, port);
}

// IPv6 is for addresses that are IPv4 on the wire (::ffff:10.0.0.1: what PyTorch's TCPStore tries first).
static __always_inline int judge6(struct bpf_sock_addr* to, __u32 kind) {
    __u16 port = bpf_ntohs((__u16)to->user_port);
    struct attempt what = {.kind = kind, .port = port, .protocol = to->protocol, .family = 6};
    what.address[0] = to->user_ip6[0];
    what.address[1] = to->user_ip6[1];
    what.address[2] = to->user_ip6[2];
    what.address[3] = to->user_ip6[3];
    int is_mapped = !what.address[0] && !what.address[1] && what.address[2] == bpf_htonl(0xffff);
    if (is_mapped && may_begin(to, what.address[3], port)) return 1;
    if (port == JUDGE_NAMES_PORT) return 0;
    return is_mapped ? block4(kind, to->protocol, what.address[3], port) : block_and_note(&what);
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

// Straight from where the kernel keeps them for itself: a packet feels each call of a helper. Returns how
// many bytes there are.
static __always_inline __u32 read_head(struct __sk_buff* skb, struct ip4_head* head) {
    void *data = (void*)(long)skb->data, *end = (void*)(long)skb->data_end;
    if (data + IP4_HEAD_BYTES <= end) {
        __builtin_memcpy(head, data, IP4_HEAD_BYTES);
        return IP4_HEAD_BYTES;
    }
    if (!bpf_skb_load_bytes(skb, 0, head, IP4_HEAD_BYTES)) return IP4_HEAD_BYTES;
    return bpf_skb_load_bytes(skb, 0, head, IP4_HEADER_BYTES) ? 0 : IP4_HEADER_BYTES;
}

// A call is for who listens, whatever else has its two ports: a socket that waits to be forgotten (TIME_WAIT) hands it
// on to any listener. From port 0 there is no connection.
static __always_inline int ask_receiver(struct __sk_buff* skb, struct packet* p) {
    struct bpf_sock_tuple tuple = {};
    int is_tcp = p->protocol == IPPROTO_TCP;
    __u8 tcp_flags = 0;
    if (is_tcp) bpf_skb_load_bytes(skb, IP4_HEADER_BYTES + TCP_FLAGS_AT, &tcp_flags, sizeof tcp_flags);
    tuple.ipv4.saddr = p->source;
    tuple.ipv4.daddr = p->destination;
    tuple.ipv4.sport = is_call(is_tcp, tcp_flags) ? 0 : bpf_htons(p->source_port);
    tuple.ipv4.dport = bpf_htons(p->destination_port);
    struct bpf_sock* receiver =
        is_tcp ? bpf_sk_lookup_tcp(skb, &tuple, sizeof tuple.ipv4, BPF_F_CURRENT_NETNS, 0)
               : bpf_sk_lookup_udp(skb, &tuple, sizeof tuple.ipv4, BPF_F_CURRENT_NETNS, 0);
    if (!receiver) return judge_receiver(0, 0, HAS_WALL);
    int ours = is_inside(receiver);
    bpf_sk_release(receiver);
    return judge_receiver(1, ours, HAS_WALL);
}

// Whatever made the packet (a listening socket that answers, TCP fast open, a relay on this node), it goes to
// the job's own only. Dropped here, it asks no neighbour for an address either.
SEC("cgroup_skb/egress")
int fence_egress(struct __sk_buff* skb) {
    struct ip4_head head = {};
    struct packet p;
    if (skb->protocol != bpf_htons(0x0800) || !read_packet(&head, read_head(skb, &head), &p))
        return block(BLOCKED_PACKET_OUT);
    struct peer* peer = bpf_map_lookup_elem(&peers, &p.destination);
    if (is_to_fellow(&p, peer, skb->ifindex, CLOSED)) return 1;
    enum verdict verdict = judge_out(&p, peer, skb->ifindex, is_trusted(bpf_get_socket_uid(skb)), CLOSED);
    if (verdict == VERDICT_PASS) return 1;
    if (verdict == VERDICT_DROP)
        return p.destination_port == JUDGE_NAMES_PORT
                   ? 0
                   : block4(BLOCKED_PACKET_OUT, p.protocol, p.destination, p.destination_port);
    return ask_receiver(skb, &p) == VERDICT_PASS
               ? 1
               : block4(BLOCKED_LOCAL, p.protocol, p.destination, p.destination_port);
}

// Nobody outside the job talks to a socket inside.
SEC("cgroup_skb/ingress")
int fence_ingress(struct __sk_buff* skb) {
    struct ip4_head head = {};
    if (skb->protocol != bpf_htons(0x0800) || !read_head(skb, &head)) return block(BLOCKED_PACKET_IN);
    struct peer* peer = bpf_map_lookup_elem(&peers, &head.source);
    if (judge_in(head.source, head.destination, peer, skb->ifindex) == VERDICT_PASS) return 1;
    return block(BLOCKED_PACKET_IN);
}
