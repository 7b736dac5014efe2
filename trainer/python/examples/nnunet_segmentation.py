r"""nnU-Net v2 on volumes with masks, on all ranks of the job: its plans, network, loss, augmentation and schedule. Patches come
from the loader, in place of the folders that its own preprocessing would fill.

    aloft submit --nodes 2 --ntasks-per-node 1 --gpus-per-node 1 -- \
        /srv/aloft/software/nnunet-2.8/bin/python /opt/aloft/share/aloft/examples/nnunet_segmentation.py lungs@1 --out /aloft/workspace/lungs

Elsewhere: nnunet_segmentation.py FOLDER --key FILE --out DIR. The same command goes on after the last whole epoch; warned that its time
is nearly over, it ends after the epoch with 75, upon which Slurm requeues.

Not as nnU-Net has it: volumes are taken as they are stored (`spacing_mm` of the dataset's definition resamples them), with mean 0 and
deviation 1 over the split train; a patch is anywhere in its volume, not in every third on a label; no cascade, no folds."""
import argparse
import itertools
import json
import os
import pathlib
import signal

import numpy
import torch
import torch.distributed as dist
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch.nn.parallel import DistributedDataParallel

import aloft
from ddp import join_the_others

SPACING = ("spacing_k_mm", "spacing_j_mm", "spacing_i_mm")


def plan(args: argparse.Namespace, name: str) -> dict:
    """What nnU-Net would plan, from shapes and spacings of at most 200 volumes of the split train."""
    loader = aloft.Loader(args.dataset, key=args.key, split="train", batch=1, shuffle=True, tail=True, field=args.fields[0], label=None,
                          rank=0, ranks=1, seed=args.seed, tensors="torch")
    columns = loader.columns(["sample", *SPACING])
    spacings = dict(zip(columns["sample"].tolist(), numpy.stack([columns[each] for each in SPACING], 1).tolist()))
    seen = [(int(batch["sample"][0]), list(batch[loader.field].shape[1:])) for batch in itertools.islice(loader.epoch(0), 200)]
    raw, prepared = (pathlib.Path(os.environ[each], name) for each in ("nnUNet_raw", "nnUNet_preprocessed"))
    # nnU-Net finds out by the ending of files how cases are stored, also where none is.
    for folder, ending in ((raw, None), (prepared / "nnUNetPlans_3d_fullres", "b2nd")):
        folder.mkdir(parents=True, exist_ok=True)
        if ending:
            (folder / f"in-shards.{ending}").touch()
    (raw / "dataset.json").write_text(json.dumps({
        "channel_names": {str(channel): "noNorm" for channel in range(seen[0][1][0])}, "numTraining": loader.samples, "file_ending": ".nii.gz",
        "labels": {each: value for value, each in enumerate(["background", *args.labels])}, "overwrite_image_reader_writer": "SimpleITKIO",
        "dataset": {"in-shards": {"images": ["in-shards"], "label": "in-shards"}}}))
    (prepared / "dataset_fingerprint.json").write_text(json.dumps({
        "spacings": [spacings[sample] for sample, _ in seen], "shapes_after_crop": [shape[1:] for _, shape in seen],
        "foreground_intensity_properties_per_channel": {}, "median_relative_size_after_cropping": 1.0}))
    planner = ExperimentPlanner(name, gpu_memory_target_in_gb=args.gpu_memory, suppress_transpose=True)
    planner.plan_experiment()
    plans = json.loads((prepared / "nnUNetPlans.json").read_text())
    if args.batch:
        plans["configurations"]["3d_fullres"]["batch_size"] = args.batch
    return {"plans": plans, "dataset_json": json.loads((prepared / "dataset.json").read_text())}


