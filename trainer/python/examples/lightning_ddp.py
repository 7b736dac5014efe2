r"""PyTorch Lightning on a granted dataset, on all ranks of the job.

    aloft submit --nodes 2 --ntasks-per-node 2 -- \
        python3 /opt/aloft/share/aloft/examples/lightning_ddp.py cxr@1 --nodes 2 --per-node 2 --out runs/cxr

Elsewhere: torchrun --nproc-per-node 2 lightning_ddp.py FOLDER --key FILE --per-node 2 --out DIR. What Lightning must know: batches come whole
from the loader, each rank's own, so it adds no sampler; and each epoch has its own order."""
import argparse
import json
import pathlib

import lightning
import torch
from torch import nn

import aloft


class Epochs:
    """What Lightning takes for a DataLoader: each time it begins anew it is the next epoch's batches."""

    def __init__(self, loader: aloft.Loader, first: int = 0):
        self.loader, self.number = loader, first

    def __iter__(self):
        self.number += 1
        return ({"image": batch["image"], "label": batch["label"]} for batch in self.loader.epoch(self.number - 1))

    def __len__(self) -> int:
        return self.loader.steps


class Model(lightning.LightningModule):
    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.network = nn.Sequential(nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1),
                                     nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, classes))

    def training_step(self, batch, _):
        return nn.functional.cross_entropy(self.network(batch["image"]), batch["label"])

    def validation_step(self, batch, _):
        right = (self.network(batch["image"]).argmax(1) == batch["label"]).float().mean()
        self.log("accuracy", right, sync_dist=True, batch_size=len(batch["label"]))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 0.01)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset")
    parser.add_argument("--key")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--per-node", type=int, default=1, help="ranks of a node, each with a GPU if there are any")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=64, help="over all ranks")
    args = parser.parse_args()

    lightning.seed_everything(1)
    load = dict(key=args.key, global_batch=args.batch, seed=1, normalise="moments", tensors="torch")
    training = aloft.Loader(args.dataset, split="train", **load)
    # Ranks that differ in the number of steps would wait for each other: the last, smaller one is left out.
    validation = aloft.Loader(args.dataset, split="validation", tail=False, **load)
    trainer = lightning.Trainer(num_nodes=args.nodes, devices=args.per_node, strategy="ddp", max_epochs=args.epochs, logger=False,
                                use_distributed_sampler=False, enable_checkpointing=False, enable_progress_bar=False,
                                enable_model_summary=False, num_sanity_val_steps=0)
    model = Model(training.shape[0], training.classes)
    trainer.fit(model, Epochs(training), Epochs(validation))

    # What is left: weights that hold no code, and the figures that aloft-train would write.
    test = aloft.Loader(args.dataset, split="test", **load)
    model.eval()
    with torch.no_grad():
        rows = [(torch.empty(0, dtype=torch.int64), torch.empty(0, test.classes))]  # a rank may have no sample
        rows += [(batch["sample"].clone(), model.network(batch["image"].to(model.device)).softmax(1).cpu())
                 for batch in test.epoch(0) if batch.valid]
    figures = aloft.report(test, *map(torch.cat, zip(*rows)))
    if trainer.is_global_zero:
        args.out.mkdir(parents=True, exist_ok=True)
        aloft.save(args.out / "model.safetensors", model.network, training)
        (args.out / "metrics.json").write_text(json.dumps(figures, indent=1) + "\n")
        print(f"{trainer.world_size} ranks, accuracy {float(trainer.callback_metrics['accuracy']):.4f}", flush=True)


if __name__ == "__main__":
    main()
