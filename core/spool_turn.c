/* SPDX-License-Identifier: Apache-2.0 */
#include "core/spool_turn.h"

#include <stdint.h>

#include "core/clock.h"
#include "core/config.h"
#include "core/log.h"
#include "core/spool_drain.h"
#include "core/spool_folder.h"

#define LAST_NS (UINT64_C(200) * 1000000)

/* The batch thread's; a fork child resets them before it has one. */
static bool done;       /* there has been a turn */
static bool unfinished; /* the last one was interrupted */
static bool marked;     /* a mark was seen or set: to be taken away when the collector is back */
static uint64_t until;  /* CLOCK_MONOTONIC ns, of the last turn; 0: no limit */
static bool (*is_busy)(void);

static bool go_on(void)
{
    unfinished = is_busy() || (until && otel_clock_mono_ns() >= until);
    return !unfinished;
}

static void report(const struct otel_spool_sum *sum)
{
    if (sum->exported || sum->torn || sum->lost)
        otel_log(
            OTEL_LOG_INFO,
            "sent %u spans that lay in the spool (%u open when they were left), skipped %u half "
            "written, lost %u",
            sum->exported, sum->died, sum->torn, sum->lost);
}

static void turn(uint32_t unless_within_ms)
{
    struct otel_spool_sum sum = {0};

    if (!otel_spool_wanted() || otel_spool_turn_away())
        return;
    unfinished = false;
    if (otel_spool_drain(&sum, unless_within_ms, go_on) == 0)
        done = true;
    if (sum.away || sum.exported)
        otel_spool_turn_heard(sum.away);
    report(&sum);
}

void otel_spool_turn(bool (*busy)(void))
{
    is_busy = busy;
    until = 0;
    turn(done && !unfinished ? otel_config.schedule_delay_ms / 2 : 0);
}

void otel_spool_turn_last(bool (*busy)(void))
{
    if (done && !unfinished)
        return;
    is_busy = busy;
    until = otel_clock_mono_ns() + LAST_NS;
    turn(0);
}

void otel_spool_turn_heard(bool away)
{
    if (!otel_spool_wanted() || (!away && !marked))
        return;
    otel_spool_mark_away(away);
    marked = away;
}

bool otel_spool_turn_away(void)
{
    bool there = false;
    bool away =
        otel_spool_wanted() && otel_spool_marked_away(otel_config.schedule_delay_ms, &there);

    marked |= there;
    return away;
}

void otel_spool_turn_reset(void)
{
    done = unfinished = marked = false;
}
