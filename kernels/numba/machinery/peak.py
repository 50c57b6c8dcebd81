"""How many multiply-adds this machine can do a second, measured with nothing else in the way.
Chains of fused multiply-adds that never leave the registers: no kernel can be faster than this.
"""

from __future__ import annotations

import time

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from minilstm.kernels.numba.machinery.compiling import kernel
from minilstm.kernels.numba.machinery.hardware import REGISTER_BYTES, REGISTERS
from minilstm.kernels.numba.machinery.simd import Lane, Value, data_of, number
from minilstm.kernels.numba.machinery.threads import get_num_threads, run

LANES = REGISTER_BYTES // 4  # float32 numbers in a register
CHAINS = REGISTERS - 4  # independent sums: more than two or four pipes of latency 4 can hold
FLOPS = 2 * LANES * CHAINS  # of one turn of the loop
SHORTEST_SECONDS = 0.02  # seconds of one measurement
MEASUREMENTS = 5  # that are long enough; the fastest of them counts


@intrinsic
def _chains(typing, steps, numbers, out):
    """`steps` (at least 1) times sum = sum * numbers[0] + numbers[1], in all chains; to `out`."""
    signature = types.void(steps, numbers, out)

    def generate(context, builder, sig, args):
        lane = Lane(builder, numbers.dtype)
        numbers_data, out_data = (data_of(context, builder, sig, args, n) for n in (1, 2))
        factor, term = (lane.spread(builder.gep(numbers_data, [number(n)])) for n in (0, 1))
        places = [number(n * LANES) for n in range(CHAINS)]
        start = [lane.load(out_data, place) for place in places]
        entry = builder.block
        loop, done = builder.append_basic_block("fma_loop"), builder.append_basic_block("fma_done")
        builder.branch(loop)
        builder.position_at_end(loop)
        step = builder.phi(ir.IntType(64))
        held = [builder.phi(lane.vector) for _ in places]
        sums = [Value(builder, h) * factor + term for h in held]
        following = builder.add(step, number(1))
        step.add_incoming(number(0), entry)
        step.add_incoming(following, loop)
        for phi, first, total in zip(held, start, sums, strict=True):
            phi.add_incoming(first.value, entry)
            phi.add_incoming(total.value, loop)
        builder.cbranch(builder.icmp_signed("<", following, args[0]), loop, done)
        builder.position_at_end(done)
        for total, place in zip(sums, places, strict=True):
            lane.store(total, out_data, place)
        return context.get_dummy_value()

    return signature, generate


@kernel("void(i8, F[::1], F[::1])")
def multiply_add(steps, numbers, out):
    """CHAINS vectors in `out`, each `steps` times multiplied by numbers[0] and added to."""
    _chains(steps, numbers, out)


def multiply_add_peak() -> float:
    """Most float32 multiply-adds of all threads together.

    Returns
    -------
    GFLOP/s, a multiply-add counted as two; the best of a few tries of some hundredths of a second
    """
    numbers = np.array([0.5, 1.0], np.float32)  # the sums settle at 2
    out = [np.zeros(CHAINS * LANES, np.float32) for _ in range(get_num_threads())]
    multiply_add(1, numbers, out[0])  # compiles, or is read from the cache
    steps, best, tries = 1 << 16, 0.0, 0
    while tries < MEASUREMENTS:
        started = time.perf_counter()
        run(multiply_add, [(steps, numbers, sums) for sums in out])
        seconds = time.perf_counter() - started
        if seconds < SHORTEST_SECONDS:
            steps *= 2
            continue
        best, tries = max(best, steps * FLOPS * len(out) / seconds / 1e9), tries + 1
    return best
