#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A span for each call of a function the user named, however it is called and left; the program
does what it does without."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import TestCase, main, program  # noqa: E402

SPECS = """
# what tests/programs/functions.c has
add(a: int, b: int) -> int
widths(a: char, b: unsigned char, c: short, d: unsigned short, e: int, f: unsigned, g: long,
""".rstrip(",\n") + """, h: unsigned long, i: bool) -> long
reals(a: float, b: double, c: long double) -> double
wide(a: long double) -> long double
many(a: int, b: double, c: str, d: int, e: int, f: int, g: int, h: int, i: float,
""".rstrip(",\n") + """, {int, double}, {long, long, long}, last: int) -> double
give_small(n: int) -> {int, double}
give_large(n: int) -> {long, long, long}
sum(count: int, ...) -> int
text(given: str) -> back: str
negative(n: int) -> int as "minus" client {model="m-1", tries=3} error if < 0
nothing(ptr) -> ptr error if null
recurse(n: int) -> int
leap(n: int) -> void
outer(n: int) -> void
over(n: int) -> void
child(ptr) -> ptr
leave_thread(n: int) -> void
spawn(n: int) -> int
handler(number: int) -> void
raise_it(n: int) -> int
fork_it(n: int) -> int
"""

LIBRARY = """
#define WORK __asm__ volatile("nopl 9(%rax)")
static int __attribute__((noinline, noclone)) inner(int n) { WORK; return n + 1; }
int __attribute__((noinline)) plugin_step(int n) { return inner(n) * 2; }
int plugin_work(int n) { WORK; return plugin_step(n) + plugin_step(n + 1); }
struct small { int w; double r; };
struct large { long a, b, c; };
double plugin_mix(int a, double b, const char *c, char d, float e, int f, int g, int h, int i,
                  struct small s, struct large l, int last)
{
    return a + b + c[0] + d + e + f + g + h + i + s.w + s.r + l.a + l.b + l.c + last;
}
"""


