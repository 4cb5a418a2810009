/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of every shape, to be traced by name: functions SCENARIO [LIBRARY]. The results are
 * printed, so that a run with and without tracing can be compared.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FUNCTION __attribute__((noinline, noclone, used))
/* Keeps the compiler from knowing what a function does, and short ones from getting too short. */
#define WORK(x) __asm__ volatile("nopl 0x11223344(%%rax)" : "+r"(x))

struct small {
    int whole;
    double real;
};

struct large {
    long a, b, c;
};

static jmp_buf back;
static int depth_reached;
static int ready;

FUNCTION static int add(int a, int b)
{
    WORK(a);
    return a + b;
}

FUNCTION long widths(signed char a, unsigned char b, short c, unsigned short d, int e, unsigned f,
                     long g, unsigned long h, _Bool i)
{
    WORK(g);
    return a + b + c + d + e + (long)f + g + (long)h + i;
}

FUNCTION double reals(float a, double b, long double c)
{
    WORK(ready);
    return (double)a + b + (double)c;
}

FUNCTION long double wide(long double a)
{
    WORK(ready);
    return a * 2;
}

FUNCTION double many(int a, double b, const char *c, int d, int e, int f, int g, int h, float i,
                     struct small s, struct large l, int last)
{
    WORK(a);
    return a + b + (double)strlen(c) + d + e + f + g + h + (double)i + s.whole + s.real +
           (double)(l.a + l.b + l.c) + last;
}

FUNCTION struct small give_small(int n)
{
    WORK(n);
    return (struct small){n, n + 0.5};
}

FUNCTION struct large give_large(int n)
{
    WORK(n);
    return (struct large){n, n + 1, n + 2};
}

FUNCTION int sum(int count, ...)
{
    va_list list;
    double total = 0;

    va_start(list, count);
    for (int i = 0; i < count; i++)
        total += i % 2 ? va_arg(list, double) : va_arg(list, int);
    va_end(list);
    return (int)total;
}

FUNCTION const char *text(const char *given)
{
    WORK(given);
    return given;
}

FUNCTION int negative(int n)
{
    WORK(n);
    return -n;
}

FUNCTION void *nothing(void *given)
{
    WORK(given);
    return given == (void *)1 ? NULL : given;
}

FUNCTION int recurse(int n)
{
    int rest;

    depth_reached++;
    rest = n ? recurse(n - 1) : 0;
    WORK(rest);
    return rest + 1;
}

FUNCTION void leap(int n)
{
    WORK(n);
    if (n)
        longjmp(back, 1);
}

FUNCTION void outer(int n)
{
    WORK(n);
    if (!setjmp(back))
        leap(n);
    add(n, 1);
}

FUNCTION void over(int n)
{
    WORK(n);
    leap(n);
}

FUNCTION void *child(void *arg)
{
    WORK(arg);
    add(1, 2);
    return arg;
}

FUNCTION void leave_thread(int n)
{
    WORK(n);
    pthread_exit(NULL);
}

static void *leaving(void *arg)
{
    leave_thread(1);
    return arg;
}

FUNCTION int spawn(int n)
{
    pthread_t thread;

    WORK(n);
    pthread_create(&thread, NULL, child, NULL);
    pthread_join(thread, NULL);
    return n;
}

FUNCTION void handler(int number)
{
    WORK(number);
    add(number, 0);
}

FUNCTION int raise_it(int n)
{
    WORK(n);
    raise(SIGUSR1);
    return n;
}

FUNCTION int fork_it(int n)
{
    int status;
    pid_t pid;

    WORK(n);
    fflush(stdout);
    pid = fork();
    if (!pid) {
        add(n, 1);
        return -1;
    }
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static void values(void)
{
    struct small small;
    struct large large;

    printf("%d\n", add(1, 2));
    printf("%ld\n", widths(-1, 255, -300, 65535, -70000, 4000000000u, -5000000000, 6, 1));
    printf("%g\n", reals(0.5f, 1.25, 2.125L));
    printf("%Lg\n", wide(1.5L));
    printf("%g\n", many(1, 2.5, "three", 4, 5, 6, 7, 8, 9.5f, (struct small){10, 11.5},
                        (struct large){12, 13, 14}, 15));
    small = give_small(4);
    printf("%d %g\n", small.whole, small.real);
    large = give_large(4);
    printf("%ld %ld %ld\n", large.a, large.b, large.c);
    printf("%d\n", sum(18, 1, 2.5, 3, 4.5, 5, 6.5, 7, 8.5, 9, 10.5, 11, 12.5, 13, 14.5, 15, 16.5,
                       17, 18.5));
    printf("%d\n", negative(1));
    printf("%d\n", negative(-1));
    printf("%d\n", nothing((void *)1) == NULL);
    printf("%d\n", nothing((void *)2) == NULL);
}

static void texts(void)
{
    char *long_one = malloc(5000);

    memset(long_one, 'x', 4999);
    long_one[4999] = '\0';
    printf("%s\n", text("short"));
    printf("%zu\n", strlen(text(long_one)));
    printf("%d\n", text(NULL) == NULL);
    printf("%d\n", text((const char *)8) == (const char *)8);
    printf("%zu\n", strlen(text("\xff\xfe")));
    free(long_one);
}

static void jumps(void)
{
    outer(1);
    if (!setjmp(back))
        over(1);
    add(5, 6);
    outer(0);
}

static void threads(void)
{
    pthread_t thread;

    spawn(3);
    pthread_create(&thread, NULL, leaving, NULL);
    pthread_join(thread, NULL);
}

static void signals(void)
{
    signal(SIGUSR1, handler);
    printf("%d\n", raise_it(3));
}

static int forks(void)
{
    int result = fork_it(7);

    if (result < 0)
        exit(7);
    printf("%d\n", result);
    return 0;
}

/* Functions of a library: loaded now, found by name, called directly and by pointer. */
static void plugin(const char *path)
{
    void *library = dlopen(path, RTLD_LAZY);
    int (*function)(int);

    if (!library) {
        printf("%s\n", dlerror());
        return;
    }
    *(void **)&function = dlsym(library, "plugin_work");
    printf("%d\n", function(20));
    *(void **)&function = dlsym(RTLD_DEFAULT, "no_such_function");
    printf("%d\n", function == NULL);
    dlclose(library);
}

int main(int argc, char **argv)
{
    const char *scenario = argc > 1 ? argv[1] : "";

    if (strcmp(scenario, "values") == 0)
        values();
    else if (strcmp(scenario, "texts") == 0)
        texts();
    else if (strcmp(scenario, "recursion") == 0)
        printf("%d\n", recurse(argc > 2 ? atoi(argv[2]) : 5));
    else if (strcmp(scenario, "jumps") == 0)
        jumps();
    else if (strcmp(scenario, "threads") == 0)
        threads();
    else if (strcmp(scenario, "signals") == 0)
        signals();
    else if (strcmp(scenario, "forks") == 0)
        forks();
    else if (strcmp(scenario, "plugin") == 0 && argc > 2)
        plugin(argv[2]);
    printf("end\n");
    return 0;
}
