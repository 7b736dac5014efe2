"""A program that is warned before its time is over saves its state, and Slurm runs it again."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import Any, Callable, List, Optional

from ._library import UsageError

EXIT = 75  # Slurm requeues (RequeueExit): state saved, run again
# SIGURG is what an enclave's jobs get that asked for no other (aloft submit), SIGUSR1 what people ask for by --signal, and
# SIGTERM what Slurm sends when it takes the nodes back.
_SIGNALS = (signal.SIGURG, signal.SIGUSR1, signal.SIGTERM)
_before: Optional[List[Any]] = None
_asked = False
_calls = 0


def requeue_if_asked(save: Optional[Callable[[], Any]] = None, *, every: int = 1,
                     agree: Optional[Callable[[bool], bool]] = None) -> None:
    """Call it after each step. Once the job was warned that its time is nearly over, it calls `save` and ends the program with
    exit code 75: Slurm runs the same job again, which finds what was saved and goes on.

        aloft.requeue_if_asked()                        # from now on the warning is heard
        for batch in loader.epoch(epoch, first_step=state):
            train(batch)
            aloft.requeue_if_asked(save)

    save    writes all that is needed to go on, whole or not at all. On every rank: what only one is to write, it decides.
            If it raises, the program ends with that, and is not run again. None: only listens, nothing ends
    every   of how many calls one looks. With torch.distributed the ranks agree there by a sum of one number, so that all
            stop after the same step, also when the warning reached only some of them; each calls equally often
    agree   instead of torch.distributed: given whether this process was warned, whether any was. With mpi4py
            lambda warned: comm.allreduce(warned, MPI.LOR). Without either, each process decides for itself

    The first call is made in the main thread: Python's signals are its business. Handlers that were there before are called, too.
    Under torchrun, whose exit code is not the program's, Slurm is asked by scontrol, once `save` is done on all ranks."""
    global _calls
    _listen()
    if every < 1:
        raise UsageError("every: of how many calls one looks, at least 1")
    if save is None:
        return
    _calls += 1
    if _calls % every or not (agree or _any_rank)(_asked):
        return
    save()
    distributed = _distributed()
    if distributed:
        distributed.barrier()  # none ends, and takes the others with it, before all have saved
    if "TORCHELASTIC_RUN_ID" in os.environ and "SLURM_JOB_ID" in os.environ:
        subprocess.run(["scontrol", "requeue", os.environ["SLURM_JOB_ID"]], check=True)
    sys.exit(EXIT)


def _listen() -> None:
    global _before
    if _before is not None:
        return
    if threading.current_thread() is not threading.main_thread():
        raise UsageError("the first call of requeue_if_asked is made in the main thread")
    _before = [signal.signal(number, _note) for number in _SIGNALS]
    os.register_at_fork(after_in_child=_leave_to_the_parent)


def _leave_to_the_parent() -> None:
    """A forked worker, which Slurm signals as well, must outlive the warning, and end when its parent says so."""
    for number, earlier in zip(_SIGNALS, _before or ()):
        signal.signal(number, earlier if number == signal.SIGTERM and earlier is not None else signal.SIG_IGN)


def _note(number: int, frame: Any) -> None:
    global _asked
    _asked = True
    earlier = _before[_SIGNALS.index(number)] if _before else None
    if callable(earlier):
        earlier(number, frame)


def _distributed() -> Any:
    """torch.distributed, if the program uses it."""
    distributed = getattr(sys.modules.get("torch"), "distributed", None)
    usable = distributed is not None and distributed.is_available() and distributed.is_initialized()
    return distributed if usable else None


def _any_rank(warned: bool) -> bool:
    distributed = _distributed()
    if not distributed or distributed.get_world_size() == 1:
        return warned
    torch = sys.modules["torch"]
    count = torch.tensor([int(warned)], device="cuda" if distributed.get_backend() == "nccl" else "cpu")
    distributed.all_reduce(count)
    return bool(count.item())
