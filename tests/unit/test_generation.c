/* SPDX-License-Identifier: Apache-2.0 */
#include "core/generation.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/sys.h"

/* What a child sees, told through its exit status: it must not run Criterion's code. */
struct seen {
    uint32_t generation;
    int owner;
    int resets;
};

static struct seen *shared;
static atomic_int resets;

static void count_reset(void)
{
    atomic_fetch_add(&resets, 1);
}

static void share(void)
{
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(shared, MAP_FAILED);
}

static void look(struct seen *s)
{
    s->owner = otel_generation_is_owner();
    s->generation = otel_generation();
    s->resets = atomic_load(&resets);
}

static void wait_for(pid_t pid)
{
    int status;

    cr_assert_gt(pid, 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static pid_t raw_fork(void)
{
#ifdef SYS_fork
    return (pid_t)syscall(SYS_fork);
#else
    return fork();
#endif
}

static pid_t raw_clone(void)
{
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0L, 0L, 0L, 0L);
}

static void child_sees_the_next_generation(pid_t (*make)(void))
{
    pid_t pid;

    share();
    cr_assert_eq(otel_generation(), 1, "before init");
    cr_assert_eq(otel_generation_init(), 0);
    cr_assert_eq(otel_generation_init(), 0, "idempotent");
    otel_generation_on_fork(count_reset);
    cr_assert_eq(otel_generation(), 1);
    pid = make();
    if (pid == 0) {
        look(&shared[0]);
        look(&shared[1]);
        pid = make();
        if (pid == 0) {
            look(&shared[2]);
            _exit(0);
        }
        waitpid(pid, NULL, 0);
        _exit(0);
    }
    wait_for(pid);
    cr_assert_eq(shared[0].generation, 2);
    cr_assert_eq(shared[0].resets, 1);
    cr_assert(shared[0].owner);
    cr_assert_eq(shared[1].generation, 2);
    cr_assert_eq(shared[1].resets, 1, "a reset runs once");
    cr_assert_eq(shared[2].generation, 3);
    cr_assert_eq(shared[2].resets, 2);
    cr_assert(shared[2].owner);
    look(&shared[3]);
    cr_assert_eq(shared[3].generation, 1, "the parent stays what it was");
    cr_assert_eq(shared[3].resets, 0);
    cr_assert(shared[3].owner);
}

Test(generation, fork)
{
    child_sees_the_next_generation(fork);
}

Test(generation, raw_fork)
{
    child_sees_the_next_generation(raw_fork);
}

Test(generation, raw_clone)
{
    child_sees_the_next_generation(raw_clone);
}

static int no_madvise(void *p, size_t len, int advice)
{
    (void)p;
    (void)len;
    (void)advice;
    return -EINVAL;
}

static void *no_mmap(size_t len)
{
    (void)len;
    return NULL;
}

static void falls_back_to_atfork(int err)
{
    pid_t pid;

    share();
    cr_assert_eq(otel_generation_init(), err);
    cr_assert_eq(otel_generation_init(), err);
    otel_generation_on_fork(count_reset);
    pid = fork();
    if (pid == 0) {
        look(&shared[0]);
        _exit(0);
    }
    wait_for(pid);
    cr_assert_eq(shared[0].generation, 2);
    cr_assert_eq(shared[0].resets, 1);
    cr_assert(shared[0].owner);
    cr_assert_eq(otel_generation(), 1);
}

Test(generation, a_kernel_without_wipeonfork)
{
    otel_sys.madvise = no_madvise;
    falls_back_to_atfork(-EINVAL);
}

Test(generation, no_memory_for_the_page)
{
    otel_sys.mmap = no_mmap;
    falls_back_to_atfork(-ENOMEM);
}

static int look_from_clone(void *arg)
{
    look(arg);
    _exit(0);
}

/* As vfork does; with a stack of its own because the compiler knows nothing of this child. */
Test(generation, a_child_that_shares_memory_is_not_the_owner)
{
    size_t len = 65536;
    char *stack = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    share();
    cr_assert(otel_generation_is_owner(), "before init");
    otel_generation_init();
    otel_generation_on_fork(count_reset);
    wait_for(clone(look_from_clone, stack + len, CLONE_VM | CLONE_VFORK | SIGCHLD, shared));
    cr_assert_eq(shared->generation, 1);
    cr_assert_eq(shared->resets, 0);
    cr_assert_not(shared->owner);
    cr_assert(otel_generation_is_owner());
}

static pthread_barrier_t barrier;
static atomic_int in_reset;
static atomic_int let_go;
static atomic_uint nested = 77;
static char order[3];
static int ordered;

static void slow_reset(void)
{
    order[ordered++] = 'a';
    atomic_store(&nested, otel_generation());
    atomic_store(&in_reset, 1);
    while (!atomic_load(&let_go))
        sched_yield();
}

static void second_reset(void)
{
    order[ordered++] = 'b';
}

static void *renew(void *arg)
{
    (void)arg;
    return (void *)(uintptr_t)otel_generation();
}

/* Runs in a child, whose threads race for the reset. Returns the number of the check that failed.
 */
static int race_in_child(void)
{
    pthread_t thread;
    void *result;

    alarm(30); /* a child that waits in vain must not outlive a failed test */
    pthread_create(&thread, NULL, renew, NULL);
    while (!atomic_load(&in_reset))
        sched_yield();
    if (otel_generation() != 0)
        return 1;
    atomic_store(&let_go, 1);
    pthread_join(thread, &result);
    if ((uintptr_t)result != 2 || otel_generation() != 2)
        return 2;
    if (atomic_load(&nested) != 0)
        return 3;
    return memcmp(order, "ab", 3) ? 4 : 0;
}

Test(generation, others_get_zero_while_one_thread_resets)
{
    pid_t pid;

    otel_generation_init();
    otel_generation_on_fork(slow_reset);
    otel_generation_on_fork(second_reset);
    pid = fork();
    if (pid == 0)
        _exit(race_in_child());
    wait_for(pid);
}

static void *renew_with_others(void *arg)
{
    uint32_t generation;

    (void)arg;
    pthread_barrier_wait(&barrier);
    while (!(generation = otel_generation()))
        sched_yield();
    return (void *)(uintptr_t)generation;
}

static int many_in_child(void)
{
    pthread_t threads[4];
    void *result;

    alarm(30); /* a child that waits in vain must not outlive a failed test */
    pthread_barrier_init(&barrier, NULL, 4);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, renew_with_others, NULL);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &result);
        if ((uintptr_t)result != 2)
            return 1;
    }
    return atomic_load(&resets) == 1 ? 0 : 2;
}

Test(generation, one_thread_of_many_resets)
{
    otel_generation_init();
    otel_generation_on_fork(count_reset);
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(many_in_child());
        wait_for(pid);
    }
}

Test(generation, at_most_eight_resets)
{
    pid_t pid;

    share();
    otel_generation_init();
    for (int i = 0; i < 20; i++)
        otel_generation_on_fork(count_reset);
    pid = fork();
    if (pid == 0) {
        look(shared);
        _exit(0);
    }
    wait_for(pid);
    cr_assert_eq(shared->resets, 8);
}
