/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pipes.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/forklock.h"
#include "core/generation.h"

static FILE some[OTEL_PIPES];

Test(pipes, each_is_found_once)
{
    cr_assert_eq(otel_pipes_close(&some[0]), 0);
    otel_pipes_lock();
    for (int i = 0; i < OTEL_PIPES; i++) {
        cr_assert_not(otel_pipes_full());
        otel_pipes_add(&some[i], 100 + i);
    }
    cr_assert(otel_pipes_full());
    cr_assert_eq(otel_pipes_at(7), &some[7]);
    otel_pipes_unlock();
    cr_assert_eq(otel_pipes_close(NULL), 0);
    for (int i = 0; i < OTEL_PIPES; i++)
        cr_assert_eq(otel_pipes_close(&some[i]), 100 + i);
    cr_assert_eq(otel_pipes_close(&some[0]), 0);
}

Test(pipes, reap)
{
    pid_t pid = fork();

    if (!pid)
        _exit(3);
    cr_assert_eq(otel_pipes_reap(pid), 0x300);
    cr_assert_eq(otel_pipes_reap(pid), -1);
}

static struct otel_forklock lock;
static int counter;

static void *count(void *unused)
{
    for (int i = 0; i < 20000; i++) {
        otel_forklock_take(&lock);
        counter++;
        otel_forklock_give(&lock);
    }
    return unused;
}

Test(forklock, one_at_a_time)
{
    pthread_t of[3];

    otel_generation_init();
    for (int i = 0; i < 3; i++)
        pthread_create(&of[i], NULL, count, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(of[i], NULL);
    cr_assert_eq(counter, 60000);
}

Test(forklock, is_open_in_a_fork_child, .timeout = 20)
{
    int status;
    pid_t pid;

    otel_generation_init();
    otel_forklock_take(&lock);
    pid = fork();
    if (!pid) {
        otel_forklock_take(&lock);
        _exit(4);
    }
    waitpid(pid, &status, 0);
    cr_assert_eq(status, 0x400);
}
