/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pipes.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/forklock.h"

/* Under the lock, but for a first look at the count. */
static struct {
    struct otel_forklock lock;
    _Atomic unsigned used;
    struct {
        FILE *stream; /* NULL: free */
        pid_t child;
    } of[OTEL_PIPES];
} pipes;

void otel_pipes_lock(void)
{
    otel_forklock_take(&pipes.lock);
}

void otel_pipes_unlock(void)
{
    otel_forklock_give(&pipes.lock);
}

bool otel_pipes_full(void)
{
    return atomic_load_explicit(&pipes.used, memory_order_relaxed) == OTEL_PIPES;
}

FILE *otel_pipes_at(size_t i)
{
    return pipes.of[i].stream;
}

static size_t place_of(const FILE *stream)
{
    size_t i = 0;

    while (i < OTEL_PIPES && pipes.of[i].stream != stream)
        i++;
    return i;
}

void otel_pipes_add(FILE *stream, pid_t child)
{
    size_t i = place_of(NULL);

    if (i == OTEL_PIPES)
        return;
    pipes.of[i].stream = stream;
    pipes.of[i].child = child;
    atomic_fetch_add_explicit(&pipes.used, 1, memory_order_relaxed);
}

pid_t otel_pipes_close(const FILE *fp)
{
    pid_t child = 0;
    size_t i;

    if (!fp || !atomic_load_explicit(&pipes.used, memory_order_relaxed))
        return 0;
    otel_pipes_lock();
    i = place_of(fp);
    if (i < OTEL_PIPES) {
        child = pipes.of[i].child;
        pipes.of[i].stream = NULL;
        atomic_fetch_sub_explicit(&pipes.used, 1, memory_order_relaxed);
    }
    otel_pipes_unlock();
    return child;
}

int otel_pipes_reap(pid_t child)
{
    int status;
    long got;

    do
        got = syscall(SYS_wait4, child, &status, 0, NULL);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -1 : status;
}
