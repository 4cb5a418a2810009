#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The checks of style, layers and symbols fail on what they are to find, and only on that."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"

# A small project that every check accepts.
TREE = {
    "core/a.h": SPDX + "/* Doubles.\n * Any thread. */\n#ifndef A_H\n#define A_H\n\n"
                       "int otel_a(int n);\n\n#endif\n",
    "core/a.c": SPDX + '#include "core/a.h"\n\nint otel_a(int n)\n{\n    return 2 * n;\n}\n',
    "core/config.c": SPDX + "#include <stdlib.h>\n\nconst char *otel_env(void)\n{\n"
                            '    return getenv("X");\n}\n',
    "core/export/module.h": SPDX + "/* The contract. */\n",
    "core/export/module.c": SPDX + '#include "core/export/module.h"\n\n'
                                   "#include <curl/curl.h>\n#include <unistd.h>\n\n"
                                   '__attribute__((visibility("default"))) int otel_export_module;'
                                   "\nvoid *otel_easy(void)\n{\n"
                                   "    return getpid() ? curl_easy_init() : 0;\n}\n",
    "core/export/exports.map": "{ global: otel_export_module; local: *; };\n",
    "preload/p.c": SPDX + '#include "core/a.h"\n\nint otel_p(void)\n{\n    return otel_a(1);\n}\n',
    "preload/functions/module.h": SPDX + "/* The contract. */\n",
    "preload/functions/module.c": SPDX + '#include "preload/functions/module.h"\n\n'
                                  "#include <unistd.h>\n\n"
                                  '__attribute__((visibility("default"))) int '
                                  "otel_functions_module;\nint otel_page(void)\n{\n"
                                  "    return getpagesize();\n}\n",
    "preload/functions/exports.map": "{ global: otel_functions_module; local: *; };\n",
    "hooks/h.c": SPDX + '#include "core/a.h"\n\n'
                        "int otel_hook_of_close;\n"
                        '__attribute__((visibility("default"))) int otel_thread_ctx_v1;\n'
                        '__attribute__((visibility("default"))) int close(int fd)\n{\n'
                        "    return otel_a(fd);\n}\n",
}


class Checks(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="otel-test-")
        self.addCleanup(shutil.rmtree, self.root)
        shutil.copy(os.path.join(ROOT, ".clang-format"), self.root)
        for path, text in TREE.items():
            self.write(path, text)

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)

    def doctor(self, path, old, new):
        text = TREE[path]
        self.assertIn(old, text)
        self.write(path, text.replace(old, new))

    def check(self, name, *arguments):
        done = subprocess.run([sys.executable, os.path.join(ROOT, "scripts", name), *arguments],
                              capture_output=True, text=True, check=False, timeout=60)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        self.assertEqual(done.returncode, 1 if done.stderr else 0)
        return done.stderr.splitlines()

    def finds(self, name, pattern, *arguments):
        """Exactly one fault, of that kind."""
        faults = self.check(name, *(arguments or (self.root,)))
        self.assertEqual(len(faults), 1, faults)
        self.assertRegex(faults[0], pattern)


