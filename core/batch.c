/* SPDX-License-Identifier: Apache-2.0 */
#include "core/batch.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>

#include "core/batch_thread.h"
#include "core/clock.h"
#include "core/config.h"
#include "core/counters.h"
#include "core/exporter.h"
#include "core/gate.h"
#include "core/generation.h"
#include "core/log.h"
#include "core/privatefd.h"
#include "core/profiler.h"
#include "core/queue.h"
#include "core/resource.h"
#include "core/spool.h"
#include "core/spool_keep.h"
#include "core/spool_turn.h"
#include "core/store.h"
#include "core/sys.h"
#include "core/tls.h"

#define MS UINT64_C(1000000)
/* A terminal is read by a person who waits; used when the console is the only exporter. */
#define CONSOLE_DELAY_MS 200
/* After the time allowed for exit the thread is given this long to notice that it is over. */
#define EXIT_GRACE_MS 60
/* Who sleeps so long waits to try again, not for an answer. */
#define RETRY_NS (100 * MS)

enum thread_state { NONE, STARTING, RUNNING, ENDED, REFUSED };

/* Written at start-up before any second thread. */
static const struct otel_platform *platform;

/* Any thread; changed by compare-and-swap, ENDED by the batch thread (futex word). */
static _Atomic uint32_t thread_state;
/* 1: there is cause to look. Set by any thread, cleared by the batch thread (futex word). */
static _Atomic uint32_t wake;
/* Flushes asked for and done; the batch thread copies one to the other (flushed: futex word). */
static _Atomic uint32_t flush_wanted;
static _Atomic uint32_t flushed;
static _Atomic bool stopping;
/* Set by whoever is inside drop_rest(). */
static atomic_flag dropping = ATOMIC_FLAG_INIT;
/* Threads inside otel_batch_flush(). */
static _Atomic uint32_t flushing;
/* 1 + the number of spans exported when a flush last ran out of time, 0: none has. */
static _Atomic uint64_t gave_up_at;
/* CLOCK_MONOTONIC ns; 0: none. export_until belongs to the batch thread, leave_at is set by flush
 * and stop on any thread. */
static _Atomic uint64_t export_until;
static _Atomic uint64_t leave_at;
/* Spans taken from the queue whose export has not ended. */
static _Atomic uint32_t in_flight;
/* Of the thread that runs; written by its starter, read by the one stop() that joins. */
static pthread_t thread;

/* The batch thread's own. */
static uint8_t resource[OTEL_RESOURCE_MAX];
static size_t resource_len;
/* One batch: handles and views, batch_max of each; sized by the thread at its start. */
static struct otel_record_view *views;
static uint64_t *records;
static uint32_t batch_max;
/* The collector was away: full batches wait until then, CLOCK_MONOTONIC ns; 0: it was not. */
static uint64_t rest_until;
/* There was no room for a batch in the spool: not asked again until then. */
static uint64_t no_room_until;

