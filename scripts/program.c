/* SPDX-License-Identifier: Apache-2.0 */
#include "scripts/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#if defined __x86_64__
#define OUR_MACHINE EM_X86_64
#elif defined __aarch64__
#define OUR_MACHINE EM_AARCH64
#else
#error "no such machine yet: see docs"
#endif

/* #! lines may name scripts; the kernel follows this many (binfmt_script). */
#define SCRIPT_DEPTH 5

const char *program_reason(enum program_verdict verdict)
{
    switch (verdict) {
    case PROGRAM_TRACEABLE:
        return "can be traced";
    case PROGRAM_MISSING:
        return "was not found";
    case PROGRAM_NOT_RUNNABLE:
        return "may not be executed";
    case PROGRAM_STATIC:
        return "is statically linked: there is no library call to observe; run untraced";
    case PROGRAM_SETUID:
        return "runs with other rights than yours (setuid, setgid or capabilities), so the system "
               "ignores preloaded libraries; run untraced";
    case PROGRAM_FOREIGN:
        return "is built for another architecture than this library; run untraced";
    case PROGRAM_MUSL:
        return "uses the musl C library, which this library would break; run untraced";
    }
    return "";
}

bool program_harmed(enum program_verdict verdict)
{
    return verdict != PROGRAM_TRACEABLE;
}

/* As execvp: the first runnable file of that name on PATH. */
static enum program_verdict find(const char *name, char *path)
{
    const char *dirs = getenv("PATH");
    enum program_verdict verdict = PROGRAM_MISSING;

    path[0] = '\0';
    if (strchr(name, '/')) {
        snprintf(path, PATH_MAX, "%s", name);
        if (access(path, X_OK) == 0)
            return PROGRAM_TRACEABLE;
        return errno == EACCES ? PROGRAM_NOT_RUNNABLE : PROGRAM_MISSING;
    }
    if (!*name)
        return PROGRAM_MISSING;
    if (!dirs)
        dirs = "/bin:/usr/bin";
    for (;;) {
        size_t len = strcspn(dirs, ":");
        struct stat st;
        int n = snprintf(path, PATH_MAX, "%.*s%s%s", (int)len, dirs, len ? "/" : "", name);

        if (n > 0 && n < PATH_MAX && stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
            if (access(path, X_OK) == 0)
                return PROGRAM_TRACEABLE;
            verdict = PROGRAM_NOT_RUNNABLE;
        }
        if (!dirs[len])
            break;
        dirs += len + 1;
    }
    if (verdict == PROGRAM_MISSING)
        path[0] = '\0';
    return verdict;
}

/* Would the kernel start it in secure mode (AT_SECURE) for this user? */
static bool changes_rights(int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return false;
    if ((st.st_mode & S_ISUID) && st.st_uid != geteuid())
        return true;
    if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getegid())
        return true;
    return geteuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

/* The interpreter a dynamic program asks for decides about its C library. */
static enum program_verdict examine_elf(int fd, const Elf64_Ehdr *header)
{
    Elf64_Phdr ph;

    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != OUR_MACHINE)
        return PROGRAM_FOREIGN;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        char interpreter[256] = "";
        off_t at = (off_t)(header->e_phoff + (uint64_t)i * header->e_phentsize);

        if (pread(fd, &ph, sizeof ph, at) != (ssize_t)sizeof ph)
            break;
        if (ph.p_type != PT_INTERP)
            continue;
        if (pread(fd, interpreter, sizeof interpreter - 1, (off_t)ph.p_offset) > 0 &&
            strstr(interpreter, "ld-musl"))
            return PROGRAM_MUSL;
        return PROGRAM_TRACEABLE;
    }
    return PROGRAM_STATIC;
}

/* The program a "#!" line names, in place. False when it names none. */
static bool interpreter_of(char *line)
{
    char *start = line + 2;
    size_t len;

    start += strspn(start, " \t");
    len = strcspn(start, " \t\r\n");
    memmove(line, start, len);
    line[len] = '\0';
    return len != 0;
}

enum program_verdict program_examine(const char *name, char *path)
{
    char at[PATH_MAX];
    enum program_verdict verdict = find(name, path);

    if (verdict != PROGRAM_TRACEABLE)
        return verdict;
    snprintf(at, sizeof at, "%s", path);
    for (int depth = 0; depth < SCRIPT_DEPTH; depth++) {
        union {
            Elf64_Ehdr elf;
            char text[PATH_MAX];
        } head;
        int fd = open(at, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
            return PROGRAM_TRACEABLE;
        memset(&head, 0, sizeof head);
        n = read(fd, &head, sizeof head - 1);
        if (n >= (ssize_t)EI_NIDENT && !memcmp(head.elf.e_ident, ELFMAG, SELFMAG)) {
            verdict = changes_rights(fd) ? PROGRAM_SETUID : examine_elf(fd, &head.elf);
            close(fd);
            return verdict;
        }
        close(fd);
        if (n < 2 || memcmp(head.text, "#!", 2) != 0 || !interpreter_of(head.text))
            return PROGRAM_TRACEABLE; /* a shell will run it */
        snprintf(at, sizeof at, "%s", head.text);
    }
    return verdict;
}
