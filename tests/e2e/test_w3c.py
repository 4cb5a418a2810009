# SPDX-License-Identifier: Apache-2.0
"""Plain services that know nothing of tracing, under the shim, as W3C trace-context participants:
what comes in goes on in what they send while they serve that request, what is invalid starts a new
trace.
"""
import os
import signal
import socket
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
import w3c  # noqa: E402
from contexts import Ends, header_values, wait_for  # noqa: E402
from harness import Collector, TestCase, require  # noqa: E402
from servers import APPS, PYTHON, Server, free_port, nginx  # noqa: E402
from w3c import GOOD, PARENT, TRACE  # noqa: E402


def response(stream):
    """Reads one and returns its status; bodies here have a length or come in chunks."""
    status = int(stream.readline().split()[1])
    length, chunked = 0, False
    while (line := stream.readline().strip()):
        name, _, value = line.lower().partition(b":")
        length = int(value) if name == b"content-length" else length
        chunked = chunked or name == b"transfer-encoding"
    while chunked and (size := int(stream.readline(), 16)):
        stream.read(size + 2)
    stream.readline() if chunked else stream.read(length)
    return status


class Service:
    """A service lives as long as the class; command() gives what Server takes."""

    @classmethod
    def setUpClass(cls):
        cls.ends = Ends(slowest_s=0)
        cls.addClassCleanup(cls.ends.close)
        cls.spans = Collector()
        cls.addClassCleanup(cls.spans.close)
        cls.server = Server(**cls.command(cls.ends.upstream), shim=True, collector=cls.spans)
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        self.ends.take()
        # Paths are numbered for all tests of the class: a span is found by its path.
        self.count = getattr(type(self), "count", 0)

    def tearDown(self):
        type(self).count = self.count
        self.spans.check()

    def request(self, lines):
        path = f"/w3c/{self.count}"
        self.count += 1
        return path, "\r\n".join([f"GET {path} HTTP/1.1", "Host: service", *lines, "", ""]) \
            .encode("latin-1")

    def ask(self, *requests):
        """Sends requests (header lines each), one after the other on one connection. Returns
        [(path, head that went upstream)]."""
        asked = []
        with socket.create_connection(("127.0.0.1", self.server.port)) as s:
            stream = s.makefile("rb")
            for lines in requests:
                path, raw = self.request(lines)
                s.sendall(raw)
                self.assertEqual(response(stream), 200, lines)
                asked.append(path)
        return self.upstream(asked)

    def upstream(self, paths):
        came = self.ends.take()
        self.assertEqual(sorted(p for p, _ in came), sorted(paths))
        return [(p, dict(came)[p]) for p in paths]

    def judge(self, case, head):
        """Is what went upstream right? Spans apart."""
        name, lines, flags, state = case
        sent = w3c.read(head)
        self.assertIsNotNone(sent, f"no valid traceparent goes upstream: {head}")
        self.assertTrue(header_values(head, b"traceparent")[0].startswith("00-"))
        self.assertNotEqual(sent[1], PARENT)
        if flags is None:
            self.assertNotEqual(sent[0], TRACE)
            self.assertEqual(sent[2], 3, "a new trace is sampled, and its id is random")
        else:
            self.assertEqual((sent[0], sent[2]), (TRACE, flags))
        members = w3c.members(head)
        if state == w3c.ANY:
            whole = [tuple(m.split("=")) for m in lines[1].split(": ")[1].split(",")]
            self.assertIn(members, ([], whole))
        else:
            self.assertEqual(members, state)

    def judge_spans(self, case, path, head):
        sent = w3c.read(head)
        flags = case[2]
        with self.spans.changed:
            server = self.spans.spans.find(kind="server", url__path=path)
            client = self.spans.spans.find(kind="client", span_id=sent[1])
        if flags is not None and not flags & 1:
            self.assertEqual((server, client), ([], []), "it was not to be sampled")
            return
        self.assertEqual((len(server), len(client)), (1, 1))
        self.assertEqual(server[0].parent_id, "" if flags is None else PARENT)
        self.assertEqual((client[0].trace_id, client[0].parent_id),
                         (server[0].trace_id, server[0].span_id))
        self.assertEqual(server[0].trace_id, sent[0])
        self.assertEqual(server[0].flags & 0xff, sent[2])

    def judge_all(self, cases, went):
        sampled = [(p, h) for (_, _, flags, _), (p, h) in zip(cases, went)
                   if flags is None or flags & 1]
        wait_for(self.spans, {}, sampled)
        self.assertEqual(len(went), len(cases))
        for case, (path, head) in zip(cases, went):
            with self.subTest(case[0]):
                self.judge(case, head)
                self.judge_spans(case, path, head)


