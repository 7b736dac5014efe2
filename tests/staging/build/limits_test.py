"""What the reader may spend on a file, by a definition's [limits]: a file beyond one is left out, and the record says which key. Run
as builds.py says."""
import contextlib, io, json, os, pathlib, re, subprocess, threading, unittest, zipfile

import numpy as np
import pydicom
from PIL import Image
from pydicom.encaps import encapsulate

from builds import SOURCE, STAGE, Builds, end_of, family, main

MIB = 1 << 20


class Limits(Builds):
    hospitals = ("north",)

    @classmethod
    def setUpClass(cls):
        cls.begin("nodules@1", "wdbc@1")
        cls.definition = cls.single_images("limits.toml")

    def limited(self, name, **limits):
        """The definition with a table of limits."""
        made = self.definition.with_name(name)
        made.write_text(self.definition.read_text() + "\n[limits]\n" + "".join(f"{key} = {value}\n" for key, value in limits.items()))
        return made

    def left_out(self, version):
        lines = [json.loads(line) for line in (version / "reports/quarantine.jsonl").read_text().splitlines()]
        return sorted((one["reason"], one.get("detail", "")) for one in lines)

    def changed(self, folder, patient, undefined=None, **values):
        """An image that is like others but for these."""
        self.series(folder, patient, patient, [0])
        path = next(folder.glob(f"*-{patient}.dcm"))
        ds = pydicom.dcmread(path)
        for key, value in values.items():
            setattr(ds, key, value)
        if undefined:
            ds[undefined].is_undefined_length = True
        ds.save_as(path, enforce_file_format=True)

    def nested(self, depth):
        item = pydicom.Dataset()
        item.is_undefined_length_sequence_item = True
        item.ReferencedSOPClassUID = "1.2.3"
        if depth:  # of undefined length: one of a length that is said is stepped over
            item.ReferencedImageSequence = self.nested(depth - 1)
            item["ReferencedImageSequence"].is_undefined_length = True
        return [item]

    def test_a_file_beyond_a_limit_is_left_out_and_the_record_names_the_key(self):
        root = self.root / "beyond"
        folder = root / "north"
        self.series(folder, 1, 1, [0, 2, 4])

        self.changed(folder, 2, Rows=200, Columns=200, PixelData=bytes(200 * 200 * 2))             # 80,000 bytes of pixels
        self.changed(folder, 3, ImageComments="x" * 10, PixelData=bytes(MIB + 2), Rows=1, Columns=(MIB + 2) // 32)  # a file of more than 1 MiB
        self.changed(folder, 4, Manufacturer="y" * 1000)
        self.changed(folder, 5, undefined="ReferencedImageSequence", ReferencedImageSequence=self.nested(6))
        limited = self.limited("beyond.toml", file_bytes=MIB, pixel_bytes=65536, value_bytes=64, depth=4)
        summary = self.build("limits", root / "version", 2, deliveries=root, definition=limited)
        found = self.left_out(root / "version")
        self.assertEqual(found, [("nesting_too_deep", "depth"), ("pixels_too_large", "pixel_bytes"), ("too_large", "file_bytes"), ("value_too_large", "Manufacturer")])
        self.assertEqual((summary["samples"], summary["deliveries"]["north"]["left_out"]), (3, 4))
        told = subprocess.run([STAGE, "report", root / "version"], check=True, capture_output=True, text=True).stdout
        for key in ("depth", "pixel_bytes", "file_bytes", "value_bytes"):
            self.assertIn(f"[limits] {key}", told.replace("file_bytes of the definition's [limits]", "[limits] file_bytes"))
        # Within the limits that there are without the table, all but what is malformed in itself are taken.
        without = self.build("limits", root / "without", 2, deliveries=root, definition=self.definition)
        self.assertGreater(without["samples"], 3)
        self.assertNotIn("too_large", without["quarantine"])

    def deflated(self, folder, patient, extra):
        """An image in a deflated data set, beside `extra` zeros that nobody wants."""
        self.series(folder, patient, patient, [0])
        made = next(folder.glob(f"*-{patient}.dcm"))
        ds = pydicom.dcmread(made)
        ds.add_new(0x00091010, "OB", bytes(extra))
        ds.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
        ds.save_as(made, enforce_file_format=True)

    def pictured(self, folder, patient, kind, fragments=1, side=16, array=None):
        """An image in JPEG or JPEG 2000."""
        self.series(folder, patient, patient, [0])
        made = next(folder.glob(f"*-{patient}.dcm"))
        ds = pydicom.dcmread(made)
        coded = io.BytesIO()
        Image.fromarray(np.zeros((side, side), np.uint8) if array is None else array).save(coded, kind, **({"no_jp2": True} if kind == "JPEG2000" else {}))
        ds.Rows = ds.Columns = side
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
        ds.PixelData = encapsulate([coded.getvalue()], fragments_per_frame=fragments)
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
        ds.file_meta.TransferSyntaxUID = {"JPEG": pydicom.uid.JPEGBaseline8Bit, "JPEG2000": pydicom.uid.JPEG2000Lossless}[kind]
        ds.save_as(made, enforce_file_format=True)

    def test_each_key_leaves_out_what_is_beyond_it_and_nothing_else(self):
        root = self.root / "each"
        items = [pydicom.Dataset() for _ in range(1000)]
        for one in items:
            one.ReferencedSOPClassUID = "1.2.3"
            one.is_undefined_length_sequence_item = True
        noise = np.random.default_rng(1).integers(0, 256, (4096, 4096), np.uint8)

        cases = {"file_bytes": (MIB, "too_large", lambda at: self.changed(at, 3, ImageComments="x" * 10, PixelData=bytes(MIB + 2), Rows=1, Columns=6)),
                 "pixel_bytes": (65536, "pixels_too_large", lambda at: self.changed(at, 3, Rows=200, Columns=200, PixelData=bytes(80000))),
                 "image_bytes": (65536, "image_too_large", lambda at: self.changed(at, 3, Rows=129, Columns=129, PixelData=bytes(2 * 129 * 129))),
                 "inflated_bytes": (MIB, "decompression_limit", lambda at: self.deflated(at, 3, 2 * MIB)),
                 "inflate_ratio": (1, "decompression_limit", lambda at: self.deflated(at, 3, 2 * MIB)),
                 "value_bytes": (64, "value_too_large", lambda at: self.changed(at, 3, SeriesDescription="x" * 65)),
                 "depth": (2, "nesting_too_deep", lambda at: self.changed(at, 3, undefined="ReferencedImageSequence", ReferencedImageSequence=self.nested(3))),
                 "elements": (1000, "too_many_elements", lambda at: self.changed(at, 3, undefined="ReferencedImageSequence", ReferencedImageSequence=items)),
                 "fragments": (1, "too_many_elements", lambda at: self.pictured(at, 3, "JPEG", fragments=2)),
                 "seconds": (1, "time_limit", lambda at: self.pictured(at, 3, "JPEG2000", side=4096, array=noise))}
        for key, (limit, reason, make) in cases.items():
            folder = root / key
            self.series(folder / "north", 1, 1, [0, 2])
            make(folder / "north")
            version, without = folder / "version", folder / "without"
            summary = self.build("limits", version, 1, deliveries=folder, definition=self.limited(f"each-{key}.toml", **{key: limit}))
            self.assertEqual((key, self.left_out(version), summary["samples"]), (key, [(reason, key)], 2))
            told = subprocess.run([STAGE, "report", version], check=True, capture_output=True, text=True).stdout
            self.assertIn(key, told)
            self.build("limits", without, 1, deliveries=folder, definition=self.definition)
            if key == "seconds":  # the noise is taken for text
                self.assertNotIn("time_limit", dict(self.left_out(without)))
            else:
                self.assertEqual((key, self.left_out(without)), (key, []))

        # Of tables.
        cases["rows"] = cases["row_bytes"] = None
        self.assertEqual(set(cases) | {"archive_members"}, self.keys_of_limits())  # in the next test, as inflate_ratio
        for key, limit, reason, taken in (("rows", 3, "too_many_rows", 3), ("row_bytes", 1024, "row_too_large", 3)):
            folder = root / key
            for hospital in ("central", "south", "east"):
                (folder / hospital).mkdir(parents=True)
            self.table(folder, "north", [(f"N{i}", 1950 + i, i) for i in range(4)])
            table = folder / "north/table.csv"
            lines = table.read_text().splitlines()
            table.write_text("\n".join([lines[0] + ",remark", *(line + "," for line in lines[1:4]), lines[4] + "," + "x" * 2000]) + "\n")
            for limits, left in (({key: limit}, [(reason, key)]), ({}, [])):
                made = self.root / f"configs/datasets/each-{key}-{len(limits)}.toml"
                made.write_text((self.root / "configs/datasets/wdbc.toml").read_text() + "\n[limits]\n" + "".join(f"{a} = {b}\n" for a, b in limits.items()))
                version = folder / f"version-{len(limits)}"
                self.build("wdbc", version, 1, deliveries=folder, definition=made)
                self.assertEqual(self.left_out(version), left)

    def keys_of_limits(self):
        """As the example says them."""
        lines = (SOURCE / "configs/datasets/digits.toml").read_text().split("# [limits]\n")[1].splitlines()
        return {line[2:].split(" = ")[0] for line in lines if line.startswith("# ") and " = " in line}

    def test_what_no_key_mends_names_none(self):
        root = self.root / "none"
        folder = root / "north"
        self.series(folder, 1, 1, [0, 2])
        self.changed(folder, 2, Rows=60000, Columns=60000)  # 7.2 GB, wherever they may be
        self.changed(folder, 3, SeriesDescription="y" * (MIB + 1))
        version = root / "version"
        summary = self.build("limits", version, 1, deliveries=root, definition=self.definition)
        self.assertEqual(self.left_out(version), [("pixels_too_large", "more than 2 GiB"), ("value_too_large", "more than 1 MiB")])
        self.assertEqual(summary["samples"], 2)

    def test_at_their_bounds_all_limits_work_and_beyond_they_are_refused(self):
        root = self.root / "bounds"
        self.series(root / "north", 1, 1, [0, 2])
        most = {}
        for key in sorted(self.keys_of_limits()):
            for value in (0, None):
                definition = self.limited("bounds.toml", **{key: most[key] + 1 if value is None else value})
                told = subprocess.run([STAGE, "build", "--dataset", definition, "--delivery", f"north={root / 'north'}", "--keys", self.keys, "--out", root / "version"],
                                      capture_output=True, text=True)
                self.assertEqual(told.returncode, 2, told.stderr)
                most[key] = int(re.search(rf"{key}: expected \d+ to (\d+)", told.stderr)[1])
        self.pictured(root / "north", 2, "JPEG", fragments=2)
        summary = self.build("limits", root / "version", 1, deliveries=root, definition=self.limited("most.toml", **most))
        self.assertEqual((summary["samples"], summary["quarantine"]), (3, {}))
        for hospital in ("central", "south", "east"):
            (root / "table" / hospital).mkdir(parents=True)
        self.table(root / "table", "north", [(f"N{i}", 1950 + i, i) for i in range(4)])
        made = self.root / "configs/datasets/most-table.toml"
        made.write_text((self.root / "configs/datasets/wdbc.toml").read_text() + "\n[limits]\n" + "".join(f"{a} = {b}\n" for a, b in most.items()))
        summary = self.build("wdbc", root / "of-table", 1, deliveries=root / "table", definition=made)
        self.assertEqual((summary["samples"], summary["quarantine"]), (4, {}))

    def test_an_archive_is_listed_within_the_limits_of_the_definition(self):
        root = self.root / "archive"
        self.series(root / "files", 1, 1, [0, 2, 4])
        (root / "north").mkdir()
        with zipfile.ZipFile(root / "north/a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted((root / "files").iterdir()):
                archive.write(path, path.name)
            archive.writestr("zeros", bytes(40 * MIB))
        self.series(root / "north", 2, 2, [0])
        for number, (limits, samples, left) in enumerate((({}, 1, ("decompression_limit", "archive")), ({"inflate_ratio": 2000}, 4, ("not_recognised", "")),
                                                          ({"inflate_ratio": 2000, "archive_members": 3}, 1, ("too_many_elements", "archive")))):
            version = root / f"version-{number}"
            summary = self.build("limits", version, 1, deliveries=root, definition=self.limited(f"archive-{number}.toml", **limits))
            self.assertEqual((summary["samples"], self.left_out(version)), (samples, [left]))
            if left[0] == "not_recognised":  # and found again without a definition
                record = json.loads((version / "reports/quarantine.jsonl").read_text())
                found = subprocess.run([STAGE, "quarantine", "find", version, str(record["number"]), "--delivery", f"north={root / 'north'}",
                                        "--key", self.keys / "pseudonym.key", "--json"], capture_output=True, text=True, check=True)
                self.assertTrue(json.loads(found.stdout)["file"].endswith("north/a.zip/zeros"))

    def test_a_limit_that_is_none_is_refused_by_name(self):
        root = self.root / "refused"
        self.series(root / "north", 1, 1, [0])
        for key, value, text in (("file_byte", MIB, "file_byte: unknown key"), ("file_bytes", 1, "file_bytes: expected"), ("pixel_bytes", 1 << 40, "pixel_bytes: expected"),
                                 ("seconds", 0, "seconds: expected"), ("depth", '"deep"', "depth")):
            self.failed(2, text, "limits", root / "version", 1, deliveries=root, definition=self.limited("refused.toml", **{key: value}))

    @unittest.skipUnless(os.environ.get("ALOFT_LONG"), "only in the long run")
    def test_a_file_of_more_than_a_gigabyte_is_taken_in_the_memory_that_the_limits_give(self):
        root, frames, side = self.root / "large", 1200, 1024
        self.series(root / "north", 1, 1, [0])
        path = next((root / "north").iterdir())
        ds = pydicom.dcmread(path)
        ds.Rows = ds.Columns = side
        ds.RescaleIntercept = 0
        ds.NumberOfFrames, ds.BitsAllocated, ds.BitsStored, ds.HighBit = frames, 8, 8, 7
        ds.PixelData = b""
        ds["PixelData"].VR = "OB"
        ds.save_as(path, enforce_file_format=True)
        head = path.read_bytes()
        at = head.index(b"\xe0\x7f\x10\x00OB") + 8
        path.write_bytes(head[:at] + (frames * side * side).to_bytes(4, "little"))
        os.truncate(path, at + 4 + frames * side * side)
        limits = {"file_bytes": 1300 * MIB, "pixel_bytes": 1300 * MIB, "image_bytes": 1300 * MIB, "inflated_bytes": MIB, "seconds": 300}
        definition = self.limited("large.toml", **limits)
        definition.write_text(definition.read_text().replace("[limits]", '[shards]\ncodec = "zstd"\n[limits]').replace('dtype = "i32"', 'dtype = "u8"'))
        most, done = {}, threading.Event()

        def watch():
            while not done.wait(0.05):
                for pid in family(os.getpid()):
                    with contextlib.suppress(OSError, KeyError):
                        status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
                        now = (int(status[key].split()[0]) << 10 for key in ("VmHWM", "RssShmem"))
                        most[pid] = tuple(map(max, now, most.get(pid, (0, 0))))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            run = self.start("limits", root / "version", 1, deliveries=root, definition=definition)
            self.assertEqual(end_of(run, seconds=1500), 0, pathlib.Path(f"{run.log}.err").read_text()[-4000:])
            summary = json.loads(pathlib.Path(f"{run.log}.out").read_text())
        finally:
            done.set()
            watcher.join()
        self.assertEqual((summary["samples"], summary["quarantine"]), (1, {}))
        # A copy of the file and shared room for its pixels, and what a worker needs whatever it reads.
        # It and the program, which has more, are those that see all of the pixels there.
        readers = [peak for peak, shared in most.values() if shared > frames * side * side * 9 // 10]
        self.assertEqual(len(readers), 2)
        self.assertLess(min(readers), limits["file_bytes"] + limits["pixel_bytes"] + 256 * MIB)
        # With the limits that there are without the table it is left out.
        version = self.root / "small"
        self.failed(3, "", "limits", version, 1, deliveries=root, definition=self.definition)


if __name__ == "__main__":
    main()
