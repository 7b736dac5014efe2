"""Builds of whole versions, which the tests beside this share: aloft-stage on the demo's deliveries (real pixels and tables,
planted identifiers). Each of them is run as TEST ALOFT_STAGE FIND_IDENTIFIERS MPIEXEC SOURCE [ARGUMENT OF UNITTEST...]
with the Python that has pydicom (configs/install-deps --only data)."""
import contextlib, csv, json, os, pathlib, re, shutil, signal, subprocess, sys, tempfile, threading, time, unittest

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


def whereabouts(pid):
    """Where each process of the family stands: its name, state and, if gdb is there, the stacks of its threads."""
    told = []
    for one in family(pid):
        with contextlib.suppress(OSError):
            status = pathlib.Path(f"/proc/{one}/status").read_text().split("\n")
            told.append(f"{one} " + " ".join(line for line in status if line.split(":")[0] in ("Name", "State", "PPid")))
            told.append(pathlib.Path(f"/proc/{one}/stack").read_text())
        if shutil.which("gdb"):
            told.append(subprocess.run(["gdb", "-p", str(one), "-batch", "-ex", "thread apply all bt 25"], stdin=subprocess.DEVNULL,
                                       capture_output=True, text=True).stdout[-8000:])
    return "\n".join(told)


def is_running(pid):
    with contextlib.suppress(OSError):
        return not re.search(r"^State:\s+[ZX]", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)
    return False


def end_of(run, seconds=1200, alone=30):
    """The exit code of a build. One that hangs is ended, and the test fails with what each of its processes was doing.
    mpirun itself may hang for ever in PMIx_server_finalize when one of its ranks was killed in MPI_Init (openpmix issue
    1233 and its like): once it has been `alone` seconds without a rank it is killed, and that is the exit code."""
    without_ranks = 0
    for _ in range(seconds):
        with contextlib.suppress(subprocess.TimeoutExpired):
            return run.wait(1)
        without_ranks = 0 if any(is_running(pid) for pid in family(run.pid)[1:]) else without_ranks + 1
        if without_ranks == alone:
            run.kill()
            return run.wait()
    told = whereabouts(run.pid)
    kill_family(run.pid)
    raise AssertionError(f"a build did not end in {seconds} s:\n{told}")


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


class Builds(unittest.TestCase):
    hospitals = HOSPITALS  # whose deliveries a build takes

    @classmethod
    def setUpClass(cls):
        cls.begin(*(f"{d}@1" for d in (*DATASETS, "small")))
        subprocess.run([sys.executable, SOURCE / "jobs/demo.d/deliveries.py", cls.root, "--quick"], check=True,
                       stdout=subprocess.DEVNULL)
        cls.deliveries = cls.root / "deliveries"
        cls.versions, cls.seconds = {}, {}

    @classmethod
    def begin(cls, *versions):
        """A folder of the test's own, with keys for these."""
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="aloft-test-"))
        cls.logs, cls.keys = cls.root / "logs", cls.root / "keys"
        cls.logs.mkdir()
        subprocess.run([STAGE, "keys", "new", cls.keys, *(f"--dataset={v}" for v in versions)], check=True, stdout=subprocess.DEVNULL)

    @classmethod
    def single_images(cls, name):
        """A definition of single images, without the table of nodules.toml and in whole numbers of 32 bits."""
        shutil.copytree(SOURCE / "configs", cls.root / "configs")
        text = (cls.root / "configs/datasets/nodules.toml").read_text()
        text = text[:text.index("# A row finds")] + text[text.index("[splits]"):]
        definition = cls.root / "configs/datasets" / name
        definition.write_text(text.replace('samples = "volume"', 'samples = "image"').replace(
            'dtype = "i16"\nunits = "Hounsfield units"', 'dtype = "i32"'))
        return definition

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.root)

    def command(self, definition, out, ranks, deliveries):
        command = [MPIEXEC, "--allow-run-as-root", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1", "--mca", "btl",
                   "self,vader,tcp", "-n", str(ranks), STAGE, "build", "--dataset", str(definition)]
        for hospital in self.hospitals:
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
        self.assertEqual(end_of(run), 0, pathlib.Path(f"{run.log}.err").read_text()[-4000:])
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
        self.assertEqual(end_of(run), code, pathlib.Path(f"{run.log}.err").read_text()[-4000:])
        errors = pathlib.Path(f"{run.log}.err").read_text()
        self.assertEqual(errors.count(" error "), 1, errors)
        self.assertIn(text, errors)
        told = json.loads(pathlib.Path(f"{run.log}.out").read_text())["error"]
        self.assertEqual(told["code"], code)
        self.assertIn(text, told["text"])
        return errors

    def over_tcp(self, *ranks, out):
        """A build whose ranks meet as they do between hosts: by TCP, no shared memory, no one-sided operations but pt2pt's.
        Each of `ranks` is what is put before the program of one rank."""
        command = [MPIEXEC, "--allow-run-as-root", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1", "--mca", "btl",
                   "self,tcp", "--mca", "pml", "ob1", "--mca", "osc", "pt2pt"]
        build = self.command(SOURCE / "configs/datasets/digits.toml", out, 1, self.deliveries / "digits")
        for i, before in enumerate(ranks):
            command += [":"] * (i > 0) + ["-n", "1", *before, *build[build.index(STAGE):]]
        return subprocess.run(command, capture_output=True, text=True)

    @staticmethod
    def copy_without_times(source, target):
        if os.path.isfile(source):
            return shutil.copyfile(source, target)
        os.mkfifo(target)  # a delivery holds one FIFO, which nobody may open
        return target

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


def main():
    unittest.main(argv=[sys.argv[0], *sys.argv[5:]], verbosity=2)
