# SPDX-License-Identifier: Apache-2.0
"""What tracing costs nginx, as make bench prints it.

One worker has processor 0 to itself and our thread; the load generator, the collector (which comes
first) and the upstream share processor 1. Each case runs three nginx side by side, bare, traced and
not sampled, and loads them in turn, so that each pair saw the same neighbours: ratios are medians
of pairs. CPU is that of all of the worker's threads for one request, the best round.

Every request has to be a span the collector received, whatever it costs: nginx's own count is
compared with the collector's, and a difference is an error.
"""
import contextlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from bench_parts import Row, Sink, amount, cost, environment, in_turn

NGINX = "/usr/sbin/nginx"
ROUNDS = 7
SECONDS = 2
CONNECTIONS = 32
LIMIT_S = 30  # a server that takes longer to start or to end hangs
SERVER, CLIENT = 2, 3  # SpanKind

# Debian's own settings of files and sockets; connections last, so that none is made while the
# clock runs.
CONF = """
daemon off; worker_processes 1; {user} pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 1024; }}
http {{
    access_log off; default_type text/plain; keepalive_requests 1000000000;
    sendfile on; tcp_nopush on; {paths}
    {upstream}
    server {{
        listen 127.0.0.1:{port};
        location = /status {{ stub_status; }}
        location = /plain {{ return 200 "ok\\n"; }}
        location = /file {{ root {folder}; }}
        {proxy}
    }}
}}
"""
UPSTREAM = ("upstream other {{ server 127.0.0.1:{port}; keepalive 64; "
            "keepalive_requests 1000000000; }}")
PROXY = ('location = /proxied { proxy_pass http://other/plain; proxy_http_version 1.1; '
         'proxy_set_header Connection ""; }')


@dataclass
class Case:
    what: str
    path: str
    throughput: float  # of bare, at least
    added_us: float  # CPU of a request, at most
    client_spans: int = 0  # of a request


CASES = (Case("return 200", "/plain", 0.88, 1.0), Case("1 KB file", "/file", 0.92, 1.0),
         Case("proxied", "/proxied", 0.90, 2.0, 1))


@dataclass
class Load:
    requests: int
    each_s: float  # requests a second
    p99_us: float
    cpu_us: float  # of the worker, a request


class Nginx:
    """One worker on a processor, until stop()."""

    def __init__(self, env, processor, upstream=None):
        self.folder = tempfile.mkdtemp(prefix="otel-bench-")
        with socket.create_server(("127.0.0.1", 0)) as s:
            self.port = s.getsockname()[1]
        with open(os.path.join(self.folder, "file"), "w", encoding="ascii") as f:
            f.write("x" * 1023 + "\n")
        conf = os.path.join(self.folder, "conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write(CONF.format(
                user="user root;" if os.getuid() == 0 else "", folder=self.folder, port=self.port,
                paths=" ".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in (
                    "client_body", "proxy", "fastcgi", "uwsgi", "scgi")),
                upstream=UPSTREAM.format(port=upstream.port) if upstream else "",
                proxy=PROXY if upstream else ""))
        self.master = subprocess.Popen(
            ["taskset", "-c", str(processor), NGINX, "-e", f"{self.folder}/errors", "-p",
             self.folder, "-c", conf], env=env, stdin=subprocess.DEVNULL)
        self.asked = 0
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise
        self.asked = 1  # those before were refused

    def _wait_until_it_answers(self):
        deadline = time.monotonic() + LIMIT_S
        while True:
            with contextlib.suppress(urllib.error.URLError):
                self.counts()
                break
            if self.master.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("nginx did not start")
            time.sleep(0.02)
        path = f"/proc/{self.master.pid}/task/{self.master.pid}/children"
        with open(path, encoding="ascii") as f:
            self.worker = int(f.read().split()[0])

    def cpu_s(self):
        """Of all of the worker's threads, also of those that ended (clock_getcpuclockid(3))."""
        return time.clock_gettime((~self.worker << 3) | 2)

    def counts(self):
        """Connections accepted and requests served so far, this one included."""
        self.asked += 1
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status", timeout=LIMIT_S) as r:
            words = r.read().split()
        return int(words[7]), int(words[9])

    def load(self, path, seconds=SECONDS):
        cpu = self.cpu_s()
        out = subprocess.run(
            ["taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency",
             f"http://127.0.0.1:{self.port}{path}"], stdout=subprocess.PIPE, text=True,
            timeout=LIMIT_S, check=True).stdout
        cpu = self.cpu_s() - cpu
        if "Non-2xx" in out or "Socket errors" in out:
            raise RuntimeError(f"wrk: {out}")
        requests = int(re.search(r"(\d+) requests in", out)[1])
        p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", out)
        return Load(requests, float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]),
                    float(p99[1]) * {"us": 1, "ms": 1e3, "s": 1e6}[p99[2]], cpu / requests * 1e6)

    def stop(self):
        """Gracefully: the spans go out."""
        self.master.send_signal(3)
        try:
            self.master.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.master.kill()
            self.master.wait()
            raise RuntimeError("nginx does not end") from None
        finally:
            shutil.rmtree(self.folder)


