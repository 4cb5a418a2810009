#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A thread that waits for events goes on with whatever is ready: what it does then hangs below the
request it served only when the event is of that request."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import TestCase, main, program  # noqa: E402

POLLS = ("poll", "poll_chk", "ppoll", "ppoll_chk")
SELECTS = ("select", "pselect")
EPOLLS = ("epoll_wait", "epoll_pwait", "epoll_pwait2")


class Waits(TestCase):
    """tests/programs/waits.c: a call, and what it waits for."""

    def waits(self, call, what, goes_on):
        with self.subTest(call=call, what=what):
            got = self.differential([program("waits"), call, what])
            self.assertEqual(got.rc, 0, got.stderr)
            before = got.spans.one(db__query__text="SELECT ? AS before")
            behind = got.spans.one(db__query__text="SELECT ? AS behind")
            self.assertNotEqual(before.parent_id, "")
            self.assertEqual(behind.parent_id, before.parent_id if goes_on else "")

    def each(self, calls, what, goes_on):
        for call in calls:
            self.waits(call, what, goes_on)

    def test_own_event(self):
        self.each(POLLS + SELECTS + EPOLLS, "own", True)

    def test_event_of_something_else(self):
        self.each(POLLS + SELECTS + EPOLLS, "pipe", False)
        self.each(POLLS + SELECTS + EPOLLS, "both", False)

    def test_time_limit(self):
        self.each(POLLS + SELECTS + EPOLLS, "nothing", False)

    def test_sleep(self):
        """A wait for nothing but time is none for events; a loop's own wait always is."""
        self.each(POLLS + SELECTS, "sleep", True)
        self.each(EPOLLS, "sleep", False)

    def test_failure(self):
        self.each(POLLS + SELECTS + EPOLLS, "fails", True)


if __name__ == "__main__":
    main()
