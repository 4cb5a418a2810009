/* SPDX-License-Identifier: Apache-2.0
 *
 * getenv() for the module's libraries. libcurl asks for proxies at every transfer, on the batch
 * thread, while the host, which may believe it has one thread alone, changes its environment:
 * setenv() moves the table under the reader. These read a copy of what the process was started
 * with, as the kernel keeps it. The module finds them before libc's, see malloc.c.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>

#include "core/sys.h"

#define EXPORTED __attribute__((visibility("default")))
#define ENVIRONMENT_MAX ((size_t)1 << 20)

EXPORTED char *getenv(const char *name);
EXPORTED char *secure_getenv(const char *name);

/* NAME=VALUE strings, each NUL-terminated, an empty one at the end; mapped at the first call and
 * kept. Written once by compare-and-swap, what it points to is read-only from then on. */
static char *_Atomic environment;

static char nothing[1];

/* mmap gives zeroes, so what is read ends in an empty string as long as two bytes are left. */
static char *load(void)
{
    char *text = otel_sys.mmap(ENVIRONMENT_MAX);

    if (!text)
        return nothing;
    if (otel_sys_read_file("/proc/self/environ", text, ENVIRONMENT_MAX - 2) > 0)
        return text;
    otel_sys.munmap(text, ENVIRONMENT_MAX);
    return nothing;
}

static char *loaded(void)
{
    char *have = atomic_load_explicit(&environment, memory_order_acquire);
    char *mine;

    if (have)
        return have;
    mine = load();
    if (atomic_compare_exchange_strong(&environment, &have, mine))
        return mine;
    if (mine != nothing)
        otel_sys.munmap(mine, ENVIRONMENT_MAX);
    return have;
}

char *getenv(const char *name)
{
    size_t len = strlen(name);

    for (char *at = loaded(); *at; at += strlen(at) + 1) {
        if (strncmp(at, name, len) == 0 && at[len] == '=')
            return at + len + 1;
    }
    return NULL;
}

char *secure_getenv(const char *name)
{
    return getauxval(AT_SECURE) ? NULL : getenv(name);
}
