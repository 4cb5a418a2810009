/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tls.h"

#include <criterion/criterion.h>
#include <pthread.h>

Test(tls, guard_is_entered_once)
{
    cr_assert_not(otel_guard_inside());
    cr_assert(otel_guard_enter());
    cr_assert(otel_guard_inside());
    cr_assert_not(otel_guard_enter());
    cr_assert(otel_guard_inside());
    otel_guard_leave();
    cr_assert_not(otel_guard_inside());
    cr_assert(otel_guard_enter());
}

static void *look(void *arg)
{
    static const struct otel_tls zero;

    *(bool *)arg = memcmp(&otel_tls, &zero, sizeof zero) == 0 && otel_guard_enter();
    return NULL;
}

Test(tls, a_new_thread_begins_with_zeroes)
{
    pthread_t thread;
    bool clean = false;

    memset(&otel_tls, 0xff, sizeof otel_tls);
    pthread_create(&thread, NULL, look, &clean);
    pthread_join(thread, NULL);
    cr_assert(clean);
    cr_assert_eq(otel_tls.guard, UINT32_MAX);
}
