// Runs a kernel on the CPU: all threads of the blocks that live together, in an order to choose.
// When nobody can go on, or something forbidden was done, the launch ends with an error.

#include "fibres.c"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

static void deadlock(void)
{
    const Thread *stuck = NULL, *differs = NULL;
    for (unsigned t = 0; t < run.threads * run.blocks; t++) {
        const Thread *thread = &run.thread[t];
        if (thread->state != DONE && !stuck) stuck = thread;
    }
    for (unsigned t = 0; t < run.threads * run.blocks && !differs; t++) {
        const Thread *thread = &run.thread[t];
        if (thread->state != stuck->state || thread->line != stuck->line) differs = thread;
    }
    if (!differs) differs = stuck;
    fail("deadlock: block %u, thread %u %s (line %d), block %u, thread %u %s (line %d)",
         stuck->view.block->index.x, stuck->view.index.x, DOES[stuck->state], stuck->line,
         differs->view.block->index.x, differs->view.index.x, DOES[differs->state], differs->line);
}

static unsigned long draw(unsigned long *seed)  // xorshift
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void put_in_order(int order, unsigned long *seed)
{
    unsigned n = run.threads * run.blocks;
    for (unsigned i = 0; i < n; i++) run.order[i] = order == 1 ? n - 1 - i : i;
    if (order != 2) return;
    for (unsigned i = n - 1; i > 0; i--) {
        unsigned j = (unsigned)(draw(seed) % (i + 1)), swap = run.order[i];
        run.order[i] = run.order[j];
        run.order[j] = swap;
    }
}

// All threads of the blocks [first, first + run.blocks), to their ends.
static void run_together(unsigned first, int order, unsigned long *seed)
{
    unsigned n = run.threads * run.blocks, warps = (run.threads + WARP - 1) / WARP;
    unsigned long idle_passes = 0, limit = 1000 + 20000000ul / n;
    memset(run.thread, 0, n * sizeof *run.thread);
    memset(run.warp, 0, warps * run.blocks * sizeof *run.warp);
    memset(run.clusters, 0, run.blocks * sizeof *run.clusters);
    for (unsigned b = 0; b < run.blocks; b++) {
        Block *block = &run.block[b];
        memset(block->memory, 0xff, run.shared + 2 * GUARD);
        block->view = (shim_block_view){
            .index = {first + b, 0, 0},
            .rank = run.cluster ? b % run.cluster : 0,
            .shared = block->memory + GUARD,
        };
        block->at_barrier = block->line = block->done = 0;
        for (unsigned t = 0; t < run.threads; t++)
            run.thread[b * run.threads + t].view =
                (shim_thread_view){.index = {t, 0, 0}, .block = &block->view};
    }
    run.next = 0;
    for (unsigned done = 0; done < n;) {
        unsigned long events = run.events;
        put_in_order(order, seed);
        for (unsigned i = 0; i < n; i++) {
            Thread *thread = &run.thread[run.order[i]];
            if (thread->state == FRESH)
                enter(take_fibre());
            else if (thread->state == READY || thread->state == SPINS)
                enter(thread->fibre);
        }
        run.next = n;
        done = 0;
        for (unsigned t = 0; t < n; t++) done += run.thread[t].state == DONE;
        if (done < n && run.events == events) {
            int spins = 0;
            for (unsigned t = 0; t < n; t++) spins |= run.thread[t].state == SPINS;
            if (!spins || ++idle_passes > limit) deadlock();
        } else {
            idle_passes = 0;
        }
    }
    for (unsigned b = 0; b < run.blocks; b++)
        for (unsigned i = 0; i < 2 * GUARD; i++)
            if (run.block[b].memory[i < GUARD ? i : run.shared + i] != 0xff)
                fail("block %u has written outside of its %zu bytes of shared memory", first + b,
                     run.shared);
}

static const int SIGNALS[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGVTALRM};
enum { CAUGHT = sizeof SIGNALS / sizeof *SIGNALS, SECONDS = 120 };

static const char *meaning(int signal)
{
    switch (signal) {
    case SIGILL: return "what C leaves undefined";
    case SIGFPE: return "a division by zero";
    case SIGVTALRM: return "no end in sight";
    default: return "an access to no memory, or a misaligned one";
    }
}

