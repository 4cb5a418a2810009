/* SPDX-License-Identifier: Apache-2.0
 *
 * A spool of a unit test's own, and what lies in it.
 */
#ifndef TESTS_UNIT_SPOOL_FOLDER_H
#define TESTS_UNIT_SPOOL_FOLDER_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/spool_folder.h"
#include "tests/unit/spans.h"

#define SPOOL_DESTINATION "http://127.0.0.1:4318/v1/traces"

static char spool_path[64];

/* The engine records, into a fresh folder. A test's .init; spool_end is its .fini. */
static inline void spool_begin(void)
{
    strcpy(spool_path, "/dev/shm/otel-test-XXXXXX");
    cr_assert_not_null(mkdtemp(spool_path));
    otel_config.spool = spool_path;
    otel_config.otlp_endpoint = SPOOL_DESTINATION;
    otel_spool_folder_init();
    spans_begin();
}

/* The names in it, those that are being made too. name: of the last one; NULL: not asked. */
static inline int spool_files(char *name)
{
    DIR *dir = opendir(spool_path);
    struct dirent *e;
    int n = 0;

    while (dir && (e = readdir(dir))) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        n++;
        if (name)
            strcpy(name, e->d_name);
    }
    if (dir)
        closedir(dir);
    return n;
}

static inline void spool_end(void)
{
    char path[sizeof spool_path + 260], name[256];

    while (spool_files(name)) {
        snprintf(path, sizeof path, "%s/%s", spool_path, name);
        unlink(path);
    }
    rmdir(spool_path);
}

static inline bool spool_span(struct otel_span *span, const char *name)
{
    struct otel_span_start start = {.name = {name, strlen(name)}, .kind = OTEL_KIND_INTERNAL};

    start.root = true;
    return otel_span_start(span, &start);
}

#endif
