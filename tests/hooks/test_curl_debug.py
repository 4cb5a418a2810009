# SPDX-License-Identifier: Apache-2.0
"""hooks/curl_debug.c: the observer must not show."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from curlcase import PYTHON, CurlCase  # noqa: E402
from harness import main  # noqa: E402


class Verbose(CurlCase):
    """What libcurl tells the program must not change, though the observer listens to the same."""

    def test_verbose(self):
        for args in (["-v"], ["-v", "-L"], ["--trace-ascii", "-"], ["--trace", "-"]):
            with self.subTest(args=args):
                clean = None if args[0] == "-v" else self.clean_trace
                more = {"normalise": clean} if clean else {}
                self.curl(*args, self.http.url + "/redirect/1", **more)

    @staticmethod
    def clean_trace(output):
        """A trace numbers its bytes, and ours are among them: only what stays comparable."""
        return b"\n".join(l for l in output.split(b"\n")
                          if l.startswith((b"==", b"<=")) or b"Send data" in l)

    def test_verbose_https(self):
        self.curl("-v", "--cacert", self.ca, self.https.url + "/hello", server=self.https)

    def test_default_output(self):
        """Without a debug function of the program libcurl prints by itself."""
        code = ("import pycurl; c = pycurl.Curl(); c.setopt(c.URL, '%s/redirect/1');"
                "c.setopt(c.VERBOSE, 1); c.setopt(c.FOLLOWLOCATION, 1);"
                "c.setopt(c.WRITEFUNCTION, len); c.perform()" % self.http.url)
        r, _ = self.run_case([PYTHON, "-c", code])
        self.assertIn(b"\n< HTTP/1.1 302 Found", r.stderr)
        self.assertIn(b"\ntraceparent: ", r.stderr)

    def test_name_lookup_over_https_stays_silent(self):
        """libcurl hands its verbosity on to the look-up's own handle, where ours would show."""
        r, _ = self.curl("--doh-url", self.https.url + "/dns-query", "--doh-insecure",
                         "http://name.invalid/")
        self.assertEqual(r.rc, 6)
        self.assertEqual(r.stderr.count(b"\n"), 1)
        self.assertEqual(r.spans.one().attrs["error.type"], "COULDNT_RESOLVE_HOST")


if __name__ == "__main__":
    main()
