# SPDX-License-Identifier: Apache-2.0
"""hooks/curl_easy.c and what it stands on: one request, one span."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from curlcase import FIRST, OURS, PYTHON, CurlCase, names  # noqa: E402
from harness import certificates, differential, main, require  # noqa: E402


class Requests(CurlCase):
    """One request, one span: what it says and what went out."""

    def test_get(self):
        url = self.http.url + "/hello?q=1#part"
        r, sent = self.curl(url)
        span = r.spans.one("GET", kind="client", status="unset")
        self.assert_carried(r.spans, sent)
        self.assertEqual(span.parent_id, "")
        self.assertEqual(span.scope, "libotel_auto.curl")
        self.assertEqual(span.attrs, {
            "http.request.method": "GET", "http.response.status_code": 200, "url.full": url,
            "server.address": "127.0.0.1", "server.port": self.http.port,
            "network.peer.address": "127.0.0.1", "network.peer.port": self.http.port,
            "network.protocol.version": "1.1"})
        self.assertEqual(names(span), FIRST + ["first_byte"])
        times = [e.time for e in span.events]
        self.assertEqual(times, sorted(times))

    def test_only_our_line_is_added(self):
        r, sent = self.curl(self.http.url + "/hello")
        added = [n for n, _ in sent[0].headers if n.lower() in OURS]
        self.assertEqual(added, ["traceparent"])
        self.assertEqual(sent[0].header("traceparent"), r.spans[0].traceparent)

    def test_methods(self):
        for args, method in ((["-I"], "HEAD"), (["-d", "x=1"], "POST"), (["-X", "PATCH"], "PATCH"),
                             (["-T", __file__], "PUT"), (["-F", "a=b"], "POST")):
            with self.subTest(method=method, args=args):
                compare = self.form if "-F" in args else self.curl
                r, sent = compare(*args, self.http.url + "/hello")
                self.assertEqual(r.spans.one().name, method)
                self.assert_carried(r.spans, sent)

    def form(self, *args):
        """A form has a random boundary, so its bodies cannot be compared as they are."""
        r = differential(["curl", "-sS", *args])
        was, now = self.http.take()
        cut = lambda q: q.body.replace(q.header("content-type").split("boundary=")[1].encode(), b"")
        self.assertEqual(cut(was), cut(now))
        return r, [now]

    def test_unknown_method(self):
        r, _ = self.curl("-X", "PURGE", self.http.url + "/hello")
        span = r.spans.one("HTTP", http__request__method="_OTHER")
        self.assertEqual(span.attrs["http.request.method_original"], "PURGE")

    def test_large_uploads(self):
        path = os.path.join(self.folder(), "data")
        with open(path, "wb") as f:
            f.write(os.urandom(3 << 20))
        for args in (["--data-binary", "@" + path], ["-T", path],
                     ["-T", path, "-H", "Transfer-Encoding: chunked"]):
            with self.subTest(args=args):
                r, sent = self.curl(*args, self.http.url + "/echo")
                self.assertEqual(r.spans.one().attrs["http.response.status_code"], 200)
                self.assert_carried(r.spans, sent)

    def test_bodies(self):
        for path in ("/large/5000000", "/chunked", "/status/204", "/status/304"):
            with self.subTest(path=path):
                r, sent = self.curl(self.http.url + path)
                self.assertEqual(r.spans.one().status, "unset")
                self.assert_carried(r.spans, sent)

    def test_credentials_stay_here(self):
        r, _ = self.curl(self.http.url.replace("//", "//me:secret@") + "/basic")
        self.assertNotIn("secret", str(r.requests))
        self.assertIn("REDACTED:REDACTED@", r.spans.one().attrs["url.full"])

    def test_reused_connection(self):
        r, sent = self.curl(self.http.url + "/hello", self.http.url + "/hello")
        self.assertEqual([q.connection for q in sent][0], [q.connection for q in sent][1])
        first, second = self.in_order(r.spans)
        self.assertEqual(names(first), FIRST + ["first_byte"])
        self.assertEqual(names(second), ["first_byte"])
        self.assertNotEqual(first.trace_id, second.trace_id)

    def test_https(self):
        r, sent = self.curl("--cacert", self.ca, self.https.url + "/hello", server=self.https)
        self.assert_carried(r.spans, sent)
        self.assertEqual(names(r.spans.one()), FIRST + ["tls.done", "first_byte"])

    def test_pycurl(self):
        code = ("import pycurl, io; c = pycurl.Curl(); b = io.BytesIO();"
                "c.setopt(c.URL, '%s/redirect/1'); c.setopt(c.FOLLOWLOCATION, 1);"
                "c.setopt(c.WRITEDATA, b); c.setopt(c.HTTPHEADER, ['X-Mine: 1']);"
                "c.perform(); print(b.getvalue(), c.getinfo(c.RESPONSE_CODE));"
                "c.unsetopt(c.HTTPHEADER); c.perform(); c.close()" % self.http.url)
        r, sent = self.run_case([PYTHON, "-c", code])
        self.assert_carried(r.spans, sent)
        self.assertEqual([q.header("x-mine") for q in sent], ["1", "1", None, None])


    @require("php")
    def test_php(self):
        """PHP loads its curl in its own scope, and leaves a multi handle's results unread."""
        code = ("$m = curl_multi_init(); $all = [];"
                "foreach (['/hello', '/status/500'] as $p) { $c = curl_init('%s' . $p);"
                "curl_setopt($c, CURLOPT_RETURNTRANSFER, 1); curl_multi_add_handle($m, $c);"
                "$all[] = $c; }"
                "do { curl_multi_exec($m, $busy); curl_multi_select($m); } while ($busy);"
                "foreach ($all as $c) { echo curl_multi_getcontent($c);"
                "curl_multi_remove_handle($m, $c); }"
                "$c = curl_init('%s/status/201'); curl_exec($c);" % (self.http.url, self.http.url))
        r, sent = self.run_case(["php", "-r", code], sort=True)
        self.assert_carried(r.spans, sent)
        self.assertEqual(sorted(self.statuses(r.spans)), [200, 201, 500])


@require("nghttpd")
class Http2(CurlCase):
    def check(self, url, *args, more=()):
        path = os.path.join(self.folder(), "data")
        with open(path, "wb") as f:
            f.write(os.urandom(500000))
        r, _ = self.curl(*args, "-d", "@" + path, url + "/hello", *more)
        spans = self.in_order(r.spans)
        self.assertEqual({s.attrs["network.protocol.version"] for s in spans}, {"2"})
        self.assertEqual(sorted(self.nghttpd_saw()), sorted(s.traceparent for s in spans))
        return spans

    def test_prior_knowledge(self):
        # libcurl 7.88 itself fails to use such a connection twice.
        self.check(f"http://127.0.0.1:{self.nghttpd('--no-tls')}", "--http2-prior-knowledge")

    def test_https(self):
        folder = certificates()
        port = self.nghttpd(f"{folder}/server.key", f"{folder}/server.pem")
        url = f"https://127.0.0.1:{port}"
        spans = self.check(url, "--cacert", self.ca, more=[url + "/missing"])
        self.assertEqual(["tls.done" in names(s) for s in spans], [True, False])

    def test_verbose(self):
        port = self.nghttpd("--no-tls")
        self.curl("-v", "--http2-prior-knowledge", f"http://127.0.0.1:{port}/hello",
                  normalise=lambda out: b"\n".join(
                      l for l in out.split(b"\n") if b"traceparent" not in l and b"date:" not in l
                      and b"Stream ID" not in l))


if __name__ == "__main__":
    main()
