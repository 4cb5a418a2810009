#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Programs that are killed for a system call they do not make themselves."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import TestCase, main, program  # noqa: E402


class Confined(TestCase):
    def lives(self, mode, said):
        got = self.differential([program("confined"), mode])
        if got.rc == 77:
            self.skipTest("not installed: libseccomp.so.2")
        self.assertEqual((got.rc, got.stdout), (3, said))

    def test_strict(self):
        self.lives("strict", b"pipe\npair\nend\n")

    def test_filter(self):
        self.lives("filter", b"pipe\npair\nback\nmore\nend\n")

    def test_libseccomp(self):
        self.lives("library", b"pipe\npair\nback\nmore\nend\n")


if __name__ == "__main__":
    main()
