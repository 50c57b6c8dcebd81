// How the blocks of a group, which hold the recurrent weights together, share a product and meet.
// A team of lanes has a few outputs: each lane sums a part of k, then the lanes add up.
//
// Constants: HIDDEN units of the layer; UNITS of them a block; BLOCKS a group; LANES a team of
// forward, which has one unit; ROWS sequences at a time forward, 1 or LANES, and ROWS_BACK backward,
// a power of 2 up to LANES.
// EXCHANGE tells what a group is: 0 one block, 1 a cluster, 2 blocks of a cooperative grid.

#define THREADS ((UNITS * LANES + 31) / 32 * 32)
#define AHEAD 8  // steps by which memory is asked for early

#if EXCHANGE == 1
#define GROUP CLUSTER(BLOCKS) BLOCK_OF(THREADS)
#else
#define GROUP BLOCK_OF(THREADS)
#endif

// Four products more onto a sum.
DEVICE REAL dot4(real4 a, real4 b, REAL sum)
{
    return REAL_FMA(a.w, b.w, REAL_FMA(a.z, b.z, REAL_FMA(a.y, b.y, REAL_FMA(a.x, b.x, sum))));
}

// Add `sums` up over teams of neighbouring lanes. Lane l is left with max(1, count / lanes) of
// them, those from l * count / lanes on: of each pair of lanes, either takes over one half of what
// the two still have. The order of additions depends on `lanes` alone.
DEVICE void add_lanes(REAL *sums, int count, int lanes)
{
    UNROLL for (int apart = lanes / 2; apart > 0; apart /= 2) {
        const int upper = (threadIdx.x & apart) != 0, half = count * apart / lanes;
        UNROLL for (int i = 0; i < count / 2; i++) {
            if (i < half) {
                REAL given = upper ? sums[i] : sums[i + half];
                REAL kept = upper ? sums[i + half] : sums[i];
                sums[i] = kept + WARP_XOR(given, apart);
            }
        }
        if (half == 0)
            sums[0] += WARP_XOR(sums[0], apart);
    }
}

// The first meeting of the blocks of a cluster: from then on each may write into the others.
DEVICE void begin_together(void)
{
#if EXCHANGE == 1
    cluster_arrive();
    cluster_wait();
#else
    BLOCK_BARRIER();
#endif
}

// The meeting once a step, in two halves: what was sent before `arrive` is seen by all blocks after
// `wait_for_all`. A release waits until all stores before it are done, so only what others wait for
// belongs there. `arrived` counts the blocks of a cooperative group that have come, `meetings`
// those that were held.
DEVICE void arrive(unsigned *arrived)
{
    (void)arrived;
#if EXCHANGE == 1
    cluster_arrive();
#elif EXCHANGE == 2
    BLOCK_BARRIER();
    if (threadIdx.x == 0)
        add_and_release(arrived, 1);
#endif
}

DEVICE void wait_for_all(unsigned *arrived, unsigned meetings)
{
    (void)arrived, (void)meetings;
#if EXCHANGE == 1
    cluster_wait();
#else
#if EXCHANGE == 2
    if (threadIdx.x == 0) {
        unsigned all = BLOCKS * (meetings + 1);
        while ((int)(load_and_acquire(arrived) - all) < 0) {
        }
    }
#endif
    BLOCK_BARRIER();
#endif
}

// Put a number where every block of the group will read it after the meeting; the lanes of one
// number divide the blocks among them, `lane` of `lanes`.
DEVICE void send(REAL *place, REAL value, int lane, int lanes)
{
#if EXCHANGE == 1
    UNROLL for (int i = 0; i < BLOCKS; i += lanes) {
        if (i + lane < BLOCKS)
            cluster_store(place, i + lane, value);
    }
#else
    (void)lanes;
    if (lane == 0)
        *place = value;
#endif
}

// The same for four numbers, within a block or a cluster.
DEVICE void send_four(real4 *place, Gates a, int lane, int lanes)
{
#if EXCHANGE == 1
    UNROLL for (int i = 0; i < BLOCKS; i += lanes) {
        if (i + lane < BLOCKS)
            cluster_store_four(place, i + lane, a.i, a.f, a.g, a.o);
    }
#else
    (void)lanes;
    real4 four = {a.i, a.f, a.g, a.o};
    if (lane == 0)
        *place = four;
#endif
}
