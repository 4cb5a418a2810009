/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/console_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/export/console_text.h"

#define BAR 24
#define BAR_NARROW 12
#define NAME_COLUMN_MAX 44
#define NAME_COLUMN_NARROW 26
#define NARROW 110        /* columns below which bar and names give room to the details */
#define DETAIL_UNKNOWN 80 /* columns for details where the width is not known */
#define DETAIL_MIN 8
#define DURATION 8 /* "999.9 ms", "1h 02m" */
#define SERVICE_MAX 60
#define INDENT 4 /* columns a level of the tree takes */
#define LEVELS 7 /* deeper ones are drawn behind "⋯" */

static const char *const kinds[] = {"", "internal", "server", "client", "producer", "consumer"};

#define BOLD "1"
#define DIM "2"
#define RED "31"
static const char *const kind_colours[] = {"37", "34", "32", "36", "35", "35"};

struct canvas { /* what all lines of one tree share */
    struct otel_buffer *out;
    bool colour;
    unsigned columns;
    size_t name_columns, kind_columns, bar, detail;
    uint64_t start_ns, end_ns;
};

static size_t kind_of(const struct otel_console_span *span)
{
    return span->kind < sizeof kinds / sizeof *kinds ? span->kind : 0;
}

/* --- linking --- */

static int by_id(const void *a, const void *b)
{
    const struct otel_console_span *x = *(struct otel_console_span *const *)a;
    const struct otel_console_span *y = *(struct otel_console_span *const *)b;

    return memcmp(x->span_id, y->span_id, sizeof x->span_id);
}

