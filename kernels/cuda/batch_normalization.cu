// Batch normalisation: sums of each channel, and lines that act on each number by itself.
// A thread belongs to one channel and strides over rows, so it works out that channel's numbers once.
//
// A block has `width` channels side by side and some rows at a time, and covers `per_part` of the M
// rows. Its threads add their sums pairwise, in an order that follows from the sizes; `fold` does
// the same to the sums of all blocks. Sums are double, whatever the type of the data.

#include "device.cuh"

typedef struct {
    int64 part;         // number of the block among those of its channels
    int64 channel;      // C or more where a thread has nothing to do
    int64 row, end;     // its first row, and where the rows of the block end
    int lane, lanes;    // which of the rows that the block reads at a time, and how many
    int column, width;  // which of the channels of the block, and how many
} Place;

DEVICE Place place_of_thread(int64 M, int64 C, int64 width, int64 per_part)
{
    Place own;
    int64 across = (C + width - 1) / width;
    own.part = blockIdx.x / across;
    own.width = (int)width;
    own.column = threadIdx.x % own.width;
    own.lane = threadIdx.x / own.width;
    own.lanes = blockDim.x / own.width;
    own.channel = blockIdx.x % across * width + own.column;
    own.row = own.part * per_part + own.lane;
    own.end = own.part * per_part + per_part < M ? own.part * per_part + per_part : M;
    if (own.channel >= C)
        own.end = 0;
    return own;
}

#define FOR_ROWS(n, own) for (int64 n = (own).row; n < (own).end; n += (own).lanes)

// The sum over the lanes of a channel, for its first lane; `all` has a number for each thread.
DEVICE double sum_of_lanes(double sum, double *all, Place own)
{
    BLOCK_BARRIER();  // what `all` held before has been read
    all[threadIdx.x] = sum;
    for (int lanes = own.lanes; lanes > 1; lanes = (lanes + 1) / 2) {
        BLOCK_BARRIER();
        int other = own.lane + (lanes + 1) / 2;
        if (other < lanes)
            all[threadIdx.x] += all[other * own.width + own.column];
    }
    return all[threadIdx.x];
}

// out (parts, C): sums of x, or with the mean those of (x - mean)^2.
KERNEL sum_rows(const REAL *RESTRICT x, const double *RESTRICT mean, int64 M, int64 C, int64 width,
                int64 per_part, double *RESTRICT out)
{
    SHARED_MEMORY(shared);
    Place own = place_of_thread(M, C, width, per_part);
    double sum = 0;
    if (mean) {
        FOR_ROWS(n, own)
        {
            double d = x[n * C + own.channel] - mean[own.channel];
            sum += d * d;
        }
    } else {
        FOR_ROWS(n, own)
        sum += x[n * C + own.channel];
    }
    sum = sum_of_lanes(sum, (double *)shared, own);
    if (own.lane == 0 && own.channel < C)
        out[own.part * C + own.channel] = sum;
}

// out (parts, 2 C): sums of dy (x - mean), and beside them those of dy.
KERNEL sum_gradients(const REAL *RESTRICT x, const REAL *RESTRICT dy, const double *RESTRICT mean,
                     int64 M, int64 C, int64 width, int64 per_part, double *RESTRICT out)
{
    SHARED_MEMORY(shared);
    Place own = place_of_thread(M, C, width, per_part);
    double products = 0, sum = 0;
    FOR_ROWS(n, own)
    {
        double d = dy[n * C + own.channel];
        products += d * (x[n * C + own.channel] - mean[own.channel]);
        sum += d;
    }
    products = sum_of_lanes(products, (double *)shared, own);
    sum = sum_of_lanes(sum, (double *)shared, own);
    if (own.lane == 0 && own.channel < C) {
        out[2 * own.part * C + own.channel] = products;
        out[(2 * own.part + 1) * C + own.channel] = sum;
    }
}

