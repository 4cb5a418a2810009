/* SPDX-License-Identifier: Apache-2.0
 *
 * The span of a name look-up.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "core/config.h"
#include "core/socket_span.h"
#include "core/span.h"
#include "core/sys.h"

#define ANSWERS_MAX 16
#define NAME_MAX_LEN 255 /* RFC 1035 2.3.4; what is longer is no name */

/* The addresses found, each once: a result has one entry for each socket type. */
struct answers {
    char text[ANSWERS_MAX][INET6_ADDRSTRLEN];
    struct otel_text item[ANSWERS_MAX];
    size_t count;
};

static bool lookups(void)
{
    return otel_config.socket_spans != OTEL_SOCKET_SPANS_OFF;
}

bool otel_socket_lookup_asks(const char *node)
{
    char address[INET6_ADDRSTRLEN];
    unsigned char bytes[sizeof(struct in6_addr)];
    struct in_addr v4;
    int saved = errno;
    size_t len;
    bool numeric;

    if (!node || !lookups())
        return false;
    len = strcspn(node, "%");
    numeric = inet_aton(node, &v4) && !strpbrk(node, " \t\n\v\f\r");
    if (!numeric && len < sizeof address) {
        memcpy(address, node, len);
        address[len] = '\0';
        numeric = inet_pton(AF_INET6, address, bytes) == 1;
    }
    errno = saved;
    return !numeric;
}

static void add(struct answers *a, const struct sockaddr *addr, socklen_t len)
{
    struct otel_address address;
    size_t n;

    otel_address_format(&address, addr, len);
    n = strnlen(address.text, INET6_ADDRSTRLEN - 1);
    if (!n || a->count == ANSWERS_MAX)
        return;
    for (size_t i = 0; i < a->count; i++)
        if (a->item[i].len == n && memcmp(a->text[i], address.text, n) == 0)
            return;
    memcpy(a->text[a->count], address.text, n);
    a->item[a->count] = (struct otel_text){a->text[a->count], n};
    a->count++;
}

static void add_host(struct answers *a, const struct hostent *host)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr_in v4 = {.sin_family = AF_INET};

    for (char **at = host->h_addr_list; at && *at && a->count < ANSWERS_MAX; at++) {
        if (host->h_addrtype == AF_INET && host->h_length == sizeof v4.sin_addr) {
            memcpy(&v4.sin_addr, *at, sizeof v4.sin_addr);
            add(a, (const struct sockaddr *)&v4, sizeof v4);
        } else if (host->h_addrtype == AF_INET6 && host->h_length == sizeof v6.sin6_addr) {
            memcpy(&v6.sin6_addr, *at, sizeof v6.sin6_addr);
            add(a, (const struct sockaddr *)&v6, sizeof v6);
        }
    }
}

static bool begin(struct otel_span *span, const char *node, uint64_t started_ns)
{
    struct otel_span_start start = {.name = OTEL_TEXT("dns.lookup"),
                                    .kind = OTEL_KIND_CLIENT,
                                    .scope = OTEL_SCOPE_SOCKET,
                                    .start_mono_ns = started_ns};

    if (!otel_span_start(span, &start))
        return false;
    otel_span_set_text(span, OTEL_TEXT("dns.question.name"), node, strnlen(node, NAME_MAX_LEN));
    return true;
}

static void end(struct otel_span *span, const struct answers *a, const char *error)
{
    struct otel_attr answers = {
        .key = OTEL_TEXT("dns.answers"),
        .value = {.type = OTEL_VALUE_STRINGS, .strings = {a->item, a->count}},
    };

    if (a->count)
        otel_span_set(span, &answers);
    if (error) {
        otel_span_set_text(span, OTEL_TEXT("error.type"), error, strlen(error));
        otel_span_set_status(span, OTEL_STATUS_ERROR, OTEL_TEXT(""));
    }
    otel_span_end(span, 0);
}

#define NAMED(error) \
    case error:      \
        return #error

static const char *lookup_error(int error, int sys_errno)
{
    switch (error) {
    case 0:
        return NULL;
    case EAI_SYSTEM:
        return otel_sys_errno_name(sys_errno);
        NAMED(EAI_BADFLAGS);
        NAMED(EAI_NONAME);
        NAMED(EAI_AGAIN);
        NAMED(EAI_FAIL);
        NAMED(EAI_NODATA);
        NAMED(EAI_FAMILY);
        NAMED(EAI_SOCKTYPE);
        NAMED(EAI_SERVICE);
        NAMED(EAI_ADDRFAMILY);
        NAMED(EAI_MEMORY);
        NAMED(EAI_OVERFLOW);
        NAMED(EAI_IDN_ENCODE);
    default:
        return "_OTHER";
    }
}

static const char *host_error_name(int error, int sys_errno)
{
    switch (error) {
    case NETDB_INTERNAL:
        return otel_sys_errno_name(sys_errno);
        NAMED(HOST_NOT_FOUND);
        NAMED(TRY_AGAIN);
        NAMED(NO_RECOVERY);
        NAMED(NO_DATA);
    default:
        return "_OTHER";
    }
}

void otel_socket_lookup(const char *node, int error, int sys_errno, const struct addrinfo *found,
                        uint64_t started_ns)
{
    struct answers answers;
    struct otel_span span;

    if (!node || !lookups())
        return;
    answers.count = 0;
    if (begin(&span, node, started_ns))
        for (const struct addrinfo *at = found; at && answers.count < ANSWERS_MAX; at = at->ai_next)
            add(&answers, at->ai_addr, at->ai_addrlen);
    end(&span, &answers, lookup_error(error, sys_errno));
}

void otel_socket_lookup_host(const char *name, int host_error, int sys_errno,
                             const struct hostent *found, uint64_t started_ns)
{
    struct answers answers;
    struct otel_span span;

    if (!name || !lookups())
        return;
    answers.count = 0;
    if (begin(&span, name, started_ns) && found)
        add_host(&answers, found);
    end(&span, &answers, found ? NULL : host_error_name(host_error, sys_errno));
}
