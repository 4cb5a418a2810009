#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Streams on sockets, by fdopen() and as inetd's child: every call, error and byte as natively."""
import getpass
import os
import re
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import (TestCase, environment, main, program, require, run,  # noqa: E402
                     shim_environment)
from collector import refused  # noqa: E402
from wireserver import WireServer  # noqa: E402

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"traceparent: 00-{TRACE}-{SPAN}-01\r\n".encode()
MICRO_HTTPD = "/usr/sbin/micro-httpd"
XINETD = """
defaults
{{
    log_type = FILE /dev/null
}}
service probe
{{
    type = UNLISTED
    port = {port}
    bind = 127.0.0.1
    socket_type = stream
    protocol = tcp
    wait = no
    user = {user}
    server = {server}
    server_args = /etc
}}
"""
QUIET = {"OTEL_AUTO_SOCKET_SPANS": "off"}
PROBE = program("stdio_probe")
HTTP = program("stdio_http")
GROUPS = ("modes", "writes", "buffering", "reads", "large_reads", "seeks", "failing_writes",
          "failing_reads", "two_streams", "reopened", "wide", "threads", "ends", "many")


def ask(port, path="/hosts", headers=b""):
    """All that the server sends to a request, up to its end."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
        s.sendall(b"GET %s HTTP/1.0\r\nHost: localhost\r\n%s\r\n" % (path.encode(), headers))
        return read_all(s)


def read_all(s):
    parts = []
    while part := s.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


def undated(response):
    return re.sub(rb"\r\nDate: [^\r]*", b"", response)


class Streams(TestCase):
    def test_calls(self):
        """What each call returns, its errno, the stream's flags, what is buffered and what arrives:
        on TCP and on Unix sockets."""
        for group in GROUPS:
            for kind in ((), ("unix",)):
                with self.subTest(group=group, kind=kind):
                    got = self.differential([PROBE, group, *kind], shim_env=QUIET)
                    self.assertEqual(got.rc, 0)
                    self.assertGreater(len(got.stdout.splitlines()), 4)

    def system_calls(self, group, shim):
        """Those on the sockets, in order, with their sizes and results."""
        log = os.path.join(self.folder(), "calls")
        got = run(["strace", "-o", log, "-e", "trace=read,write,lseek,close,socketpair", "-s", "8",
                   PROBE, group, "unix"], shim=shim, env=QUIET)
        self.assertEqual(got.rc, 0, got.stderr)
        with open(log, encoding="utf-8") as f:
            calls = f.read()
        calls = calls[calls.index("socketpair("):]
        calls = re.sub(r'"(?:\\.|[^"\\])*"\.*|0x[0-9a-f]+', "bytes", calls)
        return [c for c in calls.splitlines() if re.match(r"\w+\(([3-9]|\d\d)\b", c)]

    @require("strace")
    def test_system_calls(self):
        """As many reads, writes and closes as natively, of the same sizes."""
        for group in ("writes", "buffering", "reads", "two_streams", "seeks"):
            with self.subTest(group=group):
                native = self.system_calls(group, False)
                self.assertGreater(len(native), 4)
                self.assertEqual(self.system_calls(group, True), native)

    @require("whois")
    def test_whois(self):
        """A real client that reads through a stream and writes past it."""
        for shim in (False, True):
            with socket.create_server(("127.0.0.1", 0)) as listener:
                asked = []
                thread = threading.Thread(target=self.answer_whois, args=(listener, asked))
                thread.start()
                port = str(listener.getsockname()[1])
                got = run(["whois", "-h", "127.0.0.1", "-p", port, "example.org"], shim, env=QUIET)
                thread.join()
            self.assertEqual((got.rc, got.stdout, got.stderr, asked),
                             (0, b"".join(b"line %d\n" % i for i in range(2000)), b"",
                              [b"example.org\r\n"]))

    @staticmethod
    def answer_whois(listener, asked):
        s, _ = listener.accept()
        with s:
            asked.append(s.recv(1000))
            s.sendall(b"".join(b"line %d\r\n" % i for i in range(2000)))


class Inetd(TestCase):
    """Programs whose standard input and output are a connection."""

    def child(self, cmd, shim, env, path="/hosts", headers=b""):
        """Started as inetd does. (exit status, bytes)."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with socket.create_connection(listener.getsockname(), timeout=60) as client:
                s, _ = listener.accept()
                child = subprocess.Popen(cmd, stdin=s, stdout=s, env=env)
                s.close()
                client.sendall(b"GET %s HTTP/1.0\r\nHost: localhost\r\n%s\r\n" %
                               (path.encode(), headers))
                response = read_all(client)
                return child.wait(60), undated(response)

    def both(self, cmd, **more):
        """The same natively and under the shim; returns the bytes and the spans."""
        collector = self.collector()
        native = self.child(cmd, False, environment(QUIET), **more)
        self.assertEqual(self.child(cmd, True, shim_environment(collector.url, QUIET), **more),
                         native)
        return native[1], collector

    def test_all_ends(self):
        """The order of what lies in the buffer and what a handler writes past it stays."""
        for how in ("return", "exit", "_exit", "fclose", "thread", "handler"):
            with self.subTest(how=how):
                response, _ = self.both([HTTP, "inetd", how])
                self.assertIn(b"\r\n\r\n0 1 bbb", response)
                self.assertEqual(b"b[handler]b" in response, how == "handler")

    @require("micro-httpd")
    def test_micro_httpd(self):
        folder = self.folder()
        with open(os.path.join(folder, "large"), "wb") as f:
            f.write(os.urandom(100000))
        for path in ("/large", "/", "/lost", "/../x"):
            with self.subTest(path=path):
                response, _ = self.both(["micro-httpd", folder], path=path)
                self.assertTrue(response.startswith(b"HTTP/1.0 "))

    def test_server_span(self):
        """The parent comes in by stdin, and the response is seen to its last byte, also where that
        leaves the buffer after main."""
        for how in ("return", "exit", "_exit", "fclose", "thread", "handler"):
            for path in ("/hosts", "/small", "/lost"):
                with self.subTest(how=how, path=path):
                    _, collector = self.both([HTTP, "inetd", how], path=path, headers=PARENT)
                    self.check_span(collector, path, 404 if path == "/lost" else 200)

    def check_span(self, collector, path, status):
        spans = collector.wait(lambda s: s.find(kind="server"))
        span = spans.one(kind="server", url__path=path)
        self.assertEqual((span.trace_id, span.parent_id), (TRACE, SPAN))
        self.assertEqual(span.attrs["http.response.status_code"], status)
        self.assertEqual(span.attrs["http.request.method"], "GET")
        self.assertEqual(len(spans), 1, spans)

    @require("micro-httpd")
    def test_micro_httpd_span(self):
        _, collector = self.both(["micro-httpd", "/etc"], headers=PARENT)
        self.check_span(collector, "/hosts", 200)


