# SPDX-License-Identifier: Apache-2.0
"""An HTTP/1.1 server that keeps every request byte for byte, to prove what went over the wire.

What it answers is said by the path:
    /hello              200, "hello\\n"
    /status/N           that status
    /redirect/N         302 to /redirect/N-1, in the end to /hello
    /to/URL             302 to that URL (all of the rest of the target)
    /digest, /basic     401 with a challenge until the request carries an answer to it
    /echo               200, the length and digest of the body
    /large/N            N bytes
    /chunked            a chunked body with a trailer
    /nothing            closes without an answer
    /cut                promises more than it sends
    /drop-next          200, then closes at the next request on that connection without an answer
    /hang               reads and never answers
A CONNECT opens a tunnel; with a target that is a whole URL (a proxy's) the path counts.
"""
import hashlib
import socket
import ssl
import threading
from dataclasses import dataclass, field


@dataclass
class Request:
    head: bytes  # up to and with the blank line
    body: bytes
    connection: int
    method: str = ""
    target: str = ""
    headers: list = field(default_factory=list)  # (name as sent, value)

    def header(self, name):
        """Its one value, or None."""
        found = [v for n, v in self.headers if n.lower() == name]
        assert len(found) <= 1, f"{len(found)} headers {name} in {self.head!r}"
        return found[0] if found else None

    def without(self, *names):
        """Head and body, less the lines of these headers: what is compared with the native run."""
        lines = self.head.split(b"\r\n")
        kept = [l for l in lines if l.split(b":")[0].decode("latin-1").lower() not in names]
        return b"\r\n".join(kept), self.body


class WireServer:
    """tls: (certificate, key) files."""

    def __init__(self, tls=None):
        self.requests = []
        self.lock = threading.Lock()
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*tls)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.scheme = "https" if tls else "http"
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"
        self.connections = 0
        self.open = set()
        self.closing = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.closing = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for sock in self.open:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def take(self):
        """The requests since the last call."""
        with self.lock:
            taken, self.requests = self.requests, []
        return taken

    def _accept(self):
        while not self.closing:
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
            with self.lock:
                self.open.add(sock)
            stream = sock.makefile("rb")
            state = {}
            while self._one(sock, stream, number, state):
                pass
        except (OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.open.discard(sock)
            sock.close()

    @staticmethod
    def _head(stream):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                return None
            head += line
        return head

    @staticmethod
    def _body(stream, request):
        length = request.header("content-length")
        if length is not None:
            return stream.read(int(length))
        if (request.header("transfer-encoding") or "").lower() != "chunked":
            return b""
        body = b""
        while True:
            size = int(stream.readline().split(b";")[0], 16)
            body += stream.read(size)
            stream.readline()
            if not size:
                return body

    def _one(self, sock, stream, number, state):
        head = self._head(stream)
        if head is None or state.get("drop"):
            if head:
                self._keep(self._parse(head, number))
            return False
        request = self._parse(head, number)
        if (request.header("expect") or "").lower() == "100-continue":
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if request.method == "CONNECT":
            self._keep(request)
            return self._tunnel(sock, request.target)
        request.body = self._body(stream, request)
        self._keep(request)
        return self._answer(sock, request, state)

    @staticmethod
    def _parse(head, number):
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        headers = [tuple(p.strip() for p in line.split(":", 1)) for line in lines[1:] if line]
        return Request(head, b"", number, method, target, headers)

    def _keep(self, request):
        with self.lock:
            self.requests.append(request)

    @staticmethod
    def _tunnel(sock, target):
        host, port = target.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as other:
            sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")

            def pump(source, sink):
                try:
                    while data := source.recv(65536):
                        sink.sendall(data)
                    sink.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
            back = threading.Thread(target=pump, args=(other, sock), daemon=True)
            back.start()
            pump(sock, other)
            back.join()
        return False

    def _answer(self, sock, request, state):
        path = request.target
        if path.startswith("http://"):
            path = "/" + path[7:].partition("/")[2]
        name, _, rest = path.split("?")[0][1:].partition("/")
        send = lambda status, body=b"", *lines: self._send(sock, request, status, body, lines)
        authorization = request.header("authorization")
        if name == "redirect" and int(rest):
            n = int(rest) - 1
            return send(302, b"", f"Location: {f'/redirect/{n}' if n else '/hello'}")
        if name == "to":
            return send(302, b"", f"Location: {path[4:]}")
        if name == "digest" and not (authorization or "").partition('response="')[2]:
            return send(401, b"who?\n", 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"')
        if name == "basic" and not authorization:
            return send(401, b"who?\n", 'WWW-Authenticate: Basic realm="r"')
        if name == "echo":
            digest = hashlib.sha256(request.body).hexdigest()
            return send(200, f"{request.method} {len(request.body)} {digest}\n".encode())
        if name == "large":
            return send(200, b"x" * int(rest))
        if name == "chunked":
            sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n"
                         b"6\r\nhello\n\r\n0\r\nT: t\r\n\r\n")
            return True
        if name == "cut":
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello\n")
            return False
        if name == "nothing":
            return False
        if name == "hang":
            sock.recv(1)
            return False
        state["drop"] = name == "drop-next"
        return send(int(rest) if name == "status" else 200, b"hello\n")

    @staticmethod
    def _send(sock, request, status, body, lines):
        reason = {200: "OK", 302: "Found", 401: "Unauthorized"}.get(status, "Said")
        bare = status in (204, 304)
        head = [f"HTTP/1.1 {status} {reason}", *lines]
        head += [] if bare else [f"Content-Length: {len(body)}"]
        data = "\r\n".join(head).encode() + b"\r\n\r\n"
        sock.sendall(data + (b"" if bare or request.method == "HEAD" else body))
        return True
