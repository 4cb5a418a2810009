/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config.h"
#include "core/generation.h"
#include "core/process_span.h"
#include "core/tls.h"
#include "core/tracer.h"
#include "preload/exit.h"
#include "preload/init.h"

#define SEARCHED_MAX 1024 /* longer paths in PATH are not looked at */

enum verdict { NOT_THERE, PLAIN, SET_ID };

static enum verdict look_at(int fd, const char *path)
{
    struct stat st;

    if (fstatat(fd, path ? path : "", &st, path && *path ? 0 : AT_EMPTY_PATH) < 0 ||
        !S_ISREG(st.st_mode) || !(st.st_mode & 0111))
        return NOT_THERE;
    if (path && *path && faccessat(fd, path, X_OK, AT_EACCESS) < 0)
        return NOT_THERE;
    return st.st_mode & (S_ISUID | S_ISGID) ? SET_ID : PLAIN;
}

/* As execvp() does: the first that can be run. An empty member is the working folder. */
static enum verdict search(const char *name)
{
    const char *folder = otel_env_lookup("PATH");
    size_t name_len = strlen(name);
    char path[SEARCHED_MAX];

    for (folder = folder ? folder : "/bin:/usr/bin"; folder;) {
        const char *end = strchrnul(folder, ':');
        size_t len = (size_t)(end - folder);

        if (len + name_len + 2 <= sizeof path) {
            enum verdict verdict;

            memcpy(path, folder, len);
            path[len] = '/';
            memcpy(path + len + (len != 0), name, name_len + 1);
            verdict = look_at(AT_FDCWD, path);
            if (verdict != NOT_THERE)
                return verdict;
        }
        folder = *end ? end + 1 : NULL;
    }
    return NOT_THERE;
}

/* Asked only where it matters: system calls. */
static enum verdict look(struct otel_exec_file file)
{
    if (!otel_config.follow && !otel_process_span_open())
        return PLAIN;
    if (file.search && file.path && !strchr(file.path, '/'))
        return search(file.path);
    return look_at(file.fd, file.path);
}

static bool is_ours(void)
{
    return otel_preload_active() && !otel_guard_inside() && otel_tracer_enabled();
}

static void plan(struct otel_exec *e, char *const envp[], bool follow)
{
    size_t size = is_ours() ? otel_environment_plan(&e->environment, envp, follow) : 0;

    e->ours = size != 0;
    e->stack = size;
    e->room = (struct otel_room){0};
    if (size > OTEL_ENVIRONMENT_STACK_MAX) {
        e->stack = 0;
        e->ours = otel_room_take(&e->room, size) != NULL;
    }
}

bool otel_exec_plan(struct otel_exec *e, struct otel_exec_file file, char *const envp[])
{
    int saved = errno;

    e->replaced = false;
    if (is_ours() && otel_generation())
        otel_process_span_ensure(); /* the child hangs below it */
    plan(e, envp, is_ours() && otel_config.follow && look(file) == PLAIN);
    errno = saved;
    return e->ours;
}

void otel_exec_spawned(struct otel_exec *e)
{
    otel_room_give(&e->room);
}

bool otel_exec_prepare(struct otel_exec *e, struct otel_exec_file file, char *const envp[])
{
    int saved = errno;
    enum verdict verdict = is_ours() ? look(file) : NOT_THERE;

    e->replaced = verdict != NOT_THERE && otel_exit_replace(OTEL_STATUS_UNKNOWN);
    if (verdict == NOT_THERE)
        otel_exit_flush();
    plan(e, envp, verdict == PLAIN);
    errno = saved;
    return e->ours;
}

void otel_exec_failed(struct otel_exec *e)
{
    otel_room_give(&e->room);
    otel_exit_return(e->replaced);
}
