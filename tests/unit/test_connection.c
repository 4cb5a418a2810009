/* SPDX-License-Identifier: Apache-2.0 */
#include "core/connection.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/generation.h"
#include "core/sys.h"
#include "core/tls.h"

static void start(void)
{
    otel_generation_init();
    cr_assert_eq(otel_fdtable_init(), 0);
}

static int listener(int domain, struct sockaddr_storage *addr, socklen_t *len)
{
    int fd = socket(domain, SOCK_STREAM, 0);

    memset(addr, 0, sizeof *addr);
    addr->ss_family = (sa_family_t)domain;
    *len = domain == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    if (domain == AF_INET)
        ((struct sockaddr_in *)addr)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        ((struct sockaddr_in6 *)addr)->sin6_addr = in6addr_loopback;
    cr_assert_eq(bind(fd, (struct sockaddr *)addr, *len), 0);
    cr_assert_eq(listen(fd, 8), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)addr, len), 0);
    return fd;
}

struct tcp {
    int listening, client, server;
    uint16_t port;
};

/* A connection of this process with itself, none of it told to the table. */
static struct tcp tcp_pair(void)
{
    struct sockaddr_storage addr;
    socklen_t len;
    struct tcp t;

    t.listening = listener(AF_INET, &addr, &len);
    t.port = ntohs(((struct sockaddr_in *)&addr)->sin_port);
    t.client = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(t.client, (struct sockaddr *)&addr, len), 0);
    t.server = accept(t.listening, NULL, NULL);
    cr_assert_geq(t.server, 0);
    return t;
}

static struct otel_connection *opened(int fd)
{
    struct otel_connection *c =
        otel_connection_open(fd, AF_INET, SOCK_STREAM, OTEL_ROLE_SERVER, NULL, 0);

    cr_assert_not_null(c);
    return c;
}

/* --- life --- */

Test(connection, what_is_opened_is_found_until_it_is_closed)
{
    struct otel_connection *c;
    uint64_t handle;

    start();
    c = opened(7);
    handle = c->self;
    cr_assert_eq(otel_connection_find(7), c);
    cr_assert_eq(otel_connection_known(7), c);
    cr_assert_eq(otel_connection_get(handle), c);
    cr_assert_eq(c->role, OTEL_ROLE_SERVER);
    cr_assert_eq(c->transport, OTEL_TRANSPORT_TCP);
    cr_assert_eq(c->family, AF_INET);
    cr_assert(c->stream);
    cr_assert_not(c->inherited);
    cr_assert_neq(c->opened_ns, 0);
    otel_connection_close(7);
    cr_assert_null(otel_connection_known(7));
    cr_assert_null(otel_connection_get(handle));
    cr_assert_eq(otel_fd_get(7), OTEL_FD_UNKNOWN);
}

Test(connection, what_does_not_concern_us_is_plain)
{
    static const struct {
        int domain, type;
        enum otel_role role;
    } others[] = {
        {AF_NETLINK, SOCK_RAW, OTEL_ROLE_NONE},       {AF_UNSPEC, SOCK_STREAM, OTEL_ROLE_NONE},
        {AF_INET, SOCK_DGRAM, OTEL_ROLE_NONE},        {AF_INET, SOCK_RAW, OTEL_ROLE_NONE},
        {AF_UNIX, SOCK_DGRAM, OTEL_ROLE_CLIENT},      {AF_UNIX, SOCK_SEQPACKET, OTEL_ROLE_NONE},
        {AF_INET6, SOCK_SEQPACKET, OTEL_ROLE_CLIENT},
    };

    start();
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++) {
        opened(7);
        cr_assert_null(
            otel_connection_open(7, others[i].domain, others[i].type, others[i].role, NULL, 0));
        cr_assert_eq(otel_fd_get(7), OTEL_FD_PLAIN);
    }
    cr_assert_not_null(
        otel_connection_open(7, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, OTEL_ROLE_NONE, NULL, 0));
    cr_assert_null(otel_connection_open(-1, AF_INET, SOCK_STREAM, OTEL_ROLE_NONE, NULL, 0));
    cr_assert_null(otel_connection_open(INT_MAX, AF_INET, SOCK_STREAM, OTEL_ROLE_NONE, NULL, 0));
}

