/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/report.h"

#include <stdbool.h>
#include <string.h>

#include "core/config.h"
#include "core/log.h"
#include "preload/elf.h"
#include "preload/hook.h"

#define LINE 400 /* characters of names on a line of the log */

/* Names on their way to the log. */
struct names {
    const char *head;
    const char *where; /* NULL: nowhere */
    char text[LINE];
    size_t len;
};

static void flush(struct names *names)
{
    if (names->len)
        otel_log(OTEL_LOG_DEBUG, "%s%s:%.*s", names->head, names->where ? names->where : "",
                 (int)names->len, names->text);
    names->len = 0;
}

static void add(struct names *names, const char *name)
{
    size_t len = strlen(name);

    if (len + 1 > sizeof names->text)
        return;
    if (names->len + 1 + len > sizeof names->text)
        flush(names);
    names->text[names->len++] = ' ';
    memcpy(names->text + names->len, name, len);
    names->len += len;
}

/* The main program has no name. */
static const char *path_of(const struct link_map *map)
{
    if (!map)
        return "generated code";
    return *map->l_name ? map->l_name : "the program";
}

/* Where the real function of a libc hook lies, NULL: there is none. */
static const struct link_map *bound_to(const struct otel_hook *hook)
{
    struct otel_elf_module module;
    void *function = hook->real ? __atomic_load_n(hook->real, __ATOMIC_RELAXED) : NULL;

    return function && otel_elf_module_of(function, &module) ? module.map : NULL;
}

static bool told_before(const struct otel_hook *hook)
{
    for (const struct otel_hook *h = __start_otel_hooks; h < hook; h++) {
        if (h->real && bound_to(h) == bound_to(hook))
            return true;
    }
    return false;
}

static void report_libc(const struct otel_hook *first)
{
    const struct link_map *map = bound_to(first);
    struct names names = {.head = map ? "hooks bound to " : "hooks without a function of this libc",
                          .where = map ? path_of(map) : NULL};

    for (const struct otel_hook *hook = first; hook < __stop_otel_hooks; hook++) {
        if (hook->real && bound_to(hook) == map)
            add(&names, hook->name);
    }
    flush(&names);
}

static void report_family(const struct otel_hook *first)
{
    const struct otel_family *family = first->family;
    struct names names = {.head = otel_config_family_disabled(family->name)
                                      ? "hooks left out by OTEL_AUTO_DISABLE, "
                                      : "hooks bound when they are called, ",
                          .where = family->name};

    for (const struct otel_hook *hook = first; hook < __stop_otel_hooks; hook++) {
        if (hook->family == family)
            add(&names, hook->name);
    }
    flush(&names);
}

static bool first_of_family(const struct otel_hook *hook)
{
    for (const struct otel_hook *h = __start_otel_hooks; h < hook; h++) {
        if (h->family == hook->family)
            return false;
    }
    return true;
}

void otel_report_hooks(void)
{
    if (!otel_log_enabled(OTEL_LOG_DEBUG))
        return;
    for (const struct otel_hook *hook = __start_otel_hooks; hook < __stop_otel_hooks; hook++) {
        if (hook->real && !told_before(hook))
            report_libc(hook);
        else if (hook->family && first_of_family(hook))
            report_family(hook);
    }
    if (otel_config_family_disabled("sockets"))
        otel_log(OTEL_LOG_DEBUG, "sockets are left out by OTEL_AUTO_DISABLE");
}

void otel_report_library(const struct otel_library *library, const struct link_map *caller)
{
    const struct link_map *map = library->map;
    struct names missing = {.head = "not in ", .where = path_of(map)};

    if (!otel_log_enabled(OTEL_LOG_DEBUG))
        return;
    otel_log(OTEL_LOG_DEBUG, "%s: calls of %s are bound to %s", library->family->name,
             path_of(caller), path_of(map));
    for (const struct otel_hook *hook = __start_otel_hooks; hook < __stop_otel_hooks; hook++) {
        if (hook->family == library->family && !library->real[hook->slot])
            add(&missing, hook->name);
    }
    flush(&missing);
}

void otel_report_unbound(const struct otel_hook *hook, const struct link_map *caller)
{
    otel_log(OTEL_LOG_DEBUG, "%s: %s, called by %s, is nowhere to be found", hook->family->name,
             hook->name, path_of(caller));
}
