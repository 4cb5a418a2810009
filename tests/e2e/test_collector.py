# SPDX-License-Identifier: Apache-2.0
"""The test collector itself: it must take what is right and complain of what is not."""
import gzip
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import collector as c  # noqa: E402
from harness import PATH, TestCase, certificates, main, require  # noqa: E402
from spans import decode_json, decode_protobuf, pb  # noqa: E402


def request(**span):
    fields = dict(trace_id=b"t" * 16, span_id=b"s" * 8, name="GET", kind=3,
                  start_time_unix_nano=10, end_time_unix_nano=20,
                  attributes=[{"key": "http.request.method", "value": {"string_value": "GET"}}])
    fields.update(span)
    return pb.ExportTraceServiceRequest(resource_spans=[{
        "resource": {"attributes": [{"key": "service.name", "value": {"string_value": "me"}}]},
        "scope_spans": [{"scope": {"name": "hand"}, "spans": [fields]}]}])


def post(url, body, *more, headers=("content-type: application/x-protobuf",)):
    cmd = ["curl", "-sS", "-w", "%{http_code}", "--data-binary", "@-"]
    for h in headers:
        cmd += ["-H", h]
    return subprocess.run(cmd + [*more, url], input=body, capture_output=True, timeout=60,
                          env={"PATH": PATH})


class Decoding(unittest.TestCase):
    def test_good(self):
        batch = decode_protobuf(request(parent_span_id=b"p" * 8).SerializeToString())
        self.assertEqual(batch.errors, [])
        span = batch.spans.one("GET", kind="client", http__request__method="GET")
        self.assertEqual((span.trace_id, span.parent_id), ("74" * 16, "70" * 8))
        self.assertEqual(span.resource, {"service.name": "me"})

    def test_bad(self):
        for change in ({"trace_id": b"short"}, {"span_id": bytes(8)}, {"name": ""}, {"kind": 0},
                       {"end_time_unix_nano": 9}, {"parent_span_id": b"four"},
                       {"events": [{"name": "late", "time_unix_nano": 21}]}):
            with self.subTest(change):
                self.assertTrue(decode_protobuf(request(**change).SerializeToString()).errors)

    def test_bad_bytes(self):
        good = request().SerializeToString()
        for body in (good[:-1], good.replace(b"hand", b"h\xffnd"), good + b"\x50\x01"):
            with self.subTest(body):
                self.assertTrue(decode_protobuf(body).errors)

    def test_json(self):
        span = {"traceId": "0a" * 16, "spanId": "0b" * 8, "name": "GET", "kind": 3,
                "startTimeUnixNano": "10", "endTimeUnixNano": "20", "attributes": []}

        def doc(s):
            return json.dumps({"resourceSpans": [{
                "resource": {"attributes": [{"key": "service.name",
                                             "value": {"stringValue": "me"}}]},
                "scopeSpans": [{"scope": {"name": "hand"}, "spans": [s]}]}]})
        batch = decode_json(doc(span))
        self.assertEqual(batch.errors, [])
        self.assertEqual(batch.spans.one("GET").trace_id, "0a" * 16)
        for change in ({"startTimeUnixNano": 10}, {"kind": "SPAN_KIND_CLIENT"},
                       {"trace_state": "x"}, {"spanId": "zz" * 8}, {"surplus": 1}):
            with self.subTest(change):
                self.assertTrue(decode_json(doc({**span, **change})).errors)

    def test_tree(self):
        batch = decode_protobuf(request().SerializeToString())
        batch.spans += decode_protobuf(request(span_id=b"2" * 8, parent_span_id=b"s" * 8,
                                               name="child").SerializeToString()).spans
        self.assertEqual(batch.spans.tree(), [("GET", [("child", [])])])


@require("curl")
class Receiving(TestCase):
    def test_plain_and_gzip(self):
        col, body = self.collector(), request().SerializeToString()
        self.assertEqual(post(col.url + c.TRACE_PATH, body).stdout, b"200")
        post(col.url + c.TRACE_PATH, gzip.compress(body), headers=(
            "content-type: application/x-protobuf", "content-encoding: gzip"))
        self.assertEqual(len(col.spans), 2)
        col.check()

    def test_unix(self):
        path = os.path.join(self.folder(), "s")
        col = self.collector(unix=path)
        got = post("http://x" + c.TRACE_PATH, request().SerializeToString(), "--unix-socket", path)
        self.assertEqual((got.stdout, len(col.spans)), (b"200", 1))

    def test_client_certificate(self):
        at = certificates()
        col = self.collector(tls=(at + "/server.pem", at + "/server.key"), client_ca=at + "/ca.pem")
        url, body = col.url + c.TRACE_PATH, request().SerializeToString()
        self.assertNotEqual(post(url, body, "--cacert", at + "/ca.pem").returncode, 0)
        got = post(url, body, "--cacert", at + "/ca.pem", "--cert", at + "/client.pem", "--key",
                   at + "/client.key")
        self.assertEqual((got.stdout, len(col.spans)), (b"200", 1))

    def test_grpc(self):
        col, body = self.collector(), request().SerializeToString()
        framed = b"\0" + len(body).to_bytes(4, "big") + body
        got = post(col.url + c.GRPC_PATH, framed, "--http2-prior-knowledge", "-D", "-", headers=(
            "content-type: application/grpc", "te: trailers"))
        self.assertIn(b"grpc-status: 0", got.stdout)
        self.assertEqual(len(col.spans), 1)
        col.check()

    def test_faults(self):
        col, body = self.collector(), request().SerializeToString()
        col.faults = [c.status(503, 7), c.redirect(), c.rubbish(), c.close_early(), c.reset(),
                      c.close_middle(), c.raw(b"")]
        codes = [post(col.url + c.TRACE_PATH, body).returncode for _ in range(7)]
        self.assertEqual(codes[:2], [0, 0])
        self.assertTrue(all(codes[2:]), codes)
        self.assertEqual((len(col.spans), len(col.requests)), (0, 7))

    def test_complains(self):
        col = self.collector()
        post(col.url + c.TRACE_PATH, b"nonsense")
        with self.assertRaises(AssertionError):
            col.check()

    def test_refused(self):
        with c.refused() as url:
            self.assertEqual(post(url, b"").returncode, 7)


if __name__ == "__main__":
    main()
