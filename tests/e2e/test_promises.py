#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What we promise not to do to a program: its limits, filters and signals are what it asked for."""
import glob
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import BUILD, TestCase, main, program  # noqa: E402

# Functions by which a library could take a signal or have one sent.
TAKES = {"sigaction", "signal", "sigset", "bsd_signal", "ssignal", "sysv_signal", "__sysv_signal",
         "sigvec", "sigignore", "siginterrupt", "signalfd", "sigwait", "sigwaitinfo",
         "sigtimedwait", "alarm", "ualarm", "setitimer", "timer_create", "raise", "kill",
         "pthread_kill", "killpg", "sigqueue"}
# And by which it could change what the program may do.
CONFINES = {"setrlimit", "setrlimit64", "prlimit", "prlimit64", "seccomp_load", "setpriority",
            "nice", "umask", "chdir", "setsid", "setpgid"}
# system() ignores two signals while it waits for its child, as POSIX says, and ends the child of a
# thread that is cancelled, as glibc does.
ALLOWED = {"system": {"sigaction", "kill"}}


def names(path, which):
    """Names without their versions that an object refers to, or defines."""
    said = subprocess.run(["nm", which, "--format=posix", path], capture_output=True,
                          text=True, check=True).stdout
    return {line.split()[0].split("@")[0] for line in said.splitlines() if line.strip()}


class Promises(TestCase):
    def test_filters_and_limits_are_the_programs(self):
        """As the kernel has them, before and behind spans, in a child, and after an exec."""
        got = self.differential([program("promises")])
        self.assertEqual((got.rc, got.stderr), (0, b""))
        self.assertIn(b"files 50 60\n", got.stdout)
        self.assertEqual(got.stdout.count(b"getpriority -1 EIO\n"), 2, got.stdout)
        self.assertIn(b"Seccomp:\t2\n", got.stdout)
        self.assertGreaterEqual(len(got.spans), 2, got.log)

    def test_no_function_that_takes_signals_is_called(self):
        objects = [path for folder in ("core", "preload", "hooks")
                   for path in glob.glob(os.path.join(BUILD, folder, "*.o"))]
        self.assertGreater(len(objects), 50)
        found = {}
        for path in objects:
            called = names(path, "--undefined-only") & (TAKES | CONFINES)
            if called:
                called -= set().union(*(ALLOWED.get(name, set())
                                        for name in names(path, "--defined-only")))
            if called:
                found[os.path.relpath(path, BUILD)] = called
        self.assertEqual(found, {})


if __name__ == "__main__":
    main()
