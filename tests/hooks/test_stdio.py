#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Streams on sockets, by fdopen() and as inetd's child: every call, error and byte as natively."""
import os
import re
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import (TestCase, environment, main, program, require, run,  # noqa: E402
                     shim_environment)

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


if __name__ == "__main__":
    main()
