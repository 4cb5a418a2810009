/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tracer.h"

#include <stdatomic.h>
#include <string.h>

#include "core/batch.h"
#include "core/carry.h"
#include "core/config.h"
#include "core/connection.h"
#include "core/context.h"
#include "core/counters.h"
#include "core/environment.h"
#include "core/exchange.h"
#include "core/exporter.h"
#include "core/fdtable.h"
#include "core/gate.h"
#include "core/generation.h"
#include "core/http_head.h"
#include "core/inbound.h"
#include "core/log.h"
#include "core/privatefd.h"
#include "core/process_span.h"
#include "core/profiler.h"
#include "core/propagation.h"
#include "core/queue.h"
#include "core/route.h"
#include "core/rules.h"
#include "core/serving.h"
#include "core/spool.h"
#include "core/spool_folder.h"
#include "core/store.h"
#include "core/sys.h"
#include "core/tail.h"

/* Set in the constructor, false until then: hooks pass through. Cleared for good by the thread that
 * confines the process; any thread reads it. */
static _Atomic bool enabled;
/* Any thread: the sum is printed once. */
static atomic_flag summed = ATOMIC_FLAG_INIT;

/* What a fork child must forget: records and queue are the parent's to export. */
static void after_fork(void)
{
    otel_counters_reset();
    otel_queue_reset();
    otel_tail_reset();
    otel_store_reset();
    otel_context_reset();
    otel_carry_reset();
    otel_serving_reset();
    otel_inbound_reset();
    otel_exchange_reset();
    otel_http_head_reset();
    otel_exporter_reset();
    otel_gate_reset();
    otel_batch_reset();
    otel_process_span_reset();
    otel_profiler_reset();
    atomic_flag_clear(&summed);
}

static void add(struct otel_extract *extract, const char *name, const char *value)
{
    if (value)
        otel_extract_header(extract, name, strlen(name), value, strlen(value));
}

/* The parent this process was started with: TRACEPARENT, TRACESTATE, BAGGAGE. */
static void adopt_environment(void)
{
    static char tracestate[OTEL_TRACESTATE_MAX]; /* start-up only */
    static char baggage[OTEL_BAGGAGE_MAX];
    struct otel_extracted_lists lists = {.tracestate = tracestate, .baggage = baggage};
    struct otel_extract extract;
    struct otel_span_context ctx;

    memset(&extract, 0, sizeof extract);
    memset(&ctx, 0, sizeof ctx);
    add(&extract, "traceparent", otel_config.traceparent);
    add(&extract, "tracestate", otel_config.tracestate);
    add(&extract, "baggage", otel_config.baggage);
    if (!otel_extract_finish(&extract, &ctx, &lists))
        return;
    ctx.carry =
        otel_carry_process_new(tracestate, lists.tracestate_len, baggage, lists.baggage_len);
    otel_context_process_set(&ctx);
}

void otel_tracer_start(const struct otel_platform *platform, bool secure)
{
    otel_sys_heap_init();
    otel_config_load(otel_env_lookup, secure);
    if (otel_batch_needs_std())
        otel_privatefd_init();
    otel_generation_init();
    otel_generation_on_fork(after_fork);
    otel_propagation_init(otel_config.propagators);
    otel_profiler_init(otel_config.profiler && !otel_config.disabled, platform->profiler_record);
    otel_rules_init(otel_config.sampling_rules);
    otel_http_head_init();
    otel_route_init(otel_config.http_routes);
    adopt_environment();
    otel_store_init(otel_config.max_queue_size +
                        (otel_rules && otel_rules->hold ? OTEL_TAIL_SPANS : 0),
                    otel_config.max_export_batch_size);
    if (otel_queue_init(otel_config.max_queue_size) < 0)
        otel_log(OTEL_LOG_ERROR, "no memory for a queue of %u spans: spans are dropped",
                 otel_config.max_queue_size);
    if (!otel_config_family_disabled("sockets") && otel_fdtable_init() < 0)
        otel_log(OTEL_LOG_WARN, "no memory for the table of descriptors: sockets are not traced");
    otel_spool_folder_init();
    otel_exporter_init(platform);
    otel_batch_init(platform);
    otel_environment_init(otel_env_array());
    enabled = !otel_config.disabled;
    if (enabled && otel_config.process_span)
        otel_process_span_begin();
    otel_log(OTEL_LOG_DEBUG, "started%s", enabled ? "" : ", OTEL_SDK_DISABLED is true");
}

bool otel_tracer_enabled(void)
{
    return enabled;
}

/* One line at exit for whoever asked. "Not ended" is counted from the starting side and "exported"
 * and "dropped" from the other, so that the sum is a check and not a definition. */
