// LIBS: -lsqlite3
/* SPDX-License-Identifier: Apache-2.0
 *
 * children HOW [PROGRAM [ARGUMENT...]]: starts PROGRAM in that way, inside a function that an SQL
 * statement calls (so that a span is current), and says how it ended. "plain-" before HOW: outside
 * of any. "bad-", "big-", "full-", "many-" before HOW: with pointers that lead nowhere, with more
 * than any exec takes, with an environment to the last byte the kernel takes, with 5000 variables
 * (and then a hundred times in turn, to see whether the process grows by it).
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define LONG_VALUE 100000
#define MANY 5000
#define TURNS 100

static const char *how;
static char **arguments;
static char *few[] = {"A=1", "PATH=/usr/bin:/bin", "B=2", NULL};
static char **variables = few;
static int many;

static int is(const char *name)
{
    return strcmp(how, name) == 0;
}

static void run(void)
{
    const char *path = arguments[0];
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (is("execv"))
        execv(path, arguments);
    if (is("execve"))
        execve(path, arguments, variables);
    if (is("execvp"))
        execvp(path, arguments);
    if (is("execvpe"))
        execvpe(path, arguments, variables);
    if (is("fexecve"))
        fexecve(fd, arguments, variables);
    if (is("execveat"))
        execveat(AT_FDCWD, path, arguments, variables, 0);
    if (is("execl"))
        execl(path, path, arguments[1], NULL);
    if (is("execlp"))
        execlp(path, path, arguments[1], NULL);
    if (is("execle"))
        execle(path, path, arguments[1], NULL, variables);
}

static pid_t vfork_child(void)
{
    pid_t pid = vfork();

    if (!pid) {
        execve(arguments[0], arguments, variables);
        _exit(errno);
    }
    return pid;
}

static pid_t start(void)
{
    pid_t pid = -1;
    int error = 0;

    if (is("vfork"))
        return vfork_child();
    if (is("posix_spawn"))
        error = posix_spawn(&pid, arguments[0], NULL, NULL, arguments, variables);
    else if (is("posix_spawnp"))
        error = posix_spawnp(&pid, arguments[0], NULL, NULL, arguments, variables);
    else
        pid = fork();
    if (error)
        printf("%s: %s\n", how, strerror(error));
    if (error || pid)
        return pid;
    run();
    printf("%s: %s\n", how, strerror(errno));
    fflush(stdout);
    _exit(100);
}

static void child(void)
{
    int status = 0;
    char line[256];
    FILE *pipe;
    pid_t pid;

    fflush(stdout);
    if (is("system")) {
        status = system(arguments[0]);
    } else if (is("popen")) {
        pipe = popen(arguments[0], "r");
        while (pipe && fgets(line, sizeof line, pipe))
            printf("read %s", line);
        status = pipe ? pclose(pipe) : -1;
    } else {
        pid = start();
        if (pid > 0)
            waitpid(pid, &status, 0);
    }
    printf("ended with %x\n", (unsigned)status);
}

static unsigned mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned n = 0;
    int c;

    while (maps && (c = fgetc(maps)) != EOF)
        n += c == '\n';
    if (maps)
        fclose(maps);
    return n;
}

/* Ends what child() has begun: that many times more, of which one is told. */
static void again(void)
{
    unsigned before = mappings();
    int out = dup(1), null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    fflush(stdout);
    dup2(null, 1);
    for (int i = 1; i < TURNS; i++)
        child();
    fflush(stdout);
    dup2(out, 1);
    close(out);
    close(null);
    printf("grown by %u\n", mappings() > before + TURNS / 4 ? mappings() - before : 0);
}

static void call(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    (void)values;
    child();
    if (many)
        again();
    sqlite3_result_int(context, 0);
}

static void inside(void)
{
    sqlite3 *db;

    if (sqlite3_open(":memory:", &db) ||
        sqlite3_create_function(db, "child", 0, SQLITE_UTF8, NULL, call, NULL, NULL) ||
        sqlite3_exec(db, "SELECT child()", NULL, NULL, NULL))
        abort();
    sqlite3_close(db);
}

/* An array whose second pointer leads nowhere. */
static void make_bad(void)
{
    char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    munmap(page + PAGE, PAGE);
    variables = (char **)(page + PAGE) - 1;
    variables[0] = "A=1";
}

/* count variables of a length each. */
static void make_many(size_t count, size_t len)
{
    variables = calloc(count + 1, sizeof *variables);
    for (size_t i = 0; i < count; i++) {
        variables[i] = malloc(len + 1);
        memset(variables[i], 'x', len);
        memcpy(variables[i], "V=", 2);
        variables[i][len] = '\0';
    }
}

static void make_named(void)
{
    char name[16];

    many = 1;
    make_many(MANY, 100);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "V%d=", i);
        memcpy(variables[i], name, strlen(name));
    }
    memset(variables[MANY - 1] + 20, 'y', 80);
    environ = variables;
}

/* Adds to the last variable until the exec of path is refused; then takes the last byte back. */
static void make_full(void)
{
    struct rlimit limit = {8 << 20, 8 << 20};
    size_t low = 3, high = LONG_VALUE;

    setrlimit(RLIMIT_STACK, &limit);
    make_many(21, LONG_VALUE);
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        int status = 0;
        pid_t pid;

        variables[20][middle] = '\0';
        pid = vfork();
        if (!pid) {
            execve("/bin/true", arguments, variables);
            _exit(1);
        }
        waitpid(pid, &status, 0);
        variables[20][middle] = 'x';
        *(status ? &high : &low) = middle;
    }
    variables[20][low] = '\0';
    printf("%s", low > 3 && high < LONG_VALUE ? "" : "no limit found\n");
}

int main(int argc, char **argv)
{
    int plain;

    if (argc < 3)
        return 2;
    how = argv[1];
    arguments = argv + 2;
    plain = !strncmp(how, "plain-", 6);
    how += plain ? 6 : 0;
    if (!strncmp(how, "bad-", 4) && (how += 4))
        make_bad();
    else if (!strncmp(how, "big-", 4) && (how += 4))
        make_many(100, LONG_VALUE);
    else if (!strncmp(how, "full-", 5) && (how += 5))
        make_full();
    else if (!strncmp(how, "many-", 5) && (how += 5))
        make_named();
    if (plain)
        child();
    else
        inside();
    return 0;
}
