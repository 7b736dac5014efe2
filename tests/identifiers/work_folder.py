"""The work folder of a build, opened with its key: staging/work/sealed_file.h, written anew from what it says, on libsodium."""
import ctypes, ctypes.util, re

SODIUM = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
LENGTH, NONCE, TAG = 8, 24, 16


def purpose_of(path):
    """What the blocks of a file are bound to; each part of staging/work has its own."""
    if found := re.fullmatch(r"listing-(\d+)", path.name):
        return f"listing{found[1]}"
    if path.parent.name == "shuffle" and (found := re.fullmatch(r"(.+)-\d+\.(records|index)", path.name)):
        return found[1] + (" index" if found[2] == "index" else "")
    return path.name


def blocks_of(path, key):
    """The blocks of a file that are proven to be sealed, opened, and what lies behind them: bytes of any other file."""
    data, at, blocks = path.read_bytes(), 0, []
    while at + LENGTH + NONCE + TAG <= len(data):
        length = int.from_bytes(data[at:at + LENGTH], "little")
        nonce, sealed = data[at + LENGTH:][:NONCE], data[at + LENGTH + NONCE:][:length + TAG]
        bound, plain = f"{purpose_of(path)}\0{at}\0{length}".encode(), ctypes.create_string_buffer(max(length, 1) if length < len(data) else 1)
        if len(sealed) != length + TAG or SODIUM.crypto_aead_xchacha20poly1305_ietf_decrypt(
                plain, None, None, sealed, ctypes.c_ulonglong(len(sealed)), bound, ctypes.c_ulonglong(len(bound)), nonce, key):
            break
        blocks.append(plain.raw[:length])
        at += LENGTH + NONCE + length + TAG
    return blocks, data[at:]


def taken_apart(folder, key, plain, opened):
    """What lies in `folder` into two others: `plain`, all names, and the bytes of every file that are not proven to be sealed, but for shards
    (FORMAT.md) and long runs of zeros; `opened`, what is in the sealed blocks. How many there are."""
    count = 0
    for path in sorted(folder.rglob("*")):
        to = plain / path.relative_to(folder)
        (to.parent if path.is_file() else to).mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            continue
        blocks, rest = blocks_of(path, key) if ".work" in path.parts else ([], path.read_bytes())
        to.write_bytes(b"" if path.parent.name == "shards" else re.sub(rb"\0{64,}", bytes(64), rest))
        for block in blocks:
            (opened / str(count)).write_bytes(block)
            count += 1
    return count