Test(connection, a_block_lives_as_long_as_a_descriptor_names_it)
{
    struct otel_connection *c;
    uint64_t handle;

    start();
    c = opened(7);
    handle = c->self;
    otel_connection_dup(7, 8);
    otel_connection_dup(8, 9);
    otel_connection_dup(7, 7);
    cr_assert_eq(c->refs, 3);
    otel_connection_close(7);
    otel_connection_close(7);
    cr_assert_eq(otel_connection_find(8), c);
    opened(8); /* the number is another socket's: the old one lost a name */
    cr_assert_eq(otel_connection_find(9), c);
    otel_connection_dup(8, 9);
    cr_assert_null(otel_connection_get(handle));
}

Test(connection, a_duplicate_of_something_else_is_no_connection)
{
    start();
    opened(7);
    otel_fd_swap(5, OTEL_FD_PLAIN);
    otel_connection_dup(5, 7);
    cr_assert_eq(otel_fd_get(7), OTEL_FD_PLAIN);
    otel_connection_dup(200, 7); /* never looked at */
    cr_assert_eq(otel_fd_get(7), OTEL_FD_UNKNOWN);
    otel_connection_dup(5, 7);
    cr_assert_eq(otel_fd_get(7), OTEL_FD_PLAIN);
}

Test(connection, a_range_closes_what_lies_in_it)
{
    start();
    for (int fd = 10; fd < 20; fd++)
        opened(fd);
    otel_fd_swap(15, OTEL_FD_PLAIN);
    otel_connection_close_range(12, 17);
    for (int fd = 10; fd < 20; fd++)
        cr_assert_eq(otel_connection_known(fd) != NULL, fd < 12 || fd > 17);
    cr_assert_eq(otel_fd_get(15), OTEL_FD_UNKNOWN);
    otel_connection_close_range(0, UINT_MAX);
    cr_assert_eq(otel_fd_next(0, UINT_MAX), -1);
}

Test(connection, inside_the_guard_nothing_is_seen_or_changed)
{
    struct otel_connection *c;

    start();
    c = opened(7);
    cr_assert(otel_guard_enter());
    cr_assert_null(otel_connection_find(7));
    cr_assert_null(otel_connection_find(0));
    cr_assert_null(otel_connection_known(7));
    cr_assert_null(otel_connection_open(8, AF_INET, SOCK_STREAM, OTEL_ROLE_NONE, NULL, 0));
    otel_connection_close(7);
    otel_connection_close_range(0, UINT_MAX);
    otel_connection_disown(7);
    otel_connection_dup(7, 9);
    otel_guard_leave();
    cr_assert_eq(otel_connection_find(7), c);
    cr_assert_eq(otel_fd_get(8), OTEL_FD_UNKNOWN);
    cr_assert_eq(otel_fd_get(9), OTEL_FD_UNKNOWN);
    otel_connection_disown(7);
    cr_assert_null(otel_connection_find(7));
}

