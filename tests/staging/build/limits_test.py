"""What the reader may spend on a file, by a definition's [limits]: a file beyond one is left out, and the record says which key. Run
as builds.py says."""
import contextlib, json, os, pathlib, subprocess, threading, unittest, zipfile

import pydicom

from builds import STAGE, Builds, end_of, family, main

MIB = 1 << 20


class Limits(Builds):
    hospitals = ("north",)

    @classmethod
    def setUpClass(cls):
        cls.begin("nodules@1")
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

    def test_a_file_beyond_a_limit_is_left_out_and_the_record_names_the_key(self):
        root = self.root / "beyond"
        folder = root / "north"
        self.series(folder, 1, 1, [0, 2, 4])

        def nested(depth):
            item = pydicom.Dataset()
            item.is_undefined_length_sequence_item = True
            item.ReferencedSOPClassUID = "1.2.3"
            if depth:  # of undefined length: one of a length that is said is stepped over
                item.ReferencedImageSequence = nested(depth - 1)
                item["ReferencedImageSequence"].is_undefined_length = True
            return [item]

        self.changed(folder, 2, Rows=200, Columns=200, PixelData=bytes(200 * 200 * 2))             # 80,000 bytes of pixels
        self.changed(folder, 3, ImageComments="x" * 10, PixelData=bytes(MIB + 2), Rows=1, Columns=(MIB + 2) // 32)  # a file of more than 1 MiB
        self.changed(folder, 4, Manufacturer="y" * 1000)
        self.changed(folder, 5, undefined="ReferencedImageSequence", ReferencedImageSequence=nested(6))
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
        limits = {"file_bytes": 1300 * MIB, "pixel_bytes": 1300 * MIB, "inflated_bytes": MIB, "seconds": 300}
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
