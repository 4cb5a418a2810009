/* SPDX-License-Identifier: Apache-2.0
 *
 * endure COMMAND…: works, meets misfortune, goes on working, and says how that went. Status 3.
 *
 * Work, n times:   sqlite:n statements, curl:n requests to $ENDURE_URL, http:n requests over a
 *                  plain socket to there, serve:n requests to a server of its own, by a thread
 * Misfortune:      nofile:n     n free descriptors are left
 *                  as:n data:n  n KiB may be mapped besides
 *                  fsize nproc  no file may grow, no thread may start
 *                  user:n       becomes user n;  chroot:DIR
 *                  errno:CALL,… kill:CALL,…  a filter against socket, clone or openat, by prctl;
 *                  raw:CALL,… by the system call (errno); library:CALL,… by libseccomp (kill);
 *                  only: all calls but those that the statements and the end need (kill)
 * Other things:    write:FILE=TEXT; wait: says so, and reads a line
 */
// LIBS: -lcurl -lsqlite3
#include <curl/curl.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "tests/programs/minihttp.h"

/* --- work: each adds up what it got, 0: it failed ----------------------------------------------
 */

static long sqlite(int n)
{
    static sqlite3 *db; /* main's thread only */
    long sum = 0;

    if (!db && sqlite3_open(":memory:", &db) != SQLITE_OK)
        return 0;
    for (int i = 0; i < n; i++) {
        sqlite3_stmt *statement;

        if (sqlite3_prepare_v2(db, "SELECT 7", -1, &statement, NULL) != SQLITE_OK)
            continue;
        if (sqlite3_step(statement) == SQLITE_ROW)
            sum += sqlite3_column_int(statement, 0);
        sqlite3_finalize(statement);
    }
    return sum;
}

static size_t count_bytes(char *data, size_t size, size_t n, void *sum)
{
    (void)data;
    *(long *)sum += (long)(size * n);
    return size * n;
}

static long curl(int n)
{
    long sum = 0;

    for (int i = 0; i < n; i++) {
        CURL *easy = curl_easy_init();

        if (!easy)
            continue;
        curl_easy_setopt(easy, CURLOPT_URL, getenv("ENDURE_URL"));
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_bytes);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, &sum);
        sum += 1000 * (long)curl_easy_perform(easy);
        curl_easy_cleanup(easy);
    }
    return sum;
}

static int connected(uint16_t port)
{
    struct sockaddr_in to = mini_loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Bytes of the answer; the server closes. */
static long one_request(uint16_t port)
{
    static const char request[] = "GET /x HTTP/1.0\r\nHost: localhost\r\n\r\n";
    char got[4096];
    long sum = 0;
    ssize_t have;
    int fd = connected(port);

    if (fd < 0)
        return 0;
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1)
        while ((have = recv(fd, got, sizeof got, 0)) > 0)
            sum += have;
    close(fd);
    return sum;
}

static long http(int n)
{
    const char *url = getenv("ENDURE_URL");
    uint16_t port = url ? (uint16_t)atoi(strrchr(url, ':') + 1) : 0;
    long sum = 0;

    for (int i = 0; i < n; i++)
        sum += one_request(port) != 0; /* how much it is depends on our header */
    return sum;
}

struct client {
    uint16_t port;
    int requests;
    long sum;
};

static void *ask(void *arg)
{
    struct client *client = arg;

    for (int i = 0; i < client->requests; i++)
        client->sum += one_request(client->port);
    return NULL;
}

static long serve(int n)
{
    static const char answer[] = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok";
    struct sockaddr_in at = mini_loopback(0);
    socklen_t len = sizeof at;
    struct client client = {.requests = n};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    char got[4096];
    pthread_t thread;

    if (listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 64) ||
        getsockname(listener, (struct sockaddr *)&at, &len))
        return 0;
    client.port = ntohs(at.sin_port);
    if (pthread_create(&thread, NULL, ask, &client)) {
        close(listener);
        return -1;
    }
    for (int i = 0; i < n; i++) {
        int fd = accept(listener, NULL, NULL);

        if (fd < 0)
            break;
        if (recv(fd, got, sizeof got, 0) > 0)
            send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
        close(fd);
    }
    close(listener);
    pthread_join(thread, NULL);
    return client.sum;
}

/* --- misfortune: 0 when it came --------------------------------------------------------------- */

static int exhaust_descriptors(int left)
{
    struct rlimit limit = {64, 64};
    int last = -1, fd;

    if (setrlimit(RLIMIT_NOFILE, &limit))
        return -1;
    while ((fd = open("/dev/null", O_RDONLY)) >= 0)
        last = fd;
    for (int i = 0; i < left; i++)
        close(last - i);
    return last < 0 ? -1 : 0;
}

/* KiB that /proc/self/status names so. */
static long in_use(const char *name)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    long kib = -1;

    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, name, strlen(name)))
            kib = atol(line + strlen(name));
    if (f)
        fclose(f);
    return kib;
}

