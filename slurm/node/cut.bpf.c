// What stops a job's packets once one of its nodes has left it. Three programs, none of which allows anything: the
// fence and the gate still judge what passes here.
//   cut_tasks   on the cgroup of the user's processes: nothing leaves this node or comes into it any more
//   cut_step    on the cgroup above, where slurmstepd is: nothing to or from the nodes that left
//   cut_node    on every interface of the node: nothing from those nodes to a port that a job can have
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
// These need the types above.
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "slurm/fence/fence_bpf.h"

char LICENSE[] SEC("license") = "GPL";  // the kernel's name for a licence that may call its GPL-only helpers

const volatile __u32 SLURMD_PORT = 6818;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __type(key, __u32);  // IPv4 address as on the wire
    __type(value, __u32);
} gone SEC(".maps");

#define LOOPBACK 1  // its number in every network namespace (LOOPBACK_IFINDEX)
#define PASS -1     // TC_ACT_UNSPEC: other filters on the interface have their say
#define DROP 2      // TC_ACT_SHOT

static __always_inline int is_local(struct __sk_buff* skb) {
    return skb->ifindex == LOOPBACK;
}

SEC("cgroup_skb/egress")
int cut_tasks_out(struct __sk_buff* skb) {
    return is_local(skb);
}
SEC("cgroup_skb/ingress")
int cut_tasks_in(struct __sk_buff* skb) {
    return is_local(skb);
}

// What cannot be read was judged by the fence, which allows no such packet.
static __always_inline int is_of_the_gone(struct __sk_buff* skb, int is_source) {
    struct iphdr ip;
    if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, 0, &ip, sizeof ip)) return 0;
    __u32 address = is_source ? ip.saddr : ip.daddr;
    return bpf_map_lookup_elem(&gone, &address) != 0;
}

SEC("cgroup_skb/egress")
int cut_step_out(struct __sk_buff* skb) {
    return is_local(skb) || !is_of_the_gone(skb, 0);
}
SEC("cgroup_skb/ingress")
int cut_step_in(struct __sk_buff* skb) {
    return is_local(skb) || !is_of_the_gone(skb, 1);
}

SEC("tc")
int cut_node(struct __sk_buff* skb) {
    struct iphdr ip;
    __u16 ports[2];
    if (skb->protocol != bpf_htons(ETH_P_IP)) return PASS;  // a job speaks no IPv6 on the wire
    if (bpf_skb_load_bytes_relative(skb, 0, &ip, sizeof ip, BPF_HDR_START_NET)) return DROP;
    __u32 address = ip.saddr;
    if (!bpf_map_lookup_elem(&gone, &address)) return PASS;
    if (ip.protocol != IPPROTO_TCP && ip.protocol != IPPROTO_UDP) return PASS;  // no socket of a job
    if (ip.frag_off & bpf_htons(0x1fff)) return DROP;  // whose first one may have passed before we were here
    if (bpf_skb_load_bytes_relative(skb, ip.ihl * 4, &ports, sizeof ports, BPF_HDR_START_NET)) return DROP;
    return is_open_port(bpf_ntohs(ports[1]), SLURMD_PORT) ? DROP : PASS;
}