class Side:
    """An nginx with an upstream and a collector of its own. A connect() to the upstream is a span
    too, beside those of requests."""

    def __init__(self, stack, case, preload, **settings):
        self.case = case
        self.sent = 0
        self.sink = stack.enter_context(Sink(1))
        bare = environment(self.sink)
        self.upstream = Nginx(bare, 1) if case.client_spans else None
        if self.upstream:
            stack.callback(self.upstream.stop)
        self.nginx = Nginx(environment(self.sink, preload, **settings), 0, self.upstream)
        stack.callback(lambda: self.nginx and self.nginx.stop())
        self.nginx.load(case.path, 1)  # everything warm, and the queue in its swing

    def load(self):
        load = self.nginx.load(self.case.path)
        self.sent += load.requests
        return load

    def check(self):
        """Ends it; the row that says whether each request was received as a span. Raises when nginx
        did not even count what the load generator did."""
        _, served = self.nginx.counts()
        connects, proxied = self.upstream.counts() if self.upstream else (0, 0)
        if self.upstream:
            connects -= self.upstream.asked
            proxied -= self.upstream.asked
        nginx, self.nginx = self.nginx, None
        nginx.stop()
        if served < self.sent:
            raise RuntimeError(f"wrk counted {self.sent} requests, nginx {served}")
        kinds = self.sink.received()
        came = kinds[SERVER] + kinds[CLIENT] - connects
        good = kinds[SERVER] == served and kinds[CLIENT] == proxied + connects
        note = "" if good else (f"ERROR: {kinds[SERVER]} of {served} SERVER, {kinds[CLIENT]} of "
                                f"{proxied} + {connects} CLIENT")
        return Row(f"nginx, {self.case.what}: spans received of all requests",
                   f"{served + proxied} made", f"{came} received", note, "all", good)


def ratio(ours, base, figure):
    return statistics.median(getattr(o, figure) / getattr(b, figure) for o, b in zip(ours, base))


def rows_of(what, base, ours, least, added_most, p99=True):
    value = ratio(ours, base, "each_s")
    medians = [statistics.median(r.each_s for r in runs) for runs in (base, ours)]
    yield Row(f"{what}: requests/s", f"{medians[0]:,.0f}", f"{medians[1]:,.0f}", f"({value:.3f}x)",
              f">= {least:.2f}x", value >= least)
    if p99:
        value = ratio(ours, base, "p99_us")
        medians = [statistics.median(r.p99_us for r in runs) for runs in (base, ours)]
        yield Row(f"{what}: p99", amount(medians[0], "µs"), amount(medians[1], "µs"),
                  f"({value:.2f}x)", "<= 1.15x", value <= 1.15)
    yield cost(f"{what}: CPU of a request", min(r.cpu_us for r in base),
               min(r.cpu_us for r in ours), "µs", added_most)


def nginx(case, sink):
    """The rows of a case; sink: not used, each side has its own."""
    del sink
    with contextlib.ExitStack() as stack:
        bare = Side(stack, case, False)
        traced = Side(stack, case, True)
        off = Side(stack, case, True, OTEL_TRACES_SAMPLER="always_off")
        base, ours, unsampled = in_turn(ROUNDS, bare.load, traced.load, off.load)
        yield from rows_of(f"nginx, {case.what}", base, ours, case.throughput, case.added_us)
        yield from rows_of(f"nginx, {case.what}, not sampled", base, unsampled, 0.98, None, False)
        yield traced.check()


def missing():
    """What these rows need and is not installed."""
    return [name for name in (NGINX, "wrk", "taskset") if not shutil.which(name)]
