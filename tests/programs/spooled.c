/* SPDX-License-Identifier: Apache-2.0
 *
 * spooled NAME FILE MICROSECONDS: makes statements until it is killed, a pause between each. The
 * n-th is SELECT 'NAME.n' and has ended when FILE, 8 bytes that it maps, says n. Before, one that
 * stays open: SELECT 'NAME.open'; then it says "ready".
 */
// LIBS: -lsqlite3
#include <fcntl.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic uint64_t *map(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *p = MAP_FAILED;

    if (fd >= 0 && ftruncate(fd, sizeof(uint64_t)) == 0)
        p = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return p == MAP_FAILED ? NULL : p;
}

static int leave_open(sqlite3 *db, const char *name)
{
    char text[256];
    sqlite3_stmt *statement;

    snprintf(text, sizeof text, "SELECT '%s.open' UNION SELECT 2", name);
    return sqlite3_prepare_v2(db, text, -1, &statement, NULL) == SQLITE_OK &&
           sqlite3_step(statement) == SQLITE_ROW;
}

int main(int argc, char **argv)
{
    _Atomic uint64_t *ended = argc == 4 ? map(argv[2]) : NULL;
    sqlite3 *db;

    if (!ended || sqlite3_open(":memory:", &db) != SQLITE_OK || !leave_open(db, argv[1]))
        return 2;
    puts("ready");
    fflush(stdout);
    for (uint64_t n = 1;; n++) {
        char text[256];

        snprintf(text, sizeof text, "SELECT '%s.%llu'", argv[1], (unsigned long long)n);
        if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
            return 3;
        atomic_store(ended, n);
        if (atoi(argv[3]))
            usleep((unsigned)atoi(argv[3]));
    }
}
