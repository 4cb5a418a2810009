# SPDX-License-Identifier: Apache-2.0
"""An OTLP receiver for tests: http/protobuf, http/json and grpc on one port of 127.0.0.1 (or a Unix
socket), plain or TLS, and every way a receiver can be bad.

    with Collector() as c:
        … OTEL_EXPORTER_OTLP_ENDPOINT=c.url …
        c.wait(lambda spans: spans.find("GET"))
        c.check()

Faults: c.faults is a list used up one a request (None: answer well), c.fault one for all requests
after those. Each is a function of this module (status(503), hang(), drip() …).

Run as a program it prints its URL, then each span as one line: for trying things by hand.
"""
import contextlib
import gzip
import os
import random
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse
from dataclasses import dataclass

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import spans as otlp  # noqa: E402

TRACE_PATH = "/v1/traces"
GRPC_PATH = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@dataclass
class Request:
    """One request as it came."""
    protocol: str  # "HTTP/1.1" or "HTTP/2"
    method: str
    path: str
    headers: dict  # names in lower case
    raw: bytes  # as sent
    body: bytes  # without compression and gRPC's prefix
    connection: int  # counts connections from 1
    time: float  # time.monotonic()
    batch: object = None
    stream: int = 0


class Answer:
    """What goes back: an HTTP status and headers, or a gRPC status."""

    def __init__(self, status=200, headers=(), body=b"", grpc=0, message="", details=b""):
        self.status, self.headers, self.body = status, list(headers), body
        self.grpc, self.message, self.details = grpc, message, details


# Faults. Each returns a function of (connection, request): an Answer, or None when the connection
# was dealt with and is to be closed.

def status(code, retry_after=None, body=b"no", headers=()):
    extra = [("retry-after", str(retry_after))] if retry_after is not None else []
    return lambda conn, req: Answer(code, extra + list(headers), body)


def grpc_status(code, message="", retry_ms=None):
    """retry_ms: a RetryInfo in grpc-status-details-bin."""
    details = b""
    if retry_ms is not None:
        info = otlp.pb.RetryInfo(retry_delay={"seconds": retry_ms // 1000,
                                              "nanos": retry_ms % 1000 * 1000000})
        details = otlp.pb.RpcStatus(code=code, message=message, details=[
            {"type_url": "type.googleapis.com/google.rpc.RetryInfo",
             "value": info.SerializeToString()}]).SerializeToString()
    return lambda conn, req: Answer(grpc=code, message=message, details=details)


def partial(rejected, message=""):
    """Partial success in the protocol of the request."""
    def fault(conn, req):
        response = otlp.pb.ExportTraceServiceResponse(
            partial_success={"rejected_spans": rejected, "error_message": message})
        if "json" in req.headers.get("content-type", ""):
            from google.protobuf import json_format
            return Answer(headers=[("content-type", "application/json")],
                          body=json_format.MessageToJson(response).encode())
        return Answer(body=response.SerializeToString())
    return fault


def rubbish_body(size=300):
    """200 with a body that is no OTLP."""
    return lambda conn, req: Answer(body=random.Random(1).randbytes(size))


def huge(size=64 << 20):
    """200 with an answer no one should read to its end."""
    def fault(conn, req):
        conn.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\n"
                  b"content-length: %d\r\n\r\n" % size)
        with contextlib.suppress(OSError):
            for _ in range(size >> 16):
                conn.send(bytes(1 << 16))
    return fault


def redirect(to=None):
    """302 to itself for ever, or to another URL."""
    return lambda conn, req: Answer(302, [("location", to or req.path)])


def hang():
    """Reads the request and never answers, until the collector ends."""
    def fault(conn, req):
        conn.collector.ended.wait()
    return fault


def slow(seconds):
    """A good answer, late."""
    def fault(conn, req):
        conn.collector.ended.wait(seconds)
        return Answer()
    return fault


def drip(interval=1.0):
    """The answer a byte at a time."""
    def fault(conn, req):
        for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n" + bytes(200):
            conn.send(bytes([byte]))
            if conn.collector.ended.wait(interval):
                break
    return fault


def raw(data):
    """These bytes, then the end."""
    return lambda conn, req: conn.send(data)


def rubbish():
    return raw(random.Random(2).randbytes(4000))


def close_early():
    """Closes without an answer."""
    return lambda conn, req: None


def close_middle():
    """Promises more than it sends."""
    return raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\n"
               b"content-length: 1000\r\n\r\n\x0a\x02")


def reset():
    """Resets the connection."""
    def fault(conn, req):
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return fault