static int by_start(const void *a, const void *b)
{
    const struct otel_console_span *x = *(struct otel_console_span *const *)a;
    const struct otel_console_span *y = *(struct otel_console_span *const *)b;

    if (x->start_ns != y->start_ns)
        return x->start_ns < y->start_ns ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static struct otel_console_span *find(struct otel_console_span **sorted, size_t n,
                                      const uint8_t id[static OTEL_SPAN_ID_LEN])
{
    size_t from = 0, to = n;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = memcmp(sorted[middle]->span_id, id, OTEL_SPAN_ID_LEN);

        if (order == 0)
            return sorted[middle];
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

/* Ids come from the traced world too: parents that go round in a ring must not hang us. */
static void break_rings(struct otel_console_span **spans, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct otel_console_span *at = spans[i];

        while (at && !at->mark) {
            at->mark = i + 1;
            if (at->parent && at->parent->mark == i + 1)
                at->parent = NULL;
            at = at->parent;
        }
    }
}

/* Returns the first span at the top; the others are its siblings. */
static struct otel_console_span *link_tree(struct otel_console_span **spans, size_t n)
{
    static const uint8_t none[OTEL_SPAN_ID_LEN];
    struct otel_console_span *top = NULL;

    qsort(spans, n, sizeof *spans, by_id);
    for (size_t i = 0; i < n; i++) {
        spans[i]->parent = memcmp(spans[i]->parent_span_id, none, sizeof none) != 0
                               ? find(spans, n, spans[i]->parent_span_id)
                               : NULL;
        spans[i]->child = spans[i]->sibling = NULL;
        spans[i]->mark = 0;
    }
    break_rings(spans, n);
    qsort(spans, n, sizeof *spans, by_start);
    for (size_t i = n; i-- > 0;) {
        struct otel_console_span **list = spans[i]->parent ? &spans[i]->parent->child : &top;

        spans[i]->sibling = *list;
        *list = spans[i];
    }
    return top;
}

/* The span on the next line, depth kept up to date; NULL after the last. No recursion: a chain of
 * thousands must not need a stack of its own. */
static struct otel_console_span *next_line(struct otel_console_span *span, unsigned *depth)
{
    if (span->child) {
        ++*depth;
        return span->child;
    }
    while (span && !span->sibling) {
        span = span->parent;
        --*depth;
    }
    return span ? span->sibling : NULL;
}

/* --- drawing --- */

static void colour(const struct canvas *c, const char *sgr)
{
    if (!c->colour)
        return;
    otel_buffer_text(c->out, "\x1b[");
    otel_buffer_text(c->out, sgr);
    otel_buffer_text(c->out, "m");
}

/* sgr NULL: as the terminal stands. */
static void coloured(const struct canvas *c, const char *sgr, const char *text, size_t len)
{
    if (len && sgr)
        colour(c, sgr);
    otel_buffer_append(c->out, text, len);
    if (len && sgr)
        colour(c, "0");
}

static void spaces(const struct canvas *c, size_t n)
{
    while (n-- > 0)
        otel_buffer_append(c->out, " ", 1);
}

static unsigned shown_levels(unsigned depth)
{
    return depth < LEVELS ? depth : LEVELS;
}

/* "│   └── " for a span at this depth. */
static void branches(const struct canvas *c, const struct otel_console_span *span, unsigned depth)
{
    unsigned levels = shown_levels(depth);
    const char *part[LEVELS];
    const struct otel_console_span *at = span;

    for (unsigned i = levels; i-- > 0; at = at->parent)
        part[i] = at == span ? (at->sibling ? "├── " : "└── ") : (at->sibling ? "│   " : "    ");
    if (depth > LEVELS)
        part[0] = "⋯   ";
    if (levels)
        colour(c, DIM);
    for (unsigned i = 0; i < levels; i++)
        otel_buffer_text(c->out, part[i]);
    if (levels)
        colour(c, "0");
}

static void name(const struct canvas *c, const struct otel_console_span *span, unsigned depth)
{
    size_t room = c->name_columns - shown_levels(depth) * INDENT;
    size_t columns = otel_console_columns(span->name.data, span->name.len);
    size_t len = span->name.len;
    const char *sgr = span->error ? RED : depth == 0 ? BOLD : NULL;

    if (columns > room) {
        len = otel_console_fit(span->name.data, len, room - 1);
        coloured(c, sgr, span->name.data, len);
        otel_buffer_text(c->out, "…");
        return;
    }
    coloured(c, sgr, span->name.data, len);
    spaces(c, room - columns);
}

/* Where a time falls in the bar, in half cells. */
static uint64_t half_cell(const struct canvas *c, uint64_t ns, bool up)
{
    uint64_t length = c->end_ns - c->start_ns;
    unsigned __int128 scaled = (unsigned __int128)(ns - c->start_ns) * (2 * c->bar);

    return length ? (uint64_t)((scaled + (up ? length - 1 : 0)) / length) : 0;
}

static void bar(const struct canvas *c, const struct otel_console_span *span)
{
    uint64_t from = half_cell(c, span->start_ns, false), to = half_cell(c, span->end_ns, true);
    bool full = c->end_ns == c->start_ns;
    int last = -1; /* is the colour of a dot (0) or of a block (1) on? */

    if (from >= 2 * c->bar)
        from = 2 * c->bar - 1;
    if (to <= from)
        to = from + 1;
    for (uint64_t cell = 0; cell < c->bar; cell++) {
        bool left = full || (from <= 2 * cell && 2 * cell < to);
        bool right = full || (from <= 2 * cell + 1 && 2 * cell + 1 < to);
        int block = left || right;

        if (block != last) {
            if (last >= 0)
                colour(c, "0");
            colour(c, !block ? DIM : span->error ? RED : kind_colours[kind_of(span)]);
        }
        last = block;
        otel_buffer_text(c->out, left && right ? "█" : left ? "▌" : right ? "▐" : "·");
    }
    colour(c, "0");
}

/* Cut to columns, with "…" where something is missing. Returns the columns taken. */
static size_t cut(const struct canvas *c, struct otel_console_piece text, size_t columns,
                  const char *sgr)
{
    size_t taken = otel_console_columns(text.data, text.len);

    if (taken <= columns) {
        coloured(c, sgr, text.data, text.len);
        return taken;
    }
    if (columns == 0)
        return 0;
    coloured(c, sgr, text.data, otel_console_fit(text.data, text.len, columns - 1));
    otel_buffer_text(c->out, "…");
    return columns;
}

/* Detail, code and error share what is left of the line; the detail gives way to the others. */
static void details(const struct canvas *c, const struct otel_console_span *span)
{
    size_t code = otel_console_columns(span->code.data, span->code.len);
    size_t error = otel_console_columns(span->error_text.data, span->error_text.len);
    size_t rest = (code ? code + 1 : 0) + (error ? error + 3 : 0);
    size_t room = c->detail;
    size_t taken;

    if (!span->detail.len && !rest)
        return;
    spaces(c, 2);
    taken = cut(c, span->detail, room > rest + DETAIL_MIN ? room - rest : DETAIL_MIN, NULL);
    if (code) {
        spaces(c, taken ? 1 : 0);
        coloured(c, NULL, span->code.data, span->code.len);
        taken += code + 1;
    }
    if (error) {
        spaces(c, taken ? 1 : 0);
        taken += 3;
        colour(c, RED);
        otel_buffer_text(c->out, "✗ ");
        cut(c, span->error_text, room > taken + DETAIL_MIN ? room - taken : DETAIL_MIN, NULL);
        colour(c, "0");
    }
}

static void line(const struct canvas *c, const struct otel_console_span *span, unsigned depth)
{
    char duration[OTEL_CONSOLE_DURATION_MAX];
    size_t columns = otel_console_duration(duration, span->end_ns - span->start_ns);
    const char *kind = kinds[kind_of(span)];

    branches(c, span, depth);
    name(c, span, depth);
    spaces(c, 2);
    coloured(c, DIM, kind, strlen(kind));
    spaces(c, c->kind_columns - strlen(kind) + 2 + (columns < DURATION ? DURATION - columns : 0));
    otel_buffer_text(c->out, duration);
    spaces(c, 2);
    bar(c, span);
    details(c, span);
    otel_buffer_text(c->out, "\n");
}

static void head(const struct canvas *c, const struct otel_console_tree *tree)
{
    char service[SERVICE_MAX * 4], text[96];
    size_t len =
        otel_console_clean(service, sizeof service, tree->service, tree->service_len, SERVICE_MAX);
    int n = snprintf(text, sizeof text, " · pid %u · trace ", tree->pid);

    coloured(c, BOLD, service, len);
    for (size_t i = 0; i < OTEL_TRACE_ID_LEN; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%02x", tree->trace_id[i]);
    coloured(c, DIM, text, (size_t)n);
    if (tree->note) {
        colour(c, DIM);
        otel_buffer_text(c->out, " · ");
        otel_buffer_text(c->out, tree->note);
        colour(c, "0");
    }
    otel_buffer_text(c->out, "\n");
}

/* Sizes the columns to what is in them. */
static void measure(struct canvas *c, const struct otel_console_tree *tree,
                    struct otel_console_span *top)
{
    bool narrow = c->columns && c->columns < NARROW;
    size_t most = narrow ? NAME_COLUMN_NARROW : NAME_COLUMN_MAX;
    size_t used;
    unsigned depth = 0;

    c->start_ns = tree->start_ns || tree->end_ns ? tree->start_ns : UINT64_MAX;
    c->end_ns = tree->end_ns;
    for (struct otel_console_span *s = top; s; s = next_line(s, &depth)) {
        size_t indent = shown_levels(depth) * INDENT;
        size_t columns = otel_console_columns(s->name.data, s->name.len) + indent;
        size_t kind = strlen(kinds[kind_of(s)]);

        if (columns > most && columns > indent + DETAIL_MIN)
            columns = most > indent + DETAIL_MIN ? most : indent + DETAIL_MIN;
        if (columns > c->name_columns)
            c->name_columns = columns;
        if (kind > c->kind_columns)
            c->kind_columns = kind;
        if (s->start_ns < c->start_ns)
            c->start_ns = s->start_ns;
        if (s->end_ns > c->end_ns)
            c->end_ns = s->end_ns;
    }
    c->bar = narrow ? BAR_NARROW : BAR;
    used = c->name_columns + 2 + c->kind_columns + 2 + DURATION + 2 + c->bar + 2;
    c->detail = !c->columns ? DETAIL_UNKNOWN : c->columns > used ? c->columns - used : 0;
}

void otel_console_draw(struct otel_buffer *out, const struct otel_console_tree *tree,
                       const struct otel_console_look *look)
{
    struct otel_console_span **spans = otel_buffer_realloc(NULL, tree->count * sizeof *spans);
    struct otel_console_span *top;
    struct canvas c = {.out = out, .colour = look->terminal, .columns = look->columns};
    unsigned depth = 0;
    size_t n = 0;

    if (!spans) {
        out->failed = true;
        return;
    }
    for (struct otel_console_span *s = tree->spans; s && n < tree->count; s = s->next)
        spans[n++] = s;
    top = link_tree(spans, n);
    measure(&c, tree, top);
    /* What the program wrote before may have ended without a newline. */
    otel_buffer_text(out, "\n");
    head(&c, tree);
    for (struct otel_console_span *s = top; s; s = next_line(s, &depth))
        line(&c, s, depth);
    free(spans);
}
