// One step of RMSProp for one array in a single pass, the twin of functional/rmsprop.py.
// The numbered lines are those of that file; b2_rest is 1 - b2.
#include "device.cuh"
#include "solver_step.cuh"

KERNEL rmsprop_step(const REAL *RESTRICT p, const REAL *RESTRICT g, const REAL *RESTRICT v,
                    REAL *RESTRICT new_p, REAL *RESTRICT new_v, REAL rate, REAL b2, REAL b2_rest,
                    REAL epsilon, REAL l2, REAL scale, const double *scale_there, REAL bound,
                    int64 numbers)
{
    FOR_EACH(j, numbers) {
        REAL slope = bounded(p[j], g[j], l2, scale, scale_there, bound);   // (1)
        REAL square = b2 * v[j] + b2_rest * (slope * slope);               // (2)
        new_v[j] = square;
        new_p[j] = p[j] - rate * slope / (REAL_SQRT(square) + epsilon);    // (3)
    }
}
