"""A reader of dataset versions, written from core/shard/FORMAT.md and nothing else: what that document says is enough, and what it says is
what the C++ reader does (second_reader_test.py compares them). Format versions 1 and 2. It trusts nothing that it has not checked.

    version = Version("DATASETS/digits/1", "digits@1.key")
    for sample in version.samples(): ...
"""

import base64
import hashlib
import hmac
import json
import pathlib

import lz4.block
import numpy
import zstandard
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

DTYPES = {"u8": (1, "u1"), "i8": (2, "i1"), "u16": (3, "<u2"), "i16": (4, "<i2"), "u32": (5, "<u4"), "i32": (6, "<i4"), "i64": (7, "<i8"),
          "f32": (8, "<f4"), "f64": (9, "<f8")}
COLUMNS = {"i64": (129, "<i8"), "f64": (130, "<f8"), "category": (131, "<i4"), "id16": (132, "V16")}
RECORD = 192
HEADER, TAG = 80, 16
SEAL = "application/vnd.aloft.seal+json"


class Refused(Exception):
    """Something is not what it must be."""


def need(condition, what):
    if not condition:
        raise Refused(what)


def load_key(path):
    words = pathlib.Path(path).read_text().split(" ")
    need(len(words) == 3 and words[:2] == ["aloft-key-1", "secret"] and words[2].endswith("\n"), "not a key")
    key = base64.b64decode(words[2][:-1], validate=True)
    need(len(key) == 32, "not a key")
    return key


def key_id(key):
    return hmac.digest(key, b"aloft key id", "sha256")[:8].hex()


def hkdf(key, salt, info):
    return HKDF(hashes.SHA256(), 32, salt, info.encode()).derive(key)


def number(data, at, size):
    return int.from_bytes(data[at:at + size], "little")


