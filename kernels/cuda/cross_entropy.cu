// The cross-entropy on scores and fused with the softmax, the twin of functional/cross_entropy.py.
// A row leaves its loss and whether it counts in float64; rows without a class (target -1) are 0.
#include "device.cuh"
#include "softmax.cuh"

// Losses (N, 2): of each row the weighted loss, and 1 where it has a class.
DEVICE void set_loss(double *losses, int64 n, int64 target, const REAL *weights, double loss)
{
    double weight = weights ? (double)weights[n] : 1;
    losses[2 * n] = target < 0 ? 0 : weight * loss;
    losses[2 * n + 1] = target >= 0;
}

KERNEL softmax_cross_entropy_forward(const REAL *RESTRICT logits, const int64 *RESTRICT targets,
                                     const REAL *RESTRICT weights, REAL *RESTRICT scores,
                                     double *RESTRICT losses, int64 rows, int64 C)
{
    FOR_EACH(i, rows * LANES) {
        int64 n = i / LANES, lane = i % LANES, target = targets[n];
        REAL shift, total;
        softmax_row(logits + n * C, scores + n * C, C, lane, &shift, &total);  // (1)
        if (lane == 0) {
            double true_logit = target < 0 ? 0 : (double)logits[n * C + target];
            set_loss(losses, n, target, weights, log((double)total) + (double)shift - true_logit);
        }
    }
}

KERNEL softmax_cross_entropy_backward(const REAL *RESTRICT scores, const int64 *RESTRICT targets,
                                      const REAL *RESTRICT weights, REAL *RESTRICT dlogits,
                                      REAL divisor, int64 numbers, int64 C)
{
    FOR_EACH(j, numbers) {
        int64 n = j / C, target = targets[n];
        REAL weight = weights ? weights[n] : 1, onehot = j - n * C == target;
        // (2), (1) loss = sum of weight (-log softmax(logits)_target) / count
        dlogits[j] = target < 0 ? 0 : weight * (scores[j] - onehot) / divisor;
    }
}

KERNEL cross_entropy_forward(const REAL *RESTRICT scores, const int64 *RESTRICT targets,
                             const REAL *RESTRICT weights, double *RESTRICT losses, REAL tiny,
                             int64 rows, int64 C)
{
    FOR_EACH(n, rows) {
        int64 target = targets[n];
        REAL score = target < 0 ? 1 : scores[n * C + target];
        score = score < tiny ? tiny : score;
        set_loss(losses, n, target, weights, -log((double)score));  // (1)
    }
}

// dscores come as zeros.
KERNEL cross_entropy_backward(const REAL *RESTRICT scores, const int64 *RESTRICT targets,
                              const REAL *RESTRICT weights, REAL *RESTRICT dscores, REAL tiny,
                              REAL divisor, int64 rows, int64 C)
{
    FOR_EACH(n, rows) {
        int64 target = targets[n];
        if (target >= 0) {
            REAL score = scores[n * C + target], weight = weights ? weights[n] : 1;
            score = score < tiny ? tiny : score;
            // (1) loss = -sum of weight log(true score) / count
            dscores[n * C + target] = weight * (-1 / (divisor * score));
        }
    }
}
