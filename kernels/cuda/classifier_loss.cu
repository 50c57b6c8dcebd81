// The end of a classifier in one pass over its logits, the twin of functional/classifier_loss.py.
// Logits without bias come in, and their gradients go out in the same place.
#include "device.cuh"
#include "softmax.cuh"

// Parts (N, 2): of each row the weighted loss, and 1 where the largest logit is the true one.
KERNEL classifier_loss(REAL *z, const REAL *RESTRICT b, const int64 *RESTRICT targets,
                       const REAL *RESTRICT weights, double *RESTRICT parts, REAL count,
                       int64 rows, int64 C)
{
    FOR_EACH(i, rows * LANES) {
        int64 n = i / LANES, lane = i % LANES, target = targets[n];
        REAL *row = z + n * C;
        REAL weight = weights ? weights[n] : 1, true_logit = 0, beaten = 0, shift, total;
        for (int64 k = lane; k < C; k += LANES) {
            row[k] += b[k];  // (1)
            if (k == target)
                true_logit = row[k];
        }
        true_logit = lanes_sum(true_logit);  // only one lane has it
        // The first of the largest is the answer; a NaN answers nothing.
        for (int64 k = lane; k < C; k += LANES)
            if (k < target ? !(row[k] < true_logit) : !(row[k] <= true_logit))
                beaten = 1;
        beaten = lanes_max(beaten);
        softmax_row(row, row, C, lane, &shift, &total);  // (2)
        if (lane == 0) {
            double loss = log((double)total) + (double)shift - (double)true_logit;
            parts[2 * n] = target < 0 ? 0 : (double)weight * loss;
            parts[2 * n + 1] = target >= 0 && !beaten;
        }
        // (2) loss = sum of weight (-log softmax(logits)_target) / count
        for (int64 k = lane; k < C; k += LANES) {
            REAL onehot = k == target;
            row[k] = target < 0 ? 0 : weight * (row[k] - onehot) / count;
        }
    }
}
