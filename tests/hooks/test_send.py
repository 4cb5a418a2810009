#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that send in every way: the same results natively and under the shim, and the peer gets
the program's bytes with our lines in their place, and nothing else."""
import os
import re
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import TestCase, main, program  # noqa: E402

LINE = re.compile(rb"traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]\r\n(?=\r\n)")
OWN = re.compile(rb"(?i)(traceparent: 00-)0af7651916cd43dd8448eb211c80319c-([0-9a-f]{16})-01\r\n")
THEIRS = b"0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Peer:
    """Keeps what each connection brought. reply: answers each head, after the body its
    Content-Length tells. held: a connection is read only when another one has come (and that one is
    none). rst: sends RST behind the first head."""

    def __init__(self, reply=True, held=False, rst=False, small=False):
        self.reply, self.held, self.rst = reply, held, rst
        self.received = []
        self.threads = []
        self.go, self.all_here = threading.Event(), threading.Event()
        self.mark = None
        self.listener = socket.socket()
        if small:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(128)
        self.port = self.listener.getsockname()[1]
        self.acceptor = threading.Thread(target=self._accept, daemon=True)
        self.acceptor.start()

    def close(self):
        self.go.set()
        self.take()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.acceptor.join()
        self.listener.close()

    def take(self):
        """What came since the last call, of each connection, when all of them are over."""
        with socket.socket() as last:  # taken after those before it
            last.bind(("127.0.0.1", 0))
            self.mark = last.getsockname()
            last.connect(("127.0.0.1", self.port))
            self.all_here.wait()
        for t in self.threads:
            t.join()
        self.go.clear()
        self.all_here.clear()
        taken, self.received, self.threads = self.received, [], []
        return [bytes(r) for r in taken]

    def _accept(self):
        while True:
            try:
                sock, address = self.listener.accept()
            except OSError:
                return
            if address == self.mark:
                sock.close()
                self.all_here.set()
                continue
            if self.held and self.threads and self.threads[-1].is_alive():
                self.go.set()
                sock.close()
                continue
            self.received.append(bytearray())
            thread = threading.Thread(target=self._serve, args=(sock, self.received[-1]),
                                      daemon=True)
            thread.start()
            self.threads.append(thread)

    def _serve(self, sock, data):
        try:
            with sock:
                if self.held:
                    self.go.wait()
                self._read(sock, data)
        except OSError:
            pass

    def _read(self, sock, data):
        done = 0
        while part := sock.recv(1500):
            data += part
            while (end := data.find(b"\r\n\r\n", done)) >= 0:
                length = re.search(rb"Content-Length: (\d+)", data[done:end])
                after = end + 4 + (int(length.group(1)) if length else 0)
                if len(data) < after:
                    break
                done = after
                if self.rst:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                if self.reply:
                    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


