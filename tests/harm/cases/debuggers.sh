#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# gdb, strace and valgrind, around a program and attached to one: they show the same, and the
# program does.
# needs: gdb strace valgrind gcc
# limit: 120
# spans: 4
# Addresses and process ids; that there is a second thread.
# filter: ^Thread (\d+ )?"sums" hit (Breakpoint) => \2
# drop: exited with 0 \+\+\+
# filter: 0x[0-9a-f]+ => 0x
# filter: ==\d+== => ==
# filter: (Inferior 1 \(process|process|Thread|LWP) [0-9x()]+ => \1
. "$HARM/lib.sh"
cat >sums.c <<'END'
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static volatile sig_atomic_t more = 1;
static void stop(int number) { more = number - SIGTERM; }
static int sum(int n) { return n ? n + sum(n - 1) : 0; }
int main(int argc, char **argv)
{
    sqlite3 *db;
    signal(SIGTERM, stop);
    if (sqlite3_open(":memory:", &db) || sqlite3_exec(db, "SELECT 1", NULL, NULL, NULL)) return 2;
    printf("%d\n", sum(argc * 10));
    fflush(stdout);
    while (argc > 1 && more) usleep(10000);
    if (argc > 1 && argv[1][0] == 'c') raise(SIGSEGV);
    sqlite3_close(db);
    return 3;
}
END
gcc -g -O0 -o sums sums.c -lsqlite3
gdb -q -nx -batch -ex 'set debuginfod enabled off' -ex 'break sum if n == 5' -ex run -ex bt \
    -ex 'print n' -ex 'delete' -ex continue ./sums 2>&1 |
    grep -v 'libthread_db\|^$\|New Thread\|Thread.*exited\|Downloading'
./sums wait >said &
pid=$!
until_true test -s said
gdb -q -nx -batch -p "$pid" -ex 'set debuginfod enabled off' -ex 'print more' -ex 'bt -2' \
    -ex detach 2>/dev/null | grep '^\$\|main'
timeout 20 strace -qq -f -e trace=kill,exit_group -p "$pid" -o traced &
until_true grep -q 'TracerPid:.[1-9]' "/proc/$pid/status"
kill "$pid"
wait "$pid"
echo "status $?"
wait
grep -o 'exit_group(.*\|--- SIGTERM\|+++ exited with.*' traced | sort -u
strace -f -o traced -e trace=execve sh -c './sums; exit 5'
echo "status $?"
grep -c execve traced
valgrind -q --error-exitcode=9 ./sums
echo "status $?"
valgrind -q --trace-children=yes --error-exitcode=9 sh -c './sums; "$HARM/witness" v >facts'
echo "status $?"
grep -v '^env _=\|^env GLIB\|^limit' facts
rm facts
ulimit -c 0
rm -f sums traced said