static uint32_t load(const _Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

uint64_t otel_batch_time_left_ns(void)
{
    uint64_t until = atomic_load(&export_until);
    uint64_t leave = atomic_load(&leave_at);
    uint64_t now = otel_clock_mono_ns();

    if (leave && (!until || leave < until))
        until = leave;
    return until > now ? until - now : 0;
}

bool otel_batch_exiting(void)
{
    return atomic_load(&leave_at) != 0;
}

/* Nothing is held meanwhile: a good moment to fork. */
static void doze(uint64_t ns)
{
    otel_gate_leave();
    otel_sys.futex_wait(&wake, 0, (int64_t)ns);
    otel_gate_enter();
}

/* Half full: what the collector does not take now had better leave the queue. Only where there is a
 * place for it. */
static bool is_filling(uint32_t taken)
{
    return otel_spool_kept() && otel_clock_mono_ns() >= no_room_until &&
           otel_queue_len() + taken >= (otel_config.max_queue_size + 1) / 2;
}

void otel_batch_sleep(uint64_t ns)
{
    uint64_t until = otel_clock_mono_ns() + ns;

    while (!otel_batch_exiting()) {
        uint64_t now = otel_clock_mono_ns();

        if (ns >= RETRY_NS && is_filling(0)) {
            atomic_store(&export_until, now); /* it is kept elsewhere sooner than retried */
            return;
        }
        if (now >= until)
            return;
        if (until > now + ns)
            until = now + ns; /* as in work() */
        if (atomic_exchange(&wake, 0))
            continue; /* a full batch is no reason to hurry a retry; exit is, and is seen above */
        doze(until - now < RETRY_NS ? until - now : RETRY_NS);
    }
}

static void count_result(const struct otel_export_result *r)
{
    otel_count(OTEL_COUNT_EXPORTED, r->exported);
    otel_count(OTEL_COUNT_DROPPED_REJECTED, r->rejected);
    otel_count(OTEL_COUNT_DROPPED_EXPORT, r->failed);
}

static void know_resource(void)
{
    if (resource_len)
        return;
    resource_len = otel_resource_build(resource, sizeof resource);
    otel_spool_set_resource(resource, resource_len);
}

struct otel_export_result otel_batch_export(const struct otel_batch *batch)
{
    atomic_store(&export_until, otel_clock_mono_ns() + otel_config.export_timeout_ms * MS);
    return otel_exporter_export(batch);
}

/* The n spans of records, about to be sent. */
static struct otel_batch prepare(uint32_t n)
{
    struct otel_batch batch = {.spans = views, .resource = resource};

    know_resource();
    batch.handover = otel_spool_begin(records, n);
    batch.resource_len = resource_len;
    for (uint32_t i = 0; i < n; i++) {
        struct otel_record *record = otel_store_get(records[i]);
        size_t cap;

        if (record)
            views[batch.count++] =
                (struct otel_record_view){record, otel_store_data(record, &cap), record->used};
    }
    return batch;
}

static uint64_t delay_ns(void)
{
    uint32_t ms = otel_config.schedule_delay_ms;

    if (otel_config.exporters == OTEL_EXPORTER_CONSOLE && !otel_config.schedule_delay_set &&
        ms > CONSOLE_DELAY_MS)
        ms = CONSOLE_DELAY_MS;
    return ms * MS;
}

/* The records go, whatever became of them. */
static void free_records(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        otel_store_free(records[i]);
}

/* The spool's folder is opened here only where descriptors are our own: a number of the host's may
 * be closed, and given to something of the host's, before we close it. */
#define own_numbers otel_privatefd_active

/* A batch that fills the queue gets a file of its own. False: it has its records still. */
static bool spill(const struct otel_batch *batch, uint32_t n)
{
    if (own_numbers() && otel_spool_keep(batch->spans, batch->count, resource, resource_len)) {
        free_records(n);
        return true;
    }
    no_room_until = otel_clock_mono_ns() + delay_ns();
    return false;
}

/* The collector could not be reached: the batch stays in the file for whoever comes later, or, as
 * long as the process goes on, in the queue, or it leaves that when it fills. False: there is no
 * file. */
static bool keep(const struct otel_batch *batch, uint32_t n)
{
    if (!otel_spool_kept())
        return false;
    if (!atomic_load(&stopping) && is_filling(n) && spill(batch, n))
        return true;
    otel_spool_take_back(records, n);
    if (atomic_load(&stopping)) {
        otel_count(OTEL_COUNT_SPOOLED, n);
        return true;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (otel_queue_push(records[i]))
            continue;
        otel_store_free(records[i]);
        otel_count(OTEL_COUNT_DROPPED_EXPORT, 1);
    }
    return true;
}

static void settle(const struct otel_batch *batch, const struct otel_export_result *result,
                   uint32_t n)
{
    rest_until = result->later ? otel_clock_mono_ns() + delay_ns() : 0;
    if (own_numbers())
        otel_spool_turn_heard(result->later != 0);
    if (result->later == n && keep(batch, n))
        return;
    count_result(result);
    free_records(n);
}

/* Takes and exports one batch; returns how many spans it had. */
static uint32_t export_one(void)
{
    struct otel_export_result result;
    struct otel_batch batch;
    uint32_t n;

    atomic_store(&in_flight, 1);
    n = otel_queue_take(records, batch_max);
    if (n) {
        batch = prepare(n);
        result = otel_batch_export(&batch);
        settle(&batch, &result, n);
    }
    atomic_store(&in_flight, 0);
    return n;
}

/* While the collector is known to be away a queue that fills is emptied without asking it. False:
 * there is no cause, or no room. */
static bool spill_one(void)
{
    struct otel_batch batch;
    bool done = false;
    uint32_t n;

    if (!is_filling(0))
        return false;
    atomic_store(&in_flight, 1);
    n = otel_queue_take(records, batch_max);
    if (n) {
        batch = prepare(n);
        done = batch.count == n && spill(&batch, n);
        if (!done && !keep(&batch, n)) {
            otel_count(OTEL_COUNT_DROPPED_EXPORT, n);
            free_records(n);
        }
    }
    atomic_store(&in_flight, 0);
    return done;
}

/* There is no thread (any more): what waits is left in the file, or dropped and counted. Any
 * thread, one at a time, because the queue has one consumer; who finds it busy leaves its span to
 * the one at work or to the next.
 */
static void drop_rest(void)
{
    uint64_t rest[64];
    uint32_t n;

    if (atomic_flag_test_and_set(&dropping))
        return;
    while ((n = otel_queue_take(rest, 64)) != 0) {
        if (otel_spool_kept()) {
            otel_count(OTEL_COUNT_SPOOLED, n);
            continue;
        }
        for (uint32_t i = 0; i < n; i++)
            otel_store_free(rest[i]);
        otel_count(OTEL_COUNT_DROPPED_EXPORT, n);
    }
    atomic_flag_clear(&dropping);
}

/* Exports everything that had ended when it began, or until a flush's time is over, or the
 * collector turns out to be away and what it does not take is kept. */
static void export_all(void)
{
    if (otel_batch_exiting() && otel_spool_kept() && own_numbers() && otel_spool_turn_away())
        return;
    otel_queue_mark();
    while (otel_queue_marked()) {
        if (otel_batch_exiting() && !otel_batch_time_left_ns())
            return;
        if (!export_one() || (rest_until && otel_spool_kept()))
            return;
    }
}

static bool is_resting(uint64_t now)
{
    return rest_until > now && otel_spool_kept();
}

/* Is there something to do that comes before other processes' spans? */
static bool busy(void)
{
    return atomic_load(&stopping) || load(&flush_wanted) != load(&flushed) ||
           otel_queue_len() >= otel_config.max_export_batch_size;
}

/* At the end nothing comes after it, but there is an end. */
static bool out_of_time(void)
{
    return !otel_batch_time_left_ns();
}

static void work(void)
{
    uint64_t next = otel_clock_mono_ns() + delay_ns();

    if (own_numbers() && !busy())
        otel_spool_turn(busy);
    for (;;) {
        uint64_t now = otel_clock_mono_ns();
        uint32_t wanted;
        bool stop;

        otel_spool_seen();
        if (next > now + delay_ns())
            next = now + delay_ns(); /* libfaketime sets this clock back, too */
        if (now < next && !atomic_exchange(&wake, 0))
            doze(next - now);
        stop = atomic_load(&stopping);
        wanted = load(&flush_wanted);
        now = otel_clock_mono_ns();
        if (stop || wanted != load(&flushed) || now >= next) {
            export_all();
            if (!stop && now >= next && own_numbers())
                otel_spool_turn(busy);
            next = otel_clock_mono_ns() + delay_ns();
        }
        if (wanted != load(&flushed)) {
            if (!stop)
                otel_exporter_flush();
            atomic_store(&flushed, wanted);
            otel_sys.futex_wake(&flushed, INT_MAX);
        }
        if (stop) {
            if (own_numbers())
                otel_spool_turn_last(out_of_time);
            return;
        }
        /* Behind the answer to a flush: under load there may be no end to it. */
        while (!otel_batch_exiting() && otel_queue_len() >= otel_config.max_export_batch_size &&
               !is_resting(otel_clock_mono_ns()) && export_one())
            ;
        while (!otel_batch_exiting() && is_resting(otel_clock_mono_ns()) && spill_one())
            ;
    }
}

/* Room for a batch of the wanted size, else for a small one. */
static void size_batch(void)
{
    static struct otel_record_view few_views[64]; /* the batch thread's own, as below */
    static uint64_t few_records[64];
    uint32_t wanted = otel_config.max_export_batch_size;
    char *p = otel_sys.mmap(wanted * (sizeof *views + sizeof *records));

    views = p ? (struct otel_record_view *)p : few_views;
    records = p ? (uint64_t *)(p + wanted * sizeof *views) : few_records;
    batch_max = p || wanted < 64 ? wanted : 64;
}

bool otel_batch_needs_std(void)
{
    return (otel_config.log_level != OTEL_LOG_NONE && !otel_config.log_path) ||
           ((otel_config.exporters & OTEL_EXPORTER_CONSOLE) && !otel_config.console_path) ||
           (otel_config.exporters & OTEL_EXPORTER_OTLP_STDOUT);
}

static int write_stderr(const void *buf, unsigned long len)
{
    return otel_privatefd_write(2, buf, len);
}

static void *run(void *unused)
{
    int err;

    otel_tls.guard = 1;
    otel_gate_enter();
    otel_sys.name_thread("otel_auto");
    if (otel_config.private_fds) {
        err = otel_privatefd_enter(otel_batch_needs_std());
        if (err)
            otel_log(OTEL_LOG_INFO, "no descriptor table of our own (%d): descriptors are guarded",
                     err);
    }
    if (!batch_max)
        size_batch();
    if (otel_profiler_on) {
        know_resource();
        otel_profiler_publish(resource, resource_len);
    }
    work();
    otel_exporter_flush();
    otel_exporter_close();
    otel_gate_leave();
    atomic_store(&thread_state, (uint32_t)ENDED);
    otel_sys.futex_wake(&thread_state, INT_MAX);
    return unused;
}

/* True when the thread runs now. A vfork child starts none: it would end with the child, unseen by
 * the parent whose state this is. A thread that was refused (RLIMIT_NPROC, seccomp) is not asked
 * for again: the spans are counted as dropped when the process ends. */
static bool start(void)
{
    uint32_t none = NONE;
    int saved = errno;
    int err;

    if (!platform || !otel_generation_is_owner() ||
        !atomic_compare_exchange_strong(&thread_state, &none, (uint32_t)STARTING))
        return load(&thread_state) == RUNNING;
    if (platform->at_exit)
        platform->at_exit();
    err = otel_batch_thread(platform, &thread, run);
    /* The thread may have ended already where the process is on its way out. */
    none = STARTING;
    atomic_compare_exchange_strong(&thread_state, &none, (uint32_t)(err ? REFUSED : RUNNING));
    otel_sys.futex_wake(&thread_state, INT_MAX);
    if (err)
        otel_log(OTEL_LOG_ERROR, "no thread to export with (error %d): spans are dropped", err);
    errno = saved;
    return !err;
}

static void wake_thread(void)
{
    if (!atomic_exchange(&wake, 1))
        otel_sys.futex_wake(&wake, 1);
}

void otel_batch_init(const struct otel_platform *p)
{
    platform = p;
    otel_log_set_stderr_writer(write_stderr);
}

void otel_batch_notify(uint32_t waiting)
{
    uint32_t state = load(&thread_state);

    if (__builtin_expect(state == NONE, 0))
        start();
    else if (__builtin_expect(state == ENDED || state == REFUSED, 0))
        drop_rest();
    if (waiting >= otel_config.max_export_batch_size &&
        !atomic_load_explicit(&wake, memory_order_relaxed) &&
        otel_queue_count() >= otel_config.max_export_batch_size)
        wake_thread();
}

static bool nothing_waits(void)
{
    return !otel_queue_len() && !load(&in_flight);
}

bool otel_batch_idle(void)
{
    return load(&thread_state) == NONE && !otel_queue_len();
}

/* Waits until *word has come to value (counted on from there) or the time has come. */
static bool wait_for(_Atomic uint32_t *word, uint32_t value, uint64_t mono_ns)
{
    for (;;) {
        uint32_t seen = load(word);
        uint64_t now = otel_clock_mono_ns();

        if ((int32_t)(seen - value) >= 0)
            return true;
        if (now >= mono_ns)
            return false;
        otel_sys.futex_wait(word, seen, (int64_t)(mono_ns - now));
    }
}

/* The host waits for a collector that does not answer once, not at each exec that fails and again
 * at its exit: until an export has succeeded there is no more time to give. */
static uint32_t allowed(uint32_t timeout_ms)
{
    uint64_t spent = atomic_load(&gave_up_at);

    return spent && spent == otel_counter_sum(OTEL_COUNT_EXPORTED) + 1 ? 0 : timeout_ms;
}

static void give_up(void)
{
    atomic_store(&gave_up_at, otel_counter_sum(OTEL_COUNT_EXPORTED) + 1);
}

/* Waits until no other thread is in the middle of start(). */
static void await_start(uint64_t until)
{
    while (load(&thread_state) == STARTING && otel_clock_mono_ns() < until)
        otel_sys.futex_wait(&thread_state, STARTING, (int64_t)MS);
}

bool otel_batch_flush(uint32_t timeout_ms)
{
    uint64_t until = otel_clock_mono_ns() + allowed(timeout_ms) * MS;
    uint64_t exported = otel_counter_sum(OTEL_COUNT_EXPORTED);
    uint32_t ticket;
    bool done;

    if (nothing_waits())
        return true;
    if (load(&thread_state) == NONE)
        start();
    await_start(until);
    if (load(&thread_state) != RUNNING || !allowed(timeout_ms))
        return false;
    atomic_fetch_add(&flushing, 1);
    atomic_store(&leave_at, until);
    ticket = atomic_fetch_add(&flush_wanted, 1) + 1;
    wake_thread();
    done = wait_for(&flushed, ticket, until + EXIT_GRACE_MS * MS);
    if (atomic_fetch_sub(&flushing, 1) == 1 && !atomic_load(&stopping))
        atomic_store(&leave_at, 0);
    if (otel_clock_mono_ns() >= until && otel_counter_sum(OTEL_COUNT_EXPORTED) == exported)
        give_up(); /* a slow collector that took something is worth waiting for again */
    return done && nothing_waits();
}

void otel_batch_stop(uint32_t timeout_ms)
{
    uint64_t until = otel_clock_mono_ns() + allowed(timeout_ms) * MS;
    uint32_t none = NONE;

    if (atomic_exchange(&stopping, true))
        return;
    if (load(&thread_state) == NONE && otel_queue_len())
        start();
    await_start(until);
    if (load(&thread_state) == RUNNING) {
        atomic_store(&leave_at, until);
        wake_thread();
        if (wait_for(&thread_state, ENDED, until + EXIT_GRACE_MS * MS))
            platform->thread_join(thread, NULL);
        else
            otel_log(OTEL_LOG_WARN, "the exporter did not stop within %u ms", timeout_ms);
    }
    atomic_compare_exchange_strong(&thread_state, &none, (uint32_t)ENDED);
    if (load(&thread_state) == ENDED || load(&thread_state) == REFUSED)
        drop_rest();
}

void otel_batch_reset(void)
{
    atomic_store(&thread_state, (uint32_t)NONE);
    atomic_store(&wake, 0);
    atomic_store(&flush_wanted, 0);
    atomic_store(&flushed, 0);
    atomic_store(&stopping, false);
    atomic_flag_clear(&dropping);
    atomic_store(&flushing, 0);
    atomic_store(&gave_up_at, 0);
    atomic_store(&export_until, 0);
    atomic_store(&leave_at, 0);
    atomic_store(&in_flight, 0);
    otel_spool_turn_reset();
    otel_spool_keep_reset();
    rest_until = no_room_until = 0;
    resource_len = 0;
}
