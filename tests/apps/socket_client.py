# SPDX-License-Identifier: Apache-2.0
"""A client that makes its requests over plain sockets in every way Python's calls allow, and prints
what each call returned. socket_client.py PORT [CASE …]; a case is the name of a function below.
"""
import errno
import os
import select
import socket
import sys
import tempfile
import threading

ADDRESS = ("127.0.0.1", int(sys.argv[1]))
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def head(path, *lines, method="GET"):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: server", *lines, "", ""]).encode()


def connect():
    s = socket.create_connection(ADDRESS, timeout=60)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def complete(data):
    start, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return False
    length = [int(x[15:]) for x in start.split(b"\r\n") if x.lower().startswith(b"content-length:")]
    return len(body) >= (length or [0])[0]


def response(s, receive=None):
    data = b""
    while not complete(data):
        data += (receive or (lambda: s.recv(65536)))()
    return data


@case
def plain():
    with connect() as s:
        s.sendall(head("/hello"))
        return response(s)


@case
def single_bytes():
    with connect() as s:
        sent = [s.send(bytes([b])) for b in head("/hello")]
        return sum(sent), set(sent), response(s, lambda: s.recv(1))


@case
def iovecs():
    with connect() as s:
        data = head("/echo", "Content-Length: 9", method="POST") + b"some body"
        cuts = [data[i:i + 7] for i in range(0, len(data), 7)]
        sent = s.sendmsg(cuts)
        into = [bytearray(10), bytearray(3), bytearray(4000)]
        received = s.recvmsg_into(into)
        return sent, len(data), received[0], received[2], [bytes(b).rstrip(b"\0") for b in into]


@case
def more():
    with connect() as s:
        data = head("/hello", "X-A: a", "X-B: b")
        sent = [s.send(data[:20], socket.MSG_MORE), s.send(data[20:45], socket.MSG_MORE),
                s.send(data[45:])]
        return sent, response(s, lambda: s.recvmsg(4096)[0])


@case
def cork():
    with connect() as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        sent = [s.send(line + b"\n") for line in head("/hello").split(b"\n")[:-1]]
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        return sent, response(s, lambda: s.recvfrom(100)[0])


@case
def files():
    with connect() as s, s.makefile("rwb") as f:
        for path in ("/hello", "/large/70000", "/status/404"):
            f.write(head(path))
            f.flush()
            lines = []
            while (line := f.readline()) != b"\r\n":
                lines.append(line)
            print(lines, len(f.read(int(lines[-1].split(b":")[1]))))


@case
def peek():
    with connect() as s:
        s.sendall(head("/hello"))
        peeked = s.recv(8, socket.MSG_PEEK)
        again = s.recv(8, socket.MSG_PEEK | socket.MSG_WAITALL)
        got = s.recv(8, socket.MSG_WAITALL)
        rest = response(s) if complete(got) else got + s.recv(65536)
        return peeked, again, got, rest


@case
def no_answer_yet():
    with connect() as s:
        s.sendall(head("/hang"))
        s.settimeout(None)  # with a timeout, Python waits before it calls recv
        try:
            s.recv(1, socket.MSG_DONTWAIT)
        except BlockingIOError as e:
            first = e.errno
        s.settimeout(0.05)
        try:
            s.recv(1)
        except TimeoutError as e:
            return errno.errorcode[first], str(e)


@case
def duplicates():
    s = connect()
    s.settimeout(None)  # blocking by all its names
    other = s.dup()
    number = os.dup2(s.fileno(), os.open("/dev/null", os.O_RDONLY))
    third = socket.socket(fileno=number)
    other.sendall(head("/hello")[:20])
    s.close()
    third.sendall(head("/hello")[20:])
    first = response(other)
    other.close()
    third.sendall(head("/status/500"))
    second = response(third)
    return first, second, third.detach() == number, os.close(number)


@case
def reads_and_writes():
    with connect() as s:
        fd, data = s.fileno(), head("/hello")
        os.set_blocking(fd, True)
        sent = os.write(fd, data[:10]), os.writev(fd, [data[10:15], b"", data[15:]])
        into = bytearray(5), bytearray(4000)
        n = os.readv(fd, into)
        return sent, n, bytes(into[0])


@case
def files_as_bodies():
    with connect() as s, tempfile.TemporaryFile() as f:
        f.write(bytes(range(256)) * 400)
        f.flush()
        size = f.tell()
        s.sendall(head("/echo", f"Content-Length: {size}", method="POST"))
        f.seek(0)
        sent = s.sendfile(f)
        first = response(s)
        s.send(head("/echo", f"Content-Length: {size}", method="POST"))
        at = 0
        while at < size:
            at += os.sendfile(s.fileno(), f.fileno(), at, size - at)
        return sent, at, first, response(s)


