// The pointwise lines of an LSTM, one launch a time step, for layers that `lstm.cu` cannot hold.
// Beside them what needs no exchange between units: states from kept gates, and earlier states.

#include "device.cuh"
#include "lstm_cell.cuh"

// Lines (1) to (5) of step t for its n rows: `gates` holds W x, `product` holds R h_{t-1}.
KERNEL lstm_step_forward(REAL *gates, const REAL *product, const REAL *bias,
                         const REAL *c_before, REAL *c, REAL *h, int64 n, int64 H)
{
    FOR_EACH(k, n * H) {
        int64 r = k / H, u = k % H;
        REAL *own = gates + 4 * H * r + u;
        const REAL *sum = product + 4 * H * r + u;
        Gates z = {
            own[0] + bias[u] + sum[0],
            own[H] + bias[H + u] + sum[H],
            own[2 * H] + bias[2 * H + u] + sum[2 * H],
            own[3 * H] + bias[3 * H + u] + sum[3 * H],
        };  // (1)
        Gates a = activated(z);
        own[0] = a.i;
        own[H] = a.f;
        own[2 * H] = a.g;
        own[3 * H] = a.o;
        c[k] = cell_state(a, c_before[k]);
        h[k] = hidden_state(a, c[k]);
    }
}

// The same lines in reverse; `dh` is null where no gradient arrives from above.
KERNEL lstm_step_backward(REAL *dz, const REAL *gates, const REAL *c_before, const REAL *c,
                          const REAL *dh, const REAL *dh_next, REAL *dc_next, int64 n, int64 H)
{
    FOR_EACH(k, n * H) {
        int64 at = 4 * H * (k / H) + k % H;
        Gates a = {gates[at], gates[at + H], gates[at + 2 * H], gates[at + 3 * H]};
        REAL dh_now = dh ? dh[k] + dh_next[k] : dh_next[k];
        Gates d = cell_backward(a, c_before[k], c[k], dh_now, dc_next + k);
        dz[at] = d.i;
        dz[at + H] = d.f;
        dz[at + 2 * H] = d.g;
        dz[at + 3 * H] = d.o;
    }
}

#define AT_ONCE 8  // steps whose gates a thread asks for before it needs the first

// Lines (4) and (5) again for every step of every sequence, a thread for each of its units.
KERNEL lstm_restore(const REAL *gates, const int64 *lengths, int64 B, int64 H, REAL *h, REAL *c)
{
    FOR_EACH(k, B * H) {
        int64 r = k / H, u = k % H;
        int64 running = B, start = 0;  // sequences of step t, and its first row
        REAL c_now = c[k];
        for (int64 t = 0; t < lengths[r];) {
            while (lengths[running - 1] <= t)
                running--;
            // So many sequences run until the next one ends.
            int64 left = lengths[running - 1] - t, count = left < AT_ONCE ? left : AT_ONCE;
            Gates a[AT_ONCE];
            UNROLL for (int j = 0; j < AT_ONCE; j++) {
                if (j < count) {
                    const REAL *own = gates + 4 * H * (start + j * running + r) + u;
                    Gates step = {own[0], own[H], own[2 * H], own[3 * H]};
                    a[j] = step;
                }
            }
            UNROLL for (int j = 0; j < AT_ONCE; j++) {
                if (j < count) {
                    int64 slot = (B + start + j * running + r) * H + u;
                    c_now = cell_state(a[j], c_now);
                    c[slot] = c_now;
                    h[slot] = hidden_state(a[j], c_now);
                }
            }
            t += count;
            start += count * running;
        }
    }
}

// Row n of `out` is h_{t-1} of packed row n, whose slot is n and one more for each sequence that
// had ended before step t - 1 did: `changes` (count,) are the rows from which that is so, ascending.
KERNEL lstm_previous(const REAL *h, const int64 *changes, int64 count, int64 N, int64 H, REAL *out)
{
    FOR_EACH(k, N * H) {
        int64 n = k / H, low = 0, high = count;
        while (low < high) {
            int64 middle = (low + high) / 2;
            if (changes[middle] <= n)
                low = middle + 1;
            else
                high = middle;
        }
        out[k] = h[k + low * H];
    }
}
