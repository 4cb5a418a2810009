# SPDX-License-Identifier: Apache-2.0
"""hooks/curl_span.c and curl_error.c: what is said of failures and of other schemes."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from curlcase import Smtp, PYTHON, CurlCase, names  # noqa: E402
from collector import refused, unanswered  # noqa: E402
from harness import main  # noqa: E402


class Failures(CurlCase):
    def fails(self, args, code, error, **attrs):
        r, sent = self.curl(*args)
        (span,) = [s for s in r.spans if s.name != "dns.lookup"]
        self.assertEqual(r.rc, code)
        self.assertEqual((span.status, span.attrs["error.type"]), ("error", error))
        for key, value in attrs.items():
            self.assertEqual(span.attrs.get(key.replace("__", ".")), value)
        return span, sent

    def test_refused(self):
        with refused() as url:
            span, _ = self.fails([url + "/x"], 7, "COULDNT_CONNECT", url__full=url + "/x",
                                 http__request__method="GET", http__response__status_code=None,
                                 server__port=int(url.rsplit(":", 1)[1]))
        self.assertEqual(names(span), ["dns.lookup.done"])
        self.assertEqual(span.name, "GET")

    def test_refused_post(self):
        with refused() as url:
            self.fails(["-d", "x", url], 7, "COULDNT_CONNECT", http__request__method="POST")

    def test_unknown_host(self):
        span, _ = self.fails(["http://a..b/"], 6, "COULDNT_RESOLVE_HOST")
        self.assertEqual(names(span), [])

    def test_timeout(self):
        with unanswered() as url:
            self.fails(["-m", "0.3", url + "/"], 28, "OPERATION_TIMEDOUT")

    def test_nothing(self):
        self.fails([self.http.url + "/nothing"], 52, "GOT_NOTHING")

    def test_cut(self):
        self.fails([self.http.url + "/cut"], 18, "PARTIAL_FILE", http__response__status_code=200)

    def test_untrusted(self):
        r, _ = self.curl(self.https.url + "/hello", server=self.https)
        self.assertEqual(r.spans.one().attrs["error.type"], "PEER_FAILED_VERIFICATION")

    def test_404(self):
        r, _ = self.curl(self.http.url + "/status/404")
        self.assertEqual(r.spans.one(status="error").attrs["error.type"], "404")

    def test_404_with_fail(self):
        self.fails(["-f", self.http.url + "/status/404"], 22, "404")

    def test_500(self):
        r, _ = self.curl(self.http.url + "/status/503")
        self.assertEqual(r.spans.one(status="error").attrs["error.type"], "503")

    def test_bad_url(self):
        r, _ = self.curl("http://127.0.0.1:99999/")
        self.assertEqual(r.spans.one().attrs["error.type"], "URL_MALFORMAT")

    def test_aborted_by_the_program(self):
        code = ("import pycurl; c = pycurl.Curl(); c.setopt(c.URL, '%s/large/1000000');"
                "c.setopt(c.WRITEFUNCTION, lambda b: 0)\n"
                "try: c.perform()\nexcept pycurl.error as e: print(e.args[0])" % self.http.url)
        r, _ = self.run_case([PYTHON, "-c", code])
        span = r.spans.one(http__response__status_code=200)
        self.assertEqual(span.attrs["error.type"], "WRITE_ERROR")


class OtherSchemes(CurlCase):
    def test_file(self):
        r, _ = self.curl("file://" + os.path.abspath(__file__))
        span = r.spans.one("file", kind="client", status="unset")
        self.assertEqual(span.attrs, {"url.full": "file://" + os.path.abspath(__file__)})

    def test_missing_file(self):
        r, _ = self.curl("file:///nonexistent/x")
        span = r.spans.one("file", status="error")
        self.assertEqual(span.attrs["error.type"], "FILE_COULDNT_READ_FILE")

    def test_ftp_refused(self):
        with refused() as url:
            port = int(url.rsplit(":", 1)[1])
            r, _ = self.curl(f"ftp://me:secret@127.0.0.1:{port}/x")
        self.assertEqual(r.spans.one("ftp", status="error").attrs, {
            "url.full": f"ftp://REDACTED:REDACTED@127.0.0.1:{port}/x", "server.port": port,
            "server.address": "127.0.0.1", "error.type": "COULDNT_CONNECT"})

    def test_mail_gets_no_header(self):
        """In SMTP the header list becomes part of the mail."""
        with Smtp() as smtp:
            r, _ = self.curl(f"smtp://127.0.0.1:{smtp.port}/me", "--mail-from", "a@b",
                             "--mail-rcpt", "c@d", "-F", "=text", "-H", "Subject: s")
        r.spans.one("smtp", status="unset")
        self.assertEqual(len(smtp.mails), 2)
        for mail in smtp.mails:
            self.assertIn(b"Subject: s", mail)
            self.assertNotIn(b"traceparent", mail)


if __name__ == "__main__":
    main()