class Connection:
    """One accepted connection: HTTP/1.1 or HTTP/2, whichever the client begins."""

    def __init__(self, collector, sock, number):
        self.collector, self.sock, self.number = collector, sock, number
        self.buffer = b""

    def send(self, data):
        self.sock.sendall(data)

    def receive(self):
        data = self.sock.recv(1 << 16)
        if not data:
            raise EOFError
        self.buffer += data

    def serve(self):
        while len(self.buffer) < len(PREFACE) and PREFACE.startswith(self.buffer):
            self.receive()
        if self.buffer.startswith(PREFACE):
            self.serve_http2()
        while self.serve_http1():
            pass

    # HTTP/1.1

    def line(self):
        while b"\r\n" not in self.buffer:
            self.receive()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("latin-1")

    def exactly(self, n):
        parts, missing = [self.buffer], n - len(self.buffer)
        while missing > 0:  # joined once: a body may have 64 MiB
            self.buffer = b""
            self.receive()
            parts.append(self.buffer)
            missing -= len(self.buffer)
        data = b"".join(parts)
        self.buffer = data[n:]
        return data[:n] if self.buffer else data

    def body(self, headers):
        if headers.get("expect", "").lower() == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding") != "chunked":
            return self.exactly(int(headers.get("content-length", 0)))
        data = b""
        while size := int(self.line(), 16):
            data += self.exactly(size)
            self.line()
        self.line()
        return data

    def serve_http1(self):
        method, path, _ = self.line().split(" ", 2)
        headers = {}
        while line := self.line():
            name, _, text = line.partition(":")
            headers[name.lower()] = text.strip()
        data = self.body(headers)
        answer = self.collector.take(self, Request("HTTP/1.1", method, path, headers, data, data,
                                                   self.number, time.monotonic()))
        if answer is None:
            return False
        head = f"HTTP/1.1 {answer.status} X\r\ncontent-length: {len(answer.body)}\r\n"
        head += "".join(f"{n}: {v}\r\n" for n, v in answer.headers)
        self.send(head.encode() + b"\r\n" + answer.body)
        return headers.get("connection", "").lower() != "close"

    # HTTP/2 (grpc)

    def serve_http2(self):
        import h2.config
        import h2.connection
        import h2.events
        h2c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        h2c.initiate_connection()
        streams = {}
        while True:
            self.send(h2c.data_to_send())
            if not self.buffer:
                self.receive()
            events = h2c.receive_data(self.buffer)
            self.buffer = b""
            for event in events:
                if isinstance(event, h2.events.RequestReceived):
                    headers = {n.decode(): v.decode() for n, v in event.headers}
                    streams[event.stream_id] = (headers, [])
                elif isinstance(event, h2.events.DataReceived):
                    streams[event.stream_id][1].append(event.data)
                    h2c.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    self.answer_http2(h2c, event.stream_id, *streams.pop(event.stream_id))
                elif isinstance(event, h2.events.ConnectionTerminated):
                    raise EOFError

    def answer_http2(self, h2c, stream, headers, parts):
        data = b"".join(parts)
        self.send(h2c.data_to_send())
        answer = self.collector.take(self, Request(
            "HTTP/2", headers[":method"], headers[":path"], headers, data, data, self.number,
            time.monotonic(), stream=stream))
        if answer is None:
            raise EOFError
        if not headers.get("content-type", "").startswith("application/grpc"):
            h2c.send_headers(stream, [(":status", str(answer.status)), *answer.headers])
            h2c.send_data(stream, answer.body, end_stream=True)
            return
        import base64
        trailers = [("grpc-status", str(answer.grpc))]
        if answer.message:
            trailers.append(("grpc-message", urllib.parse.quote(answer.message, safe=" ")))
        if answer.details:
            trailers.append(("grpc-status-details-bin",
                             base64.b64encode(answer.details).decode().rstrip("=")))
        if answer.status != 200:
            h2c.send_headers(stream, [(":status", str(answer.status))] + answer.headers,
                             end_stream=True)
            return
        head = [(":status", "200"), ("content-type", "application/grpc")] + answer.headers
        if answer.grpc:  # "Trailers-Only": one header block says it all
            h2c.send_headers(stream, head + trailers, end_stream=True)
            return
        h2c.send_headers(stream, head)
        h2c.send_data(stream, b"\0" + struct.pack(">I", len(answer.body)) + answer.body)
        h2c.send_headers(stream, trailers, end_stream=True)


