"""The other loaders of tests/bench/loader/run, each in a process of its own, one worker thread each.

usage: peers.py NAME pack CORPUS SIDE COUNT DIR       write the corpus in NAME's format
       peers.py NAME serve DIR SIDE COUNT BATCH       for every line on stdin, one epoch: "SAMPLES SECONDS"
NAME: ffcv, ffcv-sequential, memmap, webdataset, mds
"""
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch

torch.set_num_threads(1)


class Corpus:
    """Sample i as (uint8 [1, SIDE, SIDE], label)."""

    def __init__(self, path, side, count):
        self.pixels = np.memmap(path, dtype=np.uint8, mode="r", shape=(count, 1, side, side))

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, i):
        return np.ascontiguousarray(self.pixels[i]), i % 10


class Ffcv:
    def __init__(self, order="RANDOM"):
        self.order = order

    def pack(self, corpus, side, folder):
        from ffcv.fields import IntField, NDArrayField
        from ffcv.writer import DatasetWriter
        page = 1 << 23 if side > 1024 else 1 << 21  # a page holds at least one sample
        fields = {"image": NDArrayField(np.dtype("uint8"), (1, side, side)), "label": IntField()}
        DatasetWriter(str(folder / "corpus.beton"), fields, num_workers=1, page_size=page).from_indexed_dataset(
            corpus)

    def epochs(self, folder, side, count, batch):
        from ffcv.fields.decoders import IntDecoder, NDArrayDecoder
        from ffcv.loader import Loader, OrderOption
        from ffcv.transforms import ToTensor
        loader = Loader(str(folder / "corpus.beton"), batch_size=batch, num_workers=1, os_cache=True,
                        order=getattr(OrderOption, self.order), drop_last=False,
                        pipelines={"image": [NDArrayDecoder(), ToTensor()], "label": [IntDecoder(), ToTensor()]})
        while True:
            yield loader


class Memmap:
    def pack(self, corpus, side, folder):
        corpus.pixels.tofile(folder / "corpus.bin")

    def epochs(self, folder, side, count, batch):
        pixels = np.memmap(folder / "corpus.bin", dtype=np.uint8, mode="r", shape=(count, 1, side, side))
        labels = np.arange(count) % 10
        while True:
            order = np.random.permutation(count)

            def batches():
                for first in range(0, count, batch):
                    which = order[first:first + batch]
                    yield torch.from_numpy(pixels[which]), torch.from_numpy(labels[which])

            yield batches()


class WebDataset:
    def pack(self, corpus, side, folder):
        import webdataset
        with webdataset.ShardWriter(str(folder / "corpus-%06d.tar"), maxsize=1 << 28, maxcount=1 << 30,
                                    verbose=0) as out:
            for i in range(len(corpus)):
                pixels, label = corpus[i]
                out.write({"__key__": f"{i:08d}", "bin": pixels.tobytes(), "cls": label})

    def epochs(self, folder, side, count, batch):
        import webdataset
        urls = sorted(str(p) for p in folder.glob("corpus-*.tar"))

        def decode(sample):
            pixels = np.frombuffer(sample["bin"], dtype=np.uint8).reshape(1, side, side)
            return torch.from_numpy(pixels.copy()), int(sample["cls"])

        data = webdataset.WebDataset(urls, shardshuffle=len(urls), empty_check=False).shuffle(512).map(decode)
        while True:
            yield torch.utils.data.DataLoader(data, batch_size=batch, num_workers=0)


class Mds:
    def pack(self, corpus, side, folder):
        from streaming import MDSWriter
        columns = {"image": f"ndarray:uint8:1,{side},{side}", "label": "int"}
        with MDSWriter(out=str(folder / "mds"), columns=columns, size_limit=1 << 27) as out:
            for i in range(len(corpus)):
                pixels, label = corpus[i]
                out.write({"image": pixels, "label": label})

    def epochs(self, folder, side, count, batch):
        from streaming import StreamingDataset
        from streaming.base.util import clean_stale_shared_memory
        clean_stale_shared_memory()
        data = StreamingDataset(local=str(folder / "mds"), batch_size=batch, shuffle=True)
        while True:
            yield torch.utils.data.DataLoader(data, batch_size=batch, num_workers=0)


PEERS = {"ffcv": Ffcv(), "ffcv-sequential": Ffcv("SEQUENTIAL"), "memmap": Memmap(), "webdataset": WebDataset(),
         "mds": Mds()}


def main():
    peer, command = PEERS[sys.argv[1]], sys.argv[2]
    if command == "pack":
        corpus, side, count, folder = sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), Path(sys.argv[6])
        folder.mkdir(parents=True, exist_ok=True)
        peer.pack(Corpus(corpus, side, count), side, folder)
        return
    folder, side, count, batch = Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print; the protocol is ours
    epochs = peer.epochs(folder, side, count, batch)
    for _ in sys.stdin:
        epoch = next(epochs)
        start = time.perf_counter()
        samples = 0
        for images in epoch:
            images = images["image"] if isinstance(images, dict) else images[0]
            assert images.dtype == torch.uint8 and tuple(images.shape[1:]) == (1, side, side)
            samples += len(images)
        print(samples, time.perf_counter() - start, file=answers, flush=True)


main()
