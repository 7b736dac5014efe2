"""Measures of predictions equal those of scikit-learn, to 1e-9; calibration a plain reference.

measures_test.py MEASURES [TEST...]      (with the Python of configs/install-deps --path torch)"""
import json, subprocess, sys, unittest

import numpy as np
from sklearn import metrics as sk

MEASURES = sys.argv[1]


def softmax(scores):
    e = np.exp(scores - scores.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def case(random, samples, classes, ties, absent, patients):
    """Predictions that are better than chance. `ties`: few different scores. `absent`: a class that no sample is of."""
    label = random.integers(0, classes, samples)
    if absent:
        label[label == random.integers(0, classes)] = random.integers(0, classes)
    scores = random.normal(size=(samples, classes)) + 1.5 * np.eye(classes)[label]
    if ties:
        scores = np.round(scores)
    return {"classes": [f"c{i}" for i in range(classes)], "positive": random.choice(["", "c0", "c1"]) if classes == 2 else "",
            "label": label.tolist(), "probability": softmax(scores).astype(np.float32).astype(float).tolist(),
            "patient": random.integers(0, patients, samples).tolist(), "bins": int(random.integers(2, 30))}


def expected(case):
    y, p = np.array(case["label"]), np.array(case["probability"])
    classes = len(case["classes"])
    labels = list(range(classes))
    guess = p.argmax(1)
    positive = {"c0": 0}.get(case["positive"], 1)
    by_class = []
    for c in labels:
        t, said = y == c, guess == c
        by_class.append({
            "sensitivity": sk.recall_score(t, said) if t.any() else None,
            "specificity": sk.recall_score(~t, ~said) if not t.all() else None,
            "precision": sk.precision_score(t, said) if said.any() else None,
            "f1": sk.f1_score(t, said) if t.any() or said.any() else None,
            "auroc": sk.roc_auc_score(t, p[:, c]) if t.any() and not t.all() else None,
            "auprc": sk.average_precision_score(t, p[:, c]) if t.any() else None})

    def mean(name):
        values = [by_class[c][name] for c in ([positive] if classes == 2 else labels) if by_class[c][name] is not None]
        return float(np.mean(values)) if values else None
    out = {name: mean(name) for name in ("sensitivity", "specificity", "f1", "auroc", "auprc")}
    if classes > 2:  # the averages, and all that scikit-learn defines at once
        present = sorted(set(y))
        assert abs(out["f1"] - sk.f1_score(y, guess, average="macro")) < 1e-9
        assert abs(out["sensitivity"] - sk.recall_score(y, guess, average="macro", labels=present)) < 1e-9
        if len(present) == classes:
            assert abs(out["auroc"] - sk.roc_auc_score(y, p / p.sum(1, keepdims=True), multi_class="ovr", labels=labels)) < 1e-6
            assert abs(out["auprc"] - sk.average_precision_score(np.eye(classes)[y], p, average="macro")) < 1e-9
    of = p[:, positive] if classes == 2 else p.max(1)
    hit = y == positive if classes == 2 else y == guess
    bins, ece = case["bins"], 0.0
    place = np.minimum((of * bins).astype(int), bins - 1)
    for b in range(bins):
        if (place == b).any():
            ece += (place == b).mean() * abs(of[place == b].mean() - hit[place == b].mean())
    return {**out, "samples": len(y), "by_class": by_class, "ece": ece,
            "confusion": sk.confusion_matrix(y, guess, labels=labels).tolist(),
            "accuracy": sk.accuracy_score(y, guess), "balanced_accuracy": sk.balanced_accuracy_score(y, guess),
            "loss": sk.log_loss(y, p / p.sum(1, keepdims=True), labels=labels) - float(np.mean(np.log(p.sum(1)))),
            "brier": sk.brier_score_loss(y == positive, p[:, positive]) if classes == 2 else
                     float(((p - np.eye(classes)[y]) ** 2).sum(1).mean())}


class Measures(unittest.TestCase):
    def same(self, one, other, where):
        if isinstance(other, dict):
            self.assertEqual(one.keys(), other.keys(), where)
            for key in other:
                self.same(one[key], other[key], f"{where}/{key}")
        elif isinstance(other, list):
            self.assertEqual(len(one), len(other), where)
            for i, pair in enumerate(zip(one, other)):
                self.same(*pair, f"{where}/{i}")
        elif other is None or one is None:
            self.assertEqual(one, other, where)
        else:
            self.assertLess(abs(one - other), 1e-9, f"{where}: {one} and {other}")

    def test_measures_equal_those_of_scikit_learn(self):
        random = np.random.default_rng(20261127)
        cases = [case(random, samples, classes, ties, absent, patients)
                 for samples in (1, 2, 3, 7, 40, 1000) for classes in (2, 3, 6) for ties in (False, True)
                 for absent in (False, True) for patients in (1, samples)]
        done = subprocess.run([MEASURES], input="".join(json.dumps(each) + "\n" for each in cases), text=True, check=True,
                              stdout=subprocess.PIPE)
        told = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(told), len(cases))
        for i, (one, each) in enumerate(zip(told, cases)):
            self.same(one, expected(each), f"case {i}")
        undefined = sum(one["auroc"] is None for one in told)
        self.assertGreater(undefined, 10)  # there is something to leave undefined,
        self.assertLess(undefined, len(told) // 2)  # and most is not

    def test_those_of_numbers_too_and_far_from_zero(self):
        random = np.random.default_rng(20261128)
        cases = []
        for samples in (1, 2, 3, 50, 2000):
            for middle, deviation in ((0, 1), (60, 12), (-1e6, 3e5), (1e-3, 1e-4)):
                truth = middle + deviation * random.normal(size=samples)
                said = (truth + deviation * random.normal(size=samples) * random.choice([0.1, 1, 5])).astype(np.float32)
                cases.append({"task": "regression", "names": ["value"], "truth": truth.tolist(), "said": said.astype(float).tolist()})
        cases.append({"task": "regression", "names": ["value"], "truth": [3.0] * 5, "said": [1.0, 2.0, 3.0, 4.0, 5.0]})
        done = subprocess.run([MEASURES], input="".join(json.dumps(each) + "\n" for each in cases), text=True, check=True,
                              stdout=subprocess.PIPE)
        told = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(told), len(cases))
        for i, (one, each) in enumerate(zip(told, cases)):
            truth, said = np.array(each["truth"]), np.array(each["said"])
            scale = max(1.0, float(np.abs(truth).max()))
            self.assertLess(abs(one["mae"] - sk.mean_absolute_error(truth, said)), 1e-9 * scale, i)
            self.assertLess(abs(one["rmse"] - sk.root_mean_squared_error(truth, said)), 1e-9 * scale, i)
            self.assertLess(abs(one["bias"] - float((said - truth).mean())), 1e-9 * scale, i)
            if len(set(truth)) == 1:
                self.assertIsNone(one["r2"])  # nothing to explain
            else:
                expected = sk.r2_score(truth, said)
                self.assertLess(abs(one["r2"] - expected), 1e-9 * max(1.0, abs(expected)), i)

    def test_those_of_several_labels_are_means_over_what_is_known(self):
        random = np.random.default_rng(20261129)
        cases = []
        for samples in (5, 60, 1000):
            for labels in (1, 4):
                for missing in (0, 0.4):
                    truth = (random.random((samples, labels)) < 0.3).astype(float)
                    said = 1 / (1 + np.exp(-(random.normal(size=truth.shape) + 2 * truth - 1))).astype(np.float32)
                    known = random.random(truth.shape) >= missing
                    cases.append((truth, said.astype(float), known))
        text = "".join(json.dumps({"task": "multilabel", "names": [f"l{c}" for c in range(truth.shape[1])], "said": said.ravel().tolist(),
                                   "truth": [t if k else None for t, k in zip(truth.ravel(), known.ravel())]}) + "\n"
                       for truth, said, known in cases)
        done = subprocess.run([MEASURES], input=text, text=True, check=True, stdout=subprocess.PIPE)
        for i, (one, (truth, said, known)) in enumerate(zip(map(json.loads, done.stdout.splitlines()), cases)):
            of = {name: [] for name in ("auroc", "auprc", "sensitivity", "specificity", "f1", "loss", "brier")}
            for c in range(truth.shape[1]):
                t, p = truth[known[:, c], c], said[known[:, c], c]
                if not len(t):
                    continue
                yes = p > 0.5
                if t.any():
                    of["auprc"].append(sk.average_precision_score(t, p))
                    of["sensitivity"].append(sk.recall_score(t, yes))
                if not t.all():
                    of["specificity"].append(sk.recall_score(t, yes, pos_label=0))
                if t.any() and not t.all():
                    of["auroc"].append(sk.roc_auc_score(t, p))
                if t.any() or yes.any():
                    of["f1"].append(sk.f1_score(t, yes))
                no = (1 - p).astype(np.float32).astype(float)  # as it is kept
                of["loss"].append(float(-np.log(np.where(t > 0, p, no)).mean()))
                of["brier"].append(sk.brier_score_loss(t, p))
                self.assertLess(abs(of["loss"][-1] - sk.log_loss(t, p, labels=[0, 1])), 1e-6)
            for name, values in of.items():
                expected = float(np.mean(values)) if values else None
                self.same(one[name], expected, f"case {i}/{name}")

    def test_those_of_masks_are_means_over_classes_of_means_over_samples(self):
        import torch
        from monai.metrics import compute_dice

        random = np.random.default_rng(20261130)
        for samples, classes, size in ((3, 2, (9, 7)), (40, 4, (8, 8)), (12, 3, (5, 6, 7))):
            truth = random.integers(0, classes, (samples, *size))
            said = np.where(random.random(truth.shape) < 0.6, truth, random.integers(0, classes, truth.shape))
            truth[0][truth[0] == 1] = 0  # only said
            said[1][said[1] == 1] = 0    # only there
            truth[2][truth[2] == 1] = said[2][said[2] == 1] = 0  # neither
            counts, of = [], {name: [[] for _ in range(1, classes)] for name in ("dice", "sensitivity", "precision", "hd95", "surface_dice")}
            one_hot = [torch.nn.functional.one_hot(torch.from_numpy(each), classes).movedim(-1, 1) for each in (said, truth)]
            monai = compute_dice(*one_hot, include_background=False, ignore_empty=False).double().numpy()
            for i in range(samples):
                counts.append([])
                for c in range(1, classes):
                    t, p = truth[i].ravel() == c, said[i].ravel() == c
                    surface = [float(random.random()) for _ in range(2)] if t.any() or p.any() else [None, None]
                    counts[-1].append([int(t.sum()), int(p.sum()), int((t & p).sum()), *surface])
                    for name, value in zip(("hd95", "surface_dice"), surface):
                        if value is not None:
                            of[name][c - 1].append(value)
                    if t.any() or p.any():
                        of["dice"][c - 1].append(sk.f1_score(t, p, zero_division=0))
                        self.assertLess(abs(of["dice"][c - 1][-1] - monai[i, c - 1]), 1e-6)
                    if t.any():
                        of["sensitivity"][c - 1].append(sk.recall_score(t, p))
                    if p.any():
                        of["precision"][c - 1].append(sk.precision_score(t, p))
            done = subprocess.run([MEASURES], input=json.dumps({"masks": counts}) + "\n", text=True, check=True, stdout=subprocess.PIPE)
            self.same(json.loads(done.stdout), {name: float(np.mean([np.mean(each) for each in values])) for name, values in of.items()}, size)

    def test_distances_of_surfaces_equal_those_of_scipy_and_monai(self):
        import torch
        from monai.metrics import compute_hausdorff_distance, compute_surface_dice
        from scipy import ndimage

        random = np.random.default_rng(20261201)
        cases, told = [], []
        for number in range(60):
            axes = 2 + number % 2
            shape = tuple(int(n) for n in random.integers(1 if number % 7 == 0 else 4, 14, axes))
            spacing = [1.0] * axes if number % 5 == 0 else (0.3 + 4 * random.random(axes)).tolist()
            smooth = lambda: ndimage.gaussian_filter(random.normal(size=shape), 0 if number % 4 == 0 else 1.5)
            first = smooth()
            of = lambda values: np.digitize(values, np.quantile(values, [0.6, 0.85])).astype(int)
            are, said = of(first), of(first + random.choice([0.02, 0.2, 1]) * smooth())
            if number % 9 == 1:
                are[are == 1] = 0
            if number % 9 == 2:
                said[said == 2] = 0
            if number % 9 == 3:
                are[are == 2] = said[said == 2] = 0
            cases.append((are, said, spacing, float(random.choice([0, 0.5, 1, 2.5]))))
        text = "".join(json.dumps({"are": a.ravel().tolist(), "said": s.ravel().tolist(), "shape": a.shape, "spacing": mm, "tolerance": t,
                                   "classes": 3}) + "\n" for a, s, mm, t in cases)
        done = subprocess.run([MEASURES], input=text, text=True, check=True, stdout=subprocess.PIPE)
        both = one = neither = 0
        for i, (line, (are, said, spacing, tolerance)) in enumerate(zip(done.stdout.splitlines(), cases)):
            for c, (hd95, dice) in enumerate(json.loads(line), 1):
                t, p = are == c, said == c
                if not t.any() and not p.any():
                    neither += 1
                    self.assertEqual((hd95, dice), (None, None))
                    continue
                if not t.any() or not p.any():
                    one += 1
                    self.assertLess(abs(hd95 - np.linalg.norm((np.array(are.shape) - 1) * spacing)), 1e-9)
                    self.assertEqual(dice, 0)
                    continue
                both += 1
                edges = [each & ~ndimage.binary_erosion(each) for each in (t, p)]
                to = [ndimage.distance_transform_edt(~each, sampling=spacing) for each in edges]
                apart = [to[1][edges[0]], to[0][edges[1]]]
                self.assertLess(abs(hd95 - max(np.percentile(each, 95) for each in apart)), 1e-9, i)
                near = sum(int((each <= tolerance * (1 + 1e-9)).sum()) for each in apart)
                self.assertLess(abs(dice - near / sum(map(len, apart))), 1e-9, i)
                pair = [torch.from_numpy(np.stack([~each, each])[None]) for each in (p, t)]
                monai = compute_hausdorff_distance(*pair, percentile=95, spacing=spacing).item()
                self.assertLess(abs(hd95 - monai), 1e-5 * max(1, monai), i)  # it computes in float32
                near = compute_surface_dice(*pair, [tolerance], spacing=spacing).item()
                if spacing[0] != 1:  # where distances tie with the tolerance, rounding decides there
                    self.assertLess(abs(dice - near), 1e-6, i)
        self.assertGreater(both, 60)
        self.assertGreater(min(one, neither), 5)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], warnings="ignore")
