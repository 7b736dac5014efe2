"""Shards opened by HDF5's own programs with the filter plugin: h5py (which brings an HDF5 library) and h5dump (Debian's).
What they read is what the C++ reader reads; who may not read gets nothing.

hdf5_test.py PLUGIN SHARD_DUMP GOLDEN CMAKE BUILD_DIR      by the Python of configs/install-deps --only data"""
import base64, hashlib, json, os, pathlib, shutil, subprocess, sys, tempfile, unittest

PLUGIN, DUMP, GOLDEN, CMAKE, BUILD = sys.argv[1:6]
if len(sys.argv) > 6:  # a child: prints the arrays of a shard as h5py has them
    import h5py, numpy
    out = {}
    with h5py.File(sys.argv[6], "r") as shard:
        for name, field in shard["fields"].items():
            samples = field if isinstance(field, h5py.Dataset) else [field[sample] for sample in sorted(field)]
            out[name] = [{"shape": list(sample[...].shape), "sha256": hashlib.sha256(sample[...].tobytes()).hexdigest()}
                         for sample in samples]
        for name, column in shard["columns"].items():
            if column.dtype.kind == "V":  # h5py converts no opaque bytes that have a tag: read as they are
                values = numpy.empty(column.shape, column.dtype)
                column.id.read(h5py.h5s.ALL, h5py.h5s.ALL, values, mtype=column.id.get_type())
            else:
                values = column[...]
            names = h5py.check_enum_dtype(column.dtype)
            if names:
                names = {code: name for name, code in names.items()}
                values = [names[int(code)] if code >= 0 else None for code in values]
            elif column.dtype.kind == "f":
                values = [None if value != value else float(value) for value in values]
            elif column.dtype.kind == "i":
                values = [None if value == -2**63 else int(value) for value in values]
            else:
                values = [value.tobytes().hex() for value in values]
            out[name] = list(values)
    print(json.dumps(out))
    sys.exit()


