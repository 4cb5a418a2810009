# SPDX-License-Identifier: Apache-2.0
"""Runs modules (or classes) of python's own test suite, a process each, and prints the outcome of
every test: pytests.py MODULE…"""
import importlib
import os
import subprocess
import sys
import unittest

# These wait for the host of a virtual machine, for ever where there is none.
AWAY = {"test_socket": ["ThreadedVSOCKSocketStreamTest"]}


class Outcomes(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.lines = []

    def note(self, outcome, test):
        self.lines.append(f"{outcome} {test.id()}")

    def addSuccess(self, test):
        self.note("ok", test)

    def addError(self, test, err):
        self.note("error", test)

    def addFailure(self, test, err):
        self.note("failure", test)

    def addSkip(self, test, reason):
        self.note("skipped", test)

    def addExpectedFailure(self, test, err):
        self.note("expected", test)

    def addUnexpectedSuccess(self, test):
        self.note("unexpected", test)

    def addSubTest(self, test, subtest, err):
        if err:
            self.note("failure", subtest)


def run(module):
    """One module, its output away, its outcomes to the descriptor that stdout was."""
    from test import support
    support.use_resources = []
    out = os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    for name in AWAY.get(module, ()):
        tests = importlib.import_module("test." + module)
        setattr(tests, name, unittest.skip("")(getattr(tests, name)))
    outcomes = Outcomes()
    unittest.defaultTestLoader.loadTestsFromName("test." + module).run(outcomes)
    out.write("\n".join(sorted(outcomes.lines)) + "\n")
    out.flush()
    os._exit(0)


if sys.argv[1] == "one":
    run(sys.argv[2])
for name in sys.argv[1:]:
    ended = subprocess.run([sys.executable, __file__, "one", name], check=False).returncode
    print(f"{name}: status {ended}", flush=True)
