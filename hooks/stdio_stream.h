/* SPDX-License-Identifier: Apache-2.0
 *
 * stdio streams on sockets whose bytes go through our hooks. libc's own streams read and write
 * inside libc, where no hook sees it. Ours is a cookie stream (fopencookie) made to look and behave
 * like the real one: the same flags, descriptor number, buffer size and errors; its functions loop,
 * block, fail and are cancelled as libc's do. Where it cannot be made the real stream is used, and
 * its bytes go unseen.
 *
 * Behind each stream of ours a real one stays allocated, closed: it lends its wide-character half,
 * which cookie streams lack. A program that turns the stream wide, or reopens it, thereby gets
 * libc's own functions from there on, unseen and unharmed.
 *
 * What is private to libc and relied upon: the fields of struct _IO_FILE, public in its header and
 * used by programs' inlined getc and putc since glibc 2.1. A stream whose flags come out different
 * from the real one's is not used.
 *
 * Threads: any; what is said about a stream holds for who may use it. No function here changes
 * errno.
 */
#ifndef OTEL_HOOKS_STDIO_STREAM_H
#define OTEL_HOOKS_STDIO_STREAM_H

#include <stdbool.h>
#include <stdio.h>

#define OTEL_STDIO_STREAMS 32768 /* at once; further ones are real and unseen */

struct otel_stdio;

/* A stream of ours in place of real, which the real fdopen(fd, mode) just returned and nobody has
 * used. standard: it becomes stdin or stdout, which libc never frees. Returns the stream to hand
 * out: real itself when ours cannot be made. */
FILE *otel_stdio_wrap(FILE *real, int fd, const char *mode, bool standard);

/* fp is about to be closed or reopened by the calling thread: takes it off the list. NULL: it is
 * none of ours. The handle is good for otel_stdio_release(). */
struct otel_stdio *otel_stdio_take(FILE *fp);

/* After the real fclose(): frees what stood behind the stream. */
void otel_stdio_release(struct otel_stdio *stream);

/* Before the real freopen(): the stream stays, as one of libc's own; still to be taken and released
 * when it is closed. */
void otel_stdio_retire(struct otel_stdio *stream);

/* Are there streams of ours? One load. */
bool otel_stdio_any(void);

/* Tells the engine of the response bytes that still lie in buffers and that libc is going to write
 * at the very end of exit(), when the engine has stopped. Nothing is written, so that the order of
 * all output stays what it was. Streams that another thread holds are left out. */
void otel_stdio_tell_pending(void);

#endif
