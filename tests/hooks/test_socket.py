#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sockets opened, connected and ended, with good arguments and bad ones: nothing is different."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import TestCase, main, program  # noqa: E402

MODES = ("bad", "accept", "ipv4", "ipv6", "unix", "nonblocking", "udp", "disconnect", "pairs",
         "limits", "threads", "many")


class Sockets(TestCase):
    def same(self, mode, **more):
        with self.subTest(mode=mode):
            got = self.differential([program("sockets"), mode], **more)
            self.assertTrue(got.stdout.endswith(b"end\n"), got.stdout)
            return got

    def test_same(self):
        """Every result and every errno."""
        for mode in MODES:
            self.same(mode)

    def test_switched_off(self):
        for mode in MODES:
            got = self.same(mode, shim_env={"OTEL_AUTO_DISABLE": "sockets"})
            self.assertEqual(list(got.spans), [])


if __name__ == "__main__":
    main()
