#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each ucontext coroutine keeps its own current span, wherever it is resumed."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import TestCase, main, program  # noqa: E402


class Coroutines(TestCase):
    """tests/programs/coroutines.c, a scenario each."""

    def coroutines(self, scenario):
        got = self.differential([program("coroutines"), scenario])
        self.assertEqual(got.rc, 0, got.stderr)
        self.assertTrue(got.stdout.endswith(b"end\n"), got.stdout)
        return got

    def pairs(self, got):
        """(statement, its parent or "") of each span."""
        names = {s.span_id: s.attrs["db.query.text"].split()[-1] for s in got.spans}
        return sorted((names[s.span_id], names[s.parent_id] if s.parent_id else "")
                      for s in got.spans)

    def test_own(self):
        """Three that give way in turn, in the middle of a statement, twice."""
        got = self.coroutines("own")
        want = [(f"loop_{i}", "") for i in range(3)]
        for i in range(3):
            want += [(f"outer_{i}", ""), (f"after_{i}", "")]
            want += [(f"{what}_{i}", f"outer_{i}") for what in ("before", "behind", "last")]
        self.assertEqual(self.pairs(got), sorted(want))

    def test_on_other_threads(self):
        got = self.coroutines("wander")
        want = [("thread_0", "")] * 3 + [("outer_0", ""), ("after_0", "")]
        want += [(f"{what}_0", "outer_0") for what in ("before", "behind", "last")]
        self.assertEqual(self.pairs(got), sorted(want))

    def test_arguments(self):
        """makecontext hands all of them on."""
        got = self.coroutines("arguments")
        self.assertIn(b"1 2 3 4 5 6 7 8 -9\n", got.stdout)

    def test_jumps(self):
        """setcontext out of a statement: what comes then has no parent."""
        pairs = dict(self.pairs(self.coroutines("jumps")))
        self.assertEqual(pairs["after_0"], "")

    def test_served(self):
        """tests/programs/served.c: threads and coroutines made while a request is served are a part
        of it, until its response is complete; a coroutine made before is not."""
        got = self.differential([program("served")])
        self.assertEqual(got.rc, 0, got.stderr)
        request = got.spans.one(kind="server")
        parents = {s.attrs["db.query.text"].split()[-1]: s.parent_id
                   for s in got.spans.find(kind="client")}
        inside = ("thread_during", "made_first", "main_during")
        outside = ("early_first", "early_second", "made_second", "later_first", "later_second",
                   "thread_after", "main_after")
        self.assertEqual(parents, {**dict.fromkeys(inside, request.span_id),
                                   **dict.fromkeys(outside, "")})


if __name__ == "__main__":
    main()
