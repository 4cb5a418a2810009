#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""libcurl's handles that have things in common, and transfers that pause (curl_shared.c)."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from curlcase import CurlCase  # noqa: E402
from harness import main  # noqa: E402


class Shared(CurlCase):
    program = "curl_shared"

    def test_share(self):
        """A shared handle is in use while others hold it; each transfer has its span."""
        r, sent = self.case("share", sort=True)
        self.assert_carried(r.spans, sent)
        self.assertEqual(len(r.spans), 16)

    def test_pause(self):
        """A paused transfer is one span, to its end."""
        r, sent = self.case("pause", sort=True)
        self.assert_carried(r.spans, sent)
        self.assertEqual([s.attrs["http.response.status_code"] for s in r.spans], [200, 200])

    def test_left_while_paused(self):
        r, _ = self.case("leave")
        self.assertEqual(len(r.spans), 1)


if __name__ == "__main__":
    main()
