#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Programs that take part in symbol look-up themselves: their own read and write, wrappers of their
own by RTLD_NEXT, all bound at start, calls behind our destructor, exceptions through a callback."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import SHIM, TestCase, main, require  # noqa: E402

# Talks over a socket pair and makes a span by a connection that is refused.
TALK = r"""
static void talk(void)
{
    struct sockaddr_in nowhere = {.sin_family = AF_INET, .sin_port = htons(1),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char got[8] = "";
    int ends[2], fd = socket(AF_INET, SOCK_STREAM, 0), rc;
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    printf("%zd ", write(ends[0], "abc", 3));
    printf("%zd ", read(ends[1], got, 8));
    printf("%zd ", send(ends[0], "defg", 4, 0));
    printf("%zd ", recv(ends[1], got, 8, 0));
    rc = connect(fd, (struct sockaddr *)&nowhere, sizeof nowhere);
    printf("%s %d %d ", got, rc, errno);
    rc = close(fd);
    printf("%d %d\n", rc, close(fd));
    close(ends[0]);
    close(ends[1]);
}
"""

HEAD = r"""
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
"""

SAID = b"3 3 4 4 defg -1 111 0 -1\n"

# The program's own, which say how often they were called: nobody but itself may find them lost.
OWN = r"""
static int reads, writes, closes;
ssize_t read(int fd, void *to, size_t n) { reads++; return syscall(SYS_read, fd, to, n); }
ssize_t write(int fd, const void *from, size_t n)
{
    writes++;
    return syscall(SYS_write, fd, from, n);
}
int close(int fd) { closes++; return (int)syscall(SYS_close, fd); }
int main(void)
{
    talk();
    fprintf(stderr, "%d %d %d\n", reads, writes, closes);
    return 0;
}
"""

# Wrappers as a second preload, or the program, writes them.
NEXT = r"""
static int calls;
#define WRAP(R, NAME, PARAMETERS, ...) R NAME PARAMETERS { \
    static R (*next) PARAMETERS; \
    if (!next) next = (R (*) PARAMETERS)dlsym(RTLD_NEXT, #NAME); \
    calls++; \
    return next(__VA_ARGS__); }
WRAP(ssize_t, read, (int fd, void *to, size_t n), fd, to, n)
WRAP(ssize_t, write, (int fd, const void *from, size_t n), fd, from, n)
WRAP(ssize_t, send, (int fd, const void *from, size_t n, int flags), fd, from, n, flags)
WRAP(ssize_t, recv, (int fd, void *to, size_t n, int flags), fd, to, n, flags)
WRAP(int, connect, (int fd, const struct sockaddr *to, socklen_t n), fd, to, n)
WRAP(int, close, (int fd), fd)
"""

PROGRAM = "int main(void) { talk(); return 0; }\n"

# Looks every function up in each way there is, and calls what it found.
LOOK_UP = r"""
int main(void)
{
    void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD), *self = dlopen(NULL, RTLD_NOW);
    void *handles[] = {RTLD_DEFAULT, RTLD_NEXT, libc, self};
    static const char *names[] = {"read", "write", "send", "recv", "connect", "close", "exit"};
    for (int h = 0; h < 4; h++) {
        int found = 0;
        for (int n = 0; n < 7; n++)
            found += dlsym(handles[h], names[n]) != NULL;
        int (*closes)(int) = dlsym(handles[h], "close");
        int rc = closes(-1);
        printf("%d %d %d\n", found, rc, errno);
    }
    printf("%p %s\n", dlsym(RTLD_DEFAULT, "no_such_function"), dlerror());
    printf("%d\n", dlvsym(libc, "read", "GLIBC_2.2.5") != NULL);
    talk();
    return 0;
}
"""

# Its destructor runs when those of all libraries loaded after it have run: ours too.
LATE = r"""
__attribute__((destructor)) static void late(void)
{
    talk();
    fflush(stdout);
}
"""

