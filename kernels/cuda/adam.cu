// One step of Adam for one array in a single pass over memory, the twin of functional/adam.py.
// The numbered lines are those of that file; b1_rest and b2_rest are 1 - b1 and 1 - b2.
#include "device.cuh"
#include "solver_step.cuh"

KERNEL adam_step(const REAL *RESTRICT p, const REAL *RESTRICT g, const REAL *RESTRICT m,
                 const REAL *RESTRICT v, REAL *RESTRICT new_p, REAL *RESTRICT new_m,
                 REAL *RESTRICT new_v, REAL rate, REAL b1, REAL b1_rest, REAL b2, REAL b2_rest,
                 REAL epsilon, REAL l2, REAL scale, const double *scale_there, REAL bound,
                 int64 numbers)
{
    FOR_EACH(j, numbers) {
        REAL slope = bounded(p[j], g[j], l2, scale, scale_there, bound);    // (1)
        REAL mean = b1 * m[j] + b1_rest * slope;                            // (2)
        REAL square = b2 * v[j] + b2_rest * (slope * slope);                // (3)
        new_m[j] = mean;
        new_v[j] = square;
        new_p[j] = p[j] - rate * mean / (REAL_SQRT(square) + epsilon);      // (4)
    }
}
