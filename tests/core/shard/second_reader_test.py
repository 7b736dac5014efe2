"""The reader written from FORMAT.md and the C++ reader say the same of every version, and the second one, too, refuses whatever was changed
(that the first does, verify_test.cpp and reader_test.cpp show for every byte).
usage: second_reader_test.py SHARD_DUMP GOLDEN"""

import base64
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import second_reader
from second_reader import Refused, Version

DUMP, GOLDEN = sys.argv[1], pathlib.Path(sys.argv[2])
KEY = bytes([7] * 32)


def said(envelope):
    """What of a seal is said and proven. The name of the key is neither, nor are the unused bits of base64."""
    envelope = json.loads(envelope)
    return envelope["payloadType"], *(base64.b64decode(text) for text in (envelope["payload"], envelope["signatures"][0]["sig"]))


class SecondReader(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="aloft-test-"))
        cls.key = cls.root / "made@1.key"
        cls.key.write_text("aloft-key-1 secret " + "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=" + "\n")
        cls.key.chmod(0o400)
        subprocess.run([DUMP, "make", cls.root / "made"], check=True)
        cls.versions = [GOLDEN / "v1", GOLDEN / "v2", *sorted((cls.root / "made").iterdir())]

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.root)

    def copy(self, version):
        target = self.root / "copy"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(version, target)
        return target

    def test_both_readers_see_the_same_samples(self):
        self.assertEqual([v.name for v in self.versions], ["v1", "v2", "lz4", "none", "tiles", "zstd"])
        for version in self.versions:
            with self.subTest(version=version.name):
                theirs = json.loads(subprocess.run([DUMP, version, self.key], check=True, capture_output=True).stdout)
                steward = version / "steward.pub"
                opened = Version(version, self.key, steward if steward.exists() else None)
                ours = [{name: {"shape": list(value.shape), "sha256": hashlib.sha256(value.tobytes()).hexdigest()}
                         if hasattr(value, "tobytes") else value for name, value in sample.items()} for sample in opened.samples()]
                self.assertEqual(opened.name, theirs["dataset"])
                self.assertEqual(opened.counts, theirs["counts"])
                self.assertEqual(len(ours), len(theirs["samples"]))
                for mine, other in zip(ours, theirs["samples"]):
                    self.assertEqual(mine, other)

    def test_a_tile_is_cut_as_the_document_says(self):
        lines = (GOLDEN / "../../../../core/shard/FORMAT.md").resolve().read_text().split("## Tiles")[1].split("\n")
        rows = [[cell.strip() for cell in line.split("|")[1:5]] for line in lines if line.startswith("| ")][1:5]
        extents = lambda cell: [int(e.replace("\N{NO-BREAK SPACE}", "").replace(" ", "")) for e in cell.split("×")]
        for shape, element, tile, grid in rows:
            wanted = extents(shape) if "whole" in tile else extents(tile)
            size = {"i16": 2, "f32": 4, "u8": 1}[element]
            self.assertEqual(second_reader.tiling(extents(shape), size), (wanted, extents(grid)))
        self.assertEqual(len(rows), 4)

    def refused(self, read):
        try:
            read()
        except Refused:
            return True
        return False

    def test_every_flipped_byte_of_a_version_is_refused(self):
        for name in ("v1", "v2"):
            copy = self.copy(GOLDEN / name)
            steward = copy / "steward.pub"
            opened = Version(copy, KEY, steward)
            for path in sorted(copy.rglob("*")):
                if not path.is_file() or path == steward:
                    continue
                whole, accepted = path.read_bytes(), []
                shard = path.suffix == ".h5"
                read = (lambda: [opened.shard(i) for i in range(len(opened.shards))]) if shard else (lambda: Version(copy, KEY, steward))
                self.assertFalse(self.refused(read))
                for at in range(0, len(whole), 5 if shard else 1):  # of a shard's chunks every byte is tried below
                    flipped = whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1:]
                    path.write_bytes(flipped)
                    if not self.refused(read) and not (path.name == "manifest.sig.json" and said(flipped) == said(whole)):
                        accepted.append(at)
                path.write_bytes(whole)
                self.assertEqual(accepted, [], path.name)

    def test_the_tags_alone_refuse_every_flipped_byte_of_a_chunk(self):
        """Without the digests of files: what an attacker changes who can write pages and manifest, too."""
        for name in ("v1", "v2"):
            opened = Version(GOLDEN / name, KEY, check_files=False)
            shard = opened.shard(0)
            whole, tried = shard.data, 0
            lines = range(shard.first_tile, shard.lines) if name == "v2" else []
            ragged = [len(opened.columns) + i * shard.count + k for i, f in enumerate(opened.fields) if f["shape"] is None and name == "v2"
                      for k in range(shard.count)]
            for line in [*(n for n in range(shard.first_tile) if n not in ragged), *lines]:
                offset = second_reader.number(shard.index, 24 * line, 8)
                for at in range(offset, offset + second_reader.number(shard.index, 24 * line + 8, 8)):
                    shard.data = whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1:]
                    self.assertTrue(self.refused(lambda: list(shard.samples())), f"{name} line {line} byte {at - offset}")
                    tried += 1
            self.assertGreater(tried, 1000)

    def test_the_mark_holds_without_a_seal(self):
        copy = self.copy(GOLDEN / "v2")
        (copy / "manifest.sig.json").unlink()
        manifest = copy / "manifest.json"
        text = manifest.read_bytes()
        self.assertFalse(self.refused(lambda: Version(copy, KEY)))
        manifest.write_bytes(text.replace(b'"splits": {}', b'"splits": {"a": 1}'))
        self.assertNotEqual(manifest.read_bytes(), text)
        self.assertTrue(self.refused(lambda: Version(copy, KEY)))
        manifest.write_bytes(text)
        self.assertTrue(self.refused(lambda: Version(copy, bytes([8] * 32))))
        self.assertTrue(self.refused(lambda: Version(copy, KEY, copy / "steward.pub")))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=2)
