"""import aloft: the same samples as aloft-train's loader, in the same order, without a copy; and who may not.

loader_test.py LIBALOFT PACKAGE MAKE_DATASET LOADER_ORDER"""
import faulthandler, gc, hashlib, json, os, pathlib, pickle, shutil, subprocess, sys, tempfile, unittest, unittest.mock

LIBRARY, PACKAGE, MAKE, ORDER = sys.argv[1:5]
for name in [name for name in os.environ if name.startswith(("ALOFT_", "SLURM_", "OMPI_", "PMI_"))] + ["RANK", "WORLD_SIZE"]:
    os.environ.pop(name, None)
os.environ["ALOFT_LIBRARY"] = LIBRARY
sys.path.insert(0, PACKAGE)
import aloft
import numpy
import torch
from aloft import _library

SCRATCH = tempfile.TemporaryDirectory(prefix="aloft-test-")
ROOT = pathlib.Path(SCRATCH.name)
subprocess.run([MAKE, ROOT, "images"], check=True)
FOLDER, KEY = ROOT / "data", ROOT / "dataset.key"
TRAIN, VALIDATION = 384, 128


def load(**more):
    return aloft.Loader(more.pop("dataset", FOLDER), **{"key": KEY, "seed": 11, "batch": 12, **more})


def line(batch):
    numbers = [" ".join(str(int(x)) for x in batch[name]) for name in ("sample", "label")]
    image = numpy.ascontiguousarray(batch["image"])
    return " | ".join([str(batch.step), *numbers, hashlib.sha256(image.tobytes()).hexdigest()]).replace("  ", " ")


def samples(batches):
    return [int(number) for batch in batches for number in batch["sample"]]


