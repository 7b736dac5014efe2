/* What fence.bpf.c (C, in the kernel) and fence.cpp (C++) both know. */
#pragma once

enum peer { PEER_FELLOW = 1, PEER_SELF = 2, PEER_CONTROLLER = 3 };

enum blocked_kind {
    BLOCKED_CONNECT,
    BLOCKED_SENDMSG,
    BLOCKED_SOCKET,
    BLOCKED_PACKET_OUT,
    BLOCKED_PACKET_IN,
    BLOCKED_LOCAL,
    BLOCKED_KINDS
};
