// Sums over the rows of a matrix, column by column, in float64 and in an order that sizes fix.
// Many short sums come first, then sums of those, so rounding grows little and all threads work.
#include "device.cuh"

// sums[part, c] = x[part, c] + x[part + parts, c] + x[part + 2 parts, c] + ...
// Rows (N, C) are read as one line, in which neighbours are read by neighbouring threads.
KERNEL sum_rows(const REAL *RESTRICT x, double *RESTRICT sums, int64 numbers, int64 stride)
{
    FOR_EACH(i, stride) {
        double total = 0;
        for (int64 j = i; j < numbers; j += stride)
            total += (double)x[j];
        sums[i] = total;
    }
}
