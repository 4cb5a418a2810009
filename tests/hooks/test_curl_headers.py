# SPDX-License-Identifier: Apache-2.0
"""hooks/curl_headers.c: what goes out, and the program's own headers."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from curlcase import PARENT, TRACE, CurlCase  # noqa: E402
from harness import main  # noqa: E402


class Propagation(CurlCase):
    HEADER = f"TraceParent: 00-{TRACE}-{PARENT}-01"

    def test_program_context_becomes_the_parent(self):
        r, sent = self.curl("-H", "X-A: 1", "-H", self.HEADER, "-H", "tracestate: v=1",
                            "-H", "X-B: 2", self.http.url + "/hello")
        span = r.spans.one()
        self.assertEqual((span.trace_id, span.parent_id), (TRACE, PARENT))
        self.assertEqual(span.trace_state, "v=1")
        self.assertEqual(sent[0].header("traceparent"), span.traceparent)
        self.assertEqual(sent[0].header("tracestate"), "v=1")
        self.assertEqual((sent[0].header("x-a"), sent[0].header("x-b")), ("1", "2"))

    def test_program_context_kept(self):
        r, sent = self.curl("-H", self.HEADER, self.http.url + "/hello", ours=(),
                            shim_env={"OTEL_AUTO_EXISTING_TRACEPARENT": "keep"})
        self.assertEqual(sent[0].header("traceparent"), f"00-{TRACE}-{PARENT}-01")
        self.assertEqual(r.spans.one().parent_id, PARENT)

    def test_invalid_program_context(self):
        r, sent = self.curl("-H", "traceparent: rubbish", self.http.url + "/hello")
        self.assertEqual(r.spans.one().parent_id, "")
        self.assertEqual(sent[0].header("traceparent"), r.spans[0].traceparent)

    def test_program_baggage_stays(self):
        env = {"TRACEPARENT": f"00-{TRACE}-{PARENT}-01", "BAGGAGE": "theirs=1"}
        _, sent = self.curl(self.http.url + "/hello", env=env)
        self.assertEqual(sent[0].header("baggage"), "theirs=1")
        _, sent = self.curl("-H", "Baggage: mine=1", self.http.url + "/hello", env=env)
        self.assertEqual(sent[0].header("baggage"), "mine=1")

    def test_behind_too_many_headers(self):
        args = [a for i in range(80) for a in ("-H", f"X-{i}: {i}")]
        r, sent = self.curl(*args, "-H", self.HEADER, self.http.url + "/hello", ours=())
        self.assertEqual(r.spans.one().parent_id, PARENT)

    def test_long_lists(self):
        state = ",".join(f"k{i}={'v' * 100}" for i in range(30))
        baggage = ",".join(f"b{i}={'w' * 100}" for i in range(60))
        _, sent = self.curl(self.http.url + "/hello", env={
            "TRACEPARENT": f"00-{TRACE}-{PARENT}-01", "TRACESTATE": state, "BAGGAGE": baggage})
        self.assertEqual(sent[0].header("tracestate"), state)
        self.assertEqual(sent[0].header("baggage"), baggage)

    def test_b3(self):
        for kind in ("b3", "b3multi", "tracecontext,b3,b3multi"):
            with self.subTest(kind=kind):
                r, sent = self.curl("-L", self.http.url + "/redirect/1",
                                    shim_env={"OTEL_PROPAGATORS": kind})
                for span, request in zip(self.in_order(r.spans), sent):
                    if "multi" in kind:
                        self.assertEqual(request.header("x-b3-spanid"), span.span_id)
                        self.assertEqual(request.header("x-b3-traceid"), span.trace_id)
                    if kind != "b3multi":
                        self.assertEqual(request.header("b3"), f"{span.trace_id}-{span.span_id}-1")
                    if "tracecontext" in kind:
                        self.assertEqual(request.header("traceparent"), span.traceparent)

    def test_no_propagator(self):
        r, _ = self.curl(self.http.url + "/hello", ours=(), shim_env={"OTEL_PROPAGATORS": "none"})
        self.assertEqual(len(r.spans), 1)

    def test_not_sampled(self):
        r, sent = self.curl("-L", self.http.url + "/redirect/1",
                            shim_env={"OTEL_TRACES_SAMPLER": "always_off"})
        self.assertEqual(r.spans, [])
        for request in sent:
            self.assertRegex(request.header("traceparent"), "^00-[0-9a-f]{32}-[0-9a-f]{16}-0[02]$")

    def test_disabled(self):
        off = {"OTEL_SDK_DISABLED": "true"}
        r, _ = self.curl(self.http.url + "/hello", ours=(), shim_env=off)
        self.assertEqual(r.spans, [])
        r, sent = self.curl(self.http.url + "/hello", shim_env=off,
                            env={"TRACEPARENT": f"00-{TRACE}-{PARENT}-01"})
        self.assertEqual(sent[0].header("traceparent"), f"00-{TRACE}-{PARENT}-01")
        self.assertEqual(r.spans, [])

    def test_family_switched_off(self):
        r, _ = self.curl(self.http.url + "/hello", ours=(), shim_env={"OTEL_AUTO_DISABLE": "curl"})
        self.assertEqual(r.spans, [])


if __name__ == "__main__":
    main()
