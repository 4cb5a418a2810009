/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/ownfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/generation.h"
#include "core/privatefd.h"
#include "core/sys.h"
#include "core/tls.h"

#define HIGHEST 65536 /* a larger table costs kernel memory for every number below */
#define MARGIN 64

/* What a descriptor refers to: a socket's cookie, else device and inode. */
struct identity {
    uint64_t a, b;
};

enum { FREE = 0, BUSY = -1 }; /* of slot.number, else descriptor + 1 */

/* Claimed by compare-and-swap FREE to BUSY; a and b are stored before number is published, so who
 * reads number with acquire sees them. A reader that meets a slot being reused compares a wrong
 * identity and finds "not ours", which was true a moment ago. */
static struct {
    _Atomic int number;
    _Atomic uint64_t a, b;
} slots[OTEL_OWNFD_MAX];

_Atomic int otel_ownfd_count;

/* Raw: fcntl may become a hook, and these calls are not the host's. */
static int raw_fcntl(int fd, int command, long argument)
{
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

static bool identify(int fd, struct identity *id)
{
    struct stat st;
    uint64_t cookie;
    unsigned len = sizeof cookie;

    if (otel_sys.getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0)
        *id = (struct identity){cookie, UINT64_MAX};
    else if (otel_sys.fstat(fd, &st) == 0)
        *id = (struct identity){st.st_ino, st.st_dev};
    else
        return false;
    return true;
}

static int find(int fd)
{
    for (int i = 0; i < OTEL_OWNFD_MAX; i++) {
        if (atomic_load_explicit(&slots[i].number, memory_order_acquire) == fd + 1)
            return i;
    }
    return -1;
}

static void record(int fd)
{
    struct identity id;

    if (!identify(fd, &id))
        return;
    for (int i = 0; i < OTEL_OWNFD_MAX; i++) {
        int expected = FREE;

        if (!atomic_compare_exchange_strong_explicit(&slots[i].number, &expected, BUSY,
                                                     memory_order_acq_rel, memory_order_relaxed))
            continue;
        atomic_store_explicit(&slots[i].a, id.a, memory_order_relaxed);
        atomic_store_explicit(&slots[i].b, id.b, memory_order_relaxed);
        atomic_store_explicit(&slots[i].number, fd + 1, memory_order_release);
        atomic_fetch_add_explicit(&otel_ownfd_count, 1, memory_order_release);
        return;
    }
}

/* A duplicate near the top of the table, CLOEXEC, -1: none to be had above fd. */
static int duplicate_high(int fd)
{
    struct rlimit limit;
    long top = HIGHEST;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < HIGHEST)
        top = (long)limit.rlim_cur;
    for (long from = top > 2 * MARGIN ? top - MARGIN : top / 2; from > fd && from >= top / 2;
         from -= MARGIN) {
        int high = raw_fcntl(fd, F_DUPFD_CLOEXEC, from);

        if (high >= 0)
            return high;
    }
    return -1;
}

int otel_ownfd_adopt(int fd)
{
    int saved = errno;
    int high;

    if (fd < 0 || otel_privatefd_active())
        return fd;
    high = duplicate_high(fd);
    if (high >= 0) {
        otel_sys.close(fd);
        fd = high;
    } else {
        raw_fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    record(fd);
    errno = saved;
    return fd;
}

bool otel_ownfd_owned(int fd)
{
    int i = find(fd);
    struct identity id;

    return otel_privatefd_active() ||
           (i >= 0 && identify(fd, &id) &&
            atomic_load_explicit(&slots[i].a, memory_order_relaxed) == id.a &&
            atomic_load_explicit(&slots[i].b, memory_order_relaxed) == id.b);
}

void otel_ownfd_release(int fd)
{
    int i = find(fd);
    int expected = fd + 1;

    if (i >= 0 &&
        atomic_compare_exchange_strong_explicit(&slots[i].number, &expected, FREE,
                                                memory_order_release, memory_order_relaxed))
        atomic_fetch_sub_explicit(&otel_ownfd_count, 1, memory_order_release);
}

/* The generation first: in a fork child it empties the slots. */
static bool guarding(void)
{
    return !otel_guard_inside() && otel_generation() != 0 && otel_ownfd_any() &&
           otel_generation_is_owner();
}

bool otel_ownfd_guards(int fd)
{
    return find(fd) >= 0 && guarding() && otel_ownfd_owned(fd);
}

int otel_ownfd_next(unsigned first, unsigned last)
{
    int lowest = -1;

    if (!guarding())
        return -1;
    for (int i = 0; i < OTEL_OWNFD_MAX; i++) {
        int fd = atomic_load_explicit(&slots[i].number, memory_order_acquire) - 1;

        if (fd >= 0 && (unsigned)fd >= first && (unsigned)fd <= last &&
            (lowest < 0 || fd < lowest) && otel_ownfd_owned(fd))
            lowest = fd;
    }
    return lowest;
}

void otel_ownfd_yield(int fd)
{
    otel_ownfd_release(fd);
}

void otel_ownfd_forget(void)
{
    for (int i = 0; i < OTEL_OWNFD_MAX; i++)
        atomic_store_explicit(&slots[i].number, FREE, memory_order_relaxed);
    atomic_store_explicit(&otel_ownfd_count, 0, memory_order_release);
}
