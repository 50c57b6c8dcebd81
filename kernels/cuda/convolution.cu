// Convolution and its gradients as matrix products whose left matrix is gathered by two tables.
// Number k of window o is element corners[o] + steps[k] of an image, so no axis is known here.
//
// A block computes a tile of the product, TILE_ROWS x TILE_COLUMNS, and a thread 8 x WIDTH of it,
// in registers. DEPTH terms of every sum come into shared memory at a time. What a tile has too
// much at its ends is computed with zeros, or twice, and not written.
//
// Constants: WIDTH (4 or 8), ROW_THREADS, COLUMN_THREADS, DEPTH, and GROUPS, 1 for `convolve`.

#include "device.cuh"

#define HEIGHT 8
#define TILE_ROWS (HEIGHT * ROW_THREADS)
#define TILE_COLUMNS (WIDTH * COLUMN_THREADS)
#define TILE_THREADS (ROW_THREADS * COLUMN_THREADS)
#define THREADS (TILE_THREADS * GROUPS)
#define PITCH (TILE_ROWS + 4)  // the numbers of one k, apart so that few stores share a bank

// sum += left right for `count` terms.
DEVICE void multiply(const REAL *left, const REAL *right, int count, REAL sum[HEIGHT][WIDTH])
{
    for (int k = 0; k < count; k++) {
        REAL a[HEIGHT], b[WIDTH];
        for (int i = 0; i < HEIGHT; i += 4) {
            real4 four = *(const real4 *)(left + k * PITCH + i);
            a[i] = four.x, a[i + 1] = four.y, a[i + 2] = four.z, a[i + 3] = four.w;
        }
        for (int j = 0; j < WIDTH; j += 4) {
            real4 four = *(const real4 *)(right + k * TILE_COLUMNS + j);
            b[j] = four.x, b[j + 1] = four.y, b[j + 2] = four.z, b[j + 3] = four.w;
        }
        for (int i = 0; i < HEIGHT; i++)
            for (int j = 0; j < WIDTH; j++)
                sum[i][j] += a[i] * b[j];
    }
}

// y = bias + windows x weights. Weight k of output f is weights[taps[k] + f * tap_step]; no bias
// is a bias of zero.
KERNEL convolve(const REAL *RESTRICT x, int64 size, const int64 *RESTRICT corners, int64 per_image,
                const int64 *RESTRICT steps, int64 K, const REAL *RESTRICT weights,
                const int64 *RESTRICT taps, int64 tap_step, const REAL *RESTRICT bias,
                REAL *RESTRICT y, int64 y_size, const int64 *RESTRICT places, int64 F,
                int64 windows)
{
    SHARED_MEMORY(shared);
    REAL *a = (REAL *)shared, *b = a + DEPTH * PITCH;      // (DEPTH, PITCH), (DEPTH, TILE_COLUMNS)
    int64 *at = (int64 *)(b + DEPTH * TILE_COLUMNS);       // (TILE_ROWS) where windows begin
    int64 *to = at + TILE_ROWS;                            // (TILE_ROWS) where outputs begin
    int thread = threadIdx.x, across = thread % COLUMN_THREADS, down = thread / COLUMN_THREADS;
    int64 column_tiles = (F + TILE_COLUMNS - 1) / TILE_COLUMNS;
    int64 first = blockIdx.x / column_tiles * TILE_ROWS;
    int64 column = blockIdx.x % column_tiles * TILE_COLUMNS;

    for (int i = thread; i < TILE_ROWS; i += THREADS) {
        int64 window = first + i < windows ? first + i : windows - 1;
        int64 image = window / per_image, place = window - image * per_image;
        at[i] = image * size + corners[place];
        to[i] = image * y_size + places[place];
    }
    REAL sum[HEIGHT][WIDTH];
    for (int j = 0; j < WIDTH; j++) {
        int64 f = column + WIDTH * across + j;
        REAL start = bias && f < F ? bias[f] : 0;
        for (int i = 0; i < HEIGHT; i++)
            sum[i][j] = start;
    }

    // A thread gathers one k of many windows: channels lie side by side, and so do these threads.
    int gathered = thread % DEPTH, row = thread / DEPTH, rows_at_once = THREADS / DEPTH;
    for (int64 k = 0; k < K; k += DEPTH) {
        BLOCK_BARRIER();  // `at` is complete, and the tile before has been read
        int inside = k + gathered < K;
        int64 step = inside ? steps[k + gathered] : 0;
        if (row < rows_at_once)
            for (int i = row; i < TILE_ROWS; i += rows_at_once)
                a[gathered * PITCH + i] = inside ? x[at[i] + step] : 0;
        for (int i = thread; i < DEPTH * TILE_COLUMNS; i += THREADS) {
            int64 n = k + i / TILE_COLUMNS, f = column + i % TILE_COLUMNS;
            b[i] = n < K && f < F ? weights[taps[n] + f * tap_step] : 0;
        }
        BLOCK_BARRIER();
        multiply(a + HEIGHT * down, b + WIDTH * across, DEPTH, sum);
    }

    BLOCK_BARRIER();  // `to` is complete, also where windows are empty (K = 0)
    for (int i = 0; i < HEIGHT; i++) {
        int64 f = column + WIDTH * across;
        if (first + HEIGHT * down + i < windows) {
            REAL *out = y + to[HEIGHT * down + i] + f;
            for (int j = 0; j < WIDTH; j++)
                if (f + j < F)
                    out[j] = sum[i][j];
        }
    }
}

