"""In an enclave's job: says bits by a channel that the fence leaves, at times agreed before. usage: send.py CHANNEL BEGIN SLOT BITS

BEGIN seconds since 1970, SLOT seconds of a bit. A bit is two halves of a slot, high and low or low and high, so that what others do to
the same figure, slower than a slot, does not matter.
"""
import mmap
import os
import sys
import time

channel, begin, slot, bits = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
SPACE_BYTES = 256 << 20
MEMORY_BYTES = 512 << 20


def halves():
    """(moment, high or low) of each half of each bit."""
    for number, bit in enumerate(bits):
        for half in (0, 1):
            yield begin + (number + half / 2) * slot, (bit == "1") == (half == 0)


def wait(moment):
    while (left := moment - time.time()) > 0:
        time.sleep(left)


if channel == "space":
    with open("channel", "wb", buffering=0) as file:
        for moment, high in halves():
            wait(moment)
            file.truncate(0)
            if high:
                os.posix_fallocate(file.fileno(), 0, SPACE_BYTES)
        wait(moment + slot)
    os.remove("channel")
elif channel == "memory":
    held = None
    for moment, high in halves():
        wait(moment)
        if held:
            held.close()
        held = mmap.mmap(-1, MEMORY_BYTES) if high else None
        if held:
            for at in range(0, MEMORY_BYTES, mmap.PAGESIZE):
                held[at] = 1
    wait(moment + slot)
elif channel == "load":
    for moment, high in halves():
        wait(moment)
        while high and time.time() < moment + slot / 2:
            pass
    wait(moment + slot)
else:
    sys.exit(f"{channel}: no such channel")