class Style(Checks):
    def test_clean(self):
        self.assertEqual(self.check("check-style", self.root), [])

    def test_spdx(self):
        self.doctor("core/config.c", SPDX, "")
        self.finds("check-style", r"core/config\.c:1: no SPDX")

    def test_columns(self):
        self.doctor("core/a.h", "Any thread.", "x" * 96)
        self.assertIn("core/a.h:3: 102 columns, 100 at most", self.check("check-style", self.root))

    def test_columns_count_characters(self):
        self.doctor("core/a.h", "Any thread.", "\u2026" * 90)
        self.assertEqual([f for f in self.check("check-style", self.root) if "columns" in f], [])

    def test_long_file(self):
        self.write("core/b.c", SPDX + "\nextern int n;" * 599 + "\n")
        self.assertIn("core/b.c: 601 lines, 600 at most", self.check("check-style", self.root))

    def long_function(self, statements, head="int f(void)"):
        return SPDX + "\n" + head + "\n{\n" + "    ;\n" * statements + "}\n"

    def test_long_function(self):
        self.write("core/b.c", self.long_function(79))
        found = self.check("check-style", self.root)
        self.assertIn("core/b.c:4: function of 81 lines, 80 at most", found)

    def test_braces_in_text_do_not_count(self):
        body = '    const char *s = "}}}{"; /* }}} */\n    char c = \'}\';\n' + "    ;\n" * 77
        self.write("core/b.c", SPDX + "\nstatic int table[] = {1};\n"
                   "\n__attribute__((constructor)) static void f(void)\n{\n" + body + "}\n")
        self.assertIn("core/b.c:6: function of 81 lines, 80 at most",
                      self.check("check-style", self.root))

    def test_types_are_not_functions(self):
        self.write("core/b.c", SPDX + "\nstruct s {\n" + "    int (*f)(void);\n" * 90 + "};\n")
        self.assertFalse([f for f in self.check("check-style", self.root) if "function of" in f])

    def test_long_hook(self):
        self.write("hooks/b.c", self.long_function(16, "OTEL_HOOK_LIBC(int, f, (int fd))"))
        self.assertIn("hooks/b.c:4: hook body of 16 lines, 15 at most",
                      self.check("check-style", self.root))

    def test_most_are_small(self):
        self.write("core/b.c", self.long_function(60))
        self.assertTrue([f for f in self.check("check-style", self.root)
                         if re.match(r"functions: only \d+ of \d+ have 50 lines or fewer", f)])

    def test_header_comment(self):
        self.doctor("core/a.h", "int otel_a(int n);", "int otel_a(int n);\n" * 9)
        self.assertIn("core/a.h: 20% comment, a third at least",
                      self.check("check-style", self.root))

    def test_own_header_first(self):
        self.doctor("core/a.c", "#include", "#include <stddef.h>\n#include")
        self.finds("check-style", r"core/a\.c: its own header is not included first")

    def test_typedef(self):
        self.doctor("core/a.c", "\nint", "\ntypedef struct s s;\nint")
        self.finds("check-style", r"core/a\.c: typedef")

    def test_note(self):
        self.doctor("core/a.c", "    return", "    /* TO" + "DO */\n    return")
        self.finds("check-style", r"core/a\.c:6: a note to self")

    def test_format(self):
        self.doctor("core/a.c", "    return", "  return")
        self.finds("check-style", r"core/a\.c:\d+:.*clang-format")

    def test_makefile(self):
        self.write("Makefile", "# SPDX-License-Identifier: Apache-2.0\n" + "\n" * 200)
        self.finds("check-style", "Makefile: over 200 lines")


class Layers(Checks):
    def include(self, path, target):
        text = TREE.get(path, SPDX)
        self.write(path, text + f'#include "{target}"\n')

    def test_clean(self):
        self.include("hooks/h.c", "preload/p.h")
        self.include("preload/p.c", "core/export/module.h")
        self.include("tests/unit/test_a.c", "tests/support/x.h")
        self.assertEqual(self.check("check-layers", self.root), [])

    def test_arrows(self):
        for path, target in (("core/a.c", "preload/p.h"), ("core/a.c", "hooks/h.h"),
                             ("core/a.c", "core/export/otlp.h"), ("preload/p.c", "hooks/h.h"),
                             ("core/export/module.c", "preload/p.h"), ("hooks/h.c", "tests/t.h"),
                             ("preload/p.c", "core/export/otlp.h"), ("hooks/h.c", "hooks/g.h"),
                             ("tests/unit/test_a.c", "preload/p.h"), ("core/a.c", "a.h"),
                             ("preload/functions/module.c", "hooks/h.h"),
                             ("preload/p.c", "preload/functions/x.h"),
                             ("tests/programs/p.c", "core/a.h"), ("hooks/h.c", "hooks/h_x.c")):
            with self.subTest(path=path, target=target):
                self.include(path, target)
                self.finds("check-layers", re.escape(path) + r":\d+: .*" + re.escape(target))
                if path in TREE:
                    self.write(path, TREE[path])
                else:
                    os.unlink(os.path.join(self.root, path))


