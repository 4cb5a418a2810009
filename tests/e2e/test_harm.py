# SPDX-License-Identifier: Apache-2.0
"""Programs that a preloaded tracer once hurt: each behaves as it does alone, whatever is set."""
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from harness import (ROOT, TestCase, collectors, differential, program, require,  # noqa: E402
                     run)

MODES = ({}, {"OTEL_TRACES_EXPORTER": "console", "OTEL_AUTO_CONSOLE": "/dev/null"},
         {"OTEL_TRACES_EXPORTER": "none"})


class Harm(TestCase):
    def same(self, *args, spans=None, env=None, **more):
        got = differential([program("harm"), *args], shim_env=env or {}, **more)
        if spans is not None:
            self.assertEqual(len(got.spans), spans, got.log)
        return got

    def test_a_seccomp_filter_that_kills_for_any_other_call(self):
        for env in MODES:
            with self.subTest(env):
                self.assertEqual(self.same("sandbox", env=env).rc, 0)

    def test_main_is_cancelled_or_left(self):
        for mode in ("cancel", "thrd_exit"):
            with self.subTest(mode):
                self.assertEqual(self.same(mode, spans=1).stdout, b"main is gone\n")

    def test_large_static_tls(self):
        self.same("tls", spans=1)

    def test_an_exit_inside_libc_sends_what_waits(self):
        self.assertEqual(self.same("error", spans=1).rc, 3)

    def test_nothing_is_written_to_a_file_that_took_the_number_of_stderr(self):
        for env in ({"OTEL_TRACES_EXPORTER": "console"},
                    {"OTEL_LOG_LEVEL": "debug", "OTEL_AUTO_LOG": None},
                    {"OTEL_TRACES_EXPORTER": "console",
                     "OTEL_AUTO_PRIVATE_DESCRIPTORS": "false"}):
            with self.subTest(env):
                path = os.path.join(self.folder(), "data")
                got = run([program("harm"), "stolen", path], env=env)
                self.assertEqual((got.rc, got.stdout), (0, b"HEADER\n"), got.stderr)

    def test_nothing_is_written_to_files_of_a_program_started_without_descriptors(self):
        script = ('import os, sqlite3\n'
                  'fds = [os.open(f"f{n}", os.O_CREAT | os.O_RDWR) for n in range(3)]\n'
                  'sqlite3.connect(":memory:").execute("SELECT 1").fetchall()\n'
                  'os._exit(sum(fds))\n')
        for exporter in ("console", "otlp/stdout"):
            folder = self.folder()
            command = ["/bin/sh", "-c", "exec /usr/bin/python3 -c \"$0\" <&- >&- 2>&-", script]
            got = run(command, env={"OTEL_TRACES_EXPORTER": exporter}, cwd=folder)
            self.assertEqual(got.rc, 3)
            for n in range(3):
                self.assertEqual(os.path.getsize(os.path.join(folder, f"f{n}")), 0, exporter)

    def test_a_broken_stderr_kills_nobody(self):
        for env in ({"OTEL_LOG_LEVEL": "debug", "OTEL_AUTO_LOG": None},
                    {"OTEL_TRACES_EXPORTER": "console"}):
            with self.subTest(env):
                got = run([program("harm"), "sigpipe"], env=env)
                self.assertEqual((got.rc, got.stdout), (0, b"alive\n"))

    def test_the_time_for_a_hanging_collector_is_given_once(self):
        c = self.collector()
        c.fault = collectors.hang()
        began = time.monotonic()
        got = run([program("harm"), "execs"], collector=c,
                  env={"OTEL_AUTO_EXIT_TIMEOUT": "2000"})
        took = time.monotonic() - began
        self.assertEqual(got.rc, 0)
        self.assertLess(took, 6, "five execs and an exit, each 2 s, would be 12")

    def test_threads_that_flush_at_once_do_not_wait_for_each_others_time(self):
        began = time.monotonic()
        self.same("threads", spans=20, env={"OTEL_AUTO_EXIT_TIMEOUT": "10000"})
        self.assertLess(time.monotonic() - began, 9)

    @require("gcc")
    def test_a_library_with_names_of_libc_keeps_its_own(self):
        folder = self.folder()
        with open(os.path.join(folder, "lib.c"), "w", encoding="ascii") as f:
            f.write("int err(int x) { return x + 1; } int errx(int x) { return x + 2; }\n"
                    "int twice(int x) { return err(x) * 2 + errx(x); }\n")
        with open(os.path.join(folder, "main.c"), "w", encoding="ascii") as f:
            f.write("int twice(int); int main(void) { return twice(3); }\n")
        subprocess.run(["gcc", "-w", "-shared", "-fPIC", "-o", "lib.so", "lib.c"], cwd=folder,
                       check=True)
        subprocess.run(["gcc", "-o", "main", "main.c", "-L.", "-l:lib.so",
                        "-Wl,-rpath,$ORIGIN"],
                       cwd=folder, check=True)
        self.assertEqual(differential([os.path.join(folder, "main")]).rc, 13)