Test(connection, a_vfork_child_changes_nothing)
{
    struct otel_connection *c;
    int status;
    pid_t pid;

    start();
    c = opened(7);
    pid = vfork();
    if (pid == 0) {
        otel_connection_close(7);
        otel_connection_close_range(0, UINT_MAX);
        otel_connection_dup(7, 8);
        otel_connection_dup(9, 7);
        otel_connection_disown(7);
        otel_connection_open(7, AF_INET, SOCK_STREAM, OTEL_ROLE_NONE, NULL, 0);
        otel_connection_find(0);
        _exit(0);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
    cr_assert_eq(otel_connection_find(7), c);
    cr_assert_eq(c->refs, 1);
    cr_assert_eq(otel_fd_get(8), OTEL_FD_UNKNOWN);
    cr_assert_eq(otel_fd_get(0), OTEL_FD_UNKNOWN);
}

Test(connection, a_fork_child_goes_on_with_a_copy)
{
    struct otel_connection *c;
    int status;
    pid_t pid;

    start();
    c = opened(7);
    c->in.bytes = 100;
    cr_assert(otel_direction_enter(&c->in));
    pid = fork();
    if (pid == 0) {
        uint32_t before = c->generation;
        int wrong = otel_connection_find(7) != c || c->generation == before || c->in.bytes ||
                    !otel_direction_enter(&c->in);

        otel_connection_close(7);
        _exit(wrong || otel_connection_known(7));
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
    cr_assert_eq(otel_connection_find(7), c);
    cr_assert_eq(c->in.bytes, 100);
}

Test(connection, memory_is_flat_over_a_million_lives)
{
    struct otel_connection *lowest = NULL, *highest = NULL;

    start();
    for (int i = 0; i < 1000000; i++) {
        struct otel_connection *c =
            otel_connection_open(7, AF_INET, SOCK_STREAM, OTEL_ROLE_NONE, NULL, 0);

        cr_assert_not_null(c);
        lowest = !lowest || c < lowest ? c : lowest;
        highest = c > highest ? c : highest;
        otel_connection_close(7);
    }
    cr_assert_lt(highest - lowest, 256);
}

static int no_limit(int resource, struct rlimit *limit)
{
    (void)resource;
    limit->rlim_cur = limit->rlim_max = RLIM_INFINITY;
    return 0;
}

Test(connection, ten_thousand_at_once_and_no_more_than_there_is_room)
{
    int room = 0;

    otel_sys.getrlimit = no_limit;
    start();
    for (int fd = 0; fd < OTEL_CONNECTIONS + 100; fd++)
        room += otel_connection_open(fd, AF_INET, SOCK_STREAM, OTEL_ROLE_NONE, NULL, 0) != NULL;
    cr_assert_gt(room, 10000);
    cr_assert_leq(room, OTEL_CONNECTIONS);
    for (int fd = 0; fd < room; fd++)
        cr_assert_not_null(otel_connection_find(fd));
    cr_assert_eq(otel_fd_get(OTEL_CONNECTIONS + 99), OTEL_FD_PLAIN);
    otel_connection_close_range(0, UINT_MAX);
    cr_assert_not_null(otel_connection_open(7, AF_INET, SOCK_STREAM, OTEL_ROLE_NONE, NULL, 0));
}

Test(connection, a_block_at_work_is_not_handed_out)
{
    struct otel_connection *c;

    start();
    c = opened(7);
    cr_assert(otel_direction_enter(&c->out));
    otel_connection_close(7);
    for (int i = 0; i < 1000; i++) {
        cr_assert_neq(opened(7), c);
        otel_connection_close(7);
    }
    cr_assert_eq(c->self, 0);
    otel_direction_leave(&c->out);
}

static _Atomic bool stop;

static void *looker(void *unused)
{
    (void)unused;
    while (!stop) {
        struct otel_connection *c = otel_connection_known(7);

        if (!c || !otel_direction_enter(&c->in))
            continue;
        c->in.http.length++; /* the thread sanitizer's question */
        otel_direction_leave(&c->in);
    }
    return NULL;
}

Test(connection, who_works_on_one_and_who_closes_it_do_not_meet)
{
    pthread_t thread;

    start();
    opened(7);
    pthread_create(&thread, NULL, looker, NULL);
    for (int i = 0; i < 20000; i++) {
        otel_connection_close(7);
        opened(7);
    }
    stop = true;
    pthread_join(thread, NULL);
}

Test(connection, a_program_that_confines_itself_is_left_alone)
{
    start();
    opened(7);
    otel_connection_confine();
    cr_assert_eq(otel_fd_get(7), OTEL_FD_PLAIN);
    cr_assert_null(otel_connection_find(7));
    cr_assert_null(otel_connection_open(8, AF_INET, SOCK_STREAM, OTEL_ROLE_NONE, NULL, 0));
    otel_connection_close(7);
    otel_connection_close_range(0, UINT_MAX);
    otel_connection_finish_all();
    otel_connection_confine();
}

/* --- classifying --- */

static uint64_t word_of(int fd)
{
    otel_connection_find(fd);
    return otel_fd_get(fd);
}

Test(connection, what_is_no_socket_of_ours_is_plain_at_first_use)
{
    int pipes[2], pair[2], packets[2];
    int udp = socket(AF_INET, SOCK_DGRAM, 0);

    start();
    cr_assert_eq(pipe(pipes), 0);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets), 0);
    cr_assert_eq(word_of(pipes[0]), OTEL_FD_PLAIN);
    cr_assert_eq(word_of(open("/dev/null", O_RDONLY)), OTEL_FD_PLAIN);
    cr_assert_eq(word_of(open("/dev/null", O_PATH)), OTEL_FD_PLAIN);
    cr_assert_eq(word_of(pair[0]), OTEL_FD_PLAIN);
    cr_assert_eq(word_of(packets[0]), OTEL_FD_PLAIN);
    cr_assert_eq(word_of(udp), OTEL_FD_PLAIN);
    cr_assert_eq(word_of(777), OTEL_FD_UNKNOWN);
}

