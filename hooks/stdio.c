/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/hook.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/connection.h"
#include "core/generation.h"
#include "core/pipes.h"
#include "hooks/stdio_stream.h"
#include "preload/elf.h"

static bool is_stream_socket(int fd)
{
    struct otel_connection *c = otel_connection_find(fd);

    return c && c->stream;
}

/* The real one first: it checks the mode and the descriptor, and its errors are the answer. */
OTEL_HOOK_LIBC(FILE *, fdopen, (int fd, const char *mode))
{
    FILE *real = OTEL_REAL(fdopen)(fd, mode);

    if (!real || !is_stream_socket(fd))
        return real;
    return otel_stdio_wrap(real, fd, mode, false);
}

/* A stream of libc's own closes its descriptor where no hook sees it. */
static void close_unseen(const FILE *fp)
{
    if (fp->_fileno >= 0 && otel_connection_known(fp->_fileno))
        otel_connection_close(fp->_fileno);
}

/* A wide stream of ours has become one of libc's. */
static struct otel_stdio *before_closing(FILE *fp)
{
    struct otel_stdio *ours = otel_stdio_take(fp);

    if (!ours || fp->_mode > 0)
        close_unseen(fp);
    return ours;
}

/* A stream that popen() made ends with its child, whichever of the two functions closes it; what is
 * told is the child's status, or, when that is 0, that not all could be written. */
static int after_closing(struct otel_stdio *ours, pid_t child, int result)
{
    int status = child ? otel_pipes_reap(child) : 0;

    if (ours)
        otel_stdio_release(ours);
    return status ? status : result;
}

OTEL_HOOK_LIBC(int, fclose, (FILE * fp))
{
    struct otel_stdio *ours = before_closing(fp);
    pid_t child = otel_pipes_close(fp);

    return after_closing(ours, child, OTEL_REAL(fclose)(fp));
}

/* For a stream that popen() did not make it is fclose(). */
OTEL_HOOK_LIBC(int, pclose, (FILE * fp))
{
    struct otel_stdio *ours = before_closing(fp);
    pid_t child = otel_pipes_close(fp);

    return after_closing(ours, child, OTEL_REAL(pclose)(fp));
}

/* The descriptor is closed, whether the file can be opened or not. What the buffer holds is written
 * first, as freopen() would do. */
static void before_reopening(FILE *fp)
{
    struct otel_stdio *ours = otel_stdio_take(fp);

    if (ours) {
        fflush(fp);
        otel_stdio_retire(ours);
    }
    close_unseen(fp);
}

OTEL_HOOK_LIBC(FILE *, freopen, (const char *path, const char *mode, FILE *fp))
{
    before_reopening(fp);
    return OTEL_REAL(freopen)(path, mode, fp);
}

OTEL_HOOK_LIBC(FILE *, freopen64, (const char *path, const char *mode, FILE *fp))
{
    before_reopening(fp);
    return OTEL_REAL(freopen64)(path, mode, fp);
}

/* --- programs started by inetd and its like: standard input and output are one connection --- */

/* As libc made it: flags, number, no buffer yet. What another library has set up or used is left.
 */
static bool is_untouched(const FILE *fp, int flags, int fd)
{
    return fp->_flags == flags && fp->_fileno == fd && fp->_mode == 0 && !fp->_IO_buf_base;
}

static bool is_same_socket(int one, int other)
{
    struct stat a, b;

    return fstat(one, &a) == 0 && S_ISSOCK(a.st_mode) && fstat(other, &b) == 0 &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* The C++ library may have kept the old pointers; two buffers would change the order of bytes. */
static bool keeps_streams(const struct link_map *map, void *unused)
{
    (void)unused;
    return strstr(map->l_name, "libstdc++.so") || strstr(map->l_name, "libc++.so");
}

static void replace(FILE **variable, int fd, const char *mode)
{
    FILE *real = OTEL_REAL(fdopen)(fd, mode);
    FILE *ours = real ? otel_stdio_wrap(real, fd, mode, true) : NULL;

    if (ours && ours != real) {
        *variable = ours;
    } else if (real) {
        real->_fileno = -1;
        OTEL_REAL(fclose)(real);
    }
}

/* The variables are what libc's printf, puts and scanf look at, and the program's own code. */
static void replace_standard_streams(void)
{
    if (!is_untouched(stdin, (int)0xfbad2088, 0) || !is_untouched(stdout, (int)0xfbad2084, 1) ||
        otel_elf_each(keeps_streams, NULL))
        return;
    replace(&stdin, 0, "r");
    replace(&stdout, 1, "w");
}

/* Descriptors that the parent process duplicated name one connection. Streams only for TCP: every
 * other kind of socket is found there for other reasons (a remote shell, a journal). */
static void look_at_standard_descriptors(void)
{
    int saved = errno;
    struct otel_connection *c = is_same_socket(0, 1) ? otel_connection_find(0) : NULL;

    if (c && c->stream) {
        otel_connection_dup(0, 1);
        if (is_same_socket(1, 2))
            otel_connection_dup(0, 2);
        if (c->transport == OTEL_TRANSPORT_TCP)
            replace_standard_streams();
    }
    errno = saved;
}

OTEL_AT_START(look_at_standard_descriptors);

static void tell_pending(void)
{
    if (otel_stdio_any() && otel_generation() && otel_generation_is_owner())
        otel_stdio_tell_pending();
}

OTEL_AT_EXIT(tell_pending);
