/* SPDX-License-Identifier: Apache-2.0 */
#include "core/obituary.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "core/clock.h"
#include "core/generation.h"
#include "core/spool.h"
#include "core/sys.h"
#include "core/sys_file.h"
#include "tests/unit/spool_folder.h"

#define SECOND UINT64_C(1000000000)

/* What a process of that id and program has left, mapped. */
static struct otel_spool_header *left(uint32_t pid, const char *program)
{
    struct otel_spool_folder folder;
    char hidden[OTEL_SPOOL_NAME_MAX + 1] = ".", name[OTEL_SPOOL_NAME_MAX];
    struct otel_spool_header *h;

    cr_assert_eq(otel_spool_folder_open(&folder, true), 0);
    otel_spool_name(name, pid, pid);
    strcpy(hidden + 1, name);
    h = otel_spool_make(&folder, hidden, otel_spool_size(16, 16), NULL);
    cr_assert_not_null(h);
    h->magic = OTEL_SPOOL_MAGIC;
    h->pid = pid;
    h->made_unix_ns = otel_clock_unix_ns();
    strcpy(h->executable, program);
    cr_assert_eq(otel_sys_file.renameat(folder.fd, hidden, name), 0);
    close(folder.fd);
    return h;
}

static uint32_t crashes(const char *program)
{
    static struct otel_spool_header own;
    struct otel_spool_folder folder;
    uint32_t n;

    own.pid = (uint32_t)getpid();
    strcpy(own.executable, program);
    cr_assert_eq(otel_spool_folder_open(&folder, false), 0);
    n = otel_obituary_crashes(&folder, &own);
    close(folder.fd);
    return n;
}

TestSuite(obituary, .init = spool_begin, .fini = spool_end);

Test(obituary, is_written_where_the_child_left_its_spans)
{
    struct otel_spool_header *h = left(77, "app"), *other = left(78, "app");

    otel_obituary_write(77, SIGSEGV);
    cr_expect_eq(h->signal, SIGSEGV);
    cr_expect(h->died_unix_ns >= h->made_unix_ns);
    cr_expect_eq(other->signal, 0);
    otel_obituary_write(79, SIGSEGV); /* has left none */
    cr_expect_eq(crashes("app"), 1);
    cr_expect_eq(crashes("other"), 0);
}

Test(obituary, counts_crashes_in_a_row)
{
    struct otel_spool_header *h = left(77, "app");

    cr_expect_eq(crashes("app"), 0);
    otel_obituary_write(77, SIGABRT);
    cr_expect_eq(crashes("app"), 1);
    h->crashes = 1; /* it was the second itself */
    cr_expect_eq(crashes("app"), 2);
    h->crashes = 7;
    cr_expect_eq(crashes("app"), 2);
    /* What died last counts: it had seen no crash. */
    otel_obituary_write((int)left(80, "app")->pid, SIGBUS);
    cr_expect_eq(crashes("app"), 1);
}

Test(obituary, a_crash_is_a_fault_at_the_start_not_long_ago)
{
    struct otel_spool_header *h = left(77, "app");
    uint64_t now = otel_clock_unix_ns();

    otel_obituary_write(77, SIGKILL);
    cr_expect_eq(crashes("app"), 0);
    otel_obituary_write(77, SIGTERM);
    cr_expect_eq(crashes("app"), 0);
    otel_obituary_write(77, SIGSEGV);
    h->made_unix_ns = now - 11 * SECOND;
    cr_expect_eq(crashes("app"), 0);
    h->made_unix_ns = now - 701 * SECOND;
    h->died_unix_ns = now - 700 * SECOND;
    cr_expect_eq(crashes("app"), 0);
    h->made_unix_ns = now + 100 * SECOND; /* a clock that was set back */
    h->died_unix_ns = now + 101 * SECOND;
    cr_expect_eq(crashes("app"), 0);
}

Test(obituary, believes_no_file)
{
    struct otel_spool_header *h = left(77, "app");

    otel_obituary_write(77, SIGSEGV);
    memset(h->executable, 'x', sizeof h->executable); /* no end */
    cr_expect_eq(crashes("app"), 0);
    strcpy(h->executable, "app");
    h->pid = 1;
    cr_expect_eq(crashes("app"), 0);
    h->pid = 77;
    h->magic = 1;
    cr_expect_eq(crashes("app"), 0);
    h->magic = OTEL_SPOOL_MAGIC;
    cr_expect_eq(crashes("app"), 1);
}
