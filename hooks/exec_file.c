/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config.h"
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

size_t otel_exec_plan(struct otel_environment *e, struct otel_exec_file file, char *const envp[])
{
    int saved = errno;
    size_t room = 0;

    if (is_ours())
        room = otel_environment_plan(e, envp, otel_config.follow && look(file) == PLAIN);
    errno = saved;
    return room;
}

size_t otel_exec_prepare(struct otel_exec *e, struct otel_exec_file file, char *const envp[])
{
    int saved = errno;
    enum verdict verdict = is_ours() ? look(file) : NOT_THERE;
    size_t room = 0;

    e->replaced = verdict != NOT_THERE && otel_exit_replace(OTEL_STATUS_UNKNOWN);
    if (verdict == NOT_THERE)
        otel_exit_flush();
    if (is_ours())
        room = otel_environment_plan(&e->environment, envp, verdict == PLAIN);
    errno = saved;
    return room;
}

void otel_exec_failed(const struct otel_exec *e)
{
    otel_exit_return(e->replaced);
}
