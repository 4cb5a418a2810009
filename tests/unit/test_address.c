/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "core/connection.h"
#include "tests/support/guardpage.h"

static const char *ipv6(const char *text)
{
    static struct otel_address out;
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(65535)};

    cr_assert_eq(inet_pton(AF_INET6, text, &a.sin6_addr), 1);
    otel_address_format(&out, (struct sockaddr *)&a, sizeof a);
    cr_assert_eq(out.port, 65535);
    return out.text;
}

/* glibc's inet_ntop writes the same, but for one thing: RFC 5952 4.2.2 keeps a single zero. */
Test(address, ipv6_is_written_as_rfc_5952_says)
{
    cr_assert_str_eq(ipv6("::"), "::");
    cr_assert_str_eq(ipv6("::1"), "::1");
    cr_assert_str_eq(ipv6("1::"), "1::");
    cr_assert_str_eq(ipv6("2001:0DB8:0:0:0:0:0:1"), "2001:db8::1");
    cr_assert_str_eq(ipv6("2001:db8:0:1:1:1:1:1"), "2001:db8:0:1:1:1:1:1");
    cr_assert_str_eq(ipv6("2001:0:0:1:0:0:0:1"), "2001:0:0:1::1");
    cr_assert_str_eq(ipv6("2001:db8:0:0:1:0:0:1"), "2001:db8::1:0:0:1");
    cr_assert_str_eq(ipv6("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0"),
                     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0");
    cr_assert_str_eq(ipv6("::ffff:192.0.2.128"), "::ffff:192.0.2.128");
}

Test(address, every_ipv4_address_is_written_as_inet_ntop_does)
{
    struct otel_address out;
    char want[INET_ADDRSTRLEN];

    for (uint32_t i = 0; i < 100000; i++) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)i)};

        a.sin_addr.s_addr = i * 2654435761u;
        inet_ntop(AF_INET, &a.sin_addr, want, sizeof want);
        otel_address_format(&out, (struct sockaddr *)&a, sizeof a);
        cr_assert_str_eq(out.text, want);
        cr_assert_eq(out.port, (uint16_t)i);
    }
}

static const char *unix_text(const char *path, size_t len)
{
    static struct otel_address out;
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    memcpy(a.sun_path, path, len);
    otel_address_format(&out, (struct sockaddr *)&a,
                        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    return out.text;
}

Test(address, unix_addresses_are_paths_or_abstract_names)
{
    char full[sizeof(((struct sockaddr_un *)0)->sun_path)];

    memset(full, 'x', sizeof full);
    cr_assert_str_eq(unix_text("/run/a", 6), "/run/a");
    cr_assert_str_eq(unix_text("/run/a\0junk", 11), "/run/a");
    cr_assert_str_eq(unix_text("\0name", 5), "@name");
    cr_assert_str_eq(unix_text("\0na\0me", 6), "@na@me");
    cr_assert_str_eq(unix_text("", 0), "");
    cr_assert_eq(strlen(unix_text(full, sizeof full)), sizeof full);
}

Test(address, an_address_is_never_read_beyond_its_length)
{
    static const sa_family_t families[] = {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK, AF_UNSPEC};
    struct otel_address out;
    struct sockaddr_storage a;
    struct guardpage page;

    guardpage_open(&page, sizeof a);
    for (unsigned f = 0; f < sizeof families / sizeof *families; f++) {
        memset(&a, 'x', sizeof a);
        a.ss_family = families[f];
        for (socklen_t len = 0; len <= sizeof a; len++)
            otel_address_format(&out, (const void *)guardpage_put(&page, &a, len), len);
    }
    guardpage_close(&page);
    otel_address_format(&out, NULL, 16);
    cr_assert_str_eq(out.text, "");
}