static int limit_memory(int resource, const char *name, long besides_kib)
{
    long used = in_use(name);
    struct rlimit limit;

    limit.rlim_cur = limit.rlim_max = (rlim_t)(used + besides_kib) * 1024;
    return used < 0 ? -1 : setrlimit(resource, &limit);
}

static int limit(int resource, rlim_t to)
{
    struct rlimit limit = {to, to};

    return setrlimit(resource, &limit);
}

static int become(unsigned id)
{
    return setgroups(0, NULL) || setgid(id) || setuid(id) ? -1 : 0;
}

static int enter(const char *folder)
{
    return chroot(folder) || chdir("/") ? -1 : 0;
}

static unsigned numbers_of(const char *calls, int *number)
{
    unsigned n = 0;

    if (strstr(calls, "socket"))
        number[n++] = SYS_socket;
    if (strstr(calls, "clone")) {
        number[n++] = SYS_clone;
        number[n++] = SYS_clone3;
    }
    if (strstr(calls, "openat"))
        number[n++] = SYS_openat;
    return n;
}

static int filter(const char *calls, unsigned action, bool raw)
{
    struct sock_filter code[16] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    struct sock_fprog program = {.filter = code};
    int number[8];
    unsigned n = numbers_of(calls, number), at = 1;

    for (unsigned i = 0; i < n; i++) {
        code[at++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number[i], 0, 1);
        code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
    }
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program.len = (unsigned short)at;
    if (raw)
        return syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
                       syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)
                   ? -1
                   : 0;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
                   prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)
               ? -1
               : 0;
}

static int confine_to_own(void)
{
    static const int own[] = {SYS_read,   SYS_write,      SYS_exit_group, SYS_brk,  SYS_mmap,
                              SYS_munmap, SYS_newfstatat, SYS_lseek,      SYS_futex};
    struct sock_filter code[32] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    struct sock_fprog program = {.filter = code};
    unsigned at = 1;

    for (unsigned i = 0; i < sizeof own / sizeof *own; i++) {
        code[at++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)own[i], 0, 1);
        code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    program.len = (unsigned short)at;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
                   prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)
               ? -1
               : 0;
}

static int filter_by_library(const char *calls)
{
    void *library = dlopen("libseccomp.so.2", RTLD_NOW);
    void *(*init)(uint32_t);
    int (*add)(void *, uint32_t, int, unsigned);
    int (*load)(void *);
    int number[8];
    unsigned n = numbers_of(calls, number);
    void *rules;

    if (!library)
        exit(77);
    *(void **)&init = dlsym(library, "seccomp_init");
    *(void **)&add = dlsym(library, "seccomp_rule_add");
    *(void **)&load = dlsym(library, "seccomp_load");
    rules = init(SECCOMP_RET_ALLOW);
    for (unsigned i = 0; i < n; i++)
        add(rules, SECCOMP_RET_KILL_PROCESS, number[i], 0);
    return load(rules) ? -1 : 0;
}

/* --- commands --------------------------------------------------------------------------------- */

static int write_file(char *what)
{
    char *text = strchr(what, '=');
    FILE *f;

    *text++ = '\0';
    f = fopen(what, "w");
    if (!f)
        return -1;
    fputs(text, f);
    return fclose(f);
}

static int await(void)
{
    char line[64];

    puts("waiting");
    return fflush(stdout) || !fgets(line, sizeof line, stdin) ? -1 : 0;
}

static bool is(const char *command, const char *name)
{
    size_t len = strlen(name);

    return !strncmp(command, name, len) && (!command[len] || command[len] == ':');
}

static long obey(const char *command, char *value)
{
    int n = value ? atoi(value) : 0;

    return is(command, "sqlite")    ? sqlite(n)
           : is(command, "curl")    ? curl(n)
           : is(command, "http")    ? http(n)
           : is(command, "serve")   ? serve(n)
           : is(command, "nofile")  ? exhaust_descriptors(n)
           : is(command, "as")      ? limit_memory(RLIMIT_AS, "VmSize:", n)
           : is(command, "data")    ? limit_memory(RLIMIT_DATA, "VmData:", n)
           : is(command, "fsize")   ? limit(RLIMIT_FSIZE, 0)
           : is(command, "nproc")   ? limit(RLIMIT_NPROC, 0)
           : is(command, "user")    ? become((unsigned)n)
           : is(command, "chroot")  ? enter(value)
           : is(command, "errno")   ? filter(value, SECCOMP_RET_ERRNO | EPERM, false)
           : is(command, "kill")    ? filter(value, SECCOMP_RET_KILL_PROCESS, false)
           : is(command, "raw")     ? filter(value, SECCOMP_RET_ERRNO | EPERM, true)
           : is(command, "only")    ? confine_to_own()
           : is(command, "library") ? filter_by_library(value)
           : is(command, "write")   ? write_file(value)
           : is(command, "wait")    ? await()
                                    : -2;
}

int main(int argc, char **argv)
{
    curl_global_init(CURL_GLOBAL_ALL);
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], ':');
        long got = obey(argv[i], value ? value + 1 : NULL);

        printf("%s %ld\n", argv[i], got);
    }
    fflush(stdout);
    return 3;
}
