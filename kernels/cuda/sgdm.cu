// One step of gradient descent with momentum in a single pass, the twin of functional/sgdm.py.
// The numbered lines are those of that file.
#include "device.cuh"
#include "solver_step.cuh"

KERNEL sgdm_step(const REAL *RESTRICT p, const REAL *RESTRICT g, const REAL *RESTRICT v,
                 REAL *RESTRICT new_p, REAL *RESTRICT new_v, REAL rate, REAL momentum, REAL l2,
                 REAL scale, const double *scale_there, REAL bound, int64 numbers)
{
    FOR_EACH(j, numbers) {
        REAL slope = bounded(p[j], g[j], l2, scale, scale_there, bound);  // (1)
        REAL velocity = momentum * v[j] - rate * slope;                   // (2)
        new_v[j] = velocity;
        new_p[j] = p[j] + velocity;                                       // (3)
    }
}
