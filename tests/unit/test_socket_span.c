/* SPDX-License-Identifier: Apache-2.0 */
#include "core/socket_span.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/context.h"
#include "core/exchange.h"
#include "core/generation.h"
#include "core/serving.h"
#include "core/sys.h"
#include "tests/unit/spans.h"

static struct otel_connection c; /* one test a process */

static void setup(void)
{
    otel_generation_init();
    spans_begin();
    otel_config.socket_spans = OTEL_SOCKET_SPANS_CONNECTION;
    c = (struct otel_connection){.self = 4711,
                                 .family = AF_INET,
                                 .transport = OTEL_TRANSPORT_TCP,
                                 .stream = true,
                                 .opened_ns = otel_clock_mono_ns()};
}

TestSuite(socket_span, .init = setup);

static struct sockaddr_in ipv4(const char *text, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

    cr_assert_eq(inet_pton(AF_INET, text, &a.sin_addr), 1);
    return a;
}

static void connect_to(const char *text, uint16_t port, int error)
{
    struct sockaddr_in a = ipv4(text, port);

    otel_socket_connect(&c, -1, (struct sockaddr *)&a, sizeof a, error, otel_clock_mono_ns());
}

static void assert_no_span(void)
{
    uint64_t handle;

    cr_assert_eq(otel_queue_take(&handle, 1), 0, "a span has ended");
}

static struct otel_record *take_named(const char *name)
{
    struct otel_record *r = spans_take();
    struct otel_wire_field field;

    cr_assert(spans_field(r, OTEL_TAG_NAME, 0, &field));
    cr_assert(field.len == strlen(name) && !memcmp(field.data, name, field.len), "%.*s, not %s",
              (int)field.len, (const char *)field.data, name);
    cr_assert_eq(r->scope, OTEL_SCOPE_SOCKET);
    return r;
}

/* Makes a context with that id current; the frame it stands in is the test's. */
#define MAKE_CURRENT(N)                                     \
    struct otel_span_context current_ = {.flags = 1};       \
    memset(current_.trace_id, N, sizeof current_.trace_id); \
    memset(current_.span_id, N, sizeof current_.span_id);   \
    otel_context_attach(&current_)

static bool below(const struct otel_record *r, uint8_t n)
{
    return r->trace_id[0] == n && r->parent_span_id[0] == n && r->parent_span_id[7] == n;
}

static bool is_root(const struct otel_record *r)
{
    static const uint8_t none[OTEL_SPAN_ID_LEN];

    return !memcmp(r->parent_span_id, none, sizeof none);
}

/* --- attempts --- */

Test(socket_span, an_attempt_that_worked)
{
    uint64_t before = otel_clock_mono_ns();
    struct otel_record *r;

    errno = 77;
    connect_to("192.0.2.1", 6379, 0);
    cr_assert_eq(errno, 77);
    r = take_named("tcp.connect");
    cr_assert_eq(r->kind, OTEL_KIND_CLIENT);
    cr_assert_eq(r->status, OTEL_STATUS_UNSET);
    cr_assert(r->start_mono_ns >= before && r->end_mono_ns >= r->start_mono_ns);
    cr_assert(is_root(r));
    cr_assert_eq(r->attributes, 6);
    spans_assert_text(r, "network.transport", "tcp");
    spans_assert_text(r, "network.type", "ipv4");
    spans_assert_text(r, "network.peer.address", "192.0.2.1");
    spans_assert_int(r, "network.peer.port", 6379);
    spans_assert_text(r, "server.address", "192.0.2.1");
    spans_assert_int(r, "server.port", 6379);
    cr_assert_eq(c.role, OTEL_ROLE_CLIENT);
    cr_assert_str_eq(c.peer.text, "192.0.2.1");
}

