/* SPDX-License-Identifier: Apache-2.0
 *
 * Spans of your own beside those libotel_auto makes by itself, for programs that can be rebuilt.
 * C99 or later, C++11 or later; this header needs no other of ours.
 *
 *     #include <otel_auto.h>
 *
 *     static int reindex(const char *tenant)
 *     {
 *         OTEL_AUTO_SPAN_AS(span, "reindex");        ends however the scope is left
 *         otel_auto_set_text(&span.span, "tenant", tenant);
 *         return rebuild(tenant);                    what it does below is a child of it
 *     }
 *
 * Nothing is linked: the program finds the functions when it runs under LD_PRELOAD=libotel_auto.so
 * (or `otel-auto run`). Without it every call does nothing, and answers as said for "no span".
 *
 * Rules for all calls
 *   Ownership  Every value (span, context, token) is the caller's, of fixed size, and may lie
 *              anywhere; what a pointer points at is read during the call only. All-zero is "none",
 *              and every call takes "none" and does nothing.
 *   Threads    Any thread, signal handlers, children of fork and vfork, before main and after exit
 *              began. A span may be ended or changed by another thread than started it, by one at a
 *              time. What is current is so for the calling thread.
 *   Time       Nanoseconds of CLOCK_MONOTONIC. 0 means now.
 *   Text       UTF-8, NUL-terminated unless a length is given. What is not UTF-8 is replaced. NULL
 *              is "".
 *   Failure    None that a program has to handle: what cannot be recorded is counted as dropped.
 *              errno is not changed.
 *   Cost       No allocation, no lock, no I/O, but for otel_auto_print().
 *
 * A span that is not sampled, or comes while OTEL_SDK_DISABLED is true, has a context and passes it
 * on, and records nothing.
 *
 * ABI: names and layouts with v1 in them do not change; what is new gets a new name, and the values
 * below have room to grow into.
 */
#ifndef OTEL_AUTO_H
#define OTEL_AUTO_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One span. Copies name the same span: ending one ends it for all, later calls on any copy do
 * nothing. A copy in a fork child names nothing. */
struct otel_auto_span {
    uint64_t opaque[16];
};

/* What a span hands on: trace id, span id, flags, and where its tracestate and baggage lie. */
struct otel_auto_context {
    uint64_t opaque[12];
};

/* What otel_auto_attach() made current. It belongs to that thread: a token of another one, a
 * made-up one, or one that was used, is told from a good one and changes nothing. */
struct otel_auto_token {
    uint64_t opaque[2];
};

/* A span that is current for as long as a scope lasts. Not to be copied or moved. */
struct otel_auto_scope {
    struct otel_auto_span span;
    struct otel_auto_token token;
};

enum otel_auto_kind { /* as OpenTelemetry's SpanKind */
                      OTEL_AUTO_INTERNAL = 1,
                      OTEL_AUTO_SERVER = 2,
                      OTEL_AUTO_CLIENT = 3,
                      OTEL_AUTO_PRODUCER = 4,
                      OTEL_AUTO_CONSUMER = 5
};

/* Unset is what a span has that says nothing; OK is for what was looked at and found good. */
enum otel_auto_status { OTEL_AUTO_UNSET = 0, OTEL_AUTO_OK = 1, OTEL_AUTO_ERROR = 2 };

enum otel_auto_type {
    OTEL_AUTO_TYPE_TEXT = 1,
    OTEL_AUTO_TYPE_BOOL = 2,
    OTEL_AUTO_TYPE_INT = 3,
    OTEL_AUTO_TYPE_DOUBLE = 4
};

/* An attribute of an event or a link; made with otel_auto_text() and its like. Events and links
 * keep 32 at most. */
struct otel_auto_attribute {
    const char *key;
    uint64_t type; /* enum otel_auto_type */
    union {
        const char *text;
        int64_t integer; /* INT; BOOL: 0 or 1 */
        double real;
    } value;
};

/* Callbacks of carriers. carrier is what was given to the call they are for, and the program's own
 * affair; they run on the calling thread, before the call returns. */

/* For otel_auto_inject(): sets the header called name (lower case) to value. Must return, not
 * throw or jump. Both texts are gone when it has returned. */
