"""What aloft-stage promises of a whole build, on the demo's deliveries (real pixels and tables, planted identifiers).

promises_test.py ALOFT_STAGE FIND_IDENTIFIERS MPIEXEC SOURCE [TEST...]
with the Python that has pydicom (configs/install-deps --only data)."""
import contextlib, csv, filecmp, json, os, pathlib, random, shutil, signal, subprocess, sys, tempfile, threading, time, unittest

STAGE, FIND, MPIEXEC, SOURCE = sys.argv[1], sys.argv[2], sys.argv[3], pathlib.Path(sys.argv[4])
HOSPITALS = ("north", "central", "south", "east")
DATASETS = ("digits", "wdbc", "mixed")


def files_below(root):
    """Every entry by its path below `root`: its mode and, of a file, its bytes."""
    return {str(path.relative_to(root)): (oct(path.lstat().st_mode), path.read_bytes() if path.is_file() else b"")
            for path in root.rglob("*")}


def family(pid):
    """`pid` and all that descend from it."""
    found = [pid]
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                found += family(int(child))
    return found


def kill_family(pid):
    """kill -9 for all of them at one instant: stopped first, so that none outlives another."""
    stopped = set()
    while fresh := set(family(pid)) - stopped:
        for one in fresh:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGSTOP)
        stopped |= fresh
    for one in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def ranks_of(pid):
    """The ranks that mpirun `pid` has started so far."""
    with contextlib.suppress(OSError):
        return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def chunks(version):
    """Every chunk of a dataset version by (shard id, nonce): two that share these share key and nonce."""
    found = {}
    for shard in json.loads((version / "manifest.json").read_text())["shards"]:
        data = (version / "shards" / shard["file"]).read_bytes()
        at, size = shard["index"]["offset"], shard["index"]["bytes"]
        for line in range(at, at + size, 24):
            offset, stored = (int.from_bytes(data[line + k:line + k + 8], "little") for k in (0, 8))
            chunk = data[offset:offset + stored]
            assert chunk[:4] == b"ALFT"
            assert found.setdefault((chunk[8:24], chunk[68:80]), chunk) == chunk, "one key and nonce for two chunks"
    return found