Test(socket_span, an_attempt_that_failed_and_one_that_followed)
{
    struct otel_record *r;

    MAKE_CURRENT(7);
    connect_to("192.0.2.1", 1, ECONNREFUSED);
    r = take_named("tcp.connect");
    cr_assert(below(r, 7));
    spans_assert_text(r, "error.type", "ECONNREFUSED");
    otel_socket_closed(&c);
    assert_no_span();
    connect_to("192.0.2.1", 1, 0);
    cr_assert_eq(take_named("tcp.connect")->status, OTEL_STATUS_UNSET);
    otel_socket_closed(&c);
    take_named("tcp.connection");
}

Test(socket_span, what_is_no_attempt)
{
    struct sockaddr_in a = ipv4("192.0.2.1", 80);

    connect_to("192.0.2.1", 80, EISCONN);
    connect_to("192.0.2.1", 80, EALREADY);
    otel_socket_connect(&c, -1, NULL, sizeof a, EFAULT, 1);
    otel_socket_connect(&c, -1, (void *)1, sizeof a, EFAULT, 1);
    otel_socket_connect(&c, -1, (void *)1, 1, EINVAL, 1);
    otel_socket_connect(&c, -1, (void *)1, UINT32_MAX, EINVAL, 1);
    assert_no_span();
    cr_assert_eq(c.role, OTEL_ROLE_NONE);
}

/* What the kernel says of fd -1: a state of TCP's. */
static uint8_t kernel_state;

static int fake_getpeername(int fd, void *addr, unsigned *len)
{
    (void)fd, (void)addr, (void)len;
    return kernel_state == TCP_ESTABLISHED ? 0 : -ENOTCONN;
}

static int fake_getsockopt(int fd, int level, int name, void *value, unsigned *len)
{
    cr_assert(level == IPPROTO_TCP && name == TCP_INFO && *len >= sizeof(struct tcp_info));
    (void)fd;
    ((struct tcp_info *)value)->tcpi_state = kernel_state;
    return 0;
}

static void fake_kernel(uint8_t state)
{
    otel_sys.getpeername = fake_getpeername;
    otel_sys.getsockopt = fake_getsockopt;
    kernel_state = state;
}

Test(socket_span, an_attempt_that_ends_later)
{
    struct otel_record *r;

    fake_kernel(TCP_SYN_SENT);
    connect_to("192.0.2.1", 80, EINPROGRESS);
    connect_to("192.0.2.1", 80, EALREADY);
    otel_socket_connected(&c, -1, -1);
    otel_socket_connected(&c, -1, EAGAIN);
    otel_socket_connected(&c, -1, 0); /* SO_ERROR is 0 as long as nothing has failed */
    assert_no_span();
    cr_assert(c.connecting && c.bound_async && otel_socket_connecting());
    kernel_state = TCP_ESTABLISHED;
    otel_socket_connected(&c, -1, -1);
    r = take_named("tcp.connect");
    cr_assert_eq(r->status, OTEL_STATUS_UNSET);
    cr_assert(!c.connecting && !otel_socket_connecting());
    otel_socket_connected(&c, -1, 0);
    assert_no_span();
    setup();
    kernel_state = TCP_CLOSE; /* read to its end already */
    connect_to("192.0.2.1", 80, EINPROGRESS);
    otel_socket_connected(&c, -1, 0);
    cr_assert_eq(take_named("tcp.connect")->status, OTEL_STATUS_UNSET);
}

Test(socket_span, only_the_program_can_ask_why)
{
    struct otel_record *r;

    fake_kernel(TCP_CLOSE);
    connect_to("192.0.2.1", 80, EINPROGRESS);
    otel_socket_connected(&c, -1, -1);
    assert_no_span();
    otel_socket_connected(&c, -1, ETIMEDOUT);
    r = take_named("tcp.connect");
    cr_assert_eq(r->status, OTEL_STATUS_ERROR);
    spans_assert_text(r, "error.type", "ETIMEDOUT");
}

