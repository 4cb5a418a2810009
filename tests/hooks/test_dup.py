#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Second numbers for a socket, and numbers handed on: nothing is different."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import TestCase, main, program  # noqa: E402


class Numbers(TestCase):
    def same(self, mode):
        got = self.differential([program("numbers"), mode])
        self.assertTrue(got.stdout.endswith(b"end\n"), got.stdout)

    def test_dup(self):
        self.same("dup")

    def test_bad_arguments(self):
        """Numbers beyond the limit, below zero, not open; a number onto itself."""
        self.same("bad")

    def test_fcntl(self):
        """Each kind of argument, on sockets and on other things."""
        self.same("fcntl")

    def test_rights(self):
        """Numbers that travel over a Unix socket."""
        self.same("rights")


if __name__ == "__main__":
    main()
