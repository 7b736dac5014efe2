"""Which of how many processes this is."""
from __future__ import annotations

import os
import sys
from typing import NamedTuple

from ._library import UsageError


class Ranks(NamedTuple):
    rank: int
    ranks: int
    source: str  # who said so


# What launchers tell their processes. Open MPI and PMI before Slurm, whose own steps start mpirun's daemons. The
# number of a step's tasks, not of the job's: in a batch script, which is one process, there is none.
_LAUNCHERS = (("torchrun", "RANK", "WORLD_SIZE"), ("Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
              ("PMI", "PMI_RANK", "PMI_SIZE"), ("Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"))


def _natural(variable: str) -> int:
    value = os.environ[variable]
    if not (value.isascii() and value.isdigit()):
        raise UsageError(f"{variable} is not a number")
    return int(value)


def ranks(rank: int | None = None, of: int | None = None) -> Ranks:
    """As given; else of torch.distributed once it is initialised; else as the launcher says; else 0 of 1."""
    if (rank is None) != (of is None):
        raise UsageError("rank and ranks come together")
    if rank is not None:
        return Ranks(rank, of, "given")
    distributed = getattr(sys.modules.get("torch"), "distributed", None)
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return Ranks(distributed.get_rank(), distributed.get_world_size(), "torch.distributed")
    for source, number, count in _LAUNCHERS:
        if number in os.environ and count in os.environ:
            return Ranks(_natural(number), _natural(count), source)
    return Ranks(0, 1, "alone")
