/* SPDX-License-Identifier: Apache-2.0
 *
 * otel-auto: the launcher. `run` sets the environment and becomes the program; `env` prints the
 * settings (settings.c), `drain` empties the spool (drain.c). It stays no process of its own:
 * signals, job control and exit status are the program's.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/config.h"
#include "core/version.h"
#include "scripts/drain.h"
#include "scripts/find.h"
#include "scripts/program.h"
#include "scripts/settings.h"

#define LIBRARY "libotel_auto.so"

/* Exit codes for what could not be started, as of env(1) and the shells. */
enum { EXIT_USAGE = 2, EXIT_NOT_RUNNABLE = 126, EXIT_NOT_FOUND = 127 };

static const char help[] =
    "otel-auto: traces unmodified programs with OpenTelemetry\n"
    "\n"
    "  otel-auto run [options] [--] PROGRAM [ARGUMENT...]\n"
    "      --service NAME    service.name of the traces (default: the program's name)\n"
    "      --endpoint URL    OTLP collector (default http://localhost:4318)\n"
    "      --tree, --console print each trace as a tree on standard error\n"
    "      --file FILE       append spans to FILE as OTLP JSON lines\n"
    "      --sample RATIO    record this part of the traces, 0 to 1 (default 1)\n"
    "      --config FILE     take all settings from FILE (declarative configuration, YAML)\n"
    "  otel-auto drain       send what programs that died left in the spool\n"
    "  otel-auto env         list every setting with its default\n"
    "      --config FILE     list what holds by FILE, and where it says so\n"
    "  otel-auto --help\n"
    "  otel-auto --version\n"
    "\n"
    "--tree and --file replace the collector; name --endpoint as well to have both.\n"
    "Settings given as environment variables hold too; options win over them.\n";

struct run_options {
    const char *service;
    const char *endpoint;
    const char *file;
    const char *sample;
    const char *config;
    bool tree;
};

static int usage(const char *what, const char *arg)
{
    fprintf(stderr, "otel-auto: %s%s%s (see otel-auto --help)\n", what, arg ? " " : "",
            arg ? arg : "");
    return EXIT_USAGE;
}

/* Is path an element of the list (separated by colons or spaces: ld.so(8))? */
static bool listed(const char *list, const char *path)
{
    size_t len = strlen(path);

    while (*list) {
        size_t n = strcspn(list, ": ");

        if (n == len && !strncmp(list, path, n))
            return true;
        list += n + (list[n] != '\0');
    }
    return false;
}

/* Appends the library to LD_PRELOAD: what the user preloads already keeps its place. */
static void preload(const char *library)
{
    const char *have = getenv("LD_PRELOAD");
    char *both;

    if (!have || !*have) {
        setenv("LD_PRELOAD", library, 1);
    } else if (!listed(have, library) && asprintf(&both, "%s:%s", have, library) > 0) {
        setenv("LD_PRELOAD", both, 1);
        free(both);
    }
}

/* A variable that names a file, by an absolute path: the program may change its folder before it
 * opens it, and its children have others. */
static void set_file(const char *variable, const char *file)
{
    char cwd[PATH_MAX];
    char *absolute;

    if (file[0] == '/' || !getcwd(cwd, sizeof cwd)) {
        setenv(variable, file, 1);
    } else if (asprintf(&absolute, "%s/%s", cwd, file) > 0) {
        setenv(variable, absolute, 1);
        free(absolute);
    }
}

static void set_environment(const struct run_options *o)
{
    char exporters[64];

    if (o->service)
        setenv("OTEL_SERVICE_NAME", o->service, 1);
    if (o->endpoint)
        setenv("OTEL_EXPORTER_OTLP_ENDPOINT", o->endpoint, 1);
    if (o->file)
        set_file("OTEL_AUTO_FILE", o->file);
    if (o->config)
        set_file("OTEL_CONFIG_FILE", o->config);
    if (o->tree || o->file) {
        snprintf(exporters, sizeof exporters, "%s%s%s", o->endpoint ? "otlp," : "",
                 o->tree ? "console," : "", o->file ? "file," : "");
        exporters[strlen(exporters) - 1] = '\0';
        setenv("OTEL_TRACES_EXPORTER", exporters, 1);
    } else if (o->endpoint) {
        setenv("OTEL_TRACES_EXPORTER", "otlp", 1);
    }
    if (o->sample) {
        setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio", 1);
        setenv("OTEL_TRACES_SAMPLER_ARG", o->sample, 1);
    }
}

