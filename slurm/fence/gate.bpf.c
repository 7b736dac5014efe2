// What may come to a node from its network while an enclave's job has it. The fence (fence.bpf.c) sits on the
// job's sockets, so it cannot see two things that this program sees on every interface, before any socket:
//   a port on which nobody listens answers "refused", one on which the job listens is silent: to whoever may
//   send packets here, the job's listening ports would be a message a service of the node that is not the
//   job's: the job's own code on its other nodes could hand it data
// So from 1024 up, Slurm's port excepted, strangers reach what the node itself began to talk to, and the
// job's nodes also the job's own sockets (fence.bpf.c marks them). All else is dropped in silence.
#include "vmlinux.h"
// These need the types above.
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "fence_bpf.h"

char LICENSE[] SEC("license") = "GPL";  // the kernel's name for a licence that may call its GPL-only helpers

const volatile __u32 SLURMD_PORT = 6818;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __type(key, __u32);    // IPv4 address as on the wire: the job's other nodes and the controllers
    __type(value, __u32);  // enum peer
} peers SEC(".maps");

#define PASS -1  // TC_ACT_UNSPEC: other filters on the interface have their say
#define DROP 2   // TC_ACT_SHOT

#define IPV4 0x0800
#define IPV6 0x86dd
#define HOP_BY_HOP 0  // next headers of IPv6 (IANA's registry), which the kernel's types do not name
#define ICMP6 58

#define TCP_LISTENS 10
#define UDP_CONNECTED 1

struct segment {
    __u16 source_port, destination_port;  // as on the wire
    __u32 sequence, acknowledged;
    __u8 offset, flags;
};

// `settled`: the node's own talk with that very address and port; `ours`: a socket of the job.
static __always_inline int judge_tcp(struct __sk_buff* skb, struct bpf_sock_tuple* tuple, __u32 size,
                                     int is_peer) {
    struct bpf_sock* found = bpf_skc_lookup_tcp(skb, tuple, size, BPF_F_CURRENT_NETNS, 0);
    if (!found) return is_peer ? PASS : DROP;  // the job's own nodes may be told that nobody listens
    int settled = found->state != TCP_LISTENS;
    struct bpf_sock* full = bpf_sk_fullsock(found);
    int ours = full && full->mark == JOB_MARK;
    bpf_sk_release(found);
    return settled || (is_peer && ours) ? PASS : DROP;
}

static __always_inline int judge_udp(struct __sk_buff* skb, struct bpf_sock_tuple* tuple, __u32 size,
                                     int is_peer) {
    struct bpf_sock* found = bpf_sk_lookup_udp(skb, tuple, size, BPF_F_CURRENT_NETNS, 0);
    if (!found) return is_peer ? PASS : DROP;  // the job's own nodes may be told that nobody listens
    int settled = found->state == UDP_CONNECTED, ours = found->mark == JOB_MARK;
    bpf_sk_release(found);
    return settled || (is_peer && ours) ? PASS : DROP;
}

static __always_inline int judge4(struct __sk_buff* skb) {
    struct iphdr ip;
    struct segment segment = {};
    if (bpf_skb_load_bytes_relative(skb, 0, &ip, sizeof ip, BPF_HDR_START_NET)) return DROP;
    int is_tcp = ip.protocol == IPPROTO_TCP;
    if (!is_tcp && ip.protocol != IPPROTO_UDP) return PASS;  // a job has no socket of another kind
    if (ip.frag_off & bpf_htons(0x1fff)) return PASS;        // worth nothing without the first one
    if (bpf_skb_load_bytes_relative(skb, ip.ihl * 4, &segment, is_tcp ? 14 : 4, BPF_HDR_START_NET))
        return DROP;
    if (!is_open_port(bpf_ntohs(segment.destination_port), SLURMD_PORT)) return PASS;
    int is_peer = bpf_map_lookup_elem(&peers, &ip.saddr) != 0;
    if (is_peer && is_tcp && (segment.flags & 0x12) != 0x02) return PASS;  // only a SYN opens anything
    struct bpf_sock_tuple tuple = {};
    tuple.ipv4.saddr = ip.saddr;
    tuple.ipv4.daddr = ip.daddr;
    tuple.ipv4.sport = segment.source_port;
    tuple.ipv4.dport = segment.destination_port;
    return is_tcp ? judge_tcp(skb, &tuple, sizeof tuple.ipv4, is_peer)
                  : judge_udp(skb, &tuple, sizeof tuple.ipv4, is_peer);
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
    if (!is_open_port(bpf_ntohs(segment.destination_port), SLURMD_PORT)) return PASS;
    struct bpf_sock_tuple tuple = {};
    __builtin_memcpy(tuple.ipv6.saddr, &ip.saddr, sizeof ip.saddr);
    __builtin_memcpy(tuple.ipv6.daddr, &ip.daddr, sizeof ip.daddr);
    tuple.ipv6.sport = segment.source_port;
    tuple.ipv6.dport = segment.destination_port;
    return is_tcp ? judge_tcp(skb, &tuple, sizeof tuple.ipv6, 0)
                  : judge_udp(skb, &tuple, sizeof tuple.ipv6, 0);
}

SEC("tc")
int fence_gate(struct __sk_buff* skb) {
    if (skb->protocol == bpf_htons(IPV4)) return judge4(skb);
    if (skb->protocol == bpf_htons(IPV6)) return judge6(skb);
    return PASS;
}
