"""Samples of granted, encrypted datasets, as PyTorch or NumPy batches without a copy.

    import aloft

    loader = aloft.Loader("cxr@1", split="train", batch=64, seed=1)
    for epoch in range(10):
        for batch in loader.epoch(epoch):
            loss = criterion(model(batch["image"]), batch["label"])
            state = batch.state                      # three integers: where to go on

Every rank of torch.distributed, torchrun, Slurm or MPI makes the same call and gets its share. Pure Python on
libaloft.so (trainer/loader/aloft.h): it is built for no Python and no torch in particular.
"""
from ._library import DataError, Error, Refused, SystemFault, UsageError, version
from .loader import Batch, Loader, State
from .ranks import Ranks, ranks
from .requeue import requeue_if_asked
from .results import report, save

__version__ = version()
__all__ = ["Batch", "DataError", "Error", "Loader", "Ranks", "Refused", "State", "SystemFault", "UsageError", "ranks", "report",
           "requeue_if_asked", "save"]
