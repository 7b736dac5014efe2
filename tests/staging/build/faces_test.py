"""Faces are cut off volumes, or the volumes are left out: a real head (Debian's mricron-data), bent so that it is not the
template's own, turned, mirrored against its header, faint, cut at the nose; and what is no head. Run as builds.py says."""
import gzip, json, pathlib, shutil, struct, sys

import numpy as np
from scipy import ndimage

from builds import SOURCE, Builds, end_of, main

sys.path.insert(0, str(SOURCE / "tests/core/shard"))
sys.path.insert(0, str(SOURCE / "tests/bench/faces"))
from heads import AIR, bent, head, turn
from second_reader import Version


class Faces(Builds):
    hospitals = ("north",)

    @classmethod
    def setUpClass(cls):
        cls.begin("organs@1")
        shutil.copytree(SOURCE / "configs", cls.root / "configs")
        cls.profile = cls.root / "configs/deid/nifti-volumes.toml"
        cls.as_shipped = cls.profile.read_text()
        cls.definition = cls.root / "configs/datasets/organs.toml"
        descriptions = cls.root / "descriptions"
        descriptions.mkdir()
        (descriptions / "north.toml").write_text('name = "north"\npath = "{patient}/{scan}.nii.gz"\n')
        cls.more = ["--deliveries", str(descriptions)]

    def policy(self, faces, *changes):
        """What stands in the profile; text is not looked for, a head's ears are enough of it."""
        text = self.as_shipped
        for old, new in (('faces = "quarantine"', f'faces = "{faces}"'), ('\ntext = "blank"', '\ntext = "allow"'), *changes):
            self.assertEqual(text.count(old), 1, old)
            text = text.replace(old, new)
        self.profile.write_text(text)

    def build(self, dataset, out, ranks, **more):
        """A head takes ten seconds of a core, and more where that is shared."""
        run = self.start(dataset, out, ranks, **more)
        self.assertEqual(end_of(run, 1500), 0, pathlib.Path(f"{run.log}.err").read_text()[-4000:])
        return json.loads(pathlib.Path(f"{run.log}.out").read_text())

    def nifti(self, path, array, mm=2):
        """`array` is [k, j, i]: i to the right, j to the front, k upwards."""
        header = bytearray(352)
        rows = [mm, 0, 0, -90, 0, mm, 0, -126, 0, 0, mm, -72]
        for at, form, values in ((0, "i", [348]), (40, "8h", [3, *array.shape[::-1], 1, 1, 1, 1]),
                                 (70, "2h", [{"uint8": 2, "int16": 4}[array.dtype.name], 8 * array.itemsize]),
                                 (76, "8f", [1, mm, mm, mm, 1, 1, 1, 1]), (108, "3f", [352, 0, 0]), (123, "B", [2]),
                                 (252, "2h", [0, 1]), (280, "12f", rows), (344, "4s", [b"n+1\0"])):
            struct.pack_into("<" + form, header, at, *values)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(bytes(header) + array.tobytes(), 1, mtime=0))

    def deliver(self, folder, volumes):
        """Each volume with a mask that shows all of its body, skin and all."""
        for name, volume in volumes.items():
            self.nifti(folder / f"north/CHART-{name}/scan.nii.gz", volume)
            self.nifti(folder / f"north/CHART-{name}/scan_mask.nii.gz", (volume > np.percentile(volume, 99) / 5).astype(np.uint8))

    def samples(self, version):
        return list(Version(version, self.keys / "organs@1.key").samples())

    def packed(self, version, volumes):
        """The samples by the volume that they were made of: nowhere do two agree but where neither is."""
        found = {}
        for sample in self.samples(version):
            image = sample["image"][0]
            share = {name: (image == volume).mean() for name, volume in volumes.items() if volume.shape == image.shape}
            found[max(share, key=share.get)] = sample
        return found

    def judged(self, name, heads, others=None):
        """Builds a version of them. Of what is in it no face is left and no brain has changed; all else is told."""
        volumes = {key: np.ascontiguousarray(one["image"], np.int16) for key, one in heads.items()} | (others or {})
        deliveries, version = self.root / name, self.root / f"{name}-version"
        self.deliver(deliveries, volumes)
        self.policy("deface")
        summary = self.build("organs", version, 2, deliveries=deliveries, definition=self.definition, more=self.more)
        one = summary["deliveries"]["north"]
        self.assertEqual(one["files_and_rows"], one["packed"] + one["left_out"] + one["not_selected"])
        self.assertLessEqual(set(summary["quarantine"]), {"face_not_removed", "unmatched_label"})
        found = self.packed(version, volumes)
        self.assertLessEqual(set(found), set(heads))
        for key, sample in found.items():
            image, mask = sample["image"][0], sample["mask"][0]
            self.assertEqual(sample["face"], "cut_off", key)
            brain, face, changed = heads[key]["brain"] > 0, heads[key]["face"] > 0, image != volumes[key]
            self.assertGreater(brain.sum(), 100_000, key)
            self.assertFalse(changed[brain].any(), f"{key}: brain")
            self.assertGreater(face.sum(), 100, key)
            self.assertTrue(changed[face].mean() > 0.98, f"{key}: face")
            self.assertEqual(len(np.unique(image[changed])), 1, f"{key}: one value in its place")
            self.assertFalse(mask[changed].any(), f"{key}: mask")
        return version, set(found)

    def test_a_head_loses_its_face_and_nothing_of_its_brain(self):
        random = np.random.default_rng(11)
        at = np.indices((60, 70, 80)).astype(float)
        ball = sum(((at[n] - (29, 34, 39)[n]) / 25) ** 2 for n in range(3)) < 1
        ball = np.round(ndimage.gaussian_filter(ball * 100.0, 1) + random.normal(20, 2, ball.shape)).astype(np.int16)
        version, found = self.judged("bent", {"bent": bent(head(), random)}, {"ball": ball})
        self.assertEqual(found, {"bent"})  # leaving all out is no way
        record = json.loads((version / "manifest.json").read_text())["deidentification"]
        self.assertEqual(record["faces"]["cut_off"]["code"], "113102")
        self.assertNotIn("113102", [one["code"] for one in record["methods"]])
        again = self.root / "bent-again"
        self.build("organs", again, 1, deliveries=self.root / "bent", definition=self.definition, more=self.more)
        self.assert_same_tree(version, again)

    def test_heads_that_lie_another_way_or_are_not_whole(self):
        random = np.random.default_rng(12)
        whole = head()
        heads = {"turned": turn(bent(whole, random), 0, 15),
                 "mirrored": {key: value[:, ::-1] for key, value in bent(whole, random).items()},
                 "faint": bent(whole, random), "nose": {key: value[:, :-AIR - 12] for key, value in bent(whole, random).items()}}
        heads["faint"]["image"] = np.round(heads["faint"]["image"] * 0.2 + random.normal(20, 1, whole["image"].shape))
        _, found = self.judged("ways", heads)
        self.assertFalse({"mirrored", "nose"} & found)  # it lies as its header does not say; nobody sees its skin

    def test_a_mask_nobody_answers_for_joins_no_image_that_is_not_cut(self):
        """A mask of the skin is a face, too; the hospital has answered for the scans alone."""
        deliveries, volume = self.root / "scans", head()["image"].astype(np.int16)
        for name, folder in (("scan", "scans"), ("scan_mask", "masks")):
            one = volume if name == "scan" else (volume > 25).astype(np.uint8)
            self.nifti(deliveries / f"north/{folder}/CHART-1/{name}.nii.gz", one)
        descriptions = self.root / "by-folder"
        descriptions.mkdir()
        text = self.definition.read_text()
        definition = self.definition.with_name("by-folder.toml")
        definition.write_text(text.replace('files = "{patient}', 'files = "masks/{patient}'))
        said = 'name = "north"\npath = "{kind}/{patient}/{scan}.nii.gz"\n[[declared]]\nis = "defaced"\n'
        self.policy("deface")
        for n, (folder, is_packed) in enumerate((("scans", False), (".", True))):
            (descriptions / "north.toml").write_text(said + ("" if folder == "." else f'folder = "{folder}"\n'))
            more, out = ["--deliveries", str(descriptions)], self.root / f"by-folder-{n}"
            if is_packed:
                self.build("organs", out, 1, deliveries=deliveries, definition=definition, more=more)
                self.assertEqual([one["face"] for one in self.samples(out)], ["not_looked_for"])
            else:
                self.failed(3, "nothing could be taken", "organs", out, 1, deliveries=deliveries, definition=definition, more=more)

    def test_without_its_template_nothing_is_judged(self):
        deliveries = self.root / "one"
        self.deliver(deliveries, {"bent": np.zeros((20, 20, 20), np.int16) + np.arange(20, dtype=np.int16)})
        for n, (change, text) in enumerate(((("templates/ch2.nii.gz", "templates/not-there.nii.gz"), "face template"),
                                            (('head_sha256 = "a0', 'head_sha256 = "b0'), "another file"))):
            self.policy("deface", change)
            self.failed(4, text, "organs", self.root / f"none-{n}", 1, deliveries=deliveries, definition=self.definition, more=self.more)
            self.assertFalse((self.root / f"none-{n}/manifest.json").exists())

    def test_as_shipped_every_head_is_left_out(self):
        deliveries = self.root / "shipped"
        self.deliver(deliveries, {"bent": head()["image"].astype(np.int16)})
        self.policy("quarantine")
        self.failed(3, "nothing could be taken", "organs", self.root / "shipped-version", 1, deliveries=deliveries,
                    definition=self.definition, more=self.more)


if __name__ == "__main__":
    main()
