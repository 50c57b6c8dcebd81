"""The processes that train together, its ranks: who they are, and how they end.
MPI is asked only where a launcher, such as mpiexec, says that there is more than one."""

from __future__ import annotations

import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from types import TracebackType
from typing import Any, NoReturn, TypeVar

from minilstm.backend import get_num_threads, host, set_num_threads

T = TypeVar("T")
# Begins of names in which launchers say what they started: MPICH and Intel, Open MPI.
_LAUNCHERS = ("PMI", "OMPI_COMM_WORLD")
PATIENCE = 3.0  # seconds in which the other ranks fail as well, where all do so alike


class World:
    """The ranks of a training; without MPI this process alone."""

    def __init__(self, comm: Any = None) -> None:
        self.comm = comm
        self.rank, self.size, self.threads = 0, 1, 0
        if comm is not None:
            self.rank, self.size = comm.rank, comm.size
            self.failing = comm.Dup()  # on which those that fail look for each other

    def gather(self, mine: T) -> list[T]:
        """What each rank has, on all of them."""
        return [mine] if self.comm is None else self.comm.allgather(mine)

    def of(self, count: int, rank: int | None = None) -> range:
        """Those of so many pieces of work that a rank, or this one, does."""
        return range(self.rank if rank is None else rank, count, self.size)

    def shared(self, work: Callable[[int], T], count: int) -> list[T]:
        """The results of so many pieces of work, in order, each done on one rank."""
        parts = self.gather([work(k) for k in self.of(count)])
        return [parts[k % self.size][k // self.size] for k in range(count)]

    def failed(self, error: BaseException) -> None:
        """Return where every rank fails now, as of the same bad input; else end all of them."""
        if self.comm is None:
            return
        everyone, until = self.failing.Ibarrier(), time.monotonic() + PATIENCE
        while not everyone.Test():
            if time.monotonic() > until:
                self._end(error)
            time.sleep(0.01)

    def _end(self, error: BaseException) -> NoReturn:
        if not isinstance(error, (ValueError, OSError)):  # what these say is enough
            traceback.print_exception(error, file=sys.__stderr__)
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        print(
            f"minilstm: rank {self.rank} of {self.size} failed, which ends them all: {said}",
            file=sys.__stderr__,
            flush=True,
        )
        self.comm.Abort(1)
        raise SystemExit(1)

    def told(self, shards: int | None) -> str:
        """How the work is shared out, above the table; "" where it is not."""
        if self.comm is None:
            return ""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"ranks: {self.size}, {threads} each, {shards} shards of a mini-batch"

    @contextmanager
    def together(self) -> Iterator[World]:
        """While it is entered, an error of one rank ends all; only rank 0 warns."""
        with warnings.catch_warnings() if self.rank else nullcontext():
            if self.rank:
                warnings.simplefilter("ignore")
            try:
                yield self
            except BaseException as error:
                self.failed(error)
                raise


ALONE = World()


def launched() -> tuple[int, int]:
    """Which rank of how many a launcher says that this process is; (0, 1) without one."""
    for name in _LAUNCHERS:
        rank, size = (os.environ.get(f"{name}_{what}", "") for what in ("RANK", "SIZE"))
        if size.isdecimal() and int(size) > 1:
            return int(rank) if rank.isdecimal() else 0, int(size)
    return 0, 1


def find_world(options: Any) -> World:
    """The ranks that train together, of which each does some of the shards of the options.

    Raises ValueError where there are more ranks than shards, or each rank sees itself alone, and
    ImportError where mpi4py is not installed.
    """
    asked, shards = launched()[1], getattr(options, "shards", None)
    if shards is None or (asked == 1 and "mpi4py.MPI" not in sys.modules):
        return ALONE
    world = _mpi()
    if world.size == 1 and asked > 1:
        raise ValueError(
            f"mpiexec started {asked} ranks, but each sees itself alone, because it belongs to "
            "another MPI than mpi4py uses; start it as "
            f"{os.path.join(os.path.dirname(sys.executable), 'mpiexec')}, or install mpi4py anew."
        )
    if world.size > shards:
        raise ValueError(
            f"shards is {shards}, but there are {world.size} ranks, and each needs a shard; give "
            f"shards={world.size}, or start {shards} ranks."
        )
    return world


@cache
def _mpi() -> World:
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: there is no library of MPI
        raise ImportError(
            f"training over ranks needs mpi4py and MPI ({error}): pip install 'minilstm[mpi]'."
        ) from error
    comm = MPI.COMM_WORLD
    if comm.size == 1:
        return ALONE
    world = World(comm)
    _share_cores(world, comm.Split_type(MPI.COMM_TYPE_SHARED))
    before = sys.excepthook

    def end_all(kind: type[BaseException], error: BaseException, tb: TracebackType | None) -> None:
        before(kind, error, tb)
        world.failed(error)

    sys.excepthook = end_all
    return world


def _share_cores(world: World, node: Any) -> None:
    """Give each rank its part of the cores that ranks of this machine share."""
    mine = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    sharing = node.allgather(mine).count(mine)
    world.threads = max(1, min(get_num_threads(), host().cores() // sharing))
    set_num_threads(world.threads)
