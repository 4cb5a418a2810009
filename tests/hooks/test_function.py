#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A span for each call of a function the user named, however it is called and left; the program
does what it does without."""
import ctypes
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

    def test_no_generated_code(self):
        """Where the system allows none (PR_SET_MDWE, as SELinux does), nothing happens."""
        libc = ctypes.CDLL(None)
        probe = "import ctypes; print(ctypes.CDLL(None).prctl(65, 1, 0, 0, 0))"
        if subprocess.run(["/usr/bin/python3", "-c", probe], capture_output=True,
                          check=True).stdout != b"0\n":
            self.skipTest("this kernel cannot forbid it")
        got = self.differential([program("functions"), "values"],
                                shim_env={"OTEL_AUTO_FUNCTIONS": "add(a: int, b: int) -> int"},
                                popen={"preexec_fn": lambda: libc.prctl(65, 1, 0, 0, 0)})
        self.assertEqual(len(got.spans), 0)
        self.assertEqual(got.log.count("function add is left alone: the system allows no generated "
                                       "code"), 1, got.log)

    def test_left_alone(self):
        """The main program exports nothing: without patching nothing is seen, which is said."""
        got = self.functions("recursion", OTEL_AUTO_FUNCTIONS_PATCH="false")
        self.assertEqual(len(got.spans), 0)
        self.assertIn("function recurse is left alone: OTEL_AUTO_FUNCTIONS_PATCH is off", got.log)


class Built(TestCase):
    """Of sources of the test's own."""

    def build(self, name, source, *flags, compiler="gcc"):
        folder = self.folder()
        path = os.path.join(folder, name)
        source_path = os.path.join(folder, "source." + ("c" if compiler == "gcc" else "cc"))
        with open(source_path, "w", encoding="utf-8") as f:
            f.write(source)
        subprocess.run([compiler, "-O2", source_path, "-o", path, *flags], check=True)
        return path


class Libraries(Built):
    """Functions of a library are met from outside and inside."""
    SPECS = ("plugin_work(n: int) -> int; plugin_step(n: int) -> int; libplugin:inner(n: int) -> "
             "int")

    def library(self, *flags):
        return self.build("libplugin.so", LIBRARY, "-shared", "-fPIC", *flags)

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

    def test_loaded_beside_threads(self):
        """Their first bytes stay, for a thread may be in them; the pointer from dlsym is ours."""
        script = ("import ctypes, threading\nt = threading.Thread(target=int)\nt.start()\n"
                  f"t.join()\nprint(ctypes.CDLL({self.library()!r}).plugin_work(20))")
        got = self.differential(["/usr/bin/python3", "-c", script],
                                shim_env={"OTEL_AUTO_FUNCTIONS": "plugin_work(n: int) -> int"})
        self.assertEqual(got.spans.tree(), [("plugin_work", [])], got.log)
        self.assertIn("where another module calls it: other threads may be in its first bytes",
                      got.log)

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

    def test_two_of_a_name(self):
        """A slot that will lead to another library's function of that name is left alone."""
        first = self.build("libfirst.so", "int same(int n) { return n + 100; }", "-shared", "-fPIC")
        second = self.build("libsecond.so", "int same(int n) { __asm__ volatile(\"nopl 9(%rax)\"); "
                            "return n; }\nint other(int n) { return n; }", "-shared", "-fPIC")
        caller = self.build("caller", "#include <stdio.h>\nint same(int); int other(int);\n"
                            "int main(void) { printf(\"%d %d\\n\", same(1), other(2)); }",
                            first, second, "-Wl,-z,lazy")
        got = self.differential([caller], shim_env={
            "OTEL_AUTO_FUNCTIONS": "libsecond:same(n: int) -> int; other(n: int) -> int",
            "OTEL_AUTO_FUNCTIONS_PATCH": "false"})
        self.assertEqual(got.stdout, b"101 2\n")
        self.assertEqual(got.spans.tree(), [("other", [])], got.log)

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

    def test_built_to_be_traced(self):
        """With room for a patch at each function, or with calls of a tracer's own in them."""
        for flag in ("-fpatchable-function-entry=5", "-fpatchable-function-entry=16,8",
                     "-finstrument-functions", "-pg", "-fcf-protection=full"):
            with self.subTest(flag=flag):
                got = self.differential([program("functions"), "plugin", self.library(flag)],
                                        shim_env={"OTEL_AUTO_FUNCTIONS": self.SPECS})
                self.assertEqual(got.spans.tree(), self.INSIDE, got.log)


