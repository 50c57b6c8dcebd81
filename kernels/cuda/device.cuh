// What every kernel here starts with: the number type, plain C names for CUDA, and a few helpers.
// The part between the two rules is all that only an NVIDIA compiler understands.
//
// The kernels are written in the C that CUDA and a C compiler share, so the tests run the very same
// text on a CPU, with their own version of that part. REAL (float or double) and REAL_BITS come as
// -D options, as do the sizes that a kernel wants as constants.

#ifdef __CUDACC__  // ---------------------------------------------------------------------------

#define KERNEL extern "C" __global__ void
#define DEVICE static __device__ __forceinline__ __attribute__((unused))
#define ALIGNED(bytes) __align__(bytes)
#define RESTRICT __restrict__
// All the shared memory of a block, whose size the launch gives.
#define SHARED_MEMORY(name) extern __shared__ __align__(16) unsigned char name[]
#define BLOCK_BARRIER() __syncthreads()
#define WARP_BARRIER() __syncwarp()
#define WARP_XOR(value, lanes) __shfl_xor_sync(0xffffffffu, value, lanes)
#define WARP_FROM(value, lane) __shfl_sync(0xffffffffu, value, lane)
// Past the first-level cache, which does not see what other blocks have written.
#define LOAD_FROM_L2(pointer) __ldcg(pointer)
#define PREFETCH(pointer) asm volatile("prefetch.global.L2 [%0];" :: "l"(pointer))
#define UNROLL _Pragma("unroll")
// So that the compiler knows how many registers a thread may have.
#define BLOCK_OF(threads) __launch_bounds__(threads, 1)

DEVICE void add_and_release(unsigned *counter, unsigned value)
{
    asm volatile("red.release.gpu.global.add.u32 [%0], %1;" :: "l"(counter), "r"(value) : "memory");
}

DEVICE unsigned load_and_acquire(const unsigned *counter)
{
    unsigned value;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(counter) : "memory");
    return value;
}

#if __CUDA_ARCH__ >= 900
#define CLUSTER(blocks) __cluster_dims__(blocks, 1, 1)

// The two halves of a meeting of all threads of a cluster.
DEVICE void cluster_arrive(void) { asm volatile("barrier.cluster.arrive.release;" ::: "memory"); }
DEVICE void cluster_wait(void) { asm volatile("barrier.cluster.wait.acquire;" ::: "memory"); }

// Where a pointer into one's own shared memory points to in that of another block of the cluster.
DEVICE unsigned cluster_place(const void *own, unsigned rank)
{
    unsigned place;
    asm volatile("mapa.shared::cluster.u32 %0, %1, %2;"
                 : "=r"(place) : "r"((unsigned)__cvta_generic_to_shared(own)), "r"(rank));
    return place;
}

DEVICE void cluster_store(REAL *place, unsigned rank, REAL value)
{
#if REAL_BITS == 32
    asm volatile("st.shared::cluster.f32 [%0], %1;"
                 :: "r"(cluster_place(place, rank)), "f"(value) : "memory");
#else
    asm volatile("st.shared::cluster.f64 [%0], %1;"
                 :: "r"(cluster_place(place, rank)), "d"(value) : "memory");
#endif
}

// Four numbers, whose place is aligned to 16 bytes.
DEVICE void cluster_store_four(void *place, unsigned rank, REAL x, REAL y, REAL z, REAL w)
{
    unsigned there = cluster_place(place, rank);
#if REAL_BITS == 32
    asm volatile("st.shared::cluster.v4.f32 [%0], {%1, %2, %3, %4};"
                 :: "r"(there), "f"(x), "f"(y), "f"(z), "f"(w) : "memory");
#else
    asm volatile("st.shared::cluster.v2.f64 [%0], {%1, %2};\n\t"
                 "st.shared::cluster.v2.f64 [%0+16], {%3, %4};"
                 :: "r"(there), "d"(x), "d"(y), "d"(z), "d"(w) : "memory");
#endif
}
#endif

#endif  // -----------------------------------------------------------------------------------------

typedef long long int64;

#if REAL_BITS == 32
#define REAL_EXP expf
#define REAL_LOG logf
#define REAL_TANH tanhf
#define REAL_SQRT sqrtf
#define REAL_ABS fabsf
#define REAL_MIN fminf
#define REAL_FMA fmaf
#define REAL_MAX fmaxf
#else
#define REAL_EXP exp
#define REAL_LOG log
#define REAL_TANH tanh
#define REAL_SQRT sqrt
#define REAL_ABS fabs
#define REAL_MIN fmin
#define REAL_FMA fma
#define REAL_MAX fmax
#endif

// Four numbers that are read at once.
typedef struct ALIGNED(16) { REAL x, y, z, w; } real4;

// All i of [0, n), spread over all threads of a launch of any size.
#define FOR_EACH(i, n)                                                                    \
    for (int64 i = blockIdx.x * (int64)blockDim.x + threadIdx.x; i < (n);                 \
         i += gridDim.x * (int64)blockDim.x)
