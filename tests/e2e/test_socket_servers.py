# SPDX-License-Identifier: Apache-2.0
"""Real servers, with and without the shim: the same bytes to the same requests, the same output and
exit status; a SERVER span for each request, below the span that asked.
"""
import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from harness import PATH, TestCase, require  # noqa: E402
from servers import (APPS, PYTHON, PlainServer, Server, apache, free_port,  # noqa: E402
                     haproxy, nginx)

LARGE = 3000000
PAGE = "".join(f"line {n}\n" for n in range(300))


def ids(number):
    """(trace id, span id) the number-th request comes with."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return digest[:32], digest[32:48]


class Ask:
    """One request and what the server's span must say of it. status None: no span is asked for.
    path: where the span's is another."""

    def __init__(self, line, *lines, body=b"", status=200, version="1.1"):
        self.method, target = line.split(" ")
        self.target, self.status, self.body = target, status, body
        self.path = target.split("?")[0]
        self.lines, self.version = list(lines), version
        if body:
            self.lines.append(f"Content-Length: {len(body)}")

    def raw(self, number, last):
        lines = [f"{self.method} {self.target} HTTP/{self.version}", "Host: service", *self.lines,
                 "traceparent: 00-{}-{}-01".format(*ids(number))]
        if last:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def everything(sock):
    data = b""
    while piece := sock.recv(1 << 16):
        data += piece
    return data


def separately(port, asks):
    """Each on a connection of its own; what came back, to the end."""
    answers = []
    for number, ask in enumerate(asks):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
            s.sendall(ask.raw(number, True))
            answers.append(everything(s))
    return answers


def pipelined(port, asks):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
        s.sendall(b"".join(a.raw(n, n == len(asks) - 1) for n, a in enumerate(asks)))
        return [everything(s)]


def in_single_bytes(port, asks):
    answers = []
    for number, ask in enumerate(asks):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in ask.raw(number, True):
                s.send(bytes([byte]))
            answers.append(everything(s))
    return answers


def timeless(answer):
    """What differs from run to run anyway."""
    for boundary in re.findall(rb"boundary=(\w+)", answer):
        answer = answer.replace(boundary, b"-" * len(boundary))
    return re.sub(rb"(?mi)^(?:date|expires): [^\r\n]*", b"Date: now", answer)


class ServerCase(TestCase):
    quiet = True  # standard error is compared, too

    def serve(self, start, talk, asks, want=None):
        """start(): what Server takes, called once for each run. Returns (spans, answers). want:
        true of the spans once those have come that are to be waited for besides."""
        seen = []
        with Server(**start()) as server:
            seen.append([timeless(a) for a in talk(server.port, asks)])
        native = (server.rc, server.stdout, server.stderr)
        collector = self.collector()
        count = sum(a.status is not None for a in asks)
        with Server(**start(), shim=True, collector=collector) as server:
            seen.append([timeless(a) for a in talk(server.port, asks)])
            collector.wait(lambda spans: len(self.requests_of(spans)) >= count
                           and (not want or want(spans)), timeout=20)
        under = (server.rc, server.stdout, server.stderr)
        for ask, was, now in zip(asks, *seen):
            self.assertEqual(len(was), len(now), ask.target)
            self.assertTrue(was == now, f"{ask.target}\n{was[:800]}\n{now[:800]}")
        if self.quiet:
            self.assertEqual(self.clean(under), self.clean(native))
        else:
            self.assertEqual(under[0], native[0])
        collector.check()
        with collector.changed:
            spans = type(collector.spans)(collector.spans)
        self.judge(spans, asks)
        return spans, seen[1]

    @staticmethod
    def clean(result):
        return result

    @staticmethod
    def requests_of(spans):
        return [s for s in spans if s.kind == "server" and "http.request.method" in s.attrs]

    def judge(self, spans, asks):
        """Each request has its span, with its parent, and there are no others."""
        servers = {(s.trace_id, s.parent_id): s for s in self.requests_of(spans)}
        expected = {ids(n): a for n, a in enumerate(asks) if a.status is not None}
        self.assertEqual(len(self.requests_of(spans)), len(expected), spans)
        for pair, ask in expected.items():
            self.assertIn(pair, servers, f"{ask.method} {ask.target}\n{spans}")
            attrs = servers[pair].attrs
            self.assertEqual((attrs["http.request.method"], attrs["url.path"],
                              attrs.get("http.response.status_code")),
                             (ask.method, ask.path, ask.status))
            self.assertEqual(attrs["url.scheme"], "http")
            self.assertEqual(servers[pair].status, "error" if ask.status >= 500 else "unset")

    def site(self):
        """A folder with files to serve, readable by any user."""
        folder = tempfile.mkdtemp(prefix="otel-test-")
        self.addCleanup(subprocess.run, ["rm", "-r", folder], check=True)
        os.chmod(folder, 0o755)
        site = os.path.join(folder, "site")
        os.mkdir(site)
        for name, data in (("page.txt", PAGE), ("empty.txt", ""), ("large.bin", "y" * LARGE)):
            path = os.path.join(site, name)
            with open(path, "w", encoding="ascii") as f:
                f.write(data)
            os.utime(path, (1600000000, 1600000000))
        return folder