Test(socket_span, a_second_connect_tells)
{
    fake_kernel(TCP_ESTABLISHED);
    connect_to("192.0.2.1", 80, EINTR);
    connect_to("192.0.2.1", 80, EISCONN);
    cr_assert_eq(take_named("tcp.connect")->status, OTEL_STATUS_UNSET);
    assert_no_span();
    setup();
    connect_to("192.0.2.1", 80, EINPROGRESS);
    connect_to("192.0.2.1", 80, ECONNREFUSED);
    spans_assert_text(take_named("tcp.connect"), "error.type", "ECONNREFUSED");
    assert_no_span();
}

Test(socket_span, an_attempt_nobody_waited_for)
{
    fake_kernel(TCP_SYN_SENT);
    connect_to("192.0.2.1", 80, EINPROGRESS);
    otel_socket_closing(&c, -1);
    otel_socket_closed(&c);
    spans_assert_text(take_named("tcp.connect"), "error.type", "abandoned");
    assert_no_span();
    setup();
    kernel_state = TCP_CLOSE;
    connect_to("192.0.2.1", 80, EINPROGRESS);
    otel_socket_closing(&c, -1);
    otel_socket_closed(&c);
    spans_assert_text(take_named("tcp.connect"), "error.type", "_OTHER");
    assert_no_span();
    setup();
    kernel_state = TCP_ESTABLISHED;
    connect_to("192.0.2.1", 80, EINPROGRESS);
    otel_socket_closing(&c, -1);
    cr_assert_eq(take_named("tcp.connect")->status, OTEL_STATUS_UNSET);
}

/* The real kernel: what we ask takes nothing away from the program. */
Test(socket_span, the_error_stays_the_programs)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0),
        bound = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = ipv4("127.0.0.1", 0);
    socklen_t len = sizeof a, size = sizeof(int);
    struct pollfd p = {fd, POLLOUT, 0};
    int error = 0;

    /* a port that is taken, and where nobody listens */
    cr_assert_eq(bind(bound, (struct sockaddr *)&a, sizeof a), 0);
    cr_assert_eq(getsockname(bound, (struct sockaddr *)&a, &len), 0);
    error = connect(fd, (struct sockaddr *)&a, sizeof a) ? errno : 0;
    if (error == ECONNREFUSED) /* a kernel that knows at once */
        return;
    cr_assert_eq(error, EINPROGRESS);
    otel_socket_connect(&c, fd, (struct sockaddr *)&a, sizeof a, error, otel_clock_mono_ns());
    cr_assert_eq(poll(&p, 1, -1), 1);
    otel_socket_connected(&c, fd, -1);
    assert_no_span();
    cr_assert(!getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) && error == ECONNREFUSED);
    otel_socket_connected(&c, fd, error);
    spans_assert_text(take_named("tcp.connect"), "error.type", "ECONNREFUSED");
}

Test(socket_span, the_exchange_that_connects_has_it_outstanding)
{
    struct otel_span_context ctx = {.flags = 1, .trace_id = {9}, .span_id = {9}};
    uint64_t cell = otel_context_cell_open();

    otel_serving_enter(&ctx, cell);
    connect_to("192.0.2.1", 80, EINPROGRESS);
    cr_assert_eq(c.bound_cell, cell);
    cr_assert_eq(c.bound.span_id[0], 9);
    cr_assert_eq(c.bound_thread, otel_serving_slot());
    cr_assert(otel_serving_has(cell, c.self));
    cr_assert_eq(OTEL_CELL_OUTSTANDING(otel_context_cell(cell)->state), 1);
    otel_serving_enter(NULL, 0); /* another's turn */
    otel_socket_connected(&c, -1, ECONNREFUSED);
    cr_assert_eq(OTEL_CELL_OUTSTANDING(otel_context_cell(cell)->state), 0);
    cr_assert_eq(take_named("tcp.connect")->parent_span_id[0], 9);
    /* also with the spans switched off */
    setup();
    otel_config.socket_spans = OTEL_SOCKET_SPANS_OFF;
    otel_serving_enter(&ctx, cell);
    connect_to("192.0.2.1", 80, EINPROGRESS);
    cr_assert_eq(OTEL_CELL_OUTSTANDING(otel_context_cell(cell)->state), 1);
    otel_socket_closed(&c);
    cr_assert_eq(OTEL_CELL_OUTSTANDING(otel_context_cell(cell)->state), 0);
    connect_to("192.0.2.1", 80, 0);
    cr_assert(c.bound_cell == cell && !c.bound_async);
    assert_no_span();
}

