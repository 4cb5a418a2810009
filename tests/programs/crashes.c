/* SPDX-License-Identifier: Apache-2.0
 *
 * crashes HOW: ends a statement, leaves another open, and is ended by a signal: abort, segv, kill.
 * end: ends both, and itself as it should. wait, waitpid, wait3, wait4, waitid: a child does segv,
 * and this waits for it in that way.
 */
// LIBS: -lsqlite3
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void crash(const char *how)
{
    sqlite3 *db;
    sqlite3_stmt *open;

    if (sqlite3_open(":memory:", &db) != SQLITE_OK ||
        sqlite3_exec(db, "SELECT 1 AS before", NULL, NULL, NULL) != SQLITE_OK)
        _exit(2);
    if (!strcmp(how, "end")) {
        sqlite3_exec(db, "SELECT 1 AS behind", NULL, NULL, NULL);
        exit(0);
    }
    sqlite3_prepare_v2(db, "SELECT 1 AS open UNION SELECT 2", -1, &open, NULL);
    sqlite3_step(open);
    if (!strcmp(how, "abort"))
        abort();
    raise(!strcmp(how, "kill") ? SIGKILL : SIGSEGV);
}

static int wait_for(pid_t child, const char *how)
{
    struct rusage usage;
    siginfo_t info;

    if (!strcmp(how, "wait"))
        return wait(NULL) != child;
    if (!strcmp(how, "waitpid"))
        return waitpid(child, NULL, 0) != child;
    if (!strcmp(how, "wait3"))
        return wait3(NULL, 0, &usage) != child;
    if (!strcmp(how, "wait4"))
        return wait4(child, NULL, 0, &usage) != child;
    return waitid(P_PID, (id_t)child, &info, WEXITED) != 0 || info.si_pid != child;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    pid_t child;

    if (strncmp(how, "wait", 4) != 0)
        crash(how);
    child = fork();
    if (!child)
        crash("segv");
    return child < 0 || wait_for(child, how);
}
