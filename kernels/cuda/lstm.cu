// The time loop of an LSTM as one launch: the recurrent weights stay in registers and shared memory.
// A group of blocks runs some of the sequences through all of time and meets once a step.
//
// The numbered lines are those of `functional/lstm.py`. In a group every block has some units, and
// their share of R; what a step needs of the other units, h forward and dz backward, is exchanged.
// A group looks at the lengths of its own sequences alone and never waits for another group.
//
// HELD and HELD_BACK of the rounds of k keep their weights in registers, the rest in shared memory.

#include "device.cuh"
#include "lstm_cell.cuh"
#include "lstm_group.cuh"

// Rounds in which the lanes of a team walk along k, four numbers each.
#define ROUNDS ((HIDDEN + 4 * LANES - 1) / (4 * LANES))
#define ROUNDS_BACK ((HIDDEN + 31) / 32)
#define QUADS (ROUNDS * LANES)  // of h, with zeros behind its end
// In backward a team is a warp and has so many units; k runs over units, and over their four gates.
#define OUTS (32 / LANES)
#define UNITS_BACK (32 * ROUNDS_BACK)  // of dz, with zeros behind its end
#define LOADED (ROWS_BACK < 8 ? ROWS_BACK : 8)  // rows of dz that a thread reads at once
#define GATES_OF_LANE (ROWS == 1 ? 1 : 4)  // in forward
#define TILES (EXCHANGE == 2 ? 1 : 2)  // used in turn, where other blocks write into the next one

// The four gates of a unit lie a layer's width apart in memory.
DEVICE void put_gates(REAL *place, Gates a)
{
    place[0] = a.i;
    place[HIDDEN] = a.f;
    place[2 * HIDDEN] = a.g;
    place[3 * HIDDEN] = a.o;
}

// Line (1) for four gates of one unit: `sums` (ROWS, 4) += weights times h.
DEVICE void add_round(REAL *sums, const real4 *weights, int apart, const real4 *h)
{
    real4 w[4];
    UNROLL for (int gate = 0; gate < 4; gate++)
        w[gate] = weights[gate * apart];
    UNROLL for (int r = 0; r < ROWS; r++) {
        real4 k = h[r * QUADS];
        UNROLL for (int gate = 0; gate < 4; gate++)
            sums[4 * r + gate] = dot4(w[gate], k, sums[4 * r + gate]);
    }
}

