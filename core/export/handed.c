/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/handed.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define METHOD "POST "
#define BLANK_LINE "\r\n\r\n"
#define BLANK_LEN (sizeof BLANK_LINE - 1)

/* The batch thread's own. */
static struct {
    struct otel_handover *handover; /* NULL: nothing is counted */
    size_t body_len;
    size_t head_len; /* bytes of the head that were taken; the whole, once ended */
    size_t matched;  /* of the blank line, at its end */
    int ended;       /* the head */
} post;

/* A filter of system calls does not let it through: sent is as good, but not counted. */
static int no_sendmmsg;

void otel_handed_begin(struct otel_handover *handover, size_t body_len)
{
    post.handover = handover;
    post.body_len = body_len;
    post.head_len = post.matched = 0;
    post.ended = 0;
    if (handover)
        otel_handover_reset(handover);
}

void otel_handed_end(void)
{
    post.handover = NULL;
}

/* How many of the bytes belong to the head, which ends where *matched is that of a blank line. */
static size_t head_part(const char *bytes, size_t len, size_t *matched)
{
    size_t i = 0;

    while (i < len && *matched < BLANK_LEN) {
        char c = bytes[i++];

        *matched = c == BLANK_LINE[*matched] ? *matched + 1 : c == '\r';
    }
    return i;
}

static ssize_t send_plain(int fd, const void *buf, size_t len, int flags)
{
    return syscall(SYS_sendto, fd, buf, len, flags, NULL, 0);
}

/* The length of the whole request is told before its last byte may be taken. */
static void expect(const void *buf, size_t len)
{
    size_t matched = post.matched;
    size_t part;

    if (post.ended)
        return;
    part = head_part(buf, len, &matched);
    if (matched == BLANK_LEN)
        atomic_store_explicit(&post.handover->needed, post.head_len + part + post.body_len,
                              memory_order_release);
}

static void taken(const void *buf, size_t len)
{
    if (post.ended)
        return;
    post.head_len += head_part(buf, len, &post.matched);
    post.ended = post.matched == BLANK_LEN;
}

ssize_t otel_handed_send(int fd, const void *buf, size_t len, int flags)
{
    struct iovec piece = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
    struct otel_handover *h = post.handover;

    if (!h || no_sendmmsg)
        return send_plain(fd, buf, len, flags);
    if (len >= sizeof METHOD - 1 && !memcmp(buf, METHOD, sizeof METHOD - 1))
        otel_handed_begin(h, post.body_len);
    otel_handover_next(h);
    expect(buf, len);
    h->call.msg_hdr = (struct msghdr){.msg_iov = &piece, .msg_iovlen = 1};
    if (syscall(SYS_sendmmsg, fd, &h->call, 1, flags) != 1) {
        if (errno != ENOSYS && errno != EPERM)
            return -1;
        no_sendmmsg = 1;
        return send_plain(fd, buf, len, flags);
    }
    len = (size_t)otel_handover_last(h);
    taken(buf, len);
    return (ssize_t)len;
}