FILES = [Ask("GET /page.txt"), Ask("HEAD /page.txt"), Ask("GET /empty.txt"),
         Ask("GET /missing.txt", status=404), Ask("GET /large.bin"),
         Ask("GET /page.txt?query=1", "Accept-Encoding: identity")]
RANGES = [Ask("GET /large.bin", "Range: bytes=10-2000009", status=206),
          Ask("GET /page.txt", "If-Modified-Since: Sun, 13 Sep 2020 12:26:40 GMT", status=304),
          Ask("GET /large.bin", f"Range: bytes={LARGE}-", status=416)]
SHORT = [a for a in FILES if "large" not in a.target]


@require("nginx")
class Nginx(ServerCase):
    def start(self, extra="", listen=""):
        folder = self.site()

        def start():
            port = free_port()
            body = (f"server {{ listen 127.0.0.1:{port} {listen}; root {folder}/site;\n"
                    "absolute_redirect off;\n"
                    'location = /ok { return 200 "fine\\n"; }\n'
                    "location = /none { return 204; }\n"
                    "location = /away { return 302 /ok; }\n"
                    f"location = /broken {{ return 503; }}\n{extra} }}\n")
            return {"cmd": nginx(folder, body), "port": port, "signal": signal.SIGTERM}
        return start

    ASKS = [Ask("GET /ok"), Ask("GET /none", status=204), Ask("HEAD /ok"),
            Ask("GET /away", status=302), Ask("GET /broken", status=503),
            Ask("GET /large.bin", "Range: bytes=0-9,100-109", status=206), *FILES, *RANGES]

    def test_files_and_returns(self):
        for options in ("sendfile on; tcp_nopush on;", "sendfile off;",
                        "gzip on; gzip_types text/plain; gzip_min_length 10;"):
            with self.subTest(options):
                asks = self.ASKS + [Ask("GET /page.txt", "Accept-Encoding: gzip")]
                self.serve(self.start(options), separately, asks)

    def test_pipelined(self):
        self.serve(self.start("sendfile on;"), pipelined, self.ASKS)

    def test_a_request_in_single_bytes(self):
        self.serve(self.start(), in_single_bytes, SHORT)

    def test_a_body_that_is_discarded(self):
        asks = [Ask("POST /page.txt", body=b"x" * 5000, status=405), Ask("GET /ok"),
                Ask("PUT /ok", body=b"x" * 100000)]
        self.serve(self.start(), pipelined, asks)

    def test_broken_requests_are_answered_as_ever(self):
        def talk(port, _):
            answers = []
            for raw in (b"NONSENSE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x00\xff" * 9,
                        b"GET /ok HTTP/1.0\r\n\r\n", b"GET /ok\r\n",
                        b"GET /ok HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                        b"POST /ok HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                        b"GET /ok HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40000 + b"\r\n\r\n"):
                with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
                    s.sendall(raw)
                    s.shutdown(socket.SHUT_WR)
                    answers.append(everything(s))
            return answers
        spans, answers = self.serve_raw(self.start(), talk)
        self.assertEqual(len(answers), 8)
        self.assertTrue(all(s.attrs.get("http.response.status_code") in (200, 400, None)
                            for s in spans))

    def serve_raw(self, start, talk):
        seen = []
        for shim in (False, True):
            collector = self.collector()
            with Server(**start(), shim=shim, collector=collector) as server:
                seen.append([timeless(a) for a in talk(server.port, None)])
        self.assertEqual(seen[0], seen[1])
        collector.check()
        return self.requests_of(collector.spans), seen[1]

    def test_proxy(self):
        """Two spans a request: the CLIENT span to the upstream below the SERVER span."""
        upstream = PlainServer()
        self.addCleanup(upstream.close)
        extra = (f"location /up/ {{ proxy_pass http://127.0.0.1:{upstream.port}/; "
                 "proxy_http_version 1.1; }")
        asks = [Ask("GET /up/hello"), Ask("POST /up/echo", body=b"x" * 200000),
                Ask("GET /up/chunked"), Ask("GET /up/status/404", status=404),
                Ask("GET /up/large/1000000"), Ask("GET /up/nothing", status=502)]

        def all_here(spans):
            return len(spans.find(kind="client", scope=self.http_scope(spans))) >= len(asks)
        spans, _ = self.serve(self.start(extra), separately, asks, all_here)
        requests = upstream.take()
        native, here = requests[:len(asks)], requests[len(asks):]
        self.assertEqual([r.without("traceparent") for r in native],
                         [r.without("traceparent") for r in here])
        for request in here:
            client = spans.one(kind="client", span_id=request.header("traceparent").split("-")[2])
            self.assertEqual(spans.parent(client).kind, "server")
            self.assertTrue(spans.parent(client).attrs["url.path"].endswith(request.target))

    @staticmethod
    def http_scope(spans):
        return next((s.scope for s in spans if "http.request.method" in s.attrs), None)


@require("apache2")
class Apache(ServerCase):
    def start(self, mpm):
        folder = self.site()

        def start():
            port = free_port()
            return {"cmd": apache(folder, port, mpm), "port": port, "signal": signal.SIGTERM}
        return start

    def test_event(self):
        self.serve(self.start("event"), separately, FILES + RANGES)

    def test_event_pipelined(self):
        self.serve(self.start("event"), pipelined, FILES + RANGES)

    def test_prefork(self):
        self.serve(self.start("prefork"), separately, FILES)

    def test_worker_in_single_bytes(self):
        self.serve(self.start("worker"), in_single_bytes, SHORT)


@require("haproxy")
class Haproxy(ServerCase):
    def test_proxy(self):
        upstream = PlainServer()
        self.addCleanup(upstream.close)
        folder = self.folder()

        def start():
            port = free_port()
            return {"cmd": haproxy(folder, port, upstream.port), "port": port,
                    "signal": signal.SIGTERM}
        asks = [Ask("GET /hello"), Ask("POST /echo", body=b"x" * 200000), Ask("GET /chunked"),
                Ask("GET /status/404", status=404), Ask("GET /large/1000000"),
                Ask("HEAD /hello"), Ask("GET /status/204", status=204)]

        def all_here(spans):
            return sum("url.full" in s.attrs for s in spans) >= len(asks)
        spans, _ = self.serve(start, separately, asks, all_here)
        requests = upstream.take()
        native, here = requests[:len(asks)], requests[len(asks):]
        self.assertEqual([r.without("traceparent") for r in native],
                         [r.without("traceparent") for r in here])
        for request in here:
            client = spans.one(kind="client", span_id=request.header("traceparent").split("-")[2])
            self.assertEqual(spans.parent(client).attrs["url.path"], request.target)


class Python(ServerCase):
    @staticmethod
    def clean(result):
        rc, out, err = result
        err = re.sub(rb"(?m)^127.0.0.1 - - \[[^]]*\]", b"", re.sub(rb"port \d+", b"", err))
        return rc, out, err

    def test_http_server(self):
        folder = self.site()

        def start():
            port = free_port()
            return {"cmd": [PYTHON, "-u", "-m", "http.server", str(port), "--bind", "127.0.0.1",
                            "--directory", f"{folder}/site", "--protocol", "HTTP/1.1"],
                    "port": port, "signal": signal.SIGTERM}
        self.quiet = False
        asks = FILES + [Ask("GET /"), Ask("DELETE /page.txt", status=501)]
        self.serve(start, separately, asks)
        self.serve(start, in_single_bytes, SHORT)


@require("php")
class Php(ServerCase):
    quiet = False  # its log has times, ports and process ids in it

    def start(self):
        port = free_port()
        return {"cmd": ["php", "-S", f"127.0.0.1:{port}", os.path.join(APPS, "page.php")],
                "port": port, "signal": signal.SIGINT}

    ASKS = [Ask("GET /hello"), Ask("POST /post", body=b"a=b" * 1000), Ask("GET /flush"),
            Ask("HEAD /hello"), Ask("GET /other", status=404)]

    def test_pages(self):
        self.serve(self.start, separately, self.ASKS)

    def test_a_request_within_a_request(self):
        upstream = PlainServer()
        self.addCleanup(upstream.close)
        asks = [Ask(f"GET /ask?port={upstream.port}")]

        def all_here(spans):
            return any("url.full" in s.attrs for s in spans)
        spans, _ = self.serve(self.start, separately, asks, all_here)
        native, here = upstream.take()
        self.assertEqual(native.without("traceparent"), here.without("traceparent"))
        client = spans.one(kind="client", url__full=f"{upstream.url}/hello")
        self.assertEqual(client.traceparent, here.header("traceparent"))
        self.assertEqual(spans.parent(client).attrs["url.path"], "/ask")


@require("node")
class Node(ServerCase):
    @staticmethod
    def start():
        return {"cmd": ["/usr/bin/node", os.path.join(APPS, "node_pages.js")]}

    ASKS = [Ask("GET /hello"), Ask("GET /length"), Ask("GET /trailers"), Ask("HEAD /hello"),
            Ask("GET /nothing", status=204), Ask("GET /broken", status=500), Ask("GET /large"),
            Ask("POST /post", body=b"x" * 300000), Ask("GET /other?x=1", status=404)]

    def test_pages(self):
        for talk in (separately, pipelined):
            with self.subTest(talk.__name__):
                self.serve(self.start, talk, self.ASKS)
        with self.subTest("single bytes"):
            self.serve(self.start, in_single_bytes, self.ASKS[:6])

    def test_an_upgrade_is_left_alone(self):
        def talk(port, asks):
            with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
                s.sendall(asks[0].raw(0, False))
                first = b""
                while patient and not first.endswith(b"\r\n\r\n"):
                    first += s.recv(4096)
                s.sendall(b"GET /hello HTTP/1.1\r\n\r\n" + bytes(range(256)) * 100)
                s.shutdown(socket.SHUT_WR)
                return [first + everything(s)]
        asks = [Ask("GET /socket", "Connection: Upgrade", "Upgrade: echo", status=101)]
        for patient in (True, False):
            with self.subTest(patient=patient):
                _, answers = self.serve(self.start, talk, asks)
                self.assertTrue(answers[0].endswith(bytes(range(256)) * 100))


@require("redis-server", "redis-cli")
class Redis(ServerCase):
    quiet = False  # a log with times

    def test_commands(self):
        script = b"PING\nSET a 1\nINCR a\nLPUSH l 1 2 3\nLRANGE l 0 -1\nEVAL 'return 7' 0\nNOPE\n"
        folder = self.folder()

        def start():
            port = free_port()
            return {"cmd": ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save",
                            "", "--appendonly", "no", "--dir", folder],
                    "port": port, "signal": signal.SIGTERM}

        def talk(port, _):
            cli = subprocess.run(["redis-cli", "-p", str(port)], input=script, check=True,
                                 env={"PATH": PATH}, capture_output=True)
            with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
                s.sendall(b"*1\r\n$4\r\nPING\r\n" * 1000 + b"QUIT\r\n")
                return [cli.stdout, cli.stderr, everything(s)]

        def two_connections(spans):
            return len(spans.find("tcp.connection", kind="server")) >= 2
        spans, answers = self.serve(start, talk, [], two_connections)
        self.assertIn(b"PONG", answers[0])
        self.assertEqual(answers[2].count(b"+PONG"), 1000)
        self.assertEqual(self.requests_of(spans), [])


if __name__ == "__main__":
    unittest.main()