// out[part] += (windows)^T dy over the windows of a part, and in row K the sum of dy.
//
// The threads are GROUPS times those of a tile; each group takes its own windows of every DEPTH and
// has a part of `out` (parts x GROUPS, K + 1, F) to itself. A chain of float additions is at most
// FLUSH * DEPTH / GROUPS long before it joins that part, in double.
#define FLUSH 64
KERNEL sum_windows(const REAL *RESTRICT x, int64 size, const int64 *RESTRICT corners,
                   int64 per_image, const int64 *RESTRICT steps, int64 K, const REAL *RESTRICT dy,
                   int64 F, int64 windows, int64 per_part, double *RESTRICT out)
{
    SHARED_MEMORY(shared);
    REAL *a = (REAL *)shared, *b = a + DEPTH * PITCH;      // (DEPTH, PITCH), (DEPTH, TILE_COLUMNS)
    int64 *at = (int64 *)(b + DEPTH * TILE_COLUMNS);       // (DEPTH)
    int thread = threadIdx.x, group = thread / TILE_THREADS, place = thread % TILE_THREADS;
    int across = place % COLUMN_THREADS, down = place / COLUMN_THREADS;
    int64 column_tiles = (F + TILE_COLUMNS - 1) / TILE_COLUMNS;
    int64 tiles = (K + TILE_ROWS) / TILE_ROWS * column_tiles;  // of K + 1 rows
    int64 part = blockIdx.x / tiles, tile = blockIdx.x % tiles;
    int64 row = tile / column_tiles * TILE_ROWS, column = tile % column_tiles * TILE_COLUMNS;
    int64 first = part * per_part, end = first + per_part < windows ? first + per_part : windows;
    out += (part * GROUPS + group) * (K + 1) * F;
    int depth = DEPTH / GROUPS, own = depth * group;

    REAL sum[HEIGHT][WIDTH];
    for (int i = 0; i < HEIGHT; i++)
        for (int j = 0; j < WIDTH; j++)
            sum[i][j] = 0;

    int since = 0;
    for (int64 start = first; start < end; start += DEPTH) {
        for (int n = thread; n < DEPTH; n += THREADS) {
            int64 window = start + n < end ? start + n : end - 1;
            at[n] = window / per_image * size + corners[window % per_image];
        }
        BLOCK_BARRIER();  // `at` is complete, and the tiles before have been read
        for (int i = thread; i < DEPTH * TILE_ROWS; i += THREADS) {
            int n = i / TILE_ROWS, r = i % TILE_ROWS;
            int64 k = row + r;
            REAL value = k < K ? x[at[n] + steps[k]] : 1;
            a[n * PITCH + r] = start + n < end ? value : 0;
        }
        for (int i = thread; i < DEPTH * TILE_COLUMNS; i += THREADS) {
            int64 window = start + i / TILE_COLUMNS, f = column + i % TILE_COLUMNS;
            b[i] = window < end && f < F ? dy[window * F + f] : 0;
        }
        BLOCK_BARRIER();
        multiply(a + own * PITCH + HEIGHT * down, b + own * TILE_COLUMNS + WIDTH * across, depth,
                 sum);
        since++;
        if (since == FLUSH || start + DEPTH >= end) {
            since = 0;
            for (int i = 0; i < HEIGHT; i++)
                for (int j = 0; j < WIDTH; j++) {
                    int64 k = row + HEIGHT * down + i, f = column + WIDTH * across + j;
                    if (k <= K && f < F)
                        out[k * F + f] += sum[i][j];
                    sum[i][j] = 0;
                }
        }
    }
}

// dW and db from all parts (parts, K + 1, F): 8 threads add an eighth of the parts each, in order.
#define SLICES 8
#define OUTPUTS 32  // of a block
KERNEL add_parts(const double *RESTRICT sums, int64 parts, int64 K, int64 F,
                 const int64 *RESTRICT taps, int64 tap_step, REAL *RESTRICT dW, REAL *RESTRICT db)
{
    SHARED_MEMORY(shared);
    double *all = (double *)shared;  // (SLICES, OUTPUTS)
    int slice = threadIdx.x / OUTPUTS, lane = threadIdx.x % OUTPUTS;
    int64 count = (K + 1) * F, i = (int64)blockIdx.x * OUTPUTS + lane;
    double sum = 0;
    if (i < count)
        for (int64 part = slice; part < parts; part += SLICES)
            sum += sums[part * count + i];
    all[threadIdx.x] = sum;
    BLOCK_BARRIER();
    if (slice == 0 && i < count) {
        for (int n = 1; n < SLICES; n++)
            sum += all[n * OUTPUTS + lane];
        if (i < K * F)
            dW[taps[i / F] + i % F * tap_step] = (REAL)sum;
        else
            db[i - K * F] = (REAL)sum;
    }
}
