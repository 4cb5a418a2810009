// SPDX-License-Identifier: Apache-2.0
// Names looked up by every function of the family; prints all a program can see of each call.
//   all NAME…      every function on each name ("-" is NULL)
//   recursive      a name whose module asks again (nss_recursive.c)
//   jump           a look-up left by siglongjmp, then another
//   cancel         a thread cancelled in a look-up, then another look-up
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BEFORE 77 // errno

extern int __nss_configure_lookup(const char *database, const char *service);

static sigjmp_buf back;

static void show_list(const struct addrinfo *found)
{
    char text[INET6_ADDRSTRLEN];

    for (; found; found = found->ai_next) {
        const void *address =
            found->ai_family == AF_INET
                ? (const void *)&((const struct sockaddr_in *)found->ai_addr)->sin_addr
                : (const void *)&((const struct sockaddr_in6 *)found->ai_addr)->sin6_addr;

        printf("  %s type %d protocol %d len %u %s\n",
               inet_ntop(found->ai_family, address, text, sizeof text), found->ai_socktype,
               found->ai_protocol, found->ai_addrlen,
               found->ai_canonname ? found->ai_canonname : "-");
    }
}

static int list(const char *name, const char *service, int flags, int family)
{
    struct addrinfo hints = {.ai_flags = flags, .ai_family = family};
    struct addrinfo *found = NULL;
    int error;

    errno = BEFORE;
    error = getaddrinfo(name, service, &hints, &found);
    printf("getaddrinfo %s %s %x: %d errno %d\n", name ? name : "-", service ? service : "-", flags,
           error, errno);
    show_list(found);
    if (found)
        freeaddrinfo(found);
    return error;
}

static void show_host(const char *call, const struct hostent *host, int error)
{
    char text[INET6_ADDRSTRLEN];

    printf("%s: %s h_errno %d errno %d\n", call, host ? host->h_name : "NULL", error, errno);
    for (char **at = host ? host->h_addr_list : NULL; at && *at; at++)
        printf("  %s\n", inet_ntop(host->h_addrtype, *at, text, sizeof text));
}

static void hosts(const char *name)
{
    struct hostent host, *found = NULL;
    char buf[4096];
    int error = 0, result;

    errno = BEFORE;
    found = gethostbyname(name);
    show_host("gethostbyname", found, h_errno);
    errno = BEFORE;
    found = gethostbyname2(name, AF_INET6);
    show_host("gethostbyname2", found, h_errno);
    for (size_t size = 8; size <= sizeof buf; size *= sizeof buf / 8) {
        errno = BEFORE;
        error = 0;
        result = gethostbyname_r(name, &host, buf, size, &found, &error);
        printf("%d ", result);
        show_host("gethostbyname_r", found, error);
        errno = BEFORE;
        error = 0;
        result = gethostbyname2_r(name, AF_INET6, &host, buf, size, &found, &error);
        printf("%d ", result);
        show_host("gethostbyname2_r", found, error);
    }
}

static void all(const char *name)
{
    list(name, "80", 0, AF_UNSPEC);
    list(name, NULL, AI_CANONNAME, AF_INET);
    list(name, "80", AI_NUMERICHOST, AF_UNSPEC);
    list(name, "nosuchservice", 0, AF_INET);
    list(name, "80", 0x40000000, AF_UNSPEC);
    if (name)
        hosts(name);
}

static void jump_back(int signal)
{
    (void)signal;
    siglongjmp(back, 1);
}

static int look_up(const char *name)
{
    return list(name, NULL, 0, AF_INET);
}

static void jump(void)
{
    signal(SIGUSR1, jump_back);
    if (sigsetjmp(back, 1) == 0)
        look_up("jump.test");
    else
        puts("jumped");
    look_up("localhost");
}

static void *blocked(void *ready)
{
    pthread_barrier_wait(ready);
    look_up("block.test");
    return NULL;
}

static void cancel(void)
{
    pthread_barrier_t ready;
    pthread_t thread;
    void *result;

    pthread_barrier_init(&ready, NULL, 2);
    pthread_create(&thread, NULL, blocked, &ready);
    pthread_barrier_wait(&ready);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    puts(result == PTHREAD_CANCELED ? "cancelled" : "not cancelled");
    look_up("localhost");
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";

    if (strcmp(mode, "all") != 0)
        __nss_configure_lookup("hosts", "recursive files");
    if (strcmp(mode, "recursive") == 0)
        look_up("recursive.test");
    else if (strcmp(mode, "jump") == 0)
        jump();
    else if (strcmp(mode, "cancel") == 0)
        cancel();
    for (int i = 2; i < argc; i++)
        all(strcmp(argv[i], "-") ? argv[i] : NULL);
    return 0;
}