Test(socket_span, unix_paths)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "/run/app.sock"};
    struct otel_record *r;

    c.family = AF_UNIX;
    c.transport = OTEL_TRANSPORT_UNIX;
    otel_socket_connect(&c, -1, (struct sockaddr *)&a, sizeof a, ENOENT, 1);
    r = take_named("unix.connect");
    cr_assert_eq(r->attributes, 4);
    spans_assert_text(r, "network.transport", "unix");
    spans_assert_text(r, "network.peer.address", "/run/app.sock");
    spans_assert_text(r, "server.address", "/run/app.sock");
    spans_assert_text(r, "error.type", "ENOENT");
    memcpy(a.sun_path, "\0app", 4);
    otel_socket_connect(&c, -1, (struct sockaddr *)&a, offsetof(struct sockaddr_un, sun_path) + 4,
                        0, 1);
    spans_assert_text(take_named("unix.connect"), "network.peer.address", "@app");
    otel_socket_closed(&c);
    spans_assert_text(take_named("unix.connection"), "network.peer.address", "@app");
}

/* --- connections --- */

Test(socket_span, a_connection)
{
    struct otel_record *r;

    MAKE_CURRENT(7);
    connect_to("192.0.2.1", 6379, 0);
    take_named("tcp.connect");
    c.out.bytes = 14;
    c.in.bytes = UINT64_C(1) << 40;
    otel_context_detach(0);
    errno = 77;
    otel_socket_closed(&c);
    cr_assert_eq(errno, 77);
    r = take_named("tcp.connection");
    cr_assert(below(r, 7));
    cr_assert_eq(r->kind, OTEL_KIND_CLIENT);
    cr_assert_eq(r->start_mono_ns, c.opened_ns);
    cr_assert_eq(r->attributes, 8);
    spans_assert_text(r, "network.transport", "tcp");
    spans_assert_text(r, "network.peer.address", "192.0.2.1");
    spans_assert_int(r, "network.peer.port", 6379);
    spans_assert_text(r, "server.address", "192.0.2.1");
    spans_assert_int(r, "otel_auto.bytes_sent", 14);
    spans_assert_int(r, "otel_auto.bytes_received", INT64_C(1) << 40);
    otel_socket_closed(&c);
    assert_no_span();
}

static void serve(void)
{
    struct sockaddr_in a = ipv4("192.0.2.9", 40000), own = ipv4("192.0.2.1", 25);

    c.role = OTEL_ROLE_SERVER;
    otel_address_format(&c.peer, (struct sockaddr *)&a, sizeof a);
    otel_address_format(&c.local, (struct sockaddr *)&own, sizeof own);
    c.peer_known = c.local_known = true;
    c.out.bytes = 220;
}

Test(socket_span, a_connection_that_came_in)
{
    struct otel_record *r;

    MAKE_CURRENT(7); /* whatever accept() was called in */
    serve();
    c.exchanges = 1; /* its first bytes could have become a request */
    otel_socket_closed(&c);
    r = take_named("tcp.connection");
    cr_assert_eq(r->kind, OTEL_KIND_SERVER);
    cr_assert(is_root(r));
    spans_assert_text(r, "network.peer.address", "192.0.2.9");
    spans_assert_text(r, "server.address", "192.0.2.1");
    spans_assert_int(r, "server.port", 25);
    spans_assert_int(r, "otel_auto.bytes_sent", 220);
}