class FirstBytes(Built):
    """What may begin a function, and what is moved of it."""

    SOURCE = r"""
#include <stdio.h>
#define BEGIN(name) ".globl " #name "\n.type " #name ", @function\n" #name ":\n"
#define END(name) ".size " #name ", .-" #name "\n"
#define FUNCTIONS(DO) DO(rip_first) DO(branch_first) DO(far_branch) DO(call_first) DO(call_slot) \
    DO(jump_first) DO(marked) DO(compare_rip) DO(loops) DO(too_short) DO(unknown_size) DO(counted) \
    DO(saves_nothing)
#define DECLARE(name) int name(int);
FUNCTIONS(DECLARE)
int seen = 40;
int (*through)(int) = rip_first;
__asm__(".text\n"
        BEGIN(rip_first) "mov seen(%rip), %eax\nadd %edi, %eax\nret\n" END(rip_first)
        BEGIN(branch_first) "test %edi, %edi\njs 1f\nlea 1(%rdi), %eax\nret\n"
        "1: mov $-1, %eax\nret\n" END(branch_first)
        BEGIN(far_branch) "test %edi, %edi\n{disp32} je 1f\nmov %edi, %eax\nret\n"
        "1: mov $7, %eax\nret\n" END(far_branch)
        BEGIN(call_first) "call rip_first\ninc %eax\nret\n" END(call_first)
        BEGIN(call_slot) "call *through(%rip)\ninc %eax\nret\n" END(call_slot)
        BEGIN(jump_first) "{disp32} jmp rip_first\n" END(jump_first)
        BEGIN(marked) "endbr64\nlea 3(%rdi), %eax\nret\n" END(marked)
        BEGIN(compare_rip) "cmpl $40, seen(%rip)\nsete %al\nmovzbl %al, %eax\nret\n"
        END(compare_rip)
        BEGIN(loops) "1: dec %edi\njns 1b\nmov %edi, %eax\nret\n" END(loops)
        BEGIN(too_short) "mov %edi, %eax\nret\n" END(too_short)
        BEGIN(unknown_size) "lea 5(%rdi), %eax\nnop\nnop\nnop\nret\n"
        BEGIN(counted) "mov %edi, %ecx\njrcxz 1f\nmov $1, %eax\nret\n1: xor %eax, %eax\nret\n"
        END(counted)
        /* A caller within the file may count on all registers that this one leaves alone. */
        BEGIN(saves_nothing) "lea 9(%rdi), %eax\nnop\nnop\nret\n" END(saves_nothing)
        ".globl caller\n.type caller, @function\ncaller: push %rbp\n"
        "mov $1, %ecx\nmov $2, %edx\nmov $3, %esi\nmov $4, %r8d\nmov $5, %r9d\nmov $6, %r10d\n"
        "mov $7, %r11d\nmovd %ecx, %xmm0\nmovd %r11d, %xmm15\ncall saves_nothing\n"
        "add %ecx, %eax\nadd %edx, %eax\nadd %esi, %eax\nadd %edi, %eax\nadd %r8d, %eax\n"
        "add %r9d, %eax\nadd %r10d, %eax\nadd %r11d, %eax\nmovd %xmm0, %ecx\nadd %ecx, %eax\n"
        "movd %xmm15, %ecx\nadd %ecx, %eax\npop %rbp\nret\n.size caller, .-caller\n");
int caller(int);
#define PRINT(name) printf(#name " %d\n", name(2));
int main(void)
{
    FUNCTIONS(PRINT)
    PRINT(caller)
    return 0;
}
"""
    LEFT = {"loops": "it jumps to its own first bytes", "too_short": "it is too short",
            "unknown_size": "its length is not known",
            "counted": "its first instructions cannot be moved"}
    TRACED = ("rip_first", "branch_first", "far_branch", "call_first", "call_slot", "jump_first",
              "marked", "compare_rip", "saves_nothing")

    def test_each(self):
        specs = "; ".join(f"{name}(n: int) -> int" for name in (*self.TRACED, *self.LEFT))
        for flags in (["-fPIE", "-pie"], ["-no-pie"]):
            with self.subTest(flags=flags):
                got = self.differential([self.build("first", self.SOURCE, *flags)],
                                        shim_env={"OTEL_AUTO_FUNCTIONS": specs})
                for name in self.TRACED:
                    self.assertEqual(got.spans.find(name)[0].attrs["n"], 2, name)
                for name, why in self.LEFT.items():
                    self.assertEqual(len(got.spans.find(name)), 0)
                    self.assertIn(f"function {name} is left alone: {why}", got.log)
                self.assertEqual(len(got.spans.find("rip_first")), 4)


