// What may come to a node from its network while an enclave's job has it. The fence (fence.bpf.c) sits on the
// job's sockets, so it cannot see two things that this program sees on every interface, before any socket:
// - a port on which nobody listens answers "refused", one on which the job listens is silent: to whoever may
//   send packets here, the job's listening ports would be a message;
// - a service of the node that is not the job's: the job's own code on its other nodes could hand it data.
// So from 1024 up, Slurm's port excepted, strangers reach what the node itself began to talk to and what the
// enclave's policy allows a daemon of the site, and the job's nodes also the job's own sockets (fence.bpf.c
// marks them). All else is dropped in silence, but that the job's nodes are told where nobody listens. What is
// decided stands in judge.h; here it is looked up and obeyed.
//
// The kernel looks for the socket again when a packet has passed, and may find another one: nothing may pass for
// the reason that there is none.
#include "vmlinux.h"
// These need the types above.
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "judge.h"

char LICENSE[] SEC("license") = "GPL";  // the kernel's name for a licence that may call its GPL-only helpers

const volatile __u32 SLURMD_PORT = 6818;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __type(key, __u32);  // IPv4 address as on the wire
    __type(value, struct peer);
} peers SEC(".maps");

// Which daemon of the site hears whom (struct allowance); the value says nothing.
struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 1024);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct allowance);
    __type(value, __u32);
} allowed SEC(".maps");

#define PASS -1  // TC_ACT_UNSPEC: other filters on the interface have their say
#define DROP 2   // TC_ACT_SHOT

#define IPV4 0x0800
#define IPV6 0x86dd
#define HOP_BY_HOP 0  // next headers of IPv6 (IANA's registry), which the kernel's types do not name
#define ICMP6 58

#define TCP_LISTENS 10
#define UDP_CONNECTED 1
#define TCP_FIN 0x01
#define TCP_WORD_OF_FLAGS 12  // where they stand in the header, with its length
#define TCP_SUM 16

extern void* bpf_cast_to_kern_ctx(void* context) __ksym;

struct segment {
    __u16 source_port, destination_port;  // as on the wire
    __u32 sequence, acknowledged;
    __u8 offset, flags;
};

// A call is for who listens, whatever else has its two ports: a socket that waits to be forgotten (TIME_WAIT) hands it
// on to any listener. From port 0 there is no connection.
static __always_inline __u16 port_to_find(const struct segment* segment, int is_tcp) {
    return is_call(is_tcp, segment->flags) ? 0 : segment->source_port;
}

static __always_inline struct receiver find_receiver(struct __sk_buff* skb, struct bpf_sock_tuple* tuple,
                                                     __u32 size, int is_tcp) {
    struct receiver r = {};
    struct bpf_sock* found = is_tcp ? bpf_skc_lookup_tcp(skb, tuple, size, BPF_F_CURRENT_NETNS, 0)
                                    : bpf_sk_lookup_udp(skb, tuple, size, BPF_F_CURRENT_NETNS, 0);
    if (!found) return r;
    r.is_there = 1;
    r.is_settled = is_tcp ? found->state != TCP_LISTENS : found->state == UDP_CONNECTED;
    struct bpf_sock* full = bpf_sk_fullsock(found);
    r.is_ours = full && full->mark == JOB_MARK;
    bpf_sk_release(found);
    return r;
}

// The kernel answers for us, but not to this SYN, which a listener that begins only now would take. A FIN is refused in
// the same words (it counts as one byte, too), and opens nothing.
static __always_inline int refuse(struct __sk_buff* skb, const struct iphdr* ip,
                                  const struct segment* segment) {
    struct sk_buff* kernels = bpf_cast_to_kern_ctx(skb);
    __u32 at = kernels->head + kernels->network_header - kernels->data + ip->ihl * 4;
    __u8 flags = (segment->flags & ~JUDGE_SYN) | TCP_FIN;
    __u16 before = segment->offset << 8 | segment->flags, after = segment->offset << 8 | flags;
    if (bpf_l4_csum_replace(skb, at + TCP_SUM, bpf_htons(before), bpf_htons(after), sizeof after))
        return DROP;
    return bpf_skb_store_bytes(skb, at + TCP_WORD_OF_FLAGS + 1, &flags, sizeof flags, 0) ? DROP : PASS;
}

static __always_inline int is_allowed(__u8 direction, __u8 protocol, __u16 port, __u32 address) {
    struct allowance key = {.prefix_bits = ALLOWANCE_BITS + 32,
                            .direction = direction,
                            .protocol = protocol,
                            .port = port,
                            .address = address};
    return bpf_map_lookup_elem(&allowed, &key) != 0;
}