typedef void otel_auto_setter(void *carrier, const char *name, const char *value);

/* For otel_auto_extract(): the index-th value (0, 1, …) of the header called name (to be compared
 * without regard to case), NULL when there are no more. What it returns must stay as it is until
 * otel_auto_extract() returns. Must return, not throw or jump. */
typedef const char *otel_auto_getter(void *carrier, const char *name, size_t index);

/* Length of a text that ends with a NUL. */
#define OTEL_AUTO_NUL ((size_t)-1)

/* Size of what otel_auto_format() writes, terminator included. */
#define OTEL_AUTO_TRACEPARENT_SIZE 56

/* --- what libotel_auto.so exports --------------------------------------------------------------
 *
 * For other languages (ctypes, FFI), which look these names up in the process and find them or not.
 * C and C++ use the functions without v1 further down, which are safe to call in either case, and
 * have the details.
 *
 * Results of type int are 1 for yes and 0 for no. A length is that of the text before it in bytes,
 * or OTEL_AUTO_NUL. kind, status and type are numbers of the enums above. Where a struct is written
 * it is written whole: it need not be initialised.
 */

#ifndef OTEL_AUTO_EXPORT
#define OTEL_AUTO_EXPORT __attribute__((weak, visibility("default")))
#endif

/* Are spans made in this process? */
OTEL_AUTO_EXPORT int otel_auto_v1_enabled(void);

/* A span: start (result: is it recorded?), what is told of it, end. parent: NULL for what is
 * current, all zero for a new trace. */
OTEL_AUTO_EXPORT int otel_auto_v1_start(struct otel_auto_span *span, const char *name, size_t len,
                                        int kind, const struct otel_auto_context *parent,
                                        uint64_t start_ns);
OTEL_AUTO_EXPORT void otel_auto_v1_end(struct otel_auto_span *span, uint64_t end_ns);
OTEL_AUTO_EXPORT int otel_auto_v1_recording(const struct otel_auto_span *span);
OTEL_AUTO_EXPORT void otel_auto_v1_set_name(const struct otel_auto_span *span, const char *name,
                                            size_t len);
OTEL_AUTO_EXPORT void otel_auto_v1_set_text(const struct otel_auto_span *span, const char *key,
                                            const char *value, size_t len);
OTEL_AUTO_EXPORT void otel_auto_v1_set_int(const struct otel_auto_span *span, const char *key,
                                           int64_t value);
OTEL_AUTO_EXPORT void otel_auto_v1_set_double(const struct otel_auto_span *span, const char *key,
                                              double value);
OTEL_AUTO_EXPORT void otel_auto_v1_set_bool(const struct otel_auto_span *span, const char *key,
                                            int value);
OTEL_AUTO_EXPORT void otel_auto_v1_set_status(const struct otel_auto_span *span, int status,
                                              const char *message, size_t len);

/* count attributes at attributes (NULL where there are none). */
OTEL_AUTO_EXPORT void otel_auto_v1_event(const struct otel_auto_span *span, const char *name,
                                         size_t len, uint64_t at_ns,
                                         const struct otel_auto_attribute *attributes,
                                         size_t count);
OTEL_AUTO_EXPORT void otel_auto_v1_link(const struct otel_auto_span *span,
                                        const struct otel_auto_context *to,
                                        const struct otel_auto_attribute *attributes, size_t count);

/* Contexts: of a span, of the thread; made current (result: was it valid?) and no more (result: was
 * the token good?). */
OTEL_AUTO_EXPORT int otel_auto_v1_context(const struct otel_auto_span *span,
                                          struct otel_auto_context *context);
OTEL_AUTO_EXPORT int otel_auto_v1_current(struct otel_auto_context *context);
OTEL_AUTO_EXPORT int otel_auto_v1_attach(const struct otel_auto_context *context,
                                         struct otel_auto_token *token);
OTEL_AUTO_EXPORT int otel_auto_v1_detach(const struct otel_auto_token *token);

/* Both in one. Where the struct does not lie on the stack of the thread, it ends as a token does,
 * by the call alone. */
