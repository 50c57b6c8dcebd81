// One row of a softmax, by one thread or by the 32 of a warp: LANES says which.
// A lane takes every LANES-th number of its row, so neighbours read neighbours, and the order of
// each sum depends on C alone: a row by itself equals the same row in a batch.

// Sum, or largest, over the lanes of a row: the same bits in each of them.
DEVICE REAL lanes_sum(REAL value)
{
    for (int other = LANES / 2; other > 0; other /= 2)
        value += WARP_XOR(value, other);
    return value;
}

DEVICE REAL lanes_max(REAL value)
{
    for (int other = LANES / 2; other > 0; other /= 2) {
        REAL theirs = WARP_XOR(value, other);
        value = REAL_MAX(value, theirs);
    }
    return value;
}

// Lines (1) and (2) of functional/softmax.py; y may be z, as a lane touches its own numbers alone.
// The shift passes over a NaN, which comes out of (1) all the same, as does what is infinite.
DEVICE void softmax_row(const REAL *z, REAL *y, int64 C, int64 lane, REAL *shift, REAL *total)
{
    REAL top = REAL_LOG((REAL)0), sum = 0;  // minus infinity: below every logit
    for (int64 k = lane; k < C; k += LANES)
        top = REAL_MAX(top, z[k]);
    top = lanes_max(top);
    for (int64 k = lane; k < C; k += LANES) {
        y[k] = REAL_EXP(z[k] - top);  // (1)
        sum += y[k];
    }
    sum = lanes_sum(sum);
    for (int64 k = lane; k < C; k += LANES)
        y[k] /= sum;  // (2)
    *shift = top;
    *total = sum;
}
