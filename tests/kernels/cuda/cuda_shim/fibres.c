// Threads of a kernel on the CPU: each is a fibre, which runs until it has to wait for others.
// Here is what they wait at, and what they may not do there; launch.c decides who runs.

#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define __CUDA_ARCH__ 900
#define REAL double
#include "shim.h"

enum { STACK = 64 << 10, GUARD = 1024, WARP = 32 };
typedef enum { FRESH, READY, SPINS, AT_BARRIER, AT_WARP, AT_CLUSTER, DONE } State;
static const char *const DOES[] = {
    "has not started", "could run", "spins in load_and_acquire", "waits at BLOCK_BARRIER",
    "waits for its warp", "waits for its cluster", "has returned",
};

struct Fibre;

typedef struct {
    shim_block_view view;  // first: shim_now->block points here
    unsigned char *memory;  // guard, shared memory, guard
    unsigned at_barrier, line, done;
} Block;

typedef struct {
    shim_thread_view view;  // first: shim_now points here
    State state;
    int line;
    struct Fibre *fibre;
    unsigned cluster_phase, arrived;  // of the cluster's barrier
} Thread;

typedef struct {
    unsigned arrived, from, size;
    int line;
    unsigned argument[WARP];
    unsigned char value[WARP][8], result[WARP][8];
} Warp;

typedef struct { unsigned phase, arrived; } Cluster;

typedef struct Fibre {
    jmp_buf where;
    ucontext_t context;
    struct Fibre *next, *older;
    int entered;
} Fibre;

shim_thread_view *shim_now;
shim_dim3 shim_block_size, shim_grid_size;

static struct {
    void (*call)(void **);
    void **arguments;
    unsigned threads, blocks, cluster;  // of a block; alive together; of a cluster
    size_t shared;
    Block *block;
    Thread *thread;
    Warp *warp;
    Cluster *clusters;
    unsigned *order, *unit, next;
    unsigned long events;
    jmp_buf scheduler, failed;
    char *message;
    size_t message_size;
} run;

static Fibre *idle;  // fibres of earlier threads, to be used again
static Fibre *all;
static Fibre *current;

static void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
static void fail(const char *format, ...)
{
    va_list rest;
    va_start(rest, format);
    vsnprintf(run.message, run.message_size, format, rest);
    va_end(rest);
    _longjmp(run.failed, 1);
}

#define HERE "block %u, thread %u: "
#define WHERE shim_now->block->index.x, shim_now->index.x

static Thread *self(void) { return (Thread *)shim_now; }
static Block *own(void) { return (Block *)shim_now->block; }

static void start(Thread *thread)
{
    thread->state = READY;
    thread->fibre = current;
    shim_now = &thread->view;
    run.call(run.arguments);
    thread = self();
    thread->state = DONE;
    own()->done++;
    run.events++;
}

// The next thread in the order that has not started; a fibre that ran to its end goes on with it.
static Thread *next_fresh(void)
{
    while (run.next < run.threads * run.blocks) {
        Thread *thread = &run.thread[run.order[run.next++]];
        if (thread->state == FRESH) return thread;
    }
    return NULL;
}

static void fibre_main(void)
{
    for (;;) {
        Thread *thread;
        while ((thread = next_fresh())) start(thread);
        current->next = idle;
        idle = current;
        if (!_setjmp(current->where)) _longjmp(run.scheduler, 1);
    }
}

static Fibre *take_fibre(void)
{
    Fibre *fibre = idle;
    if (fibre) {
        idle = fibre->next;
        return fibre;
    }
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *stack = mmap(NULL, STACK + page, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED || mprotect(stack, page, PROT_NONE)) fail("no memory for fibres");
    fibre = calloc(1, sizeof *fibre);
    getcontext(&fibre->context);
    fibre->context.uc_stack.ss_sp = stack + page;
    fibre->context.uc_stack.ss_size = STACK;
    fibre->context.uc_link = NULL;
    makecontext(&fibre->context, fibre_main, 0);
    fibre->older = all;
    return all = fibre;
}

static void enter(Fibre *fibre)
{
    current = fibre;
    if (_setjmp(run.scheduler)) return;
    if (fibre->entered) _longjmp(fibre->where, 1);
    fibre->entered = 1;
    setcontext(&fibre->context);
}

// Give way to the others until somebody makes this thread ready again.
static void wait_as(State state, int line)
{
    Thread *thread = self();
    thread->state = state;
    thread->line = line;
    if (!_setjmp(current->where)) _longjmp(run.scheduler, 1);
    shim_now = &thread->view;
    thread->state = READY;
}

