#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every way a process ends or becomes another: the same for its user, and no span lost."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import SHIM, TestCase, main, program, require  # noqa: E402


class Exits(TestCase):
    def ends(self, spans, *arguments, **more):
        """tests/programs/exits.c: differential, and that many spans arrive."""
        got = self.differential([program("exits"), *arguments], **more)
        self.assertEqual(len(list(got.spans)), spans, got.log)
        return got

    def test_exits_that_run_handlers(self):
        for mode, status in (("return", 3), ("exit", 4), ("thread", 5), ("err", 9), ("errx", 10),
                             ("signal", 21)):
            with self.subTest(mode=mode):
                got = self.ends(1, mode)
                self.assertEqual((got.rc, got.stdout), (status, b"atexit\n"))

    def test_exits_without_handlers(self):
        for mode, status, out in (("_exit", 6, b""), ("_Exit", 7, b""),
                                  ("quick_exit", 8, b"at_quick_exit\n")):
            with self.subTest(mode=mode):
                got = self.ends(1, mode)
                self.assertEqual((got.rc, got.stdout), (status, out))

    def test_last_thread(self):
        """The process ends with its last thread: ours must not outlive the host's."""
        got = self.ends(1, "pthread_exit")
        self.assertEqual((got.rc, got.stdout), (0, b"last thread\natexit\n"))

    def test_daemon(self):
        """The parent of daemon(3) ends inside libc."""
        self.ends(1, "daemon")

    def test_fork(self):
        """The child sends its own span and not the one it inherited."""
        got = self.ends(3, "fork")
        self.assertEqual(len({s.span_id for s in got.spans}), 3)

    def test_vfork(self):
        """The child's exec or _exit leaves the parent's guard, queue and table as they were."""
        self.ends(2, "vfork")
        self.ends(2, "vfork-fails")

    def test_exec(self):
        for mode, path in (("execv", "/bin/echo"), ("execve", "/bin/echo"), ("execvp", "echo"),
                           ("execvpe", "echo"), ("fexecve", "/bin/echo"),
                           ("execveat", "/bin/echo"), ("execl", "/bin/echo"), ("execlp", "echo"),
                           ("execle", "/usr/bin/env")):
            with self.subTest(mode=mode):
                got = self.ends(1, mode, path)
                self.assertEqual(got.rc, 0)
                self.assertTrue(got.stdout)

    def test_exec_fails(self):
        """The process goes on, with the exec's errno, and so does tracing."""
        for mode in ("execv", "execve", "execvp", "execvpe", "execveat", "execl", "execlp",
                     "execle"):
            with self.subTest(mode=mode):
                got = self.ends(2, mode, "/nonexistent/program")
                self.assertEqual(got.stdout.splitlines()[0],
                                 mode.encode() + b": No such file or directory")
        got = self.ends(2, "fexecve", "/nonexistent/program")
        self.assertIn(b"fexecve: ", got.stdout)

    def test_nothing_waits_for_a_collector_that_is_gone(self):
        """Refused: at once. The exit status is the program's."""
        for mode in ("return", "exit", "_exit"):
            self.differential([program("exits"), mode],
                              shim_env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})

    @require("bash")
    def test_shell(self):
        self.differential(["bash", "-c", "(exit 3); echo $?; exec echo exec"])

    @require("python3")
    def test_subprocess(self):
        """Python's subprocess closes descriptors in a vfork child."""
        got = self.differential(["/usr/bin/python3", "-c", (
            "import sqlite3, subprocess\n"
            "c = sqlite3.connect(':memory:')\n"
            "c.execute('SELECT 1').fetchall()\n"
            "print(subprocess.run(['/bin/echo', 'child'], capture_output=True).stdout)\n"
            "try: subprocess.run(['/nonexistent'])\n"
            "except FileNotFoundError as e: print(e)\n"
            "c.execute('SELECT 2').fetchall()\n")])
        self.assertEqual(len(list(got.spans)), 2, got.log)

    def test_sum_is_printed_once(self):
        got = self.run_program([program("exits"), "exit"], env={"OTEL_LOG_LEVEL": "debug"})
        self.assertEqual(got.log.count("spans: started 1 = exported 1 + dropped 0"), 1, got.log)
        self.assertNotIn("does not add up", got.log)

    def test_disabled(self):
        got = self.differential([program("exits"), "exit"],
                                shim_env={"OTEL_SDK_DISABLED": "true"})
        self.assertEqual(list(got.spans), [])

    def test_shim_is_there(self):
        """The tests above would pass without it, but for the spans."""
        got = self.run_program(["/bin/cat", "/proc/self/maps"])
        self.assertIn(SHIM.encode(), got.stdout)


if __name__ == "__main__":
    main()
