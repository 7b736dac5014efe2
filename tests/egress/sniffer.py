#!/usr/bin/env python3
"""Keeps every frame that passes the given network interfaces of this machine, as a pcap file; ends when told to.

    sniffer.py --out FILE INTERFACE...

FILE.json afterwards holds how many frames were seen and how many the kernel dropped: with drops nothing is proved. Needs root.
"""
import argparse
import json
import selectors
import signal
import socket
import struct
import time

SOL_PACKET, PACKET_STATISTICS, SO_RCVBUFFORCE = 263, 6, 33
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", required=True)
parser.add_argument("interface", nargs="+")
options = parser.parse_args()

end = float("inf")


def stop(*_):
    global end
    end = time.monotonic() + 0.3  # what is still on its way


signal.signal(signal.SIGTERM, stop)
watch = selectors.DefaultSelector()
for interface in options.interface:
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # every protocol
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    s.bind((interface, 3))
    s.setblocking(False)
    watch.register(s, selectors.EVENT_READ)
seen = 0
with open(options.out, "wb") as out:
    out.write(struct.pack("IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
    with open(options.out + ".ready", "w") as ready:
        ready.write("ready")
    while time.monotonic() < end:
        for key, _ in watch.select(0.1):
            try:
                frame = key.fileobj.recv(262144)
            except BlockingIOError:
                continue
            now = time.time()
            out.write(struct.pack("IIII", int(now), int(now % 1 * 1e6), len(frame), len(frame)) + frame)
            seen += 1
        out.flush()  # whoever reads the file meanwhile finds all that has passed
dropped = sum(struct.unpack("II", key.fileobj.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1] for key in watch.get_map().values())
with open(options.out + ".json", "w") as report:
    json.dump({"frames": seen, "dropped": dropped}, report)