@case
def splices():
    with connect() as s:
        r, w = os.pipe()
        data = head("/echo", "Content-Length: 5", method="POST") + b"body\n"
        os.write(w, data)
        moved = os.splice(r, s.fileno(), len(data))
        got = response(s)
        os.close(r)
        os.close(w)
        return moved, len(data), got


@case
def not_blocking():
    s = socket.socket()
    s.setblocking(False)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    begun = errno.errorcode[s.connect_ex(ADDRESS)]
    select.select([], [s], [])
    result = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    body = b"0123456789abcdef" * 60000
    data = memoryview(head("/echo", f"Content-Length: {len(body)}", method="POST") + body)
    full = 0
    while data:
        try:
            data = data[s.send(data):]
        except BlockingIOError:
            full += 1
            select.select([], [s], [])
    poller = select.epoll()
    poller.register(s, select.EPOLLIN)
    got = response(s, lambda: (poller.poll(), s.recv(50))[1])
    s.close()
    return begun, result, full > 0, got


@case
def half_close():
    with connect() as s:
        s.sendall(head("/hello", "Connection: close"))
        s.shutdown(socket.SHUT_WR)
        return response(s), s.recv(10)


@case
def pipeline():
    with connect() as s:
        s.sendall(head("/hello") + head("/status/404") + head("/large/10"))
        data = b""
        while data.count(b"HTTP/1.1 ") < 3 or not data.endswith(b"x" * 10):
            data += s.recv(20)
        return data


@case
def no_body():
    with connect() as s:
        for method, path in (("HEAD", "/hello"), ("GET", "/status/204"), ("GET", "/status/304"),
                             ("GET", "/hello")):
            s.sendall(head(path, method=method))
            got = b""
            while b"\r\n\r\n" not in got or (path, method) == ("/hello", "GET") \
                    and not got.endswith(b"hello\n"):
                got += s.recv(4096)
            print(method, path, got)


@case
def chunks():
    with connect() as s:
        s.sendall(head("/echo", "Transfer-Encoding: chunked", method="POST"))
        for piece in (b"a", b"bc", b"d" * 1000):
            s.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        s.sendall(b"0\r\n\r\n")
        first = response(s)
        s.sendall(head("/chunked"))
        second = b""
        while not second.endswith(b"T: t\r\n\r\n"):
            second += s.recv(3)
        s.sendall(head("/hello"))
        return first, second, response(s)


@case
def waits_for_100():
    with connect() as s:
        s.sendall(head("/echo", "Content-Length: 4", "Expect: 100-continue", method="POST"))
        first = b""
        while not first.endswith(b"\r\n\r\n"):
            first += s.recv(100)
        s.sendall(b"body")
        return first, response(s)


@case
def own_traceparent():
    with connect() as s:
        s.sendall(head("/hello", "TraceParent: 00-" + "a" * 32 + "-" + "b" * 16 + "-01"))
        return response(s)


@case
def refused():
    with socket.socket() as nobody, socket.socket() as s:
        nobody.bind(("127.0.0.1", 0))  # and never listens
        return errno.errorcode[s.connect_ex(nobody.getsockname())], errno.errorcode[send_error(s)]


def send_error(s):
    try:
        s.send(head("/hello"))
    except OSError as e:
        return e.errno


@case
def cut_short():
    with connect() as s:
        s.sendall(head("/cut"))
        data = b""
        while piece := s.recv(4096):
            data += piece
        return data


@case
def after_the_end():
    with connect() as s:
        s.sendall(head("/nothing"))
        got = s.recv(10)
        s.close()
        try:
            s.send(b"x")
        except OSError as e:
            return got, errno.errorcode[e.errno]


@case
def two_threads():
    with connect() as s:
        got, next_one = [], threading.Semaphore(1)

        def reader():
            for _ in range(20):
                got.append(response(s))
                next_one.release()
        thread = threading.Thread(target=reader)
        thread.start()
        for _ in range(20):
            next_one.acquire()
            s.sendall(head("/hello"))
        thread.join()
        return len(got), set(got)


@case
def fast_open():
    with socket.socket() as s:
        data = head("/hello")
        try:
            sent = s.sendto(data, socket.MSG_FASTOPEN, ADDRESS)
        except OSError as e:
            return errno.errorcode[e.errno]
        s.sendall(data[sent:])
        return sent, response(s)


@case
def others():
    a, b = socket.socketpair()
    with a, b:
        a.sendall(head("/hello"))
        local = b.recv(1000)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as v:
        u.bind(("127.0.0.1", 0))
        v.connect(u.getsockname())
        v.send(b"GET / HTTP/1.1\r\n\r\n")
        return local, u.recv(1000)


@case
def no_http():
    with connect() as s:
        s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100))
        s.shutdown(socket.SHUT_WR)
        return s.recv(100)


def main():
    for name in sys.argv[2:] or CASES:
        print(name, CASES[name](), flush=True)


main()
