/* SPDX-License-Identifier: Apache-2.0
 *
 * Draws the spans of one trace as a tree:
 *
 *   checkout · pid 4711 · trace 4bf92f3577b34da6a3ce929d0e0e4736
 *   POST                  server  12.4 ms  ████████████████████████  POST /documents 200
 *   ├── SELECT documents  client   801 µs  ·▐█▌····················  SELECT * FROM documents
 *   └── GET               client  9.10 ms  ····██████████████████··  http://api/x ✗ 503
 *
 * Children stand in the order of their start; a span whose parent is not among those given stands
 * at the top. Batch thread only.
 */
#ifndef OTEL_CORE_EXPORT_CONSOLE_TREE_H
#define OTEL_CORE_EXPORT_CONSOLE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/export/buffer.h"
#include "core/export/console_span.h"

struct otel_console_look {
    bool terminal;    /* colour */
    unsigned columns; /* the terminal's width: longer lines are cut; 0: not known */
};

struct otel_console_tree {
    const char *service; /* as it is; cleaned here */
    size_t service_len;
    uint32_t pid;
    const uint8_t *trace_id;
    const char *note; /* behind the trace id: what kind of part this is; NULL: a whole tree */
    /* The bars reach at least from start_ns to end_ns (a root drawn before); 0, 0: as the spans do.
     */
    uint64_t start_ns, end_ns;
    struct otel_console_span
        *spans; /* linked by next, at least one; their tree links are written */
    size_t count;
};

/* Appends the drawing, each line with its newline, and an empty line that keeps trees apart.
 * Without memory out->failed is set. */
void otel_console_draw(struct otel_buffer *out, const struct otel_console_tree *tree,
                       const struct otel_console_look *look);

#endif
