r"""Plain PyTorch DDP on a granted dataset: a small network for images, resumable at any step, on any number of ranks.

    aloft submit --nodes 2 --ntasks-per-node 2 -- \
        env PYTHONPATH=/opt/aloft/share/aloft/python:/opt/aloft/site-packages \
        python3 /opt/aloft/share/aloft/examples/ddp.py cxr@1 --out runs/cxr

Elsewhere: torchrun --nproc-per-node 2 ddp.py FOLDER --key FILE --out DIR. Warned that its time is nearly over, it saves and
exits with 75, upon which Slurm requeues; the same command goes on where it was."""
import argparse
import json
import os
import pathlib
import signal
import subprocess

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import aloft


def join_the_others() -> torch.device:
    """Starts torch.distributed with what Slurm, MPI or torchrun say."""
    me = aloft.ranks()
    if "MASTER_ADDR" not in os.environ:
        hosts = ["localhost"]
        if "SLURM_JOB_NODELIST" in os.environ:
            hosts = subprocess.run(["scontrol", "show", "hostnames"], check=True, text=True, stdout=subprocess.PIPE).stdout.split()
        os.environ.update(MASTER_ADDR=hosts[0], MASTER_PORT=os.environ.get("MASTER_PORT", "29500"))
    gpus = torch.cuda.device_count()
    dist.init_process_group("nccl" if gpus else "gloo", rank=me.rank, world_size=me.ranks)
    return torch.device("cuda", me.rank % gpus) if gpus else torch.device("cpu")


def network(channels: int, classes: int) -> nn.Module:
    def block(before: int, after: int) -> list:
        return [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.GroupNorm(4, after), nn.ReLU()]
    return nn.Sequential(*block(channels, 16), nn.MaxPool2d(2), *block(16, 32), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(32, classes))


def summed(*numbers: float) -> torch.Tensor:
    total = torch.tensor(numbers, dtype=torch.float64, device="cuda" if dist.get_backend() == "nccl" else "cpu")
    dist.all_reduce(total)
    return total


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset")
    parser.add_argument("--key")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=64, help="over all ranks")
    parser.add_argument("--rate", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stop-after", type=int, default=0, help="steps after which to save and stop, as if a signal had come")
    args = parser.parse_args()

    aloft.requeue_if_asked()  # listens from now on
    device = join_the_others()
    first = dist.get_rank() == 0
    load = dict(global_batch=args.batch, seed=args.seed, key=args.key, normalise="moments")
    training = aloft.Loader(args.dataset, split="train", **load)
    validation = aloft.Loader(args.dataset, split="validation", **load)

    torch.manual_seed(args.seed)
    model = DistributedDataParallel(network(training.shape[0], training.classes).to(device))
    optimizer = torch.optim.AdamW(model.parameters(), args.rate)
    criterion = nn.CrossEntropyLoss(reduction="sum")
    state, checkpoint, done = aloft.State(args.seed, 0, 0), args.out / "checkpoint.pt", 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        model.module.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        state = aloft.State(*saved["state"])
        if first:
            print(f"goes on at {state}", flush=True)

    def save() -> None:
        if first:
            args.out.mkdir(parents=True, exist_ok=True)
            whole = checkpoint.with_suffix(".new")
            torch.save({"model": model.module.state_dict(), "optimizer": optimizer.state_dict(), "state": list(state)}, whole)
            whole.rename(checkpoint)

    while state.epoch < args.epochs:
        model.train()
        for batch in training.epoch(state.epoch, first_step=state):
            scores = model(batch["image"].to(device))
            # The mean over the step's samples, also where the ranks' shares differ in size: DDP averages over ranks.
            loss = criterion(scores, batch["label"].to(device)) * dist.get_world_size() / training.global_batch
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            state, done = batch.state, done + 1
            if done == args.stop_after:
                signal.raise_signal(signal.SIGUSR1)
            aloft.requeue_if_asked(save)  # exits with 75 after the same step on all ranks
        state = aloft.State(args.seed, state.epoch + 1, 0)
        save()

        model.eval()
        right = total = 0
        with torch.no_grad():
            for batch in validation.epoch(0):
                if batch.valid:  # the last step may have none left for this rank
                    # Not by DDP, whose collectives would count on all ranks having one.
                    scores = model.module(batch["image"].to(device))
                    right += int((scores.argmax(1).cpu() == batch["label"]).sum())
                    total += batch.valid
        right, total = summed(right, total).tolist()
        if first:
            print(f"epoch {state.epoch}: accuracy {right / total:.4f} on {int(total)} samples", flush=True)

    # What is left: weights that hold no code, and the figures that aloft-train would write.
    test = aloft.Loader(args.dataset, split="test", **load)
    samples, probabilities = [torch.empty(0, dtype=torch.int64)], [torch.empty(0, test.classes)]  # a rank may have none
    with torch.no_grad():
        for batch in test.epoch(0):
            if batch.valid:
                samples.append(batch["sample"].clone())  # the batch's memory is used again
                probabilities.append(model.module(batch["image"].to(device)).softmax(1).cpu())
    figures = aloft.report(test, torch.cat(samples), torch.cat(probabilities))
    if first:
        aloft.save(args.out / "model.safetensors", model.module, training)
        (args.out / "metrics.json").write_text(json.dumps(figures, indent=1) + "\n")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
