#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""dlopen: RTLD_DEEPBIND is cleared, and the real one still sees the host as its caller."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import SHIM, TestCase, main, require  # noqa: E402

LOADER = r"""
#include <dlfcn.h>
#include <stdio.h>
int load(void)
{
    void *found = dlopen("libfound.so", RTLD_NOW);
    void *origin = dlopen("$ORIGIN/deep/libfound.so", RTLD_NOW | RTLD_DEEPBIND);
    printf("%d %d\n", found != NULL, origin == found);
    return 0;
}
"""


class Dlopen(TestCase):
    def compile(self, *arguments):
        subprocess.run(["cc", "-Wall", "-fPIC", *arguments], check=True)

    def write(self, path, text):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    @require("objdump")
    def test_tail_call(self):
        """The last instruction on the way to the real dlopen is a jump, never a call."""
        out = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "--disassemble=dlopen", SHIM],
                             check=True, capture_output=True, text=True).stdout
        body = re.search(r"<dlopen>:\n(.*?)(?:\n\n|\Z)", out, re.S).group(1)
        calls = re.findall(r"\tcall\w*\s+(.*)", body)
        self.assertTrue(all("otel_real_libc_resolve" in call for call in calls), calls)
        self.assertRegex(body, r"\tjmp\w*\s+\*")
        self.assertNotRegex(body, r"\tret")

    def test_search_paths_are_the_caller_s(self):
        """A bare name is looked for in the RUNPATH of the library that asks, whose folder is
        $ORIGIN."""
        folder = self.folder()
        deep = os.path.join(folder, "deep")
        os.mkdir(deep)
        self.compile("-shared", "-o", os.path.join(deep, "libfound.so"), "-x", "c", os.devnull)
        loader = self.write(os.path.join(folder, "loader.c"), LOADER)
        self.compile("-shared", "-o", os.path.join(folder, "libloader.so"), loader,
                     "-Wl,-rpath,$ORIGIN/deep", "-Wl,--enable-new-dtags")
        host = self.write(os.path.join(folder, "host.c"),
                          "int load(void);\nint main(void) { return load(); }\n")
        binary = os.path.join(folder, "host")
        self.compile("-o", binary, host, "-L" + folder, "-lloader", "-Wl,-rpath," + folder)
        got = self.differential([binary])
        self.assertEqual(got.stdout, b"1 1\n")

    def test_errors(self):
        """dlerror() speaks of what the host asked for."""
        folder = self.folder()
        host = self.write(os.path.join(folder, "host.c"), r"""
#include <dlfcn.h>
#include <stdio.h>
int main(void)
{
    printf("at start: %s\n", dlerror() ? "a message" : "none");
    printf("%p\n", dlopen("libnone.so.9", RTLD_NOW | RTLD_DEEPBIND));
    puts(dlerror());
    printf("%d\n", dlopen(NULL, RTLD_NOW) != NULL);
    printf("%d\n", dlsym(RTLD_DEFAULT, "no_such_function") == NULL);
    puts(dlerror());
    return 0;
}
""")
        binary = os.path.join(folder, "host")
        self.compile("-o", binary, host)
        got = self.differential([binary], normalise=lambda out: re.sub(rb"^\S*/host: ", b"", out,
                                                                       flags=re.M))
        self.assertIn(b"at start: none\n", got.stdout)

    def php(self, **more):
        return self.differential(["php", "-r", "$d = new PDO('sqlite::memory:');"
                                  "echo $d->query('SELECT 40 + 2')->fetchColumn(), PHP_EOL;"],
                                 **more)

    @require("php")
    def test_php(self):
        """PHP loads its extensions with RTLD_DEEPBIND: without the hook no span would come."""
        got = self.php()
        self.assertEqual(got.stdout, b"42\n")
        self.assertEqual(len(list(got.spans)), 1, got.log)

    @require("php")
    def test_kept_when_asked(self):
        got = self.php(shim_env={"OTEL_AUTO_KEEP_DEEPBIND": "true"})
        self.assertEqual(list(got.spans), [])


if __name__ == "__main__":
    main()
