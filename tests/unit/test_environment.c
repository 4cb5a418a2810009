/* SPDX-License-Identifier: Apache-2.0 */
#include "core/environment.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "core/carry.h"
#include "core/config.h"
#include "core/context.h"

#define PAGE 4096
#define INHERITED "00-00000000000000000000000000000001-0000000000000002-01"

static _Alignas(char *) char room[64 * 1024];

static void attach(uint64_t carry)
{
    struct otel_span_context c = {.flags = OTEL_FLAG_SAMPLED, .carry = carry};

    c.trace_id[0] = 1;
    c.span_id[0] = 2;
    otel_context_attach(&c);
}

static void expect(char **got, const char *const *want)
{
    size_t i;

    for (i = 0; want[i]; i++)
        cr_assert_str_eq(got[i], want[i]);
    cr_assert_null(got[i]);
}

#define OURS "TRACEPARENT=00-01000000000000000000000000000000-0200000000000000-01"

Test(environment, nothing_is_current)
{
    char *envp[] = {"A=1", NULL};
    struct otel_environment e;

    cr_assert_eq(otel_environment_plan(&e, envp, true), 0);
}

Test(environment, what_was_there_of_it_is_replaced)
{
    char *envp[] = {"A=1",      "TRACEPARENT=" INHERITED, "B", "TRACESTATE=x=1", "BAGGAGE=old=1",
                    "BAGGAGE2", "TRACEPARENT=",           NULL};
    const char *const want[] = {"A=1",           "B", "BAGGAGE2", OURS, "TRACESTATE=y=2",
                                "BAGGAGE=new=3", NULL};
    struct otel_environment e;
    size_t size;

    otel_config.traceparent = INHERITED;
    attach(otel_carry_new("y=2", 3, "new=3", 5));
    size = otel_environment_plan(&e, envp, false);
    cr_assert_gt(size, 0);
    memset(room, '#', sizeof room);
    expect(otel_environment_build(&e, room), want);
    cr_assert_eq(room[size], '#');
    cr_assert_str_eq(envp[1], "TRACEPARENT=" INHERITED, "the program's own is not touched");
}

Test(environment, none_at_all_is_an_empty_one)
{
    const char *const want[] = {OURS, NULL};
    struct otel_environment e;

    attach(0);
    cr_assert_gt(otel_environment_plan(&e, NULL, false), 0);
    expect(otel_environment_build(&e, room), want);
}

Test(environment, one_the_program_chose_stands)
{
    char *envp[] = {"TRACEPARENT=" INHERITED, NULL};
    struct otel_environment e;

    attach(0);
    cr_assert_eq(otel_environment_plan(&e, envp, false), 0);
}

Test(environment, one_of_any_size)
{
    static char baggage[OTEL_BAGGAGE_MAX];
    static char *envp[3000];
    struct otel_environment e;
    size_t size;
    char **got;

    memset(baggage, 'x', sizeof baggage);
    memcpy(baggage, "a=", 2);
    attach(otel_carry_new(NULL, 0, baggage, sizeof baggage));
    for (int i = 0; i < 2999; i++)
        envp[i] = i == 1000 ? "BAGGAGE=old=1" : "A=1";
    size = otel_environment_plan(&e, envp, false);
    cr_assert_gt(size, OTEL_ENVIRONMENT_STACK_MAX);
    cr_assert_lt(size, sizeof room);
    memset(room, '#', sizeof room);
    got = otel_environment_build(&e, room);
    cr_assert_eq(room[size], '#');
    for (int i = 0; i < 2998; i++)
        cr_assert_eq(got[i], envp[0]);
    cr_assert_str_eq(got[2998], OURS);
    cr_assert_eq(memcmp(got[2999], "BAGGAGE=a=xxx", 13), 0);
    cr_assert_eq(strlen(got[2999]), 8 + sizeof baggage);
    cr_assert_null(got[3000]);
}

Test(environment, pointers_that_lead_nowhere_are_left_to_the_kernel)
{
    char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *const bad[] = {"A=1", page + PAGE, NULL};
    char **cut = (char **)(page + PAGE) - 1;
    char *edge[] = {"A=1", page + PAGE - 5, NULL};
    struct otel_environment e;

    munmap(page + PAGE, PAGE);
    attach(0);
    cut[0] = "A=1";
    cr_assert_eq(otel_environment_plan(&e, bad, false), 0);
    cr_assert_eq(otel_environment_plan(&e, cut, false), 0);
    memcpy(edge[1], "TRACE", 5);
    cr_assert_eq(otel_environment_plan(&e, edge, false), 0);
}

Test(environment, what_was_cleared_is_put_back)
{
    char *start[] = {"LD_PRELOAD=/a.so", "OTEL_A=1", "X=1", "OTEL_B=2", NULL};
    char *envp[] = {"LD_PRELOAD=", "OTEL_B=other", "Y=1", NULL};
    const char *const want[] = {"OTEL_B=other", "Y=1", "LD_PRELOAD=/a.so", "OTEL_A=1", NULL};
    struct otel_environment e;

    otel_config.follow = true;
    otel_environment_init(start);
    cr_assert_eq(otel_environment_plan(&e, envp, false), 0, "a setuid program");
    cr_assert_gt(otel_environment_plan(&e, envp, true), 0);
    expect(otel_environment_build(&e, room), want);
    cr_assert_eq(otel_environment_plan(&e, start, true), 0, "nothing is missing");
}