Test(connection, classifying_keeps_errno)
{
    start();
    errno = 4711;
    otel_connection_find(777);
    otel_connection_find(0);
    cr_assert_eq(errno, 4711);
}

Test(connection, an_inherited_listening_socket_is_known_as_one)
{
    struct sockaddr_storage addr;
    socklen_t len;
    struct otel_connection *c;
    int fd = listener(AF_INET6, &addr, &len);

    start();
    c = otel_connection_find(fd);
    cr_assert_not_null(c);
    cr_assert_eq(c->role, OTEL_ROLE_LISTENING);
    cr_assert(c->inherited);
    cr_assert_str_eq(otel_connection_local_of(c, fd)->text, "::1");
}

Test(connection, an_inherited_stream_is_a_server_where_that_is_certain)
{
    struct tcp t = tcp_pair();
    struct otel_connection *c;

    start();
    c = otel_connection_find(t.client);
    cr_assert_eq(c->role, OTEL_ROLE_NONE);
    cr_assert(c->inherited);
    cr_assert_str_eq(c->peer.text, "127.0.0.1");
    cr_assert_eq(c->peer.port, t.port);
    cr_assert_eq(otel_connection_find(t.listening)->role, OTEL_ROLE_LISTENING);
    c = otel_connection_find(t.server);
    cr_assert_eq(c->role, OTEL_ROLE_SERVER); /* its own port is the listening socket's */
    cr_assert_eq(otel_connection_local_of(c, t.server)->port, t.port);
}

Test(connection, inetd_gives_a_server_its_socket_as_standard_input)
{
    struct tcp t = tcp_pair();
    int in = dup(0);

    start();
    cr_assert_eq(dup2(t.server, 0), 0);
    cr_assert_eq(otel_connection_find(0)->role, OTEL_ROLE_SERVER);
    cr_assert_eq(otel_connection_find(t.server), otel_connection_find(0));
    cr_assert_eq(otel_connection_find(0)->refs, 2);
    cr_assert_neq(otel_connection_find(t.client), otel_connection_find(0));
    dup2(in, 0);
}

Test(connection, a_socket_that_is_not_connected_has_no_role)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct otel_connection *c;

    start();
    c = otel_connection_find(fd);
    cr_assert_eq(c->role, OTEL_ROLE_NONE);
    cr_assert_str_eq(otel_connection_peer_of(c, fd)->text, "");
    cr_assert_not(c->peer_known);
}

Test(connection, a_udp_socket_is_a_connection_once_it_is_connected)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct otel_connection *c;

    start();
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_null(otel_connection_find(fd));
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    cr_assert_null(otel_connection_find(fd));
    c = otel_connection_reconsider(fd);
    cr_assert_not_null(c);
    cr_assert_eq(c->transport, OTEL_TRANSPORT_UDP);
    cr_assert_eq(c->role, OTEL_ROLE_CLIENT);
    cr_assert_not(c->stream);
    cr_assert_eq(c->peer.port, 9);
}

Test(connection, another_socket_under_the_number_is_found_out)
{
    struct tcp t = tcp_pair();
    struct otel_connection *c;
    uint64_t handle;

    start();
    c = opened(t.server);
    handle = c->self;
    cr_assert(otel_connection_verify(c, t.server));
    cr_assert(otel_connection_verify(c, t.server));
    errno = 4711;
    cr_assert_eq(dup2(t.client, t.server), t.server); /* unseen */
    cr_assert_not(otel_connection_verify(c, t.server));
    cr_assert_eq(errno, 4711);
    cr_assert_null(otel_connection_get(handle));
    cr_assert_eq(otel_fd_get(t.server), OTEL_FD_UNKNOWN);
}

Test(connection, a_file_or_nothing_under_the_number_is_found_out)
{
    struct tcp t = tcp_pair();
    struct otel_connection *c;

    start();
    c = opened(t.server);
    cr_assert(otel_connection_verify(c, t.server));
    cr_assert_geq(dup2(open("/dev/null", O_RDONLY), t.server), 0);
    cr_assert_not(otel_connection_verify(c, t.server));
    c = opened(t.client);
    close(t.client);
    cr_assert_not(otel_connection_verify(c, t.client));
}
