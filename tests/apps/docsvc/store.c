/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/apps/docsvc/docsvc.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>

/* One connection for all threads; statements are run under the lock. */
static sqlite3 *database;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int store_open(const char *path)
{
    static const char tables[] = "CREATE TABLE IF NOT EXISTS entities (id INTEGER PRIMARY KEY, "
                                 "name TEXT NOT NULL, embedding BLOB)";

    if (sqlite3_open(path, &database) == SQLITE_OK &&
        sqlite3_exec(database, tables, NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    fprintf(stderr, "docsvc: %s\n", sqlite3_errmsg(database));
    return -1;
}

static int save_entity(const char *name)
{
    sqlite3_stmt *statement;
    int result;

    if (sqlite3_prepare_v2(database, "INSERT INTO entities (name) VALUES (?)", -1, &statement,
                           NULL) != SQLITE_OK)
        return -1;
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    result = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return result == SQLITE_DONE ? 0 : -1;
}

int save_entities(const struct entities *entities)
{
    int saved = 0;

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < entities->count && saved >= 0; i++)
        saved = save_entity(entities->name[i]) == 0 ? saved + 1 : -1;
    pthread_mutex_unlock(&lock);
    return saved;
}
