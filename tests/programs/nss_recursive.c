// SPDX-License-Identifier: Apache-2.0
// LIBS: -shared -fPIC
// A module of the name service switch, service "recursive" of hosts: recursive.test asks
// getaddrinfo() in its turn, jump.test raises SIGUSR1, block.test waits for ever; nothing else is
// known.
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <nss.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum nss_status _nss_recursive_gethostbyname2_r(const char *name, int family, struct hostent *host,
                                                char *buf, size_t size, int *error,
                                                int *host_error);

// The host with one address, all of it in buf.
static enum nss_status answer(const struct sockaddr_in *address, const char *name,
                              struct hostent *host, char *buf, size_t size)
{
    char **list = (char **)buf;
    char *at = buf + 3 * sizeof *list;

    if (size < 3 * sizeof *list + sizeof address->sin_addr + strlen(name) + 1)
        return NSS_STATUS_TRYAGAIN;
    memcpy(at, &address->sin_addr, sizeof address->sin_addr);
    strcpy(at + sizeof address->sin_addr, name);
    list[0] = at;
    list[1] = list[2] = NULL;
    host->h_name = at + sizeof address->sin_addr;
    host->h_aliases = &list[2];
    host->h_addrtype = AF_INET;
    host->h_length = sizeof address->sin_addr;
    host->h_addr_list = list;
    return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_recursive_gethostbyname2_r(const char *name, int family, struct hostent *host,
                                                char *buf, size_t size, int *error, int *host_error)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    enum nss_status status;

    if (strcmp(name, "jump.test") == 0)
        raise(SIGUSR1);
    if (strcmp(name, "block.test") == 0)
        for (;;)
            pause();
    *host_error = HOST_NOT_FOUND;
    if (strcmp(name, "recursive.test") != 0 || family != AF_INET ||
        getaddrinfo("localhost", NULL, &hints, &found) != 0)
        return NSS_STATUS_NOTFOUND;
    status = answer((const struct sockaddr_in *)found->ai_addr, name, host, buf, size);
    freeaddrinfo(found);
    *error = status == NSS_STATUS_TRYAGAIN ? ERANGE : 0;
    *host_error = status == NSS_STATUS_TRYAGAIN ? NETDB_INTERNAL : 0;
    return status;
}
