/* SPDX-License-Identifier: Apache-2.0
 *
 * Drives the exporter module as the batch thread does, without the rest: loads it, opens it with
 * the settings given as name=value arguments, exports batches of made-up spans, closes it. Each
 * event is one line on stdout: opened | open failed log LEVEL TEXT sleep MS             a retry's
 * wait; not slept unless sleep=1 batch EXPORTED REJECTED FAILED sockets N            still open
 * at the end stolen INTACT        steal=1: are the host's files untouched, and open
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/export/module.h"

#define FDS 4096

static struct otel_config config = {
    .exporters = OTEL_EXPORTER_OTLP,
    .otlp_timeout_ms = 10000,
};

static struct {
    const char *module;
    unsigned spans, batches, data;
    uint64_t end_ns; /* CLOCK_MONOTONIC at which the time left is 0 */
    bool exiting, pause, steal, fork, real_sleep, deepbind;
} options = {.spans = 2, .batches = 1, .deepbind = true};

static uint64_t cookies[FDS]; /* of adopted sockets, 0: not adopted */
static int stolen[FDS];       /* the host's own duplicate of what it put there, 0: none */

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void host_log(enum otel_log_level level, const char *text)
{
    printf("log %d %s\n", (int)level, text);
}

static bool host_log_enabled(enum otel_log_level level)
{
    return level <= OTEL_LOG_INFO;
}

static uint64_t host_time_left(void)
{
    uint64_t now = now_ns();

    return now < options.end_ns ? options.end_ns - now : 0;
}

static bool host_exiting(void)
{
    return options.exiting;
}

static void host_sleep(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

    if (ns >= 10000000u)
        printf("sleep %llu\n", (unsigned long long)(ns / 1000000u));
    if (ns < 10000000u || options.real_sleep)
        nanosleep(&t, NULL);
    else
        options.end_ns -= ns; /* as if it had passed */
}

static int host_write_std(int fd, const void *buf, size_t len)
{
    return write(fd, buf, len) == (ssize_t)len ? 0 : -EIO;
}

static bool host_isatty(int fd)
{
    return isatty(fd);
}

static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t len = sizeof cookie;

    if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len))
        return 0;
    return cookie;
}

static int host_adopt(int fd)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 600);

    close(fd);
    if (high < 0 || high >= FDS)
        return -EMFILE;
    cookies[high] = cookie_of(high);
    return high;
}

static bool host_owned(int fd)
{
    return cookies[fd] && cookie_of(fd) == cookies[fd];
}

static void host_release(int fd)
{
    if (!cookies[fd])
        printf("log 0 release of %d, which was not adopted\n", fd);
    cookies[fd] = 0;
}

/* True and false come in turn. */
static void host_waiting(bool begins)
{
    static bool waits;

    if (begins == waits)
        printf("log 0 a wait that %s twice\n", begins ? "begins" : "ends");
    waits = begins;
}

static const struct otel_export_host host = {
    .log = host_log,
    .log_enabled = host_log_enabled,
    .time_left_ns = host_time_left,
    .exiting = host_exiting,
    .sleep = host_sleep,
    .waiting = host_waiting,
    .write_std = host_write_std,
    .isatty_std = host_isatty,
    .fd_adopt = host_adopt,
    .fd_owned = host_owned,
    .fd_release = host_release,
};

/* A host that closes all it finds and gets the number for a connection of its own. */
static void steal_sockets(void)
{
    for (int fd = 0; fd < FDS; fd++) {
        int pair[2];

        if (!cookies[fd] || stolen[fd])
            continue;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair))
            exit(3);
        dup2(pair[0], fd);
        close(pair[0]);
        stolen[fd] = pair[1];
    }
}

/* The host's connection must be open still, and nothing may have been written to it. */
static void report_stolen(void)
{
    bool intact = true;

    for (int fd = 0; fd < FDS; fd++) {
        char c;

        if (stolen[fd])
            intact &= read(stolen[fd], &c, 1) < 0 && errno == EAGAIN;
    }
    printf("stolen %d\n", intact);
}

static unsigned open_sockets(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < FDS; fd++) {
        struct stat st;

        n += fd > 2 && !stolen[fd] && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
    }
    return n;
}

static size_t put_varint(uint8_t *out, size_t v)
{
    size_t n = 0;

    for (; v > 127; v >>= 7)
        out[n++] = (uint8_t)(v | 128);
    out[n++] = (uint8_t)v;
    return n;
}

static size_t varint_len(size_t v)
{
    uint8_t scratch[10];

    return put_varint(scratch, v);
}

/* KeyValue{key, string of len bytes} behind tag. */
static size_t put_attr(uint8_t *out, uint8_t tag, const char *key, const char *value, size_t len)
{
    size_t key_len = strlen(key);
    size_t any = 1 + varint_len(len) + len;
    size_t all = 1 + varint_len(key_len) + key_len + 1 + varint_len(any) + any;
    uint8_t *at = out;

    *at++ = tag;
    at += put_varint(at, all);
    *at++ = 0x0a;
    at += put_varint(at, key_len);
    memcpy(at, key, key_len);
    at += key_len;
    *at++ = 0x12;
    at += put_varint(at, any);
    *at++ = 0x0a;
    at += put_varint(at, len);
    if (value)
        memcpy(at, value, len);
    else
        memset(at, 'x', len);
    return (size_t)(at + len - out);
}

static struct otel_record *make_record(unsigned batch, unsigned i)
{
    struct otel_record *record = calloc(1, sizeof *record);

