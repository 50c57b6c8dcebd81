"""The kernels of a streamed step: a whole network in one call, alone or with a crew that helps.
The sums are those of whole sequences, tile for tile, so the scores have the same bits.

A network comes as a table of whole numbers, a row a layer, that says what the layer does, how large
it is, and where its numbers lie in two flat arrays: `weights`, which streams of one network share,
and `memory`, which each has for itself. A plan says where these arrays are. So one compilation a
dtype serves every network.

With a crew (`stream_crew.py`) the units of an LSTM are cut into parts. The caller writes what is to
be done into the crew's `posts` and counts it. Whoever claims a part first computes it: its own
member, or the caller, who takes what no member has begun. So no step waits for a thread to wake.

Axes: B streams that step together, D features, H hidden units, C outputs, V lanes of a vector.
"""

from __future__ import annotations

import numpy as np

from minilstm.kernels.numba.lstm_cell import cell_forward
from minilstm.kernels.numba.machinery.addresses import numbers_at
from minilstm.kernels.numba.machinery.barrier import (
    await_at,
    claim,
    get_count,
    rest,
    set_count,
    shares_core,
    this_core,
)
from minilstm.kernels.numba.machinery.buffers import LINE_BYTES
from minilstm.kernels.numba.machinery.compiling import inner, kernel
from minilstm.kernels.numba.machinery.hardware import REGISTER_BYTES, TILE_ROWS
from minilstm.kernels.numba.machinery.panels import gate_vectors
from minilstm.kernels.numba.machinery.register_tile import make_product
from minilstm.kernels.numba.machinery.simd import prefetch
from minilstm.kernels.numba.machinery.tiled_rows import affine_rows, set_rows
from minilstm.kernels.numba.softmax import softmax_row

# Columns of the table. Every *_AT is an offset: WEIGHTS_AT and BIAS_AT in `weights`, the others in
# `memory`. Rows of a layer's input and output are whole vectors, so no loop has a remainder.
# GATE and STATE are the numbers of an LSTM's activations.
KIND, INPUTS, OUTPUTS, WEIGHTS_AT, BIAS_AT, FROM_AT, TO_AT, CELL_AT, SUMS_AT = range(9)
GATE, STATE, COLUMNS = range(9, 12)
KINDS = ("sequence_input", "lstm", "fully_connected", "softmax")
INPUT, LSTM, FULLY_CONNECTED, SOFTMAX = range(4)

# Places in a plan. TABLE, WEIGHTS, MEMORY, ENTRY and POSTS are addresses. ENTRY holds the constants
# of the input's normalisation, which are float64 in every network; CONSTANTS says how many rows.
STREAMS, LAYERS, TABLE, WEIGHTS, WEIGHTS_SIZE, MEMORY, MEMORY_SIZE, ENTRY, CONSTANTS = range(9)
THREADS, MEMBERS, POSTS, TURN, PLAN = range(9, 14)  # TURN changes from step to step

# Places in posts: whether a step has it, and on which core that runs; what was posted, counted, and
# what it is; then three counts of each member. What is read together shares a cache line: fetching
# one from another core takes as long as a thousand multiply-adds.
OWNER, OWNER_CORE, POSTED = 0, 1, 16
JOB_PLAN, JOB_LAYER, JOB_FIRST, JOB_END, JOB_PARTS, JOB_TURN, JOB_INPUT = range(17, 24)
CLAIMED, DONE, WATCHES, EACH_MEMBER = 32, 33, 48, 32  # the first member's; from one to the next

PART_MULTIPLY_ADDS = 15_000  # multiply-adds of a step that a thread more must find to do
REFUSED, STEPPED, STEPPED_ALONE = range(3)  # what `step` returns
IDLE, SERVED, TOO_LATE = range(3)  # what `serve` returns
INPUT_LINES = 16  # cache lines of its input that a member asks for before it claims its part
WALK = 8  # vectors of outputs from which the walk through the weights may turn round

