r"""A MONAI U-Net in 3D on patches of volumes of any size, with the mask as a field of the dataset; Dice by sliding windows over whole volumes.

    aloft submit --gpus 1 -- python3 /opt/aloft/share/aloft/examples/monai_segmentation.py lungs@1 --patch 96 96 96"""
import argparse

import torch
from monai.inferers import sliding_window_inference
from monai.losses import DiceCELoss
from monai.metrics import DiceMetric
from monai.networks.nets import UNet

import aloft


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset")
    parser.add_argument("--key")
    parser.add_argument("--fields", nargs=2, default=["image", "mask"])
    parser.add_argument("--patch", nargs=3, type=int, default=[96, 96, 96])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()
    image, mask = args.fields
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(1)

    load = dict(key=args.key, field=(image, mask), seed=1, normalise="moments", tensors="torch", label=None)
    training = aloft.Loader(args.dataset, split="train", batch=args.batch, crop=args.patch, **load)  # anywhere in each volume
    validation = aloft.Loader(args.dataset, split="validation", batch=1, **load)                     # each whole, of its own shape
    model = UNet(spatial_dims=3, in_channels=1, out_channels=2, channels=(8, 16, 32), strides=(2, 2), num_res_units=1).to(device)
    optimizer, loss_of = torch.optim.AdamW(model.parameters(), 0.01), DiceCELoss(to_onehot_y=True, softmax=True)
    for epoch in range(args.epochs):
        model.train()
        for batch in training.epoch(epoch):
            optimizer.zero_grad()
            loss = loss_of(model(batch[image].to(device)), batch[mask].to(device))
            loss.backward()
            optimizer.step()
        model.eval()
        dice = DiceMetric(include_background=False, num_classes=2)
        with torch.no_grad():
            for batch in validation.epoch(0):
                logits = sliding_window_inference(batch[image].to(device), args.patch, 2, model, overlap=0.25)
                dice(logits.argmax(1, keepdim=True), batch[mask].to(device))
        print(f"epoch {epoch}: loss {float(loss):.4f}, Dice {float(dice.aggregate()):.4f} of {validation.samples} volumes", flush=True)


if __name__ == "__main__":
    main()