Test(socket_span, connections_without_a_span)
{
    serve();
    c.out.bytes = 0; /* handed to a child */
    otel_socket_closed(&c);
    serve();
    c.socket.http = 1;
    otel_socket_closed(&c);
    setup();
    c.role = OTEL_ROLE_LISTENING;
    otel_socket_closed(&c);
    setup(); /* never connected */
    otel_socket_closed(&c);
    setup();
    connect_to("192.0.2.1", 53, 0);
    c.out.bytes = 40;
    otel_socket_closed(&c);
    setup(); /* inherited, so what connect() would have said is not known */
    serve();
    c.role = OTEL_ROLE_CLIENT;
    c.inherited = true;
    c.peer.port = 53;
    otel_socket_closed(&c);
    setup(); /* a pair */
    c.family = AF_UNIX;
    c.transport = OTEL_TRANSPORT_UNIX;
    c.role = OTEL_ROLE_CLIENT;
    c.out.bytes = 1;
    otel_socket_closed(&c);
    setup();
    serve();
    otel_config.socket_spans = OTEL_SOCKET_SPANS_OFF;
    otel_socket_closed(&c);
    assert_no_span();
}

Test(socket_span, each_peer_of_a_udp_socket)
{
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    struct otel_record *r;

    c.transport = OTEL_TRANSPORT_UDP;
    c.stream = false;
    connect_to("192.0.2.1", 123, 0);
    connect_to("192.0.2.2", 123, 0); /* a look at the route, so far */
    assert_no_span();
    c.out.bytes = 48;
    c.in.bytes = 48;
    connect_to("192.0.2.3", 123, ENETUNREACH);
    assert_no_span();
    connect_to("192.0.2.3", 123, 0);
    r = take_named("udp.connection");
    spans_assert_text(r, "network.transport", "udp");
    spans_assert_text(r, "network.peer.address", "192.0.2.2");
    spans_assert_int(r, "otel_auto.bytes_sent", 48);
    c.out.bytes = 1;
    otel_socket_connect(&c, -1, &nobody, sizeof nobody, 0, 1);
    r = take_named("udp.connection");
    spans_assert_text(r, "network.peer.address", "192.0.2.3");
    spans_assert_int(r, "otel_auto.bytes_sent", 1);
    otel_socket_closed(&c);
    assert_no_span();
}

/* --- calls --- */

static void call(const char *name, int64_t result, int error)
{
    otel_socket_call(&c, (struct otel_text){name, strlen(name)}, result, error,
                     otel_clock_mono_ns());
}

Test(socket_span, no_calls_unless_asked_for)
{
    serve();
    c.protocol = OTEL_PROTOCOL_OTHER;
    call("send", 1, 0);
    assert_no_span();
    cr_assert_not(otel_socket_calls());
}

Test(socket_span, calls_hang_below_their_connection)
{
    struct otel_record *sent, *received, *connection;

    otel_config.socket_spans = OTEL_SOCKET_SPANS_CALL;
    cr_assert(otel_socket_calls());
    serve();
    c.protocol = OTEL_PROTOCOL_OTHER;
    errno = 77;
    call("send", 220, 0);
    cr_assert_eq(errno, 77);
    call("recv", -1, ECONNRESET);
    call("recv", -1, EAGAIN);
    otel_socket_closed(&c);
    sent = take_named("send");
    received = take_named("recv");
    cr_assert_eq(spans_take()->status, OTEL_STATUS_UNSET);
    connection = take_named("tcp.connection");
    cr_assert_eq(sent->kind, OTEL_KIND_INTERNAL);
    spans_assert_int(sent, "otel_auto.result", 220);
    cr_assert_eq(sent->attributes, 1);
    cr_assert_eq(received->status, OTEL_STATUS_ERROR);
    spans_assert_text(received, "error.type", "ECONNRESET");
    cr_assert(is_root(connection));
    cr_assert_arr_eq(sent->trace_id, connection->trace_id, OTEL_TRACE_ID_LEN);
    cr_assert_arr_eq(sent->parent_span_id, connection->span_id, OTEL_SPAN_ID_LEN);
    cr_assert_arr_eq(received->parent_span_id, connection->span_id, OTEL_SPAN_ID_LEN);
    cr_assert_eq(sent->clock_offset_ns, connection->clock_offset_ns);
}