class Collector:
    """tls: (certificate, key) files; client_ca: a file, clients must then show a certificate of it;
    unix: path of a socket to listen on instead of a port."""

    def __init__(self, tls=None, client_ca=None, unix=None, port=0):
        self.requests, self.spans, self.errors = [], otlp.Spans(), []
        self.faults, self.fault = [], None
        self.changed = threading.Condition()
        self.ended = threading.Event()
        self.connections = 0
        self.open = set()
        self.unix = unix
        self.context = self._tls(tls, client_ca) if tls else None
        if unix:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(unix)
        else:
            self.listener = socket.create_server(("127.0.0.1", port))
        self.listener.listen(64)
        self.port = None if unix else self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @staticmethod
    def _tls(pair, client_ca):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        context.set_alpn_protocols(["h2", "http/1.1"])
        if client_ca:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    @property
    def url(self):
        """The base endpoint. With TLS the name is localhost, which is what certificates say."""
        if self.unix:
            return "unix://" + self.unix
        return (f"https://localhost:{self.port}" if self.context
                else f"http://127.0.0.1:{self.port}")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.ended.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        # What it has taken it answers: a span that counts as received here is exported there.
        for how, until in ((socket.SHUT_RD, 2), (socket.SHUT_RDWR, 0)):
            with self.changed:
                for sock in self.open:
                    with contextlib.suppress(OSError):
                        sock.shutdown(how)
                self.changed.wait_for(lambda: not self.open, until)

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock, self.connections),
                             daemon=True).start()

    def _serve(self, sock, number):
        try:
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
            with self.changed:
                self.open.add(sock)
            Connection(self, sock, number).serve()
        except (OSError, EOFError, ValueError):
            pass  # the client went away, or spoke no HTTP
        finally:
            with self.changed:
                self.open.discard(sock)
                self.changed.notify_all()
            sock.close()

    def take(self, conn, request):
        """Called for each request: keeps it, decodes it unless a fault comes, and says what to
        answer. Spans count as received when the answer is a good one."""
        with self.changed:
            fault = self.faults.pop(0) if self.faults else self.fault
            self.requests.append(request)
            try:
                self._decode(request)
            except Exception as e:
                self.errors.append(f"request {len(self.requests)}: {e}")
            if fault is None and request.batch:
                self.spans.extend(request.batch.spans)
            self.changed.notify_all()
        return fault(conn, request) if fault else Answer()

    def _decode(self, request):
        body, kind = request.raw, request.headers.get("content-type", "")
        if request.method != "POST":
            raise ValueError(f"{request.method} {request.path}")
        if request.protocol == "HTTP/2" and kind.startswith("application/grpc"):
            body = self._grpc_message(request, body)
        else:
            if request.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
        request.body = body
        decode = otlp.decode_json if "json" in kind else otlp.decode_protobuf
        if not kind.startswith(("application/json", "application/x-protobuf", "application/grpc")):
            raise ValueError(f"content-type {kind!r}")
        request.batch = decode(body)
        self.errors += [f"request {len(self.requests)}: {e}" for e in request.batch.errors]

    @staticmethod
    def _grpc_message(request, body):
        if request.path != GRPC_PATH or request.headers.get("te") != "trailers":
            raise ValueError(f"grpc to {request.path}, te: {request.headers.get('te')}")
        flag, length = struct.unpack(">BI", body[:5])
        if length != len(body) - 5:
            raise ValueError(f"grpc prefix says {length}, there are {len(body) - 5} bytes")
        if flag and request.headers.get("grpc-encoding") != "gzip":
            raise ValueError("compressed, without grpc-encoding")
        return gzip.decompress(body[5:]) if flag else body[5:]

    def wait(self, ready, timeout=60):
        """Waits until ready(spans) is true and returns the spans; AssertionError after timeout. The
        time is there for a broken run; no test waits for it."""
        return self._wait(lambda: ready(self.spans), timeout)

    def wait_requests(self, count, timeout=60):
        return self._wait(lambda: len(self.requests) >= count, timeout)

    def _wait(self, ready, timeout):
        with self.changed:
            if not self.changed.wait_for(ready, timeout):
                raise AssertionError(f"nothing of the kind came; {len(self.requests)} requests, "
                                     f"spans:\n{self.spans}\nerrors: {self.errors}")
            return otlp.Spans(self.spans)

    def check(self):
        """Fails when a request was not what the protocol asks for."""
        if self.errors:
            raise AssertionError("the collector complains:\n" + "\n".join(self.errors))


@contextlib.contextmanager
def refused():
    """The URL of a port that refuses connections, and is kept from others meanwhile."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"


@contextlib.contextmanager
def unconnected():
    """The URL of a collector whose queue of connections is full: no further one comes about."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        while True:
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0.2)  # on loopback one that can come about does so at once
            try:
                waiting.connect(server.getsockname())
            except TimeoutError:
                break
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextlib.contextmanager
def unanswered():
    """The URL of a port whose connections are never accepted."""
    with socket.create_server(("127.0.0.1", 0), backlog=8) as sock:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"


def main():
    with Collector(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0) as c:
        print(c.url, flush=True)
        seen = 0
        while True:
            spans = c.wait(lambda s: len(s) > seen or c.errors, timeout=1 << 20)
            for span in spans[seen:]:
                print(f"{span.traceparent} {span.kind} {span.name} {span.attrs}", flush=True)
            seen = len(spans)
            while c.errors:
                print("error:", c.errors.pop(0), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