// out (C): the sums of all parts (parts, C), divided.
KERNEL fold(const double *RESTRICT sums, int64 parts, int64 C, int64 width, double divisor,
            double *RESTRICT out)
{
    SHARED_MEMORY(shared);
    Place own = place_of_thread(parts, C, width, parts);
    double sum = 0;
    FOR_ROWS(n, own)
    sum += sums[n * C + own.channel];
    sum = sum_of_lanes(sum, (double *)shared, own);
    if (own.lane == 0 && own.channel < C)
        out[own.channel] = sum / divisor;
}

// Lines (3) and (4): y = (x - centre) factor + shift, where x - centre is exact near the mean and
// the shift takes up what the rounding of the centre leaves.
KERNEL normalise(const REAL *RESTRICT x, const REAL *RESTRICT scale, const REAL *RESTRICT offset,
                 const double *RESTRICT mean, const double *RESTRICT variance, double epsilon,
                 int64 M, int64 C, int64 width, int64 per_part, REAL *RESTRICT y)
{
    Place own = place_of_thread(M, C, width, per_part);
    if (own.channel >= C)
        return;
    REAL centre = (REAL)mean[own.channel];
    double stretch = scale[own.channel] / sqrt(variance[own.channel] + epsilon);
    REAL factor = (REAL)stretch;
    REAL shift = (REAL)(offset[own.channel] + (centre - mean[own.channel]) * stretch);
    FOR_ROWS(n, own)
    y[n * C + own.channel] = (x[n * C + own.channel] - centre) * factor + shift;
}

// dx = scale inverse (dy - doffset / M - (x - mean) inverse dscale / M), from the totals (2 C) of
// `sum_gradients`, with inverse = 1 / sqrt(variance + epsilon); both differences as above.
KERNEL gradient(const REAL *RESTRICT x, const REAL *RESTRICT dy, const REAL *RESTRICT scale,
                const double *RESTRICT mean, const double *RESTRICT variance, double epsilon,
                const double *RESTRICT totals, int64 M, int64 C, int64 width, int64 per_part,
                REAL *RESTRICT dx)
{
    Place own = place_of_thread(M, C, width, per_part);
    int64 c = own.channel;
    if (c >= C)
        return;
    REAL centre = (REAL)mean[c], level = (REAL)(totals[C + c] / M);
    double inverse = 1 / sqrt(variance[c] + epsilon), stretch = scale[c] * inverse;
    double steepness = -stretch * inverse * (totals[c] * inverse) / M;
    REAL factor = (REAL)stretch, slope = (REAL)steepness;
    REAL shift = (REAL)((level - totals[C + c] / M) * stretch + (centre - mean[c]) * steepness);
    FOR_ROWS(n, own)
    dx[n * C + c] = (dy[n * C + c] - level) * factor + (x[n * C + c] - centre) * slope + shift;
}

// The same with constant statistics: dx = scale inverse dy.
KERNEL gradient_of_apply(const REAL *RESTRICT dy, const REAL *RESTRICT scale,
                         const double *RESTRICT variance, double epsilon, int64 M, int64 C,
                         int64 width, int64 per_part, REAL *RESTRICT dx)
{
    Place own = place_of_thread(M, C, width, per_part);
    if (own.channel >= C)
        return;
    REAL factor = (REAL)(scale[own.channel] / sqrt(variance[own.channel] + epsilon));
    FOR_ROWS(n, own)
    dx[n * C + own.channel] = dy[n * C + own.channel] * factor;
}

// dscale and doffset from the totals (2 C) of `sum_gradients`.
KERNEL gradients_of_parameters(const double *RESTRICT totals, const double *RESTRICT variance,
                               double epsilon, int64 C, REAL *RESTRICT dscale,
                               REAL *RESTRICT doffset)
{
    FOR_EACH(c, C)
    {
        dscale[c] = (REAL)(totals[c] / sqrt(variance[c] + epsilon));
        doffset[c] = (REAL)totals[C + c];
    }
}
