#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sockets opened, connected and ended: the program sees no difference, and each connection that
does not speak HTTP is told of once, when and by whom it ends."""
import os
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import TestCase, main, program, require, run, shim_environment  # noqa: E402
from wireserver import WireServer  # noqa: E402

MODES = ("bad", "accept", "ipv4", "ipv6", "unix", "nonblocking", "udp", "disconnect", "pairs",
         "limits", "threads", "many")
PYTHON = "/usr/bin/python3"
PAIR = """
import os, socket, subprocess, sys
listening = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listening.getsockname())
server = listening.accept()[0]
def talk():
    client.sendall(b"ping")
    assert server.recv(9) == b"ping"
    server.sendall(b"back!")
    assert client.recv(9) == b"back!"
talk()
"""
# Serves a request; with an argument it takes up another connection in between.
TAKES_UP = """
import socket, sys, threading
listening = socket.create_server(("127.0.0.1", 0))
def ask():
    with socket.create_connection(listening.getsockname()) as client:
        client.sendall(b"GET /served HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
        client.recv(99)
asker = threading.Thread(target=ask)
asker.start()
server = listening.accept()[0]
server.recv(999)
if len(sys.argv) > 2:
    another = socket.create_connection(listening.getsockname())
    taken = listening.accept()[0]
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as upstream:
    upstream.sendall(b"GET /hello HTTP/1.1\\r\\nHost: up\\r\\n\\r\\n")
    upstream.recv(999)
server.sendall(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
asker.join()
"""
CLIENT, SERVER = ("tcp.connection", "client"), ("tcp.connection", "server")
CONNECT = ("tcp.connect", "client")


def told(spans):
    return sorted((s.name, s.kind) for s in spans)


def moved(span):
    return span.attrs.get("otel_auto.bytes_sent"), span.attrs.get("otel_auto.bytes_received")


class Same(TestCase):
    def same(self, mode, **more):
        with self.subTest(mode=mode):
            got = self.differential([program("sockets"), mode], **more)
            self.assertTrue(got.stdout.endswith(b"end\n"), got.stdout)
            return got

    def test_same(self):
        """Every result and every errno."""
        for mode in MODES:
            self.same(mode)

    def test_with_spans_of_calls(self):
        for mode in MODES[:-2]:
            self.same(mode, shim_env={"OTEL_AUTO_SOCKET_SPANS": "call"})

    def test_switched_off(self):
        for mode in MODES:
            got = self.same(mode, shim_env={"OTEL_AUTO_DISABLE": "sockets"})
            self.assertEqual(list(got.spans), [])


class Told(TestCase):
    def spans(self, script, **more):
        got = run([PYTHON, "-c", PAIR + script], **more)
        self.assertEqual(got.rc, 0, got.stderr)
        return got.spans

    def test_connects_and_connections(self):
        got = run([program("sockets"), "ipv4"])
        self.assertEqual(told(got.spans), [CONNECT, CONNECT, CLIENT, SERVER])
        refused = got.spans.one("tcp.connect", status="error")
        self.assertEqual(refused.attrs["error.type"], "ECONNREFUSED")
        self.assertEqual(moved(got.spans.one("tcp.connection", kind="client")), (4, 8))
        self.assertEqual(moved(got.spans.one("tcp.connection", kind="server")), (8, 4))

    def test_a_connect_that_does_not_block_is_one_attempt(self):
        got = run([program("sockets"), "nonblocking"])
        self.assertEqual(told(got.spans), [CONNECT, CONNECT, CLIENT, SERVER])
        refused = got.spans.one("tcp.connect", status="error")
        self.assertEqual(refused.attrs["error.type"], "ECONNREFUSED")

    def test_dissolved_and_connected_again(self):
        got = run([program("sockets"), "udp"])
        self.assertEqual(told(got.spans), [("udp.connection", "client")] * 2)
        got = run([program("sockets"), "disconnect"])
        self.assertEqual(told(got.spans), [CONNECT, CONNECT, CLIENT, CLIENT, SERVER])

    def test_open_at_the_end(self):
        """Whatever the end is, but for an exec, behind which they may go on."""
        for end in ("", "sys.exit(0)", "os._exit(0)"):
            with self.subTest(end):
                self.assertEqual(told(self.spans(end)), [CONNECT, CLIENT, SERVER])
        self.assertEqual(told(self.spans('os.execv("/bin/true", ["true"])')), [CONNECT])

    def test_the_last_number_counts(self):
        spans = self.spans("""
other = client.dup()
client.close()
client = other
talk()
os.dup2(client.fileno(), 40)
client.close()
client = socket.socket(fileno=40)
talk()
client.close()
server.close()
""")
        self.assertEqual(told(spans), [CONNECT, CLIENT, SERVER])
        self.assertEqual(moved(spans.one("tcp.connection", kind="client")), (12, 15))

    def test_closed_by_a_child_that_shares_memory(self):
        """subprocess makes its children with vfork, and they close what is their parent's."""
        spans = self.spans("""
subprocess.run(["/bin/true"], close_fds=True, check=True)
talk()
""")
        self.assertEqual(told(spans), [CONNECT, CLIENT, SERVER])
        self.assertEqual(moved(spans.one("tcp.connection", kind="client")), (8, 10))

    def test_handed_to_a_child(self):
        """Each process tells of what it moved itself, one that only closes of nothing."""
        got = run([PYTHON, "-c", """
import os, socket
listening = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listening.getsockname())
server = listening.accept()[0]
if os.fork() == 0:
    client.close()
    server.sendall(b"hello")
    os._exit(0)
server.close()
assert client.recv(9) == b"hello" and client.recv(9) == b""
os.wait()
"""])
        self.assertEqual(got.rc, 0, got.stderr)
        self.assertEqual(told(got.spans), [CONNECT, CLIENT, SERVER])
        self.assertEqual(moved(got.spans.one("tcp.connection", kind="server"))[0], 5)

    def test_an_inherited_listening_socket(self):
        script = """
import socket
server = socket.socket(fileno=3).accept()[0]
server.sendall(server.recv(4))
"""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            def speak():
                with socket.create_connection(listening.getsockname()) as client:
                    client.sendall(b"ping")
                    client.recv(4)
            thread = threading.Thread(target=speak)
            thread.start()
            got = run(["/bin/sh", "-c", 'exec 3<&%d; exec "$0" -c "$1"' % listening.fileno(),
                       PYTHON, script], popen={"pass_fds": [listening.fileno()]})
            thread.join()
        self.assertEqual((got.rc, told(got.spans)), (0, [SERVER]), got.stderr)
        self.assertEqual(moved(got.spans.one()), (4, 4))

    def test_a_server_of_inetd(self):
        """Its standard input and output are the connection: one, though both numbers end it."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            client = socket.create_connection(listening.getsockname())
            self.addCleanup(client.close)
            server = listening.accept()[0]
            client.sendall(b"ping")
            client.shutdown(socket.SHUT_WR)
            collector = self.collector()
            child = subprocess.Popen([PYTHON, "-c", "import os; os.write(1, os.read(0, 9))"],
                                     stdin=server, stdout=server,
                                     env=shim_environment(collector.url))
            server.close()
            self.assertEqual(client.recv(9), b"ping")
            self.assertEqual(child.wait(), 0)
        collector.wait(list)
        self.assertEqual(told(collector.spans), [SERVER])
        self.assertEqual(moved(collector.spans[0]), (4, 4))

    @require("curl")
    def test_what_libcurl_opens_is_libcurls(self):
        server = WireServer()
        self.addCleanup(server.close)
        got = run(["curl", "-s", f"http://127.0.0.1:{server.port}/hello"])
        self.assertEqual((got.rc, [s.name for s in got.spans]), (0, ["GET"]), got.spans)

    def test_calls(self):
        got = run([program("sockets"), "ipv4"], env={"OTEL_AUTO_SOCKET_SPANS": "call"})
        calls = [s for s in got.spans if s.kind == "internal"]
        names = [s.name for s in calls]
        for name in ("socket", "bind", "listen", "connect", "accept", "shutdown"):
            self.assertIn(name, names)
        self.assertEqual(names.count("connect"), 3)


class Accept(TestCase):
    def test_a_connection_taken_up_is_something_new(self):
        upstream = WireServer()
        self.addCleanup(upstream.close)
        for more, known in ((), True), (("another",), False):
            got = self.differential([PYTHON, "-c", TAKES_UP, str(upstream.port), *more])
            server, = [s for s in got.spans if s.kind == "server"
                       and s.attrs.get("url.path") == "/served"]
            client, = [s for s in got.spans if s.kind == "client"
                       and s.attrs.get("url.full", "").endswith("/hello")]
            self.assertEqual(client.parent_id == server.span_id, known, got.spans)


if __name__ == "__main__":
    main()