class Send(TestCase):
    def both_ways(self, mode, shim_env=None, **peer):
        """Runs a mode of the program; returns the Result, and what the peer got natively and
        under the shim."""
        peer = Peer(**peer)
        self.addCleanup(peer.close)
        folder = self.folder()
        told = os.path.join(folder, "told")
        command = ["/bin/sh", "-c", 'TOLD="$0" exec "$1" "$2" "$3"', told, program("send_calls"),
                   mode, str(peer.port)]
        self.assertEqual((first := self.run_program(command, shim=False)).rc, 0, first)
        native = peer.take()
        got = self.run_program(command, env=shim_env)
        self.assertEqual(got.same, first.same, f"{mode}: not as natively\n{got.log}")
        shim = peer.take()
        with open(told, "rb") as f:
            got.told = f.read()
        return got, native, shim

    def stripped(self, data):
        """Without our lines; at least one was there."""
        clean, n = LINE.subn(b"", data)
        self.assertGreater(n, 0, data[:2000])
        return clean

    def same_but_lines(self, mode, **peer):
        """The peer got what it got natively, and one line of ours with each request."""
        got, native, shim = self.both_ways(mode, **peer)
        self.assertEqual([self.stripped(data) for data in shim], native)
        for data in shim:
            self.assertEqual(len(LINE.findall(data)), data.count(b" HTTP/1.1\r\n"))
        self.assertEqual(b"".join(native), got.told, "told and sent")
        return got, shim

    def spans_match(self, got, shim):
        """Each line names the span of its request, and no other span was made."""
        sent = re.findall(rb"traceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})", b"".join(shim))
        spans = {(s.trace_id, s.span_id) for s in got.spans if s.name in ("GET", "POST")}
        self.assertEqual({(t.decode(), i.decode()) for t, i in sent}, spans)

    def test_single_bytes(self):
        got, shim = self.same_but_lines("bytes")
        self.spans_match(got, shim)

    def test_pieces_cut_at_each_position(self):
        got, shim = self.same_but_lines("iovecs")
        self.spans_match(got, shim)

    def overwritten(self, mode):
        """Each traceparent of the program's is in its place, with the id of a span below it."""
        got, native, shim = self.both_ways(mode)
        ids = set()
        for was, now in zip(native, shim):
            self.assertIn(THEIRS, was)
            match = OWN.search(now)
            self.assertIsNotNone(match, now)
            ids.add(match.group(2).decode())
            self.assertEqual(now.replace(match.group(2), THEIRS[33:49]), was)
        spans = [s for s in got.spans if s.name == "GET"]
        self.assertEqual(ids, {s.span_id for s in spans})
        for span in spans:
            self.assertEqual((span.trace_id, span.parent_id),
                             (THEIRS[:32].decode(), THEIRS[33:49].decode()))

    def test_own_traceparent(self):
        """In any case, in calls of one to four bytes, and cut at each position."""
        self.overwritten("own")

    def test_behind_cookies(self):
        """Nine KB of them, in one call and in pieces."""
        self.overwritten("cookies")

    def test_a_file_that_took_the_number_is_not_changed(self):
        peer = Peer()
        self.addCleanup(peer.close)
        got = self.differential([program("stale"), str(peer.port), self.folder()])
        self.assertEqual(got.stdout.count(b"GET /file HTTP/1.1\r\nHost: h\r\n\r\n--"), 3)
        asked = [s for s in got.spans if s.attrs.get("url.full", "").endswith("/asked")]
        self.assertEqual([s.attrs["http.response.status_code"] for s in asked], [200] * 4)

    def test_keep(self):
        _, native, shim = self.both_ways("own", {"OTEL_AUTO_EXISTING_TRACEPARENT": "keep"})
        self.assertEqual(shim, native)

    def test_full_socket(self):
        """Heads of 30 KB through a small buffer to a slow reader: nothing lost, nothing twice."""
        got, native, shim = self.both_ways("nonblocking", small=True)
        self.assertIn(b"was full: 1", got.stdout)
        self.assertEqual([self.stripped(data) for data in shim], native)
        self.assertEqual(b"".join(native), got.told)
        self.spans_match(got, shim)

    def test_more(self):
        self.same_but_lines("more")

    def test_sendfile_and_splice(self):
        got, shim = self.same_but_lines("file")
        self.spans_match(got, shim)

    def test_pipelined(self):
        got, shim = self.same_but_lines("pipelined")
        self.spans_match(got, shim)

    def test_two_threads_in_turn(self):
        got, shim = self.same_but_lines("threads_locked")
        self.spans_match(got, shim)

    def test_two_threads_at_once(self):
        """They may meet in a call, and following then ends: the bytes are right all the same."""
        got, native, shim = self.both_ways("threads_free")
        self.assertEqual([LINE.sub(b"", data) for data in shim], native)

    def told_is_sent(self, mode):
        """What the program was told is gone has arrived, with our lines."""
        got, _, shim = self.both_ways(mode, held=True, small=True)
        self.assertEqual(self.stripped(shim[0]), got.told)
        return got

    def test_interrupted(self):
        self.told_is_sent("interrupted")

    def test_restarted(self):
        self.told_is_sent("restarted")

    def test_timed_out(self):
        self.told_is_sent("timed_out")

    def test_reset(self):
        self.both_ways("reset", rst=True)

    def test_faults_and_errors(self):
        self.both_ways("faults")

    def test_fast_open(self):
        self.same_but_lines("fast_open")

    def test_zero_copy(self):
        """As many notifications as the program counts; the head of such a call stays as it is."""
        got, native, shim = self.both_ways("zero_copy")
        self.assertEqual(self.stripped(shim[0]), native[0])
        self.assertEqual(len(LINE.findall(shim[0])), 1)

    def test_calls(self):
        """With `call`, each call has a span below its request's, those that gave nothing too."""
        got, native, shim = self.both_ways("more", {"OTEL_AUTO_SOCKET_SPANS": "call"})
        self.assertEqual([self.stripped(data) for data in shim], native)
        request = [s for s in got.spans if s.name == "GET"]
        sends = [s for s in got.spans if s.name == "send"]
        self.assertEqual(len(request), 1)
        self.assertEqual(len(sends), 3)
        self.assertEqual(sends[-1].parent_id, request[0].span_id)

    def test_cancelled(self):
        self.both_ways("cancelled", held=True, small=True, reply=False)


if __name__ == "__main__":
    main()
