#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sockets that speak no HTTP: spans of connects, connections and, when asked for, calls."""
import os
import socket
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import TestCase, main, require  # noqa: E402

PYTHON = "/usr/bin/python3"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PARENT = tuple(TRACEPARENT.split("-")[1:3])

CLIENT = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as c:
    c.sendall(b"hello\\n")
    print(c.recv(100))
"""


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


class Peer:
    """Answers each connection's first line with a greeting and waits for its end."""

    def __init__(self, listening, answer=b"welcome\n"):
        self.listening, self.answer = listening, answer
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while True:
            try:
                c, _ = self.listening.accept()
            except OSError:
                return
            with c:
                if c.recv(100):
                    c.sendall(self.answer)
                    c.recv(100)

    def close(self):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listening.close()


class SocketSpan(TestCase):
    def peer(self, address=("127.0.0.1", 0), family=socket.AF_INET):
        """A server's address; it is not traced."""
        s = socket.socket(family)
        s.bind(address)
        s.listen()
        self.addCleanup(Peer(s).close)
        return s.getsockname()

    def refused(self):
        """A port that is taken and where nobody listens."""
        s = socket.socket()
        self.addCleanup(s.close)
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]

    def python(self, code, *args, **more):
        return self.differential([PYTHON, "-c", code, *map(str, args)], **more).spans

    def test_a_connection(self):
        port = self.peer()[1]
        spans = self.python(CLIENT, port, env={"TRACEPARENT": TRACEPARENT})
        attempt, connection = spans.one("tcp.connect"), spans.one("tcp.connection")
        self.assertEqual(len(spans), 2)
        peer = {"network.transport": "tcp", "network.type": "ipv4",
                "network.peer.address": "127.0.0.1", "network.peer.port": port,
                "server.address": "127.0.0.1", "server.port": port}
        self.assertEqual(attempt.attrs, peer)
        self.assertEqual(connection.attrs, {**peer, "otel_auto.bytes_sent": 6,
                                            "otel_auto.bytes_received": 8})
        for span in spans:
            self.assertEqual((span.trace_id, span.parent_id), PARENT)
            self.assertEqual((span.kind, span.status), ("client", "unset"))
        self.assertEqual(attempt.start, connection.start)
        self.assertLess(attempt.end, connection.end)

    def test_refused(self):
        code = ("import socket, sys\n"
                "for more in {}, {'timeout': 60}:\n"
                "  try: socket.create_connection(('127.0.0.1', int(sys.argv[1])), **more)\n"
                "  except OSError as e: print(e)\n")
        spans = self.python(code, self.refused())
        self.assertEqual([(s.name, s.status, s.attrs["error.type"]) for s in spans],
                         [("tcp.connect", "error", "ECONNREFUSED")] * 2)

    def test_ends_when_the_program_sees_it(self):
        """No error asked for and nothing moved: the wait that brought the connection is its end."""
        wait = {"poll": "p = select.poll(); p.register(c, select.POLLOUT); p.poll()",
                "select": "select.select([], [c], [])"}
        for call, code in wait.items():
            spans = self.python("import select, socket, sys\n"
                                "c = socket.socket(); c.setblocking(False)\n"
                                "c.connect_ex(('127.0.0.1', int(sys.argv[1])))\n"
                                f"{code}\n"
                                "socket.gethostbyname('localhost')\n", self.peer()[1])
            self.assertLess(spans.one("tcp.connect").end, spans.one("dns.lookup").start, call)

    def test_asyncio(self):
        """Non-blocking: the outcome comes by getsockopt."""
        code = ("import asyncio, sys\n"
                "async def main():\n"
                "  r, w = await asyncio.open_connection('127.0.0.1', int(sys.argv[1]))\n"
                "  w.write(b'hello\\n'); print(await r.readline()); w.close()\n"
                "  await w.wait_closed()\n"
                "  try: await asyncio.open_connection('127.0.0.1', int(sys.argv[2]))\n"
                "  except OSError as e: print(e.errno)\n"
                "asyncio.run(main())\n")
        spans = self.python(code, self.peer()[1], self.refused())
        self.assertEqual([s.attrs.get("error.type") for s in spans.find("tcp.connect")],
                         [None, "ECONNREFUSED"])
        self.assertEqual(spans.one("tcp.connection").attrs["otel_auto.bytes_received"], 8)
        self.assertEqual(len(spans), 3)

    @unittest.skipUnless(has_ipv6(), "no IPv6 here")
    def test_ipv6(self):
        code = CLIENT.replace("127.0.0.1", "::1")
        span = self.python(code, self.peer(("::1", 0), socket.AF_INET6)[1]).one("tcp.connection")
        self.assertEqual((span.attrs["network.type"], span.attrs["network.peer.address"]),
                         ("ipv6", "::1"))

    def test_unix(self):
        path = os.path.join(self.folder(), "peer")
        self.peer(path, socket.AF_UNIX)
        code = ("import socket, sys\n"
                "for path in sys.argv[1], sys.argv[1] + '-none':\n"
                "  with socket.socket(socket.AF_UNIX) as s:\n"
                "    try: s.connect(path); s.send(b'hello\\n'); print(s.recv(100))\n"
                "    except OSError as e: print(e)\n")
        spans = self.python(code, path)
        self.assertEqual([(s.name, s.attrs["network.peer.address"], s.attrs.get("error.type"))
                          for s in sorted(spans, key=lambda s: s.end)],
                         [("unix.connect", path, None), ("unix.connection", path, None),
                          ("unix.connect", path + "-none", "ENOENT")])
        self.assertEqual(spans.one("unix.connection").attrs["network.transport"], "unix")

    def test_udp(self):
        code = ("import socket\n"
                "a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); a.bind(('127.0.0.1', 0))\n"
                "b = socket.socket(a.family, a.type); b.connect(a.getsockname())\n"
                "b.send(b'12345'); data, who = a.recvfrom(100); a.sendto(data * 2, who)\n"
                "print(b.recv(100)); b.close()\n"
                "c = socket.socket(a.family, a.type); c.connect(a.getsockname())\n")
        spans = self.python(code)
        self.assertEqual(len(spans), 1, spans)
        span = spans.one("udp.connection", kind="client", network__transport="udp")
        self.assertEqual((span.attrs["otel_auto.bytes_sent"],
                          span.attrs["otel_auto.bytes_received"]), (5, 10))

    def test_server(self):
        code = ("import socket\n"
                "s = socket.create_server(('127.0.0.1', 0))\n"
                "c = socket.socket(); c.connect(s.getsockname())\n"
                "d, _ = s.accept(); d.send(b'220 hello\\r\\n'); c.recv(100)\n"
                "c.send(b'QUIT\\r\\n'); d.recv(100); c.close(); d.close()\n"
                "c = socket.create_connection(s.getsockname()); s.accept()\n")
        spans = self.python(code)
        span = spans.one("tcp.connection", kind="server")
        self.assertEqual(span.parent_id, "")
        self.assertEqual((span.attrs["otel_auto.bytes_sent"],
                          span.attrs["otel_auto.bytes_received"]), (11, 6))
        client = spans.find("tcp.connection", kind="client")[0]
        self.assertEqual(span.attrs["server.port"], client.attrs["server.port"])

    def test_chatter_and_pairs(self):
        code = ("import socket, asyncio\n"
                "a, b = socket.socketpair(); a.send(b'x'); b.recv(1)\n"
                "asyncio.run(asyncio.sleep(0))\n"
                "for family, where in ((socket.AF_INET, ('127.0.0.1', 53)),\n"
                "                      (socket.AF_UNIX, '/run/systemd/none')):\n"
                "  print(socket.socket(family).connect_ex(where) != 0)\n")
        self.assertEqual(list(self.python(code)), [])

    def test_off(self):
        port = self.peer()[1]
        for off in ({"OTEL_AUTO_SOCKET_SPANS": "off"}, {"OTEL_AUTO_DISABLE": "sockets"},
                    {"OTEL_SDK_DISABLED": "true"}):
            self.assertEqual(list(self.python(CLIENT, port, shim_env=off)), [], off)

    def test_calls(self):
        spans = self.python(CLIENT, self.peer()[1], env={"TRACEPARENT": TRACEPARENT},
                            shim_env={"OTEL_AUTO_SOCKET_SPANS": "call"})
        connection = spans.one("tcp.connection")
        span = spans.one("recv", otel_auto__result=8)
        self.assertEqual((span.kind, span.parent_id), ("internal", connection.span_id))
        self.assertTrue(connection.start <= span.start and span.end <= connection.end)
        for name in "socket", "connect":
            span = spans.one(name)
            self.assertEqual((span.trace_id, span.parent_id), PARENT)

    @require("redis-server", "redis-cli")
    def test_redis(self):
        folder = self.folder()
        path = os.path.join(folder, "redis")
        server = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", path, "--save",
                                   "", "--dir", folder], stdout=subprocess.PIPE, text=True)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        for line in server.stdout:
            if "ready to accept" in line.lower():
                break
        spans = self.differential(["redis-cli", "-s", path, "set", "key", "value"]).spans
        self.assertEqual(sorted(s.name for s in spans), ["unix.connect", "unix.connection"])
        self.assertGreater(spans.one("unix.connection").attrs["otel_auto.bytes_received"], 0)

    @require("wget")
    def test_wget(self):
        """A look-up, then an attempt for each address."""
        spans = self.differential(["wget", "-q", "--tries=1", "-O-",
                                   f"http://localhost:{self.refused()}/"]).spans
        self.assertEqual({s.name for s in spans}, {"dns.lookup", "tcp.connect"})
        self.assertEqual(spans.find("tcp.connect")[0].attrs["error.type"], "ECONNREFUSED")

    @require("ssh-keyscan")
    def test_ssh_keyscan(self):
        """Waits in poll or select, and asks for no error."""
        s = socket.create_server(("127.0.0.1", 0))
        peer = threading.Thread(target=lambda: s.accept()[0].close())
        peer.start()
        self.addCleanup(s.close)
        self.addCleanup(peer.join)
        spans = self.run_program(["ssh-keyscan", "-t", "rsa", "-p", str(s.getsockname()[1]),
                                  "127.0.0.1"]).spans
        self.assertEqual(sorted(s.name for s in spans), ["tcp.connect", "tcp.connection"])
        self.assertEqual(spans.one("tcp.connect").status, "unset")


if __name__ == "__main__":
    main()