class Functions(TestCase):
    """tests/programs/functions.c, a scenario each."""

    def functions(self, *scenario, specs=SPECS, **env):
        got = self.differential([program("functions"), *scenario],
                                shim_env={"OTEL_AUTO_FUNCTIONS": specs, **env})
        self.assertEqual(got.rc, 0, got.stderr)
        self.assertTrue(got.stdout.endswith(b"end\n"), got.stdout)
        return got

    def call(self, got, name, nth=0):
        return self.spans(got, name)[nth].attrs

    @staticmethod
    def spans(got, name):
        """In the order of the calls."""
        return sorted(got.spans.find(name), key=lambda s: s.start)

    def test_values(self):
        got = self.functions("values")
        self.assertEqual(
            [s.name for s in sorted(got.spans, key=lambda s: s.start)],
            ["add", "widths", "reals", "wide", "many", "give_small", "give_large", "sum",
             "minus", "minus", "nothing", "nothing"])
        self.assertEqual(self.call(got, "add"), {"code.function.name": "add", "a": 1, "b": 2,
                                                 "function.result": 3})
        widths = self.call(got, "widths")
        self.assertEqual([widths[k] for k in "abcdefghi"],
                         [-1, 255, -300, 65535, -70000, 4000000000, -5000000000, 6, True])
        reals = self.call(got, "reals")
        self.assertEqual([reals[k] for k in ("a", "b", "c", "function.result")],
                         [0.5, 1.25, 2.125, 3.875])
        self.assertEqual(self.call(got, "wide")["function.result"], 3.0)
        many = self.call(got, "many")
        self.assertEqual([many[k] for k in (*"abcdefghi", "last")],
                         [1, 2.5, "three", 4, 5, 6, 7, 8, 9.5, 15])
        self.assertEqual(self.call(got, "sum")["count"], 18)
        self.assertEqual(self.call(got, "give_large")["n"], 4)

    def test_status_and_kind(self):
        got = self.functions("values")
        fails, works = self.spans(got, "minus")
        self.assertEqual((fails.kind, fails.status, works.status), ("client", "error", "unset"))
        self.assertEqual(fails.attrs, {"code.function.name": "negative", "model": "m-1", "tries": 3,
                                       "n": 1, "function.result": -1})
        self.assertEqual(fails.scope, "libotel_auto.function")
        self.assertEqual([s.status for s in self.spans(got, "nothing")], ["error", "unset"])
        self.assertEqual(self.call(got, "nothing"), {"code.function.name": "nothing"})

    def test_texts(self):
        """Only what can be read is, and not more than 1 KiB of it."""
        got = self.functions("texts")
        given = [s.attrs.get("given") for s in self.spans(got, "text")]
        self.assertEqual(given[:4], ["short", "x" * 1024, None, None])
        self.assertEqual(given[4], "\ufffd\ufffd")
        self.assertEqual(self.call(got, "text")["back"], "short")

    def test_recursion(self):
        got = self.functions("recursion")
        depth, span = 0, got.spans.roots()[0]
        while span:
            self.assertEqual(span.attrs["n"], 5 - depth)
            children = got.spans.children(span)
            self.assertLessEqual(len(children), 1)
            depth, span = depth + 1, children[0] if children else None
        self.assertEqual(depth, 6)

    def test_deep_recursion(self):
        """Deeper than contexts are kept: a gap, a line in the log, and no more stack than there
        was."""
        got = self.functions("recursion", "50000")
        self.assertEqual(len(got.spans), 508)
        self.assertEqual(got.log.count("too deep"), 1)

    def test_longjmp(self):
        """Who is left ends, and is nobody's parent."""
        got = self.functions("jumps")
        self.assertEqual(got.spans.tree(), [
            ("outer", [("leap", []), ("add", [])]), ("over", [("leap", [])]), ("add", []),
            ("outer", [("leap", []), ("add", [])])])

    def test_threads(self):
        got = self.functions("threads")
        self.assertEqual(got.spans.tree(), [("spawn", [("child", [("add", [])])]),
                                            ("leave_thread", [])])
        self.assertEqual(got.spans.one("leave_thread").status, "unset")

    def test_signals(self):
        got = self.functions("signals")
        self.assertEqual(got.spans.tree(), [("raise_it", [("handler", [("add", [])])])])

    def test_forks(self):
        got = self.functions("forks")
        self.assertEqual(got.spans.tree(), [("fork_it", [("add", [])])])

    def test_not_sampled(self):
        self.assertEqual(len(self.functions("values", OTEL_TRACES_SAMPLER="always_off").spans), 0)

    def test_file(self):
        path = os.path.join(self.folder(), "functions")
        with open(path, "w", encoding="utf-8") as f:
            f.write(SPECS)
        got = self.functions("recursion", "0", specs=None, OTEL_AUTO_FUNCTIONS_FILE=path)
        self.assertEqual(got.spans.tree(), [("recurse", [])])

    def test_mistakes(self):
        """One line each, and the others are traced all the same."""
        got = self.functions("recursion", "0", specs="recurse(n: int) -> int; recurse(; no_such() "
                             "-> int; add(quux) -> int; libno.so:add(int) -> int")
        self.assertEqual(got.spans.tree(), [("recurse", [])])
        for line in ("ignored 'recurse(': unknown type, at character 9",
                     "function no_such is not in the program",
                     "ignored 'add(quux) -> int': unknown type, at character 5",
                     "function add is not in libno.so"):
            self.assertEqual(got.log.count(line), 1, got.log)

    def test_file_that_is_not_there(self):
        got = self.functions("recursion", "0", specs=None, OTEL_AUTO_FUNCTIONS_FILE="/no/such")
        self.assertEqual(got.log.count("OTEL_AUTO_FUNCTIONS_FILE: /no/such: ENOENT"), 1, got.log)

    def test_left_alone(self):
        """The main program exports nothing: without patching nothing is seen, which is said."""
        got = self.functions("recursion", OTEL_AUTO_FUNCTIONS_PATCH="false")
        self.assertEqual(len(got.spans), 0)
        self.assertIn("function recurse is left alone: OTEL_AUTO_FUNCTIONS_PATCH is off", got.log)


