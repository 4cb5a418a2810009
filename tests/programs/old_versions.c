// SPDX-License-Identifier: Apache-2.0
/*
 * A program as it was linked long ago: it asks for versions of libc's functions that later ones
 * replaced, and relies on what those did. Prints what it sees.
 *
 *     old_versions SCRIPT    SCRIPT has no #! line: the old posix_spawn gives it to the shell
 */
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

__asm__(".symver posix_spawn,posix_spawn@GLIBC_2.2.5");
__asm__(".symver posix_spawnp,posix_spawnp@GLIBC_2.2.5");
__asm__(".symver pthread_cond_wait,pthread_cond_wait@GLIBC_2.2.5");
__asm__(".symver pthread_cond_timedwait,pthread_cond_timedwait@GLIBC_2.2.5");
__asm__(".symver pthread_cond_signal,pthread_cond_signal@GLIBC_2.2.5");

extern char **environ;

/* The old condition is one pointer; what lies behind it is not the function's. */
static struct {
    void *condition;
    unsigned char behind[sizeof(pthread_cond_t)];
} old;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int ready;

static pthread_cond_t *condition(void)
{
    return (pthread_cond_t *)(void *)&old.condition;
}

static void *signaller(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    ready = 1;
    pthread_cond_signal(condition());
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void wait_for_it(void)
{
    struct timespec past = {1, 0};
    pthread_t thread;
    int timed, intact = 1;

    memset(old.behind, 0x5a, sizeof old.behind);
    pthread_mutex_lock(&lock);
    timed = pthread_cond_timedwait(condition(), &lock, &past);
    pthread_create(&thread, NULL, signaller, NULL);
    while (!ready)
        pthread_cond_wait(condition(), &lock);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    for (size_t i = 0; i < sizeof old.behind; i++)
        intact &= old.behind[i] == 0x5a;
    printf("timed out: %s, woken, memory behind %s\n", strerror(timed),
           intact ? "intact" : "overwritten");
    fflush(stdout);
}

static void spawn(const char *name, const char *path,
                  int (*by)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                            const posix_spawnattr_t *, char *const[], char *const[]))
{
    char *argv[] = {(char *)path, NULL};
    int status = 0;
    pid_t pid;
    int error = by(&pid, path, NULL, NULL, argv, environ);

    if (!error)
        waitpid(pid, &status, 0);
    printf("%s: %s %d\n", name, error ? strerror(error) : "ran", WEXITSTATUS(status));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    wait_for_it();
    spawn("posix_spawn", argv[1], posix_spawn);
    spawn("posix_spawnp", argv[1], posix_spawnp);
    return 0;
}
