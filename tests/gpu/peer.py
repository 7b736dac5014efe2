#!/usr/bin/env python3
"""peer.py CONFIG MODE: the steps of gpu_steps CONFIG by plain PyTorch, from the same weights and on the same batch.

The same network (trainer/model/resnet2d.cpp), AdamW and clipping; channels last, and autocast where the precision is
bf16. MODE: eager, contiguous (eager, channels first), compiled (torch.compile), graphs (torch.compile with CUDA graphs),
batchnorm (eager, batch norm in place of group norm: another network, for scale). Prints the JSON of gpu_steps; the GPU is
waited for after every tenth step only, and `seconds` are means over ten.
"""
import json
import struct
import sys
import time
import tomllib
from pathlib import Path

import torch
import torch.nn.functional as F

TYPES = {"F32": torch.float32, "I64": torch.int64, "U8": torch.uint8}


def tensors_of(path):
    raw = bytearray(Path(path).read_bytes())
    size = struct.unpack("<Q", raw[:8])[0]
    header, found = json.loads(raw[8:8 + size]), {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            found[name] = torch.frombuffer(raw[begin:end], dtype=TYPES[entry["dtype"]]).reshape(entry["shape"]).clone()
    return found


class ResNet2d(torch.nn.Module):
    def __init__(self, tensors, blocks, large, mode):
        super().__init__()
        self.blocks, self.large, self.batchnorm, self.contiguous = blocks, large, mode == "batchnorm", mode == "contiguous"
        self.values = torch.nn.ParameterDict()
        for name, tensor in tensors.items():
            if name in ("images", "labels"):
                continue
            if tensor.dim() == 4 and not self.contiguous:
                tensor = tensor.contiguous(memory_format=torch.channels_last)
            if name.startswith("input."):
                self.register_buffer(name.replace(".", "_"), tensor)
            else:
                self.values[name.replace(".", "/")] = torch.nn.Parameter(tensor)

    def value(self, name):
        return self.values[name.replace(".", "/")]

    def norm(self, x, name):
        weight, bias = self.value(name + ".weight"), self.value(name + ".bias")
        if self.batchnorm:
            return F.batch_norm(x, None, None, weight, bias, training=True)
        return F.group_norm(x, 8, weight, bias)

    def conv(self, x, name, stride=1):
        weight = self.value(name + ".weight")
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    def forward(self, images):
        x = torch.nan_to_num((images.float() - self.input_mean) * self.input_scale, 0.0, 0.0, 0.0)
        if not self.contiguous:
            x = x.contiguous(memory_format=torch.channels_last)
        x = F.relu(self.norm(self.conv(x, "stem.conv", 2 if self.large else 1), "stem.norm"))
        if self.large:
            x = F.max_pool2d(x, 3, 2, 1)
        for stage, count in enumerate(self.blocks):
            for i in range(count):
                at = f"stage{stage + 1}.{i}."
                stride = 2 if stage > 0 and i == 0 else 1
                y = F.relu(self.norm(self.conv(x, at + "conv1", stride), at + "norm1"))
                y = self.norm(self.conv(y, at + "conv2"), at + "norm2")
                has_shortcut = (at + "shortcut.weight").replace(".", "/") in self.values
                x = F.relu(y + (self.conv(x, at + "shortcut", stride) if has_shortcut else x))
        return F.linear(x.mean((2, 3)), self.value("head.weight"), self.value("head.bias"))


def wait(device):
    if device.type == "cuda":
        torch.cuda.synchronize()


def main():
    config, mode = tomllib.loads(Path(sys.argv[1]).read_text()), sys.argv[2]
    run = config["run"]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    is_tf32 = run.get("precision") == "tf32"
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = is_tf32
    torch.backends.cudnn.benchmark = True
    tensors = tensors_of(run["tensors"])
    images, labels = tensors["images"].to(device), tensors["labels"].to(device)
    model = ResNet2d(tensors, config["model"].get("blocks", [1, 1, 1]), config["model"].get("stem") == "large", mode).to(device)
    parameters = list(model.parameters())
    decayed = [p for p in parameters if p.dim() > 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01},
                                   {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0}],
                                  lr=run.get("rate", 0.001), fused=True)
    options = {"compiled": {}, "graphs": {"mode": "reduce-overhead"}}.get(mode)
    forward = torch.compile(model, **options) if options is not None else model
    losses, seconds, block = [], [], 10
    for step in range(run.get("steps", 40)):
        if step % block == 0:
            wait(device)
            start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=run.get("precision") == "bf16"):
            scores = forward(images)
        loss = F.cross_entropy(scores.float(), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(loss.detach().clone())
        if (step + 1) % block == 0:
            wait(device)
            seconds += [(time.perf_counter() - start) / block] * block
    print(json.dumps({"device": str(device), "losses": [loss.item() for loss in losses], "seconds": seconds}))


if __name__ == "__main__":
    main()