class Promises(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="aloft-test-"))
        cls.logs, cls.keys = cls.root / "logs", cls.root / "keys"
        cls.logs.mkdir()
        subprocess.run([sys.executable, SOURCE / "jobs/demo.d/deliveries.py", cls.root, "--quick"], check=True,
                       stdout=subprocess.DEVNULL)
        cls.deliveries = cls.root / "deliveries"
        names = [f"--dataset={d}@1" for d in (*DATASETS, "small")]
        subprocess.run([STAGE, "keys", "new", cls.keys, *names], check=True, stdout=subprocess.DEVNULL)
        cls.versions, cls.seconds = {}, {}

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.root)

    def command(self, definition, out, ranks, deliveries):
        command = [MPIEXEC, "--allow-run-as-root", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1", "--mca", "btl",
                   "self,vader,tcp", "-n", str(ranks), STAGE, "build", "--dataset", str(definition)]
        for hospital in HOSPITALS:
            command += ["--delivery", f"{hospital}={deliveries / hospital}"]
        return command + ["--keys", str(self.keys), "--out", str(out), "--json"]

    def start(self, dataset, out, ranks, deliveries=None, definition=None):
        """Starts a build; what it prints goes to a log of its own."""
        log = self.logs / f"{out.name}-{len(list(self.logs.iterdir()))}"
        with open(f"{log}.out", "wb") as stdout, open(f"{log}.err", "wb") as stderr:
            run = subprocess.Popen(self.command(definition or SOURCE / f"configs/datasets/{dataset}.toml", out, ranks,
                                                deliveries or self.deliveries / dataset), stdout=stdout, stderr=stderr)
        run.log = log
        return run

    def build(self, dataset, out, ranks, **more):
        run = self.start(dataset, out, ranks, **more)
        self.assertEqual(run.wait(), 0, pathlib.Path(f"{run.log}.err").read_text()[-4000:])
        return json.loads(pathlib.Path(f"{run.log}.out").read_text())

    def version(self, dataset):
        """A build by two ranks that nothing disturbed."""
        if dataset not in self.versions:
            out, begin = self.root / "whole" / dataset, time.monotonic()
            out.parent.mkdir(exist_ok=True)
            with self.watched_titles():
                self.build(dataset, out, 2)
            self.seconds[dataset] = time.monotonic() - begin
            self.versions[dataset] = out
        return self.versions[dataset]

    @contextlib.contextmanager
    def watched_titles(self):
        """Writes down meanwhile what our processes are called: other accounts can read that."""
        done, titles = threading.Event(), set()

        def watch():
            while not done.wait(0.02):
                for pid in family(os.getpid()):
                    for name in ("cmdline", "comm"):
                        with contextlib.suppress(OSError):
                            titles.add(pathlib.Path(f"/proc/{pid}/{name}").read_bytes())

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
            with open(self.logs / "process-titles", "ab") as out:
                out.write(b"\n".join(sorted(titles)))

    def assert_same_tree(self, one, other):
        here, there = files_below(one), files_below(other)
        self.assertEqual(sorted(here), sorted(there))
        for name in here:
            self.assertEqual(here[name], there[name], f"{name} differs")

    def test_the_same_bytes_from_1_2_and_4_ranks(self):
        for dataset in DATASETS:
            whole = self.version(dataset)
            for ranks in (1, 4):
                # As delivered again: another folder, other times.
                again = self.root / f"again-{dataset}-{ranks}"
                shutil.copytree(self.deliveries / dataset, again, symlinks=True, copy_function=self.copy_without_times)
                out = self.root / f"{dataset}-{ranks}"
                self.build(dataset, out, ranks, deliveries=again)
                self.assert_same_tree(whole, out)
            subprocess.run([STAGE, "verify", whole, "--key", self.keys / f"{dataset}@1.key"], check=True,
                           stdout=subprocess.DEVNULL)

    @staticmethod
    def copy_without_times(source, target):
        if os.path.isfile(source):
            return shutil.copyfile(source, target)
        os.mkfifo(target)  # a delivery holds one FIFO, which nobody may open
        return target

    def test_killed_at_any_instant_and_run_again_ends_with_the_same_tree(self):
        whole, draw, killed, resumed = self.version("digits"), random.Random(4), 0, False
        for round_ in range(6):
            out = self.root / f"killed-{round_}"
            for kill in range(3):
                run = self.start("digits", out, 2)
                time.sleep(self.seconds["digits"] * draw.random())
                ranks = ranks_of(run.pid)
                if kill == 1 and len(ranks) == 2 and run.poll() is None:
                    os.kill(ranks[round_ % 2], signal.SIGKILL)  # one rank; mpirun ends the rest
                elif run.poll() is None:
                    kill_family(run.pid)
                killed += run.wait() != 0
            left = self.logs / "work-of-a-killed-run"  # of the first that left any: searched for identifiers too
            if out.exists() and not (out / "manifest.json").exists() and not left.exists():
                shutil.copytree(out, left)
            summary = self.build("digits", out, 2)
            resumed |= summary.get("resumed_batches", 0) > 0
            self.assert_same_tree(whole, out)
        self.assertGreater(killed, 9, "most builds ended before they could be killed")
        self.assertTrue(resumed, "no build went on where a killed one was")

    def test_changed_input_never_meets_the_same_key_and_nonce(self):
        import pydicom
        changed = self.root / "changed"
        shutil.copytree(self.deliveries / "digits", changed, symlinks=True, copy_function=self.copy_without_times)
        path = next(p for p in sorted((changed / "north").iterdir()) if p.is_file() and p.suffix == ".dcm" and
                    pydicom.dcmread(p, force=True).get("PixelData") and
                    not pydicom.dcmread(p).file_meta.TransferSyntaxUID.is_compressed)
        image = pydicom.dcmread(path)
        image.PixelData = bytes([image.PixelData[0] ^ 1]) + image.PixelData[1:]
        image.save_as(path)
        out = self.root / "changed-version"
        self.build("digits", out, 2, deliveries=changed)  # the same version, under the same key
        before, after = chunks(self.version("digits")), chunks(out)
        for place in before.keys() & after.keys():
            self.assertEqual(before[place], after[place], "one key and nonce for two inputs")
        self.assertTrue(before.keys() & after.keys(), "nothing stayed the same")
        self.assertTrue(after.keys() - before.keys(), "nothing changed")

    def search(self, *trees, planted=None, versions=()):
        """The exit code and what was found, by kind, of planted identifiers."""
        command = [FIND, "--planted", str(planted or self.root / "planted.json")]
        for dataset in versions:
            command += ["--dataset", str(self.version(dataset)), "--key", str(self.keys / f"{dataset}@1.key")]
        for tree in trees:
            command += ["--tree", str(tree)]
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertIn(done.returncode, (0, 3), done.stderr)
        return done.returncode, json.loads(done.stdout)

    def test_no_planted_identifier_is_in_any_byte(self):
        for dataset in DATASETS:
            self.version(dataset)
        if not (self.logs / "work-of-a-killed-run").exists():  # this test alone: then a run that is killed here
            run = self.start("digits", self.logs / "work-of-a-killed-run", 2)
            time.sleep(self.seconds["digits"] / 2)
            kill_family(run.pid)
            run.wait()
        code, seen = self.search(self.logs, versions=DATASETS)
        self.assertEqual((code, seen["found"]), (0, 0), seen)
        self.assertGreater(seen["searched_bytes"], 1_000_000)

    def test_the_search_finds_every_kind_in_a_naive_copy(self):
        naive = self.root / "naive"
        shutil.copytree(self.deliveries, naive, symlinks=True, copy_function=self.copy_without_times)
        code, _ = self.search(naive)
        self.assertEqual(code, 3)
        kinds = {}
        for one in json.loads((self.root / "planted.json").read_text())["identifiers"]:
            kinds.setdefault(one["kind"], []).append(one)
        self.assertGreater(len(kinds), 8)
        for kind, planted in kinds.items():
            part = self.root / f"planted-{kind}.json"
            part.write_text(json.dumps({"identifiers": planted}))
            code, seen = self.search(naive, planted=part)
            self.assertEqual((code, list(seen["by_form"])), (3, [kind]), "the search is blind to this kind")

    def table(self, folder, hospital, rows):
        measures = [line.strip(' ",') for line in (SOURCE / "configs/deid/biopsy-table.toml").read_text()
                    .split("from = [")[1].split("]")[0].replace(",", "\n").splitlines() if line.strip(' ",')]
        (folder / hospital).mkdir(parents=True)
        if not rows:
            return
        with open(folder / hospital / "table.csv", "w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["chart_no", "national_id", "birth_date", "exam_date", "diagnosis", "scanner_vendor", *measures])
            for patient, born, value in rows:
                writer.writerow([patient, "", f"{born}0101", "20240601", "BM"[value % 2], "Leica", *[value] * len(measures)])

    def test_patients_in_small_groups_and_repeated_rows_are_left_out_on_any_number_of_ranks(self):
        definition = self.root / "small/datasets/small.toml"
        definition.parent.mkdir(parents=True)
        (self.root / "small/deid").mkdir()
        profile = (SOURCE / "configs/deid/biopsy-table.toml").read_text()
        (self.root / "small/deid/biopsy-table.toml").write_text(
            profile.replace('below = "report"', 'below = "suppress"').replace("k = 5", "k = 3"))
        definition.write_text((SOURCE / "configs/datasets/wdbc.toml").read_text().replace('"wdbc"', '"small"'))
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
            risk = json.loads((out / "manifest.json").read_text())["risk"]
            self.assertEqual((risk["patients"], risk["groups"], risk["smallest_group"]), (10, 4, 1))
            self.assertEqual((risk["patients_below_k"], risk["samples_below_k"]), (3, 4))
            self.assert_same_tree(self.root / "small-1", out)

    def series(self, folder, patient, series, places, rows=4, offset=-1024, **more):
        """One CT series as files in no order of place; `places`: z of each slice, in mm."""
        import numpy as np
        from pydicom.dataset import Dataset, FileMetaDataset
        from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
        folder.mkdir(parents=True, exist_ok=True)
        for number, z in enumerate(places):
            ds = Dataset()
            ds.file_meta = FileMetaDataset()
            ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
            ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{series}.{number + 1}"
            ds.SeriesInstanceUID, ds.StudyInstanceUID = f"1.2.3.{series}", f"1.2.4.{patient}"
            ds.PatientID, ds.PatientSex, ds.PatientAge, ds.StudyDate = f"P{patient}", "F", "045Y", "20240601"
            ds.Modality, ds.Manufacturer, ds.BodyPartExamined = "CT", "SIEMENS", "CHEST"
            ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
            ds.ImagePositionPatient, ds.ImageOrientationPatient = [-10, -20, z], [1, 0, 0, 0, 1, 0]
            ds.PixelSpacing, ds.SliceThickness, ds.InstanceNumber = [0.5, 0.75], 2, number + 1
            ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = rows, 6, 1, "MONOCHROME2"
            ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
            ds.RescaleSlope, ds.RescaleIntercept = 1, offset
            for key, value in more.items():
                setattr(ds, key, value)
            values = np.arange(rows * 6).reshape(rows, 6) + round(z * 10) % 500 + 1000 * patient % 900
            ds.PixelData = values.astype("<u2").tobytes()
            ds.save_as(folder / f"{(number * 7) % 31:02}-{series}.dcm", enforce_file_format=True)

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
columns = ["vendor", "modality", "sex", "age"]
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
        subprocess.run([STAGE, "keys", "new", self.keys, "--dataset=ct@1"], check=True, stdout=subprocess.DEVNULL)
        for ranks in (1, 2, 4):
            out = self.root / f"ct-{ranks}"
            summary = self.build("ct", out, ranks, deliveries=deliveries, definition=definition)
            self.assertEqual(summary["samples"], 6)
            self.assertEqual(summary["quarantine"], {"series_gap": 5, "series_single": 1, "series_localizer": 3,
                                                     "units_differ": 3})
            self.assert_same_tree(self.root / "ct-1", out)
        done = subprocess.run([STAGE, "verify", self.root / "ct-1", "--key", self.keys / "ct@1.key"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def small(self):
        """A few rows of one hospital, and a build of them: the definition, the deliveries, the version."""
        if not hasattr(type(self), "small_"):
            root = self.root / "few"
            definition = SOURCE / "configs/datasets/wdbc.toml"
            for hospital in HOSPITALS:
                self.table(root / "deliveries", hospital, [(f"{hospital}{i}", 1950 + i, i) for i in range(8)])
            self.build("wdbc", root / "version", 2, deliveries=root / "deliveries", definition=definition)
            type(self).small_ = definition, root / "deliveries", root / "version"
        return self.small_

    def refused(self, code, text, *command):
        """A command that ends with `code` and one line that says `text`, and nothing on stdout."""
        done = subprocess.run([STAGE, *map(str, command)], capture_output=True, text=True)
        lines = [line for line in done.stderr.splitlines() if " error " in line]
        self.assertEqual((done.returncode, len(lines), done.stdout), (code, 1, ""), done.stderr)
        self.assertIn(text, lines[0])

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
        entry = json.loads((hurt / "manifest.json").read_text())["shards"][0]
        path = hurt / "shards" / entry["file"]
        data = bytearray(path.read_bytes())
        columns = len(json.loads((hurt / "manifest.json").read_text())["schema"]["columns"])
        line = entry["index"]["offset"] + 24 * (columns + 3)  # of sample 3 of the only field
        data[int.from_bytes(data[line:line + 8], "little") + 90] ^= 1
        path.write_bytes(data)
        self.refused(3, f"{entry['file']}: /fields/features sample 3: ", "verify", hurt, "--key", self.keys / "wdbc@1.key")

    def test_a_version_that_is_there_never_changes(self):
        definition, deliveries, version = self.small()
        before = {p: p.stat().st_mtime_ns for p in version.rglob("*")}
        self.assertTrue(self.build("wdbc", version, 2, deliveries=deliveries, definition=definition)["already_built"])
        other = self.root / "other/datasets/wdbc.toml"
        other.parent.mkdir(parents=True)
        shutil.copytree(SOURCE / "configs/deid", self.root / "other/deid")
        other.write_text(definition.read_text() + "# changed\n")
        run = self.start("wdbc", version, 1, deliveries=deliveries, definition=other)
        self.assertEqual(run.wait(), 2)
        self.assertIn("A version never changes", pathlib.Path(f"{run.log}.err").read_text())
        self.assertEqual({p: p.stat().st_mtime_ns for p in version.rglob("*")}, before)

    def test_a_dry_run_writes_nothing_and_says_what_a_build_would_take(self):
        definition, deliveries, version = self.small()
        out = self.root / "dry"
        done = subprocess.run([*self.command(definition, out, 2, deliveries), "--dry-run"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        taken = json.loads(done.stdout)["samples_before_duplicates"]
        self.assertEqual(sum(taken.values()), json.loads((version / "manifest.json").read_text())["samples"])
        self.assertFalse(out.exists())


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[5:]], verbosity=2)