static void print_sum(void)
{
    uint64_t started = otel_counter_sum(OTEL_COUNT_STARTED);
    uint64_t ended = otel_counter_sum(OTEL_COUNT_ENDED);
    uint64_t exported = otel_counter_sum(OTEL_COUNT_EXPORTED);
    uint64_t store_full = otel_counter_sum(OTEL_COUNT_DROPPED_STORE_FULL);
    uint64_t queue_full = otel_counter_sum(OTEL_COUNT_DROPPED_QUEUE_FULL);
    uint64_t failed = otel_counter_sum(OTEL_COUNT_DROPPED_EXPORT);
    uint64_t rejected = otel_counter_sum(OTEL_COUNT_DROPPED_REJECTED);
    uint64_t by_rule = otel_counter_sum(OTEL_COUNT_DROPPED_BY_RULE);
    uint64_t too_long = otel_counter_sum(OTEL_COUNT_DROPPED_SPOOL);
    uint64_t dropped = store_full + queue_full + failed + rejected + too_long + by_rule;
    uint64_t spooled = otel_counter_sum(OTEL_COUNT_SPOOLED) + otel_counter_sum(OTEL_COUNT_KEPT);
    uint64_t open = started - store_full - ended;

    otel_log(
        OTEL_LOG_DEBUG,
        "spans: started %llu = exported %llu + dropped %llu (store full %llu, queue full %llu, "
        "export failed %llu, rejected %llu, spool full %llu, by a rule %llu) + spooled %llu + not "
        "ended %llu; "
        "not sampled %llu; kept for want of room %llu",
        (unsigned long long)started, (unsigned long long)exported, (unsigned long long)dropped,
        (unsigned long long)store_full, (unsigned long long)queue_full, (unsigned long long)failed,
        (unsigned long long)rejected, (unsigned long long)too_long, (unsigned long long)by_rule,
        (unsigned long long)spooled, (unsigned long long)open,
        (unsigned long long)otel_counter_sum(OTEL_COUNT_NOT_SAMPLED),
        (unsigned long long)otel_counter_sum(OTEL_COUNT_KEPT_NO_ROOM));
    /* Other threads may have ended spans while the counters were read: that proves nothing. */
    if (started != exported + dropped + spooled + open &&
        started == otel_counter_sum(OTEL_COUNT_STARTED) &&
        ended == otel_counter_sum(OTEL_COUNT_ENDED) && !otel_queue_len())
        otel_log(OTEL_LOG_ERROR, "the sum of spans does not add up: please report this");
}

bool otel_tracer_idle(void)
{
    return !enabled || (otel_batch_idle() && !otel_tail_held() &&
                        !otel_log_enabled(OTEL_LOG_DEBUG) && !otel_spool_kept());
}

/* What has ended goes out, or stays in the file. */
static void leave_spool(void)
{
    if (otel_batch_flush(otel_config.exit_timeout_ms))
        otel_spool_remove();
    else
        otel_spool_leave();
}

void otel_tracer_send(void)
{
    if (enabled && otel_generation())
        otel_batch_flush(otel_config.exit_timeout_ms);
}

void otel_tracer_flush(void)
{
    if (!enabled || !otel_generation())
        return;
    otel_tail_decide_all();
    leave_spool();
}

void otel_tracer_return(void)
{
    if (otel_generation())
        otel_spool_stay();
}

bool otel_tracer_follows(void)
{
    return enabled && otel_fd_next(0, UINT32_MAX) >= 0;
}

void otel_tracer_leave(int status)
{
    if (!enabled || !otel_generation())
        return;
    otel_connection_finish_all();
    otel_process_span_end(status);
    leave_spool();
}

/* The setting is changed under the eyes of other threads: each sees it at its next span, and a span
 * that it starts before is dropped and counted like any that ends behind the last export. */
void otel_tracer_confine(void)
{
    if (!enabled || !otel_generation() || !otel_generation_is_owner())
        return;
    otel_log(OTEL_LOG_INFO, "the program confines itself by a filter that may kill it: "
                            "no more spans are made");
    otel_tracer_stop(OTEL_STATUS_UNKNOWN);
    __atomic_store_n(&otel_config.disabled, true, __ATOMIC_RELAXED);
    enabled = false;
    otel_log_init(OTEL_LOG_NONE, NULL);
}

void otel_tracer_pass_through(const char *why)
{
    if (__atomic_exchange_n(&otel_config.disabled, true, __ATOMIC_RELAXED))
        return;
    otel_log(OTEL_LOG_ERROR, "%s: passed through from now on, nothing more is traced", why);
    otel_fdtable_close();
}

void otel_tracer_last(void)
{
    if (!enabled || !otel_generation() || !otel_spool_kept())
        return;
    if (otel_queue_len() || otel_counter_sum(OTEL_COUNT_SPOOLED))
        otel_spool_leave();
    else
        otel_spool_remove();
}

void otel_tracer_stop(int status)
{
    if (!enabled || !otel_generation())
        return;
    otel_connection_finish_all();
    otel_process_span_end(status);
    otel_tail_decide_all();
    otel_batch_stop(otel_config.exit_timeout_ms);
    otel_tracer_last();
    if (otel_log_once(&summed))
        print_sum();
}
