/* SPDX-License-Identifier: Apache-2.0 */
#include "core/socket_span.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#include "core/clock.h"
#include "tests/unit/spans.h"

static void setup(void)
{
    spans_begin();
    otel_config.socket_spans = OTEL_SOCKET_SPANS_CONNECTION;
}

TestSuite(socket_lookup, .init = setup);

static struct otel_record *looked_up(const char *name, int error, const struct addrinfo *found)
{
    uint64_t before = otel_clock_mono_ns();
    struct otel_record *r;

    otel_socket_lookup(name, error, EIO, found, before);
    r = spans_take();
    cr_assert_eq(r->start_mono_ns, before);
    cr_assert_eq(r->kind, OTEL_KIND_CLIENT);
    cr_assert_eq(r->scope, OTEL_SCOPE_SOCKET);
    return r;
}

static void assert_name(struct otel_record *r, const char *name)
{
    struct otel_wire_field field;

    cr_assert(spans_field(r, OTEL_TAG_NAME, 0, &field));
    cr_assert(field.len == strlen(name) && !memcmp(field.data, name, field.len));
}

/* dns.answers as "a b c"; "-" when it is not there. */
static const char *answers(struct otel_record *r)
{
    static char text[1024]; /* one test a process */
    struct otel_wire_reader reader;
    struct otel_wire_field field;
    struct otel_value value;
    size_t n = 0;

    if (!spans_attribute(r, "dns.answers", &value))
        return "-";
    cr_assert_eq(value.type, OTEL_VALUE_STRINGS);
    reader = (struct otel_wire_reader){(const uint8_t *)value.text.data,
                                       (const uint8_t *)value.text.data + value.text.len};
    text[0] = '\0';
    while (otel_wire_next(&reader, &field)) {
        struct otel_wire_reader inner = {field.data, field.data + field.len};

        cr_assert(otel_wire_next(&inner, &field));
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s", n ? " " : "", (int)field.len,
                              (const char *)field.data);
    }
    return text;
}

static struct sockaddr_in v4(const char *text)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(80)};

    cr_assert_eq(inet_pton(AF_INET, text, &a.sin_addr), 1);
    return a;
}

Test(socket_lookup, each_address_once)
{
    struct sockaddr_in one = v4("192.0.2.1"), other = v4("192.0.2.2");
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct addrinfo list[] = {
        {.ai_addr = (struct sockaddr *)&v6, .ai_addrlen = sizeof v6, .ai_next = &list[1]},
        {.ai_addr = (struct sockaddr *)&one, .ai_addrlen = sizeof one, .ai_next = &list[2]},
        {.ai_addr = (struct sockaddr *)&one, .ai_addrlen = sizeof one, .ai_next = &list[3]},
        {.ai_addr = (struct sockaddr *)&other, .ai_addrlen = sizeof other, .ai_next = &list[4]},
        {.ai_addr = (struct sockaddr *)&one, .ai_addrlen = sizeof one, .ai_next = &list[5]},
        {.ai_addr = NULL, .ai_addrlen = 0},
    };
    struct otel_record *r;

    inet_pton(AF_INET6, "2001:db8::1", &v6.sin6_addr);
    r = looked_up("example.test", 0, list);
    assert_name(r, "dns.lookup");
    spans_assert_text(r, "dns.question.name", "example.test");
    cr_assert_str_eq(answers(r), "2001:db8::1 192.0.2.1 192.0.2.2");
    cr_assert_eq(r->status, OTEL_STATUS_UNSET);
    cr_assert_eq(r->attributes, 2);
}

Test(socket_lookup, sixteen_addresses_at_most)
{
    struct sockaddr_in a[20];
    struct addrinfo list[20];
    const char *text;
    int words = 1;

    for (int i = 0; i < 20; i++) {
        a[i] = v4("192.0.2.0");
        a[i].sin_addr.s_addr |= htonl((uint32_t)i);
        list[i] = (struct addrinfo){.ai_addr = (struct sockaddr *)&a[i],
                                    .ai_addrlen = sizeof a[i],
                                    .ai_next = i < 19 ? &list[i + 1] : NULL};
    }
    text = answers(looked_up("many.test", 0, list));
    for (const char *at = text; *at; at++)
        words += *at == ' ';
    cr_assert_eq(words, 16);
    cr_assert(strstr(text, "192.0.2.15") && !strstr(text, "192.0.2.16"));
}