Test(socket_span, calls_of_a_connection_below_another_span)
{
    struct otel_record *sent, *connection;

    otel_config.socket_spans = OTEL_SOCKET_SPANS_CALL;
    MAKE_CURRENT(7);
    call("socket", 3, 0);
    cr_assert(below(take_named("socket"), 7));
    connect_to("192.0.2.1", 6379, 0);
    take_named("tcp.connect");
    otel_context_detach(0);
    call("recv", -1, EAGAIN); /* who knows what it will speak */
    cr_assert(below(take_named("recv"), 7));
    c.protocol = OTEL_PROTOCOL_OTHER;
    call("send", 1, 0);
    otel_socket_closed(&c);
    sent = take_named("send");
    connection = take_named("tcp.connection");
    cr_assert(below(connection, 7));
    cr_assert_eq(sent->trace_id[0], 7);
    cr_assert_arr_eq(sent->parent_span_id, connection->span_id, OTEL_SPAN_ID_LEN);
}

Test(socket_span, calls_and_connection_are_sampled_alike)
{
    otel_config.socket_spans = OTEL_SOCKET_SPANS_CALL;
    otel_config.sampler.kind = OTEL_SAMPLER_PARENT_RATIO;
    otel_config.sampler.threshold = otel_sampler_threshold(0.5);
    for (int i = 0; i < 100; i++) {
        uint64_t handle[2];
        uint32_t got;

        c.socket = (struct otel_socket_state){0};
        serve();
        c.protocol = OTEL_PROTOCOL_OTHER;
        call("send", 1, 0);
        otel_socket_closed(&c);
        got = otel_queue_take(handle, 2);
        cr_assert(got == 0 || got == 2, "%u of 2", got);
    }
}

Test(socket_span, calls_of_a_request)
{
    struct otel_exchange *x;
    struct otel_record *r;

    otel_config.socket_spans = OTEL_SOCKET_SPANS_CALL;
    serve();
    c.protocol = OTEL_PROTOCOL_HTTP1;
    x = otel_exchange_begin(&c, true, otel_clock_mono_ns());
    x->started = true;
    x->span.ctx = (struct otel_span_context){.trace_id = {5}, .span_id = {5}, .flags = 1};
    call("recv", 100, 0);
    r = take_named("recv");
    cr_assert(r->parent_span_id[0] == 5 && r->trace_id[0] == 5);
    /* the call that sends the last of the response is still the request's, the next is nobody's */
    otel_exchange_finish(x, &c, OTEL_TEXT(""), otel_clock_mono_ns());
    call("send", 100, 0);
    cr_assert_eq(take_named("send")->parent_span_id[0], 5);
    call("recv", -1, EAGAIN);
    cr_assert(is_root(take_named("recv")));
    otel_socket_closed(&c);
    assert_no_span();
}

Test(socket_span, calls_of_chatter)
{
    otel_config.socket_spans = OTEL_SOCKET_SPANS_CALL;
    connect_to("192.0.2.1", 53, 0);
    c.protocol = OTEL_PROTOCOL_OTHER;
    call("send", 40, 0);
    otel_socket_closed(&c);
    assert_no_span();
}

/* --- fork --- */

static int child(void)
{
    struct otel_record *r;

    otel_queue_reset();
    otel_socket_connected(&c, -1, ECONNREFUSED); /* the parent's to tell */
    c.connect_error = 0;
    c.out.bytes = 5;
    otel_socket_closed(&c);
    r = take_named("tcp.connection");
    return below(r, 7) && r->parent_remote && r->local_root ? 42 : 1;
}

Test(socket_span, a_fork_child_tells_of_its_own)
{
    int status;
    pid_t pid;

    MAKE_CURRENT(7);
    connect_to("192.0.2.1", 80, EINPROGRESS);
    pid = fork();
    cr_assert(pid >= 0);
    if (pid == 0)
        _exit(child());
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42, "%x", status);
    otel_socket_connected(&c, -1, ECONNREFUSED);
    cr_assert(below(take_named("tcp.connect"), 7));
}