class Symbols(Checks):
    def compile(self, *arguments):
        subprocess.run(["cc", "-O1", "-w", "-fPIC", "-ffreestanding", "-fvisibility=hidden", "-I.",
                        *arguments], cwd=self.root, check=True)

    def build(self, extra_auto=()):
        """Builds as the Makefile does; returns the build folder."""
        out = os.path.join(self.root, "build")
        objects = {}
        for folder, _, names in os.walk(self.root):
            for name in names:
                if name.endswith(".c"):
                    source = os.path.relpath(os.path.join(folder, name), self.root)
                    objects[source] = os.path.join("build", source[:-1] + "o")
                    os.makedirs(os.path.dirname(os.path.join(self.root, objects[source])),
                                exist_ok=True)
                    self.compile("-c", "-o", objects[source], source)
        core = [o for s, o in objects.items() if os.path.dirname(s) == "core"]
        auto = [o for s, o in objects.items() if os.path.dirname(s) in ("preload", "hooks")]
        module = [o for s, o in objects.items() if s.startswith("core/export/")]
        subprocess.run(["ar", "rcs", "build/libotel_core.a", *core], cwd=self.root, check=True)
        self.compile("-shared", "-o", "build/libotel_auto.so", *auto, "build/libotel_core.a",
                     *extra_auto)
        self.compile("-shared", "-o", "build/libotel_export.so", *module,
                     "-Wl,--version-script=core/export/exports.map", "-lcurl")
        functions = [o for s, o in objects.items() if s.startswith("preload/functions/")]
        self.compile("-shared", "-o", "build/libotel_functions.so", *functions,
                     "-Wl,--version-script=preload/functions/exports.map")
        return out

    def finds_symbol(self, pattern, **how):
        self.finds("check-symbols", pattern, self.build(**how), self.root)

    def setUp(self):
        super().setUp()
        # A reference to libc, so that the linker notes the need for it.
        self.write("preload/libc.c", SPDX + "#include <unistd.h>\n\nint otel_pid(void)\n{\n"
                                            "    return getpid();\n}\n")

    def test_clean(self):
        self.assertEqual(self.check("check-symbols", self.build(), self.root), [])

    def test_export_that_is_no_hook(self):
        self.doctor("hooks/h.c", "int otel_hook", 'int __attribute__((visibility("default"))) '
                                                  "stray;\nint otel_hook")
        self.finds_symbol(r"libotel_auto\.so: exports stray")

    def test_hook_that_is_not_exported(self):
        self.doctor("hooks/h.c", "int otel_hook_of_close;",
                    "int otel_hook_of_close;\nint otel_hook_of_open;")
        self.finds_symbol(r"libotel_auto\.so: does not export open")

    def test_public_function(self):
        self.write("core/otel_auto.h", SPDX + "int otel_auto_v1_span(int n, void (*f)(int));\n"
                   "static inline int otel_auto_span(int n)\n{\n    return otel_auto_wide(n);\n}\n")
        self.finds_symbol(r"libotel_auto\.so: does not export otel_auto_v1_span$")

    def test_needed(self):
        self.finds_symbol(r"libotel_auto\.so: needs libc\.so\.6, libm\.so\.6",
                          extra_auto=("-Wl,--no-as-needed", "-lm"))

    def test_module_exports(self):
        self.write("core/export/exports.map", "{ global: otel_export_module; malloc; local: *; };")
        self.finds_symbol(r"libotel_export\.so: does not export malloc")

    def test_exit(self):
        for name in ("exit", "abort", "_exit"):
            with self.subTest(name=name):
                self.doctor("core/a.c", "    return", f"    void {name}(int);\n    {name}(n);\n"
                                                      "    return")
                faults = self.check("check-symbols", self.build(), self.root)
                self.assertIn(f"core/a.o: refers to {name}", faults)
                self.assertIn(f"libotel_auto.so: refers to {name}", faults)

    def test_dynamic_tls(self):
        self.doctor("core/a.c", "int otel_a", "extern __thread int elsewhere "
                    '__attribute__((visibility("default")));\nint otel_a')
        self.write("core/a.c", (SPDX + "__attribute__((visibility(\"default\"))) __thread int t;\n"
                                "int otel_a(int n)\n{\n    return t + n;\n}\n"))
        faults = self.check("check-symbols", self.build(), self.root)
        self.assertIn("core/a.o: refers to __tls_get_addr", faults)

    def test_environment(self):
        self.doctor("core/a.c", "    return", '    extern char *getenv(const char *);\n'
                                              '    n += !getenv("Y");\n    return')
        self.finds_symbol(r"core/a\.o: reads the environment: getenv")

    def test_core_calls_a_hook(self):
        self.doctor("core/a.c", "    return", "    extern int close(int);\n    close(n);\n"
                                              "    return")
        self.finds_symbol(r"core/a\.o: calls what we interpose: close")

    def test_core_links_alone(self):
        self.doctor("core/a.c", "2 * n", "otel_p() * n")
        self.finds_symbol(r"libotel_core\.a: does not link alone: otel_p")

    def test_no_hooks(self):
        self.doctor("hooks/h.c", "otel_hook_of_close", "nothing")
        faults = self.check("check-symbols", self.build(), self.root)
        self.assertIn("libotel_auto.so: registers no hook", faults)


if __name__ == "__main__":
    del Checks  # a base, not a test
    unittest.main()
