// What the steps of all solvers start with, the twin of bounded_gradient in functional/gradient_norm.py.
// One scale is a number, the other stays in the memory of the device; null says to use the number.

DEVICE REAL bounded(REAL p, REAL g, REAL l2, REAL scale, const double *scale_there, REAL bound)
{
    if (scale_there)
        scale = (REAL)*scale_there;
    g = scale * (g + l2 * p);
    return g < -bound ? -bound : g > bound ? bound : g;  // NaN stays NaN
}
