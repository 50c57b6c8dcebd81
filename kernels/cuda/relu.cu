// The rectifier, the twin of functional/relu.py.
// One pass over memory, which is all that it costs.
#include "device.cuh"

KERNEL relu_forward(const REAL *RESTRICT x, REAL *RESTRICT y, unsigned char *RESTRICT passes,
                    int64 numbers)
{
    FOR_EACH(j, numbers) {
        passes[j] = !(x[j] <= 0);  // true for NaN
        y[j] = x[j] <= 0 ? 0 : x[j];  // (1)
    }
}

KERNEL relu_backward(const REAL *RESTRICT dy, const unsigned char *RESTRICT passes,
                     REAL *RESTRICT dx, int64 numbers)
{
    FOR_EACH(j, numbers)
        // (1) y = x where x > 0, else 0
        dx[j] = passes[j] ? dy[j] : 0;
}
