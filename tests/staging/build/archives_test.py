"""Deliveries in zip and tar files, read as folders. Run as builds.py says."""
import bz2, ctypes, gzip, io, json, lzma, shutil, struct, subprocess, tarfile, zipfile, zlib

from builds import STAGE, SOURCE, HOSPITALS, Builds, main


def zipped(files, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return out.getvalue()


def tarred(files, links=()):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, target, kind in links:
            info = tarfile.TarInfo(name)
            info.linkname, info.type = target, kind
            archive.addfile(info)
    return out.getvalue()


def zstandard(data):
    """By the library itself, which Python does not have yet."""
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_compress.restype = ctypes.c_size_t
    out = ctypes.create_string_buffer(len(data) + 4096)
    size = library.ZSTD_compress(out, ctypes.c_size_t(len(out)), data, ctypes.c_size_t(len(data)), 3)
    return out.raw[:size]


def encrypted(archive):
    """The same zip file, but its entries say that they need a password (general purpose bit 0)."""
    data = bytearray(archive)
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + flags] |= 1
            at = data.find(mark, at + 4)
    return bytes(data)


class Archives(Builds):
    @classmethod
    def setUpClass(cls):
        cls.begin("few@1", "wdbc@1")
        cls.definition = cls.root / "datasets/few.toml"
        cls.definition.parent.mkdir()
        shutil.copytree(SOURCE / "configs/deid", cls.root / "deid")
        cls.definition.write_text("""
name = "few"
version = "1"
profile = "../deid/imaging.toml"
sites = ["north", "central", "south", "east"]
columns = ["site", "vendor", "modality", "sex", "age"]
[[fields]]
name = "image"
shape = []
dtype = "f32"
[splits]
train = 1.0
""")
        cls.slices = cls.root / "slices"
        cls.series(cls, cls.slices, 1, 7, [0, 2, 4, 6, 8])
        cls.files = [(f"病人甲/{path.name}", path.read_bytes()) for path in sorted(cls.slices.iterdir())]

    def deliver(self, name, files):
        """A delivery of `north`, and the three others' without a file."""
        folder = self.root / name
        for hospital in HOSPITALS:
            (folder / hospital).mkdir(parents=True)
        for path, data in files.items():
            (folder / "north" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "north" / path).write_bytes(data)
        return folder

    def made(self, name, files, ranks=1):
        out = self.root / f"{name}-{ranks}"
        summary = self.build("few", out, ranks, deliveries=self.root / name if files is None else self.deliver(name, files),
                             definition=self.definition)
        return out, summary

    def shards(self, out):
        return {path.name: path.read_bytes() for path in (out / "shards").iterdir()}

    def records(self, out):
        return [json.loads(line) for line in (out / "reports/quarantine.jsonl").read_text().splitlines()]

    def test_an_archive_gives_what_its_files_give(self):
        plain, summary = self.made("plain", dict(self.files))
        self.assertEqual(summary["samples"], len(self.files))
        whole = tarred(self.files)
        for name, data in {"a.zip": zipped(self.files), "stored.ZIP": zipped(self.files, zipfile.ZIP_STORED), "a.tar": whole,
                           "a.tar.gz": gzip.compress(whole), "two.tgz": gzip.compress(whole[:700]) + gzip.compress(whole[700:])}.items():
            with self.subTest(name):
                out, summary = self.made("in-" + name, {"sub/" + name: data, "sub/notes.txt": b"x"})
                self.assertEqual((summary["samples"], summary["quarantine"]), (len(self.files), {"not_recognised": 1}))
                self.assertEqual(self.shards(out), self.shards(plain))
                parent = next(p for p in json.loads((out / "manifest.json").read_text())["parents"] if p["delivery"] == "north")
                self.assertEqual((parent["files"], parent["packed"], parent["left_out"]), (len(self.files) + 1, len(self.files), 1))

    def test_tar_files_come_in_other_compressions_too(self):
        plain = self.root / "plain-1"
        if not plain.exists():
            self.made("plain", dict(self.files))
        out, summary = self.made("compressed", {"a.tar.bz2": bz2.compress(tarred(self.files[:1])), "b.TXZ": lzma.compress(tarred(self.files[1:3])),
                                                "c.tar.zst": zstandard(tarred(self.files[3:]))})
        self.assertEqual((summary["samples"], summary["quarantine"]), (len(self.files), {}))
        self.assertEqual(self.shards(out), self.shards(plain))

    def test_what_a_mac_writes_beside_files_is_none_of_the_delivery(self):
        beside = b"\0\5\x16\7" + bytes(100)
        store = b"\0\0\0\1Bud1" + bytes(100)
        files = {"a.zip": zipped(self.files[:2] + [("__MACOSX/._a.dcm", beside), ("x/.DS_Store", store), ("._c.dcm", self.files[3][1])]), "._b.dcm": beside,
                 "sub/._a.zip": beside, "a._b.dcm": self.files[2][1], "._1.2.3.dcm": self.files[4][1], ".DS_Store": store, "sub/.DS_Store": b"none"}
        _, summary = self.made("mac", files)
        self.assertEqual((summary["samples"], summary["quarantine"]), (5, {"not_selected": 5, "not_recognised": 1}))

    def test_what_is_wrong_with_one_file_leaves_the_others_on_any_number_of_ranks(self):
        good, (_, data) = self.files[:2], self.files[2]
        zip_ = zipped(good + [("../out.dcm", data), ("/abs.dcm", data), ("a//b.dcm", data), ("c\\..\\d.dcm", data),
                              ("twice.dcm", data), ("twice.dcm", data + b"\0"), ("text.dcm", b"no image"), ("inner.zip", zipped(good))])
        tar = tarred([("./ok.dcm", self.files[3][1])], [("soft.dcm", "/etc/passwd", tarfile.SYMTYPE), ("hard.dcm", "ok.dcm", tarfile.LNKTYPE),
                                                        ("pipe.dcm", "", tarfile.FIFOTYPE)])
        corrupt = bytearray(zipped([("bad.dcm", data)], zipfile.ZIP_STORED))
        corrupt[corrupt.find(data) + len(data) // 2] ^= 1
        secret = encrypted(zipped([("secret.dcm", data)]))
        delivered = {"a.zip": zip_, "b.tar": tar, "c.zip": bytes(corrupt), "d.zip": secret, "d2.zip": zipped([("lzma.dcm", data)], zipfile.ZIP_LZMA), "e.dcm": self.files[4][1], "z.txt": b"not an image"}
        out, summary = self.made("hostile", delivered)
        self.assertEqual(summary["samples"], 4)
        self.assertEqual(summary["quarantine"], {"encrypted": 1, "malformed": 1, "name_twice": 2, "not_recognised": 3, "not_regular": 1,
                                                 "symlink": 2, "transfer_syntax_unsupported": 1, "unsafe_name": 4})
        numbers = sorted(r["number"] for r in self.records(out))
        self.assertEqual(len(set(numbers)), 15)  # every file has a number of its own
        two, _ = self.made("hostile", None, 2)
        self.assert_same_tree(out, two)
        record = next(r for r in self.records(out) if r["reason"] == "encrypted")
        done = subprocess.run([STAGE, "quarantine", "find", out, record["name"], "--delivery", f"north={self.root / 'hostile/north'}",
                               "--key", self.keys / "pseudonym.key", "--json"], capture_output=True, text=True, check=True)
        self.assertTrue(json.loads(done.stdout)["file"].endswith("north/d.zip/secret.dcm"))
        again = self.build("few", out, 1, deliveries=self.root / "hostile", definition=self.definition)
        self.assertTrue(again["already_built"])
        (self.root / "hostile/north/a.zip").write_bytes(zipped(good))
        self.failed(2, "has changed since", "few", out, 1, deliveries=self.root / "hostile", definition=self.definition)

    def test_an_archive_that_is_not_whole_is_left_out_as_one(self):
        whole = tarred(self.files)
        header = 512 * ((len(whole) - 1024) // 512)
        zip_ = zipped(self.files)
        end = struct.unpack("<H", zip_[-12:-10])[0]
        self.assertEqual(end, len(self.files))
        cut_at_member = 0  # where the last file begins: a cut there looks like an end
        with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
            cut_at_member = archive.getmembers()[-1].offset
        packed = gzip.compress(whole)
        bad_sum = bytearray(packed)
        bad_sum[-8] ^= 1
        cases = {"cut.tar": (whole[:cut_at_member], "truncated"), "middle.tar": (whole[:header // 2], None), "cut.tar.gz": (packed[:-20], "truncated"),
                 "sum.tgz": (bytes(bad_sum), "malformed"), "behind.tar": (whole + whole, "malformed"), "behind.tar.gz": (packed + b"more", "malformed"),
                 "cut.zip": (zip_[:-30], None), "count.zip": (zip_[:-12] + struct.pack("<H", end + 1) + zip_[-10:], None), "no.zip": (b"words" * 99, "malformed"),
                 "empty.zip": (zipped([]), "malformed"), "empty.tar": (tarred([]), "not_selected"), "none.tar": (b"", None), "bomb.zip": (zipped([("a", bytes(150 << 20))]), "decompression_limit"),
                 "bomb.tgz": (gzip.compress(tarred([("a", bytes(64 << 20))]), 9), "decompression_limit"),
                 "cut.tar.xz": (lzma.compress(whole)[:-20], None), "cut.tbz2": (bz2.compress(whole)[:-20], None), "cut.tar.zst": (zstandard(whole)[:-20], None),
                 "behind.txz": (lzma.compress(whole) + b"more", "malformed"), "bomb.tar.xz": (lzma.compress(tarred([("a", bytes(64 << 20))])), "decompression_limit")}
        files = {name: data for name, (data, _) in cases.items()}
        out, summary = self.made("cut", {**files, "ok.dcm": self.files[0][1]})
        self.assertEqual(summary["samples"], 1)
        told = {r["number"]: r for r in self.records(out)}
        self.assertEqual(len(told), len(cases))
        for number, name in enumerate(sorted([*cases, "ok.dcm"])):
            if name == "ok.dcm":
                continue
            want = cases[name][1]
            with self.subTest(name):
                self.assertIn(told[number]["reason"], [want] if want else ["truncated", "malformed"])

    def test_tables_in_archives_and_compressed_are_read_row_by_row(self):
        for folder in ("tables", "zipped"):
            for hospital in HOSPITALS:
                self.table(self.root / folder, hospital, [(f"{hospital}{i}", 1950 + i, i) for i in range(8)])
        table = self.root / "zipped/north/table.csv"
        (table.parent / "north.zip").write_bytes(zipped([("empty.csv", b""), ("deep/table.csv.gz", gzip.compress(table.read_bytes()))]))
        table.unlink()
        for hospital, compress, name in (("central", gzip.compress, "table.csv.gz"), ("south", bz2.compress, "TABLE.CSV.BZ2"),
                                         ("east", zstandard, "table.csv.zst")):
            table = self.root / "zipped" / hospital / "table.csv"
            (table.parent / name).write_bytes(compress(table.read_bytes()))
            table.unlink()
        definition = SOURCE / "configs/datasets/wdbc.toml"
        plain = self.build("wdbc", self.root / "tables-out", 1, deliveries=self.root / "tables", definition=definition)
        packed = self.build("wdbc", self.root / "zipped-out", 2, deliveries=self.root / "zipped", definition=definition)
        self.assertEqual(packed["samples"], plain["samples"])
        self.assertEqual(packed["quarantine"], {"bad_header": 1})
        self.assertEqual(self.shards(self.root / "zipped-out"), self.shards(self.root / "tables-out"))

    def test_a_pair_is_one_sample_and_a_lone_half_says_so(self):
        import numpy
        volume = numpy.arange(24, dtype="<i2").reshape(2, 3, 4)
        header = bytearray(348)
        struct.pack_into("<i", header, 0, 348), struct.pack_into("<8h", header, 40, 3, 4, 3, 2, 1, 1, 1, 1)
        struct.pack_into("<2h", header, 70, 4, 16), struct.pack_into("<8f", header, 76, 1, 1, 1, 1, 1, 1, 1, 1)
        header[344:348] = b"ni1\0"
        header = bytes(header)
        root = self.root / "nifti"
        (root / "deid").mkdir(parents=True), (root / "datasets").mkdir()
        (root / "deid/pairs.toml").write_text("""
name = "pairs"
version = 1
source = "nifti"
[[patient]]
from = "path:patient"
kind = "record-number"
[dates]
max_shift_days = 30
[pixels]
faces = "allow"
[risk]
quasi_identifiers = ["site"]
k = 2
below = "report"
[[fields]]
name = "image"
from = "pixels"
transform = "keep"
[[columns]]
name = "site"
transform = "delivery"
""")
        definition = root / "datasets/few.toml"
        definition.write_text(self.definition.read_text().replace("imaging", "pairs").replace(
            'columns = ["site", "vendor", "modality", "sex", "age"]', 'columns = ["site"]'))
        (root / "deliveries").mkdir()
        for hospital in HOSPITALS:
            (root / f"deliveries/{hospital}.toml").write_text(f'name = "{hospital}"\npath = "{{patient}}/*"\n')
        folder = self.deliver("nifti-in", {"P1/a.hdr": header, "P1/a.img": volume.tobytes(), "P2/lone.hdr": header, "P2/else.img": volume.tobytes(),
                                           "P3/in.zip": zipped([("a.hdr", header), ("a.img", volume.tobytes())])})
        out = self.root / "nifti-out"
        summary = self.build("few", out, 1, deliveries=folder, definition=definition, more=["--deliveries", str(root / "deliveries")])
        self.assertEqual((summary["samples"], summary["quarantine"]), (1, {"half_of_pair": 4, "not_selected": 1}))
        details = sorted((r["reason"], r["detail"]) for r in self.records(out))
        self.assertEqual(details, [("half_of_pair", "data"), ("half_of_pair", "header"), ("half_of_pair", "in an archive"),
                                   ("half_of_pair", "in an archive"), ("not_selected", "data of a pair")])

    def test_init_looks_into_archives(self):
        folder = self.deliver("looked-at", {"a.zip": zipped(self.files + [("notes.txt", b"a;b"), ("other", b"?" * 600)]), "b.tar": b"none"})
        done = subprocess.run([STAGE, "init", f"north={folder / 'north'}", "--out", self.root / "init", "--json"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual(found["kinds"], {"archive": 1, "dicom": len(self.files), "other": 1, "table": 1})
        self.assertEqual((found["files"], found["not_readable"]), (len(self.files) + 3, {"malformed": 1}))
        self.assertEqual(found["sop_classes"], {"CTImageStorage": len(self.files)})


if __name__ == "__main__":
    main()
