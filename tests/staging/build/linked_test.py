"""`aloft-stage risk --with` of versions: what their shards tell together, on any number of ranks. Run as builds.py says."""
import json, subprocess

from builds import HOSPITALS, MPIEXEC, SOURCE, STAGE, Builds, main


class Linked(Builds):
    @classmethod
    def setUpClass(cls):
        cls.begin("small@1", "small@2", "other@1", "wider@1")

    def deliver(self):
        folder = self.root / "deliveries"
        if not folder.exists():
            for hospital in HOSPITALS:
                self.table(folder, hospital, [])
            self.table(folder, "north", [(f"N{i}", 1980, i) for i in range(6)])
            self.table(folder, "south", [(f"S{i}", 1950, i) for i in range(6)] + [("S1", 1950, 7)])
        return folder

    def definition(self, name, number, quasi='["site", "age"]', more="k = 3"):
        folder = self.root / f"{name}-{number}"
        (folder / "datasets").mkdir(parents=True)
        (folder / "deid").mkdir()
        profile = (SOURCE / "configs/deid/biopsy-table.toml").read_text()
        (folder / "deid/biopsy-table.toml").write_text(profile.replace('["site", "age"]', quasi).replace("k = 5", more))
        definition = folder / "datasets/small.toml"
        definition.write_text((SOURCE / "configs/datasets/wdbc.toml").read_text().replace('"wdbc"', f'"{name}"').replace('version = "1"', f'version = "{number}"').replace(
            '"../deliveries/placeholders.toml"', f'"{SOURCE}/configs/deliveries/placeholders.toml"'))
        return definition

    def made(self, name, number, **more):
        out = self.root / f"{name}@{number}"
        if not out.exists():
            lists = more.pop("lists", ())
            self.build("small", out, 1, deliveries=self.deliver(), definition=self.definition(name, number, **more), more=lists)
        return out

    def without_one(self):
        (self.root / "no.toml").write_text('[[opted_out]]\nkind = "record-number"\nidentifiers = ["S3"]\n')
        return self.made("small", 2, lists=["--left-out", f"south={self.root / 'no.toml'}"])

    def risk(self, code, version, *more, ranks=None):
        mpi = [MPIEXEC, "--allow-run-as-root", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1", "--mca", "btl", "self,vader,tcp", "-n", str(ranks)] if ranks else []
        done = subprocess.run([*mpi, STAGE, "risk", version, *more, "--json"], capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stderr)
        return json.loads(done.stdout)

    def test_a_version_without_one_person_shows_that_person(self):
        first, second = self.made("small", 1), self.without_one()
        rounded = self.root / "linked.toml"
        rounded.write_text("[linked]\nmost_below = 0.1\n")
        for ranks in (None, 1, 2, 4):
            found = self.risk(5, second, "--with", first, "--keys", self.keys, ranks=ranks)
            linked = found["linked"]
            self.assertEqual([(one["release"], one["patients"], one["smallest_group"]) for one in linked["releases"]], [("small@2", 11, 5), ("small@1", 12, 6)])
            self.assertEqual((linked["together"]["patients"], linked["patients_in_all"], linked["together"]["smallest_group"], linked["k"]), (12, 11, 1, 3))
            self.assertEqual(linked["only_together"], {"patients_below": 1, "of_them_not_in_all": 1, "values_sure": 0})
            self.assertEqual(found["patients_below_k"], 0)
        self.assertTrue(self.risk(0, second, "--with", first, "--keys", self.keys, "--rules", rounded)["linked"]["holds"])

    def test_a_copy_adds_nothing_and_another_dataset_its_columns(self):
        first = self.made("small", 1)
        same = self.risk(0, first, "--with", first, "--keys", self.keys)["linked"]
        self.assertEqual(same["only_together"], {"patients_below": 0, "of_them_not_in_all": 0, "values_sure": 0})
        # By diagnosis, which the first does not take for known: three of each of it at each hospital.
        wider = self.made("wider", 1, quasi='["label"]', more='k = 3\nsensitive = "vendor"')
        linked = self.risk(0, first, "--with", wider, "--keys", self.keys)["linked"]
        self.assertEqual([one["smallest_group"] for one in linked["releases"]], [6, 6])
        self.assertEqual(linked["together"]["smallest_group"], 3)
        self.assertEqual(linked["releases"][1]["values_sure"], 12)  # all were seen by one vendor
        self.assertEqual(self.risk(5, first, "--with", wider, "--keys", self.keys, "--rules", self.rules("k = 4"))["linked"]["only_together"]["patients_below"], 12)

    def rules(self, text):
        (self.root / "k.toml").write_text(f"[linked]\n{text}\n")
        return self.root / "k.toml"

    def test_what_cannot_be_linked_is_refused(self):
        first = self.made("small", 1)
        told = lambda code, *more: self.risk(code, first, *more)["error"]["text"]
        self.assertIn("--keys: missing", told(2, "--with", first))
        self.assertIn("small@1.key", told(5, "--with", first, "--keys", self.root))
        self.assertIn("a version is judged with versions", told(2, "--with", self.deliver() / "north/table.csv", "--keys", self.keys))
        self.assertIn("risk", told(2, "--with", first, "--keys", self.keys, "--rules", SOURCE / "configs/risk/table.toml"))
        self.assertIn("--rules", told(2, "--rules", self.rules("k = 2")))
        self.assertIn("linked.by", told(2, "--with", first, "--keys", self.keys, "--rules", self.rules('by = "columns"')))
        # Another project's pseudonyms.
        own, keys = self.keys, self.root / "other-keys"
        subprocess.run([STAGE, "keys", "new", keys, "--dataset=other@1"], check=True, stdout=subprocess.DEVNULL)
        (keys / "small@1.key").write_bytes((own / "small@1.key").read_bytes())
        (keys / "small@1.key").chmod(0o400)
        type(self).keys = keys
        try:
            other = self.made("other", 1)
        finally:
            type(self).keys = own
        self.assertIn("another project's key", told(2, "--with", other, "--keys", keys))


main()
