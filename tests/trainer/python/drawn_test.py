"""Which samples come how often through import aloft: balance and weights.

drawn_test.py LIBALOFT PACKAGE MAKE_DATASET"""
import collections, os, pathlib, subprocess, sys, tempfile, unittest, warnings

LIBRARY, PACKAGE, MAKE = sys.argv[1:4]
for name in [name for name in os.environ if name.startswith(("ALOFT_", "SLURM_", "OMPI_", "PMI_"))] + ["RANK", "WORLD_SIZE"]:
    os.environ.pop(name, None)
os.environ["ALOFT_LIBRARY"] = LIBRARY
sys.path.insert(0, PACKAGE)
import aloft
import numpy

SCRATCH = tempfile.TemporaryDirectory(prefix="aloft-test-")
ROOT = pathlib.Path(SCRATCH.name)
subprocess.run([MAKE, ROOT, "images"], check=True)
FOLDER, KEY, TRAIN = ROOT / "data", ROOT / "dataset.key", 384


def load(**more):
    return aloft.Loader(more.pop("dataset", FOLDER), **{"key": KEY, "seed": 11, "batch": 12, "tensors": "numpy", **more})


def samples(batches):
    return [int(number) for batch in batches for number in batch["sample"]]


class Balance(unittest.TestCase):
    def counts(self, loader, *columns, epoch=3):
        """How often an epoch has each crossing of the columns, and each sample."""
        crossings, each = collections.Counter(), collections.Counter()
        for batch in loader.epoch(epoch):
            each.update(int(number) for number in batch["sample"])
            crossings.update(tuple(loader.names(name)[int(code)] for name, code in zip(columns, codes))
                             for codes in zip(*(batch[name] for name in columns)))
        return crossings, each

    def test_each_category_or_crossing_has_the_same_share_of_an_epoch_as_long_as_without(self):
        plain, _ = self.counts(load(), "vendor")
        self.assertNotEqual(plain["acme",], plain["zeta",])
        loader = load(balance="vendor")
        self.assertEqual((loader.samples, loader.steps), (TRAIN, TRAIN // 12))
        counts, each = self.counts(loader, "vendor")
        self.assertEqual(counts, {("acme",): TRAIN // 2, ("zeta",): TRAIN // 2})
        self.assertEqual(set(each.values()), {1, 2})
        self.assertEqual([group["categories"] for group in loader.balance], [{"vendor": "acme"}, {"vendor": "zeta"}])
        self.assertEqual([group["draws"] for group in loader.balance], [TRAIN / 2] * 2)
        self.assertEqual(sum(group["samples"] for group in loader.balance), TRAIN)
        counts, _ = self.counts(load(balance=["vendor", "label"]), "vendor", "label")
        self.assertEqual(set(counts.values()), {TRAIN // 6})
        self.assertEqual(len(counts), 6)
        self.assertEqual(len(load(balance="site").balance), 2)  # nobody for training is in "tiny"
        self.assertIsNone(load().balance)

    def test_weights_say_how_often_a_sample_comes(self):
        plain, _ = self.counts(load(), "site", "label")
        loader = load(balance={"site": {"north": 0}, "label": {"top": 3, "left": 0.5}}, tail=True)
        counts, each = self.counts(loader, "site", "label")
        self.assertEqual({site for site, _ in counts}, {"south"})
        self.assertEqual(counts["south", "right"], plain["south", "right"])
        for label, weight in (("top", 3), ("left", 0.5)):
            self.assertLess(abs(counts["south", label] - weight * plain["south", label]), 1.01)
        self.assertEqual(sum(counts.values()), loader.samples)

    def test_the_balanced_order_is_the_same_on_any_number_of_ranks_and_goes_on_anywhere(self):
        def steps(ranks, first):
            loaders = [load(global_batch=24, rank=rank, ranks=ranks, balance=["site", "label"], most_repeats=2) for rank in range(ranks)]
            self.assertEqual({loader.steps for loader in loaders}, {TRAIN // 24})
            return [(samples(batches), batches[0].state) for batches in zip(*(loader.epoch(5, first_step=first) for loader in loaders))]

        whole = steps(1, 0)
        self.assertEqual(len(whole), TRAIN // 24)
        for at, ranks in ((0, 2), (3, 4), (9, 5)):
            self.assertEqual(steps(ranks, whole[at][1]), whole[at + 1:])
        self.assertEqual(steps(4, 0), whole)

    def test_a_category_too_rare_for_its_share_is_told(self):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            load(balance="vendor")
            self.assertEqual(told, [])
            loader = load(balance="vendor", most_repeats=1)
        self.assertEqual([str(each.message).rsplit(": ", 1)[1] for each in told], ["zeta"])  # a third
        self.assertEqual([group["capped"] for group in loader.balance], [False, True])
        self.assertEqual(set(self.counts(loader, "vendor")[1].values()), {1})

    def test_what_cannot_be_balanced_is_refused(self):
        for more, word in ((dict(balance="site", shuffle=False), "stored order"), (dict(balance="site", split="validation"), "training"),
                           (dict(balance="site", split="test", shuffle=True), "training"), (dict(balance="sites"), "site"),
                           (dict(balance="patient"), "no categories"), (dict(balance=["site", "site"]), "twice"), (dict(balance=[]), "columns"),
                           (dict(balance=3), "balance"), (dict(balance={"site": 2}), "balance"), (dict(balance={"site": {"nroth": 2}}), "north"),
                           (dict(balance={"site": {"north": -1}}), "0 to"), (dict(balance={"site": {"north": float("nan")}}), "0 to"),
                           (dict(balance={"site": {'no"\n': 1}}), "no category"), (dict(balance="site", most_repeats=0), "1 to"),
                           (dict(most_repeats=3), "for balance")):
            with self.assertRaises(aloft.UsageError) as caught:
                load(**more)
            self.assertIn(word, str(caught.exception), more)


class PerSample(unittest.TestCase):
    def test_an_epoch_has_each_sample_so_often_each_time_another_part(self):
        origins, each = collections.defaultdict(list), collections.defaultdict(set)
        loader = load(crop=(3, 4), per_sample=5)
        self.assertEqual((loader.samples, loader.steps), (5 * TRAIN, 5 * TRAIN // 12))
        for batch in loader.epoch(3):
            for number, which, origin in zip(batch["sample"], batch["which"], batch["origin"]):
                each[int(number)].add(int(which))
                origins[int(number)].append(tuple(origin))
        self.assertEqual(len(each), TRAIN)
        self.assertEqual(set(map(frozenset, each.values())), {frozenset(range(5))})
        self.assertGreater(sum(len(set(places)) for places in origins.values()), 4.5 * TRAIN)  # of 30 places
        whole = [(samples([batch]), batch["origin"].tolist()) for batch in load(crop=(3, 4), per_sample=5, global_batch=24).epoch(3)]
        state = aloft.State(11, 3, 24 * 50)
        halves = [load(crop=(3, 4), per_sample=5, global_batch=24, rank=rank, ranks=2).epoch(3, first_step=state) for rank in range(2)]
        self.assertEqual([(samples(pair), sum((batch["origin"].tolist() for batch in pair), [])) for pair in zip(*halves)], whole[50:])
        # With balance a sample comes so much more often.
        loader = load(crop=(3, 4), per_sample=2, balance="vendor")
        times = collections.Counter(number for batch in loader.epoch(0) for number in samples([batch]))
        self.assertEqual((loader.samples, sum(times.values()), set(times.values())), (2 * TRAIN, 2 * TRAIN, {1, 2, 3}))
        self.assertNotIn("which", next(load().epoch(0)))

    def test_where_each_would_be_the_same_again_it_is_refused(self):
        for more, word in ((dict(), "crops"), (dict(crop=(3, 4), place="centre"), "at random"), (dict(crop=(3, 4), shuffle=False), "shuffled"),
                           (dict(crop=(3, 4), place="random", split="test", shuffle=True), "for training"),
                           (dict(crop=(3, 4), per_sample=0), "1 or more"), (dict(crop=(3, 4), per_sample=-1), "whole number")):
            with self.assertRaises(aloft.UsageError) as caught:
                load(**{"per_sample": 2, **more})
            self.assertIn(word, str(caught.exception), more)


class Several(unittest.TestCase):
    """Tables of the same columns under two names, "blobs" and "others"."""

    @classmethod
    def setUpClass(cls):
        for kind in ("table", "elsewhere"):
            (ROOT / kind).mkdir()
            subprocess.run([MAKE, ROOT / kind, kind], check=True)
        cls.folders, cls.keys = [ROOT / kind / "data" for kind in ("table", "elsewhere")], [ROOT / kind / "dataset.key" for kind in ("table", "elsewhere")]

    def both(self, **more):
        return load(**{"dataset": self.folders, "key": self.keys, **more})

    def test_they_are_read_as_one_and_each_sample_names_its_dataset(self):
        loader = self.both(tail=True)
        self.assertEqual((loader.datasets, loader.samples), (["blobs@1", "others@1"], 2 * TRAIN))
        singles = [{int(number): row.tobytes() for batch in load(dataset=folder, key=key).epoch(0)
                    for number, row in zip(batch["sample"], batch["features"])} for folder, key in zip(self.folders, self.keys)]
        seen = collections.Counter()
        for batch in loader.epoch(0):
            for number, which, row in zip(batch["sample"], batch["dataset"], batch["features"]):
                self.assertEqual(row.tobytes(), singles[which][int(number)])
                seen[int(which), int(number)] += 1
        self.assertEqual((len(seen), set(seen.values())), (2 * TRAIN, {1}))

        def steps(ranks, first):
            loaders = [self.both(global_batch=24, rank=rank, ranks=ranks).epoch(5, first_step=first) for rank in range(ranks)]
            return [(samples(batches), [int(which) for batch in batches for which in batch["dataset"]], batches[0].state) for batches in zip(*loaders)]
        whole = steps(1, 0)
        self.assertEqual(steps(4, 0), whole)
        self.assertEqual(steps(3, whole[9][2]), whole[10:])
        columns = loader.columns(["sample", "site", "dataset"])
        self.assertEqual({name: len(values) for name, values in columns.items()}, dict.fromkeys(columns, 2 * TRAIN))
        self.assertEqual(sorted(zip(columns["dataset"], columns["sample"])), sorted(seen))
        self.assertNotIn("dataset", next(load().epoch(0)))

    def test_each_has_its_share_or_its_weight(self):
        loader = self.both(balance={"dataset": {"others@1": 0.25}}, tail=True)
        self.assertEqual(loader.names("dataset"), loader.datasets)
        self.assertEqual([group["draws"] for group in loader.balance], [TRAIN, TRAIN // 4])
        seen = collections.Counter(int(which) for batch in loader.epoch(1) for which in batch["dataset"])
        self.assertEqual(seen, {0: TRAIN, 1: TRAIN // 4})
        even = self.both(balance=["dataset", "vendor"]).balance
        self.assertEqual([group["draws"] for group in even], [TRAIN / 2] * 4)
        self.assertEqual(even[3]["categories"], {"dataset": "others@1", "vendor": "zeta"})
        with self.assertRaisesRegex(aloft.UsageError, "there is one dataset"):
            load(balance="dataset")

    def test_moments_are_of_all_of_them(self):
        plain = numpy.concatenate([batch["features"].copy() for batch in self.both().epoch(0)]).astype(float)
        plain = plain[numpy.isfinite(plain)]
        with self.assertRaisesRegex(aloft.UsageError, "an entry for each"):  # one of all features fits none of them
            self.both(normalise="moments")
        moments = self.both()._pooled_moments()
        scaled = next(self.both(normalise=moments, shuffle=False).epoch(0))["features"]
        first = next(self.both(shuffle=False).epoch(0))["features"]
        expected = (first - plain.mean()) / plain.std()
        self.assertTrue(numpy.allclose(scaled, expected, rtol=1e-4, atol=1e-5, equal_nan=True))

    def test_what_is_of_one_dataset_is_refused(self):
        loader = self.both(split="test")
        with self.assertRaisesRegex(aloft.UsageError, "a report is of one dataset"):
            aloft.report(loader, [0], [[1, 0, 0]])
        with self.assertRaisesRegex(aloft.UsageError, "names one dataset"):
            aloft.save(ROOT / "weights.safetensors", {"a": numpy.zeros(1)}, loader)
        for datasets, keys, word in (([FOLDER, self.folders[0]], [KEY, self.keys[0]], "only bars@1 has the field image"),
                                     ([FOLDER, FOLDER], [KEY, KEY], "the same samples"), ([], [], "not empty"), (self.folders, KEY, "a list of keys")):
            with self.assertRaises(aloft.UsageError) as caught:
                load(dataset=datasets, key=keys)
            self.assertIn(word, str(caught.exception))
        with self.assertRaises(aloft.Refused):  # of each
            load(dataset=self.folders, key=[self.keys[0], ROOT / "absent.key"])


class DLPack(unittest.TestCase):
    def test_other_libraries_take_the_memory_and_keep_it(self):
        import torch
        loader = load()
        places, held = set(), []
        for epoch in range(4):
            for batch in loader.epoch(epoch):
                place = batch["image"].ctypes.data
                if batch.step % 16 == 0:
                    tensor = torch.from_dlpack(batch["image"])  # what a library does that asks for __dlpack__
                    self.assertEqual(tensor.data_ptr(), place)
                    held.append((tensor, batch["image"].copy(), place))
                elif held:
                    self.assertNotIn(place, {of for *_, of in held})
                places.add(place)
        del batch
        self.assertLess(len(places), 4 * loader.steps // 2)
        loader.close()
        for tensor, copy, _ in held:
            self.assertTrue((tensor.numpy() == copy).all())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