class Order(unittest.TestCase):
    def test_the_same_samples_in_the_same_order_as_aloft_train(self):
        for split in ("train", "validation"):
            for ranks in (1, 2, 4):
                for rank in range(ranks):
                    expected = subprocess.run([ORDER, FOLDER, KEY, split, str(24 // ranks), str(rank), str(ranks), "11", "3", "2"],
                                              check=True, text=True, stdout=subprocess.PIPE).stdout.splitlines()
                    for tensors in ("torch", "numpy"):
                        loader = load(split=split, batch=24 // ranks, rank=rank, ranks=ranks, tensors=tensors)
                        found = [line(batch) for batch in loader.epoch(3, first_step=2)]
                        self.assertEqual(found, [each.replace("  ", " ").strip() for each in expected])
                        self.assertEqual(len(found), (TRAIN if split == "train" else VALIDATION + 23) // 24 - 2)

    def test_an_epoch_resumes_at_any_step_on_any_number_of_ranks(self):
        def steps(ranks, first, **more):  # all ranks' samples, step by step, and the state after each
            loaders = [load(global_batch=24, rank=rank, ranks=ranks, **more).epoch(5, first_step=first) for rank in range(ranks)]
            out = []
            for batches in zip(*loaders):
                self.assertEqual(len({batch.state for batch in batches}), 1)
                out.append((samples(batches), batches[0].state))
            for loader in loaders:
                self.assertIsNone(next(loader, None))
            return out

        whole = steps(1, 0)
        self.assertEqual(len(whole), TRAIN // 24)
        for at in range(len(whole)):
            state = aloft.State(*json.loads(json.dumps(whole[at][1])))
            self.assertEqual(state, (11, 5, (at + 1) * 24))
            ranks = (1, 2, 4, 3, 5, 7)[at % 6]  # of which 5 and 7 do not divide 24
            self.assertEqual(steps(ranks, state), whole[at + 1:])
            self.assertEqual(steps(ranks, at), whole[at:])
        # With another batch: the same order from there on, each sample once.
        rest = load(batch=7, tail=True).epoch(5, first_step=whole[4][1])
        flat = [number for numbers, _ in whole for number in numbers]
        self.assertEqual(samples(rest), flat[5 * 24:])

    def test_a_state_of_another_order_is_refused(self):
        for state in (aloft.State(12, 5, 24), (11, 4, 24)):
            with self.assertRaisesRegex(aloft.UsageError, "another order"):
                load().epoch(5, first_step=state)
        for step in (-1, TRAIN // 12 + 1):
            with self.assertRaisesRegex(aloft.UsageError, "cannot start at step"):
                load().epoch(5, first_step=step)

    def test_one_epoch_at_a_time(self):
        loader = load()
        first = loader.epoch(0)
        next(first)
        second = loader.epoch(1)
        with self.assertRaisesRegex(aloft.UsageError, "was ended"):
            next(first)
        self.assertEqual(len(list(second)), len(loader))
        loader.close()
        with self.assertRaisesRegex(aloft.UsageError, "closed"):
            loader.epoch(2)


class Memory(unittest.TestCase):
    def address(self, array):
        return array.data_ptr() if isinstance(array, torch.Tensor) else array.ctypes.data

    def test_arrays_are_the_librarys_memory(self):
        for tensors in ("torch", "numpy"):
            loader, seen = load(tensors=tensors), []
            make, loader._batch = loader._batch, lambda raw, epoch: seen.append(
                {name: getattr(raw, name).data for name in ("inputs", "label", "patient", "sample")}) or make(raw, epoch)
            for batch in loader.epoch(1):
                raw = seen[-1]
                for name, of in (("image", "inputs"), ("label", "label"), ("patient", "patient"), ("sample", "sample")):
                    self.assertEqual(self.address(batch[name]), raw[of])
            self.assertEqual((tuple(batch["image"].shape), str(batch["image"].dtype).split(".")[-1]), ((12, 1, 8, 8), "uint8"))
            batch["image"][0] = 3  # writable, as augmentation in place needs it
            self.assertEqual(int(batch["image"][0].max()), 3)

    def test_memory_is_used_again_but_never_under_a_view_that_lives(self):
        for tensors in ("torch", "numpy"):
            loader, held, places, steps = load(tensors=tensors), [], set(), 0
            for epoch in range(4):
                for batch in loader.epoch(epoch):
                    places.add(self.address(batch["image"]))
                    steps += 1
                    if batch.step % 16 == 0:
                        one = batch["image"][5, 0]  # a view of a view; the batch itself goes
                        held.append((one, numpy.asarray(one).copy(), self.address(batch["image"])))
            self.assertLess(len(places), steps // 2)
            self.assertEqual(len({place for *_, place in held}), len(held))
            del loader, batch
            gc.collect()
            for one, copy, _ in held:  # also after the loader has gone
                self.assertTrue((numpy.asarray(one) == copy).all())

    def test_normalised_inputs_are_float32_by_a_scale_or_the_manifests_moments(self):
        plain = torch.cat([batch["image"] for batch in load().epoch(0)]).float()
        scaled = torch.cat([batch["image"] for batch in load(normalise=(0.5, [-1])).epoch(0)])
        self.assertEqual(scaled.dtype, torch.float32)
        self.assertTrue(torch.equal(scaled, plain * 0.5 - 1))
        by_moments = torch.cat([batch["image"] for batch in load(normalise="moments", batch=TRAIN).epoch(0)])
        self.assertLess(abs(float(by_moments.mean())), 1e-4)
        self.assertLess(abs(float(by_moments.std(correction=0)) - 1), 1e-4)
        for bad in ("mean", (1,), (1, float("nan")), (1e300, 0), (1, [-1e39]), ([1, 2], [1, 2, 3]), ([], [])):
            with self.assertRaises(aloft.UsageError):
                load(normalise=bad)

    def test_numpys_whole_numbers_are_whole_numbers(self):
        one = numpy.int64(1)
        loader = load(batch=numpy.int32(12), seed=numpy.uint64(11), threads=one)
        states = [batch.state for batch in loader.epoch(one)]
        self.assertEqual(states, [batch.state for batch in load().epoch(1)])
        self.assertEqual(json.loads(json.dumps(states[0])), list(states[0]))
        for first in (one, aloft.State(*map(numpy.int64, states[0])), numpy.array(states[0]).tolist()):
            self.assertEqual([batch.state for batch in loader.epoch(1, first_step=first)], states[1:])
        for number, first in ((1.5, 0), (1, 0.5), (1, -1), (1, (11, 1)), (1, (11, 1, 0.5)), (-1, 0), ("1", 0)):
            with self.assertRaises(aloft.UsageError):
                loader.epoch(number, first_step=first)

    def test_columns_are_numpy_arrays_that_agree_with_the_batches(self):
        loader = load(split="validation", tensors="numpy")
        columns = loader.columns()
        self.assertEqual(set(columns), {"patient", "site", "vendor", "label", "split", "sample"})
        self.assertEqual({len(values) for values in columns.values()}, {VALIDATION})
        for name in ("sample", "label", "site", "vendor", "patient"):
            batches = numpy.concatenate([batch[name] for batch in loader.epoch(0)])
            self.assertTrue((columns[name] == batches).all(), name)
        self.assertEqual(loader.names("label"), ["left", "right", "top"])
        self.assertEqual((loader.classes, loader.shape, loader.units), (3, (1, 8, 8), "arbitrary"))
        self.assertEqual({loader.names("split")[code] for code in columns["split"]}, {"validation"})
        self.assertEqual(len(load(split=None).columns(["label"])["label"]), 640)
        with self.assertRaisesRegex(aloft.UsageError, "site"):
            loader.columns(["sites"])


class Crops(unittest.TestCase):
    def test_a_crop_is_the_part_of_each_sample_that_its_origin_says(self):
        for tensors in ("torch", "numpy"):
            whole = load(tensors=tensors).epoch(2)
            origins = set()
            for part in load(tensors=tensors, crop=(3, 4)).epoch(2):
                self.assertEqual(tuple(part["image"].shape), (12, 1, 3, 4))
                for image, full, (y, x) in zip(part["image"], next(whole)["image"], part["origin"]):
                    self.assertTrue((numpy.asarray(image) == numpy.asarray(full[:, y:y + 3, x:x + 4])).all())
                    origins.add((int(y), int(x)))
            self.assertEqual(len(origins), 6 * 5)  # everywhere
            for part in load(tensors=tensors, crop=(3, 4), place="centre").epoch(2):
                self.assertTrue((numpy.asarray(part["origin"]) == (2, 2)).all())
        for part in load(split="validation", crop=(10, 8), fill=9, tensors="numpy").epoch(0):
            self.assertTrue((part["origin"] == (-1, 0)).all())
            self.assertTrue((part["image"][:, :, [0, 9]] == 9).all())

    def test_volumes_of_different_shapes_come_in_one_batch(self):
        import base64
        golden, key = pathlib.Path(__file__).parents[2] / "core/shard/golden/v2", ROOT / "golden.key"
        key.write_text(f"aloft-key-1 secret {base64.b64encode(bytes([7] * 32)).decode()}\n")
        key.chmod(0o400)
        how = dict(dataset=golden, key=key, split=None, shuffle=False, tail=True, tensors="numpy")
        with self.assertRaisesRegex(aloft.UsageError, "give a crop"):
            load(field="volume", **{**how, "batch": 4})
        whole = [batch["volume"][0] for batch in load(field="volume", **{**how, "batch": 1}).epoch(0)]
        images = numpy.concatenate([batch["image"] for batch in load(field="image", **how).epoch(0)])
        self.assertGreater(len({volume.shape for volume in whole}), 3)
        # Through all three dimensions: the number of slices differs as well.
        seen = 0
        with self.assertRaisesRegex(aloft.UsageError, "a crop has"):  # no field beside with fewer dimensions
            load(field=("volume", "features"), crop=(2, 4, 4), **how)
        for batch in load(field="volume", crop=(2, 4, 4), fill=-5, normalise=(2, 1), **{**how, "batch": 4}).epoch(0):
            for got, origin in zip(batch["volume"], batch["origin"]):
                padded = numpy.pad(whole[seen].astype("float32"), 4, constant_values=-5)
                z, y, x = origin + 4
                self.assertTrue((got == padded[z:z + 2, y:y + 4, x:x + 4] * 2 + 1).all())
                seen += 1
        self.assertEqual(seen, len(whole))
        batches = load(field=["image", "features"], **how).epoch(0)
        both = [(batch["image"].copy(), batch["features"].copy()) for batch in batches]
        self.assertTrue((numpy.concatenate([image for image, _ in both]) == images).all())
        features = numpy.concatenate([batch["features"] for batch in load(field="features", **how).epoch(0)])
        self.assertTrue((numpy.concatenate([values for _, values in both]) == features).all())

    def test_what_no_crop_can_be_is_refused(self):
        for more, word in ((dict(crop=()), "1 to 4"), (dict(crop=(1, 2, 3, 4, 5)), "1 to 4"), (dict(crop=(2, 2, 2, 2)), "1 to 4"),
                           (dict(crop=(0, 2)), "from 1"), (dict(crop=(2.5,)), "whole number"), (dict(crop=(9, 9), fill=256), "can have"),
                           (dict(crop=(9, 9), fill=0.5), "can have"), (dict(crop=(2, 2), place="left"), "centre"), (dict(crop=4), "each dimension"),
                           (dict(field=("image", "maks")), "image")):
            with self.assertRaises(aloft.UsageError) as caught:
                load(**more)
            self.assertIn(word, str(caught.exception))


class Ranks(unittest.TestCase):
    def found(self, **environment):
        with unittest.mock.patch.dict(os.environ, environment):
            return tuple(load().ranks)

    def test_the_rank_is_given_or_the_launchers(self):
        self.assertEqual(self.found(), (0, 1, "alone"))
        slurm = dict(SLURM_PROCID="3", SLURM_STEP_NUM_TASKS="4")
        self.assertEqual(self.found(**slurm), (3, 4, "Slurm"))
        # A batch script is one process, whatever the job's number of tasks.
        self.assertEqual(self.found(SLURM_PROCID="0", SLURM_NTASKS="4"), (0, 1, "alone"))
        mpi = dict(OMPI_COMM_WORLD_RANK="1", OMPI_COMM_WORLD_SIZE="2")
        self.assertEqual(self.found(**slurm, **mpi), (1, 2, "Open MPI"))
        self.assertEqual(self.found(**slurm, **mpi, RANK="5", WORLD_SIZE="6"), (5, 6, "torchrun"))
        with unittest.mock.patch.dict(os.environ, slurm):
            self.assertEqual(tuple(load(rank=0, ranks=2).ranks), (0, 2, "given"))
        with self.assertRaisesRegex(aloft.UsageError, "RANK is not a number"):
            self.found(RANK="one", WORLD_SIZE="2")
        for bad in (dict(rank=0), dict(rank=2, ranks=2), dict(rank=-1, ranks=2), dict(rank=0, ranks=0)):
            with self.assertRaises(aloft.UsageError):
                load(**bad)


class Permission(unittest.TestCase):
    def refused(self, kind, *words, **more):
        with self.assertRaises(kind) as caught:
            load(**more)
        text = str(caught.exception)
        for word in words:
            self.assertIn(word, text)
        self.assertNotIn(str(ROOT), text)
        self.assertNotIn("/", text)
        return text

    def test_a_dataset_by_name_is_what_the_job_was_given(self):
        (ROOT / "given").mkdir(exist_ok=True)
        if not (ROOT / "given/bars@1").exists():
            (ROOT / "given/bars@1").symlink_to(FOLDER)
            shutil.copy(KEY, ROOT / "given/bars@1.key")
        with unittest.mock.patch.dict(os.environ, ALOFT_DATA=str(ROOT / "given"), ALOFT_KEYS=str(ROOT / "given")):
            self.assertEqual(len(list(load(dataset="bars@1", key=None).epoch(0))), TRAIN // 12)
        with unittest.mock.patch.dict(os.environ, ALOFT_DATA=str(ROOT / "given"), ALOFT_KEYS=str(ROOT)):
            self.refused(aloft.Refused, "no key for bars@1", dataset="bars@1", key=None)
            for name in ("digits@1", "bars@latest"):  # of another, or of a slip of the pen
                self.refused(aloft.Refused, f"no grant covers {name}; this job has bars@1", dataset=name, key=None)
        self.refused(aloft.Refused, "this job has no dataset", "a folder and its key", dataset="bars@1", key=None)
        with self.assertRaisesRegex(aloft.UsageError, "key=FILE"):
            load(key=None)
        for name in ("bars", "../data@1", "bars@1\0"):
            with self.assertRaises(aloft.UsageError):
                load(dataset=name, key=None)

    def test_without_permission_nothing_opens(self):
        self.refused(aloft.Refused, "no key for bars@1", key=ROOT / "no such folder" / "absent.key")
        other = ROOT / "other.key"
        if not other.exists():
            import base64
            other.write_text(f"aloft-key-1 secret {base64.b64encode(bytes([9] * 32)).decode()}\n")
            other.chmod(0o400)
        self.refused(aloft.Refused, "not the key of", key=other)
        shared = ROOT / "shared.key"
        shutil.copy(KEY, shared)
        shared.chmod(0o444)
        self.refused(aloft.Refused, "no key for bars@1", key=shared)
        public = ROOT / "steward.pub"
        public.write_text("aloft-key-1 ed25519-public " + "A" * 43 + "=\n")
        self.refused(aloft.Refused, "not sealed", steward=public)
        grant = ROOT / "grant.json"
        grant.write_text("{}")
        with unittest.mock.patch.dict(os.environ, ALOFT_GRANT=str(grant)):
            self.refused(aloft.Refused, "grant")

    def test_a_wrong_split_field_or_label_says_what_there_is(self):
        for more, word in ((dict(split="trian"), "train"), (dict(field="imag"), "image"), (dict(label="lable"), "label"),
                           (dict(label="patient"), "pseudonyms"), (dict(batch=1000), "fewer than one step"),
                           (dict(batch=0), "positive"), (dict(batch=2.5), "whole number"), (dict(threads=0), "threads"),
                           (dict(tensors="jax"), "torch"), (dict(batch=-1), "0 or more")):
            with self.assertRaises(aloft.UsageError) as caught:
                load(**more)
            self.assertIn(word, str(caught.exception))
        self.assertEqual(load(batch=numpy.int64(16), seed=torch.tensor(3), crop=numpy.array([3, 4])).global_batch, 16)


class Hostile(unittest.TestCase):
    def copy(self, name):
        shutil.copytree(FOLDER, ROOT / name)
        return ROOT / name

    def test_a_damaged_sample_is_named_and_nothing_of_its_batch_is_handed_out(self):
        folder = self.copy("damaged")
        shard = folder / "shards/shard-000001.h5"
        data = bytearray(shard.read_bytes())
        good = numpy.concatenate([b["image"] for b in load(split=None, tensors="numpy", shuffle=False, tail=True).epoch(0)])
        data[data.rindex(b"ALFT\x02\x00\x00\x01") + 90] ^= 1
        shard.write_bytes(data)
        loader, seen = load(dataset=folder, split=None, shuffle=False, tail=True, tensors="numpy"), []
        with self.assertRaisesRegex(aloft.DataError, r"^shard-000001\.h5: /fields/image sample \d+: authentication failed"):
            for batch in loader.epoch(0):
                seen.append(batch["image"].copy())
        whole = numpy.concatenate(seen)
        self.assertTrue((whole == good[:len(whole)]).all())
        self.assertLess(len(whole), len(good))
        with self.assertRaises(aloft.DataError):  # again, and the others still
            list(loader.epoch(1))

    def test_a_shard_that_is_cut_or_missing_is_named(self):
        folder = self.copy("cut")
        shard = folder / "shards/shard-000002.h5"
        with shard.open("r+b") as file:
            file.truncate(shard.stat().st_size - 1)
        with self.assertRaisesRegex(aloft.DataError, "^shard-000002.h5"):
            list(load(dataset=folder).epoch(0))
        shard.unlink()
        with self.assertRaises(aloft.Error) as caught:
            list(load(dataset=folder).epoch(0))
        self.assertIn("shard-000002.h5", str(caught.exception))
        self.assertNotIn(str(ROOT), str(caught.exception))

    def test_a_forked_child_is_refused_with_the_reason_and_harms_nothing(self):
        loader = load()
        batches = loader.epoch(0)
        first = next(batches)
        child = os.fork()
        if child == 0:
            faulthandler.dump_traceback_later(30, exit=True)
            try:
                for attempt in (lambda: next(batches), lambda: loader.epoch(1), lambda: loader.columns()):
                    try:
                        attempt()
                        os._exit(1)
                    except aloft.UsageError as error:
                        if "forked" not in str(error):
                            os._exit(2)
                del first, batches, attempt
                loader.close()
                gc.collect()
                own = load()  # after the fork
                os._exit(0 if len(list(own.epoch(0))) == TRAIN // 12 else 3)
            finally:
                os._exit(4)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        self.assertEqual(1 + len(list(batches)), TRAIN // 12)
        self.assertEqual(samples([first]), samples([next(load().epoch(0))]))

    def test_workers_are_refused_with_the_reason(self):
        loader = load()

        class Wrapped(torch.utils.data.IterableDataset):
            def __iter__(self):
                return loader.epoch(0)

        class Late(torch.utils.data.IterableDataset):
            def __iter__(self):
                return load().epoch(0)

        for dataset, reason in ((loader, "num_workers|without DataLoader"), (Wrapped(), "num_workers=0"), (Late(), "num_workers=0")):
            with self.assertRaisesRegex(aloft.UsageError, reason):
                list(torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=2, multiprocessing_context="fork"))
        with self.assertRaisesRegex(aloft.UsageError, "another process"):
            pickle.dumps(loader)
        # In this process it works, with threads and without workers.
        self.assertEqual(len(list(torch.utils.data.DataLoader(Wrapped(), batch_size=None, num_workers=0))), TRAIN // 12)

    def test_without_the_library_the_import_says_what_is_missing(self):
        for library, words in (("/nonexistent.so", "libaloft.so.1 cannot be loaded"), ("libm.so.6", "SystemFault: libaloft.so.1 has no aloft_")):
            found = subprocess.run([sys.executable, "-c", "import aloft"], text=True, stderr=subprocess.PIPE,
                                   env={**os.environ, "PYTHONPATH": PACKAGE, "ALOFT_LIBRARY": library})
            self.assertEqual(found.returncode, 1)
            self.assertIn(words, found.stderr)


class Bindings(unittest.TestCase):
    def test_the_structures_are_those_of_the_header(self):
        source = ROOT / "sizes.c"
        header = pathlib.Path(PACKAGE).parent / "loader" / "aloft.h"
        names = {"aloft_array": _library.Array, "aloft_options": _library.Options, "aloft_extent": _library.Extent,
                 "aloft_batch": _library.BatchOf}
        lines = [f'printf("%zu", sizeof({name}));' + "".join(
            f'printf(" %zu", offsetof({name}, {field}));' for field, _ in kind._fields_) + 'puts("");' for name, kind in names.items()]
        source.write_text(f'#include "{header}"\n#include <stdio.h>\nint main(void) {{ {" ".join(lines)} return 0; }}\n')
        subprocess.run(["cc", source, "-o", ROOT / "sizes"], check=True)
        import ctypes
        expected = [" ".join(str(n) for n in [ctypes.sizeof(kind), *(getattr(kind, f).offset for f, _ in kind._fields_)])
                    for kind in names.values()]
        self.assertEqual(subprocess.run([ROOT / "sizes"], text=True, stdout=subprocess.PIPE).stdout.splitlines(), expected)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