class Libraries(TestCase):
    """A library of the test's own: functions are met from outside and inside."""
    SPECS = ("plugin_work(n: int) -> int; plugin_step(n: int) -> int; libplugin:inner(n: int) -> "
             "int")

    def library(self, *flags):
        return self.build("libplugin.so", LIBRARY, "-shared", "-fPIC", *flags)

    def build(self, name, source, *flags, compiler="gcc"):
        folder = self.folder()
        path = os.path.join(folder, name)
        source_path = os.path.join(folder, "source." + ("c" if compiler == "gcc" else "cc"))
        with open(source_path, "w", encoding="utf-8") as f:
            f.write(source)
        subprocess.run([compiler, "-O2", source_path, "-o", path, *flags], check=True)
        return path

    INSIDE = [("plugin_work", [("plugin_step", [("inner", [])]),
                               ("plugin_step", [("inner", [])])])]

    def test_loaded_later(self):
        got = self.differential([program("functions"), "plugin", self.library()],
                                shim_env={"OTEL_AUTO_FUNCTIONS": self.SPECS})
        self.assertEqual(got.stdout, b"86\n1\nend\n")
        self.assertEqual(got.spans.tree(), self.INSIDE, got.log)

    def test_loaded_later_by_slots(self):
        """The pointer from dlsym is ours, and so is the library's own call through its slot."""
        got = self.differential([program("functions"), "plugin", self.library()],
                                shim_env={"OTEL_AUTO_FUNCTIONS": self.SPECS,
                                          "OTEL_AUTO_FUNCTIONS_PATCH": "false"})
        self.assertEqual(got.stdout, b"86\n1\nend\n")
        self.assertEqual(got.spans.tree(), [("plugin_work", [("plugin_step", []),
                                                             ("plugin_step", [])])], got.log)
        self.assertIn("function inner is left alone", got.log)

    CALLER = """
#include <stdio.h>
struct small { int w; double r; };
struct large { long a, b, c; };
int plugin_work(int n);
double plugin_mix(int, double, const char *, char, float, int, int, int, int, struct small,
                  struct large, int);
int main(void)
{
    struct small s = {9, 10.5};
    struct large l = {11, 12, 13};
    printf("%d\\n", plugin_work(20));
    printf("%g\\n", plugin_mix(1, 2.5, "3", 4, 5.5f, 6, 7, 8, 9, s, l, 14));
    return 0;
}
"""
    MIX = ("; plugin_mix(a: int, b: double, c: str, d: char, e: float, f: int, g: int, h: int, i: "
           "int, {int, double}, {long, long, long}, last: int) -> double")

    def linked(self, *flags, patch="true"):
        library = self.library()
        caller = self.build("caller", self.CALLER, library, *flags)
        return self.differential([caller], shim_env={"OTEL_AUTO_FUNCTIONS": self.SPECS + self.MIX,
                                                     "OTEL_AUTO_FUNCTIONS_PATCH": patch})

    def test_slots_of_every_kind(self):
        """Bound lazily, at once, behind full RELRO, without a PLT; a position-dependent program."""
        for flags in (["-Wl,-z,lazy"], ["-Wl,-z,now,-z,norelro"], ["-Wl,-z,now,-z,relro"],
                      ["-fno-plt"], ["-no-pie", "-fno-pie", "-Wl,-z,lazy"],
                      ["-fcf-protection=full"]):
            with self.subTest(flags=flags):
                got = self.linked(*flags, patch="false")
                self.assertEqual(got.spans.tree(), [
                    ("plugin_work", [("plugin_step", []), ("plugin_step", [])]),
                    ("plugin_mix", [])], got.log)
                mix = got.spans.one("plugin_mix").attrs
                self.assertEqual([mix[k] for k in (*"abcdefghi", "last", "function.result")],
                                 [1, 2.5, "3", 4, 5.5, 6, 7, 8, 9, 14, 163.5])

    def test_linked(self):
        self.assertEqual(self.linked().spans.tree(), [*self.INSIDE, ("plugin_mix", [])])

    def test_stripped(self):
        """Without local symbols the exported ones are still found."""
        path = self.library()
        subprocess.run(["strip", "--strip-all", path], check=True)
        got = self.differential([program("functions"), "plugin", path],
                                shim_env={"OTEL_AUTO_FUNCTIONS": self.SPECS})
        self.assertEqual(got.spans.tree(), [("plugin_work", [("plugin_step", []),
                                                             ("plugin_step", [])])], got.log)


if __name__ == "__main__":
    main()
