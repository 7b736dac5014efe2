"""What is in a version, what was left out and why, and what its commands say of it. Run as builds.py says."""
import base64, collections, fcntl, html, json, math, os, pathlib, re, shutil, struct, subprocess, sys, time

import numpy as np

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from builds import STAGE, MPIEXEC, SOURCE, HOSPITALS, DATASETS, end_of, entries, kill_family, Builds, main

sys.path.insert(0, str(SOURCE / "tests/core/shard"))
from second_reader import Version


def measured(values):
    """What a report says of numbers: how many, how many are none, least, greatest, sum."""
    values = np.asarray([math.nan if v is None else v for v in values] if isinstance(values, list) else values, np.float64)
    good = values[np.isfinite(values)]
    return {"count": good.size, "missing": values.size - good.size, **({"min": good.min(), "max": good.max(), "sum": good.sum()} if good.size else {})}


class Versions(Builds):
    def test_delivered_is_packed_and_left_out_by_delivery(self):
        for dataset in DATASETS:
            manifest = json.loads((self.version(dataset) / "manifest.json").read_text())
            records = [json.loads(line) for line in (self.version(dataset) / "reports/quarantine.jsonl").read_text().splitlines()]
            self.assertEqual(sum(p["packed"] for p in manifest["parents"]), sum(s["samples"] for s in entries(self.version(dataset))))
            for parent in manifest["parents"]:
                here = [r for r in records if r["site"] == parent["delivery"]]
                not_selected = sum(r["reason"] == "not_selected" for r in here)
                self.assertEqual((parent["not_selected"], parent["left_out"]), (not_selected, len(here) - not_selected))
                self.assertEqual(parent["files_and_rows"], parent["packed"] + len(here))
                files = sum(len(names) for _, _, names in os.walk(self.deliveries / dataset / parent["delivery"]))
                self.assertEqual(parent["files"], files)

    def test_a_delivery_that_has_changed_since_is_seen_and_said(self):
        definition, deliveries, version = self.small()
        for change in ("grown", "shrunk", "corrected"):
            changed = self.root / f"delivery-{change}"
            shutil.copytree(deliveries, changed)
            if change == "grown":
                shutil.copy(changed / "north/table.csv", changed / "north/second.csv")
            if change == "shrunk":
                (changed / "north/table.csv").unlink()
            if change == "corrected":
                (changed / "north/table.csv").write_text((changed / "north/table.csv").read_text() + "\n")
            self.failed(2, "a delivery north that has changed since", "wdbc", version, 2, deliveries=changed, definition=definition)

    def test_verify_by_many_ranks_finds_the_same_damage(self):
        whole = self.version("digits")
        mpirun = [MPIEXEC, "--allow-run-as-root", "--oversubscribe", "--mca", "btl", "self,vader,tcp", "-n", "3"]
        command = [STAGE, "verify", str(whole), "--key", str(self.keys / "digits@1.key"), "--json"]
        done = subprocess.run(mpirun + command, capture_output=True, text=True, check=True)
        alone = subprocess.run(command, capture_output=True, text=True, check=True)
        self.assertEqual(json.loads(done.stdout), json.loads(alone.stdout))
        hurt = self.root / "hurt-digits"
        shutil.copytree(whole, hurt)
        shard = sorted((hurt / "shards").iterdir())[-1]
        data = bytearray(shard.read_bytes())
        data[len(data) // 2] ^= 1
        shard.write_bytes(data)
        done = subprocess.run([*mpirun, STAGE, "verify", str(hurt), "--key", str(self.keys / "digits@1.key")], capture_output=True, text=True)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn(shard.name, done.stderr)
        shard.write_bytes((whole / "shards" / shard.name).read_bytes())
        (hurt / "shards/shard-999999.h5").write_text("a stranger")
        self.refused(3, "does not name", "verify", hurt, "--key", self.keys / "digits@1.key")

    def test_a_record_leads_to_its_file(self):
        version = self.version("mixed")
        record = next(r for r in map(json.loads, (version / "reports/quarantine.jsonl").read_text().splitlines())
                      if r["reason"] not in ("duplicate", "not_selected"))
        for what in (record["name"], record["number"]):
            done = subprocess.run([STAGE, "quarantine", "find", version, str(what), "--delivery",
                                   f"{record['site']}={self.deliveries / 'mixed' / record['site']}", "--key",
                                   self.keys / "pseudonym.key", "--json"], capture_output=True, text=True, check=True)
            self.assertTrue(os.path.lexists(json.loads(done.stdout)["file"]))
        self.refused(2, "has that number or name", "quarantine", "find", version, "no-such-name", "--delivery",
                     f"{record['site']}={self.deliveries / 'mixed' / record['site']}", "--key", self.keys / "pseudonym.key")

    def test_json_is_one_object_for_flags_that_are_wrong_too(self):
        done = subprocess.run([STAGE, "build", "--datset", "x", "--json"], capture_output=True, text=True)
        self.assertEqual((done.returncode, json.loads(done.stdout)["error"]["code"]), (2, 2))

    def test_a_report_for_people_has_every_delivery_and_what_each_reason_means(self):
        done = subprocess.run([STAGE, "report", self.version("mixed")], capture_output=True, text=True, check=True).stdout
        for word in (*HOSPITALS, "left out because", "what it means", "groups"):
            self.assertIn(word, done)

    def test_the_quality_report_says_what_the_shards_hold(self):
        for dataset in DATASETS:
            version = Version(self.version(dataset), self.keys / f"{dataset}@1.key")
            samples, report = list(version.samples()), json.loads((self.version(dataset) / "reports/quality.json").read_text())
            quality, manifest = report["quality"], json.loads((self.version(dataset) / "manifest.json").read_text())
            self.assertEqual(report["totals"]["samples"], len(samples))
            self.assertEqual(report["totals"]["files delivered"], sum(one["files"] for one in manifest["parents"]))
            self.assertEqual(report["totals"]["left out (files or rows)"], sum(one["left_out"] + one["not_selected"] for one in manifest["parents"]))
            lines = [json.loads(line) for line in (self.version(dataset) / "reports/quarantine.jsonl").read_text().splitlines()]
            left_out = collections.Counter((one["reason"], one["site"]) for one in lines)
            self.assertEqual({(reason, site): n for reason, sites in report["quarantine"].items() for site, n in sites.items()}, left_out)
            strata = collections.Counter(tuple(one.get(name) or "" for name in ("site", "vendor", "label", "split")) for one in samples)
            self.assertEqual({(one["site"], one["vendor"], one["label"], one["split"]): one["samples"] for one in quality["strata"]}, strata)
            by_site = collections.defaultdict(list)
            for one in samples:
                by_site[one["site"]].append(one)
            expected = {"fields": collections.defaultdict(dict), "columns": collections.defaultdict(dict), "categories": collections.defaultdict(dict)}
            for site, here in by_site.items():
                for field in version.fields:
                    expected["fields"][field["name"]][site] = measured(np.concatenate([one[field["name"]].ravel() for one in here]))
                for column in version.columns[2:]:
                    values = [one[column["name"]] for one in here]
                    if column["type"] == "category":
                        expected["categories"][column["name"]][site] = dict(collections.Counter(value or "" for value in values))
                    elif column["type"] != "id16":
                        expected["columns"][column["name"]][site] = measured(values)
            self.assertEqual(quality["categories"], expected["categories"])
            page = (self.version(dataset) / "reports/quality.html").read_text()
            for kind in ("fields", "columns"):
                self.assertEqual({name: set(sites) for name, sites in quality[kind].items()}, {name: set(sites) for name, sites in expected[kind].items()})
                for name, sites in expected[kind].items():
                    for site, numbers in sites.items():
                        found = quality[kind][name][site]
                        self.assertEqual(set(found), set(numbers), (name, site))
                        for key, value in numbers.items():
                            self.assertTrue(math.isclose(found[key], value, rel_tol=1e-9, abs_tol=1e-6), (dataset, name, site, key, found[key], value))
                        # The page has the same figures, each in its place.
                        if numbers["count"]:
                            mean = found["sum"] / found["count"]
                            row = [name, site, str(found["count"]), str(found["missing"]), found["min"], f"{mean:.6g}", found["max"]]
                            row = [html.escape(cell) if isinstance(cell, str) else f"{cell:.6g}" for cell in row]
                            self.assertIn("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>", page)
            for (reason, site), count in left_out.items():
                self.assertIn(f"<tr><td>{reason}</td><td>{site}</td><td>{count}</td></tr>", page)
            self.assertNotIn("<script", page)

    def test_shards_of_a_killed_run_are_taken_only_if_they_are_whole(self):
        root = self.root / "reused"
        for hospital in HOSPITALS:
            self.table(root / "deliveries", hospital, [(f"{hospital}{i}", 1950 + i % 40, i) for i in range(150)])
        definition = root / "datasets/wdbc.toml"
        shutil.copytree(SOURCE / "configs", root, dirs_exist_ok=True)
        definition.write_text(re.sub(r"(?s)\[shards\].*", "[shards]\ntarget_bytes = 4096\n", definition.read_text()))
        whole = root / "whole"
        summary = self.build("wdbc", whole, 2, deliveries=root / "deliveries", definition=definition)
        self.assertEqual(summary["reused_shards"], 0)
        self.assertGreater(summary["shards"], 10)
        for attempt in range(20):
            out = root / f"killed-{attempt}"
            run = self.start("wdbc", out, 1, deliveries=root / "deliveries", definition=definition)
            while run.poll() is None:
                if len(list((out / ".work").glob("receipt-*"))) >= 5:
                    kill_family(run.pid)
                time.sleep(0.001)
            if not (out / "manifest.json").exists():
                break
        receipts = sorted((path for path in (out / ".work").glob("receipt-*")), key=lambda path: int(path.name.split("-")[1]))
        self.assertGreaterEqual(len(receipts), 5)
        shard = lambda receipt: out / f"shards/shard-{int(receipt.name.split('-')[1]):06}.h5"
        hurt, gone, cut = receipts[0], receipts[1], receipts[2]
        data = bytearray(shard(hurt).read_bytes())
        data[len(data) // 2] ^= 1
        shard(hurt).write_bytes(data)
        shard(gone).unlink()
        cut.write_text(cut.read_text()[:-7])
        summary = self.build("wdbc", out, 2, deliveries=root / "deliveries", definition=definition)
        self.assertEqual(summary["reused_shards"], len(receipts) - 3)
        self.assert_same_tree(whole, out)

    def test_patients_in_small_groups_and_repeated_rows_are_left_out_on_any_number_of_ranks(self):
        definition = self.root / "small/datasets/small.toml"
        definition.parent.mkdir(parents=True)
        (self.root / "small/deid").mkdir()
        profile = (SOURCE / "configs/deid/biopsy-table.toml").read_text()
        (self.root / "small/deid/biopsy-table.toml").write_text(
            profile.replace('below = "report"', 'below = "suppress"').replace("k = 5", "k = 3"))
        definition.write_text((SOURCE / "configs/datasets/wdbc.toml").read_text().replace('"wdbc"', '"small"').replace(
            '"../deliveries/placeholders.toml"', f'"{SOURCE}/configs/deliveries/placeholders.toml"'))
        deliveries = self.root / "small/deliveries"
        crowd = [(f"P{i}", 1980, i) for i in range(4)]  # four patients of one age, one of them twice
        pair = [("Q0", 1950, 20), ("Q1", 1951, 21), ("Q0", 1950, 22)]  # two of one age: below k
        self.table(deliveries, "north", [*crowd, ("P3", 1980, 30), *pair, ("P3", 1980, 30)])  # the last row is repeated
        self.table(deliveries, "south", [(f"P{i}", 1980, 40 + i) for i in range(3)])  # other patients: another hospital
        self.table(deliveries, "central", [])
        self.table(deliveries, "east", [("P0", 1980, 50)])  # alone at this site
        for ranks in (1, 2, 4):
            out = self.root / f"small-{ranks}"
            summary = self.build("small", out, ranks, deliveries=deliveries, definition=definition)
            self.assertEqual(summary["samples"], 8)
            self.assertEqual(summary["quarantine"], {"duplicate": 1, "risk_small_group": 4})
            published = json.loads((out / "manifest.json").read_text())["risk"]
            self.assertEqual((published["smallest_group"], published["patients_below_k"], published["patients"]), ("<10", "<10", 10))
            self.assertNotIn("prosecutor_risk_max", published)
            risk = json.loads((out / "reports/quality.json").read_text())["risk"]
            self.assertEqual((risk["patients"], risk["groups"], risk["smallest_group"]), (10, 4, 1))
            self.assertEqual((risk["patients_below_k"], risk["samples_below_k"]), (3, 4))
            self.assert_same_tree(self.root / "small-1", out)

    def test_identifiers_that_stood_together_once_are_one_person_on_any_number_of_ranks(self):
        deliveries = self.root / "persons/deliveries"
        for hospital in HOSPITALS:
            self.table(deliveries, hospital, [])
        known, other = "B220987655", "F131056243"
        self.table(deliveries, "north", [("C1", 1980, 1, known), ("C1", 1980, 2), ("C2", 1980, 3, known), ("C2", 1980, 4),
                                         ("C3", 1980, 5)])  # one person with two charts; another one
        self.table(deliveries, "south", [("C1", 1980, 6, known), ("C9", 1980, 7), ("C9", 1980, 8, known)])  # the first again
        self.table(deliveries, "east", [("D1", 1980, 9, known), ("D1", 1980, 10, other), ("D1", 1980, 11)])
        self.table(deliveries, "central", [("E1", 1980, 12), ("A123456789", 1980, 13), ("UNKNOWN", 1980, 14)])
        for ranks in (1, 2):
            out = self.root / f"persons-{ranks}"
            summary = self.build("wdbc", out, ranks, deliveries=deliveries, definition=SOURCE / "configs/datasets/wdbc.toml")
            # `known` and `other` share a chart: nobody knows whose any of their rows are.
            self.assertEqual(summary["quarantine"], {"identity_conflict": 10, "placeholder_id": 2})
            self.assertEqual(summary["samples"], 2)
            self.assert_same_tree(self.root / "persons-1", out)
        self.table(deliveries, "east", [("D1", 1980, 9, other), ("D1", 1980, 11)])  # the hospital has decided
        summary = self.build("wdbc", self.root / "persons-3", 2, deliveries=deliveries,
                             definition=SOURCE / "configs/datasets/wdbc.toml")
        self.assertEqual((summary["samples"], summary["patients"]), (11, 4))
        manifest = json.loads((self.root / "persons-3/manifest.json").read_text())
        self.assertEqual(sum(manifest["splits"]["patients"].values()), 4)

    def test_series_become_volumes_and_every_file_left_out_says_why_on_any_number_of_ranks(self):
        root = self.root / "volumes"
        definition = root / "datasets/ct.toml"
        definition.parent.mkdir(parents=True)
        shutil.copytree(SOURCE / "configs/deid", root / "deid")
        definition.write_text("""
name = "ct"
version = "1"
profile = "../deid/imaging.toml"
samples = "volume"
sites = ["north", "central", "south", "east"]
columns = ["site", "vendor", "modality", "sex", "age"]
[[fields]]
name = "image"
shape = []
dtype = "i16"
units = "Hounsfield units"
[splits]
train = 1.0
[shards]
target_bytes = 4096
""")
        deliveries = root / "deliveries"
        for hospital in HOSPITALS:
            (deliveries / hospital).mkdir(parents=True)
        for patient in range(6):
            self.series(deliveries / "north", patient, 10 + patient, [4, 0, 8, 2, 6, 10])
        self.series(deliveries / "south", 7, 17, [0, 2, 4, 8, 10])  # 6 is missing
        self.series(deliveries / "south", 8, 18, [0])
        self.series(deliveries / "east", 9, 19, [0, 2, 4], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
        self.series(deliveries / "east", 10, 20, [0, 2, 4], RescaleType="US")
        self.series(deliveries / "east", 11, 21, [0, 2, 4])  # one set of UIDs, two patients
        self.series(deliveries / "central", 12, 21, [0, 2, 4])
        self.series(deliveries / "north" / "again", 0, 10, [4, 0, 8, 2, 6, 10])  # sent twice
        tilt = math.radians(12)  # of the gantry; the table moved along z: over three thin slices a quarter of a millimetre in the plane
        self.series(deliveries / "central", 13, 23, [0, 0.6, 1.2], ImageOrientationPatient=[1, 0, 0, 0, math.cos(tilt), -math.sin(tilt)])
        subprocess.run([STAGE, "keys", "new", self.keys, "--dataset=ct@1"], check=True, stdout=subprocess.DEVNULL)
        cut = ["--cut=partition_records=8", "--cut=segment_samples=2", "--cut=block_records=1"]
        for ranks, more in (1, []), (2, []), (4, cut):
            out = self.root / f"ct-{ranks}"
            summary = self.build("ct", out, ranks, deliveries=deliveries, definition=definition, more=more)
            self.assertEqual(summary["samples"], 6)
            self.assertEqual(summary["quarantine"], {"series_gap": 5, "series_single": 1, "series_localizer": 3,
                                                     "units_differ": 3, "series_duplicate": 6, "uid_conflict": 6, "series_tilt": 3})
            self.assertEqual({name: (d["files_and_rows"], d["packed"]) for name, d in summary["deliveries"].items()},
                             {"north": (42, 36), "central": (6, 0), "south": (6, 0), "east": (9, 0)})
            self.assert_same_tree(self.root / "ct-1", out)
        done = subprocess.run([STAGE, "verify", self.root / "ct-1", "--key", self.keys / "ct@1.key"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_missing_or_foreign_key_is_refused_in_one_line(self):
        definition, deliveries, version = self.small()
        self.refused(5, "cannot open the key", "verify", version, "--key", self.root / "absent.key")
        self.refused(5, "not the key of wdbc@1", "verify", version, "--key", self.keys / "digits@1.key")
        empty = self.root / "no-keys"
        empty.mkdir()
        command = self.command(definition, self.root / "unbuilt", 2, deliveries)
        command[command.index(str(self.keys))] = str(empty)
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertEqual(done.stderr.count(" error refused text="), 1, done.stderr)
        self.assertFalse((self.root / "unbuilt").exists())

    def test_a_flipped_byte_names_file_dataset_and_sample(self):
        _, _, version = self.small()
        hurt = self.root / "hurt"
        shutil.copytree(version, hurt)
        entry = entries(hurt)[0]
        path = hurt / "shards" / entry["file"]
        data = bytearray(path.read_bytes())
        columns = len(json.loads((hurt / "manifest.json").read_text())["schema"]["columns"])
        line = entry["index"]["offset"] + 24 * (columns + 3)  # of sample 3 of the only field
        data[int.from_bytes(data[line:line + 8], "little") + 90] ^= 1
        path.write_bytes(data)
        self.refused(3, f"{entry['file']}: /fields/features sample 3: ", "verify", hurt, "--key", self.keys / "wdbc@1.key")

    def test_a_seal_is_looked_at_and_signs_only_what_is_whole(self):
        _, _, version = self.small()
        key, sealed = self.keys / "wdbc@1.key", self.root / "sealed"
        shutil.copytree(version, sealed)
        stewards = {}
        for name in ("steward", "other"):
            secret, public = self.root / f"{name}.key", self.root / f"{name}.pub"
            pair = Ed25519PrivateKey.generate()
            secret.write_text(f"aloft-key-1 ed25519-private {base64.b64encode(pair.private_bytes_raw()).decode()}\n")
            secret.chmod(0o400)
            public.write_text(f"aloft-key-1 ed25519-public {base64.b64encode(pair.public_key().public_bytes_raw()).decode()}\n")
            stewards[name] = secret, public
        secret, public = stewards["steward"]
        shard = next((sealed / "shards").iterdir())
        whole = shard.read_bytes()
        shard.write_bytes(whole[:3000] + bytes([whole[3000] ^ 1]) + whole[3001:])
        self.refused(3, f"{shard.name}: ", "seal", sealed, "--key", secret)
        shard.write_bytes(whole)
        (sealed / "shards/shard-000000.h5.old").write_bytes(b"x")
        self.refused(3, "that the manifest does not name", "verify", sealed, "--key", key)
        self.refused(3, "that the manifest does not name", "seal", sealed, "--key", secret)
        (sealed / "shards/shard-000000.h5.old").unlink()
        self.refused(5, "not sealed", "verify", sealed, "--key", key, "--steward", public)
        self.assertFalse((sealed / "manifest.sig.json").exists())
        done = subprocess.run([STAGE, "seal", sealed, "--key", secret, "--dataset-key", key, "--json"], capture_output=True, text=True)
        self.assertEqual((done.returncode, json.loads(done.stdout)["opened"]), (0, True), done.stderr)
        self.refused(2, "sealed already", "seal", sealed, "--key", secret)
        no_seal = self.root / "no-seal"
        no_seal.write_text("{}")
        self.refused(3, f"{no_seal}: is no seal of the version in {sealed} by this steward", "seal", sealed, "--attach", no_seal, "--steward", public)
        self.refused(2, "there is no steward's key", "verify", sealed, "--key", key)
        self.refused(5, "manifest.sig.json", "verify", sealed, "--key", key, "--steward", stewards["other"][1])
        done = subprocess.run([STAGE, "verify", sealed, "--key", key, "--steward", public, "--json"], capture_output=True, text=True)
        self.assertEqual(json.loads(done.stdout), {"dataset": "wdbc@1", "verified": True, "sealed": True, "shards": 1, "samples": 32})
        manifest = sealed / "manifest.json"
        manifest.write_bytes(manifest.read_bytes() + b" ")
        for more in ((), ("--steward", public)):
            self.refused(5, "was changed after a steward sealed it", "verify", sealed, "--key", key, *more)
        (sealed / "manifest.sig.json").unlink()  # without a seal the key's mark still holds
        self.refused(5, "was not written by somebody who had the dataset's key", "verify", sealed, "--key", key)

    def test_a_version_that_is_there_never_changes(self):
        definition, deliveries, version = self.small()
        before = {p: p.stat().st_mtime_ns for p in version.rglob("*")}
        self.assertTrue(self.build("wdbc", version, 2, deliveries=deliveries, definition=definition)["already_built"])
        other = self.root / "other/datasets/wdbc.toml"
        other.parent.mkdir(parents=True)
        for folder in ("deid", "deliveries"):
            shutil.copytree(SOURCE / "configs" / folder, self.root / "other" / folder)
        other.write_text(definition.read_text() + "# changed\n")
        run = self.start("wdbc", version, 1, deliveries=deliveries, definition=other)
        self.assertEqual(end_of(run), 2)
        self.assertIn("A version never changes", pathlib.Path(f"{run.log}.err").read_text())
        self.assertEqual({p: p.stat().st_mtime_ns for p in version.rglob("*")}, before)

    def test_a_build_that_waited_for_another_looks_again(self):
        definition, deliveries, version = self.small()
        other = self.root / "waited/datasets/wdbc.toml"
        other.parent.mkdir(parents=True)
        for folder in ("deid", "deliveries"):
            shutil.copytree(SOURCE / "configs" / folder, self.root / "waited" / folder)
        other.write_text(definition.read_text() + "# changed\n")
        for name, asked, code in (("same", definition, 0), ("other", other, 2)):
            for more in ([], ["--discard"]):
                out = self.root / f"waited-{name}{''.join(more)}"
                out.mkdir()
                ready = self.root / f"ready-{out.name}"
                shutil.copytree(version, ready)
                with open(out / ".lock", "w+b") as lock:  # as a build holds it
                    fcntl.fcntl(lock, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 2, 0))  # F_OFD_SETLK
                    run = self.start("wdbc", out, 2, deliveries=deliveries, definition=asked, more=more)
                    while not (out / "reports").exists() and run.poll() is None:
                        time.sleep(0.01)
                    for path in sorted(ready.iterdir(), key=lambda path: path.name == "manifest.json"):  # it ends
                        os.rename(path, out / path.name)
                    (out / ".lock").unlink()
                errors = pathlib.Path(f"{run.log}.err")
                self.assertEqual(end_of(run), code, errors.read_text())
                self.assertIn("already_built" if code == 0 else "A version never changes", errors.read_text())
                self.assert_same_tree(version, out)

    def test_a_dry_run_writes_nothing_and_says_what_a_build_would_take(self):
        definition, deliveries, version = self.small()
        out = self.root / "dry"
        done = subprocess.run([*self.command(definition, out, 2, deliveries), "--dry-run"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        deliveries_of = json.loads(done.stdout)["deliveries"]
        self.assertEqual(sorted(deliveries_of), sorted(HOSPITALS))
        taken = json.loads(done.stdout)["samples_before_duplicates"]
        self.assertEqual(sum(taken.values()), json.loads((version / "manifest.json").read_text())["samples"])
        self.assertEqual(json.loads(done.stdout)["not_looked_for"], ["duplicates", "conflicts"])
        self.assertFalse(out.exists())
        configs = self.root / "suppressing"
        shutil.copytree(SOURCE / "configs", configs)
        profile = configs / "deid/biopsy-table.toml"
        profile.write_text(profile.read_text().replace('below = "report"', 'below = "suppress"'))
        done = subprocess.run([*self.command(configs / "datasets/wdbc.toml", out, 1, deliveries), "--dry-run"], capture_output=True, text=True)
        self.assertEqual(json.loads(done.stdout)["not_looked_for"], ["duplicates", "conflicts", "small_groups"], done.stderr)

    def test_a_dry_run_of_which_nothing_is_taken_ends_as_the_build_does(self):
        definition, deliveries, _ = self.small()
        broken = self.root / "nothing-to-take"
        for hospital in HOSPITALS:
            (broken / hospital).mkdir(parents=True)
            rows = (deliveries / hospital / "table.csv").read_text().splitlines()
            (broken / hospital / "table.csv").write_text("\n".join([rows[0], "a,row,too,short"]) + "\n")
        for ranks in 1, 2:
            out = self.root / f"nothing-{ranks}"
            done = subprocess.run([*self.command(definition, out, ranks, broken), "--dry-run"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertEqual(done.stderr.count("a build would take nothing"), 1, done.stderr)
            told = json.loads(done.stdout)  # one object: what passes, not the failure
            self.assertEqual({one["passes_alone"] for one in told["deliveries"].values()}, {0})
            self.assertFalse(out.exists())
        self.failed(3, "nothing could be taken", "wdbc", self.root / "nothing-built", 2, deliveries=broken, definition=definition)


if __name__ == "__main__":
    main()
