// Lines (2) to (5) of the LSTM for one unit of one sequence, forward and backward.
// GATE_ACTIVATION and STATE_ACTIVATION are places in the tables of `functional/activations.py`.
//
// Sums are written as REAL_FMA, so that every kernel that includes this computes the same bits.

typedef struct { REAL i, f, g, o; } Gates;

DEVICE REAL gate_activation(REAL z)
{
#if GATE_ACTIVATION == 0  // sigmoid
    return (REAL)1 / ((REAL)1 + REAL_EXP(-z));
#else  // hard-sigmoid
    REAL line = REAL_FMA((REAL)0.2, z, (REAL)0.5);
    return line <= 0 ? (REAL)0 : line >= 1 ? (REAL)1 : line;
#endif
}

DEVICE REAL gate_slope(REAL y)
{
#if GATE_ACTIVATION == 0
    return y * ((REAL)1 - y);
#else
    return y > 0 && y < 1 ? (REAL)0.2 : (REAL)0;
#endif
}

DEVICE REAL state_activation(REAL z)
{
#if STATE_ACTIVATION == 0  // tanh
    return REAL_TANH(z);
#elif STATE_ACTIVATION == 1  // softsign
    return z / ((REAL)1 + REAL_ABS(z));
#else  // relu
    return z <= 0 ? (REAL)0 : z;
#endif
}

DEVICE REAL state_slope(REAL y)
{
#if STATE_ACTIVATION == 0
    return REAL_FMA(-y, y, (REAL)1);
#elif STATE_ACTIVATION == 1
    return ((REAL)1 - REAL_ABS(y)) * ((REAL)1 - REAL_ABS(y));
#else
    return y > 0 ? (REAL)1 : (REAL)0;
#endif
}

DEVICE Gates activated(Gates z)
{
    Gates a = {
        gate_activation(z.i), gate_activation(z.f),  // (2)
        state_activation(z.g),                       // (3)
        gate_activation(z.o),                        // (2)
    };
    return a;
}

DEVICE REAL cell_state(Gates a, REAL c_before)
{
    return REAL_FMA(a.f, c_before, a.i * a.g);  // (4)
}

DEVICE REAL hidden_state(Gates a, REAL c)
{
    return a.o * state_activation(c);  // (5)
}

// The gradient of z; dc is that of c_t by way of step t + 1, and becomes that of c_{t-1}.
DEVICE Gates cell_backward(Gates a, REAL c_before, REAL c, REAL dh, REAL *dc)
{
    // (5) h_t = o * tanh(c_t)
    REAL tanh_c = state_activation(c);
    REAL dc_now = REAL_FMA(dh * a.o, state_slope(tanh_c), *dc);
    // (4) c_t = f * c_{t-1} + i * g
    *dc = dc_now * a.f;
    // (3) g = tanh(z_g), (2) i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o)
    Gates dz = {
        dc_now * a.g * gate_slope(a.i),
        dc_now * c_before * gate_slope(a.f),
        dc_now * a.i * state_slope(a.g),
        dh * tanh_c * gate_slope(a.o),
    };
    return dz;
}