class Hdf5(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="aloft-test-")
        cls.root = pathlib.Path(cls.scratch.name)
        cls.key = cls.root / "made.key"
        cls.key.write_text(f"aloft-key-1 secret {base64.b64encode(bytes([7] * 32)).decode()}\n")
        cls.key.chmod(0o400)
        subprocess.run([DUMP, "make", cls.root / "made"], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def given(self, folder, name="given", key=True):
        """A job's view in which `folder` is made@1."""
        view = pathlib.Path(tempfile.mkdtemp(dir=self.root, prefix=name))
        (view / "made@1").symlink_to(folder)
        if key:
            shutil.copy(self.key, view / "made@1.key")
        return view

    def run_in(self, view, *command, plugin=True):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("ALOFT", "HDF5"))}
        env.update(ALOFT_DATA=str(view), ALOFT_KEYS=str(view), HDF5_PLUGIN_PATH=os.path.dirname(PLUGIN) if plugin else str(self.root))
        return subprocess.run([str(c) for c in command], env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def h5py(self, view, shard, **more):
        return self.run_in(view, sys.executable, __file__, *sys.argv[1:6], shard, **more)

    def versions(self):
        return [pathlib.Path(GOLDEN, "v1"), pathlib.Path(GOLDEN, "v2"), *sorted((self.root / "made").iterdir())]

    def test_h5py_reads_what_the_reader_reads_in_every_format_codec_and_tiling(self):
        compared = 0
        for folder in self.versions():
            expected = json.loads(subprocess.run([DUMP, folder, self.key], check=True, stdout=subprocess.PIPE).stdout)["samples"]
            view, found = self.given(folder), []
            for shard in sorted((folder / "shards").iterdir()):
                child = self.h5py(view, shard)
                self.assertEqual((child.returncode, child.stderr), (0, ""), folder)
                columns = json.loads(child.stdout)
                found += [{name: values[i] for name, values in columns.items()} for i in range(len(columns["patient"]))]
            self.assertEqual(len(found), len(expected), folder)
            for one, other in zip(found, expected):
                self.assertEqual({name: one[name] for name in other}, other, folder)
                compared += len(other)
        self.assertGreater(compared, 500)

    def test_h5dump_prints_the_values(self):
        view = self.given(self.root / "made/zstd")
        shard = self.root / "made/zstd/shards/shard-000001.h5"
        for dataset, sizes in (("/fields/image", (7, 1, 6, 5)), ("/columns/day", (7,))):
            child = self.run_in(view, "h5dump", "-y", "-w", "1", "-d", dataset, shard)
            self.assertEqual(child.returncode, 0, child.stderr)
            values = [int(line.strip().rstrip(",")) for line in child.stdout.splitlines() if line.strip().rstrip(",").isdigit()]
            count = 1
            for size in sizes:
                count *= size
            self.assertEqual(len(values), count, child.stdout)
            if dataset == "/columns/day":
                self.assertEqual(values, list(range(20, 27)))

    def test_without_the_plugin_or_permission_nothing_is_read(self):
        folder = self.root / "made/none"
        shard = folder / "shards/shard-000000.h5"
        self.assertEqual(self.h5py(self.given(folder), shard).returncode, 0)
        (other := self.given(folder, key=False) / "made@1.key").write_text(
            f"aloft-key-1 secret {base64.b64encode(bytes([8] * 32)).decode()}\n")
        other.chmod(0o400)
        shared = self.given(folder)
        (shared / "made@1.key").chmod(0o444)
        changed = self.root / "changed"
        shutil.copytree(folder, changed)
        (changed / "manifest.json").write_bytes((changed / "manifest.json").read_bytes().replace(b'"parents"', b'"parent "'))
        for view, plugin, said in ((self.given(folder), False, ""), (self.given(folder, key=False), True, "no key for made@1"),
                                   (other.parent, True, "not the key of"), (shared, True, "no key for made@1"),
                                   (self.root / "nothing", True, "no dataset that this process may read"),
                                   (self.given(changed), True, "manifest.json")):
            for child in (self.h5py(view, shard, plugin=plugin), self.run_in(view, "h5dump", "-d", "/fields/image", shard, plugin=plugin)):
                self.assertNotEqual(child.returncode, 0)
                self.assertIn(said, child.stderr)
                for line in child.stderr.splitlines():  # ours; Python's own traceback names its files
                    if "hdf5_filter" in line:
                        self.assertNotIn("/", line.replace("/fields/", "").replace("/columns/", ""))
                self.assertNotIn('"sha256"', child.stdout)

    def test_a_changed_byte_anywhere_in_a_chunk_is_an_error_and_not_a_value(self):
        for version in ("none", "lz4"):
            folder = self.root / "made" / version
            whole = (folder / "shards/shard-000002.h5").read_bytes()
            start = whole.index(b"ALFT\x02\x00")
            view, shard = self.given(folder), self.root / f"flipped-{version}.h5"
            shard.write_bytes(whole)
            self.assertEqual(self.h5py(view, shard).returncode, 0)
            for at in (0, 4, 6, 7, 8, 24, 32, 40, 45, 60, 64, 68, 79, 80, 84):
                shard.write_bytes(whole[:start + at] + bytes([whole[start + at] ^ 1]) + whole[start + at + 1:])
                child = self.h5py(view, shard)
                self.assertEqual((child.returncode, child.stdout), (1, ""), f"{version} {at}")

    def test_it_is_installed_with_the_loader_and_links_no_hdf5(self):
        subprocess.run([CMAKE, "--install", BUILD, "--prefix", self.root / "prefix", "--component", "loader"], check=True,
                       stdout=subprocess.PIPE)
        (plugin,) = (self.root / "prefix").glob("lib*/hdf5/plugin/libh5aloft.so")
        needed = subprocess.run(["ldd", plugin], check=True, text=True, stdout=subprocess.PIPE).stdout
        self.assertNotRegex(needed, "hdf5|libmpi|torch|not found")
        symbols = subprocess.run(["nm", "-D", "--defined-only", plugin], check=True, text=True, stdout=subprocess.PIPE).stdout
        self.assertEqual(sorted(line.split()[-1] for line in symbols.splitlines()), ["H5PLget_plugin_info", "H5PLget_plugin_type"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