// `gates` (N, 4H) holds W x and becomes the activated gates; slot 0 of `h` and `c` is set.
KERNEL GROUP lstm_forward(REAL *gates, const REAL *bias, const REAL *R, int64 down, int64 across,
                          const int64 *lengths, int64 B, int64 N, int64 rows, REAL *h, REAL *c,
                          unsigned *arrived)
{
    SHARED_MEMORY(shared);
    real4 *stored = (real4 *)shared;                              // (ROUNDS - HELD, 4, THREADS)
    real4 *tiles = stored + (ROUNDS - HELD) * 4 * THREADS;        // (TILES, ROWS, QUADS) h_{t-1}
    REAL *cell = (REAL *)(tiles + TILES * ROWS * QUADS);          // (rows, UNITS) c_{t-1}
    real4 held[4 * HELD + 1];                                     // (HELD, 4)

    const int me = threadIdx.x, team = me / LANES, lane = me % LANES;
    const int group = blockIdx.x / BLOCKS, rank = blockIdx.x % BLOCKS, u = rank * UNITS + team;
    const int works = team < UNITS && u < HIDDEN;
    const int first = group * (int)rows, last = (int)(first + rows < B ? first + rows : B);

    UNROLL for (int q = 0; q < ROUNDS; q++) {
        UNROLL for (int gate = 0; gate < 4; gate++) {
            REAL w[4];
            UNROLL for (int i = 0; i < 4; i++) {
                int k = 4 * (q * LANES + lane) + i;
                w[i] = works && k < HIDDEN ? R[(gate * HIDDEN + u) * down + k * across] : 0;
            }
            real4 four = {w[0], w[1], w[2], w[3]};
            if (q < HELD)
                held[4 * q + gate] = four;
            else
                stored[((q - HELD) * 4 + gate) * THREADS + me] = four;
        }
    }
    for (int i = me; i < TILES * ROWS * QUADS * 4; i += THREADS) {
        int r = i / (QUADS * 4), k = i % (QUADS * 4);
        int set = r < ROWS && first + r < last && k < HIDDEN;
        ((REAL *)tiles)[i] = set ? h[(int64)(first + r) * HIDDEN + k] : 0;
    }
    for (int i = me; i < (last - first) * UNITS; i += THREADS) {
        int own = rank * UNITS + i % UNITS;
        cell[i] = own < HIDDEN ? c[(int64)(first + i / UNITS) * HIDDEN + own] : 0;
    }
    // Of one row a lane has one gate; of LANES rows it has all four gates of one.
    const int own_gate = ROWS == 1 ? lane * 4 / LANES : 0;
    REAL own_bias[GATES_OF_LANE];
    UNROLL for (int i = 0; i < GATES_OF_LANE; i++)
        own_bias[i] = works ? bias[(own_gate + i) * HIDDEN + u] : 0;
    const int steps = (int)lengths[first];
    begin_together();

    int running = (int)B, earlier = running;  // sequences of step t, and of slot t
    int64 before = 0;                         // slot t
    for (int t = 0; t < steps; t++) {
        const int64 now = before + earlier, start = now - B;  // slot t + 1, first row of step t
        const int n = (running < last ? running : last) - first, more = t + 1 < steps;
        real4 *tile = tiles + t % TILES * ROWS * QUADS;
        real4 *next = tiles + (t + 1) % TILES * ROWS * QUADS;
        (void)next;  // a grid has none
        for (int pass = 0; pass < n; pass += ROWS) {
#if EXCHANGE == 2
            if (t > 0 || pass > 0) {
                if (pass > 0)
                    BLOCK_BARRIER();  // all have read the tile
                const REAL *from = h + (before + first + pass) * HIDDEN;
                for (int k = me; k < HIDDEN; k += THREADS) {
                    REAL loaded[ROWS];  // all on their way before the first is stored
                    UNROLL for (int r = 0; r < ROWS; r++)
                        loaded[r] = pass + r < n ? LOAD_FROM_L2(from + r * HIDDEN + k) : 0;
                    UNROLL for (int r = 0; r < ROWS; r++)
                        ((REAL *)(tile + r * QUADS))[k] = loaded[r];
                }
                BLOCK_BARRIER();
            }
#endif
            const int r = pass + (ROWS == 1 ? 0 : lane);
            const int active = works && r < n;
            const int64 at = (start + first + r) * 4 * HIDDEN + u;
            REAL z[GATES_OF_LANE] = {0};  // not added to before the product, as its loads take time
            if (active) {
                UNROLL for (int i = 0; i < GATES_OF_LANE; i++)
                    z[i] = gates[at + (own_gate + i) * HIDDEN];
            }
            const REAL c_before = active ? cell[r * UNITS + team] : 0;

            REAL sums[4 * ROWS];  // (ROWS, 4)
            UNROLL for (int i = 0; i < 4 * ROWS; i++)
                sums[i] = 0;
            UNROLL for (int q = 0; q < HELD; q++)
                add_round(sums, held + 4 * q, 1, tile + q * LANES + lane);
            UNROLL for (int q = HELD; q < ROUNDS; q++)
                add_round(sums, stored + (q - HELD) * 4 * THREADS + me, THREADS,
                          tile + q * LANES + lane);
            add_lanes(sums, 4 * ROWS, LANES);
            WARP_BARRIER();  // all lanes of a row have read the cell state, which one of them writes

            UNROLL for (int i = 0; i < GATES_OF_LANE; i++)
                z[i] += own_bias[i] + sums[i];  // (1)
            Gates a;
#if ROWS == 1
            const REAL own = own_gate == 2 ? state_activation(z[0])  // (3)
                                           : gate_activation(z[0]);  // (2)
            const int base = me % 32 - lane, quarter = LANES / 4;
            a.i = WARP_FROM(own, base);
            a.f = WARP_FROM(own, base + quarter);
            a.g = WARP_FROM(own, base + 2 * quarter);
            a.o = WARP_FROM(own, base + 3 * quarter);
            const int sharers = LANES;
#else
            Gates line = {z[0], z[1], z[2], z[3]};
            a = activated(line);
            const int sharers = 1;
#endif
            const REAL c_now = cell_state(a, c_before);     // (4)
            const REAL h_now = hidden_state(a, c_now);      // (5)
            const int part = ROWS == 1 ? lane : 0;          // which of those that have this row
            const int64 slot = (now + first + r) * HIDDEN + u;
            if (active && part == 0)
                cell[r * UNITS + team] = c_now;
            if (active && EXCHANGE == 2)
                send(h + slot, h_now, part, sharers);
            else if (active && more)
                send((REAL *)(next + (r - pass) * QUADS) + u, h_now, part, sharers);
            if (more && pass + ROWS >= n)
                arrive(arrived + 32 * group);
            // What no other block waits for is done while the others come.
            if (active && part == 0) {
                put_gates(gates + at, a);
                c[slot] = c_now;
                if (EXCHANGE != 2)
                    h[slot] = h_now;
            }
            const int64 rows_early = AHEAD * (int64)running;
            if (active && start + first + r + rows_early < N) {
                UNROLL for (int i = 0; i < GATES_OF_LANE; i++)
                    PREFETCH(gates + at + (4 * rows_early + own_gate + i) * HIDDEN);
            }
        }
        before = now, earlier = running;
        if (more) {
            while (lengths[running - 1] <= t + 1)
                running--;
            wait_for_all(arrived + 32 * group, (unsigned)t);
        }
    }
}