EXCEPTION = r"""
#include <cstdio>
#include <curl/curl.h>
#include <netinet/in.h>
#include <sqlite3.h>
#include <stdexcept>
#include <string>
static size_t refuse(char *, size_t, size_t, void *) { throw std::runtime_error("in curl"); }
static size_t take(char *data, size_t size, size_t n, void *to)
{
    static_cast<std::string *>(to)->append(data, size * n);
    return size * n;
}
static int row(void *, int, char **, char **) { throw std::runtime_error("in sqlite"); }
struct guard { ~guard() { std::puts("unwound"); } };
int main(int, char **argv)
{
    for (int i = 0; i < 3; i++) {
        CURL *curl = curl_easy_init();
        std::string got;
        curl_easy_setopt(curl, CURLOPT_URL, argv[1]);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, refuse);
        try { guard g; curl_easy_perform(curl); }
        catch (const std::exception &e) { std::puts(e.what()); }
        curl = curl_easy_init();
        curl_easy_setopt(curl, CURLOPT_URL, argv[1]);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, &got);
        std::printf("%d %s\n", curl_easy_perform(curl), got.c_str());
        curl_easy_cleanup(curl);
        sqlite3 *db;
        sqlite3_open(":memory:", &db);
        try { guard g; sqlite3_exec(db, "SELECT 1", row, 0, 0); }
        catch (const std::exception &e) { std::puts(e.what()); }
        sqlite3_open(":memory:", &db);
        std::printf("%d\n", sqlite3_exec(db, "SELECT 2", 0, 0, 0));
    }
}
"""


class Interpose(TestCase):
    def compile(self, text, *arguments, name="program", compiler="gcc", language="c"):
        path = os.path.join(self.folder(), name)
        subprocess.run([compiler, "-w", "-D_GNU_SOURCE", "-fPIC", "-o", path, "-x", language, "-",
                        "-x", "none", *arguments], input=text.encode(), check=True)
        return path

    def talks(self, cmd, said=SAID, spans=1, **more):
        got = self.differential(cmd, **more)
        self.assertEqual(got.stdout, said)
        self.assertEqual(len(got.spans), spans, got.log)
        return got

    def test_a_program_with_read_and_write_of_its_own(self):
        """Its own bind first and nothing is seen of them; with -rdynamic libraries call them."""
        for more in ((), ("-rdynamic",)):
            with self.subTest(more):
                self.talks([self.compile(HEAD + TALK + OWN, *more)])

    def test_wrappers_by_rtld_next_in_the_program(self):
        self.talks([self.compile(HEAD + NEXT + TALK + PROGRAM, "-rdynamic")])

    def test_wrappers_by_rtld_next_in_another_preload(self):
        other = self.compile(HEAD + NEXT, "-shared", name="other.so")
        host = self.compile(HEAD + TALK + PROGRAM)
        for order in (f"{SHIM}:{other}", f"{other}:{SHIM}"):
            with self.subTest(order):
                self.talks([host], shim_env={"LD_PRELOAD": order})

    def test_every_way_to_look_a_function_up(self):
        got = self.differential([self.compile(HEAD + TALK + LOOK_UP)])
        lines = got.stdout.splitlines(keepends=True)
        self.assertEqual((lines[:4], lines[-2:]), ([b"7 -1 9\n"] * 4, [b"1\n", SAID]))
        self.assertEqual(len(got.spans), 1, got.log)

    def test_all_bound_at_start(self):
        self.talks([self.compile(HEAD + TALK + PROGRAM)], env={"LD_BIND_NOW": "1"})
        self.talks([self.compile(HEAD + TALK + PROGRAM, "-Wl,-z,now", "-Wl,-z,relro")])

    def test_calls_behind_our_destructor(self):
        """They go through, and what they would have been is told no more."""
        late = self.compile(HEAD + TALK + LATE, "-shared", name="late.so")
        host = self.compile("int main(void) { return 0; }\n", "-Wl,--no-as-needed", late)
        got = self.differential([host])
        self.assertEqual(got.stdout, SAID)
        preloaded = self.compile("int main(void) { return 0; }\n")
        for order in (f"{SHIM}:{late}", f"{late}:{SHIM}"):
            with self.subTest(order):
                got = self.run_program([preloaded], env={"LD_PRELOAD": order})
                self.assertEqual((got.rc, got.stdout, got.stderr), (0, SAID, b""))

    @require("g++")
    def test_exceptions_through_callbacks(self):
        """What a frame of ours holds is not lost with it: the calls after it are traced."""
        host = self.compile(EXCEPTION, "-lcurl", "-lsqlite3", compiler="g++", language="c++")
        path = os.path.join(self.folder(), "text")
        with open(path, "w", encoding="ascii") as f:
            f.write("what is in the file")
        got = self.differential([host, "file://" + path])
        self.assertEqual(got.stdout.count(b"unwound\nin curl\n"), 3, got.stdout)
        self.assertEqual(got.stdout.count(b"unwound\nin sqlite\n"), 3, got.stdout)
        self.assertEqual(len([s for s in got.spans if s.name == "SELECT"]), 6, got.spans)


if __name__ == "__main__":
    main()
