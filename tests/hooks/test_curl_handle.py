# SPDX-License-Identifier: Apache-2.0
"""hooks/curl_handle.c and curl_exchange.c: what a program does to a handle."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from curlcase import OURS, PARENT, TRACE, CurlCase, Smtp, names  # noqa: E402
from collector import refused  # noqa: E402
from harness import main, program  # noqa: E402


class Handles(CurlCase):
    program = "curl_handles"

    def test_lists(self):
        r, sent = self.case("lists")
        self.assertIn(b"list unchanged", r.stdout)
        self.assert_carried(r.spans, sent)
        self.assertEqual([q.header("x-two") for q in sent], [None, "2", None])

    def test_own_traceparent(self):
        r, sent = self.case("own_traceparent")
        self.assertIn(b"list unchanged", r.stdout)
        self.assert_carried(r.spans, sent)
        self.assertEqual({(s.trace_id, s.parent_id) for s in r.spans}, {(TRACE, PARENT)})
        self.assertEqual({q.header("baggage") for q in sent}, {"mine=1"})

    def test_shared_list(self):
        r, sent = self.case("shared_list", sort=True)
        self.assertEqual(r.stdout, b"list unchanged\n")
        self.assertEqual(len(r.spans), 200)
        self.assert_carried(r.spans, sent)

    def test_callbacks(self):
        """Transfers made in a callback are children of the one that called it; copies made there
        start from what the program set."""
        r, sent = self.case("callbacks", ours=OURS + ("authorization",))
        self.assert_carried(r.spans, sent)
        outer = [s for s in self.in_order(r.spans) if not s.parent_id]
        inner = [s for s in r.spans if s.parent_id]
        self.assertEqual(sorted(self.statuses(inner)), [201, 202])
        self.assertEqual({s.parent_id for s in inner}, {outer[0].span_id})
        self.assertIn("1", [q.header("x-new") for q in sent])

    def test_verbose(self):
        r, sent = self.case("verbose")
        self.assertEqual(r.stdout.count(b"first sees"), 1)
        self.assertEqual(r.stdout.count(b"second sees"), 1)
        self.assert_carried(r.spans, sent)

    def test_jump_out_of_a_callback(self):
        """The transfer that was left is nobody's parent afterwards."""
        r, sent = self.case("jump")
        self.assertEqual(r.spans.one(http__response__status_code=404).parent_id, "")

    def test_moved_between_threads(self):
        r, sent = self.case("moved")
        self.assertEqual(len(r.spans), 12)
        self.assert_carried(r.spans, sent)

    def test_connect_only(self):
        r, _ = self.case("connect_only")
        self.assertEqual(r.spans, [])

    def test_errno(self):
        self.case("errnos")

    def test_url_handle(self):
        r, sent = self.case("url_api")
        self.assert_carried(r.spans, sent)

    def test_nothing_of_ours_stays(self):
        with Smtp() as smtp:
            r, _ = self.case("mail_after_http", f"smtp://127.0.0.1:{smtp.port}/me")
        self.assertEqual(len(smtp.mails), 4)
        self.assertNotIn(b"traceparent", b"".join(smtp.mails))
        self.assertEqual(sorted(s.name for s in r.spans), ["GET", "smtp", "smtp"])

    def test_refused_transfer(self):
        r, _ = self.case("no_url")
        span = r.spans.one(error__type="URL_MALFORMAT")
        self.assertEqual(names(span), [])

    def test_quiet_lookup(self):
        r, _ = self.case("quiet_lookup", self.https.url + "/dns-query")
        self.assertEqual(r.stderr, b"")

    def test_many_handles(self):
        r, sent = self.case("many")
        self.assert_carried(r.spans, sent)

    def test_many_transfers(self):
        with refused() as url:
            _, sent = self.case("many_transfers", url,
                                shim_env={"OTEL_TRACES_SAMPLER": "always_off"})
        self.assertEqual(sent[0].header("tracestate"), "v=1")
        self.assertRegex(sent[0].header("traceparent"), f"^00-{TRACE}-.{{16}}-00$")
        self.assertNotIn(PARENT, sent[0].header("traceparent"))

    def test_callback_after_a_redirect(self):
        r, sent = self.case("callback_after_redirect")
        inner = r.spans.one(http__response__status_code=201)
        self.assertEqual(r.spans.parent(inner).attrs["url.full"], self.http.url + "/hello")

    def test_head_in_pieces(self):
        r, sent = self.case("big_head", server=self.https)
        self.assertIn(b"in pieces: yes", r.stdout)
        self.assertEqual(len(r.spans), 2)
        self.assert_carried(r.spans, sent)

    def test_a_million_handles(self):
        r = self.run_program([program("curl_handles"), "million"])
        self.assertLess(int(r.stdout), 256, "KiB of growth")


if __name__ == "__main__":
    main()
