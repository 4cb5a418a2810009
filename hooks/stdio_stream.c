/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/stdio_stream.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/connection.h"
#include "core/log.h"
#include "core/observe.h"
#include "preload/elf.h"
#include "preload/real.h"

#define PROBES 16 /* places looked at for a descriptor's streams */

enum state {
    FREE,
    MAKING,
    LIVE,
    HELD,    /* being closed, or looked at by who ends the process */
    RETIRED, /* reopened as a real stream */
    LOST,    /* closed past our fclose(): not to be looked at */
};

/* Never freed, so that a look at one whose stream is closed meanwhile is harmless. */
struct otel_stdio {
    _Atomic uint32_t state;
    bool standard;
    bool told; /* what it still writes was told before; written by who ends the process */
    _Atomic(FILE *) stream;
    FILE *real;
};

/* Found by descriptor number. Threads: an entry belongs to who moved its state to MAKING or HELD.
 */
static struct otel_stdio streams[OTEL_STDIO_STREAMS];

/* Entries that are not FREE, and one more than the highest there ever was; relaxed. */
static _Atomic uint32_t used, end;

/* Any thread: that there is no room is said once. */
static atomic_flag said_full = ATOMIC_FLAG_INIT;

/* Our own read, write and close, which a program that exports functions of these names would
 * otherwise come before (libc's streams never call those), and two of libc's. Written before the
 * first stream is made, the same values each time. */
static struct {
    ssize_t (*read)(int fd, void *buf, size_t n);
    ssize_t (*write)(int fd, const void *buf, size_t n);
    int (*close)(int fd);
    ssize_t (*plain_write)(int fd, const void *buf, size_t n);
    int (*fclose)(FILE *stream);
} call;

static void *hook(const struct otel_elf_module *own, const char *name)
{
    void *function = otel_elf_function(own->map, name, NULL);

    return function ? function : otel_real_libc(name);
}

static bool find_functions(void)
{
    struct otel_elf_module own;

    if (__atomic_load_n(&call.fclose, __ATOMIC_ACQUIRE))
        return true;
    if (!otel_elf_module_of((const void *)&find_functions, &own))
        return false;
    *(void **)&call.read = hook(&own, "read");
    *(void **)&call.write = hook(&own, "write");
    *(void **)&call.close = hook(&own, "close");
    *(void **)&call.plain_write = otel_real_libc("write");
    __atomic_store_n((void **)&call.fclose, otel_real_libc("fclose"), __ATOMIC_RELEASE);
    return call.read && call.write && call.close && call.plain_write && call.fclose;
}

static struct otel_stdio *place(int fd, uint32_t probe)
{
    return &streams[((uint32_t)fd * 2 + probe) % OTEL_STDIO_STREAMS];
}

static bool move(struct otel_stdio *s, uint32_t from, uint32_t to)
{
    return atomic_compare_exchange_strong(&s->state, &from, to);
}

static void count(const struct otel_stdio *s)
{
    uint32_t least = (uint32_t)(s - streams) + 1;
    uint32_t was = atomic_load_explicit(&end, memory_order_relaxed);

    while (was < least && !atomic_compare_exchange_weak(&end, &was, least))
        ;
    atomic_fetch_add_explicit(&used, 1, memory_order_relaxed);
}

static struct otel_stdio *claim(int fd)
{
    for (uint32_t i = 0; i < PROBES; i++) {
        struct otel_stdio *s = place(fd, i);

        if (move(s, FREE, MAKING)) {
            count(s);
            return s;
        }
    }
    if (otel_log_once(&said_full))
        otel_log(OTEL_LOG_INFO, "no room for another stream: its bytes are not seen");
    return NULL;
}

static void give_back(struct otel_stdio *s)
{
    atomic_store_explicit(&s->stream, NULL, memory_order_relaxed);
    s->real = NULL;
    s->told = false;
    atomic_fetch_sub_explicit(&used, 1, memory_order_relaxed);
    atomic_store_explicit(&s->state, FREE, memory_order_release);
}

static FILE *stream_of(struct otel_stdio *s)
{
    return atomic_load_explicit(&s->stream, memory_order_relaxed);
}

/* --- the stream's functions: what libc's own do --- */

static ssize_t stream_read(void *cookie, char *buf, size_t n)
{
    return call.read(stream_of(cookie)->_fileno, buf, n);
}

