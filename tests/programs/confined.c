/* SPDX-License-Identifier: Apache-2.0
 *
 * confined MODE: lives on with the system calls it makes itself and is killed for any other:
 *   strict   read, write and exit, by prctl
 *   filter   those of its sockets besides, by prctl
 *   library  the same through libseccomp, which is loaded where there is one; exits with 77
 *            where there is none
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int own_calls[] = {SYS_read,  SYS_write,    SYS_sendto, SYS_recvfrom,
                                SYS_close, SYS_shutdown, SYS_exit,   SYS_socketpair};
#define OWN (sizeof own_calls / sizeof *own_calls)

static bool strict(void)
{
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0;
}

static bool filter(void)
{
    struct sock_filter code[1 + 2 * OWN + 1] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    struct sock_fprog program = {sizeof code / sizeof *code, code};

    for (unsigned i = 0; i < OWN; i++) {
        code[1 + 2 * i] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)own_calls[i], 0, 1);
        code[2 + 2 * i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    code[1 + 2 * OWN] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static bool by_library(void)
{
    void *library = dlopen("libseccomp.so.2", RTLD_NOW);
    void *(*init)(uint32_t);
    int (*add)(void *, uint32_t, int, unsigned);
    int (*load)(void *);
    void *rules;

    if (!library)
        _exit(77);
    *(void **)&init = dlsym(library, "seccomp_init");
    *(void **)&add = dlsym(library, "seccomp_rule_add");
    *(void **)&load = dlsym(library, "seccomp_load");
    rules = init(SECCOMP_RET_KILL_PROCESS);
    for (unsigned i = 0; i < OWN; i++)
        add(rules, SECCOMP_RET_ALLOW, own_calls[i], 0);
    return load(rules) == 0;
}

static void say(const char *text)
{
    if (write(1, text, strlen(text)) < 0)
        syscall(SYS_exit, 1);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    int pair[2], pipes[2], more[2];
    char got[8] = "";
    bool confined;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || pipe(pipes) != 0)
        return 1;
    confined = !strcmp(mode, "strict")   ? strict()
               : !strcmp(mode, "filter") ? filter()
                                         : by_library();
    if (!confined)
        say("not confined\n");
    if (write(pipes[1], "pipe\n", 5) == 5 && read(pipes[0], got, 5) == 5)
        say(got);
    if (write(pair[0], "pair\n", 5) == 5 && read(pair[1], got, 5) == 5)
        say(got);
    if (read(0, got, 1) == 0 && strcmp(mode, "strict")) {
        if (send(pair[1], "back\n", 5, 0) == 5 && recv(pair[0], got, 5, 0) == 5)
            say(got);
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, more) == 0 && write(more[0], "more\n", 5) == 5 &&
            read(more[1], got, 5) == 5)
            say(got);
        shutdown(pair[0], SHUT_WR);
        close(pair[0]);
        close(pair[1]);
    }
    say("end\n");
    syscall(SYS_exit, 3);
}
