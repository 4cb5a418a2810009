# SPDX-License-Identifier: Apache-2.0
"""What the tests of the curl hooks share: a run with and without the shim against one wire server,
compared in exit status, output and every byte sent."""
import os
import re
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import TestCase, certificates, differential, program  # noqa: E402
from wireserver import WireServer  # noqa: E402

PYTHON = "/usr/bin/python3"
TRACE = "0af7651916cd43dd8448eb211c80319c"  # a parent to hand down
PARENT = "b7ad6b7169203331"
FIRST = ["dns.lookup.done", "connect.done"]  # the phases of a new connection
OURS = ("traceparent", "tracestate", "baggage", "b3", "x-b3-traceid", "x-b3-spanid",
        "x-b3-sampled")


def without_our_lines(output):
    """What `curl -v` shows, less the header lines that are meant to be new, and what differs from
    run to run."""
    output = re.sub(rb"(?m)^(?:> )?(?:%s): [^\r\n]*\r\n" % "|".join(OURS).encode(), b"", output)
    output = re.sub(rb"after \d+ m", b"after N m", output)
    return re.sub(rb"0x[0-9a-f]+", b"ADDRESS", output)


def names(span):
    """Of its events."""
    return [e.name for e in span.events]


class Smtp:
    """A mail server that keeps what it takes."""

    def __enter__(self):
        self.mails = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(sock,), daemon=True).start()

    def talk(self, sock):
        stream = sock.makefile("rwb", buffering=0)
        stream.write(b"220 hi\r\n")
        while line := stream.readline():
            word = line[:4].upper()
            if word == b"DATA":
                stream.write(b"354 go\r\n")
                mail = b""
                while (line := stream.readline()) != b".\r\n":
                    mail += line
                self.mails.append(mail)
            stream.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
        sock.close()


class CurlCase(TestCase):
    """self.http and self.https are servers that live as long as the class."""

    @classmethod
    def setUpClass(cls):
        folder = certificates()
        cls.ca = os.path.join(folder, "ca.pem")
        cls.http = WireServer()
        cls.https = WireServer(tls=(f"{folder}/server.pem", f"{folder}/server.key"))

    @classmethod
    def tearDownClass(cls):
        cls.http.close()
        cls.https.close()

    def setUp(self):
        self.http.take()
        self.https.take()

    def run_case(self, cmd, server=None, sort=False, ours=OURS, **more):
        """Returns (Result, requests under the shim). sort: the order of requests may differ. ours:
        headers the wire may differ in."""
        server = server or self.http
        server.take()
        more.setdefault("normalise", without_our_lines)
        result = differential(cmd, **more)
        requests = server.take()
        self.assertEqual(len(requests) % 2, 0, [r.head for r in requests])
        half = len(requests) // 2
        native, here = requests[:half], requests[half:]
        was = [r.without(*ours) for r in native]
        now = [r.without(*ours) for r in here]
        self.assertEqual(sorted(was) if sort else was, sorted(now) if sort else now)
        return result, here

    def curl(self, *args, **more):
        return self.run_case(["curl", "-sS", *args], **more)

    def case(self, name, *args, server=None, **more):
        server = server or self.http
        cmd = [program(self.program), name, server.url, *args]
        return self.run_case(cmd, server=server, **more)

    def in_order(self, spans):
        return sorted(spans, key=lambda s: (s.start, s.attrs.get("http.request.resend_count", 0)))

    def assert_carried(self, spans, requests):
        """Each request carries the context of its own span and no other."""
        sent = [r.header("traceparent") for r in requests if r.method != "CONNECT"]
        carried = [s.traceparent for s in spans if "http.request.method" in s.attrs]
        self.assertEqual(sorted(sent), sorted(carried))

    def statuses(self, spans):
        return [s.attrs.get("http.response.status_code") for s in self.in_order(spans)]

    def nghttpd(self, *args):
        """A port where an HTTP/2 server offers /hello."""
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
        root = self.folder()
        with open(os.path.join(root, "hello"), "w") as f:
            f.write("hello\n")
        self.log = os.path.join(root, "log")
        with open(self.log, "wb") as out:
            server = subprocess.Popen(["nghttpd", "-v", "-a", "127.0.0.1", "-d", root,
                                       "--echo-upload", str(port), *args], stdout=out, stderr=out)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        while server.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return port
            except ConnectionRefusedError:
                pass
        self.fail("nghttpd ended")

    def nghttpd_saw(self):
        """The traceparents it was sent."""
        with open(self.log, "rb") as f:
            return [l.split(b"traceparent: ")[1].strip().decode() for l in f
                    if b"traceparent: " in l]
