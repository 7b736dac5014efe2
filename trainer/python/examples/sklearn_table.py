r"""scikit-learn on a table: the features of all samples in memory, and the figures that aloft-train would give.

    aloft submit -- python3 /opt/aloft/share/aloft/examples/sklearn_table.py wdbc@1 --out runs/wdbc"""
import argparse
import json
import pathlib

import numpy
from sklearn.ensemble import HistGradientBoostingClassifier

import aloft


def table(dataset: str, split: str, key: str):
    """Features [samples, features] (NaN is missing), labels and sample numbers of a split."""
    loader = aloft.Loader(dataset, split=split, key=key, shuffle=False, tail=True, batch=4096, tensors="numpy")
    batches = [(batch[loader.field].copy(), batch["label"].copy(), batch["sample"].copy()) for batch in loader.epoch(0)]
    return loader, *map(numpy.concatenate, zip(*batches))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset")
    parser.add_argument("--key")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    _, features, labels, _ = table(args.dataset, "train", args.key)
    model = HistGradientBoostingClassifier(random_state=1).fit(features[labels >= 0], labels[labels >= 0])
    loader, features, labels, samples = table(args.dataset, "test", args.key)
    probability = numpy.zeros((len(features), loader.classes), "float32")
    probability[:, model.classes_] = model.predict_proba(features)  # a class that no training sample has gets 0
    figures = aloft.report(loader, samples, probability)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "metrics.json").write_text(json.dumps(figures, indent=1))
    print(f"accuracy {figures['overall']['accuracy']:.4f} on {figures['overall']['samples']} samples", flush=True)


if __name__ == "__main__":
    main()
