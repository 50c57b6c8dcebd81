// Inverted dropout, the twin of functional/dropout.py: the same mask bit for bit.
// The hash of a number's place is computed where the number is read, so the mask is never stored.
#include "device.cuh"

typedef unsigned long long uint64;

#define STEP 0x9E3779B97F4A7C15ULL
#define BITS 53

DEVICE uint64 hash(uint64 z)
{
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

// x (N, K), which is the part of a batch that starts at a row.
KERNEL dropout_forward(const REAL *RESTRICT x, REAL *RESTRICT y, REAL scale,
                       unsigned long long key, unsigned long long row, unsigned long long below,
                       int64 numbers, int64 columns)
{
    FOR_EACH(j, numbers) {
        int64 n = j / columns;
        uint64 start = hash(key + (row + (uint64)n + 1) * STEP);          // (1)
        uint64 u = hash(start + ((uint64)(j - n * columns) + 1) * STEP);  // (2)
        REAL m = u >> (64 - BITS) >= below ? scale : 0;                   // (3)
        y[j] = x[j] * m;                                                  // (4)
    }
}
