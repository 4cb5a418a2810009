/* SPDX-License-Identifier: Apache-2.0 */
#include "core/spool_drain.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "core/exporter.h"
#include "core/generation.h"
#include "core/spool.h"
#include "core/sys_file.h"
#include "tests/unit/spool_folder.h"

/* What the exporter was given, seen by all processes of a test. */
static struct {
    _Atomic uint32_t spans;
    _Atomic uint32_t batches;
    _Atomic uint32_t died;
    char name[64]; /* of the last span */
    uint64_t duration_ns;
    uint8_t resource[OTEL_RESOURCE_MAX];
    size_t resource_len;
    struct otel_export_result verdict; /* of the next batches; all zero: taken */
    bool dies;                         /* killed with the batch in its hands */
    bool delivers;                     /* but it was gone */
} * seen;

static void *fake_open(const struct otel_config *config, const struct otel_export_host *host)
{
    (void)config;
    (void)host;
    return seen;
}

static void look_at(const struct otel_record_view *view)
{
    struct otel_wire_reader reader = {view->data, view->data + view->data_len};
    struct otel_wire_field field;

    seen->died += view->record->died;
    seen->duration_ns = view->record->end_mono_ns - view->record->start_mono_ns;
    while (otel_wire_next(&reader, &field)) {
        if (*field.start == OTEL_TAG_NAME)
            snprintf(seen->name, sizeof seen->name, "%.*s", (int)field.len, field.data);
    }
}

static struct otel_export_result fake_export(void *self, const struct otel_batch *batch)
{
    (void)self;
    if (seen->verdict.failed) {
        struct otel_export_result result = seen->verdict;

        result.failed = (uint32_t)batch->count;
        result.later = result.later ? result.failed : 0;
        return result;
    }
    if (seen->dies) {
        if (seen->delivers)
            otel_handover_done(batch->handover);
        raise(SIGKILL);
    }
    seen->batches++;
    for (size_t i = 0; i < batch->count; i++)
        look_at(&batch->spans[i]);
    memcpy(seen->resource, batch->resource, batch->resource_len);
    seen->resource_len = batch->resource_len;
    seen->spans += (uint32_t)batch->count;
    return (struct otel_export_result){.exported = (uint32_t)batch->count};
}

static void nothing(void *self)
{
    (void)self;
}

static const struct otel_export_module fake = {
    .abi = OTEL_EXPORT_ABI,
    .open = fake_open,
    .export = fake_export,
    .flush = nothing,
    .close = nothing,
    .abandon = nothing,
};

static const struct otel_export_module *load(const char **why)
{
    (void)why;
    return &fake;
}

static const struct otel_platform platform = {.load_module = load};

static void begin(void)
{
    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(seen, MAP_FAILED);
    otel_exporter_init(&platform);
    otel_generation_init();
    otel_generation_on_fork(otel_store_reset);
    spool_begin();
}

TestSuite(spool_drain, .init = begin, .fini = spool_end);

static bool yes(void)
{
    return true;
}

static struct otel_spool_sum drain(void)
{
    struct otel_spool_sum sum = {0};

    cr_assert_eq(otel_spool_drain(&sum, 0, yes), 0);
    return sum;
}

static struct otel_span spans[2000];

static void end_some(int n)
{
    for (int i = 0; i < n; i++) {
        spool_span(&spans[i], "ended");
        otel_span_end(&spans[i], 0);
    }
}