class Harness(TestCase):
    """tests/harm/run, the harness of make harm."""

    @staticmethod
    def compare(*arguments):
        """(exit status, lines that are results, all it said)"""
        done = subprocess.run([os.path.join(ROOT, "tests", "harm", "run"), "-j", "1", *arguments],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)
        if done.returncode == 2:
            raise unittest.SkipTest(done.stderr.strip())
        results = [line for line in done.stdout.splitlines() if line.startswith(
            ("ok ", "DIFF ", "skip "))]
        return done.returncode, results, done.stdout + done.stderr

    def test_debians_programs_are_the_same(self):
        rc, results, said = self.compare("--quick")
        self.assertGreater(len(results), 9, said)
        for line in results:
            with self.subTest(line.split()[1]):
                if line.startswith("skip "):
                    self.skipTest(line)
                self.assertTrue(line.startswith("ok "), said)
        self.assertEqual(rc, 0, said)

    def case(self, text):
        path = os.path.join(self.folder(), "made.sh")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def test_every_kind_of_difference_is_found(self):
        for part, line in (("exit status", 'exit "${#preload}"'), ("stdout", 'echo "$preload"'),
                           ("stderr", 'echo "$preload" >&2'), ("files", 'echo "$preload" >made'),
                           ("files", 'touch "/dev/shm/left$preload"'),
                           ("files", 'touch /run/made; chmod "6${#preload}" /run/made'),
                           ("left running", '[ -z "$preload" ] || setsid sleep 1000 &'),
                           ("spans", "")):
            with self.subTest(line):
                rc, results, said = self.compare(self.case(
                    "#!/bin/bash\n" + "# spans: 1\n" * (part == "spans") +
                    f"preload=${{LD_PRELOAD:+here}}\n{line}\n"))
                self.assertEqual(rc, 1, said)
                self.assertRegex(results[0], rf"^DIFF made: {part} \(", said)

    def test_a_difference_on_the_wire_is_found_and_what_is_stated_is_filtered(self):
        text = ("#!/bin/bash\n# spans: 1\n# killed: the server\n# wire: 8081 8080\n{}"
                ". \"$HARM/lib.sh\"\n"
                "python3 -m http.server -b 127.0.0.1 8080 >/dev/null 2>&1 & until_open 8080\n"
                "curl -s -H \"x: ${{LD_PRELOAD:+here}}\" http://127.0.0.1:8081/ >/dev/null\n"
                "kill $!\n")
        filters = "# filter: ^Date: .* => Date\n", "# filter: ^x: here\\r\\n => \n"
        self.assertRegex(self.compare(self.case(text.format(filters[0])))[1][0],
                         r"^DIFF made: wire \(")
        rc, results, said = self.compare(self.case(text.format("".join(filters))))
        self.assertEqual((rc, results[0][:8]), (0, "ok   mad"), said)

    def test_one_that_does_not_end_or_needs_what_is_not_there(self):
        rc, results, said = self.compare(self.case("#!/bin/bash\n# limit: 1\nsleep 1000\n"))
        self.assertEqual(rc, 1, said)
        self.assertRegex(results[0], r"^DIFF made: end \(")
        rc, results, said = self.compare(self.case("#!/bin/bash\n# needs: no-such-program\n"))
        self.assertEqual((rc, results), (1, ["skip made: not installed: no-such-program"]), said)


if __name__ == "__main__":
    unittest.main()
