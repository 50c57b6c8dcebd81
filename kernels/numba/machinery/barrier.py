"""A meeting point for the threads of one kernel, once a time step: no lock, no system call.
Each thread counts its steps in a place of its own; to wait is to read the others' counts."""

from __future__ import annotations

import platform

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minilstm.kernels.numba.machinery.compiling import inner, kernel
from minilstm.kernels.numba.machinery.simd import data_of

COUNT_DISTANCE = 16  # int64 from one thread's count to the next: two cache lines, so none is shared
READS_OF_A_STEP = 4000  # the same without pauses: some microseconds, about a time step
READS_OF_A_CALL = 15_000  # while which a caller hands its arguments over: about 3 microseconds
NOT_CALLED, CALLED, CALLED_FROM_HERE = range(3)
READS_BEFORE_PAUSE, PAUSES_BEFORE_YIELD = 256, 64  # of a thread that watches for long
_CAN_YIELD = llvm.address_of_symbol("sched_yield") is not None
_yield = types.ExternalFunction("sched_yield", types.int32())
_KNOWS_CORE = llvm.address_of_symbol("sched_getcpu") is not None
_core = types.ExternalFunction("sched_getcpu", types.int32())
_ARCHITECTURE = platform.machine()


def make_counts(team: int) -> np.ndarray:
    """Counts of a team of threads, beside each its long waits; place 0 is the sign to give up."""
    return np.zeros((team + 1) * COUNT_DISTANCE, np.int64)


@intrinsic
def set_count(typing, counts, at, value):
    """Write a count after everything this thread has written before."""

    def generate(context, builder, sig, args):
        place = builder.gep(data_of(context, builder, sig, args, 0), [args[1]])
        builder.store_atomic(args[2], place, ordering="release", align=8)
        return context.get_dummy_value()

    return types.void(counts, types.int64, types.int64), generate


@intrinsic
def get_count(typing, counts, at):
    """Read a count before everything this thread reads after."""

    def generate(context, builder, sig, args):
        place = builder.gep(data_of(context, builder, sig, args, 0), [args[1]])
        return builder.load_atomic(place, ordering="acquire", align=8)

    return types.int64(counts, types.int64), generate


@intrinsic
def claim(typing, counts, at, old, new):
    """Change a count from old to new; False where another thread was first, or it is not old."""

    def generate(context, builder, sig, args):
        place = builder.gep(data_of(context, builder, sig, args, 0), [args[1]])
        both = builder.cmpxchg(place, args[2], args[3], "acq_rel", "acquire")
        return builder.extract_value(both, 1)

    return types.boolean(counts, types.int64, types.int64, types.int64), generate


@intrinsic
def pause(typing):
    """Let the other half of a processor core go first for a moment."""

    def generate(context, builder, sig, args):
        number, hint = ir.IntType(32), None
        if _ARCHITECTURE in ("x86_64", "AMD64"):
            hint = "llvm.x86.sse2.pause", []
        elif _ARCHITECTURE in ("aarch64", "arm64"):
            hint = "llvm.aarch64.hint", [number(1)]
        if hint is not None:
            signature = ir.FunctionType(ir.VoidType(), [a.type for a in hint[1]])
            function = cgutils.get_or_insert_function(builder.module, signature, hint[0])
            builder.call(function, hint[1])
        return context.get_dummy_value()

    return types.void(), generate


@inner
def meet(counts, me, team, count):
    """Say that this thread has finished step `count`, and wait until all of the team have.

    False says that the wait was given up.
    """
    if team == 1:
        return True
    set_count(counts, (me + 1) * COUNT_DISTANCE, count)
    for other in range(1, team + 1):
        spins = 0
        while get_count(counts, other * COUNT_DISTANCE) < count:
            spins += 1
            if spins % READS_BEFORE_PAUSE == 0:
                pause()
            if spins >= READS_OF_A_STEP:
                if get_count(counts, 0) != 0:
                    return False
                counts[(me + 1) * COUNT_DISTANCE + 1] += 1
                if _CAN_YIELD:
                    _yield()
                spins = READS_OF_A_STEP // 2
    return True


@inner
def rest(reads):
    """A moment between two reads of a count that may be watched for long.

    A virtual machine is stopped for microseconds where a loop pauses again and again, as if it
    waited in vain; so this one rarely does.
    """
    if reads % READS_BEFORE_PAUSE == READS_BEFORE_PAUSE - 1:
        pause()
        last = PAUSES_BEFORE_YIELD - 1
        if _CAN_YIELD and reads // READS_BEFORE_PAUSE % PAUSES_BEFORE_YIELD == last:
            _yield()


@inner
def await_at(counts, at, count):
    """Wait until the count there is so large: for a thread that is known to be at work on it."""
    reads = 0
    while get_count(counts, at) < count:
        rest(reads)
        reads += 1


@inner
def this_core():
    """Number of the core that this thread has just now; -1 where the system does not tell."""
    return np.int64(_core()) if _KNOWS_CORE else np.int64(-1)


@inner
def shares_core(other):
    """Whether this thread has the core that another one said it had."""
    return other >= 0 and other == this_core()


@kernel("void(i8[::1], i8, i8)")
def publish(counts, place, count):
    """Set the count in one place, after everything this thread has written before."""
    counts[place * COUNT_DISTANCE + 1] = this_core()
    set_count(counts, place * COUNT_DISTANCE, count)


@kernel("b1(i8[::1], i8, i8, i8)")
def await_count(counts, place, count, reads):
    """Wait for a count in one place, for so many reads at most; whether it came."""
    for n in range(reads):
        if get_count(counts, place * COUNT_DISTANCE) >= count:
            return True
        rest(n)
    return False


@kernel("i8(i8[::1], i8[::1], i8, i8, i8)")
def answer_and_await(answered, called, place, count, reads):
    """Publish the last answer, then wait for call number `count`, for so many reads at most.

    One kernel does both, so nobody fights for the GIL in between. It lingers after a call, until
    the caller has let go of the GIL: who asks for it a moment early is put to sleep.

    Returns NOT_CALLED, CALLED, or CALLED_FROM_HERE by a thread that has this core.
    """
    set_count(answered, place * COUNT_DISTANCE, count - 1)
    for n in range(reads):
        if get_count(called, place * COUNT_DISTANCE) >= count:
            if shares_core(called[place * COUNT_DISTANCE + 1]):
                return CALLED_FROM_HERE
            for _ in range(READS_OF_A_CALL):
                if get_count(called, place * COUNT_DISTANCE) < 0:
                    break
            return CALLED
        rest(n)
    return NOT_CALLED


def long_waits(counts: np.ndarray) -> int:
    """How often a thread of a team waited for longer than a step takes."""
    return int(counts[COUNT_DISTANCE + 1 :: COUNT_DISTANCE].sum())


def give_up(counts: np.ndarray) -> None:
    """Let every waiting thread return; for when one of them never came."""
    counts[0] = 1
