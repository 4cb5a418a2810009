/* SPDX-License-Identifier: Apache-2.0 */
#include "core/room.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/generation.h"
#include "core/sys.h"
#include "core/tls.h"

static int child_pid = 4711;
static unsigned mapped;
static struct otel_sys system_calls;

static int somebody(void)
{
    return child_pid;
}

static void *count_mmap(size_t len)
{
    void *p = system_calls.mmap(len);

    mapped += p != NULL;
    return p;
}

static int count_munmap(void *p, size_t len)
{
    mapped--;
    return system_calls.munmap(p, len);
}

static void *no_memory(size_t len)
{
    (void)len;
    return NULL;
}

static void begin(void)
{
    otel_generation_init();
    system_calls = otel_sys;
    otel_sys.mmap = count_mmap;
    otel_sys.munmap = count_munmap;
}

TestSuite(room, .init = begin);

Test(room, is_given_back)
{
    struct otel_room a, b;

    memset(otel_room_take(&a, 100000), 'a', 100000);
    memset(otel_room_take(&b, 100000), 'b', 100000);
    cr_assert_eq(((char *)a.p)[99999], 'a');
    otel_room_give(&a);
    otel_room_give(&a);
    otel_room_give(&b);
    cr_assert_eq(mapped, 0);
}

Test(room, a_vfork_child_that_does_not_come_back_leaves_one_for_the_next)
{
    struct otel_room room;
    void *first;

    otel_sys.getpid = somebody;
    first = otel_room_take(&room, 5000);
    child_pid++;
    cr_assert_eq(otel_room_take(&room, 4000), first);
    cr_assert_eq(mapped, 1);
    child_pid++;
    memset(otel_room_take(&room, 50000), 'x', 50000);
    cr_assert_eq(mapped, 1, "a larger one takes its place");
    otel_room_give(&room);
    cr_assert_eq(mapped, 1);
    cr_assert_not_null(otel_room_take(&room, 50000), "the same child once more");
    cr_assert_eq(mapped, 1);
    otel_room_leave();
    cr_assert_eq(mapped, 0);
}

Test(room, a_handler_that_interrupts_its_user_gets_another)
{
    struct otel_room outer, inner;

    otel_sys.getpid = somebody;
    otel_room_take(&outer, 5000);
    otel_room_take(&inner, 5000);
    cr_assert_neq(outer.p, inner.p);
    otel_room_give(&inner);
    cr_assert_eq(mapped, 1);
    memset(outer.p, 'x', 5000);
}

Test(room, no_memory)
{
    struct otel_room room;

    otel_sys.mmap = no_memory;
    cr_assert_null(otel_room_take(&room, 5000));
    otel_room_give(&room);
    otel_sys.getpid = somebody;
    cr_assert_null(otel_room_take(&room, 5000));
    otel_room_give(&room);
}

/* In a function of its own: what vfork returns twice into keeps nothing in registers. */
static int vfork_child(void)
{
    int status;
    pid_t pid = vfork();

    if (!pid) {
        struct otel_room room;

        _exit(otel_room_take(&room, 5000) ? 0 : 1);
    }
    return waitpid(pid, &status, 0) == pid ? status : -1;
}

Test(room, a_vfork_child_indeed)
{
#ifdef __SANITIZE_THREAD__
    cr_skip_test("the thread sanitizer makes a fork of a vfork");
#endif
    for (int i = 0; i < 3; i++)
        cr_assert_eq(vfork_child(), 0);
    cr_assert_eq(mapped, 1);
}
