/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exporter.h"

#include <criterion/criterion.h>

static int loads;
static int abandoned;
static struct otel_export_module module;

static void *open_it(const struct otel_config *config, const struct otel_export_host *host)
{
    (void)config;
    (void)host;
    return &module;
}

static void *refuse(const struct otel_config *config, const struct otel_export_host *host)
{
    (void)config;
    (void)host;
    return NULL;
}

static struct otel_export_result take_all(void *self, const struct otel_batch *batch)
{
    (void)self;
    return (struct otel_export_result){.exported = (uint32_t)batch->count};
}

static void nothing(void *self)
{
    (void)self;
}

static void abandon(void *self)
{
    (void)self;
    abandoned++;
}

static const struct otel_export_module *load(const char **why)
{
    loads++;
    *why = "there is none";
    return module.abi ? &module : NULL;
}

static const struct otel_platform platform = {.load_module = load};

static void begin(void)
{
    module =
        (struct otel_export_module){OTEL_EXPORT_ABI, open_it, take_all, nothing, nothing, abandon};
    otel_exporter_init(&platform);
}

static const struct otel_batch three = {.count = 3};

Test(exporter, loads_at_the_first_batch_and_once, .init = begin)
{
    cr_assert_eq(loads, 0);
    cr_assert_eq(otel_exporter_export(&three).exported, 3);
    cr_assert_eq(otel_exporter_export(&three).exported, 3);
    cr_assert_eq(loads, 1);
}

Test(exporter, a_missing_module_fails_every_span_and_is_asked_for_once, .init = begin)
{
    module.abi = 0;
    cr_assert_eq(otel_exporter_export(&three).failed, 3);
    cr_assert_eq(otel_exporter_export(&three).failed, 3);
    cr_assert_eq(loads, 1);
    otel_exporter_flush();
    otel_exporter_close();
}

Test(exporter, a_module_of_another_build_is_not_called, .init = begin)
{
    module.abi = OTEL_EXPORT_ABI + 1;
    cr_assert_eq(otel_exporter_export(&three).failed, 3);
}

Test(exporter, a_module_that_cannot_open_fails_every_span, .init = begin)
{
    module.open = refuse;
    cr_assert_eq(otel_exporter_export(&three).failed, 3);
}

Test(exporter, a_child_abandons_what_the_parent_opened, .init = begin)
{
    otel_exporter_export(&three);
    otel_exporter_reset();
    cr_assert_eq(abandoned, 1);
    cr_assert_eq(otel_exporter_export(&three).exported, 3);
    cr_assert_eq(loads, 1);
}