class SuperServers(TestCase):
    """micro-httpd below the programs that accept for it, all under the shim."""

    def serve(self, cmd, ready, env, popen):
        """The undated response of the server that cmd starts; ready(process) tells its port."""
        server = subprocess.Popen(cmd, env=env, stdin=subprocess.DEVNULL, **popen)
        try:
            return undated(ask(ready(server), headers=PARENT))
        finally:
            server.terminate()
            server.communicate(timeout=60)

    def both(self, cmd, ready, **popen):
        collector = self.collector()
        native = self.serve(cmd, ready, environment(QUIET), popen)
        self.assertTrue(native.startswith(b"HTTP/1.0 200 Ok\r\n"), native)
        self.assertEqual(self.serve(cmd, ready, shim_environment(collector.url, QUIET), popen),
                         native)
        span = collector.wait(lambda s: s.find(kind="server")).one(kind="server")
        self.assertEqual((span.trace_id, span.parent_id), (TRACE, SPAN))
        self.assertEqual(span.attrs["http.response.status_code"], 200)
        self.assertIn("micro-httpd", span.resource["service.name"])

    @require("tcpserver", "micro-httpd")
    def test_tcpserver(self):
        self.both(["tcpserver", "-1", "-HR", "-l", "localhost", "127.0.0.1", "0",
                   MICRO_HTTPD, "/etc"],
                  lambda server: int(server.stdout.readline()), stdout=subprocess.PIPE)

    @require("socat", "micro-httpd")
    def test_socat(self):
        def port(server):
            for line in server.stderr:
                if found := re.search(rb"listening on .*:(\d+)", line):
                    return int(found[1])
            raise AssertionError("socat does not listen")
        self.both(["socat", "-d", "-d", "TCP-LISTEN:0,bind=127.0.0.1,fork",
                   f"EXEC:{MICRO_HTTPD} /etc,nofork"], port, stderr=subprocess.PIPE)

    @require("xinetd", "micro-httpd")
    def test_xinetd(self):
        """Its log is a pipe that tells when it listens."""
        folder = self.folder()
        log, conf = os.path.join(folder, "log"), os.path.join(folder, "conf")
        with socket.create_server(("127.0.0.1", 0)) as free:
            number = free.getsockname()[1]
        with open(conf, "w", encoding="utf-8") as f:
            f.write(XINETD.format(port=number, user=getpass.getuser(), server=MICRO_HTTPD))
        os.mkfifo(log)

        def port(_):
            with open(log, "rb") as f:
                for line in f:
                    if b"Started working" in line:
                        return number
            raise AssertionError("xinetd does not listen")
        self.both(["xinetd", "-f", conf, "-dontfork", "-filelog", log, "-pidfile",
                   os.path.join(folder, "pid")], port)


