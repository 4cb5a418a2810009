/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ids.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/generation.h"
#include "core/sys.h"
#include "core/tls.h"
#include "tests/support/guardpage.h"

#define THREADS 4
#define PER_THREAD 100000

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static size_t duplicates(uint64_t *ids, size_t n)
{
    size_t found = 0;

    qsort(ids, n, sizeof *ids, by_value);
    for (size_t i = 1; i < n; i++)
        found += ids[i] == ids[i - 1];
    return found;
}

static void draw(uint64_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        otel_ids_span((uint8_t *)&ids[i]);
}

static void *draw_thread(void *arg)
{
    draw(arg, PER_THREAD);
    return NULL;
}

static void four_threads(void)
{
    uint64_t *ids = calloc(THREADS * PER_THREAD, sizeof *ids);
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, draw_thread, ids + (size_t)i * PER_THREAD);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(duplicates(ids, THREADS * PER_THREAD), 0);
    cr_assert_neq(ids[0], 0);
    free(ids);
}

Test(ids, unique_over_threads)
{
    four_threads();
}

static long no_getrandom(void *buf, size_t n)
{
    (void)buf;
    (void)n;
    return -ENOSYS;
}

Test(ids, unique_over_threads_without_getrandom)
{
    otel_sys.getrandom = no_getrandom;
    four_threads();
}

static long zero_getrandom(void *buf, size_t n)
{
    memset(buf, 0, n);
    return (long)n;
}

Test(ids, never_zero_from_a_dead_source)
{
    uint64_t ids[1000];

    otel_sys.getrandom = zero_getrandom;
    draw(ids, 1000);
    cr_assert_eq(duplicates(ids, 1000), 0);
    cr_assert_neq(ids[0], 0);
}

Test(ids, a_zeroed_state_is_seeded_anew, .timeout = 30)
{
    uint64_t id[2];

    otel_tls.rng_generation = otel_generation();
    draw(id, 1);
    cr_assert_neq(id[0], 0);
    memset(otel_tls.rng, 0, sizeof otel_tls.rng);
    otel_ids_trace((uint8_t *)id);
    cr_assert(id[0] && id[1]);
}

static int getrandom_calls;

static long counted_getrandom(void *buf, size_t n)
{
    getrandom_calls++;
    return (long)getentropy(buf, n) ? -EIO : (long)n;
}

Test(ids, a_root_gets_both_of_one_draw)
{
    uint64_t a[3];
    uint64_t b[3];

    otel_ids_root((uint8_t *)a, (uint8_t *)&a[2]);
    cr_assert(a[0] && a[1] && a[2]);
    otel_ids_root((uint8_t *)b, (uint8_t *)&b[2]);
    for (int i = 0; i < 3; i++)
        cr_assert(a[i] != b[0] && a[i] != b[1] && a[i] != b[2]);
    memset(otel_tls.rng, 0, sizeof otel_tls.rng);
    otel_ids_root((uint8_t *)a, (uint8_t *)&a[2]);
    cr_assert(a[0] && a[1] && a[2]);
}

Test(ids, one_seed_a_thread)
{
    uint64_t ids[1000];
    uint8_t trace[OTEL_TRACE_ID_LEN];

    otel_sys.getrandom = counted_getrandom;
    draw(ids, 1000);
    otel_ids_trace(trace);
    otel_ids_random();
    cr_assert_eq(getrandom_calls, 1);
}

Test(ids, bits_are_evenly_spread)
{
    int ones[128] = {0};
    uint8_t id[OTEL_TRACE_ID_LEN];

    for (int n = 0; n < 10000; n++) {
        otel_ids_trace(id);
        for (int bit = 0; bit < 128; bit++)
            ones[bit] += id[bit / 8] >> (bit % 8) & 1;
    }
    for (int bit = 0; bit < 128; bit++) /* 10 standard deviations */
        cr_assert(ones[bit] > 4500 && ones[bit] < 5500, "bit %d: %d of 10000", bit, ones[bit]);
}

/* xoshiro256++ from the state 1, 2, 3, 4: the first outputs of the authors' own code. */
Test(ids, generator_is_xoshiro256pp)
{
    static const uint64_t expected[] = {
        41943041, 58720359, 3588806011781223, 3591011842654386, 9228616714210784205ULL,
    };

    for (int i = 0; i < 4; i++)
        otel_tls.rng[i] = (uint64_t)i + 1;
    otel_tls.rng_generation = otel_generation();
    for (int i = 0; i < 5; i++)
        cr_assert_eq(otel_ids_random(), expected[i]);
}

static pid_t raw_clone(void)
{
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0L, 0L, 0L, 0L);
}

static pid_t raw_fork(void)
{
#ifdef SYS_fork
    return (pid_t)syscall(SYS_fork);
#else
    return raw_clone();
#endif
}