class Cpp(Built):
    SOURCE = r"""
#include <cstdio>
#include <stdexcept>
#define FUNCTION __attribute__((noinline, noclone, used))
#define WORK(x) __asm__ volatile("nopl 0x11223344(%%rax)" : "+r"(x))
struct Guard {
    const char *name;
    ~Guard() { printf("left %s\n", name); }
};
namespace shop {
class Cart {
    int n;
public:
    Cart(int n) : n(n) {}
    int operator()(int x) const;
    int total(int x);
    int total(double x) const;
};
FUNCTION int Cart::operator()(int x) const { WORK(x); return n * x; }
FUNCTION int Cart::total(int x) { WORK(x); return n + x; }
FUNCTION int Cart::total(double x) const { int y = (int)x; WORK(y); return n - y; }
template <typename T> FUNCTION T twice(T x) { WORK(x); return x + x; }
FUNCTION int thrower(int n)
{
    Guard guard{"thrower"};
    WORK(n);
    if (n)
        throw std::runtime_error("no");
    return n;
}
FUNCTION int middle(int n) { Guard guard{"middle"}; WORK(n); return thrower(n) + 1; }
FUNCTION int after(int n) { WORK(n); return n; }
FUNCTION int catcher(int n)
{
    WORK(n);
    try {
        return middle(n);
    } catch (const std::exception &e) {
        printf("caught %s\n", e.what());
    }
    return after(n);
}
template int twice<int>(int);
}
#ifdef PROGRAM
int main()
{
    shop::Cart cart(5);
    const shop::Cart &same = cart;
    printf("%d\n", cart(5));
    printf("%d\n", cart.total(1));
    printf("%d\n", same.total(2.0));
    printf("%d\n", shop::twice(4));
    printf("%d\n", shop::catcher(1));
    printf("%d\n", shop::catcher(0));
}
#endif
"""
    THROWING = ("shop::thrower(n: int) -> int; shop::middle(n: int) -> int; "
                "shop::catcher(n: int) -> int; shop::after(n: int) -> int")
    TREE = [("shop::catcher", [("shop::middle", [("shop::thrower", [])]), ("shop::after", [])]),
            ("shop::catcher", [("shop::middle", [("shop::thrower", [])])])]

    def check_statuses(self, got):
        """Who was left by the exception is an error; who caught it, or had none, is not."""
        for span in got.spans:
            second = span.attrs["n"] == 0
            thrown = not second and span.name in ("shop::thrower", "shop::middle")
            self.assertEqual((span.status, span.attrs.get("error.type")),
                             ("error", "exception") if thrown else ("unset", None), span.name)

    def test_names(self):
        program_path = self.build("cart", self.SOURCE, "-DPROGRAM", compiler="g++")
        got = self.differential([program_path], shim_env={"OTEL_AUTO_FUNCTIONS": (
            "\"shop::Cart::operator()(int) const\"(ptr, x: int) -> int; "
            "\"shop::Cart::total(int)\"(ptr, x: int) -> int; "
            "\"shop::Cart::total(double) const\"(ptr, x: double) -> int; "
            "shop::twice<int>(x: int) -> int")})
        self.assertEqual([(s.attrs["code.function.name"], s.attrs["x"])
                          for s in sorted(got.spans, key=lambda s: s.start)],
                         [("shop::Cart::operator()", 5), ("shop::Cart::total", 1),
                          ("shop::Cart::total", 2.0), ("shop::twice<int>", 4)])

    def test_ambiguous(self):
        got = self.differential([self.build("cart", self.SOURCE, "-DPROGRAM", compiler="g++")],
                                shim_env={"OTEL_AUTO_FUNCTIONS":
                                          "shop::Cart::total(ptr, x: int) -> int"})
        self.assertEqual(len(got.spans), 0)
        self.assertEqual(got.log.count("shop::Cart::total is left alone: several functions have "
                                       "that name"), 1, got.log)

    def test_exceptions(self):
        got = self.differential([self.build("cart", self.SOURCE, "-DPROGRAM", compiler="g++")],
                                shim_env={"OTEL_AUTO_FUNCTIONS": self.THROWING})
        self.assertEqual(got.spans.tree(), self.TREE, got.log)
        self.check_statuses(got)

    def test_exceptions_by_slots(self):
        """They pass through libffi's frames as well."""
        library = self.build("libcart.so", self.SOURCE, "-shared", "-fPIC", compiler="g++")
        caller = self.build("caller", """
#include <cstdio>
namespace shop { int catcher(int n); }
int main() { printf("%d\\n", shop::catcher(1)); printf("%d\\n", shop::catcher(0)); }
""", library, compiler="g++")
        got = self.differential([caller], shim_env={"OTEL_AUTO_FUNCTIONS": self.THROWING,
                                                    "OTEL_AUTO_FUNCTIONS_PATCH": "false"})
        self.assertEqual(got.spans.tree(), self.TREE, got.log)
        self.check_statuses(got)


if __name__ == "__main__":
    main()
