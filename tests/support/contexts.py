# SPDX-License-Identifier: Apache-2.0
"""Whose child is it? Drives a server with many requests at a time, each with its own number and,
unless told otherwise, its own trace id, and counts what the server's own requests carried.

Two native ends run in one event loop: a client that keeps so many requests under way, and an
upstream that answers after a moment of its own, so that answers come in another order than
requests, and that keeps every request head. The path carries the number: /DRIVE/NUMBER for what
the client asks, the same, perhaps with more behind it, for what the server asks upstream.

What a request upstream can be:
    right    it carries a CLIENT span of ours whose parent is the SERVER span of its number
    missing  it carries a CLIENT span that is a root, or that has the parent the client sent, beside
             the SERVER span (of a proxy that passes it on): a gap
    wrong    anything else: a lie
"""
import asyncio
import hashlib
import os
import random
import sys
import threading
from dataclasses import dataclass, field

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

SPANS_WITHIN_S = 30  # for a broken run only: the export's delay is a tenth of a second


def ids_of(drive, number):
    """(trace id, span id) that the client sends with that request. Two of a drive named "paired"
    share theirs, as a client's attempts may."""
    number = number // 2 if drive == "paired" else number
    digest = hashlib.sha256(f"{drive}/{number}".encode()).hexdigest()
    return digest[:32], digest[32:48]


def without_traceparent(head):
    return b"\r\n".join(line for line in head.split(b"\r\n")
                        if not line.lower().startswith(b"traceparent:"))


def header_values(head, name):
    """Of all headers of that name, in their order."""
    pairs = (line.split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    return [v.strip().decode("latin-1") for n, v in pairs if n.lower() == name]


class _Answering(asyncio.Protocol):
    """One upstream connection; no request has a body."""

    def __init__(self, upstream):
        self.upstream, self.buffer = upstream, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
            path = head.split(b" ", 2)[1].decode()
            self.upstream.heads.append((path, head))
            close = b"connection: close" in head.lower()
            asyncio.get_running_loop().call_later(self.upstream.moment(), self.answer, path, close)

    def answer(self, path, close):
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s"
                             % (len(path), b"Connection: close\r\n" * close, path.encode()))
        if close:
            self.transport.close()