OTEL_AUTO_EXPORT void otel_auto_v1_scope_begin(struct otel_auto_scope *scope, const char *name,
                                               size_t len, int kind);
OTEL_AUTO_EXPORT void otel_auto_v1_scope_end(struct otel_auto_scope *scope);

/* Carriers. What extract (result: was there a valid context?) made is given back by release. */
OTEL_AUTO_EXPORT size_t otel_auto_v1_inject(const struct otel_auto_context *context,
                                            otel_auto_setter *set, void *carrier);
OTEL_AUTO_EXPORT int otel_auto_v1_extract(struct otel_auto_context *context, otel_auto_getter *get,
                                          void *carrier);
OTEL_AUTO_EXPORT void otel_auto_v1_release(struct otel_auto_context *context);

/* out: OTEL_AUTO_TRACEPARENT_SIZE bytes. */
OTEL_AUTO_EXPORT int otel_auto_v1_format(const struct otel_auto_context *context, char *out);
OTEL_AUTO_EXPORT void otel_auto_v1_print(int fd);

/* --- how it is found ---------------------------------------------------------------------------
 */

/* Whether a function is there is asked of the global offset table: compilers and linkers otherwise
 * make the answer "no" for good in a program that is not position-independent. */
#if defined(__x86_64__)
#define OTEL_AUTO_ADDRESS_(function, name) \
    __asm__(".weak " #name "\n\tmovq " #name "@GOTPCREL(%%rip), %0" : "=r"(function))
#else
#define OTEL_AUTO_ADDRESS_(function, name) (function) = &(name)
#endif

/* Defines otel_auto_find_NAME_(): otel_auto_v1_NAME, or NULL. */
#define OTEL_AUTO_FINDER_(name)                                                   \
    static inline __typeof__(&otel_auto_v1_##name) otel_auto_find_##name##_(void) \
    {                                                                             \
        __typeof__(&otel_auto_v1_##name) function;                                \
        OTEL_AUTO_ADDRESS_(function, otel_auto_v1_##name);                        \
        return function;                                                          \
    }

#define OTEL_AUTO_FINDERS_(a, b, c, d, e, f) \
    OTEL_AUTO_FINDER_(a)                     \
    OTEL_AUTO_FINDER_(b)                     \
    OTEL_AUTO_FINDER_(c)                     \
    OTEL_AUTO_FINDER_(d) OTEL_AUTO_FINDER_(e) OTEL_AUTO_FINDER_(f)
OTEL_AUTO_FINDERS_(enabled, start, end, recording, set_name, set_text)
OTEL_AUTO_FINDERS_(set_int, set_double, set_bool, set_status, event, link)
OTEL_AUTO_FINDERS_(context, current, attach, detach, scope_begin, scope_end)
OTEL_AUTO_FINDER_(inject)
OTEL_AUTO_FINDER_(extract)
OTEL_AUTO_FINDER_(release)
OTEL_AUTO_FINDER_(format)
OTEL_AUTO_FINDER_(print)

/* Calls otel_auto_v1_NAME with these arguments; gives absent where it is not there. */
#define OTEL_AUTO_ASK_(name, absent, ...) \
    (otel_auto_find_##name##_() ? otel_auto_find_##name##_()(__VA_ARGS__) : (absent))
#define OTEL_AUTO_TELL_(name, ...)                   \
    do {                                             \
        if (otel_auto_find_##name##_())              \
            otel_auto_find_##name##_()(__VA_ARGS__); \
    } while (0)

/* --- spans -------------------------------------------------------------------------------------
 */

/* 1 when the library is there and makes spans, else 0. Not needed before any other call; for what
 * costs something to prepare. */
static inline int otel_auto_enabled(void)
{
    return OTEL_AUTO_ASK_(enabled, 0, );
}

/* Starts a span; it does not become current. A name is of low cardinality, say what is done and not
 * to what; "unknown" stands for an empty one. kind: SERVER and CLIENT are for calls between
 * processes, PRODUCER and CONSUMER for messages. parent: NULL for what is current, an all-zero
 * context for a new trace, else the parent. Returns 1 when it is recorded: what costs something to
 * find out is worth finding out. Every span that is started has to be ended; 4096 may be open at
 * once. */
static inline int otel_auto_start_at(struct otel_auto_span *span, const char *name,
                                     enum otel_auto_kind kind,
                                     const struct otel_auto_context *parent, uint64_t start_ns)
{
    memset(span, 0, sizeof *span);
    return OTEL_AUTO_ASK_(start, 0, span, name, OTEL_AUTO_NUL, (int)kind, parent, start_ns);
}

/* The same now, of kind INTERNAL, below what is current. */
static inline int otel_auto_start(struct otel_auto_span *span, const char *name)
{
    return otel_auto_start_at(span, name, OTEL_AUTO_INTERNAL, NULL, 0);
}

/* Ends a span and hands it to the export. The value's context stays readable. Any thread. */
static inline void otel_auto_end_at(struct otel_auto_span *span, uint64_t end_ns)
{
    OTEL_AUTO_TELL_(end, span, end_ns);
}

/* The same now. */
static inline void otel_auto_end(struct otel_auto_span *span)
{
    otel_auto_end_at(span, 0);
}

/* 1 while the span is recorded and not ended. */
static inline int otel_auto_recording(const struct otel_auto_span *span)
{
    return OTEL_AUTO_ASK_(recording, 0, span);
}

/* Another name than it was started with, before it ends. */
static inline void otel_auto_set_name(const struct otel_auto_span *span, const char *name)
{
    OTEL_AUTO_TELL_(set_name, span, name, OTEL_AUTO_NUL);
}

/* Attributes. A key that was set before gets the new value; an empty key is ignored. More than
 * OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT are dropped and counted, longer texts than
 * OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT cut. */
static inline void otel_auto_set_text_n(const struct otel_auto_span *span, const char *key,
                                        const char *value, size_t len)
{
    OTEL_AUTO_TELL_(set_text, span, key, value, len);
}

/* Each type of value. A value may be looked up in a trace by its key: use the names of the semantic
 * conventions where there is one. */
static inline void otel_auto_set_text(const struct otel_auto_span *span, const char *key,
                                      const char *value)
{
    otel_auto_set_text_n(span, key, value, OTEL_AUTO_NUL);
}

static inline void otel_auto_set_int(const struct otel_auto_span *span, const char *key,
                                     int64_t value)
{
    OTEL_AUTO_TELL_(set_int, span, key, value);
}

static inline void otel_auto_set_double(const struct otel_auto_span *span, const char *key,
                                        double value)
{
    OTEL_AUTO_TELL_(set_double, span, key, value);
}

static inline void otel_auto_set_bool(const struct otel_auto_span *span, const char *key, int value)
{
    OTEL_AUTO_TELL_(set_bool, span, key, value);
}

/* The span's status. OK is final, ERROR replaces UNSET; message is kept with ERROR, NULL: none. */
static inline void otel_auto_set_status(const struct otel_auto_span *span,
                                        enum otel_auto_status status, const char *message)
{
    OTEL_AUTO_TELL_(set_status, span, (int)status, message, OTEL_AUTO_NUL);
}

/* Attributes for events and links. The texts are read when those are made. */
static inline struct otel_auto_attribute otel_auto_text(const char *key, const char *value)
{
    struct otel_auto_attribute attribute = {key, OTEL_AUTO_TYPE_TEXT, {value}};

    return attribute;
}

static inline struct otel_auto_attribute otel_auto_int(const char *key, int64_t value)
{
    struct otel_auto_attribute attribute = {key, OTEL_AUTO_TYPE_INT, {NULL}};

    attribute.value.integer = value;
    return attribute;
}

/* value: 0 for false, anything else for true. */
static inline struct otel_auto_attribute otel_auto_bool(const char *key, int value)
{
    struct otel_auto_attribute attribute = {key, OTEL_AUTO_TYPE_BOOL, {NULL}};

    attribute.value.integer = value;
    return attribute;
}

static inline struct otel_auto_attribute otel_auto_double(const char *key, double value)
{
    struct otel_auto_attribute attribute = {key, OTEL_AUTO_TYPE_DOUBLE, {NULL}};

    attribute.value.real = value;
    return attribute;
}

/* An event in the life of the span, now: something that happened at a moment, where an attribute is
 * true of the whole. More than OTEL_SPAN_EVENT_COUNT_LIMIT are dropped and counted. attributes may
 * be NULL where count is 0. */
static inline void otel_auto_event(const struct otel_auto_span *span, const char *name,
                                   const struct otel_auto_attribute *attributes, size_t count)
{
    OTEL_AUTO_TELL_(event, span, name, OTEL_AUTO_NUL, 0, attributes, count);
}

/* More than OTEL_SPAN_LINK_COUNT_LIMIT are dropped and counted; a context that is none is left out.
 * Says that the span has to do with another, of this trace or not: the job it was put off to, the
 * requests a batch is made of. */
static inline void otel_auto_link(const struct otel_auto_span *span,
                                  const struct otel_auto_context *to,
                                  const struct otel_auto_attribute *attributes, size_t count)
{
    OTEL_AUTO_TELL_(link, span, to, attributes, count);
}

/* --- context -----------------------------------------------------------------------------------
 */

/* The context of a span, of one that has ended too. Returns 1, or 0 with *context all zero: the
 * span is none. */
static inline int otel_auto_context_of(const struct otel_auto_span *span,
                                       struct otel_auto_context *context)
{
    memset(context, 0, sizeof *context);
    return OTEL_AUTO_ASK_(context, 0, span, context);
}

/* What is current on this thread: attached here, or that of the request libotel_auto sees the
 * thread serve, or the process's own (TRACEPARENT). Returns 1, or 0 with *context all zero: nothing
 * is, or it is not known for certain. */
static inline int otel_auto_current(struct otel_auto_context *context)
{
    memset(context, 0, sizeof *context);
    return OTEL_AUTO_ASK_(current, 0, context);
}

/* Makes context current on this thread until its token is detached, in whichever function; what
 * libotel_auto makes meanwhile is a child of it. An all-zero context is not attached. The token is
 * all zero when nothing was. */
static inline struct otel_auto_token otel_auto_attach(const struct otel_auto_context *context)
{
    struct otel_auto_token token;

    memset(&token, 0, sizeof token);
    (void)OTEL_AUTO_ASK_(attach, 0, context, &token);
    return token;
}

/* The same of a span's context; the span may end before or after its token is detached. */
static inline struct otel_auto_token otel_auto_attach_span(const struct otel_auto_span *span)
{
    struct otel_auto_context context;

    otel_auto_context_of(span, &context);
    return otel_auto_attach(&context);
}

/* Goes back to what was current before that attach; what was attached above it goes too. Returns 1,
 * or 0 and changes nothing when the token is none of this thread's, or was detached before. */
static inline int otel_auto_detach(const struct otel_auto_token *token)
{
    return OTEL_AUTO_ASK_(detach, 0, token);
}

/* A context goes to another process, or another thread's queue, in a carrier: whatever has names
 * and values, as the headers of a message do.
 *
 * Writes context, NULL for what is current, as the headers that OTEL_PROPAGATORS says (traceparent,
 * tracestate, baggage), by calls of set. Returns how many calls.
 *
 *     static void add(void *message, const char *name, const char *value)
 *     {
 *         message_add_header(message, name, value);        copies both
 *     }
 *     otel_auto_inject(NULL, add, message);
 *
 * Requests that libotel_auto sees itself (HTTP over sockets, libcurl) need none of this. */
static inline size_t otel_auto_inject(const struct otel_auto_context *context,
                                      otel_auto_setter *set, void *carrier)
{
    return OTEL_AUTO_ASK_(inject, 0, context, set, carrier);
}

/* Reads the headers that OTEL_PROPAGATORS says by calls of get. Returns 1, or 0 with *context all
 * zero when there is no valid context. *context holds tracestate and baggage, until
 * otel_auto_release(): give it back when the spans below it have ended. 1024 may be held at once;
 * of what is over that the ids alone are kept. Two traceparents, or one that is malformed, are none
 * (W3C trace-context). */
static inline int otel_auto_extract(struct otel_auto_context *context, otel_auto_getter *get,
                                    void *carrier)
{
    memset(context, 0, sizeof *context);
    return OTEL_AUTO_ASK_(extract, 0, context, get, carrier);
}

/* Gives back what otel_auto_extract() made; *context is all zero then. Any other context: only
 * that. */
static inline void otel_auto_release(struct otel_auto_context *context)
{
    OTEL_AUTO_TELL_(release, context);
    memset(context, 0, sizeof *context);
}

/* context, NULL for what is current, as a traceparent: "00-<trace id>-<span id>-<flags>", for a log
 * line say. Returns 1, or 0 and writes "". */
static inline int otel_auto_format(const struct otel_auto_context *context,
                                   char out[OTEL_AUTO_TRACEPARENT_SIZE])
{
    out[0] = '\0';
    return OTEL_AUTO_ASK_(format, 0, context, out);
}

/* For debugging: writes one line to descriptor fd that tells what is current and why. It may block
 * as write(2) does, and must not be a socket that libotel_auto follows. */
static inline void otel_auto_print(int fd)
{
    OTEL_AUTO_TELL_(print, fd);
}

/* --- scopes ------------------------------------------------------------------------------------
 */

/* Starts a span and makes it current; *scope need not be initialised. Returns what
 * otel_auto_start() does. A scope that is jumped over (longjmp) ends at the latest when one around
 * it does. */
static inline int otel_auto_scope_begin(struct otel_auto_scope *scope, const char *name,
                                        enum otel_auto_kind kind)
{
    memset(scope, 0, sizeof *scope);
    OTEL_AUTO_TELL_(scope_begin, scope, name, OTEL_AUTO_NUL, (int)kind);
    return otel_auto_recording(&scope->span);
}

/* Goes back to what was current before, and ends the span. Once is enough; a second time does
 * nothing. To be called on the thread that began the scope. */
static inline void otel_auto_scope_end(struct otel_auto_scope *scope)
{
    OTEL_AUTO_TELL_(scope_end, scope);
}

#define OTEL_AUTO_JOIN__(a, b) a##b
#define OTEL_AUTO_JOIN_(a, b) OTEL_AUTO_JOIN__(a, b)

#ifdef __cplusplus
}

#if __cplusplus >= 201703L
#include <exception>
#endif

namespace otel_auto
{
/* A scope as an object: begins where it is declared, ends with its block. Left by an exception, its
 * span has status Error (C++17). */
class scope : public otel_auto_scope
{
  public:
    explicit scope(const char *name, otel_auto_kind kind = OTEL_AUTO_INTERNAL)
    {
        otel_auto_scope_begin(this, name, kind);
    }
    ~scope()
    {
#if __cplusplus >= 201703L
        if (std::uncaught_exceptions() > exceptions)
            otel_auto_set_status(&span, OTEL_AUTO_ERROR, "exception");
#endif
        otel_auto_scope_end(this);
    }
    scope(const scope &) = delete;
    scope &operator=(const scope &) = delete;

  private:
#if __cplusplus >= 201703L
    int exceptions = std::uncaught_exceptions();
#endif
};
} // namespace otel_auto

/* The scope of OTEL_AUTO_SPAN, named, so that its span can be told of: &VARIABLE.span. */
#define OTEL_AUTO_SPAN_AS(VARIABLE, NAME) ::otel_auto::scope VARIABLE(NAME)
#else
#define OTEL_AUTO_SPAN_AS(VARIABLE, NAME)                                          \
    struct otel_auto_scope VARIABLE __attribute__((cleanup(otel_auto_scope_end))); \
    int OTEL_AUTO_JOIN_(VARIABLE, _recorded) __attribute__((unused)) =             \
        otel_auto_scope_begin(&VARIABLE, NAME, OTEL_AUTO_INTERNAL)
#endif

/* A span from here to the end of the block, however that is left: return, break, goto, exception.
 * A declaration, at most one on a line. */
#define OTEL_AUTO_SPAN(NAME) OTEL_AUTO_SPAN_AS(OTEL_AUTO_JOIN_(otel_auto_scope_, __LINE__), NAME)

#endif