class Conforming(Service):
    """Services that send requests of their own making."""

    def test_every_case_on_a_connection_of_its_own(self):
        self.judge_all(w3c.CASES, [self.ask(lines)[0] for _, lines, _, _ in w3c.CASES])

    def test_every_case_on_one_connection(self):
        went = self.ask(*(lines for _, lines, _, _ in w3c.CASES))
        self.judge_all(w3c.CASES, went)

    def test_a_head_in_single_bytes(self):
        lines = ["X-Before: 1", f"traceparent: {GOOD}", "tracestate: foo=1", "tracestate: bar=2"]
        path, raw = self.request(lines)
        with socket.create_connection(("127.0.0.1", self.server.port)) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in raw:
                s.send(bytes([byte]))
            self.assertEqual(response(s.makefile("rb")), 200)
        case = ("", lines, 1, [("foo", "1"), ("bar", "2")])
        self.judge_all([case], self.upstream([path]))

    def test_no_pipelined_request_is_taken_for_another(self):
        # Read at once, they may be served in any order: gaps are right, lies are not.
        for turn in range(8):
            traces = [f"{turn * 16 + n:032x}" for n in range(1, 9)]
            asked = [self.request([f"traceparent: 00-{t}-{PARENT}-01"]) for t in traces]
            with socket.create_connection(("127.0.0.1", self.server.port)) as s:
                s.sendall(b"".join(raw for _, raw in asked))
                stream = s.makefile("rb")
                self.assertEqual([response(stream) for _ in asked], [200] * len(asked))
            went = self.upstream([path for path, _ in asked])
            for number, (_, head) in enumerate(went):
                others = traces[:number] + traces[number + 1:]
                self.assertNotIn(w3c.read(head)[0], others, "somebody else's trace")

    def test_three_requests_of_one_trace_have_spans_of_their_own(self):
        went = self.ask(*[[f"traceparent: {GOOD}"]] * 3)
        self.assertEqual(len({w3c.read(head)[1] for _, head in went}), 3)
        self.assertEqual({w3c.read(head)[0] for _, head in went}, {TRACE})

    def test_a_trace_does_not_outlive_its_request(self):
        went = self.ask([f"traceparent: {GOOD}", "tracestate: foo=1"], [],
                        [f"traceparent: {GOOD}"], ["tracestate: foo=1"])
        traces = [w3c.read(head)[0] for _, head in went]
        self.assertEqual((traces[0], traces[2]), (TRACE, TRACE))
        self.assertEqual(len(set(traces)), 3)
        self.assertEqual([w3c.members(head) for _, head in went], [[("foo", "1")], [], [], []])

    def test_baggage_goes_on_with_and_without_a_trace(self):
        for lines in ([f"traceparent: {GOOD}"], [], ["traceparent: 00-x"]):
            with self.subTest(lines):
                (_, head), = self.ask([*lines, "baggage: user=alice;p=1", "Baggage: shop=%20x"])
                members = [m.strip() for v in header_values(head, b"baggage")
                           for m in v.split(",")]
                self.assertEqual(members, ["user=alice;p=1", "shop=%20x"])


class PythonThreads(Conforming, TestCase):
    @staticmethod
    def command(upstream):
        return {"cmd": [PYTHON, os.path.join(APPS, "threading_server.py"), "plain", str(upstream)]}


class Disabled(Service, TestCase):
    """OTEL_SDK_DISABLED: no spans; what comes in goes on as it came."""

    @staticmethod
    def command(upstream):
        return {**PythonThreads.command(upstream), "env": {"OTEL_SDK_DISABLED": "true"}}

    def test_what_comes_in_goes_on(self):
        came = [f"traceparent: {GOOD}", "tracestate: foo=1", "baggage: k=v"]
        (_, first), (_, second), (_, third) = self.ask([], came, [])
        self.assertEqual([header_values(second, name) for name in
                          (b"traceparent", b"tracestate", b"baggage")],
                         [[GOOD], ["foo=1"], ["k=v"]])
        for head in (first, third):
            self.assertEqual(header_values(head, b"traceparent"), [])
        self.assertEqual(list(self.spans.spans), [])


@require("node")
class NodeFetch(Conforming, TestCase):
    @staticmethod
    def command(upstream):
        return {"cmd": ["/usr/bin/node", "--max-http-header-size=131072",
                        os.path.join(APPS, "node_server.js"), "only",
                        str(upstream)]}


@require("nginx")
class NginxProxy(Service, TestCase):
    """A proxy passes the headers on itself: what it sends has them already. What is valid must go
    on with our span in it, once; what is not must not be made valid."""

    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="otel-test-"))
        cls.command = lambda upstream: cls.proxy(folder, upstream)
        super().setUpClass()

    @staticmethod
    def proxy(folder, upstream):
        port = free_port()
        body = (f"upstream up {{ server 127.0.0.1:{upstream}; keepalive 4; }}\n"
                "large_client_header_buffers 16 16k; ignore_invalid_headers off;\n"
                f"server {{ listen 127.0.0.1:{port}; location / {{\n"
                'proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";\n'
                "} }\n")
        return {"cmd": nginx(folder, body), "port": port, "signal": signal.SIGTERM}

    def test_what_is_valid_goes_on(self):
        cases = [c for c in w3c.CASES if c[2] is not None and "tracestate" not in c[0]]
        self.judge_all(cases, self.ask(*(lines for _, lines, _, _ in cases)))

    def test_tracestate_is_passed_once(self):
        for lines in (["tracestate: foo=1,bar=2"], ["tracestate: foo=1", "TraceState: bar=2"]):
            with self.subTest(lines):
                went = self.ask([f"traceparent: {GOOD}", *lines])
                self.judge_all([("", lines, 1, [("foo", "1"), ("bar", "2")])], went)

    def test_what_is_missing_is_added(self):
        case = w3c.CASES[0]
        self.judge_all([case], self.ask(case[1]))

    def test_what_is_invalid_does_not_go_on(self):
        cases = [c for c in w3c.CASES if c[2] is None and "tracestate" not in c[0]]
        went = self.ask(*(lines for _, lines, _, _ in cases))
        for (name, _, _, _), (path, head) in zip(cases, went):
            with self.subTest(name):
                sent = w3c.read(head)
                self.assertTrue(sent is None or sent[0] != TRACE, head)


if __name__ == "__main__":
    unittest.main()
