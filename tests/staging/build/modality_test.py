"""Stored values that a table gives their meaning (PS3.3 section C.11.1): as pydicom's apply_modality_lut has them. Run as builds.py
says."""
import json, sys

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut

from builds import SOURCE, Builds, main

sys.path.insert(0, str(SOURCE / "tests/core/shard"))
from second_reader import Version


class Modality(Builds):
    hospitals = ("north",)

    @classmethod
    def setUpClass(cls):
        cls.begin("nodules@1")
        cls.definition = cls.single_images("tables.toml")

    def image(self, folder, number, first, entries, bits=16, kind="US", signed=False, stored=None, **more):
        """An image of one series, and its table."""
        self.series(folder, number, number, [0])
        path = next(folder.glob(f"*-{number}.dcm"))
        ds = pydicom.dcmread(path)
        del ds.RescaleSlope, ds.RescaleIntercept
        ds.PixelRepresentation, ds.BitsStored, ds.HighBit = int(signed), 16, 15
        if stored is None:
            stored = np.arange(24) * 3 - (30 if signed else 0) + number  # below the table, in it and beyond it; no image twice
        ds.PixelData = np.asarray(stored, "<i2" if signed else "<u2").tobytes()
        table = Dataset()
        table.add_new("LUTDescriptor", "SS" if signed else "US", [len(entries) % 65536, first, bits])
        table.ModalityLUTType = kind
        table.add_new("LUTData", "OW", np.asarray(entries, "<u2").tobytes())
        ds.ModalityLUTSequence = [table]
        for key, value in more.items():
            setattr(ds, key, value)
            if key == "PixelPaddingValue":
                ds[key].VR = "US"
        ds.save_as(path, enforce_file_format=True)
        return ds

    def test_a_table_gives_the_values_that_pydicom_gives(self):
        random, folder = np.random.default_rng(1), self.root / "good/north"
        entries = random.integers(0, 65536, 40)
        made = [self.image(folder, 1, 10, entries), self.image(folder, 2, 10, entries[:1]), self.image(folder, 3, 0, entries // 16),
                self.image(folder, 4, -20, entries, signed=True), self.image(folder, 5, 10, entries // 256, bits=8),
                self.image(folder, 6, 0, random.integers(0, 65536, 65536), stored=random.integers(0, 65536, 24)),
                self.image(folder, 7, -32768, random.integers(0, 65536, 65536), signed=True, stored=random.integers(-32768, 32768, 24)),
                self.image(folder, 8, 10, entries, PixelPaddingValue=14)]
        definition = self.definition.with_name("padding.toml")
        definition.write_text(self.definition.read_text().replace("padding = -2000", "padding = -5"))
        out = self.root / "good/version"
        self.build("nodules", out, 2, deliveries=folder.parent, definition=definition)
        expected = [apply_modality_lut(ds.pixel_array, ds).astype(np.int32) for ds in made]
        # pydicom 3 subtracts in the pixels' 16 bits, which overflow here; what the standard says, in wider ones.
        whole = np.frombuffer(made[6].ModalityLUTSequence[0].LUTData, "<u2")
        expected[6] = whole[made[6].pixel_array.astype(np.int64) + 32768].astype(np.int32)
        expected[7][made[7].pixel_array == 14] = -5
        self.assertEqual((expected[7] == -5).sum(), 1)
        found = {one["image"].tobytes() for one in Version(out, self.keys / "nodules@1.key").samples()}
        self.assertEqual(found, {one.tobytes() for one in expected})
        # In Hounsfield units only where the table says so.
        in_units = self.definition.with_name("units.toml")
        in_units.write_text(self.definition.read_text().replace('dtype = "i32"', 'dtype = "i32"\nunits = "Hounsfield units"'))
        folder, out = self.root / "units/north", self.root / "units/version"
        made = self.image(folder, 1, 10, entries, kind="HU"), self.image(folder, 2, 10, entries)
        summary = self.build("nodules", out, 2, deliveries=folder.parent, definition=in_units)
        self.assertEqual(summary["quarantine"], {"units_differ": 1})
        found = [one["image"] for one in Version(out, self.keys / "nodules@1.key").samples()]
        self.assertTrue((found[0] == apply_modality_lut(made[0].pixel_array, made[0])).all())

    def test_a_table_that_cannot_be_told_is_left_out(self):
        folder, entries = self.root / "bad/north", np.arange(40)
        self.image(folder, 1, 10, entries)
        made = [self.image(folder, 2, 10, entries, bits=17), self.image(folder, 3, 10, entries * 100, bits=8),
                self.image(folder, 4, 10, entries, RescaleSlope=2, RescaleIntercept=0)]
        twice = self.image(folder, 5, 10, entries)
        twice.ModalityLUTSequence.append(twice.ModalityLUTSequence[0])
        short = self.image(folder, 6, 10, entries)
        short.ModalityLUTSequence[0].LUTData = short.ModalityLUTSequence[0].LUTData[:-2]
        for number, ds in ((5, twice), (6, short)):
            ds.save_as(next(folder.glob(f"*-{number}.dcm")), enforce_file_format=True)
        self.image(folder, 7, 10, entries, PhotometricInterpretation="MONOCHROME1")
        out = self.root / "bad/version"
        summary = self.build("nodules", out, 2, deliveries=folder.parent, definition=self.definition)
        self.assertEqual((summary["samples"], summary["quarantine"]), (1, {"pixel_format_unsupported": 6}))
        details = sorted(json.loads(line)["detail"] for line in (out / "reports/quarantine.jsonl").read_text().splitlines())
        self.assertEqual(details, ["ModalityLUTSequence"] * 5 + ["PhotometricInterpretation"])


Modality.find = sys.argv[2]

if __name__ == "__main__":
    main()