class Http(TestCase):
    """Programs that speak HTTP through fdopen()."""

    def test_client(self):
        """One CLIENT span for each request, whose context went out, and no other byte changed."""
        for how in ("client", "keep"):
            with self.subTest(how=how):
                paths = ["/hello", "/large/100000", "/status/404"]
                server = WireServer()
                self.addCleanup(server.close)
                got = self.differential([HTTP, how, str(server.port), *paths], shim_env=QUIET)
                requests = server.take()
                native, under = requests[:3], requests[3:]
                self.assertEqual(len(requests), 6)
                for path, was, now in zip(paths, native, under):
                    span = got.spans.one(kind="client", url__full=server.url.replace(
                        "127.0.0.1", "localhost").rsplit(":", 1)[0] + path)
                    self.assertEqual(now.header("traceparent"), span.traceparent)
                    self.assertEqual(now.without("traceparent"), was.without())
                self.assertEqual(len(got.spans), 3, got.spans)

    def test_client_of_a_bad_server(self):
        """No answer, half of one, nobody there."""
        server = WireServer()
        self.addCleanup(server.close)
        got = self.differential([HTTP, "client", str(server.port), "/nothing", "/cut", "/chunked"],
                                shim_env=QUIET)
        self.assertEqual([s.attrs.get("http.response.status_code") for s in got.spans],
                         [None, 200, 200], got.spans)
        self.assertEqual(got.spans[0].status, "error")
        with refused() as url:
            got = self.differential([HTTP, "client", url.rsplit(":", 1)[1], "/hello"],
                                    shim_env=QUIET)
        self.assertEqual((got.rc, list(got.spans)), (1, []))

    def test_server(self):
        """Two streams on each connection; the parents come in."""
        collector = self.collector()
        responses = []
        for env in (environment(QUIET), shim_environment(collector.url, QUIET)):
            server = subprocess.Popen([HTTP, "server", "3"], env=env, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE)
            port = int(server.stdout.readline())
            responses.append([ask(port, path, PARENT) for path in ("/small", "/large", "/lost")])
            self.assertEqual((server.communicate(timeout=60), server.returncode),
                             ((b"", b""), 0))
        self.assertEqual(*responses)
        spans = collector.wait(lambda s: len(s.find(kind="server")) == 3)
        for path, status in (("/small", 200), ("/large", 200), ("/lost", 404)):
            span = spans.one(kind="server", url__path=path)
            self.assertEqual((span.trace_id, span.parent_id), (TRACE, SPAN))
            self.assertEqual(span.attrs["http.response.status_code"], status)

    def test_threads(self):
        """Many streams at a time, each connection with a trace of its own."""
        count = 200
        collector = self.collector()
        server = subprocess.Popen([HTTP, "threads", str(count)], stdout=subprocess.PIPE,
                                  env=shim_environment(collector.url, QUIET))
        port = int(server.stdout.readline())

        def one(number):
            parent = f"traceparent: 00-{number:032x}-{number:016x}-01\r\n".encode()
            return ask(port, "/large", parent)
        with ThreadPoolExecutor(20) as pool:
            responses = set(pool.map(one, range(1, count + 1)))
        self.assertEqual((server.communicate(timeout=60), server.returncode), ((b"", None), 0))
        self.assertEqual([len(r) for r in responses], [7066])
        spans = collector.wait(lambda s: len(s) >= count)
        self.assertEqual(sorted(int(s.trace_id, 16) for s in spans), list(range(1, count + 1)))
        self.assertTrue(all(int(s.trace_id, 16) == int(s.parent_id, 16) for s in spans))


if __name__ == "__main__":
    main()
