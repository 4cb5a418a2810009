#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Loading: what else is preloaded, where libraries come from, what is missing. Differential."""
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import EXPORT, SHIM, TestCase, main, program, require  # noqa: E402

LIBRARIES = "/usr/lib/x86_64-linux-gnu"
PYTHON = "/usr/bin/python3"
PYTHON_SQLITE = ("import sqlite3; c = sqlite3.connect(':memory:');"
                 "print(c.execute('SELECT 40 + 2').fetchall())")


# Loads its arguments and runs them, three times over; prints what they say. The mapping takes the
# place of the library that went, so that it would not come back to the same one.
PLUGIN_HOST = r"""
#include <dlfcn.h>
#include <stdio.h>
#include <sys/mman.h>
int main(int argc, char **argv)
{
    for (int round = 0; round < 3; round++)
        for (int i = 1; i < argc; i++) {
            void *plugin = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
            const char *(*run)(void) = plugin ? dlsym(plugin, "run") : NULL;
            puts(run ? run() : dlerror());
            if (plugin)
                dlclose(plugin);
            mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        }
    return 0;
}
"""

# Says the path of the library that ran its statement: the one that called back.
SQLITE_PLUGIN = r"""
#include <dlfcn.h>
#include <sqlite3.h>
#include <stdio.h>
static char caller[4096];
static void where(sqlite3_context *context, int n, sqlite3_value **values)
{
    Dl_info info;
    (void)n;
    (void)values;
    if (dladdr(__builtin_return_address(0), &info))
        snprintf(caller, sizeof caller, "%s", info.dli_fname);
    sqlite3_result_int(context, 7);
}
const char *run(void)
{
    sqlite3 *db;
    sqlite3_stmt *s;
    if (sqlite3_open(":memory:", &db) ||
        sqlite3_create_function(db, "here", 0, SQLITE_UTF8, NULL, where, NULL, NULL) ||
        sqlite3_prepare_v2(db, "SELECT here()", -1, &s, 0))
        return "failed";
    if (sqlite3_step(s) != SQLITE_ROW || sqlite3_column_int(s, 0) != 7)
        return "wrong";
    if (sqlite3_finalize(s) || sqlite3_close(db))
        return "left open";
    return caller;
}
"""

SANITIZED_HOST = r"""
#include <sqlite3.h>
#include <stdio.h>
int main(void)
{
    sqlite3 *db;
    if (sqlite3_open(":memory:", &db))
        return 1;
    printf("%d\n", sqlite3_exec(db, "SELECT 1", NULL, NULL, NULL));
    return sqlite3_close(db);
}
"""

# A library with one function that is hooked and one that is not.
FAKE_SQLITE = r"""
int sqlite3_open(const char *filename, void **db)
{
    static char name[] = NAME;
    (void)filename;
    *db = name;
    return 0;
}
const char *sqlite3_sourceid(void)
{
    return NAME;
}
"""

FAKE_SQLITE_PLUGIN = r"""
#include <sqlite3.h>
#include <stdio.h>
const char *run(void)
{
    static char both[64];
    sqlite3 *db;
    if (sqlite3_open("x", &db))
        return "failed";
    snprintf(both, sizeof both, "%s/%s", (char *)db, sqlite3_sourceid());
    return both;
}
"""

CURL_PLUGIN = r"""
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdio.h>
static char caller[4096];
static size_t where(char *data, size_t size, size_t n, void *unused)
{
    Dl_info info;
    (void)data;
    (void)unused;
    if (dladdr(__builtin_return_address(0), &info))
        snprintf(caller, sizeof caller, "%s", info.dli_fname);
    return size * n;
}
const char *run(void)
{
    CURL *curl = curl_easy_init();
    char *url = NULL;
    curl_easy_setopt(curl, CURLOPT_URL, "file:///etc/passwd");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, where);
    if (curl_easy_perform(curl) || curl_easy_getinfo(curl, CURLINFO_EFFECTIVE_URL, &url) || !url)
        return "failed";
    curl_easy_cleanup(curl);
    return caller;
}
"""


def library(name):
    """Path of an installed library, None: not installed."""
    found = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True)
    paths = [line.split(" => ")[1] for line in found.stdout.splitlines()
             if line.strip().startswith(name + " ") and "x86-64" in line]
    return paths[0] if paths else None