class Ends:
    """The event loop with the upstream in it; lives as long as a test class. upstream: its port."""

    def __init__(self, slowest_s=0.006):
        self.heads, self.slowest_s = [], slowest_s
        self.random = random.Random(1)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = self.call(self._listen())
        self.upstream = self.server.sockets[0].getsockname()[1]

    async def _listen(self):
        return await self.loop.create_server(lambda: _Answering(self), "127.0.0.1", 0, backlog=512)

    def moment(self):
        return self.random.random() * self.slowest_s

    def call(self, coroutine, timeout=120):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)

    def close(self):
        self.loop.call_soon_threadsafe(self.server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def take(self):
        """[(path, head)] that came upstream since the last call."""
        taken, self.heads = self.heads, []
        return taken

    def drive(self, port, drive, count, concurrency=50, traced=True, keep=True):
        """Asks for /drive/0 … on that many connections. Returns the bodies by number; a status
        other than 200 is an AssertionError. keep: connections are used again."""
        return self.call(self._drive(port, drive, count, concurrency, traced, keep))

    async def _drive(self, port, drive, count, concurrency, traced, keep):
        bodies, numbers = {}, iter(range(count))

        async def client():
            streams = None
            for number in numbers:
                if streams is None:
                    streams = await asyncio.open_connection("127.0.0.1", port)
                lines = [f"GET /{drive}/{number} HTTP/1.1", "Host: service"]
                if traced:
                    lines.append("traceparent: 00-{}-{}-01".format(*ids_of(drive, number)))
                if not keep:
                    lines.append("Connection: close")
                streams[1].write(("\r\n".join(lines) + "\r\n\r\n").encode())
                bodies[number], goes_on = await self._answer(streams[0])
                if not (keep and goes_on):
                    streams[1].close()
                    streams = None
            if streams:
                streams[1].close()
        await asyncio.gather(*(client() for _ in range(concurrency)))
        return bodies

    @staticmethod
    async def _answer(reader):
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise AssertionError(head)
        low = head.lower()
        goes_on = b"\r\nconnection: close" not in low
        if b"\r\ntransfer-encoding: chunked" in low:
            body = b""
            while size := int(await reader.readline(), 16):
                body += await reader.readexactly(size)
                await reader.readline()
            await reader.readline()
            return body, goes_on
        length = int(header_values(head, b"content-length")[0])
        return await reader.readexactly(length), goes_on


@dataclass
class Figures:
    """Of one drive."""
    right: int = 0
    missing: int = 0
    wrong: list = field(default_factory=list)  # a line for each
    faults: list = field(default_factory=list)  # not about parents: lost, doubled, not carried

    def __str__(self):
        return (f"{self.right} right, {self.missing} missing, {len(self.wrong)} wrong"
                + (f", {len(self.faults)} faults" if self.faults else ""))


def wait_for(collector, drives, heads):
    """Waits, for a bounded time, until the spans of these drives {name: count} and of all those
    upstream requests have come. What does not come is counted, not waited for longer."""
    wanted = {f"/{d}/{n}" for d, count in drives.items() for n in range(count)}
    carried = {v.split("-")[2] for _, head in heads for v in header_values(head, b"traceparent")
               if v.count("-") == 3}
    seen = 0

    def all_here():
        nonlocal seen
        for span in collector.spans[seen:]:
            if span.kind == "server":
                wanted.discard(span.attrs.get("url.path"))
            carried.discard(span.span_id)
        seen = len(collector.spans)
        return not wanted and not carried
    with collector.changed:
        collector.changed.wait_for(all_here, SPANS_WITHIN_S)


class Judge:
    """Spans of one run, and what came upstream meanwhile."""

    def __init__(self, spans, heads):
        self.clients = {s.span_id: s for s in spans if s.kind == "client"}
        self.servers, self.by_id = {}, {s.span_id: s for s in spans}
        for s in spans:
            if s.kind == "server":
                self.servers.setdefault(s.attrs.get("url.path"), []).append(s)
        self.heads = heads

    def figures(self, drive, count, traced, calls=("",)):
        """calls: what stands behind the number in each request upstream."""
        f = Figures()
        came = {}
        for path, head in self.heads:
            came.setdefault(path, []).append(head)
        for number in range(count):
            path = f"/{drive}/{number}"
            server = self._server(f, path, ids_of(drive, number) if traced else None)
            for call in calls:
                heads = came.get(path + call, [])
                if len(heads) != 1:
                    f.faults.append(f"{path + call} came upstream {len(heads)} times")
                for head in heads:
                    self._judge(f, path + call, head, server, ids_of(drive, number))
        return f

    def _server(self, f, path, sent):
        spans = self.servers.get(path, [])
        if len(spans) != 1:
            f.faults.append(f"{len(spans)} SERVER spans of {path}")
            return None
        span = spans[0]
        if sent and (span.trace_id, span.parent_id) != sent:
            f.wrong.append(f"SERVER {path} is {span.trace_id} below {span.parent_id or 'nothing'}, "
                           f"sent was {sent}")
        if not sent and span.parent_id:
            f.wrong.append(f"SERVER {path} has a parent, {self.who(span.parent_id)}")
        return span

    def who(self, span_id):
        span = self.by_id.get(span_id)
        if not span:
            return f"unknown {span_id}"
        return f"{span.kind} {span.attrs.get('url.path') or span.attrs.get('url.full')}"

    def _judge(self, f, path, head, server, sent):
        values = header_values(head, b"traceparent")
        if len(values) != 1 or values[0].count("-") != 3:
            f.faults.append(f"{path} carried {values}")
            return
        _, trace_id, span_id, _ = values[0].split("-")
        span = self.clients.get(span_id)
        if not span or span.trace_id != trace_id:
            f.faults.append(f"{path} carried {values[0]}, which is {self.who(span_id)}")
        elif not span.attrs.get("url.full", "").endswith(path):
            f.wrong.append(f"{path} carried the span of {span.attrs.get('url.full')}")
        elif server and (span.trace_id, span.parent_id) == (server.trace_id, server.span_id):
            f.right += 1
        elif not span.parent_id or (span.trace_id, span.parent_id) == sent:
            f.missing += 1
        else:
            f.wrong.append(f"{path} is a child of {self.who(span.parent_id)}")

    def strays(self, prefix):
        """Client spans to such a path that have a parent though they belong to no request."""
        return [f"{s.attrs['url.full']} is a child of {self.who(s.parent_id)}"
                for s in self.clients.values()
                if prefix in s.attrs.get("url.full", "") and s.parent_id]
