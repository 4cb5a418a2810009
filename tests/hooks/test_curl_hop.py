# SPDX-License-Identifier: Apache-2.0
"""hooks/curl_hop.c: one transfer, several requests."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from curlcase import FIRST, OURS, PARENT, TRACE, CurlCase, names  # noqa: E402
from collector import refused  # noqa: E402
from harness import main  # noqa: E402


class Several(CurlCase):
    """One transfer, several requests: each has its own span and its own id on the wire."""

    def hops(self, r, sent, statuses):
        spans = self.in_order(r.spans)
        self.assertEqual(self.statuses(spans), statuses)
        self.assertEqual([s.attrs.get("http.request.resend_count") for s in spans],
                         [None, *range(1, len(statuses))])
        self.assertEqual([s.traceparent for s in spans],
                         [q.header("traceparent") for q in sent if q.method != "CONNECT"])
        self.assertEqual(len({s.trace_id for s in spans}), 1)
        self.assertEqual({s.parent_id for s in spans}, {spans[0].parent_id})
        for a, b in zip(spans, spans[1:]):
            self.assertLessEqual(a.end, b.start)
        return spans

    def test_redirects(self):
        r, sent = self.curl("-L", self.http.url + "/redirect/3")
        spans = self.hops(r, sent, [302, 302, 302, 200])
        self.assertEqual([s.attrs["url.full"] for s in spans],
                         [self.http.url + p for p in ("/redirect/3", "/redirect/2", "/redirect/1",
                                                      "/hello")])
        self.assertEqual([names(s) for s in spans],
                         [FIRST + ["first_byte"]] + [["first_byte"]] * 3)

    def test_redirect_changes_the_method(self):
        r, sent = self.curl("-L", "-d", "x=1", self.http.url + "/redirect/1")
        self.assertEqual([s.name for s in self.hops(r, sent, [302, 200])], ["POST", "GET"])

    def test_redirects_below_a_parent(self):
        r, sent = self.curl("-L", self.http.url + "/redirect/1",
                            env={"TRACEPARENT": f"00-{TRACE}-{PARENT}-01"})
        spans = self.hops(r, sent, [302, 200])
        self.assertEqual((spans[0].trace_id, spans[0].parent_id), (TRACE, PARENT))

    def test_digest(self):
        r, sent = self.run_case(["curl", "-sS", "--digest", "-u", "u:p", self.http.url + "/digest"],
                                ours=OURS + ("authorization",))  # has a random part
        spans = self.hops(r, sent, [401, 200])
        self.assertEqual([s.status for s in spans], ["error", "unset"])
        self.assertEqual(spans[0].attrs["error.type"], "401")

    def test_anyauth_post(self):
        r, sent = self.run_case(["curl", "-sS", "--anyauth", "-u", "u:p", "-d", "data",
                                 self.http.url + "/basic"])
        self.hops(r, sent, [401, 200])

    def test_dead_connection_is_retried(self):
        r, sent = self.curl(self.http.url + "/drop-next", self.http.url + "/hello")
        self.assertEqual(len(sent), 3)
        self.assert_carried(r.spans, sent)
        first, dead, retry = self.in_order(r.spans)
        self.assertEqual((first.status, dead.status, retry.status), ("unset", "error", "unset"))
        self.assertEqual(dead.attrs["error.type"], "GOT_NOTHING")
        self.assertEqual(dead.trace_id, retry.trace_id)
        self.assertEqual(retry.attrs["http.request.resend_count"], 1)
        self.assertEqual(names(dead), [])
        self.assertEqual(names(retry), FIRST + ["first_byte"])

    def test_redirect_to_a_dead_port(self):
        with refused() as dead:
            r, sent = self.curl("-L", f"{self.http.url}/to/{dead}/x")
        answered, failed = self.in_order(r.spans)
        self.assertEqual((answered.status, failed.status), ("unset", "error"))
        self.assertEqual(failed.attrs["error.type"], "COULDNT_CONNECT")
        self.assertEqual(failed.attrs["url.full"], f"{dead}/x")
        self.assertEqual(failed.attrs["http.request.resend_count"], 1)
        self.assertEqual(failed.trace_id, answered.trace_id)

    def test_too_many_redirects(self):
        r, sent = self.curl("-L", "--max-redirs", "1", self.http.url + "/redirect/5")
        self.assertEqual(r.rc, 47)
        spans = self.in_order(r.spans)
        self.assertEqual(self.statuses(spans), [302, 302])
        self.assertEqual([s.attrs.get("error.type") for s in spans], [None, "TOO_MANY_REDIRECTS"])
        self.assert_carried(spans, sent)

    def test_expect_100(self):
        r, sent = self.curl("-H", "Expect: 100-continue", "-d", "x" * 2000,
                            self.http.url + "/echo")
        self.assertEqual(self.statuses(r.spans), [200])


class Proxies(CurlCase):
    def test_http_proxy(self):
        r, sent = self.curl("-x", self.http.url, "http://example.invalid/hello")
        span = r.spans.one("GET")
        self.assert_carried(r.spans, sent)
        self.assertEqual(span.attrs["server.address"], "example.invalid")
        self.assertEqual(span.attrs["network.peer.port"], self.http.port)

    def test_tunnel(self):
        """The CONNECT is the proxy's business: no span, and its 200 is nobody's status."""
        r, _ = self.curl("-x", self.http.url, "--cacert", self.ca, self.https.url + "/status/404")
        self.assertEqual(self.statuses(r.spans), [404])
        self.assert_carried(r.spans, self.https.take()[1:])

    def test_redirect_through_a_second_tunnel(self):
        url = f"{self.https.url}/to/https://localhost:{self.https.port}/status/404"
        r, _ = self.curl("-L", "-x", self.http.url, "--cacert", self.ca, url)
        self.assertEqual(self.statuses(r.spans), [302, 404])
        self.assert_carried(r.spans, self.https.take()[2:])


if __name__ == "__main__":
    main()
