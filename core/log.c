/* SPDX-License-Identifier: Apache-2.0 */
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/sys.h"

#define STDERR_FD 2
#define DIGITS_MAX 20 /* of UINT64_MAX */

/* Set once at start-up, before level is; any thread reads them. */
static _Atomic(const char *) log_path;
static _Atomic int log_level = OTEL_LOG_NONE;
static int (*_Atomic stderr_writer)(const void *buf, unsigned long len);

/* The line being made. The last byte is kept for the newline. */
struct line {
    char text[OTEL_LOG_LINE_MAX];
    size_t len;
    bool cut;
};

/* A control character would let a host's data forge lines or command a terminal. */
static void put_char(struct line *line, char c)
{
    if (line->len >= sizeof line->text - 1) {
        line->cut = true;
        return;
    }
    line->text[line->len++] = (unsigned char)c < ' ' || c == 0x7f ? '?' : c;
}

/* At most len bytes, up to a terminator. */
static void put_text(struct line *line, const char *text, size_t len)
{
    if (!text) {
        text = "(null)";
        len = SIZE_MAX;
    }
    for (size_t i = 0; i < len && text[i] && !line->cut; i++)
        put_char(line, text[i]);
}

static void put_number(struct line *line, uint64_t v, unsigned base)
{
    char digits[DIGITS_MAX];
    size_t n = 0;

    do
        digits[n++] = "0123456789abcdef"[v % base];
    while (v /= base);
    while (n)
        put_char(line, digits[--n]);
}

static void put_signed(struct line *line, int64_t v)
{
    if (v < 0)
        put_char(line, '-');
    put_number(line, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10);
}

/* A va_list that functions can take by pointer on every machine. */
struct args {
    va_list list;
};

/* d or u behind the length modifier: "", "l", "ll" or "z". */
static void put_integer(struct line *line, struct args *args, char conversion, const char *modifier)
{
    bool wide = modifier[0] == 'l' && modifier[1] == 'l';

    if (conversion == 'd') {
        put_signed(line, wide                 ? va_arg(args->list, long long)
                         : modifier[0] == 'l' ? va_arg(args->list, long)
                                              : va_arg(args->list, int));
        return;
    }
    put_number(line,
               wide                 ? va_arg(args->list, unsigned long long)
               : modifier[0] == 'l' ? va_arg(args->list, unsigned long)
               : modifier[0] == 'z' ? va_arg(args->list, size_t)
                                    : va_arg(args->list, unsigned),
               10);
}

/* One conversion; at points behind the '%'. Returns what follows it, NULL when it is not one that
 * log.h lists: the arguments can then no longer be told apart. */
static const char *convert(struct line *line, const char *at, struct args *args)
{
    static const struct {
        char text[4];
        char modifier[3];
    } integers[] = {{"d", ""},     {"u", ""},     {"ld", "l"}, {"lu", "l"},
                    {"lld", "ll"}, {"llu", "ll"}, {"zu", "z"}};

    switch (*at) {
    case '%':
        put_char(line, '%');
        return at + 1;
    case 'c':
        put_char(line, (char)va_arg(args->list, int));
        return at + 1;
    case 's':
        put_text(line, va_arg(args->list, const char *), SIZE_MAX);
        return at + 1;
    case 'x':
        put_number(line, va_arg(args->list, unsigned), 16);
        return at + 1;
    case '.':
        if (at[1] == '*' && at[2] == 's') {
            int len = va_arg(args->list, int);

            put_text(line, va_arg(args->list, const char *), len < 0 ? SIZE_MAX : (size_t)len);
            return at + 3;
        }
        return NULL;
    }
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        size_t n = strlen(integers[i].text);

        if (strncmp(at, integers[i].text, n) == 0) {
            put_integer(line, args, integers[i].text[n - 1], integers[i].modifier);
            return at + n;
        }
    }
    return NULL;
}

static void put_format(struct line *line, const char *format, struct args *args)
{
    while (*format && !line->cut) {
        const char *next = NULL;

        if (*format == '%')
            next = convert(line, format + 1, args);
        else
            put_char(line, *format);
        if (*format == '%' && !next) {
            put_text(line, format, SIZE_MAX);
            return;
        }
        format = next ? next : format + 1;
    }
}

/* A file is opened for each line: it may be rotated, and no descriptor of ours stays where the host
 * counts on free numbers. O_NONBLOCK: a pipe that nobody reads must not stop the host. */
static void write_line(const struct line *line)
{
    const char *path = atomic_load_explicit(&log_path, memory_order_relaxed);
    int (*writer)(const void *, unsigned long) =
        atomic_load_explicit(&stderr_writer, memory_order_acquire);
    int fd;

    if (path) {
        fd = otel_sys.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                           0600);
        if (fd < 0)
            return;
        otel_sys_write_quiet(fd, line->text, line->len);
        otel_sys.close(fd);
    } else if (writer) {
        writer(line->text, line->len);
    } else {
        otel_sys_write_quiet(STDERR_FD, line->text, line->len);
    }
}

void otel_log_init(enum otel_log_level level, const char *path)
{
    atomic_store_explicit(&log_path, path, memory_order_relaxed);
    atomic_store_explicit(&log_level, level, memory_order_release);
}

void otel_log_set_stderr_writer(int (*write_stderr)(const void *buf, unsigned long len))
{
    atomic_store_explicit(&stderr_writer, write_stderr, memory_order_release);
}

bool otel_log_enabled(enum otel_log_level level)
{
    return level != OTEL_LOG_NONE &&
           (int)level <= atomic_load_explicit(&log_level, memory_order_acquire);
}

void otel_log(enum otel_log_level level, const char *format, ...)
{
    static const char names[][6] = {"none", "error", "warn", "info", "debug"};
    int saved_errno = errno;
    struct line line;
    struct args args;

    if (!otel_log_enabled(level) || level > OTEL_LOG_DEBUG)
        return;
    line.len = 0;
    line.cut = false;
    put_text(&line, "libotel_auto[", SIZE_MAX);
    put_signed(&line, otel_sys.getpid());
    put_text(&line, "] ", SIZE_MAX);
    put_text(&line, names[level], SIZE_MAX);
    put_text(&line, ": ", SIZE_MAX);
    va_start(args.list, format);
    put_format(&line, format, &args);
    va_end(args.list);
    if (line.cut)
        memcpy(line.text + line.len - 3, "...", 3);
    line.text[line.len++] = '\n';
    write_line(&line);
    errno = saved_errno; /* a stderr writer may have changed it */
}
