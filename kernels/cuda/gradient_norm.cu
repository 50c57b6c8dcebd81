// The Euclidean norm of a gradient with its L2 term, the twin of the one in functional/gradient_norm.py.
// Entries of three ranges are summed apart, so that no square in float64 overflows or vanishes.
#include "device.cuh"

#define SMALL 0x1p-500  // below it squares would lose digits; above LARGE they would overflow
#define LARGE 0x1p+480
#define UP 0x1p+600  // powers of 2, so scaling rounds nothing
#define DOWN 0x1p-600

// Add up the three sums of all threads of a block, in a fixed order, into those of thread 0.
DEVICE void block_sums(double *sums)
{
    SHARED_MEMORY(memory);
    double *of_all = (double *)memory;  // (3, threads)
    unsigned me = threadIdx.x, threads = blockDim.x;
    for (int k = 0; k < 3; k++)
        of_all[k * threads + me] = sums[k];
    for (unsigned half = threads / 2; half > 0; half /= 2) {
        BLOCK_BARRIER();
        if (me < half)
            for (int k = 0; k < 3; k++)
                of_all[k * threads + me] += of_all[k * threads + me + half];
    }
    if (me == 0)
        for (int k = 0; k < 3; k++)
            sums[k] = of_all[k * threads];
}

// Sums of the squares of small, usual and large entries of g + l2 p: (blocks, 3), scaled. No p
// means g alone.
KERNEL sums_of_squares(const REAL *RESTRICT p, const REAL *RESTRICT g, double l2,
                       double *RESTRICT of_blocks, int64 numbers)
{
    double sums[3] = {0, 0, 0};
    FOR_EACH(j, numbers) {
        double size = fabs(p ? (double)g[j] + l2 * (double)p[j] : (double)g[j]);
        if (size < SMALL)
            sums[0] += (size * UP) * (size * UP);
        else if (size > LARGE)
            sums[2] += (size * DOWN) * (size * DOWN);
        else  // NaN too
            sums[1] += size * size;
    }
    block_sums(sums);
    if (threadIdx.x == 0)
        for (int k = 0; k < 3; k++)
            of_blocks[3 * blockIdx.x + k] = sums[k];
}

// The norm from the sums of all blocks, by one block.
KERNEL norm_of_sums(const double *RESTRICT of_blocks, double *RESTRICT norm, int64 blocks)
{
    double sums[3] = {0, 0, 0};
    FOR_EACH(block, blocks)
        for (int k = 0; k < 3; k++)
            sums[k] += of_blocks[3 * block + k];
    block_sums(sums);
    if (threadIdx.x > 0)
        return;
    // What is in a lower range is nothing beside a higher one, unless it is many or NaN.
    if (sums[2] > 0)
        *norm = sqrt(sums[2] + sums[1] * DOWN * DOWN) / DOWN;
    else if (sums[1] > 0 || sums[1] != sums[1])
        *norm = sqrt(sums[1] + sums[0] / UP / UP);
    else
        *norm = sqrt(sums[0]) / UP;
}
