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

// The orders: FORWARD, REVERSE and RANDOM let every thread go on to where it has to wait, in turn.
// BLOCKS lets one block after the other go on until nobody of it can; WARPS draws a warp that has to
// wait until nobody else can go on. So some are far ahead, and a meeting that is missing shows.
enum { FORWARD, REVERSE, RANDOM, BLOCKS, WARPS };

static void shuffle(unsigned *numbers, unsigned n, unsigned long *seed)
{
    for (unsigned i = n - 1; i > 0; i--) {
        unsigned j = (unsigned)(draw(seed) % (i + 1)), swap = numbers[i];
        numbers[i] = numbers[j];
        numbers[j] = swap;
    }
}

static void put_in_order(int order, unsigned long *seed)
{
    unsigned n = run.threads * run.blocks, warps = (run.threads + WARP - 1) / WARP;
    for (unsigned i = 0; i < n; i++) run.order[i] = order == REVERSE ? n - 1 - i : i;
    if (order == RANDOM) shuffle(run.order, n, seed);
    if (order != BLOCKS && order != WARPS) return;
    unsigned size = order == BLOCKS ? run.threads : WARP, a_block = order == BLOCKS ? 1 : warps;
    unsigned units = run.blocks * a_block;
    for (unsigned i = 0; i < units; i++) run.unit[i] = i;
    shuffle(run.unit, units, seed);
    for (unsigned i = 0, at = 0; i < units; i++) {
        unsigned block = run.unit[i] / a_block, first = run.unit[i] % a_block * size;
        for (unsigned t = first; t < first + size && t < run.threads; t++)
            run.order[at++] = block * run.threads + t;
    }
}

// Every thread at these places of the order, once; whether anything happened.
static int pass_over(unsigned first, unsigned end)
{
    unsigned long events = run.events;
    for (unsigned i = first; i < end; i++) {
        Thread *thread = &run.thread[run.order[i]];
        if (thread->state == FRESH)
            enter(take_fibre());
        else if (thread->state == READY || thread->state == SPINS)
            enter(thread->fibre);
    }
    return run.events != events;
}

static int can_go_on(unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++)
        if (run.thread[run.order[i]].state == READY) return 1;
    return 0;
}

static unsigned end_of_warp(unsigned first)
{
    unsigned t = run.order[first] % run.threads, rest = run.threads - t;
    return first + (rest < WARP ? rest : WARP);
}

// A warp after the other as far as it comes, until nothing happens at these places any more.
static void run_ahead(unsigned first, unsigned end)
{
    unsigned long events;
    do {
        events = run.events;
        for (unsigned i = first, next; i < end; i = next) {
            next = end_of_warp(i);
            while (pass_over(i, next) && can_go_on(i, next)) {
            }
        }
    } while (run.events != events);
}

static void pass_in(int order)
{
    unsigned n = run.threads * run.blocks;
    if (order == BLOCKS) {
        for (unsigned i = 0; i < n; i += run.threads) run_ahead(i, i + run.threads);
    } else if (order == WARPS) {
        unsigned last = 0;
        while (end_of_warp(last) < n) last = end_of_warp(last);
        run_ahead(0, last);
        pass_over(last, n);  // to its next wait, before which another warp may be drawn
    } else {
        pass_over(0, n);
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
        pass_in(order);
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
    run.unit = calloc((size_t)alive * ((threads + WARP - 1) / WARP), sizeof *run.unit);
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
            unsigned group = order == FORWARD ? i : order == REVERSE ? groups - 1 - i
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
    free(run.unit);
    free(run.order);
    free(run.thread);
    return failed;
}
