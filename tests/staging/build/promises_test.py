"""What aloft-stage promises of a whole build, on the demo's deliveries (real pixels and tables, planted identifiers).

promises_test.py ALOFT_STAGE FIND_IDENTIFIERS MPIEXEC SOURCE [TEST...]
with the Python that has pydicom (configs/install-deps --only data)."""
import base64, contextlib, csv, filecmp, json, os, pathlib, random, shutil, signal, subprocess, sys, tempfile, threading, time, unittest

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

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


def entries(version):
    """What the pages of a version say of its shards."""
    pages = json.loads((version / "manifest.json").read_text())["pages"]
    return [shard for page in pages for shard in json.loads((version / "pages" / page["file"]).read_text())["shards"]]


def chunks(version):
    """Every chunk of a dataset version by (shard id, nonce): two that share these share key and nonce."""
    found = {}
    schema = json.loads((version / "manifest.json").read_text())["schema"]
    for shard in entries(version):
        data = (version / "shards" / shard["file"]).read_bytes()
        at, size, tiles = shard["index"]["offset"], shard["index"]["bytes"], set()
        for i, field in enumerate(schema["fields"]):  # the lines of ragged samples lead to lines, not to chunks
            first = len(schema["columns"]) + i * shard["samples"]
            tiles |= set(range(first, first + shard["samples"])) if field["shape"] is None else set()
        for number, line in enumerate(range(at, at + size, 24)):
            if number in tiles:
                continue
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

    def start(self, dataset, out, ranks, deliveries=None, definition=None, more=()):
        """Starts a build; what it prints goes to a log of its own."""
        log = self.logs / f"{out.name}-{len(list(self.logs.iterdir()))}"
        with open(f"{log}.out", "wb") as stdout, open(f"{log}.err", "wb") as stderr:
            run = subprocess.Popen(self.command(definition or SOURCE / f"configs/datasets/{dataset}.toml", out, ranks,
                                                deliveries or self.deliveries / dataset) + list(more), stdout=stdout, stderr=stderr)
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

    def failed(self, code, text, *args, **more):
        """A build that ends with `code`: its one error line says `text`, and --json printed that as one object."""
        run = self.start(*args, **more)
        self.assertEqual(run.wait(), code, pathlib.Path(f"{run.log}.err").read_text()[-4000:])
        errors = pathlib.Path(f"{run.log}.err").read_text()
        self.assertEqual(errors.count(" error "), 1, errors)
        self.assertIn(text, errors)
        told = json.loads(pathlib.Path(f"{run.log}.out").read_text())["error"]
        self.assertEqual(told["code"], code)
        self.assertIn(text, told["text"])
        return errors

    def test_the_bytes_do_not_depend_on_how_work_is_cut(self):
        definition, deliveries, version = self.small()
        cut = [f"--tune={n}" for n in ("files_per_batch=1", "segment_bytes=1", "segment_samples=2", "block_records=1",
                                       "exchange_bytes=4096", "partition_records=1", "sync_seconds=0")]
        for ranks in (1, 3):
            out = self.root / f"cut-{ranks}"
            self.build("wdbc", out, ranks, deliveries=deliveries, definition=definition, more=cut)
            self.assert_same_tree(version, out)

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

    def test_what_lies_in_the_work_folder_of_another_stays(self):
        definition, deliveries, version = self.small()
        scratch = self.root / "scratch"
        (scratch / "theirs").mkdir(parents=True)
        (scratch / "theirs/file").write_text("x")
        (scratch / ".tmp-theirs").write_text("x")
        out = self.root / "with-work"
        for already in (False, True):
            summary = self.build("wdbc", out, 2, deliveries=deliveries, definition=definition, more=["--work", str(scratch)])
            self.assertEqual(summary["already_built"], already)
            self.assertEqual(sorted(p.name for p in scratch.iterdir()), [".tmp-theirs", "theirs"])
            self.assertTrue((scratch / "theirs/file").exists())
        self.assert_same_tree(version, out)

    def test_an_unfinished_build_of_something_else_is_kept_until_discard(self):
        definition, deliveries, version = self.small()
        out = self.root / "unfinished"
        (out / ".work").mkdir(parents=True)
        (out / "shards").mkdir()
        (out / "shards/shard-000000.h5").write_text("days of work")
        shutil.rmtree(out / ".work")
        self.failed(2, "--discard", "wdbc", out, 2, deliveries=deliveries, definition=definition)
        self.assertEqual((out / "shards/shard-000000.h5").read_text(), "days of work")
        self.build("wdbc", out, 2, deliveries=deliveries, definition=definition, more=["--discard"])
        self.assert_same_tree(version, out)

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

    def test_a_reader_that_is_killed_from_outside_changes_nothing(self):
        whole, killed = self.version("digits"), 0
        out = self.root / "readers-killed"
        run = self.start("digits", out, 2)
        while run.poll() is None:
            time.sleep(0.05)
            for pid in family(run.pid) if killed < 6 else ():
                with contextlib.suppress(OSError):
                    if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "aloft-reader":
                        os.kill(pid, signal.SIGKILL)
                        killed += 1
        self.assertEqual(run.returncode, 0, pathlib.Path(f"{run.log}.err").read_text()[-2000:])
        self.assertGreater(killed, 0)
        self.assert_same_tree(whole, out)

    def test_a_disk_that_is_full_anywhere_ends_in_one_line_and_the_next_run_goes_on(self):
        whole = self.version("digits")
        if os.geteuid() != 0:
            self.skipTest("a small file system needs root")
        full = 0
        for kilobytes in (64, 300, 700, 1200):
            disk = self.root / f"disk-{kilobytes}"
            disk.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(disk)], check=True)
            try:
                out = disk / "1"
                run = self.start("digits", out, 2)
                if run.wait() == 0:
                    continue
                full += 1
                errors = pathlib.Path(f"{run.log}.err").read_text()
                self.assertEqual(run.returncode, 4, errors[-3000:])
                self.assertIn("No space left on device", errors)
                self.assertFalse((out / "manifest.json").exists())
                subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True)
                self.build("digits", out, 2)
                self.assert_same_tree(whole, out)
            finally:
                subprocess.run(["umount", str(disk)], check=True)
        self.assertGreater(full, 1, "the disk was never full")

    def over_tcp(self, *ranks, out):
        """A build whose ranks meet as they do between hosts: by TCP, no shared memory, no one-sided operations but pt2pt's.
        Each of `ranks` is what is put before the program of one rank."""
        command = [MPIEXEC, "--allow-run-as-root", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1", "--mca", "btl",
                   "self,tcp", "--mca", "pml", "ob1", "--mca", "osc", "pt2pt"]
        build = self.command(SOURCE / "configs/datasets/digits.toml", out, 1, self.deliveries / "digits")
        for i, before in enumerate(ranks):
            command += [":"] * (i > 0) + ["-n", "1", *before, *build[build.index(STAGE):]]
        return subprocess.run(command, capture_output=True, text=True)

    def test_ranks_that_meet_by_tcp_alone_build_the_same(self):
        whole, out = self.version("digits"), self.root / "by-tcp"
        done = self.over_tcp([], [], [], out=out)
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        self.assert_same_tree(whole, out)

    def test_a_rank_that_cannot_write_says_so_and_stops_the_others(self):
        whole, out = self.version("digits"), self.root / "one-full"
        small = ["sh", "-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"]
        done = self.over_tcp([], small, [], out=out)
        self.assertEqual(done.returncode, 4, done.stderr[-3000:])
        self.assertIn("rank_failed rank=1", done.stderr)
        self.assertIn("File too large", done.stderr)
        self.assertEqual(done.stderr.count(" error "), 1, done.stderr)
        self.assertIn("error", json.loads(done.stdout))
        self.build("digits", out, 2)
        self.assert_same_tree(whole, out)

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
        (folder / hospital).mkdir(parents=True, exist_ok=True)
        if not rows:
            return
        with open(folder / hospital / "table.csv", "w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["chart_no", "national_id", "birth_date", "exam_date", "diagnosis", "scanner_vendor", *measures])
            for patient, born, value, *national in rows:
                writer.writerow([patient, *(national or [""]), f"{born}0101", "20240601", "BM"[value % 2], "Leica", *[value] * len(measures)])

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
        subprocess.run([STAGE, "keys", "new", self.keys, "--dataset=ct@1"], check=True, stdout=subprocess.DEVNULL)
        for ranks in (1, 2, 4):
            out = self.root / f"ct-{ranks}"
            summary = self.build("ct", out, ranks, deliveries=deliveries, definition=definition)
            self.assertEqual(summary["samples"], 6)
            self.assertEqual(summary["quarantine"], {"series_gap": 5, "series_single": 1, "series_localizer": 3,
                                                     "units_differ": 3, "series_duplicate": 6, "uid_conflict": 6})
            self.assertEqual({name: (d["files_and_rows"], d["packed"]) for name, d in summary["deliveries"].items()},
                             {"north": (42, 36), "central": (3, 0), "south": (6, 0), "east": (9, 0)})
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
        self.assertEqual(run.wait(), 2)
        self.assertIn("A version never changes", pathlib.Path(f"{run.log}.err").read_text())
        self.assertEqual({p: p.stat().st_mtime_ns for p in version.rglob("*")}, before)

    def test_a_dry_run_writes_nothing_and_says_what_a_build_would_take(self):
        definition, deliveries, version = self.small()
        out = self.root / "dry"
        done = subprocess.run([*self.command(definition, out, 2, deliveries), "--dry-run"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        deliveries_of = json.loads(done.stdout)["deliveries"]
        self.assertEqual(sorted(deliveries_of), sorted(HOSPITALS))
        taken = json.loads(done.stdout)["samples_before_duplicates"]
        self.assertEqual(sum(taken.values()), json.loads((version / "manifest.json").read_text())["samples"])
        self.assertFalse(out.exists())


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[5:]], verbosity=2)