class Trainer(nnUNetTrainer):
    args: argparse.Namespace

    def __init__(self, plans, configuration, fold, dataset_json, device):
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.device = device  # nnU-Net's own ranks are the GPUs of one node
        self.grad_scaler = self.grad_scaler if device.type == "cuda" else None
        self.num_epochs, self.save_every = self.args.epochs, 1
        self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = self.args.iterations
        self.load = dict(key=self.args.key, field=self.args.fields, label=None, seed=self.args.seed, normalise="moments", tensors="torch")

    def initialize(self):
        ranks, self.is_ddp = self.is_ddp, False
        super().initialize()
        self.is_ddp = ranks
        self.network = DistributedDataParallel(self.network, device_ids=[self.device] if self.device.type == "cuda" else None)
        self.loss = self._build_loss()

    def get_dataloaders(self):
        configuration, labels, scales = self.configuration_manager, self.label_manager.foreground_labels, self._get_deep_supervision_scales()
        rotation, flat, larger, axes = self.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        augment = self.get_training_transforms(configuration.patch_size, rotation, scales, axes, flat, foreground_labels=labels)
        return (self.batches("train", larger, augment, self.num_iterations_per_epoch),
                self.batches("validation", configuration.patch_size, self.get_validation_transforms(scales, foreground_labels=labels),
                             self.num_val_iterations_per_epoch))

    def batches(self, split, extent, transform, steps):
        """Without end, in nnU-Net's form: its epoch is so many steps, whatever the loader's is. A function of the seed, the epoch and
        the sample alone, so that a run goes on as if it had never ended."""
        image, mask = self.args.fields
        loader = aloft.Loader(self.args.dataset, split=split, shuffle=True, tail=False, global_batch=self.configuration_manager.batch_size,
                              crop=[int(each) for each in extent], place="random", **self.load)
        step = self.current_epoch * steps
        while True:
            for batch in loader.epoch(step // loader.steps, first_step=step % loader.steps):
                rows = []
                for volume, labels, sample in zip(batch[image], batch[mask], batch["sample"].tolist()):
                    one, other = numpy.random.SeedSequence([self.args.seed, step // loader.steps, sample]).generate_state(2)
                    numpy.random.seed(one)
                    torch.manual_seed(int(other))
                    rows.append(transform(image=volume, segmentation=labels.to(torch.int16)))
                yield {"data": torch.stack([row["image"] for row in rows]),
                       "target": [torch.stack(scale) for scale in zip(*(row["segmentation"] for row in rows))]}
                step += 1

    def save_checkpoint(self, filename):
        super().save_checkpoint(filename + ".new")
        if dist.get_rank() == 0:
            os.replace(filename + ".new", filename)  # whole or not at all

    def on_epoch_end(self):
        super().on_epoch_end()
        if self.current_epoch == self.args.stop_after:
            signal.raise_signal(signal.SIGUSR1)
        if self.current_epoch < self.num_epochs:
            aloft.requeue_if_asked(lambda: None)  # saved it is

    def perform_actual_validation(self, save_probabilities=False):
        """Mean Dice of each label over the whole volumes of the split test, by sliding windows; a label that is neither drawn nor
        predicted in a volume does not count there."""
        self.set_deep_supervision_enabled(False)
        predictor = nnUNetPredictor(use_mirroring=not self.args.disable_tta, perform_everything_on_device=self.device.type == "cuda",
                                    device=self.device, allow_tqdm=False)
        predictor.manual_initialization(self.network.module, self.plans_manager, self.configuration_manager, None, self.dataset_json,
                                        type(self).__name__, self.inference_allowed_mirroring_axes)
        image, mask = self.args.fields
        mine = []
        test = aloft.Loader(self.args.dataset, split="test", batch=1, **self.load)
        for batch in test.epoch(0):
            if batch.valid:  # the last step may have none left for this rank
                predicted = predictor.predict_sliding_window_return_logits(batch[image][0]).argmax(0).cpu()
                pairs = [(predicted == each, batch[mask][0, 0] == each) for each in self.label_manager.foreground_labels]
                mine.append([float(2 * (one & other).sum() / (one.sum() + other.sum())) for one, other in pairs])
        everyone = [None] * dist.get_world_size()
        dist.all_gather_object(everyone, mine)
        dice = numpy.nanmean(numpy.concatenate([each for each in everyone if each]), 0)
        return {"split": "test", "volumes": test.samples, "dice": dict(zip(self.args.labels, dice.tolist()))}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset")
    parser.add_argument("--key")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--fields", nargs=2, default=["image", "mask"])
    parser.add_argument("--labels", nargs="+", default=["lesion"], help="what the mask's values 1, 2, ... are")
    parser.add_argument("--gpu-memory", type=float, default=8, help="GB that nnU-Net plans for")
    parser.add_argument("--batch", type=int, help="over all ranks; else what nnU-Net plans")
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--iterations", nargs=2, type=int, default=[250, 50], help="of an epoch: for training, for validation")
    parser.add_argument("--disable-tta", action="store_true", help="predict without mirroring: 8 times as fast")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stop-after", type=int, default=0, help="epochs after which to stop, as if a signal had come")
    args = parser.parse_args()

    aloft.requeue_if_asked()  # listens from now on
    for each in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{each}"] = str(args.out / each)
    device, planned = join_the_others(), [None]
    if dist.get_rank() == 0:
        planned = [plan(args, "Dataset001_shards")]
    dist.broadcast_object_list(planned)
    torch.manual_seed(args.seed)  # of the weights
    Trainer.args = args
    trainer = Trainer(configuration="3d_fullres", fold=0, device=device, dataset_json=planned[0]["dataset_json"],
                      plans={**planned[0]["plans"], "continue_training": False})
    trainer.initialize()
    latest = pathlib.Path(trainer.output_folder, "checkpoint_latest.pth")
    if latest.exists():
        trainer.load_checkpoint(str(latest))
    trainer.run_training()
    figures = trainer.perform_actual_validation()
    if dist.get_rank() == 0:
        aloft.save(args.out / "model.safetensors", trainer.network.module)
        (args.out / "dice.json").write_text(json.dumps(figures, indent=1) + "\n")
        print(f"Dice {figures['dice']} of {figures['volumes']} volumes", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