static pthread_t launching;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    if (!pthread_equal(pthread_self(), launching)) {  // the clock may ring in any thread
        pthread_kill(launching, signal);
        return;
    }
    void *place = info->si_addr;
#if defined(__x86_64__)
    place = (void *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    place = (void *)((ucontext_t *)context)->uc_mcontext.pc;
#else
    (void)context;
#endif
    Dl_info object = {0};
    dladdr(place, &object);
    fail(HERE "%s at <%s+%#tx>", WHERE, meaning(signal), object.dli_fname ? object.dli_fname : "?",
         (char *)place - (char *)object.dli_fbase);
}

#if defined(__SSE2__)
#include <xmmintrin.h>
#define CONTROL() _mm_getcsr()
#define SET_CONTROL(bits) _mm_setcsr(bits)
#define FLUSH 0x8040u
#elif defined(__aarch64__)
#define CONTROL() __builtin_aarch64_get_fpcr()
#define SET_CONTROL(bits) __builtin_aarch64_set_fpcr(bits)
#define FLUSH (1u << 24)
#else
#define CONTROL() 0u
#define SET_CONTROL(bits) ((void)(bits))
#define FLUSH 0u
#endif

// 0, or 1 with what went wrong in the message. `flush`: numbers too small to be normal are 0.
int shim_launch(void (*call)(void **), void **arguments, unsigned blocks, unsigned threads,
                size_t shared, unsigned cluster, int cooperative, int flush, int order,
                unsigned long seed, char *message, size_t message_size)
{
    static unsigned char alternate[64 << 10];
    struct sigaction before[CAUGHT], during = {.sa_sigaction = on_signal,
                                               .sa_flags = SA_ONSTACK | SA_NODEFER | SA_SIGINFO};
    struct itimerval limit = {.it_value.tv_sec = SECONDS}, old_limit;
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate}, old_stack;
    unsigned alive = cooperative ? blocks : cluster ? cluster : 1;
    unsigned long state = seed * 2654435761ul + 88172645463325252ul;
    unsigned control = CONTROL();
    volatile int failed = 1;

    memset(&run, 0, sizeof run);
    run.call = call;
    run.arguments = arguments;
    run.threads = threads;
    run.blocks = alive;
    run.cluster = cluster;
    run.shared = shared;
    run.message = message;
    run.message_size = message_size;
    run.thread = calloc((size_t)alive * threads, sizeof *run.thread);
    run.order = calloc((size_t)alive * threads, sizeof *run.order);
    run.warp = calloc((size_t)alive * ((threads + WARP - 1) / WARP), sizeof *run.warp);
    run.clusters = calloc(alive, sizeof *run.clusters);
    run.block = calloc(alive, sizeof *run.block);
    for (unsigned b = 0; b < alive; b++)
        run.block[b].memory = aligned_alloc(16, (shared + 2 * GUARD + 15) / 16 * 16);
    shim_block_size = (shim_dim3){threads, 1, 1};
    shim_grid_size = (shim_dim3){blocks, 1, 1};

    launching = pthread_self();
    sigaltstack(&stack, &old_stack);
    for (int i = 0; i < CAUGHT; i++) sigaction(SIGNALS[i], &during, &before[i]);
    setitimer(ITIMER_VIRTUAL, &limit, &old_limit);
    if (flush) SET_CONTROL(control | FLUSH);
    if (!_setjmp(run.failed)) {
        unsigned groups = blocks / alive;
        for (unsigned i = 0; i < groups; i++) {
            unsigned group = order == 0 ? i : order == 1 ? groups - 1 - i
                           : (unsigned)((i * 2654435761ul + seed) % groups);
            run_together(group * alive, order, &state);
        }
        failed = 0;
    } else {
        idle = NULL;
        for (Fibre *fibre = all; fibre; fibre = fibre->older) {  // some were stopped half-way
            fibre->entered = 0;
            fibre->next = idle;
            idle = fibre;
        }
    }
    SET_CONTROL(control);
    setitimer(ITIMER_VIRTUAL, &old_limit, NULL);
    for (int i = 0; i < CAUGHT; i++) sigaction(SIGNALS[i], &before[i], NULL);
    sigaltstack(&old_stack, NULL);
    for (unsigned b = 0; b < alive; b++) free(run.block[b].memory);
    free(run.block);
    free(run.clusters);
    free(run.warp);
    free(run.order);
    free(run.thread);
    return failed;
}
