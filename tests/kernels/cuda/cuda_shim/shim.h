// What stands for the NVIDIA part of kernels/cuda/device.cuh where plain C runs the kernels.
// Each macro does on fibres, checked, what its namesake there does on a device; keep both in step.

#ifndef SHIM_H
#define SHIM_H

#include <math.h>
#include <stddef.h>
#include <string.h>

typedef struct { unsigned x, y, z; } shim_dim3;

typedef struct {
    shim_dim3 index;
    unsigned rank;  // in its cluster
    unsigned char *shared;
} shim_block_view;

typedef struct {
    shim_dim3 index;
    shim_block_view *block;
} shim_thread_view;

extern shim_thread_view *shim_now;
extern shim_dim3 shim_block_size, shim_grid_size;

void shim_block_barrier(int line);
void shim_warp(void *value, unsigned size, int from, unsigned argument, int line);
unsigned shim_load(const unsigned *counter);
void shim_add(unsigned *counter, unsigned value);
void shim_cluster_arrive(int line);
void shim_cluster_wait(int line);
void shim_cluster_store(void *place, unsigned rank, const void *value, unsigned size);

#define threadIdx (shim_now->index)
#define blockIdx (shim_now->block->index)
#define blockDim shim_block_size
#define gridDim shim_grid_size

// The executor reads SHIM_... off the preprocessed text and defines them away for the compiler.
#define KERNEL SHIM_KERNEL void
#define CLUSTER(blocks) SHIM_CLUSTER(blocks)
#define BLOCK_OF(threads) SHIM_BLOCK_OF(threads)
#define UNROLL
#define PREFETCH(pointer) ((void)(pointer))
#define DEVICE __attribute__((unused)) static inline
#define ALIGNED(bytes) __attribute__((aligned(bytes)))
#define RESTRICT restrict
#define SHARED_MEMORY(name) unsigned char *const name = shim_now->block->shared
#define BLOCK_BARRIER() shim_block_barrier(__LINE__)

// The types that __shfl_sync knows.
#define SHIM_SHUFFLED(value)                                                              \
    _Generic((value), float: 0, double: 0, int: 0, unsigned: 0, long: 0, unsigned long: 0, \
             long long: 0, unsigned long long: 0)
#define SHIM_WARP(value, from, argument)                                                  \
    ({                                                                                    \
        __typeof__((value) + 0) shim_value = (value);                                     \
        (void)SHIM_SHUFFLED(value);                                                       \
        shim_warp(&shim_value, sizeof shim_value, from, (unsigned)(argument), __LINE__);  \
        shim_value;                                                                       \
    })
#define WARP_XOR(value, lanes) SHIM_WARP(value, 0, lanes)
#define WARP_FROM(value, lane) SHIM_WARP(value, 1, lane)
#define WARP_BARRIER() ((void)WARP_XOR(0, 0))

#define LOAD_FROM_L2(pointer) (*(pointer))
#define add_and_release(counter, value) shim_add(counter, value)
#define load_and_acquire(counter) shim_load(counter)

#if __CUDA_ARCH__ >= 900
#define cluster_arrive() shim_cluster_arrive(__LINE__)
#define cluster_wait() shim_cluster_wait(__LINE__)
#define cluster_store(place, rank, value)                                                 \
    do {                                                                                  \
        REAL *shim_place = (place);                                                       \
        REAL shim_value = (value);                                                        \
        shim_cluster_store(shim_place, rank, &shim_value, sizeof shim_value);             \
    } while (0)
#define cluster_store_four(place, rank, x, y, z, w)                                       \
    do {                                                                                  \
        void *shim_place = (place);                                                       \
        REAL shim_four[4] = {(x), (y), (z), (w)};                                         \
        if ((size_t)shim_place % 16) __builtin_trap();                                    \
        shim_cluster_store(shim_place, rank, shim_four, sizeof shim_four);                \
    } while (0)
#endif

#endif