// Line (1) in reverse for a team's units: `sums` (ROWS_BACK, OUTS) += dz times columns of R.
DEVICE void add_round_back(REAL *sums, const real4 *weights, int apart, const real4 *dz)
{
    real4 w[OUTS];
    UNROLL for (int j = 0; j < OUTS; j++)
        w[j] = weights[j * apart];
    UNROLL for (int r = 0; r < ROWS_BACK; r++) {
        real4 k = dz[r * UNITS_BACK];
        UNROLL for (int j = 0; j < OUTS; j++)
            sums[OUTS * r + j] = dot4(w[j], k, sums[OUTS * r + j]);
    }
}

// Four gates that another block may have written; zeros where nothing is `there`.
DEVICE real4 load_gates(const REAL *place, int there)
{
    real4 four = {0, 0, 0, 0};
    if (there) {
        four.x = LOAD_FROM_L2(place);
        four.y = LOAD_FROM_L2(place + HIDDEN);
        four.z = LOAD_FROM_L2(place + 2 * HIDDEN);
        four.w = LOAD_FROM_L2(place + 3 * HIDDEN);
    }
    return four;
}

// `dz` may be the memory of `gates`; `dh`, `dh_last` and `dc_last` are null where they are zero.
KERNEL GROUP lstm_backward(REAL *dz, const REAL *gates, const REAL *c, const REAL *dh,
                           const REAL *dh_last, const REAL *dc_last, const REAL *R, int64 down,
                           int64 across, const int64 *lengths, int64 B, int64 rows, REAL *dh0,
                           REAL *dc0, unsigned *arrived)
{
    SHARED_MEMORY(shared);
    real4 *stored = (real4 *)shared;                                     // (rounds, OUTS, THREADS)
    real4 *tiles = stored + (ROUNDS_BACK - HELD_BACK) * OUTS * THREADS;  // (TILES, ROWS_BACK, units) dz
    REAL *cell = (REAL *)(tiles + TILES * ROWS_BACK * UNITS_BACK);            // (rows, UNITS) dc_next
    real4 held[OUTS * HELD_BACK + 1];                                    // (HELD_BACK, OUTS)

    // After the sum over its warp a lane has one unit of one row; `sharers` lanes have the same.
    const int me = threadIdx.x, lane = me % 32, which = lane * OUTS * ROWS_BACK / 32;
    const int sharers = 32 / (OUTS * ROWS_BACK), part = lane % sharers;
    const int team = me / 32 * OUTS, unit = team + which % OUTS;
    const int group = blockIdx.x / BLOCKS, rank = blockIdx.x % BLOCKS, u = rank * UNITS + unit;
    const int works = unit < UNITS && u < HIDDEN;
    const int first = group * (int)rows, last = (int)(first + rows < B ? first + rows : B);
    const int steps = (int)lengths[first];

    UNROLL for (int q = 0; q < ROUNDS_BACK; q++) {
        UNROLL for (int j = 0; j < OUTS; j++) {
            const int k = 32 * q + lane, out = rank * UNITS + team + j;
            const int there = team + j < UNITS && out < HIDDEN && k < HIDDEN;
            REAL w[4];
            UNROLL for (int gate = 0; gate < 4; gate++)
                w[gate] = there ? R[(gate * HIDDEN + k) * down + out * across] : 0;
            real4 four = {w[0], w[1], w[2], w[3]};
            if (q < HELD_BACK)
                held[OUTS * q + j] = four;
            else
                stored[((q - HELD_BACK) * OUTS + j) * THREADS + me] = four;
        }
    }
    for (int i = me; i < TILES * ROWS_BACK * UNITS_BACK * 4; i += THREADS)
        ((REAL *)tiles)[i] = 0;
    int64 start = 0;  // rows of all steps before `steps`, and then of those before step t
    for (int r = 0; r < B; r++)
        start += lengths[r] < steps ? lengths[r] : steps;
    int later = 0, running = first + 1;  // own sequences of step t + 1, and those of step t
    while (running < B && lengths[running] > steps - 1)
        running++;
    int earlier = running;  // sequences of step t - 1
    while (earlier < B && lengths[earlier] > steps - 2)
        earlier++;
    begin_together();

    for (int t = steps - 1; t >= -1; t--) {
        if (t >= 0)
            start -= running;
        const int64 now = B + start, before = t > 0 ? now - earlier : 0;  // slots t + 1 and t
        const int n = (running < last ? running : last) - first;
        const int meetings = steps - 2 - t;  // held before this turn, but for that of its own
        real4 *tile = tiles + (meetings + TILES) % TILES * ROWS_BACK * UNITS_BACK;
        real4 *next = tiles + (meetings + 1 + TILES) % TILES * ROWS_BACK * UNITS_BACK;
        for (int pass = 0; pass < n; pass += ROWS_BACK) {
            const int r = pass + which / OUTS;
            const int64 at = (start + first + r) * 4 * HIDDEN + u;
            const int active = works && r < n;
            Gates a = {0, 0, 0, 0};
            REAL c_now = 0, c_before = 0, from_above = 0;
            const REAL dc_kept = active ? cell[r * UNITS + unit] : 0;
            if (active && t >= 0) {
                a.i = gates[at];
                a.f = gates[at + HIDDEN];
                a.g = gates[at + 2 * HIDDEN];
                a.o = gates[at + 3 * HIDDEN];
                c_now = c[(now + first + r) * HIDDEN + u];
                c_before = c[(before + first + r) * HIDDEN + u];
                if (dh)
                    from_above = dh[(start + first + r) * HIDDEN + u];
            }
            // (1) z = W x_t + R h_{t-1} + b, the h_{t-1} part, for step t + 1
            REAL sums[OUTS * ROWS_BACK];  // (ROWS_BACK, OUTS)
            UNROLL for (int i = 0; i < OUTS * ROWS_BACK; i++)
                sums[i] = 0;
            if (t < steps - 1) {
#if EXCHANGE == 2
                if (pass > 0)
                    BLOCK_BARRIER();  // all have read the tile
                const int64 after = start + (t < 0 ? 0 : running);  // first row of step t + 1
                const REAL *from = dz + (after + first + pass) * 4 * HIDDEN;
                for (int k = me; k < HIDDEN; k += THREADS) {
                    for (int some = 0; some < ROWS_BACK; some += LOADED) {
                        real4 loaded[LOADED];  // all on their way before the first is stored
                        UNROLL for (int i = 0; i < LOADED; i++) {
                            const int row = some + i, there = first + pass + row < later;
                            loaded[i] = load_gates(from + (row * 4 * HIDDEN + k), there);
                        }
                        UNROLL for (int i = 0; i < LOADED; i++)
                            tile[(some + i) * UNITS_BACK + k] = loaded[i];
                    }
                }
                BLOCK_BARRIER();
#endif
                UNROLL for (int q = 0; q < HELD_BACK; q++)
                    add_round_back(sums, held + OUTS * q, 1, tile + 32 * q + lane);
                UNROLL for (int q = HELD_BACK; q < ROUNDS_BACK; q++)
                    add_round_back(sums, stored + (q - HELD_BACK) * OUTS * THREADS + me, THREADS,
                                   tile + 32 * q + lane);
                add_lanes(sums, OUTS * ROWS_BACK, 32);
            }
            WARP_BARRIER();  // all lanes of a row have read `cell`, which one of them writes
            Gates d = {0, 0, 0, 0};
            if (active) {
                // A sequence begins, in this direction, with the gradient of its final state.
                const int begins = first + r >= later;
                const int64 own = (int64)(first + r) * HIDDEN + u;
                const REAL dh_next = !begins ? sums[0] : dh_last ? dh_last[own] : 0;
                REAL dc_next = !begins ? dc_kept : dc_last ? dc_last[own] : 0;
                if (t >= 0) {
                    d = cell_backward(a, c_before, c_now, from_above + dh_next, &dc_next);
                    if (EXCHANGE != 2)
                        send_four(next + (r - pass) * UNITS_BACK + u, d, part, sharers);
                    if (part == 0)
                        cell[r * UNITS + unit] = dc_next;
                } else if (part == 0) {
                    dh0[own] = dh_next;
                    dc0[own] = dc_next;
                }
            }
            const int writes = active && t >= 0 && part == 0;
            if (writes && EXCHANGE == 2)
                put_gates(dz + at, d);
            if (t >= 0 && pass + ROWS_BACK >= n)
                arrive(arrived + 32 * group);
            // What no other block waits for is done while the others come.
            if (writes && EXCHANGE != 2)
                put_gates(dz + at, d);
            const int64 rows_early = AHEAD * (int64)earlier;
            if (active && start >= rows_early) {
                UNROLL for (int gate = 0; gate < 4; gate++)
                    PREFETCH(gates + at + (gate - 4 * rows_early) * HIDDEN);
                PREFETCH(c + (before + first + r - rows_early) * HIDDEN + u);
                if (dh)
                    PREFETCH(dh + (start + first + r - rows_early) * HIDDEN + u);
            }
        }
        later = running, running = earlier;
        while (earlier < B && lengths[earlier] > t - 2)
            earlier++;
        if (t >= 0)
            wait_for_all(arrived + 32 * group, (unsigned)(meetings + 1));
    }
}
