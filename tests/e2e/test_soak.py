# SPDX-License-Identifier: Apache-2.0
"""The short form of make soak: everything at once, for 20 seconds."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import ROOT, TestCase  # noqa: E402


class Soak(TestCase):
    def test_short(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
        built = subprocess.run(["make", "-s", "-j2", "soak", "SOAK_SECONDS=20"], cwd=ROOT, env=env,
                               capture_output=True, text=True, timeout=500, check=False)
        self.assertEqual(built.returncode, 0, built.stdout[-4000:] + built.stderr[-8000:])


if __name__ == "__main__":
    unittest.main()