/* All of it or up to an error, which the stream finds in a short count. */
static ssize_t stream_write(void *cookie, const char *data, size_t n)
{
    struct otel_stdio *s = cookie;
    size_t done = 0;

    while (done < n) {
        ssize_t got =
            (s->told ? call.plain_write : call.write)(stream_of(s)->_fileno, data + done, n - done);
        if (got < 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static int stream_seek(void *cookie, off64_t *offset, int whence)
{
    off64_t at = lseek64(stream_of(cookie)->_fileno, *offset, whence);

    if (at < 0)
        return -1;
    *offset = at;
    return 0;
}

/* libc closes without being cancelled, for nobody could tell whether it was done. A stream closed
 * past our fclose() is not to be looked at any more; what stands behind it stays. */
static int stream_close(void *cookie)
{
    FILE *fp = stream_of(cookie);
    int state, result;

    if (!fp)
        return 0;
    move(cookie, LIVE, LOST);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    result = call.close(fp->_fileno);
    pthread_setcancelstate(state, NULL);
    return result;
}

/* --- making one --- */

/* The mode as fdopen() understands it: it ignores all but the first letter and a '+' among the next
 * four. */
static void canonical(const char *mode, char out[static 3])
{
    char plus = 0;

    for (int i = 1; i < 5 && mode[i] && !plus; i++) {
        if (mode[i] == '+')
            plus = '+';
    }
    out[0] = mode[0];
    out[1] = plus;
    out[2] = 0;
}

/* libc takes the size from the descriptor, and allocates at first use; a cookie stream would take
 * BUFSIZ. */
static size_t buffer_size(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_blksize > 0 && st.st_blksize < BUFSIZ
               ? (size_t)st.st_blksize
               : BUFSIZ;
}

static FILE *open_stream(struct otel_stdio *s, const char *mode)
{
    static const cookie_io_functions_t functions = {
        .read = stream_read, .write = stream_write, .seek = stream_seek, .close = stream_close};
    char short_mode[3];

    canonical(mode, short_mode);
    return fopencookie(s, short_mode, functions);
}

/* Not in use yet: its buffer is handed over to libc, which frees it as it frees its own. */
static void dress(FILE *fp, const FILE *real, int fd, char *buffer, size_t size)
{
    fp->_fileno = fd;
    fp->_flags2 = real->_flags2;
    fp->_wide_data = real->_wide_data;
    fp->_IO_buf_base = buffer;
    fp->_IO_buf_end = buffer + size;
    fp->_mode = 0;
}

static FILE *make(struct otel_stdio *s, FILE *real, int fd, const char *mode)
{
    size_t size = buffer_size(fd);
    char *buffer = malloc(size);
    FILE *fp = buffer ? open_stream(s, mode) : NULL;

    if (fp && fp->_flags == real->_flags) {
        dress(fp, real, fd, buffer, size);
        real->_fileno = -1;
        return fp;
    }
    if (fp)
        call.fclose(fp);
    free(buffer);
    return NULL;
}

FILE *otel_stdio_wrap(FILE *real, int fd, const char *mode, bool standard)
{
    int saved = errno;
    struct otel_stdio *s = find_functions() ? claim(fd) : NULL;
    FILE *fp = s ? make(s, real, fd, mode) : NULL;

    if (fp) {
        s->standard = standard;
        s->real = real;
        atomic_store_explicit(&s->stream, fp, memory_order_relaxed);
        atomic_store_explicit(&s->state, LIVE, memory_order_release);
    } else if (s) {
        give_back(s);
    }
    errno = saved;
    return fp ? fp : real;
}

/* --- its end --- */

bool otel_stdio_any(void)
{
    return atomic_load_explicit(&used, memory_order_relaxed) != 0;
}

/* Held by who ends the process for a moment only; a handler that interrupted that one leaves it. */
static bool hold(struct otel_stdio *s)
{
    for (int i = 0; i < 1000; i++) {
        if (move(s, LIVE, HELD) || move(s, RETIRED, HELD))
            return true;
        sched_yield();
    }
    return false;
}

struct otel_stdio *otel_stdio_take(FILE *fp)
{
    if (!otel_stdio_any())
        return NULL;
    for (uint32_t i = 0; i < PROBES; i++) {
        struct otel_stdio *s = place(fp->_fileno, i);

        if (stream_of(s) == fp && atomic_load_explicit(&s->state, memory_order_relaxed) != LOST)
            return hold(s) ? s : NULL;
    }
    return NULL;
}

/* The real stream counts as closed, so its descriptor number is left alone. A closed stdout is
 * still there for those who print to it nevertheless; what stands behind it stays, too. */
void otel_stdio_release(struct otel_stdio *s)
{
    int saved = errno;

    if (!s->standard)
        call.fclose(s->real);
    give_back(s);
    errno = saved;
}

void otel_stdio_retire(struct otel_stdio *s)
{
    atomic_store_explicit(&s->state, RETIRED, memory_order_release);
}

/* The condition is that of libc's own flush at exit. */
static void tell(struct otel_stdio *s, FILE *fp)
{
    size_t pending = fp->_mode <= 0 && fp->_IO_write_ptr > fp->_IO_write_base
                         ? (size_t)(fp->_IO_write_ptr - fp->_IO_write_base)
                         : 0;
    struct iovec bytes = {fp->_IO_write_base, pending};
    struct otel_connection *c = pending && !s->told ? otel_connection_find(fp->_fileno) : NULL;

    if (!c || c->role != OTEL_ROLE_SERVER || !otel_direction_enter(&c->out))
        return;
    s->told = true;
    otel_observe_sent(c, fp->_fileno, &bytes, 1, pending);
    otel_direction_leave(&c->out);
}

void otel_stdio_tell_pending(void)
{
    uint32_t all = atomic_load_explicit(&end, memory_order_relaxed);

    for (struct otel_stdio *s = streams; s < streams + all; s++) {
        if (!move(s, LIVE, HELD))
            continue;
        if (ftrylockfile(stream_of(s)) == 0) {
            tell(s, stream_of(s));
            funlockfile(stream_of(s));
        }
        atomic_store_explicit(&s->state, LIVE, memory_order_release);
    }
}
