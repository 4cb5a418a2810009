/* SPDX-License-Identifier: Apache-2.0 */
#include "core/privatefd.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int outside;
static int inside;
static const char *wrong;

static void *privately(void *unused)
{
    if (otel_privatefd_enter(false))
        wrong = "enter";
    else if (!otel_privatefd_active())
        wrong = "active";
    else if (fcntl(outside, F_GETFD) != -1)
        wrong = "the host's descriptor is visible";
    inside = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (inside != 3)
        wrong = "the table holds more than three times /dev/null";
    return unused;
}

Test(privatefd, neither_side_sees_the_others_descriptors)
{
    pthread_t t;
    int before = dup(1);

    close(before);
    outside = open("/dev/zero", O_RDONLY);
    cr_assert_eq(pthread_create(&t, NULL, privately, NULL), 0);
    pthread_join(t, NULL);
    cr_assert_null(wrong, "%s", wrong);
    cr_assert_neq(fcntl(outside, F_GETFD), -1);
    cr_assert_eq(outside, before, "no number was taken");
    cr_assert_not(otel_privatefd_active());
}

static void *write_out(void *unused)
{
    if (otel_privatefd_enter(true))
        wrong = "enter";
    else if (otel_privatefd_write(2, "hello", 5))
        wrong = "write";
    else if (otel_privatefd_isatty(2))
        wrong = "a pipe is no terminal";
    return unused;
}

Test(privatefd, the_hosts_stderr_stays_writable)
{
    pthread_t t;
    int pipe_fd[2];
    char got[8] = "";
    int saved = dup(2);

    cr_assert_eq(pipe(pipe_fd), 0);
    dup2(pipe_fd[1], 2);
    otel_privatefd_init();
    cr_assert_eq(pthread_create(&t, NULL, write_out, NULL), 0);
    pthread_join(t, NULL);
    dup2(saved, 2);
    cr_assert_null(wrong, "%s", wrong);
    cr_assert_eq(read(pipe_fd[0], got, sizeof got), 5);
    cr_assert_str_eq(got, "hello");
}

static void *hold(void *unused)
{
    otel_privatefd_enter(false);
    return unused;
}

Test(privatefd, a_pipe_of_the_host_is_not_kept_open)
{
    pthread_t t;
    int pipe_fd[2];
    char c;

    cr_assert_eq(pipe(pipe_fd), 0);
    cr_assert_eq(pthread_create(&t, NULL, hold, NULL), 0);
    close(pipe_fd[1]);
    pthread_join(t, NULL);
    cr_assert_eq(read(pipe_fd[0], &c, 1), 0, "end of file");
}
