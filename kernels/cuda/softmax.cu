// The softmax over classes, the twin of functional/softmax.py.
// A row belongs to one thread, or to a warp where it has many classes.
#include "device.cuh"
#include "softmax.cuh"

KERNEL softmax_forward(const REAL *RESTRICT z, REAL *RESTRICT y, int64 rows, int64 C)
{
    FOR_EACH(i, rows * LANES) {
        int64 n = i / LANES, lane = i % LANES;
        REAL shift, total;
        softmax_row(z + n * C, y + n * C, C, lane, &shift, &total);
    }
}

KERNEL softmax_backward(const REAL *RESTRICT dy, const REAL *RESTRICT y, REAL *RESTRICT dz,
                        int64 rows, int64 C)
{
    FOR_EACH(i, rows * LANES) {
        int64 row = i / LANES * C, lane = i % LANES;
        REAL inner = 0;
        // (2), (1) y_c = e_c / sum_k e_k
        for (int64 k = lane; k < C; k += LANES)
            inner += dy[row + k] * y[row + k];
        inner = lanes_sum(inner);
        for (int64 k = lane; k < C; k += LANES)
            dz[row + k] = y[row + k] * (dy[row + k] - inner);
    }
}