def tiling(shape, element_bytes):
    """The tile's extents and the grid's."""
    tile, parts = list(shape), [1] * len(shape)
    while numpy.prod(tile, dtype=object) * element_bytes > 1 << 20:
        longest = tile.index(max(tile))
        parts[longest] += 1
        tile[longest] = -(-shape[longest] // parts[longest])
    return tile, [-(-s // t) for s, t in zip(shape, tile)]


def shape_of(data, at):
    """Four packed extents, unused ones 0 at the end."""
    extents = [number(data, at + 4 * i, 4) for i in range(4)]
    rank = 4 - sum(e == 0 for e in extents)
    need(rank and all(extents[:rank]) and not any(extents[rank:]), "not a shape")
    return extents[:rank]


class Keys:
    """Of one shard or page."""

    def __init__(self, key, kind, format, dataset, place):
        name = f"aloft {kind} {format}".encode() + b"\0" + dataset.encode() + b"\0" + str(place).encode()
        self.id = hashlib.sha256(name).digest()[:16]
        self.format = format
        self.cipher = AESGCM(hkdf(key, self.id, f"aloft shard {format} cipher"))
        self.nonce = hkdf(key, self.id, f"aloft shard {format} nonce")

    def open(self, chunk, element, index, dataset, shape, tile, raw_length=None):
        """The payload, if the chunk is exactly the one that belongs here."""
        need(len(chunk) >= HEADER + TAG, "a chunk is too short")
        head, codec, raw = chunk[:HEADER], chunk[6], number(chunk, 32, 8)
        expected = (b"ALFT" + self.format.to_bytes(2, "little") + bytes([codec, element]) + self.id + index.to_bytes(8, "little") +
                    (raw if raw_length is None else raw_length).to_bytes(8, "little") + dataset.to_bytes(4, "little") +
                    b"".join(e.to_bytes(4, "little") for e in [*shape, 0, 0, 0, 0][:4]) + tile.to_bytes(4, "little") + bytes(4))
        need(codec <= 2 and head[:68] == expected, "a header is not that of its place")
        try:
            payload = self.cipher.decrypt(head[68:80], chunk[HEADER:], head)
        except InvalidTag:
            raise Refused("a tag is not right") from None
        # A writer that keeps to the document makes the nonce of what it encrypts.
        need(hmac.digest(self.nonce, head[:68] + bytes(12) + payload, "sha256")[:12] == head[68:80], "a nonce is not its payload's")
        try:
            if codec == 1:
                payload = lz4.block.decompress(payload, uncompressed_size=raw)
            elif codec == 2:
                payload = zstandard.ZstdDecompressor().decompress(payload, max_output_size=raw)
        except (lz4.block.LZ4BlockError, zstandard.ZstdError):
            raise Refused("a payload does not unpack") from None
        need(len(payload) == raw, "a payload does not unpack to its size")
        return payload


class Version:
    def __init__(self, folder, key, steward=None, check_files=True):
        self.folder, self.key = pathlib.Path(folder), key if isinstance(key, bytes) else load_key(key)
        self.check_files = check_files
        text = (self.folder / "manifest.json").read_bytes()
        try:
            self.manifest = json.loads(text)
            self.format = self.manifest["aloft_format"]
            need(self.format in (1, 2) and self.manifest["key_id"] == key_id(self.key), "another format or key")
            self.name = f"{self.manifest['dataset']}@{self.manifest['version']}"
            self.fields, self.columns = self.manifest["schema"]["fields"], self.manifest["schema"]["columns"]
            if self.format == 2:
                self.check_mark(text)
            self.check_seal(text, steward)
            self.shards, self.counts = [], []
            if self.format == 1:
                self.shards = self.manifest["shards"]
                self.counts = [shard["counts"] for shard in self.shards]
            else:
                for place, page in enumerate(self.manifest["pages"]):
                    self.read_page(place, page)
            need(sum(shard["samples"] for shard in self.shards) == self.manifest["samples"], "samples are missing")
        except (ValueError, KeyError, TypeError, IndexError):
            raise Refused("a manifest, page or seal is not one") from None

    def check_mark(self, text):
        body, end = text[:-79], text[-79:]
        need(end[:11] == b',\n "mac": "' and end[75:] == b'"\n}\n', "there is no mark")
        mark = hmac.digest(hkdf(self.key, self.name.encode(), "aloft manifest 2"), body, "sha256")
        need(end[11:75] == mark.hex().encode(), "the mark is not this key's")

    def check_seal(self, text, steward):
        path = self.folder / "manifest.sig.json"
        if not path.exists():
            need(steward is None, "not sealed")
            return
        envelope = json.loads(path.read_bytes())
        payload = base64.b64decode(envelope["payload"], validate=True)
        need(envelope["payloadType"] == SEAL and json.loads(payload)["manifest_sha256"] == hashlib.sha256(text).hexdigest(), "another seal")
        if steward is None:
            return
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(pathlib.Path(steward).read_text().split()[2]))
        signed = b"DSSEv1 %d %s %d %s" % (len(SEAL), SEAL.encode(), len(payload), payload)
        for signature in envelope["signatures"]:
            try:
                return public.verify(base64.b64decode(signature["sig"], validate=True), signed)
            except InvalidSignature:
                continue
        raise Refused("sealed by somebody else")

    def read_page(self, place, entry):
        text = (self.folder / "pages" / f"page-{place:06}.json").read_bytes()
        need(hashlib.sha256(text).hexdigest() == entry["sha256"] and entry["file"] == f"page-{place:06}.json", "another page")
        page = json.loads(text)
        need((page["aloft_format"], page["dataset"], page["page"]) == (2, self.name, place), "another page")
        need(len(page["shards"]) == entry["shards"] and len(self.shards) == 1000 * place, "pages are not full")
        keys = Keys(self.key, "page", 2, self.name, place)
        record = json.loads(keys.open(base64.b64decode(page["sealed"], validate=True), RECORD, place, 0, [], 0))
        need(len(record["counts"]) == len(page["shards"]), "counts of other shards")
        self.shards += page["shards"]
        self.counts += record["counts"]

    def shard(self, place):
        return Shard(self, place)

    def samples(self):
        for place in range(len(self.shards)):
            yield from self.shard(place).samples()


class Shard:
    def __init__(self, version, place):
        self.version, entry = version, version.shards[place]
        need(entry["file"] == f"shard-{place:06}.h5", "a shard is not named for its place")
        self.data = (version.folder / "shards" / entry["file"]).read_bytes()
        need(len(self.data) == entry["bytes"], "a shard has another size")
        if version.check_files:
            need(hashlib.sha256(self.data).hexdigest() == entry["sha256"], "a shard was changed")
        self.count = entry["samples"]
        at, size = entry["index"]["offset"], entry["index"]["bytes"]
        self.index = self.data[at:at + size]
        need(hashlib.sha256(self.index).hexdigest() == entry["index"]["sha256"] and size % 24 == 0, "the index was changed")
        self.lines = size // 24
        self.first_tile = len(version.columns) + len(version.fields) * self.count
        need(self.lines >= self.first_tile, "the index is too short")
        self.keys = Keys(version.key, "shard", version.format, version.name, place)

    def chunk(self, line):
        need(line < self.lines, "a line is not there")
        offset, stored = number(self.index, 24 * line, 8), number(self.index, 24 * line + 8, 8)
        need(offset + stored <= len(self.data), "a chunk lies outside the file")
        return self.data[offset:offset + stored], number(self.index, 24 * line + 16, 8)

    def column(self, place):
        column = self.version.columns[place]
        element, kind = COLUMNS[column["type"]]
        chunk, raw = self.chunk(place)
        values = numpy.frombuffer(self.keys.open(chunk, element, 0, place, [], 0, raw), kind)
        need(len(values) == self.count, "a column has another length")
        if column["type"] == "category":
            need(all(-1 <= v < len(column["names"]) for v in values), "a category has no name")
            return [None if v < 0 else column["names"][v] for v in values]
        if column["type"] == "id16":
            return [v.tobytes().hex() for v in values]
        missing = -2**63 if column["type"] == "i64" else None
        return [None if v == missing or v != v else v.item() for v in values]

    def array(self, place, sample):
        field = self.version.fields[place]
        element, dtype = DTYPES[field["dtype"]][0], numpy.dtype(DTYPES[field["dtype"]][1])
        dataset = len(self.version.columns) + place
        line = len(self.version.columns) + place * self.count + sample
        if field["shape"] is not None or self.version.format == 1:
            chunk, raw = self.chunk(line)
            shape = field["shape"] or shape_of(chunk, 44)
            payload = self.keys.open(chunk, element, sample, dataset, shape, 0, raw)
            need(raw == numpy.prod(shape, dtype=object) * dtype.itemsize, "a sample has another size")
            return numpy.frombuffer(payload, dtype).reshape(shape)
        first, shape = number(self.index, 24 * line, 8), shape_of(self.index, 24 * line + 8)
        need(first >= self.first_tile, "a sample's tiles are not tiles")
        tile, grid = tiling(shape, dtype.itemsize)
        out = numpy.empty(shape, dtype)
        for t, at in enumerate(numpy.ndindex(*grid)):
            chunk, raw = self.chunk(first + t)
            payload = self.keys.open(chunk, element, sample, dataset, shape, t, raw)
            need(raw == numpy.prod(tile, dtype=object) * dtype.itemsize, "a tile has another size")
            begin = [a * e for a, e in zip(at, tile)]
            end = [min(b + e, s) for b, e, s in zip(begin, tile, shape)]
            inside = tuple(slice(0, e - b) for b, e in zip(begin, end))
            out[tuple(slice(b, e) for b, e in zip(begin, end))] = numpy.frombuffer(payload, dtype).reshape(tile)[inside]
        return out

    def samples(self):
        columns = {c["name"]: self.column(i) for i, c in enumerate(self.version.columns)}
        for i in range(self.count):
            yield {**{name: values[i] for name, values in columns.items()},
                   **{f["name"]: self.array(k, i) for k, f in enumerate(self.version.fields)}}