    memset(record->trace_id, 0xaa, sizeof record->trace_id);
    record->span_id[0] = (uint8_t)(batch + 1);
    memcpy(record->span_id + 4, &i, sizeof i);
    record->start_mono_ns = 1000 + i;
    record->end_mono_ns = 2000 + i;
    record->clock_offset_ns = 1700000000000000000;
    record->kind = OTEL_KIND_CLIENT;
    record->scope = OTEL_SCOPE_CURL;
    record->flags = 1;
    record->local_root = 1;
    return record;
}

static void export_batch(const struct otel_export_module *module, void *state, unsigned number)
{
    static uint8_t resource[128];
    struct otel_record_view *views = calloc(options.spans, sizeof *views);
    uint8_t *data = malloc(options.data + 128); /* shared: the records differ in their ids */
    size_t len = 0;
    struct otel_batch batch = {.spans = views, .count = options.spans, .resource = resource};
    struct otel_export_result result;

    memcpy(data,
           "\x2a\x03"
           "GET",
           5);
    len = 5;
    len += put_attr(data + len, 0x4a, "http.request.method", "GET", 3);
    if (options.data)
        len += put_attr(data + len, 0x4a, "pad", NULL, options.data);
    batch.resource_len = put_attr(resource, 0x0a, "service.name", "driver", 6);
    for (unsigned i = 0; i < options.spans; i++)
        views[i] = (struct otel_record_view){make_record(number, i), data, len};
    result = module->export(state, &batch);
    printf("batch %u %u %u\n", result.exported, result.rejected, result.failed);
    fflush(stdout);
    for (unsigned i = 0; i < options.spans; i++)
        free((void *)(uintptr_t)views[i].record);
    free(views);
    free(data);
}

/* Forks with a connection open; the child forgets what it inherited and exports by itself. */
static void in_child(const struct otel_export_module *module, void *state)
{
    pid_t pid;
    int status;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        module->abandon(state);
        state = module->open(&config, &host);
        export_batch(module, state, 100);
        module->close(state);
        fflush(stdout);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    if (status)
        printf("child %x\n", (unsigned)status);
}

static bool set_text(const char *name, const char *value)
{
    struct {
        const char *name;
        const char **field;
    } fields[] = {
        {"module", &options.module},       {"endpoint", &config.otlp_endpoint},
        {"headers", &config.otlp_headers}, {"traces_headers", &config.otlp_traces_headers},
        {"ca", &config.otlp_certificate},  {"cert", &config.otlp_client_certificate},
        {"key", &config.otlp_client_key},  {"file", &config.file_path},
    };

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strcmp(name, fields[i].name) == 0) {
            *fields[i].field = value;
            return true;
        }
    }
    return false;
}

static bool set_flag(const char *name, bool value)
{
    struct {
        const char *name;
        bool *field;
    } fields[] = {
        {"gzip", &config.otlp_gzip},     {"exiting", &options.exiting},
        {"pause", &options.pause},       {"steal", &options.steal},
        {"fork", &options.fork},         {"sleep", &options.real_sleep},
        {"deepbind", &options.deepbind},
    };

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strcmp(name, fields[i].name) == 0) {
            *fields[i].field = value;
            return true;
        }
    }
    return false;
}

static bool set(const char *name, const char *value)
{
    unsigned number = (unsigned)strtoul(value, NULL, 10);

    if (set_text(name, value))
        return true;
    if (strcmp(name, "setenv") == 0)
        return putenv((char *)(uintptr_t)value) == 0;
    if (strcmp(name, "protocol") == 0)
        config.otlp_protocol = strcmp(value, "grpc") == 0        ? OTEL_OTLP_GRPC
                               : strcmp(value, "http/json") == 0 ? OTEL_OTLP_HTTP_JSON
                                                                 : OTEL_OTLP_HTTP_PROTOBUF;
    else if (strcmp(name, "timeout") == 0)
        config.otlp_timeout_ms = number;
    else if (strcmp(name, "exporters") == 0)
        config.exporters = number;
    else if (strcmp(name, "spans") == 0)
        options.spans = number;
    else if (strcmp(name, "batches") == 0)
        options.batches = number;
    else if (strcmp(name, "data") == 0)
        options.data = number;
    else if (strcmp(name, "left") == 0)
        options.end_ns = now_ns() + number * UINT64_C(1000000);
    else
        return set_flag(name, number);
    return true;
}

static const struct otel_export_module *load(void)
{
    int flags = RTLD_NOW | RTLD_LOCAL | (options.deepbind ? RTLD_DEEPBIND : 0);
    void *handle = dlopen(options.module, flags);

    if (!handle) {
        printf("%s\n", dlerror());
        exit(2);
    }
    return dlsym(handle, OTEL_EXPORT_SYMBOL);
}

static void run(const struct otel_export_module *module, void *state)
{
    for (unsigned i = 0; i < options.batches; i++) {
        if (options.pause) {
            printf("ready\n");
            fflush(stdout);
            getchar();
        }
        export_batch(module, state, i);
        if (options.fork)
            in_child(module, state);
        if (options.steal)
            steal_sockets();
    }
}

int main(int argc, char **argv)
{
    const struct otel_export_module *module;
    sigset_t all;
    void *state;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL); /* as on the batch thread */
    options.end_ns = now_ns() + UINT64_C(100000000000);
    for (int i = 1; i < argc; i++) {
        char *equals = strchr(argv[i], '=');

        if (!equals)
            return 2;
        *equals = '\0';
        if (!set(argv[i], equals + 1)) {
            printf("unknown: %s\n", argv[i]);
            return 2;
        }
    }
    module = load();
    state = module->open(&config, &host);
    printf(state ? "opened\n" : "open failed\n");
    if (!state)
        return 0;
    run(module, state);
    module->flush(state);
    module->close(state);
    if (options.steal)
        report_stolen();
    printf("sockets %u\n", open_sockets());
    return 0;
}
