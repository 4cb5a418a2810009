/* SPDX-License-Identifier: Apache-2.0 */
#include "core/batch_thread.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

#define STACK_SIZE (256 * 1024)

/* libc takes the static TLS of all libraries out of a thread's stack; a host can have a lot of it.
 */
static size_t host_share(const struct otel_platform *platform, const pthread_attr_t *attr)
{
    size_t n = platform->min_stack ? platform->min_stack(attr) : 0;

    return (n + 65535) & ~(size_t)65535;
}

int otel_batch_thread(const struct otel_platform *platform, pthread_t *thread, void *(*run)(void *))
{
    pthread_attr_t attr;
    sigset_t all;
    sigset_t old;
    int err;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE + host_share(platform, &attr));
    err = platform->thread_create(thread, &attr, run, NULL);
    if (err == EINVAL) /* a host whose static TLS alone is larger than that stack */
        err = platform->thread_create(thread, NULL, run, NULL);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return err;
}
