/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/http_private.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/sys.h"

void otel_http_sockets_init(struct otel_http_sockets *sockets, const struct otel_export_host *host)
{
    sockets->host = host;
    for (size_t i = 0; i < SOCKETS_MAX; i++)
        sockets->fd[i] = -1;
}

static int *slot_of(struct otel_http_sockets *sockets, int fd)
{
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        if (sockets->fd[i] == fd)
            return &sockets->fd[i];
    }
    return NULL;
}

/* The system call, because socket() may be a hook where RTLD_DEEPBIND could not be used. */
curl_socket_t otel_http_open_socket(void *userdata, curlsocktype purpose,
                                    struct curl_sockaddr *address)
{
    struct otel_http_sockets *sockets = userdata;
    int *slot = slot_of(sockets, -1);
    int fd;
    int adopted;

    (void)purpose;
    if (!slot)
        return CURL_SOCKET_BAD;
    fd = (int)syscall(SYS_socket, address->family, address->socktype | SOCK_CLOEXEC,
                      address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    adopted = sockets->host->fd_adopt(fd);
    if (adopted < 0) {
        otel_sys.close(fd);
        return CURL_SOCKET_BAD;
    }
    *slot = adopted;
    sockets->fresh |= UINT32_C(1) << (slot - sockets->fd);
    return adopted;
}

int otel_http_close_socket(void *userdata, curl_socket_t fd)
{
    struct otel_http_sockets *sockets = userdata;
    int *slot = slot_of(sockets, fd);
    bool ours = sockets->host->fd_owned(fd);

    if (slot)
        *slot = -1;
    sockets->host->fd_release(fd);
    if (ours)
        otel_sys.close(fd);
    return 0;
}

bool otel_http_sockets_intact(const struct otel_http_sockets *sockets)
{
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        if (sockets->fd[i] >= 0 && !sockets->host->fd_owned(sockets->fd[i]))
            return false;
    }
    return true;
}

void otel_http_sockets_drop(struct otel_http_sockets *sockets)
{
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        if (sockets->fd[i] >= 0)
            otel_http_close_socket(sockets, sockets->fd[i]);
    }
}

void otel_http_sockets_begin(struct otel_http_sockets *sockets)
{
    sockets->fresh = 0;
}

void otel_http_sockets_unconnected(struct otel_http_sockets *sockets)
{
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        if (sockets->fd[i] >= 0 && sockets->fresh >> i & 1)
            otel_http_close_socket(sockets, sockets->fd[i]);
    }
}