static void wake(unsigned first, unsigned count, State state)
{
    for (unsigned t = first; t < first + count; t++)
        if (run.thread[t].state == state) run.thread[t].state = READY;
    run.events++;
}

void shim_block_barrier(int line)
{
    Block *block = own();
    run.events++;
    if (block->at_barrier && block->line != (unsigned)line)
        fail(HERE "at BLOCK_BARRIER of line %d while others are at that of line %u", WHERE, line,
             block->line);
    block->line = (unsigned)line;
    if (++block->at_barrier < run.threads) {
        wait_as(AT_BARRIER, line);
        return;
    }
    block->at_barrier = 0;
    wake((unsigned)(block - run.block) * run.threads, run.threads, AT_BARRIER);
    // The last to arrive has no head start: every order of the threads is tried after a barrier.
    wait_as(READY, line);
}

void shim_warp(void *value, unsigned size, int from, unsigned argument, int line)
{
    unsigned t = (unsigned)(self() - run.thread), in_block = t % run.threads;
    unsigned lane = in_block % WARP, first = t - lane;
    Warp *warp = &run.warp[(t / run.threads) * ((run.threads + WARP - 1) / WARP) + in_block / WARP];
    run.events++;
    if (in_block - lane + WARP > run.threads)
        fail(HERE "its warp has fewer than 32 threads (line %d)", WHERE, line);
    if (argument >= WARP) fail(HERE "lane %u of a warp (line %d)", WHERE, argument, line);
    if (warp->arrived && (warp->line != line || warp->from != (unsigned)from || warp->size != size))
        fail(HERE "at the exchange of line %d while its warp is at that of line %d", WHERE, line,
             warp->line);
    warp->line = line;
    warp->from = (unsigned)from;
    warp->size = size;
    warp->argument[lane] = argument;
    memcpy(warp->value[lane], value, size);
    if (++warp->arrived < WARP) {
        wait_as(AT_WARP, line);
    } else {
        for (unsigned l = 0; l < WARP; l++) {
            unsigned source = from ? warp->argument[l] : (l ^ warp->argument[l]);
            memcpy(warp->result[l], warp->value[source], size);
        }
        warp->arrived = 0;
        wake(first, WARP, AT_WARP);
        wait_as(READY, line);
    }
    memcpy(value, warp->result[lane], size);
}

unsigned shim_load(const unsigned *counter)
{
    wait_as(SPINS, 0);
    return *counter;
}

void shim_add(unsigned *counter, unsigned value)
{
    run.events++;
    *counter += value;
}

static Cluster *cluster_of(void)
{
    if (!run.cluster) fail(HERE "a kernel without CLUSTER uses a cluster", WHERE);
    return &run.clusters[(unsigned)(own() - run.block) / run.cluster];
}

void shim_cluster_arrive(int line)
{
    Cluster *cluster = cluster_of();
    Thread *thread = self();
    run.events++;
    if (thread->arrived) fail(HERE "arrives twice without waiting (line %d)", WHERE, line);
    thread->arrived = 1;
    thread->cluster_phase = cluster->phase;
    if (++cluster->arrived == run.cluster * run.threads) {
        cluster->arrived = 0;
        cluster->phase++;
        unsigned first = (unsigned)(cluster - run.clusters) * run.cluster * run.threads;
        wake(first, run.cluster * run.threads, AT_CLUSTER);
    }
    // Others may be late: let them, so that a missing wait shows.
    wait_as(READY, line);
}

void shim_cluster_wait(int line)
{
    Cluster *cluster = cluster_of();
    Thread *thread = self();
    run.events++;
    if (!thread->arrived) fail(HERE "waits without having arrived (line %d)", WHERE, line);
    thread->arrived = 0;
    if (cluster->phase == thread->cluster_phase) wait_as(AT_CLUSTER, line);
}

void shim_cluster_store(void *place, unsigned rank, const void *value, unsigned size)
{
    cluster_of();
    Block *block = own();
    size_t offset = (size_t)((unsigned char *)place - block->view.shared);
    if (rank >= run.cluster) fail(HERE "cluster_store to block %u of %u", WHERE, rank, run.cluster);
    if (offset + size > run.shared)
        fail(HERE "cluster_store outside of the shared memory", WHERE);
    Block *other = block - block->view.rank + rank;
    if (other->done == run.threads)
        fail(HERE "cluster_store to block %u, which has ended", WHERE, other->view.index.x);
    memcpy(other->view.shared + offset, value, size);
}