_one_row = make_product(1, (WALK, 4, 3, 2, 1), "bias")


@inner
def _whole(n, V):
    """The smallest multiple of V that holds n."""
    return (n + V - 1) // V * V


@inner
def _sums(rows, memory, xh, K, weights, at, V, q, q_last, z, width, turn):
    """Line (1) of the twin for vectors q to q_last: panels of 1 + K rows, from either end.

    Where the weights do not fit the cache, a walk that begins where the last one ended finds there
    what that one read last; a walk from the same end would find nothing.
    """
    panel, walks = (1 + K) * V, (q_last - q + WALK - 1) // WALK
    for n in range(walks):
        first = q + WALK * (walks - 1 - n if turn else n)
        last = min(first + WALK, q_last)
        if rows > 1:
            affine_rows(
                rows, memory, xh, K, 1, K, weights, at, panel, first, last, memory, z, 4 * width,
                V, 4 * V,
            )  # fmt: skip
        else:
            _one_row(
                memory, xh, K, 1, K, weights, at, panel, first, last, memory, z, 4 * width, V, 4 * V
            )


@inner
def _part(B, V, layer, weights, memory, first, end, part, parts, turn):
    """Lines (1) to (5) for streams first to end and one part of the units.

    x_t and h_{t-1} lie side by side already; h and c are replaced in place.
    """
    D, H, h, c, z = layer[INPUTS], layer[OUTPUTS], layer[TO_AT], layer[CELL_AT], layer[SUMS_AT]
    width = _whole(H, V)
    blocks = width // V
    # The first part, which is the caller's, is the one that may be larger.
    unit = (blocks * part + parts - 1) // parts * V
    unit_last = min(H, (blocks * (part + 1) + parts - 1) // parts * V)
    xh = z + min(B, TILE_ROWS) * 4 * width
    _sums(
        end - first, memory, xh, D + H, weights, layer[WEIGHTS_AT], V, unit // V * 4,
        gate_vectors(unit_last, V), z, width, turn,
    )  # (1)  # fmt: skip
    at, state = z + 4 * unit, first * width + unit
    rows, units, row, h, c = end - first, unit_last - unit, 4 * width, h + state, c + state
    if layer[GATE] == 0 and layer[STATE] == 0:
        cell_forward(
            rows, units, memory, at, row, memory, at, row, 0, memory, c, memory, c,
            memory, h, width, None, None,
        )  # fmt: skip
    else:
        cell_forward(
            rows, units, memory, at, row, memory, at, row, 0, memory, c, memory, c,
            memory, h, width, layer[GATE], layer[STATE],
        )  # fmt: skip


@inner
def _together(plan_at, plan, n, posts, V, layer, weights, memory, xh, first, end, parts, turn):
    """`_part` for all parts; the caller has the first one, and every other that no member began."""
    count, B = get_count(posts, POSTED) + 1, plan[STREAMS]
    posts[JOB_PLAN], posts[JOB_LAYER], posts[JOB_FIRST] = plan_at, n, first
    posts[JOB_END], posts[JOB_PARTS], posts[JOB_TURN] = end, parts, turn
    posts[JOB_INPUT] = plan[MEMORY] + xh * memory.itemsize
    for k in range(parts - 1, plan[MEMBERS]):  # for whom there is no part
        set_count(posts, CLAIMED + k * EACH_MEMBER, count)
    set_count(posts, POSTED, count)
    _part(B, V, layer, weights, memory, first, end, 0, parts, turn)
    for k in range(parts - 1):
        mine = k * EACH_MEMBER
        if get_count(posts, CLAIMED + mine) < count and claim(
            posts, CLAIMED + mine, count - 1, count
        ):
            _part(B, V, layer, weights, memory, first, end, 1 + k, parts, turn)
            set_count(posts, DONE + mine, count)
    for k in range(parts - 1):
        await_at(posts, DONE + k * EACH_MEMBER, count)


@inner
def _lstm(plan_at, plan, n, team, posts, V, layer, weights, memory):
    """One step of an LSTM; streams go in tiles."""
    B, D, H, h, x = plan[STREAMS], layer[INPUTS], layer[OUTPUTS], layer[TO_AT], layer[FROM_AT]
    x_row, width = _whole(D, V), _whole(H, V)
    xh = layer[SUMS_AT] + min(B, TILE_ROWS) * 4 * width
    tiles = (B + TILE_ROWS - 1) // TILE_ROWS
    for tile in range(tiles):
        first, end = B * tile // tiles, B * (tile + 1) // tiles
        for r in range(first, end):  # x_t and h_{t-1} side by side, for one sum over both
            at = xh + (r - first) * (D + H)
            for j in range(D):
                memory[at + j] = memory[x + r * x_row + j]
            for j in range(H):
                memory[at + D + j] = memory[h + r * width + j]
        turn = (plan[TURN] + tile) % 2
        worth = 1 + (end - first) * 4 * width * (1 + D + H) // PART_MULTIPLY_ADDS
        parts = min(team, worth, width // V)
        if parts == 1:
            _part(B, V, layer, weights, memory, first, end, 0, 1, turn)
        else:
            _together(
                plan_at, plan, n, posts, V, layer, weights, memory, xh, first, end, parts, turn
            )


@inner
def _fully_connected(B, V, layer, weights, memory):
    """Line (1) of `minilstm.functional.fully_connected`."""
    K, C, x, y, bias = layer[INPUTS], layer[OUTPUTS], layer[FROM_AT], layer[TO_AT], layer[BIAS_AT]
    x_row, y_row = _whole(K, V), _whole(C, V)
    set_rows(
        B, memory, x, x_row, 1, K, weights, layer[WEIGHTS_AT], K * V, 0, y_row // V,
        memory, y, y_row, V, 4 * V,
    )  # fmt: skip
    for r in range(B):
        for j in range(C):
            memory[y + r * y_row + j] += weights[bias + j]


@inner
def _enter(B, V, layer, entry, constants, memory, x):
    """The input, normalised; False where a number of it is not finite.

    Equation (1) of `minilstm.functional.sequence_input` has its shift, scale and offset in the
    rows of `entry`, those that there are; it is computed in float64 and rounded once.
    """
    D, to, finite = layer[OUTPUTS], layer[TO_AT], True
    x_row = _whole(D, V)
    for r in range(B):
        for j in range(D):
            at = to + r * x_row + j
            memory[at] = x[r * D + j]
            if constants > 0:
                wide = np.float64(x[r * D + j]) - entry[j]
                if constants > 1:
                    wide /= entry[D + j]
                if constants > 2:
                    wide += entry[2 * D + j]
                memory[at] = wide
            finite &= np.isfinite(memory[at])
    return finite


@inner
def _team(plan, posts):
    """(threads that may work on this step, whether a member of them sleeps)."""
    awake, members = 0, min(plan[THREADS] - 1, plan[MEMBERS])
    for k in range(members):
        awake += get_count(posts, WATCHES + k * EACH_MEMBER)
    if awake > 0 and claim(posts, OWNER, 0, 1):
        posts[OWNER_CORE] = this_core()
        return members + 1, awake < members
    return 1, awake < members


@kernel("i8(i8, F[:], F[::1])")
def step(plan_at, x, out):
    """One step of B streams: REFUSED, with every state unchanged, where x is not finite.

    x has B D numbers, in any layout; out has B C. STEPPED_ALONE says that a member was asleep.
    """
    # Each array that is an argument costs a tenth of a small network's step: addresses do not.
    plan = numbers_at(plan_at, PLAN, plan_at)  # (PLAN,)
    B, last = plan[STREAMS], plan[LAYERS] - 1
    table = numbers_at(plan[TABLE], (last + 1) * COLUMNS, plan_at)  # (layers COLUMNS,)
    memory = numbers_at(plan[MEMORY], plan[MEMORY_SIZE], out)
    weights = numbers_at(plan[WEIGHTS], plan[WEIGHTS_SIZE], out)
    entry = numbers_at(plan[ENTRY], 3 * table[OUTPUTS], 0.0)  # (0 to 3 D,)
    V = REGISTER_BYTES // memory.itemsize
    if not _enter(B, V, table[:COLUMNS], entry, plan[CONSTANTS], memory, x):
        return REFUSED
    posts = numbers_at(plan[POSTS], CLAIMED + plan[MEMBERS] * EACH_MEMBER, plan_at)
    team, asleep = 1, False
    if plan[THREADS] > 1:
        team, asleep = _team(plan, posts)
    for n in range(1, last + 1):
        layer = table[n * COLUMNS : (n + 1) * COLUMNS]  # (COLUMNS,)
        if layer[KIND] == LSTM:
            _lstm(plan_at, plan, n, team, posts, V, layer, weights, memory)
        elif layer[KIND] == FULLY_CONNECTED:
            _fully_connected(B, V, layer, weights, memory)
        else:
            row = _whole(layer[OUTPUTS], V)
            for r in range(B):
                z, y = layer[FROM_AT] + r * row, layer[TO_AT] + r * row
                softmax_row(memory[z : z + layer[OUTPUTS]], memory[y : y + layer[OUTPUTS]])
    if team > 1:
        set_count(posts, OWNER, 0)
    plan[TURN] = (plan[TURN] + (B + TILE_ROWS - 1) // TILE_ROWS) % 2
    C, y = table[last * COLUMNS + OUTPUTS], table[last * COLUMNS + TO_AT]
    for r in range(B):
        for k in range(C):
            out[r * C + k] = memory[y + r * _whole(C, V) + k]
    return STEPPED_ALONE if asleep else STEPPED


@kernel("i8(i8[::1], i8, i8, F[::1])")
def serve(posts, k, reads, like):
    """Compute what is posted for member k until nothing came for so many reads.

    Returns IDLE where nothing came at all, SERVED, or at once TOO_LATE, as the caller has its core.

    `like` (0,) says the dtype alone.
    """
    V = REGISTER_BYTES // like.itemsize
    mine, idle, came = k * EACH_MEMBER, 0, IDLE
    seen = get_count(posts, CLAIMED + mine)
    while idle < reads:
        count = get_count(posts, POSTED)
        if count == seen:
            rest(idle)
            idle += 1
            continue
        seen, idle, came = count, 0, SERVED
        # What is read here may belong to a later post, but then the claim fails.
        plan_at, n, parts = posts[JOB_PLAN], posts[JOB_LAYER], posts[JOB_PARTS]
        first, end, turn = posts[JOB_FIRST], posts[JOB_END], posts[JOB_TURN]
        near = numbers_at(posts[JOB_INPUT], 0, like)
        for line in range(INPUT_LINES):
            prefetch(near, line * LINE_BYTES // like.itemsize)
        if claim(posts, CLAIMED + mine, count - 1, count):
            plan = numbers_at(plan_at, PLAN, plan_at)  # (PLAN,)
            memory = numbers_at(plan[MEMORY], plan[MEMORY_SIZE], like)
            weights = numbers_at(plan[WEIGHTS], plan[WEIGHTS_SIZE], like)
            layer = numbers_at(plan[TABLE] + n * COLUMNS * 8, COLUMNS, plan_at)  # (COLUMNS,)
            _part(plan[STREAMS], V, layer, weights, memory, first, end, 1 + k, parts, turn)
            set_count(posts, DONE + mine, count)
        elif shares_core(posts[OWNER_CORE]):
            return TOO_LATE
    return came
