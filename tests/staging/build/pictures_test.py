"""Single images and the mask beside each, against Pillow and pydicom: which belong together, in whose size, and what is told of
those that do not. Run as builds.py says."""
import gzip, json, shutil, struct, subprocess, sys

import numpy as np
import pydicom
from PIL import Image

from builds import SOURCE, STAGE, Builds, main

sys.path.insert(0, str(SOURCE / "tests/core/shard"))
from second_reader import Version

CUT = [f"--cut={n}" for n in ("files_per_batch=1", "segment_samples=1", "block_records=1", "partition_records=1")]


class Pictures(Builds):
    hospitals = ("north", "south")

    @classmethod
    def setUpClass(cls):
        cls.begin("skin@1")
        shutil.copytree(SOURCE / "configs", cls.root / "configs")
        cls.random = np.random.default_rng(11)

    def definition(self, *changes):
        text = (self.root / "configs/datasets/skin.toml").read_text()
        for old, new in changes:
            self.assertEqual(text.count(old), 1, old)
            text = text.replace(old, new)
        made = self.root / f"configs/datasets/skin-{len(list((self.root / 'configs/datasets').iterdir()))}.toml"
        made.write_text(text)
        return made

    def described(self, root, path="{patient}/{scan}.*"):
        folder = root / "deliveries"
        folder.mkdir(parents=True, exist_ok=True)
        for site in self.hospitals:
            (root / site).mkdir(exist_ok=True)
            (folder / f"{site}.toml").write_text(f'name = "{site}"\npath = "{path}"\n[[declared]]\nis = "defaced"\n')
        return ["--deliveries", str(folder)]

    def noise(self, *shape, dtype=np.uint8):
        return self.random.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)

    def mask(self, *shape, values=(0, 255)):
        return self.random.choice(np.array(values, np.uint8), shape)

    def save(self, path, array, **more):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path, **more)
        return path

    def run_build(self, root, definition, more, name="version", ranks=2):
        summary = self.build("skin", root / name, ranks, deliveries=root, definition=definition, more=more)
        for one in summary["deliveries"].values():
            self.assertEqual(one["files_and_rows"], one["packed"] + one["left_out"] + one["not_selected"])
        return root / name, summary

    def samples(self, version):
        return list(Version(version, self.keys / "skin@1.key").samples())

    def left_out(self, version):
        lines = [json.loads(line) for line in (version / "reports/quarantine.jsonl").read_text().splitlines()]
        return sorted((one["reason"], one.get("detail", "")) for one in lines)

    def same_by_any_ranks(self, root, definition, more, whole):
        for ranks, tuned in ((1, []), (4, CUT)):
            self.assert_same_tree(whole, self.run_build(root, definition, more + tuned, f"version-{ranks}", ranks)[0])
        subprocess.run([STAGE, "verify", whole, "--key", self.keys / "skin@1.key"], check=True, stdout=subprocess.DEVNULL)

    def test_a_picture_and_the_mask_beside_it_are_one_sample(self):
        root, north = self.root / "pictures", self.root / "pictures/north"
        more, whole = self.described(root), {}
        pairs = {"one/grey": ("png", self.noise(7, 5), "png"), "one/colour": ("png", self.noise(6, 9, 3), "png"),
                 "two/tiff": ("tiff", self.noise(4, 8), "tiff"), "two/jpeg": ("jpg", self.noise(16, 8, 3), "png"),
                 "three/same": ("png", self.noise(7, 5), "tif")}
        for name, (kind, array, of_mask) in pairs.items():
            image, mask = self.save(north / f"{name}.{kind}", array), self.save(north / f"{name}_mask.{of_mask}", self.mask(*array.shape[:2]))
            whole[name] = image, mask
        self.save(north / "three/empty.png", self.noise(3, 3))
        self.save(north / "three/empty_mask.png", np.zeros((3, 3), np.uint8))  # nothing was found: a mask of zeros is one
        whole["three/empty"] = north / "three/empty.png", north / "three/empty_mask.png"
        for kind, palette in (("png", None), ("tif", None), ("png", b"\xff" * 4)):  # what a mask says are the numbers of its palette's colours
            name = f"three/palette-{kind}-{bool(palette)}"
            shown = Image.fromarray(self.mask(7, 5))
            # Colour 0 is black, as PASCAL VOC's palette has it, or is not shown.
            colours = self.random.permutation(768).astype(np.uint8)
            colours[:3] = 255 if palette else 0
            shown.putpalette(colours.tobytes())
            image, mask = self.save(north / f"{name}.png", self.noise(7, 5)), north / f"{name}_mask.{kind}"
            shown.save(mask, **({"transparency": 0} if palette else {}))
            whole[name] = image, mask
        # Left out: of another size, values that are not listed, colours, greys of a lossy file, none, and one alone.
        for name, mask, kind in (("size", self.mask(5, 7), "png"), ("values", self.mask(7, 5, values=(0, 7)), "png"),
                                 ("colours", self.mask(7, 5, 3), "png"), ("lossy", self.mask(7, 5), "jpg")):
            self.save(north / f"four/{name}.png", self.noise(7, 5))
            self.save(north / f"four/{name}_mask.{kind}", mask)
        # Palettes that a program picked: two colours, the lighter one first; and greys that are listed, numbered otherwise.
        for name, first, kind in (("white-first", 255, "png"), ("white-first-tiff", 255, "tif"), ("numbered", 0, "png")):
            shown = Image.fromarray(self.mask(7, 5))
            shown.putpalette(bytes([first] * 3 + [0] * 765))
            self.save(north / f"four/{name}.png", self.noise(7, 5))
            shown.save(north / f"four/{name}_mask.{kind}")
        self.save(north / "four/none.png", self.noise(7, 5))
        self.save(north / "four/alone_mask.png", self.mask(7, 5))
        # Two pictures of one name and size: nobody can tell which of them the mask is of.
        for kind in ("png", "tif"):
            self.save(north / f"four/both.{kind}", self.noise(7, 5))
        self.save(north / "four/both_mask.png", self.mask(7, 5))
        definition = self.definition()
        version, summary = self.run_build(root, definition, more)
        self.assertEqual(self.left_out(version), sorted(
            [("mask_off_grid", "mask"), ("bad_mask", "values"), ("bad_mask", "frames"), ("bad_mask", "values"), ("unmatched_label", "mask"),
             ("label_conflict", "mask")] + [("bad_mask", "palette")] * 3 + [("unmatched_image", "mask")] * 10))
        found = {one["image"].tobytes(): one for one in self.samples(version)}
        self.assertEqual(len(found), len(whole))
        for name, (image, mask) in whole.items():
            pixels, shown = np.asarray(Image.open(image)), np.asarray(Image.open(mask))
            pixels = np.ascontiguousarray(np.moveaxis(pixels if pixels.ndim == 3 else pixels[..., None], 2, 0))
            one = found[pixels.tobytes()]
            self.assertEqual((one["mask"].dtype, one["mask"].shape), (np.uint8, (1, *shown.shape)), name)
            self.assertTrue((one["mask"][0] == shown).all(), name)
        self.same_by_any_ranks(root, definition, more, version)

    def test_a_mask_is_cropped_and_padded_as_its_picture(self):
        root, more, expected = self.root / "fitted", self.described(self.root / "fitted"), set()
        for name, shape in (("small", (4, 5)), ("large", (12, 9)), ("mixed", (4, 10))):
            image, mask = self.noise(*shape), self.mask(*shape)
            self.save(root / f"north/P/{name}.png", image), self.save(root / f"north/P/{name}_mask.png", mask)
            fitted = []
            for array in (image, mask):
                for axis, to in enumerate((8, 7)):
                    more_than = array.shape[axis] - to
                    if more_than >= 0:
                        array = np.take(array, range(more_than // 2, more_than // 2 + to), axis)
                    else:
                        before = -more_than // 2
                        array = np.pad(array, [(before, -more_than - before) if a == axis else (0, 0) for a in (0, 1)])
                fitted.append(array.tobytes())
            expected.add(tuple(fitted))
        definition = self.definition(("shape = []", 'shape = [1, 8, 7]\nfit = "crop_pad"\npadding = 0'))
        version, _ = self.run_build(root, definition, more)
        self.assertEqual({(one["image"].tobytes(), one["mask"].tobytes()) for one in self.samples(version)}, expected)

    def test_an_image_in_dicom_has_its_mask_by_what_its_header_says(self):
        root, masks, files = self.root / "dicom", {}, {}
        more = self.described(root, path="{any}.*")
        self.series(root / "north/files", 1, 1, [0, 2, 4], rows=5)
        for path in sorted((root / "north/files").glob("*.dcm")):
            ds = pydicom.dcmread(path)
            masks[ds.SOPInstanceUID], files[ds.SOPInstanceUID] = self.mask(5, 6, values=(0, 1, 2)), ds
            self.save(root / f"north/masks/{ds.SOPInstanceUID}.png", masks[ds.SOPInstanceUID])
        definition = self.definition(
            ("pictures.toml", "ct-volumes.toml"), ('columns = ["site"]', 'columns = ["site", "sex", "age"]'),
            ('dtype = "u8"', 'dtype = "i16"\nunits = "Hounsfield units"\nspacing_mm = [0.25, 0.75]'),
            ('"{patient}/{scan}_mask.*"', '"masks/{instance}.png"'),
            ('{ patient = "path:patient", scan = "path:scan" }', '{ instance = "SOPInstanceUID" }'), ("[0, 255]", "[0, 1, 2]"))
        version, summary = self.run_build(root, definition, more)
        self.assertEqual((summary["samples"], summary["quarantine"]), (3, {}))
        # Twice as fine between rows: linear for the image, whose mean it keeps; each row twice for the mask.
        for one in self.samples(version):
            self.assertEqual(one["image"].shape, (1, 10, 6))
            near = [uid for uid, ds in files.items() if abs(int(one["image"][0, 0, 0]) - (int(ds.pixel_array[0, 0]) - 1024)) <= 1]
            self.assertEqual(len(near), 1)
            self.assertTrue((one["mask"][0] == np.repeat(masks[near[0]], 2, 0)).all())
        self.same_by_any_ranks(root, definition, more, version)

    def test_a_mask_in_nifti_lies_on_its_picture_as_the_definition_says(self):
        root, more, expected = self.root / "nifti", self.described(self.root / "nifti"), {}

        def saved(name, image, array):
            self.save(root / f"north/P/{name}.png", image)
            # nifti1.h: the first index is the fastest; it lies somewhere, which tells nothing.
            header = bytearray(352)
            for at, form, values in ((0, "i", [348]), (40, "4h", [array.ndim, *array.shape, 1][:4]), (70, "2h", [{"u1": 2, "i2": 4, "f4": 16}[array.dtype.str[1:]],
                                     8 * array.itemsize]), (76, "4f", [1] * 4), (108, "f", [352]), (254, "h", [1]),
                                     (280, "12f", np.eye(3, 4).ravel()), (344, "4s", [b"n+1\0"])):
                struct.pack_into("<" + form, header, at, *values)
            (root / f"north/P/{name}_mask.nii.gz").write_bytes(gzip.compress(bytes(header) + array.tobytes(order="F")))

        for name, shape, dtype in (("wide", (5, 9), np.uint8), ("square", (6, 6), np.float32), ("high", (8, 3), np.int16)):
            image, mask = self.noise(*shape), self.mask(*shape)
            saved(name, image, np.flip(mask, 1).astype(dtype))
            expected[image.tobytes()] = mask
        for name, array in (("turned", self.mask(9, 5)), ("deep", self.mask(5, 9, 2)), ("values", self.mask(5, 9) * np.float32(0.5))):
            saved(name, self.noise(5, 9), array)
        change = ('name = "mask"', 'name = "mask"\nformat = "nifti"\naxes = ["rows", "-columns"]')
        definition = self.definition(change, ("_mask.*", "_mask.nii.gz"))
        version, summary = self.run_build(root, definition, more)
        self.assertEqual(self.left_out(version), [("bad_mask", "frames"), ("bad_mask", "values"), ("mask_off_grid", "mask")] + [("unmatched_image", "mask")] * 3)
        found = {one["image"].tobytes(): one["mask"] for one in self.samples(version)}
        self.assertEqual(set(found), set(expected))
        for image, mask in expected.items():
            self.assertTrue((found[image] == mask[None]).all())
        self.same_by_any_ranks(root, definition, more, version)

    def parts(self, name, *more):
        return self.definition(("{scan}_mask.*", "{scan}_{structure}.*"), ("values = [0, 255]", f'values = [0, 255]\npart = "structure"\n{name}\n'
                               "[masks.parts]\nlesion = 2\norgan = 1"), *more)

    def test_files_that_show_a_part_each_are_one_mask(self):
        root, shown, north = self.root / "parts", {}, self.root / "parts/north"
        more, images = self.described(root), {}

        def one(scan, **files):
            images[scan], shown[scan] = self.noise(5, 6), {}
            self.save(north / f"P/{scan}.png", images[scan])
            for part, mask in files.items():
                self.save(north / f"P/{scan}_{part}.png", mask)
                shown[scan][part.split("-")[0]] = mask

        lesion, organ, other = self.mask(5, 6), self.mask(5, 6), self.mask(5, 6)
        lesion[0, 0] = organ[0, 0] = 255
        one("apart", lesion=lesion, organ=np.where(lesion, 0, organ).astype(np.uint8))
        one("both", lesion=lesion, organ=organ)
        one("one", organ=organ)
        one("none")
        one("more", lesion=lesion, organ=np.where(lesion, 0, other).astype(np.uint8), vessel=other)  # a part that nobody asked for
        one("twice", lesion=lesion, organ=np.where(lesion, 0, organ).astype(np.uint8))
        self.save(north / "P/twice_lesion.tif", other)  # another opinion
        one("astray", lesion=lesion, organ=self.mask(6, 6))  # one of its parts lies on something else
        one("again", lesion=lesion, organ=np.where(lesion, 0, organ).astype(np.uint8))
        self.save(north / "P/again_lesion.tif", lesion)

        def expected(scan):
            out = np.zeros((1, 5, 6), np.uint8)
            for part, number in (("organ", 1), ("lesion", 2)):
                if part in shown[scan]:
                    out[0][shown[scan][part] != 0] = number
            return out

        conflict = [("label_conflict", "mask")] * 3 + [("unmatched_image", "mask")]
        again = [("duplicate", "same_content"), ("not_selected", "part")]
        alone = [("unmatched_image", "mask")]
        conflict += [("mask_off_grid", "mask"), ("unmatched_image", "mask"), ("unmatched_label", "mask")]  # astray
        cases = {"": (("apart", "more", "again"), conflict + [("label_conflict", "mask")] * 2 + [("unmatched_image", "mask")] +  # twice, both
                      alone * 2 + [("unmatched_label", "mask")]),
                 'overlap = "higher"': (("apart", "both", "more", "again"), conflict + alone * 2 + [("unmatched_label", "mask")]),
                 'missing = "nothing"\noverlap = "higher"': (("apart", "both", "more", "again", "one"), conflict + alone)}
        for number, (lines, (taken, left)) in enumerate(cases.items()):
            definition = self.parts(lines)
            version, summary = self.run_build(root, definition, more, f"version-{number}")
            self.assertEqual(self.left_out(version), sorted(left + again))
            self.assertEqual(summary["deliveries"]["north"]["not_selected"], 1)
            found = {one["image"].tobytes(): one["mask"] for one in self.samples(version)}
            self.assertEqual(len(found), len(taken))
            for scan in taken:
                self.assertTrue((found[images[scan].tobytes()] == expected(scan)).all(), (lines, scan))
            if number == 1:
                for ranks, tuned in ((1, []), (4, CUT)):
                    self.assert_same_tree(version, self.run_build(root, definition, more + tuned, f"again-{ranks}", ranks)[0])

    def turned(self, path, array, orientation, kind=None):
        """Saved with EXIF's Orientation, or TIFF's, and how it is to be seen."""
        exif = Image.Exif()
        exif[274] = orientation
        self.save(path, array, **({"tiffinfo": {274: orientation}} if path.suffix == ".tif" else {"exif": exif}))
        # TIFF 6, Orientation: what the first row and the first column stored are.
        seen = {1: array, 2: array[:, ::-1], 3: array[::-1, ::-1], 4: array[::-1], 5: array.T, 6: array.T[:, ::-1], 7: array.T[::-1, ::-1], 8: array.T[::-1]}
        return np.ascontiguousarray(seen[orientation])

    def test_a_mask_lies_on_its_picture_as_that_was_turned_upright(self):
        root, north, expected, unknown, doubtful = self.root / "turned", self.root / "turned/north/P", {}, 0, {}
        more = self.described(root)
        for orientation in range(1, 9):
            for name, shape, of_mask in (("both", (5, 8), "tagged"), ("square", (6, 6), "tagged"), ("seen", (5, 8), "seen"), ("stored", (5, 8), "stored"),
                                         ("which", (6, 6), "stored")):
                for kind in ("png", "tif"):
                    scan = f"{name}-{orientation}-{kind}"
                    mask = self.mask(*shape)
                    image = self.turned(north / f"{scan}.{kind}", self.noise(*shape), orientation)
                    upright = self.turned(north / f"{scan}_mask.{kind}", mask, orientation)
                    if of_mask != "tagged":
                        self.save(north / f"{scan}_mask.{kind}", upright if of_mask == "seen" else mask)
                    # By their size: turned to the side it is of one, or of the other.
                    if of_mask == "tagged" or orientation == 1 or (orientation >= 5 and shape[0] != shape[1]):
                        expected[image.tobytes()] = upright
                    else:
                        unknown += 1
                        doubtful[image.tobytes()] = of_mask, upright
        # Only the mask says that it is turned.
        image = self.noise(5, 8)
        self.save(north / "mask.png", image)
        expected[image.tobytes()] = self.turned(north / "mask_mask.png", self.mask(8, 5), 6)
        self.save(north / "no.png", self.noise(5, 8))
        self.turned(north / "no_mask.png", self.mask(5, 8), 6)
        definition = self.definition()
        version, _ = self.run_build(root, definition, more)
        self.assertEqual(self.left_out(version), sorted([("bad_mask", "Orientation"), ("unmatched_image", "mask")] * unknown +
                                                        [("mask_off_grid", "mask"), ("unmatched_image", "mask")]))
        found = {one["image"].tobytes(): one["mask"][0] for one in self.samples(version)}
        self.assertEqual(set(found), set(expected))
        for image, mask in expected.items():
            self.assertEqual(found[image].shape, mask.shape)
            self.assertTrue((found[image] == mask).all())
        self.same_by_any_ranks(root, definition, more, version)
        # Where it is declared, none of them is in doubt; what was made otherwise is then laid on as declared, or lies on nothing.
        for declared in ("stored", "seen"):
            word = {"seen": "upright"}.get(declared, declared)
            version, _ = self.run_build(root, self.definition(('name = "mask"', f'name = "mask"\ndrawn_on = "{word}"')), more, f"version-{declared}")
            self.assertNotIn(("bad_mask", "Orientation"), self.left_out(version))
            found = {one["image"].tobytes(): one["mask"][0] for one in self.samples(version)}
            for image, (of_mask, mask) in doubtful.items():
                if of_mask == declared:
                    self.assertTrue((found[image] == mask).all())

    def test_parts_of_one_picture_are_turned_each_as_it_was_made(self):
        root, north = self.root / "turned-parts", self.root / "turned-parts/north/P"
        more = self.described(root)
        lesion = self.mask(5, 8)
        organ = np.where(lesion, 0, self.mask(5, 8)).astype(np.uint8)
        image = self.turned(north / "scan.png", self.noise(5, 8), 6)
        self.turned(north / "scan_organ.png", organ, 6)
        self.save(north / "scan_lesion.png", lesion)  # without the tag: as it is stored
        version, _ = self.run_build(root, self.parts(""), more)
        one, = self.samples(version)
        self.assertTrue((one["image"][0] == image).all())
        self.assertTrue((one["mask"][0] == np.rot90(np.where(lesion, 2, np.where(organ, 1, 0)), -1)).all())

    def test_what_a_definition_may_say_of_masks_of_images(self):
        root = self.root / "refused"
        more = self.described(root)
        for old, new, text in (('name = "mask"', 'name = "mask"\nformat = "nifti"', "axes: expected what the file's first and second axis run along"),
                               ('name = "mask"', 'name = "mask"\nformat = "nifti"\naxes = ["rows", "-rows"]', "axes: expected what"),
                               ('name = "mask"', 'name = "mask"\naxes = ["rows", "columns"]', "axes"),
                               ('name = "mask"', 'name = "mask"\nformat = "tables"', "(PNG, TIFF, JPEG)"),
                               ('name = "mask"', 'name = "mask"\nformat = "dicom-seg"', "refer to images in DICOM"),
                               ('name = "mask"', 'name = "mask"\ndrawn_on = "seen"', "drawn_on: expected"),
                               ("values = [0, 255]", "values = [255]", "0 stands for nothing")):
            self.failed(2, text, "skin", root / "version", 1, deliveries=root, definition=self.definition((old, new)), more=more)
        for lines, change, text in (('overlap = "first"', [], "overlap: expected"), ('missing = "none"', [], "missing: expected"),
                                    ("", [("organ = 1", "organ = 2")], "another part has this number"), ("", [("organ = 1", "organ = 0")], "expected 1 to 255"),
                                    ("", [('part = "structure"', 'part = "organ"')], "has no {organ}"), ("", [('part = "structure"', 'part = "scan"')], "which image a file belongs to")):
            self.failed(2, text, "skin", root / "version", 1, deliveries=root, definition=self.parts(lines, *change), more=more)


if __name__ == "__main__":
    main()