Test(socket_lookup, failures_have_names)
{
    static const struct {
        int error;
        const char *name;
    } cases[] = {
        {EAI_NONAME, "EAI_NONAME"}, {EAI_AGAIN, "EAI_AGAIN"},   {EAI_NODATA, "EAI_NODATA"},
        {EAI_SYSTEM, "EIO"},        {EAI_MEMORY, "EAI_MEMORY"}, {-12345, "_OTHER"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct otel_record *r = looked_up("nosuch.test", cases[i].error, NULL);

        cr_assert_eq(r->status, OTEL_STATUS_ERROR);
        spans_assert_text(r, "error.type", cases[i].name);
        cr_assert_str_eq(answers(r), "-");
    }
}

Test(socket_lookup, hosts)
{
    char one[] = {(char)192, 0, 2, 1}, other[] = {(char)192, 0, 2, 2};
    char *list[] = {one, other, one, NULL};
    struct hostent host = {.h_addrtype = AF_INET, .h_length = 4, .h_addr_list = list};
    struct otel_record *r;

    otel_socket_lookup_host("example.test", 0, 0, &host, 0);
    r = spans_take();
    cr_assert_str_eq(answers(r), "192.0.2.1 192.0.2.2");
    cr_assert_eq(r->status, OTEL_STATUS_UNSET);
    host.h_length = 16; /* neither */
    otel_socket_lookup_host("example.test", 0, 0, &host, 0);
    cr_assert_str_eq(answers(spans_take()), "-");
    otel_socket_lookup_host("nosuch.test", HOST_NOT_FOUND, 0, NULL, 0);
    spans_assert_text(spans_take(), "error.type", "HOST_NOT_FOUND");
    otel_socket_lookup_host("nosuch.test", NETDB_INTERNAL, EMFILE, NULL, 0);
    spans_assert_text(spans_take(), "error.type", "EMFILE");
}

Test(socket_lookup, a_name_is_cut)
{
    static char name[5000];
    struct otel_value value;

    memset(name, 'a', sizeof name - 1);
    cr_assert(spans_attribute(looked_up(name, EAI_NONAME, NULL), "dns.question.name", &value));
    cr_assert_eq(value.text.len, 255);
}

Test(socket_lookup, nobody_is_asked_for_an_address)
{
    static const char *const numeric[] = {
        "127.0.0.1", "127.1", "0x7f000001", "::1", "fe80::1%eth0", "::ffff:192.0.2.1", "0"};
    static const char *const names[] = {
        "localhost", "1.2.3.4.5",   "a%b",
        "",          "127.0.0.1 x", "12345678901234567890123456789012345678901234567890::"};

    errno = ERANGE;
    for (size_t i = 0; i < sizeof numeric / sizeof numeric[0]; i++)
        cr_expect_not(otel_socket_lookup_asks(numeric[i]), "%s", numeric[i]);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        cr_expect(otel_socket_lookup_asks(names[i]), "%s", names[i]);
    cr_expect_not(otel_socket_lookup_asks(NULL));
    cr_expect_eq(errno, ERANGE);
}

Test(socket_lookup, nothing_when_off_or_without_a_name)
{
    uint64_t handle;

    otel_socket_lookup(NULL, 0, 0, NULL, 0);
    otel_socket_lookup_host(NULL, 0, 0, NULL, 0);
    otel_config.socket_spans = OTEL_SOCKET_SPANS_OFF;
    otel_socket_lookup("localhost", 0, 0, NULL, 0);
    otel_socket_lookup_host("localhost", 0, 0, NULL, 0);
    cr_assert_not(otel_socket_lookup_asks("localhost"));
    cr_assert_eq(otel_queue_take(&handle, 1), 0);
}
