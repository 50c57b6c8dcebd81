// The exchange that every step of a persistent recurrent kernel needs, and nothing else of it.
// All blocks give their share of the numbers of a step to all others, so its time is a floor.
//
// Each number moves one place down a step: what comes out tells whether every exchange happened.

#include "device.cuh"

// numbers (2, values): a step reads one half and writes the other. The counter starts at 0.
KERNEL exchange_grid(REAL *numbers, unsigned *counter, int64 values, int64 steps)
{
    SHARED_MEMORY(memory);
    REAL *all = (REAL *)memory;  // (values,)
    int64 share = (values + gridDim.x - 1) / gridDim.x;
    int64 first = blockIdx.x * share;
    int64 last = first + share < values ? first + share : values;

    for (int64 t = 0; t < steps; t++) {
        const REAL *old = numbers + t % 2 * values;
        REAL *next = numbers + (t + 1) % 2 * values;
        for (int64 i = threadIdx.x; i < values; i += blockDim.x)
            all[i] = LOAD_FROM_L2(old + i);
        BLOCK_BARRIER();
        for (int64 i = first + threadIdx.x; i < last; i += blockDim.x)
            next[i] = all[i + 1 < values ? i + 1 : 0];
        BLOCK_BARRIER();
        if (threadIdx.x == 0) {
            unsigned wanted = (unsigned)(t + 1) * gridDim.x;
            add_and_release(counter, 1);
            // The difference stays right where the counter begins again at 0.
            while ((int)(load_and_acquire(counter) - wanted) < 0)
                ;
        }
        BLOCK_BARRIER();
    }
}

#ifdef CLUSTER
// numbers (values,), in and out. BLOCKS is the size of the cluster, which is the whole grid.
KERNEL CLUSTER(BLOCKS) exchange_cluster(REAL *numbers, int64 values, int64 steps)
{
    SHARED_MEMORY(memory);
    REAL *all = (REAL *)memory;  // (2, values)
    int64 share = (values + BLOCKS - 1) / BLOCKS;
    int64 first = blockIdx.x * share;
    int64 last = first + share < values ? first + share : values;

    for (int64 i = threadIdx.x; i < values; i += blockDim.x)
        all[i] = numbers[i];
    // A block must have started before others may write to its memory.
    cluster_arrive();
    cluster_wait();
    for (int64 t = 0; t < steps; t++) {
        const REAL *old = all + t % 2 * values;
        REAL *next = all + (t + 1) % 2 * values;
        for (int64 j = threadIdx.x; j < (last - first) * BLOCKS; j += blockDim.x) {
            int64 i = first + j / BLOCKS;
            cluster_store(next + i, (unsigned)(j % BLOCKS), old[i + 1 < values ? i + 1 : 0]);
        }
        cluster_arrive();
        cluster_wait();
    }
    for (int64 i = first + threadIdx.x; i < last; i += blockDim.x)
        numbers[i] = all[steps % 2 * values + i];
}
#endif