/* A process that does this and is killed. */
static void killed(void (*what)(void))
{
    pid_t child = fork();
    int status;

    if (!child) {
        what();
        raise(SIGKILL);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void ends_three(void)
{
    end_some(3);
}

Test(spool_drain, what_had_ended_goes_out_once)
{
    struct otel_spool_sum sum;

    killed(ends_three);
    cr_assert_eq(spool_files(NULL), 1);
    sum = drain();
    cr_assert_eq(sum.files, 1);
    cr_assert_eq(sum.exported, 3);
    cr_assert_eq(seen->spans, 3);
    cr_assert_eq(sum.died, 0);
    cr_assert_eq(spool_files(NULL), 0);
    sum = drain();
    cr_assert_eq(sum.exported + sum.files, 0);
}

static void leaves_one_open(void)
{
    struct otel_attr big = otel_attr_text(OTEL_TEXT("big"), seen->name, 0);
    static char text[4000];

    spool_span(&spans[0], "open");
    memset(text, 'x', sizeof text);
    big.value.text = (struct otel_text){text, sizeof text};
    otel_span_set(&spans[0], &big); /* into an overflow block */
    usleep(2000);
    end_some(1);
    spool_span(&spans[0], "open too");
}

Test(spool_drain, what_was_open_ends_when_its_process_was_last_heard_of)
{
    struct otel_spool_sum sum;

    killed(leaves_one_open);
    sum = drain();
    cr_assert_eq(sum.exported, 3);
    cr_assert_eq(sum.died, 2);
    cr_assert_eq(seen->died, 2);
}

static void leaves_well(void)
{
    ends_three();
    spool_span(&spans[9], "open");
    otel_spool_leave();
}

Test(spool_drain, what_is_open_in_a_process_that_left_has_not_died)
{
    struct otel_spool_sum sum;

    killed(leaves_well);
    sum = drain();
    cr_assert_eq(sum.exported, 3);
    cr_assert_eq(seen->died, 0);
}

static void tears_two(void)
{
    uint64_t handle;

    ends_three();
    otel_store_new(&handle);
    spool_span(&spans[9], "moved");
    otel_store_get(spans[9].record)->changing = 1;
}

Test(spool_drain, half_written_ones_are_counted)
{
    struct otel_spool_sum sum;

    killed(tears_two);
    sum = drain();
    cr_assert_eq(sum.exported, 3);
    cr_assert_eq(sum.torn, 2);
    cr_assert_eq(spool_files(NULL), 0);
}

static void sends(bool whole)
{
    uint64_t taken[8];

    end_some(5);
    cr_assert_eq(otel_queue_take(taken, 4), 4);
    cr_assert_not_null(otel_spool_begin(taken, 4));
    if (whole)
        otel_handover_done(&otel_spool_own()->handover);
}

static void sends_whole(void)
{
    sends(true);
}

static void sends_a_part(void)
{
    sends(false);
}

Test(spool_drain, a_batch_that_was_handed_over_is_not_sent_again)
{
    killed(sends_whole);
    cr_assert_eq(drain().exported, 1);
}

Test(spool_drain, a_batch_that_was_not_is)
{
    killed(sends_a_part);
    cr_assert_eq(drain().exported, 5);
}

Test(spool_drain, a_collector_that_is_away_loses_nothing)
{
    struct otel_spool_sum sum;

    killed(ends_three);
    seen->verdict = (struct otel_export_result){.failed = 1, .later = 1};
    sum = drain();
    cr_assert(sum.away);
    cr_assert_eq(sum.exported + sum.files, 0);
    cr_assert_eq(spool_files(NULL), 1);
    seen->verdict.failed = 0;
    cr_assert_eq(drain().exported, 3);
}

Test(spool_drain, what_is_refused_for_good_is_counted_and_gone)
{
    struct otel_spool_sum sum;

    killed(ends_three);
    seen->verdict = (struct otel_export_result){.failed = 1};
    sum = drain();
    cr_assert_eq(sum.lost, 3);
    cr_assert_eq(spool_files(NULL), 0);
}

static void drains(void)
{
    drain();
}

Test(spool_drain, who_drains_may_die_as_well)
{
    killed(ends_three);
    seen->dies = true;
    killed(drains);
    cr_assert_eq(spool_files(NULL), 1);
    seen->delivers = true;
    killed(drains);
    seen->dies = false;
    cr_assert_eq(drain().exported, 0, "it had them whole");
    cr_assert_eq(spool_files(NULL), 0);
}

static void ends_many(void)
{
    end_some(2000);
}

Test(spool_drain, several_at_once_send_each_span_once)
{
    pid_t children[4];
    int status;

    for (int i = 0; i < 8; i++)
        killed(ends_many);
    for (int i = 0; i < 4; i++) {
        children[i] = fork();
        if (!children[i]) {
            drain();
            _exit(0);
        }
    }
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(waitpid(children[i], &status, 0), children[i]);
        cr_assert_eq(status, 0);
    }
    drain(); /* what a drainer found locked by another that was only looking */
    cr_assert_eq(seen->spans, 16000, "%u", seen->spans);
    cr_assert_eq(seen->batches, 32);
    cr_assert_eq(spool_files(NULL), 0);
}

static bool once(void)
{
    return seen->batches < 1;
}

Test(spool_drain, it_can_be_interrupted_between_batches)
{
    struct otel_spool_sum sum = {0};

    killed(ends_many);
    cr_assert_eq(otel_spool_drain(&sum, 0, once), 0);
    cr_assert_eq(sum.exported, 512, "%u", sum.exported);
    cr_assert_eq(spool_files(NULL), 1);
    cr_assert_eq(drain().exported, 2000 - 512);
}

Test(spool_drain, what_goes_elsewhere_is_left_alone)
{
    killed(ends_three);
    otel_config.otlp_headers = "key=other";
    cr_assert_eq(drain().exported, 0);
    cr_assert_eq(spool_files(NULL), 1);
    otel_config.otlp_headers = NULL;
    cr_assert_eq(drain().exported, 3);
}

static void is_old(void)
{
    ends_three();
    otel_spool_own()->made_unix_ns -= UINT64_C(25) * 3600 * 1000000000;
}

Test(spool_drain, after_a_day_it_is_no_news)
{
    struct otel_spool_sum sum;

    killed(is_old);
    sum = drain();
    cr_assert_eq(sum.lost, 3);
    cr_assert_eq(sum.exported, 0);
    cr_assert_eq(spool_files(NULL), 0);
}

static void ends_with_names(void)
{
    otel_config.service_name = "shop";
    otel_config.resource_attributes = "team=blue";
    ends_three();
}

static bool resource_has(const char *key, const char *text)
{
    struct otel_wire_reader reader = {seen->resource, seen->resource + seen->resource_len};
    struct otel_wire_field field;
    struct otel_value value;
    struct otel_text have;

    while (otel_wire_next(&reader, &field)) {
        if (otel_wire_read_attr(field.data, field.len, &have, &value) && have.len == strlen(key) &&
            !memcmp(have.data, key, have.len))
            return value.text.len == strlen(text) && !memcmp(value.text.data, text, strlen(text));
    }
    return false;
}

Test(spool_drain, the_resource_is_that_of_the_dead)
{
    otel_config.service_name = "drainer";
    killed(ends_with_names);
    drain();
    cr_assert(resource_has("service.name", "shop"));
    cr_assert(resource_has("team", "blue"));
}

static void knows_what_it_is(void)
{
    uint8_t resource[64];
    struct otel_attr attr = otel_attr_text(OTEL_TEXT("service.name"), "known", 5);

    ends_three();
    otel_spool_set_resource(resource, otel_wire_attr(resource, sizeof resource,
                                                     OTEL_TAG_RESOURCE_ATTRIBUTE, &attr, 99));
}

Test(spool_drain, a_resource_that_was_built_goes_with_it)
{
    killed(knows_what_it_is);
    drain();
    cr_assert(resource_has("service.name", "known"));
}

Test(spool_drain, the_living_are_let_be)
{
    struct otel_spool_sum sum;

    ends_three();
    sum = drain();
    cr_assert_eq(sum.alive, 1);
    cr_assert_eq(sum.exported, 0);
    cr_assert_eq(spool_files(NULL), 1);
}

Test(spool_drain, no_folder_is_nothing_to_do)
{
    struct otel_spool_sum sum = {0};

    otel_config.spool = "/dev/shm/otel-test-none";
    cr_assert_eq(otel_spool_drain(&sum, 0, yes), -ENOENT);
}

Test(spool_drain, one_look_is_enough_for_many)
{
    struct otel_spool_sum sum = {0};

    killed(ends_three);
    drain();
    killed(ends_three);
    cr_assert_eq(otel_spool_drain(&sum, 600000, yes), 0);
    cr_assert_eq(sum.exported, 0, "somebody has just looked");
    cr_assert_eq(drain().exported, 3);
}
