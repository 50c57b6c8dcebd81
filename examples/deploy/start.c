/* A bare Cortex-M: vectors, memory, and a main that runs the self-test of model.c and some steps.
 * It talks through semihosting, which QEMU and debuggers answer; a product leaves that out. */
#include <stdint.h>
#include "model.c"

extern uint32_t stack_top, data_start, data_end, data_load, bss_start, bss_end;

static int host(int call, const void *with) {
    register int r0 __asm__("r0") = call;
    register const void *r1 __asm__("r1") = with;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void say(const char *text) { host(4, text); }

/* What the compiler calls for loops that set or copy memory. */
void *memset(void *to, int value, unsigned n) {
    volatile uint8_t *p = to;
    while (n--) *p++ = (uint8_t)value;
    return to;
}
void *memcpy(void *to, const void *from, unsigned n) {
    volatile uint8_t *p = to;
    const uint8_t *q = from;
    while (n--) *p++ = *q++;
    return to;
}

static int run(void) {
    static model_state state;
#ifdef MODEL_WINDOW
    static float x[MODEL_WINDOW * MODEL_INPUTS], all[MODEL_ROWS * MODEL_OUTPUTS];
    float *scores = all + (MODEL_ROWS - 1) * MODEL_OUTPUTS; /* of the last row */
    char text[] = "after a window the highest score is that of class 0\n";
#else
    float x[MODEL_INPUTS] = {0}, scores[MODEL_OUTPUTS];
    int t;
    char text[] = "after 10 steps the highest score is that of class 0\n";
#endif
    int j, best = 0;
    if (model_self_test() < 0.0f) {
        say("other bits than the network's\n");
        return 1;
    }
    say("the bits of the network\n");
#ifdef MODEL_WINDOW
    model_window(&state, x, all);
#else
    model_reset(&state);
    for (t = 0; t < 10; t++) model_step(&state, x, scores);
#endif
    for (j = 1; j < MODEL_OUTPUTS; j++) if (scores[j] > scores[best]) best = j;
    text[sizeof text - 3] = (char)('0' + best % 10);
    say(text);
    return 0;
}

void reset_handler(void) {
    uint32_t *to = &data_start, *from = &data_load;
    while (to < &data_end) *to++ = *from++;
    for (to = &bss_start; to < &bss_end; to++) *to = 0;
#ifdef __ARM_FP
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* the floating-point unit on */
    __asm__ volatile("dsb\n isb");
#endif
    host(0x18, (void *)(run() == 0 ? 0x20026 : 0x20023)); /* the end: well, or not */
    for (;;) {}
}

__attribute__((section(".vectors"), used)) static const void *const vectors[2] = {
    &stack_top, (const void *)reset_handler};
