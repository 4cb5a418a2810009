/* SPDX-License-Identifier: Apache-2.0
 *
 * xoshiro256++ (Blackman and Vigna) over the thread's state.
 *
 * A signal handler may interrupt a draw on its own thread. Had both read the same state, both would
 * give the same id. So rng_generation is 0, "no state", while a draw is under way: the handler then
 * seeds anew and its ids come of another stream, and when the interrupted draw writes its state
 * back, it goes on with its own. A handler that never returns (longjmp) leaves the seeded state it
 * made, valid, behind.
 */
#include "core/ids.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "core/clock.h"
#include "core/generation.h"
#include "core/sys.h"
#include "core/tls.h"

#define GOLDEN 0x9e3779b97f4a7c15ULL

/* Tells apart seeds made in the same nanosecond without getrandom. Any thread. */
static _Atomic uint64_t seed_salt;

static inline uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += GOLDEN);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

/* One step; the output is that of the state before it. */
static inline uint64_t step(uint64_t s[static 4])
{
    uint64_t out = rotl(s[0] + s[3], 23) + s[0];
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return out;
}

static void seed(uint64_t s[static 4])
{
    uint64_t mix;

    if (otel_sys.getrandom(s, 4 * sizeof *s) == 4 * sizeof *s && (s[0] | s[1] | s[2] | s[3]))
        return;
    /* No getrandom (seccomp, an old kernel): what differs from process to process, from thread to
     * thread and from call to call, each stirred before the next is added. */
    mix = otel_clock_unix_ns() ^ (uintptr_t)s;
    mix = splitmix64(&mix) ^ otel_clock_mono_ns();
    mix = splitmix64(&mix) ^ ((uint64_t)otel_sys.getpid() << 32 | (uint32_t)otel_sys.gettid());
    mix = splitmix64(&mix) ^ atomic_fetch_add_explicit(&seed_salt, GOLDEN, memory_order_relaxed);
    for (int i = 0; i < 4; i++)
        s[i] = splitmix64(&mix);
}

/* No state of this generation: seeds the thread's and draws from it. While another thread resets
 * the process (generation 0) nothing is kept, for no later draw could tell that it is fresh. */
static __attribute__((noinline, cold)) void draw_slow(uint64_t *out, int n, uint32_t generation)
{
    uint64_t s[4];

    seed(s);
    for (int i = 0; i < n; i++)
        out[i] = step(s);
    if (!generation)
        return;
    otel_tls.rng_generation = 0;
    atomic_signal_fence(memory_order_seq_cst);
    memcpy(otel_tls.rng, s, sizeof s);
    atomic_signal_fence(memory_order_seq_cst);
    otel_tls.rng_generation = generation;
}

static inline __attribute__((always_inline)) void draw(uint64_t *out, int n)
{
    uint32_t generation = otel_generation();
    uint64_t s[4];

    if (__builtin_expect(!generation || otel_tls.rng_generation != generation, 0)) {
        draw_slow(out, n, generation);
        return;
    }
    otel_tls.rng_generation = 0;
    atomic_signal_fence(memory_order_seq_cst);
    memcpy(s, otel_tls.rng, sizeof s);
    for (int i = 0; i < n; i++)
        out[i] = step(s);
    memcpy(otel_tls.rng, s, sizeof s);
    atomic_signal_fence(memory_order_seq_cst);
    otel_tls.rng_generation = generation;
}

/* A zero may also come of a state that the host overwrote with zeroes, which yields nothing else
 * for ever: seed anew instead of only trying again. */
void otel_ids_trace(uint8_t out[static OTEL_TRACE_ID_LEN])
{
    uint64_t id[2];

    draw(id, 2);
    while (__builtin_expect(!(id[0] | id[1]), 0)) {
        otel_tls.rng_generation = 0;
        draw(id, 2);
    }
    memcpy(out, id, sizeof id);
}

void otel_ids_span(uint8_t out[static OTEL_SPAN_ID_LEN])
{
    uint64_t id;

    draw(&id, 1);
    while (__builtin_expect(!id, 0)) {
        otel_tls.rng_generation = 0;
        draw(&id, 1);
    }
    memcpy(out, &id, sizeof id);
}

void otel_ids_root(uint8_t trace[static OTEL_TRACE_ID_LEN], uint8_t span[static OTEL_SPAN_ID_LEN])
{
    uint64_t id[3];

    draw(id, 3);
    while (__builtin_expect(!(id[0] | id[1]) || !id[2], 0)) {
        otel_tls.rng_generation = 0;
        draw(id, 3);
    }
    memcpy(trace, id, OTEL_TRACE_ID_LEN);
    memcpy(span, &id[2], OTEL_SPAN_ID_LEN);
}

uint64_t otel_ids_random(void)
{
    uint64_t out;

    draw(&out, 1);
    return out;
}

void otel_hex_encode(char *out, const uint8_t *bytes, size_t len)
{
    static const char digits[16] = {"0123456789abcdef"};

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
}

/* The digit's value, 16 for any other char. */
static inline unsigned hex_value(char c)
{
    unsigned digit = (unsigned char)c - (unsigned)'0';
    unsigned letter = (unsigned char)c - (unsigned)'a';

    return digit < 10 ? digit : letter < 6 ? letter + 10 : 16;
}

int otel_hex_decode(uint8_t *out, size_t len, const char *hex)
{
    unsigned seen = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned high = hex_value(hex[2 * i]);
        unsigned low = hex_value(hex[2 * i + 1]);

        seen |= high | low;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return seen & 16 ? -EINVAL : 0;
}
