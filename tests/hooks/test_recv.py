#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every call that receives: the program sees what it always saw, and each request that came in is a
server span that what the program does for it hangs below."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import TestCase, main, program  # noqa: E402

CALLS = ("read", "read_chk", "recv", "recv_chk", "recvfrom", "recvfrom_chk", "recvmsg", "recvmmsg",
         "readv", "preadv2")
WAYS = ("single", "peek", "waiting", "trunc")

# Two requests on a connection with an urgent byte in the middle of the first one's body; without
# and with SO_OOBINLINE. What the server sees of heads differs by our line, so bodies are shown.
URGENT = r"""
import select, socket, sys
inline = len(sys.argv) > 1
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
server.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, inline)

def until(end, text):
    got = b""
    while not got.endswith(text):
        got += end.recv(4096)
    return got.split(b"\r\n\r\n")[-1]

for length in (5 if inline else 4, 0):
    client.send(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % length)
    until(server, b"\r\n\r\n")
    if length:
        client.send(b"ab")
        print(until(server, b"ab"), client.send(b"!", socket.MSG_OOB))
        poll = select.poll()
        poll.register(server, select.POLLPRI)
        print(poll.poll()[0][1] & select.POLLPRI)
        print(until(server, b"!") if inline else server.recv(1, socket.MSG_OOB))
        client.send(b"cd")
        print(until(server, b"cd"))
    server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    print(until(client, b"ok"))
client.close()
print(server.recv(10))
"""


class Receive(TestCase):
    """tests/programs/receive.c, a mode each."""

    def receive(self, mode):
        got = self.differential([program("receive"), mode])
        self.assertEqual(got.rc, 0, got.stderr)
        self.assertTrue(got.stdout.endswith(b"end\n"), got.stdout)
        return got

    def requests(self, mode):
        with self.subTest(mode=mode):
            got = self.receive(mode)
            first = got.spans.one(kind="server", url__path="/first")
            second = got.spans.one(kind="server", url__path="/second")
            self.assertEqual(first.attrs["http.request.method"], "GET")
            self.assertEqual(second.attrs["http.request.method"], "POST")
            for name, parent in (("first", first), ("second", second)):
                span = got.spans.one(db__query__text="SELECT ? AS " + name)
                self.assertEqual((span.parent_id, span.trace_id),
                                 (parent.span_id, parent.trace_id))
            after = got.spans.one(db__query__text="SELECT ? AS after")
            self.assertEqual(after.parent_id, "")

    def test_calls(self):
        for mode in CALLS:
            self.requests(mode)

    def test_ways(self):
        """Single bytes, peeking, without blocking, and bytes that are thrown away unseen."""
        for mode in WAYS:
            self.requests(mode)

    def test_received_descriptor(self):
        """A connection that comes as a message, under a number that was a file's before."""
        self.requests("received")

    def test_overflow(self):
        got = self.differential([program("receive"), "overflow"])
        self.assertEqual(got.rc, -6)
        self.assertEqual(got.stdout, b"received -1\n")

    def test_interrupts(self):
        """Cancelled and interrupted calls, and memory that is not there."""
        self.receive("interrupts")

    def test_urgent_bytes(self):
        """They are where the program looks for them, and the request behind them is itself."""
        for inline in ((), ("inline",)):
            with self.subTest(inline):
                got = self.differential(["/usr/bin/python3", "-c", URGENT, *inline])
                self.assertEqual((got.rc, got.stderr), (0, b""))
                self.assertIn(b"b'!'", got.stdout)

    def test_calls_as_spans(self):
        """OTEL_AUTO_SOCKET_SPANS=call: one for each, below the request it was a part of."""
        for mode in CALLS:
            with self.subTest(mode=mode):
                got = self.differential([program("receive"), mode],
                                        shim_env={"OTEL_AUTO_SOCKET_SPANS": "call"})
                post = got.spans.one(kind="server", url__path="/second")
                name = mode.removesuffix("_chk")
                calls = got.spans.find(name, kind="internal", parent_id=post.span_id)
                self.assertGreaterEqual(len(calls), 1)
                for span in calls:  # the first may have begun to wait before the request came
                    self.assertLessEqual(post.start, span.end)
                    self.assertGreaterEqual(span.attrs["otel_auto.result"], 0)
        got = self.differential([program("receive"), "interrupts"],
                                shim_env={"OTEL_AUTO_SOCKET_SPANS": "call"})
        self.assertEqual(got.spans.one("readv").attrs["error.type"], "EFAULT")


if __name__ == "__main__":
    main()