/* Three processes that begin with the same copied state. */
static void unique_after(pid_t (*make)(void))
{
    enum { EACH = 1000 };
    uint64_t *ids = mmap(NULL, 4 * EACH * sizeof *ids, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    cr_assert_eq(otel_generation_init(), 0);
    draw(ids, EACH);
    for (int child = 1; child <= 2; child++) {
        pid_t pid = make();

        cr_assert_geq(pid, 0);
        if (pid == 0) {
            draw(ids + child * EACH, EACH);
            _exit(0);
        }
        cr_assert_eq(waitpid(pid, NULL, 0), pid);
    }
    draw(ids + 3 * EACH, EACH);
    cr_assert_eq(duplicates(ids, 4 * EACH), 0);
    cr_assert_neq(ids[0], 0);
}

Test(ids, unique_after_fork)
{
    unique_after(fork);
}

Test(ids, unique_after_raw_fork)
{
    unique_after(raw_fork);
}

Test(ids, unique_after_raw_clone)
{
    unique_after(raw_clone);
}

/* The word of a process that another thread is resetting: 0, and the claim behind it taken. */
static _Atomic uint32_t resetting[2] = {0, 1};

Test(ids, unique_while_another_thread_resets, .timeout = 30)
{
    uint64_t ids[1000];

    otel_generation_word = &resetting[0];
    draw(ids, 1000);
    cr_assert_eq(duplicates(ids, 1000), 0);
    cr_assert_neq(ids[0], 0);
}

#define HANDLED 4096

static uint64_t handled[HANDLED];
static volatile sig_atomic_t handled_count;

static void draw_in_handler(int signal)
{
    (void)signal;
    if (handled_count < HANDLED)
        draw(&handled[handled_count++], 1);
}

/* Most signals land within draws, for the thread does nothing else. */
Test(ids, a_signal_handler_never_repeats_the_interrupted_id)
{
    enum { MOST = 16000000 };
    size_t n = 0;
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec every = {{0, 50000}, {0, 50000}};
    uint64_t *ids = malloc((MOST + HANDLED) * sizeof *ids);

    signal(SIGUSR1, draw_in_handler);
    cr_assert_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    timer_settime(timer, 0, &every, NULL);
    while (n < MOST && handled_count < 1000)
        draw(ids + n++, 1);
    timer_delete(timer);
    cr_assert_gt(handled_count, 0);
    memcpy(ids + n, handled, (size_t)handled_count * sizeof *ids);
    n += (size_t)handled_count;
    cr_assert_eq(duplicates(ids, n), 0);
    free(ids);
}

/* What a handler finds that interrupts a draw, and what the draw finds afterwards. */
Test(ids, an_interrupted_draw_leaves_no_state_to_repeat)
{
    uint64_t state[4];
    uint64_t expected;
    uint64_t id;

    draw(&id, 1);
    memcpy(state, otel_tls.rng, sizeof state);
    draw(&expected, 1);
    memcpy(otel_tls.rng, state, sizeof state);
    otel_tls.rng_generation = 0;
    draw(&id, 1);
    cr_assert_neq(id, expected);
    cr_assert_eq(otel_tls.rng_generation, otel_generation(), "valid even when it never returns");
}

Test(hex, encode)
{
    static const uint8_t bytes[] = {0x00, 0x0f, 0xf0, 0xff, 0x9a, 0xa9};
    char out[13] = "zzzzzzzzzzzz";

    otel_hex_encode(out, bytes, 6);
    cr_assert_str_eq(out, "000ff0ff9aa9");
    otel_hex_encode(out, bytes, 0);
    cr_assert_str_eq(out, "000ff0ff9aa9");
}

Test(hex, decode_takes_back_what_encode_gave)
{
    struct guardpage in;
    struct guardpage out;
    uint8_t bytes[OTEL_TRACE_ID_LEN];

    guardpage_open(&in, 2 * sizeof bytes);
    guardpage_open(&out, 2 * sizeof bytes);
    for (int i = 0; i < 10000; i++) {
        size_t len = (size_t)i % (sizeof bytes + 1);
        char *hex = guardpage_room(&in, 2 * len);
        uint8_t *back = guardpage_room(&out, len);

        otel_ids_trace(bytes);
        otel_hex_encode(hex, bytes, len);
        cr_assert_eq(otel_hex_decode(back, len, hex), 0);
        cr_assert_eq(memcmp(back, bytes, len), 0);
    }
    guardpage_close(&in);
    guardpage_close(&out);
}

Test(hex, every_other_char_is_refused_at_every_place)
{
    struct guardpage page;
    uint8_t out[4];

    guardpage_open(&page, 8);
    for (int c = 0; c < 256; c++) {
        bool good = c && strchr("0123456789abcdef", c);

        for (int at = 0; at < 8; at++) {
            char *hex = guardpage_put(&page, "01234567", 8);

            hex[at] = (char)c;
            cr_assert_eq(otel_hex_decode(out, 4, hex), good ? 0 : -EINVAL, "char %d at %d", c, at);
        }
    }
    guardpage_close(&page);
}
