/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/sqlite.h"

#include <string.h>

#include "core/pool.h"
#include "core/sys.h"

/* A statement's longest text that is looked at: what lies behind would not fit into a span. */
#define TEXT_MAX 16384

/* The longest text and namespace, together, that are remembered. */
#define KEY_MAX 600

#define ENTRIES 256 /* power of two */
#define SEEN 1024   /* power of two */

/* Room to describe a statement in: too much for the stack of a host's thread. */
struct desk {
    char text[1536];
    struct otel_db_statement st;
    uint8_t room[OTEL_SQLITE_WIRE_CAP];
};

/* A description that is remembered. Belongs to who takes it by setting busy; nobody waits for it.
 */
struct entry {
    _Atomic uint32_t busy;
    uint16_t text_len; /* 0: empty */
    uint16_t namespace_len;
    char key[KEY_MAX]; /* the text as it ran, then the namespace */
    struct otel_db_statement st;
    uint8_t room[OTEL_SQLITE_WIRE_CAP];
};

/* Descriptions of texts that ran before: a program prepares the same few again and again. A text is
 * remembered when it comes a second time, so that texts full of literals, of which each is new, do
 * not drive out the others. */
struct memory {
    _Atomic uint32_t seen[SEEN]; /* part of the hash of what came last, by another part of it */
    struct entry entries[ENTRIES];
};

/* Any thread; lock-free. A block is held only while one statement is described. */
static struct otel_pool desks = OTEL_POOL(sizeof(struct desk), 256);

/* Mapped by the first thread that needs it, then constant. Any thread. */
static _Atomic(struct memory *) memory;

static struct memory *memory_of(void)
{
    struct memory *m = atomic_load_explicit(&memory, memory_order_acquire);
    struct memory *there = NULL;

    if (__builtin_expect(m != NULL, 1))
        return m;
    m = otel_sys.mmap(sizeof *m);
    if (m && !atomic_compare_exchange_strong(&memory, &there, m)) {
        otel_sys.munmap(m, sizeof *m);
        m = there;
    }
    return m;
}

static struct otel_text namespace_of(const struct otel_sqlite_subject *subject)
{
    const struct otel_sqlite_connection *connection = otel_sqlite_connection_of(subject->db);
    __typeof__(&sqlite3_db_filename) filename =
        OTEL_WANTED_IN(subject->library, sqlite3_db_filename);
    const char *name;

    if (connection)
        return (struct otel_text){connection->namespace_, connection->namespace_len};
    name = filename && subject->db_alive ? filename(subject->db, "main") : NULL;
    return (struct otel_text){name, name ? strlen(name) : 0};
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 32;
}

static uint64_t hash(uint64_t h, struct otel_text text)
{
    const char *p = text.data;
    size_t left = text.len;
    uint64_t v;

    for (; left >= sizeof v; left -= sizeof v, p += sizeof v) {
        memcpy(&v, p, sizeof v);
        h = mix(h, v);
    }
    v = left;
    if (left)
        memcpy((char *)&v + 1, p, left);
    return mix(h, v);
}

static bool matches(const struct entry *e, struct otel_text text, struct otel_text ns)
{
    return e->text_len == text.len && e->namespace_len == ns.len &&
           memcmp(e->key, text.data, text.len) == 0 &&
           (!ns.len || memcmp(e->key + text.len, ns.data, ns.len) == 0);
}

static void build(struct otel_db_statement *st, struct desk *desk, struct otel_text text,
                  struct otel_text ns)
{
    otel_db_statement_build(st, OTEL_SQLITE_WIRE_CAP, OTEL_TEXT("sqlite"), ns, text, desk->text,
                            sizeof desk->text);
}

static void remember(struct entry *e, struct desk *desk, struct otel_text text, struct otel_text ns)
{
    e->text_len = 0;
    memcpy(e->key, text.data, text.len);
    if (ns.len)
        memcpy(e->key + text.len, ns.data, ns.len);
    build(&e->st, desk, text, ns);
    e->namespace_len = (uint16_t)ns.len;
    e->text_len = (uint16_t)text.len;
}

/* The entry for text, taken: what it remembers is that text, or may be replaced by it (*fresh).
 * NULL: not remembered, and not to be. */
static struct entry *take(struct otel_text text, struct otel_text ns, bool *fresh)
{
    struct memory *m = text.len && text.len + ns.len <= KEY_MAX ? memory_of() : NULL;
    uint64_t h;
    struct entry *e;

    if (!m)
        return NULL;
    h = hash(hash(text.len, text), ns);
    e = &m->entries[h % ENTRIES];
    if (atomic_exchange_explicit(&e->busy, 1, memory_order_acquire))
        return NULL;
    *fresh = !matches(e, text, ns);
    if (!*fresh || atomic_exchange_explicit(&m->seen[(h >> 8) % SEEN], (uint32_t)(h >> 32),
                                            memory_order_relaxed) == (uint32_t)(h >> 32))
        return e;
    atomic_store_explicit(&e->busy, 0, memory_order_release);
    return NULL;
}

const struct otel_db_statement *otel_sqlite_describe(const struct otel_sqlite_subject *subject,
                                                     struct otel_sqlite_description *held)
{
    struct otel_text text = otel_sqlite_trim(subject->text);
    struct otel_text ns = namespace_of(subject);
    bool fresh = false;
    struct entry *e;
    struct desk *desk;

    if (text.len > TEXT_MAX)
        text.len = TEXT_MAX;
    e = take(text, ns, &fresh);
    held->busy = e ? &e->busy : NULL;
    held->desk = 0;
    if (e && !fresh)
        return &e->st;
    held->desk = otel_pool_alloc(&desks);
    desk = otel_pool_get(&desks, held->desk);
    if (!desk) {
        otel_sqlite_description_release(held);
        return NULL;
    }
    if (e)
        remember(e, desk, text, ns);
    else
        build(&desk->st, desk, text, ns);
    return e ? &e->st : &desk->st;
}

void otel_sqlite_description_release(const struct otel_sqlite_description *held)
{
    if (held->desk)
        otel_pool_free(&desks, held->desk);
    if (held->busy)
        atomic_store_explicit(held->busy, 0, memory_order_release);
}