def needs(name):
    return unittest.skipIf(not library(name), f"not installed: {name}")


class Preload(TestCase):
    def traced(self, cmd, spans=1, **more):
        got = self.differential(cmd, **more)
        self.assertEqual(len(list(got.spans)), spans, got.log)
        return got

    def copy_of_ours(self):
        """The two libraries in another folder."""
        folder = self.folder()
        return [shutil.copy(path, folder) for path in (SHIM, EXPORT)]

    def compile(self, name, text, *arguments):
        path = os.path.join(self.folder(), name)
        subprocess.run(["cc", "-Wall", "-D_GNU_SOURCE", "-fPIC", "-o", path, "-x", "c", "-",
                        "-x", "none", *arguments], input=text.encode(), check=True)
        return path

    # Functions that libc has in several versions.

    def test_a_program_linked_long_ago(self):
        script = os.path.join(self.folder(), "script")
        with open(script, "w") as f:
            f.write("echo run by a shell\nexit 3\n")
        os.chmod(script, 0o755)
        got = self.differential([program("old_versions"), script])
        self.assertIn(b"posix_spawn: ran 3", got.stdout)

    # Us more than once, and beside others.

    def test_named_twice(self):
        self.traced([program("exits"), "exit"], shim_env={"LD_PRELOAD": f"{SHIM}:{SHIM}"})

    def test_two_copies(self):
        """One traces, the other passes through: a span, not two, and no call goes in circles."""
        other, _ = self.copy_of_ours()
        for order in (f"{SHIM}:{other}", f"{other}:{SHIM}"):
            for cmd in ([program("exits"), "exit"], [PYTHON, "-c", PYTHON_SQLITE]):
                with self.subTest(order=order, cmd=cmd[0]):
                    self.traced(cmd, shim_env={"LD_PRELOAD": order})

    def beside(self, path, cmd, **more):
        for order in (f"{SHIM}:{path}", f"{path}:{SHIM}"):
            with self.subTest(order=order):
                self.traced(cmd, shim_env={"LD_PRELOAD": order, **more})

    @needs("libjemalloc.so.2")
    def test_jemalloc(self):
        self.beside(library("libjemalloc.so.2"), [PYTHON, "-c", PYTHON_SQLITE])

    @needs("libtcmalloc_minimal.so.4")
    def test_tcmalloc(self):
        self.beside(library("libtcmalloc_minimal.so.4"), [PYTHON, "-c", PYTHON_SQLITE])

    def test_address_sanitizer(self):
        """It wants to be first, and refuses RTLD_DEEPBIND: the module is loaded without it."""
        runtime = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True,
                                 text=True, check=True).stdout.strip()
        if not os.path.isabs(runtime):
            self.skipTest("not installed: libasan")
        host = self.compile("host", SANITIZED_HOST, "-fsanitize=address", "-lsqlite3")
        native = self.run_program([host], shim=False)
        got = self.run_program([host], env={"LD_PRELOAD": f"{os.path.realpath(runtime)}:{SHIM}"})
        self.assertEqual(got.same, native.same, got.log)
        self.assertEqual((got.stdout, len(list(got.spans))), (b"0\n", 1), got.log)

    @require("faketime")
    def test_faketime(self):
        path = os.path.join(LIBRARIES, "faketime", "libfaketime.so.1")
        self.beside(path, [PYTHON, "-c", PYTHON_SQLITE], FAKETIME="+0")

    @require("stdbuf")
    def test_stdbuf(self):
        """stdbuf puts its own library into LD_PRELOAD, before ours."""
        self.traced(["stdbuf", "-o0", program("exits"), "exit"])

    @require("bash")
    def test_bash(self):
        """bash has a malloc of its own."""
        self.differential(["bash", "-c", "for i in 1 2 3; do echo $i | cat; done; exit 5"])

    # What the log says at level debug.

    def test_hooks_are_told_with_what_they_are_bound_to(self):
        got = self.differential([program("exits"), "exit"],
                                shim_env={"OTEL_LOG_LEVEL": "debug", "OTEL_AUTO_DISABLE": "curl"})
        listed = subprocess.run(["nm", "-D", "--defined-only", SHIM], capture_output=True,
                                text=True, check=True).stdout
        hooks = {line.split()[-1].split("@")[0] for line in listed.splitlines()
                 if line.split()[-2] != "A"}
        told = {}
        for line in got.log.splitlines():
            found = re.search(r"debug: hooks (.*): ([^:]*)$", line)
            if found:
                told.setdefault(found[1], set()).update(found[2].split())
        libc = [where for where in told if re.fullmatch(r"bound to /\S*/libc\.so\.6", where)]
        self.assertEqual(len(libc), 1, got.log)
        self.assertLessEqual({"read", "close", "execve", "accept4"}, told[libc[0]])
        self.assertIn("curl_easy_perform", told["left out by OTEL_AUTO_DISABLE, curl"])
        self.assertIn("sqlite3_step", told["bound when they are called, sqlite"])
        self.assertLessEqual(set.union(*told.values()), hooks)
        own = {name for name in hooks if name.startswith("otel_")}
        self.assertEqual(hooks - own - set.union(*told.values()), set())
        self.assertRegex(got.log, r"sqlite: calls of the program are bound to /\S*libsqlite3\.so")

    # The exporter module.

    def test_module_is_found_from_anywhere(self):
        """LD_PRELOAD by a relative path, and a host that goes elsewhere before its first span."""
        script = f"import os; os.chdir('/'); {PYTHON_SQLITE}"
        self.traced([PYTHON, "-c", script], cwd=os.path.dirname(SHIM),
                    shim_env={"LD_PRELOAD": "./" + os.path.basename(SHIM)})

    def without_module(self, spoil):
        shim, module = self.copy_of_ours()
        spoil(module)
        got = self.differential([program("exits"), "exit"],
                                shim_env={"LD_PRELOAD": shim, "OTEL_LOG_LEVEL": "debug"})
        self.assertEqual(list(got.spans), [])
        self.assertEqual(got.log.count("exporter module not loaded"), 1, got.log)
        self.assertIn("started 1 = exported 0 + dropped 1", got.log)
        return got

    def test_module_missing(self):
        self.without_module(os.unlink)

    def test_module_unreadable(self):
        def spoil(path):
            with open(path, "w", encoding="utf-8") as f:
                f.write("no library")
        self.without_module(spoil)

    def test_module_of_another_build(self):
        def spoil(path):
            os.replace(self.compile("other.so", "unsigned otel_export_module = 999;", "-shared"),
                       path)
        self.assertIn("of another build", self.without_module(spoil).log)

    # Copies of traced libraries.

    @require("perl")
    def test_plugins(self):
        """Python and Perl load SQLite RTLD_LOCAL, where dlsym(RTLD_NEXT) does not find it."""
        self.traced([PYTHON, "-c", PYTHON_SQLITE])
        got = self.differential(["perl", "-MDBI", "-e",
                                 "my $d = DBI->connect('dbi:SQLite:dbname=:memory:');"
                                 "print $d->selectrow_array('SELECT 40 + 2'), qq{\\n}"])
        self.assertTrue(list(got.spans), got.log)  # the driver runs statements of its own, too

    def sqlite_copy(self, soname):
        """Another SQLite (its symbols have no versions), under a name as long as the first's: of
        two libraries of one name the loader takes the one it has."""
        with open(library("libsqlite3.so.0"), "rb") as f:
            data = f.read()
        self.assertEqual(len(soname), len("libsqlite3.so.0"))
        path = os.path.join(self.folder(), soname)
        with open(path, "wb") as f:
            f.write(data.replace(b"libsqlite3.so.0\0", soname.encode() + b"\0"))
        return path

    def plugin(self, text, copy):
        return self.compile("plugin.so", text, "-shared", copy,
                            "-Wl,-rpath," + os.path.dirname(copy))

    def test_two_sqlites(self):
        """Each of two plugins runs on the copy it is linked with, also when it comes again."""
        copies = [self.sqlite_copy(name)
                  for name in ("libsqliteA.so.0", "libsqliteB.so.0")]
        plugins = [self.plugin(SQLITE_PLUGIN, copy) for copy in copies]
        host = self.compile("host", PLUGIN_HOST)
        got = self.traced([host, *plugins], spans=6)
        self.assertEqual(got.stdout.decode().split(), copies * 3)

    def test_unversioned_copy_in_the_global_scope(self):
        """The loader binds a plugin's unversioned reference to the program's copy, not to the one
        the plugin was linked with; so do we, or hooked and other functions would be of two."""
        copies = [self.compile(f"lib{name}.so", FAKE_SQLITE, "-shared", f'-DNAME="{name}"',
                               f"-Wl,-soname,lib{name}.so") for name in ("global", "own")]
        plugin = self.plugin(FAKE_SQLITE_PLUGIN, copies[1])
        host = self.compile("host", PLUGIN_HOST, "-Wl,--no-as-needed", copies[0],
                            "-Wl,-rpath," + os.path.dirname(copies[0]))
        got = self.differential([host, plugin])
        self.assertEqual(got.stdout.split(), [b"global/global"] * 3)

    @needs("libcurl-gnutls.so.4")
    @needs("libcurl.so.4")
    def test_two_curls(self):
        """Their symbols have versions, so a plugin keeps its own even beside a global one."""
        names = ("libcurl.so.4", "libcurl-gnutls.so.4")
        plugins = [self.plugin(CURL_PLUGIN, library(name)) for name in names]
        for globally in ((), ("-Wl,--no-as-needed", library(names[0])),
                         ("-Wl,--no-as-needed", library(names[1]))):
            with self.subTest(globally=globally):
                host = self.compile("host", PLUGIN_HOST, *globally)
                got = self.traced([host, *plugins], spans=6)
                self.assertEqual([os.path.basename(p) for p in got.stdout.decode().split()],
                                 list(names) * 3)

    # Early and late.

    def test_before_our_constructor(self):
        """A library's constructor calls hooks before ours has run."""
        early = self.compile("early.so", r"""
#include <dlfcn.h>
#include <stdio.h>
#include <sqlite3.h>
#include <unistd.h>
__attribute__((constructor)) static void early(void)
{
    sqlite3 *db = NULL;
    int end[2], opened = sqlite3_open(":memory:", &db);
    int ran = sqlite3_exec(db, "SELECT 1", NULL, NULL, NULL);
    printf("early %d %d %d %d %d\n", pipe(end), close(end[0]), dup2(end[1], 9), opened, ran);
    sqlite3_close(db);
    dlopen("libm.so.6", RTLD_NOW);
}
""", "-shared", "-lsqlite3")
        host = self.compile("host", "int main(void) { return 4; }\n", "-Wl,--no-as-needed", early)
        got = self.differential([host])
        self.assertEqual((got.rc, got.stdout), (4, b"early 0 0 9 0 0\n"))

    def test_constructor_that_waits_for_a_thread(self):
        """The thread's first call into a hook must not wait for the loader, which waits for it."""
        waiting = self.compile("waiting.so", r"""
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *run(void *unused)
{
    close(open("/dev/null", O_RDONLY));
    return unused;
}
__attribute__((constructor)) static void wait(void)
{
    pthread_t t;
    pthread_create(&t, NULL, run, NULL);
    pthread_join(t, NULL);
    puts("joined");
}
""", "-shared")
        host = self.compile("host", f"""
#include <dlfcn.h>
int main(void) {{ return dlopen("{waiting}", RTLD_NOW) ? 0 : 1; }}
""")
        self.assertEqual(self.differential([host], timeout=30).stdout, b"joined\n")

    def test_loading_does_nothing_visible(self):
        """No thread, no descriptor, no library but ours, no file."""
        cmd = [PYTHON, "-c", "import os; print(sorted(os.listdir('/proc/self/fd')),"
               "len(os.listdir('/proc/self/task')));"
               "print('curl' in open('/proc/self/maps').read())"]
        self.differential(cmd)

    def test_environment_is_not_touched(self):
        self.differential(["env"], normalise=lambda out: b"\n".join(
            line for line in out.split(b"\n") if not line.startswith((b"OTEL_", b"LD_PRELOAD="))))

    def test_small_limits(self):
        """A host with hardly any descriptors, or no more processes, behaves as without us."""
        for limits in ("ulimit -n 5", "ulimit -u 1", "ulimit -f 0"):
            with self.subTest(limits=limits):
                self.differential(["sh", "-c", f"{limits}; exec {program('exits')} exit"],
                                  env={"OTEL_AUTO_EXIT_TIMEOUT": "1000"})


if __name__ == "__main__":
    main()