static __always_inline int judge4(struct __sk_buff* skb) {
    struct iphdr ip;
    struct segment segment = {};
    if (bpf_skb_load_bytes_relative(skb, 0, &ip, sizeof ip, BPF_HDR_START_NET)) return DROP;
    __u32 source = ip.saddr;
    struct peer* peer = bpf_map_lookup_elem(&peers, &source);
    int verdict = judge_gate_addresses(source, ip.daddr, ip.protocol, ip.frag_off, peer);
    if (verdict != GATE_UNDECIDED) return verdict == VERDICT_PASS ? PASS : DROP;
    int is_tcp = ip.protocol == IPPROTO_TCP;
    if (bpf_skb_load_bytes_relative(skb, ip.ihl * 4, &segment, is_tcp ? 14 : 4, BPF_HDR_START_NET))
        return DROP;
    int is_peer = is_peer_at_gate(peer, skb->ifindex);
    verdict = judge_gate_ports(bpf_ntohs(segment.destination_port), is_tcp, segment.flags, ip.frag_off,
                               is_peer, SLURMD_PORT);
    if (verdict != GATE_UNDECIDED) return verdict == VERDICT_PASS ? PASS : DROP;
    struct bpf_sock_tuple tuple = {};
    tuple.ipv4.saddr = source;
    tuple.ipv4.daddr = ip.daddr;
    tuple.ipv4.sport = port_to_find(&segment, is_tcp);
    tuple.ipv4.dport = segment.destination_port;
    struct receiver r = find_receiver(skb, &tuple, sizeof tuple.ipv4, is_tcp);
    int is_fellow = peer && peer->kind == PEER_FELLOW;
    verdict = judge_gate_receiver(&r, is_tcp, is_peer, is_fellow, 0, 0);
    if (verdict == VERDICT_PASS) return PASS;
    if (verdict == GATE_REFUSE) return refuse(skb, &ip, &segment);
    // Only what would be dropped looks at the policy's allowances.
    int in = is_allowed(DIRECTION_IN, ip.protocol, segment.destination_port, source);
    int out = is_allowed(DIRECTION_OUT, ip.protocol, segment.source_port, source);
    return judge_gate_receiver(&r, is_tcp, is_peer, is_fellow, in, out) == VERDICT_PASS ? PASS : DROP;
}

// A job speaks no IPv6 on the wire, so everybody is a stranger. A header between IP's and TCP's would hide
// the ports: only what neighbour discovery and IPsec need passes.
static __always_inline int judge6(struct __sk_buff* skb) {
    struct ipv6hdr ip;
    struct segment segment = {};
    if (bpf_skb_load_bytes_relative(skb, 0, &ip, sizeof ip, BPF_HDR_START_NET)) return DROP;
    if (ip.nexthdr == ICMP6 || ip.nexthdr == IPPROTO_ESP) return PASS;
    if (ip.nexthdr == HOP_BY_HOP)
        return ip.daddr.in6_u.u6_addr8[0] == 0xff ? PASS : DROP;  // multicast listeners
    int is_tcp = ip.nexthdr == IPPROTO_TCP;
    if (!is_tcp && ip.nexthdr != IPPROTO_UDP) return DROP;
    if (bpf_skb_load_bytes_relative(skb, sizeof ip, &segment, is_tcp ? 14 : 4, BPF_HDR_START_NET))
        return DROP;
    int verdict =
        judge_gate_ports(bpf_ntohs(segment.destination_port), is_tcp, segment.flags, 0, 0, SLURMD_PORT);
    if (verdict != GATE_UNDECIDED) return verdict == VERDICT_PASS ? PASS : DROP;
    struct bpf_sock_tuple tuple = {};
    __builtin_memcpy(tuple.ipv6.saddr, &ip.saddr, sizeof ip.saddr);
    __builtin_memcpy(tuple.ipv6.daddr, &ip.daddr, sizeof ip.daddr);
    tuple.ipv6.sport = port_to_find(&segment, is_tcp);
    tuple.ipv6.dport = segment.destination_port;
    struct receiver r = find_receiver(skb, &tuple, sizeof tuple.ipv6, is_tcp);
    return judge_gate_receiver(&r, is_tcp, 0, 0, 0, 0) == VERDICT_PASS ? PASS : DROP;
}

SEC("tc")
int fence_gate(struct __sk_buff* skb) {
    if (skb->protocol == bpf_htons(IPV4)) return judge4(skb);
    if (skb->protocol == bpf_htons(IPV6)) return judge6(skb);
    return PASS;
}
