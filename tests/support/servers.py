# SPDX-License-Identifier: Apache-2.0
"""Servers under test as child processes: started, found ready when they accept, ended by their own
process id.

    with Server([...command...], port=port, shim=True, collector=c) as server:
        … server.port …
    server.rc, server.stdout, server.stderr, server.log

A command that prints its port as its first line needs no port=. Ended by closing its standard
input, and a signal besides where signal= says so.
"""
import contextlib
import os
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import TIMEOUT, environment, shim_environment  # noqa: E402
from spans import ROOT  # noqa: E402
from wireserver import WireServer  # noqa: E402

PYTHON = "/usr/bin/python3"
APPS = os.path.join(ROOT, "tests", "apps")
# Spans come soon, and none is dropped for want of room: what is counted here is parents.
SPANS_SOON = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_BSP_MAX_QUEUE_SIZE": "65536",
              "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4096"}


class PlainServer(WireServer):
    """Closes when the client says so, or speaks HTTP/1.0 without asking for more; and says to the
    latter that it does not."""

    @staticmethod
    def _old(request):
        return request.head.split(b"\r\n")[0].endswith(b"HTTP/1.0")

    def _send(self, sock, request, status, body, lines):
        if self._old(request) and (request.header("connection") or "").lower() == "keep-alive":
            lines = [*lines, "Connection: keep-alive"]
        return super()._send(sock, request, status, body, lines)

    def _answer(self, sock, request, state):
        goes_on = super()._answer(sock, request, state)
        wish = (request.header("connection") or "").lower()
        return goes_on and ("keep-alive" in wish if self._old(request) else "close" not in wish)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT).close()
        return True
    except ConnectionRefusedError:
        return False


class Server:
    def __init__(self, cmd, port=None, shim=False, collector=None, env=None, cwd=None,
                 signal=None):
        self.cmd, self.port, self.signal = cmd, port, signal
        self.rc = self.stdout = self.stderr = None
        self.files = contextlib.ExitStack()
        folder = self.files.enter_context(tempfile.TemporaryDirectory(prefix="otel-test-"))
        self.paths = [os.path.join(folder, n) for n in ("stdout", "stderr", "log")]
        full = (shim_environment(collector.url, {**SPANS_SOON, **(env or {})}, self.paths[2])
                if shim else environment(env))
        # Files, not pipes: nobody reads while the server runs, and it must not wait for us. A
        # session of its own: apache ends all of its process group.
        with open(self.paths[0], "wb") as out, open(self.paths[1], "wb") as err:
            self.child = subprocess.Popen(
                cmd, env=full, cwd=cwd, start_new_session=True, stdin=subprocess.PIPE,
                stderr=err, stdout=out if port else subprocess.PIPE)
        try:
            if port:
                self._wait_until_it_accepts()
            else:
                self.port = int(self.child.stdout.readline())
        except ValueError:
            self._died()

    def _wait_until_it_accepts(self):
        while not accepts(self.port):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(timeout=0.02)
                self._died()

    def _died(self):
        self.stop()
        raise AssertionError(f"{self.cmd} did not start: {self.rc}\n{self.stdout!r}\n"
                             f"{self.stderr!r}\n{self.log}")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    def stop(self):
        """Ends it and collects what it said. Twice is once."""
        if self.rc is not None:
            return
        with contextlib.suppress(OSError):
            self.child.stdin.close()
        if self.signal and self.child.poll() is None:
            self.child.send_signal(self.signal)
        try:
            self.rc = self.child.wait(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError(f"{self.cmd} does not end") from None
        finally:
            if self.child.stdout:
                self.child.stdout.close()
            texts = []
            for path in self.paths:
                with contextlib.suppress(FileNotFoundError), open(path, "rb") as f:
                    texts.append(f.read())
                    continue
                texts.append(b"")
            self.stdout, self.stderr, log = texts
            self.log = log.decode(errors="replace")
            self.files.close()


def nginx(folder, body, workers=1):
    """Command of an nginx in the foreground; body: what its http block holds."""
    conf = os.path.join(folder, "nginx.conf")
    paths = "\n".join(f"{kind}_temp_path {folder}/{kind};"
                      for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(conf, "w", encoding="ascii") as f:
        f.write(f"daemon off; worker_processes {workers}; user root; pid {folder}/nginx.pid;\n"
                f"error_log {folder}/error.log;\nevents {{ worker_connections 1024; }}\n"
                f"http {{ access_log off; default_type text/plain; {paths}\n"
                f"keepalive_requests 100000;\n{body} }}\n")
    return ["/usr/sbin/nginx", "-e", f"{folder}/error.log", "-p", folder, "-c", conf]


def haproxy(folder, port, upstream, threads=2, server=""):
    """Command of a haproxy in the foreground that proxies port to upstream."""
    conf = os.path.join(folder, "haproxy.cfg")
    with open(conf, "w", encoding="ascii") as f:
        f.write(f"global\n    nbthread {threads}\n"
                "defaults\n    mode http\n    timeout connect 30s\n    timeout client 60s\n"
                "    timeout server 60s\n    timeout queue 60s\n"
                f"frontend f\n    bind 127.0.0.1:{port}\n    default_backend b\n"
                f"backend b\n    server s 127.0.0.1:{upstream} {server}\n")
    return ["/usr/sbin/haproxy", "-db", "-f", conf]


def apache(folder, port, mpm, modules=(), more=""):
    """Command of an apache2 in the foreground that serves folder/site. more: configuration."""
    conf = os.path.join(folder, "apache2.conf")
    loads = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
                    for name in (f"mpm_{mpm}", "authz_core", "dir", "mime", *modules))
    with open(conf, "w", encoding="ascii") as f:
        f.write(f"{loads}ServerRoot {folder}\nServerName service\nListen 127.0.0.1:{port}\n"
                f"PidFile {folder}/apache2.pid\nMutex file:{folder}\nErrorLog {folder}/error.log\n"
                f"User www-data\nGroup www-data\nTypesConfig /etc/mime.types\nStartServers 1\n"
                f"ServerTokens Prod\nDocumentRoot {folder}/site\n"
                f"<Directory {folder}/site>\nRequire all granted\n</Directory>\n{more}\n")
    return ["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", conf]