static bool is_ratio(const char *text)
{
    char *end;
    double v = strtod(text, &end);

    return *text && !*end && v >= 0 && v <= 1;
}

/* Reads the options of run. Returns the index of PROGRAM, or -1 after saying what is wrong. */
static int read_options(int argc, char **argv, struct run_options *o)
{
    int i;

    for (i = 2; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        const char **value = NULL;

        if (!strcmp(argv[i], "--")) {
            i++;
            break;
        }
        if (!strcmp(argv[i], "--tree") || !strcmp(argv[i], "--console"))
            o->tree = true;
        else if (!strcmp(argv[i], "--service"))
            value = &o->service;
        else if (!strcmp(argv[i], "--endpoint"))
            value = &o->endpoint;
        else if (!strcmp(argv[i], "--file"))
            value = &o->file;
        else if (!strcmp(argv[i], "--sample"))
            value = &o->sample;
        else if (!strcmp(argv[i], "--config"))
            value = &o->config;
        else
            return usage("unknown option", argv[i]), -1;
        if (value && i + 1 >= argc)
            return usage("a value is missing after", argv[i]), -1;
        if (value)
            *value = argv[++i];
    }
    if (o->config && (o->service || o->endpoint || o->file || o->sample || o->tree))
        return usage("--config takes the place of every other option", NULL), -1;
    if (o->sample && !is_ratio(o->sample))
        return usage("--sample takes a number from 0 to 1, not", o->sample), -1;
    if (i >= argc)
        return usage("no program was named", NULL), -1;
    return i;
}

/* Sets LD_PRELOAD for a program that can take it; else one line says why not. path gets the file.
 */
static enum program_verdict prepare(const char *program, char *path)
{
    char library[PATH_MAX];
    enum program_verdict verdict = program_examine(program, path);

    if (verdict != PROGRAM_TRACEABLE)
        fprintf(stderr, "otel-auto: %s %s\n", path[0] ? path : program, program_reason(verdict));
    if (program_harmed(verdict))
        return verdict;
    if (!find_library(LIBRARY, library))
        fprintf(stderr, "otel-auto: %s was not found beside otel-auto or in %s; run untraced\n",
                LIBRARY, OTEL_LIBDIR);
    else if (strpbrk(library, ": "))
        fprintf(stderr,
                "otel-auto: %s cannot be preloaded, its path has a space or a colon; run "
                "untraced\n",
                library);
    else
        preload(library);
    return verdict;
}

static int run(int argc, char **argv)
{
    struct run_options options = {0};
    char path[PATH_MAX];
    int at = read_options(argc, argv, &options);
    int err;

    if (at < 0)
        return EXIT_USAGE;
    set_environment(&options);
    /* execvp hands what the kernel cannot run to the shell; a foreign binary is no script. */
    if (prepare(argv[at], path) == PROGRAM_FOREIGN)
        execv(path, argv + at);
    else
        execvp(argv[at], argv + at);
    err = errno;
    if (err != ENOENT)
        fprintf(stderr, "otel-auto: %s: %s\n", argv[at], strerror(err));
    return err == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_RUNNABLE;
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";

    if (!strcmp(command, "run"))
        return run(argc, argv);
    if (!strcmp(command, "env") && argc == 2)
        return settings_print();
    if (!strcmp(command, "env") && argc == 4 && !strcmp(argv[2], "--config"))
        return settings_print_file(argv[3]);
    if (!strcmp(command, "env"))
        return usage("env takes no arguments, or --config FILE", NULL);
    if (!strcmp(command, "drain") && argc == 2)
        return drain();
    if (!strcmp(command, "--help") || !strcmp(command, "-h") || !strcmp(command, "help")) {
        fputs(help, stdout);
        return 0;
    }
    if (!strcmp(command, "--version")) {
        puts("otel-auto " OTEL_AUTO_VERSION);
        return 0;
    }
    return *command ? usage("unknown command", command) : usage("no command", NULL);
}
