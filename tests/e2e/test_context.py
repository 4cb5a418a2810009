# SPDX-License-Identifier: Apache-2.0
"""Whose child is what a server sends while it serves many requests at a time?

Each program is driven natively first, then under the shim, and must send the same upstream, but for
traceparent. Then the parents are counted, request by request, with a trace id for each request and
without any. A wrong parent is a failure everywhere. Missing ones are, wherever a program works for
a request in a way that its system calls tell: the figures are printed for all.
"""
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from contexts import Ends, Judge, wait_for, without_traceparent  # noqa: E402
from harness import TestCase, program, require  # noqa: E402
from servers import APPS, PYTHON, Server, apache, free_port, haproxy, nginx  # noqa: E402

REQUESTS = 400
FEW = 100  # where nothing is counted: natively, and over a connection for each request
# drive: (requests, each with a trace id, connections used again)
DRIVES = {"traced": (REQUESTS, True, True), "untraced": (REQUESTS, False, True),
          "closing": (FEW, False, False), "paired": (FEW, True, True)}


class Context(TestCase):
    """start(folder, upstream) gives what Server takes. all_right: no parent may be missing in
    these drives."""

    @classmethod
    def setUpClass(cls):
        cls.ends = Ends()

    @classmethod
    def tearDownClass(cls):
        cls.ends.close()

    def natively(self, start, calls):
        """What the program sends upstream when it is alone, by path."""
        with Server(**start(self.folder(), self.ends.upstream)) as server:
            for drive, (_, traced, keep) in DRIVES.items():
                self.check_bodies(self.drive(server, drive, FEW, traced, keep), drive, FEW)
        self.assertEqual((server.rc, server.stderr), (self.ends_with, b""))
        heads = self.ends.take()
        self.assertEqual(sum(p.startswith(tuple(f"/{d}/" for d in DRIVES)) for p, _ in heads),
                         len(DRIVES) * FEW * len(calls))
        return dict(heads)

    ends_with = 0
    at_a_time = 50

    def drive(self, server, drive, count, traced, keep):
        return self.ends.drive(server.port, drive, count, self.at_a_time, traced, keep)

    def check_bodies(self, bodies, drive, count):
        for number in range(count):
            self.assertEqual(bodies[number].decode(), f"/{drive}/{number}")

    def under_the_shim(self, start):
        collector = self.collector()
        with Server(**start(self.folder(), self.ends.upstream), shim=True,
                    collector=collector) as server:
            for drive, (count, traced, keep) in DRIVES.items():
                self.check_bodies(self.drive(server, drive, count, traced, keep), drive, count)
            heads = self.ends.take()
            counts = {d: c for d, (c, _, _) in DRIVES.items()}
            wait_for(collector, counts, heads)
        self.assertEqual((server.rc, server.stderr), (self.ends_with, b""), server.log)
        heads += self.ends.take()
        collector.check()
        with collector.changed:
            return list(collector.spans), heads

    def count(self, name, start, calls=("",), all_right=tuple(DRIVES)):
        """Returns (spans, heads) for what a test wants to know besides."""
        native = self.natively(start, calls)
        spans, heads = self.under_the_shim(start)
        for path, head in heads:
            if path in native:
                self.assertEqual(without_traceparent(head), without_traceparent(native[path]))
        judge = Judge(spans, heads)
        figures = {d: judge.figures(d, count, traced, calls)
                   for d, (count, traced, _) in DRIVES.items()}
        print(f"\n{name}: " + "; ".join(f"{d} {f}" for d, f in figures.items()), flush=True)
        wrong = [w for f in figures.values() for w in f.wrong] + judge.strays("/background/")
        faults = [x for f in figures.values() for x in f.faults]
        self.assertEqual(len(wrong), 0, f"{name}: wrong parents\n" + "\n".join(wrong[:20]))
        self.assertEqual(len(faults), 0, f"{name}:\n" + "\n".join(faults[:20]))
        for drive in all_right:
            self.assertEqual(figures[drive].right, DRIVES[drive][0] * len(calls),
                             f"{name}: missing parents, {drive}: {figures[drive]}")
        return spans, heads


def c_server(name, mode):
    return lambda folder, upstream: {"cmd": [program(name), mode, str(upstream)]}


def app(mode, command):
    return lambda folder, upstream: {"cmd": [*command, mode, str(upstream)]}


class CPrograms(Context):
    def test_an_epoll_server_that_connects_for_each_request(self):
        self.count("epoll server, connect", c_server("epoll_server", "connect"))

    def test_an_epoll_server_with_idle_upstream_connections(self):
        self.count("epoll server, pool", c_server("epoll_server", "pool"))

    def test_an_epoll_server_whose_requests_wait_for_an_upstream_connection(self):
        self.count("epoll server, queue", c_server("epoll_server", "queue"), all_right=())

    def test_an_epoll_server_that_goes_on_after_a_timer(self):
        self.count("epoll server, timer", c_server("epoll_server", "timer"), all_right=())

    def fan_out(self, at_a_time):
        self.at_a_time = at_a_time
        self.count(f"fan-out server, {at_a_time} requests at a time",
                   lambda folder, upstream: {"cmd": [program("fanout_server"), str(upstream)]},
                   calls=("/a", "/b"), all_right=())

    def test_an_epoll_server_that_asks_twice_over_few_connections(self):
        self.fan_out(50)

    def test_such_a_server_with_few_requests_at_a_time(self):
        self.fan_out(3)

    def test_threads_started_for_a_request(self):
        self.count("thread server, spawn", c_server("thread_server", "spawn"))

    def test_workers_that_were_handed_a_request_by_another_thread(self):
        self.count("thread server, handoff", c_server("thread_server", "handoff"), all_right=())

    def test_coroutines(self):
        self.count("coroutine server, wait", c_server("coroutine_server", "wait"))

    def test_coroutines_that_let_others_run_in_between(self):
        self.count("coroutine server, yield", c_server("coroutine_server", "yield"))


@require("nginx")
class Nginx(Context):
    @staticmethod
    def proxy(workers):
        def start(folder, upstream):
            port = free_port()
            body = (f"upstream up {{ server 127.0.0.1:{upstream}; keepalive 16; }}\n"
                    f"server {{ listen 127.0.0.1:{port} backlog=512; location / {{\n"
                    "proxy_pass http://up; proxy_http_version 1.1;\n"
                    'proxy_set_header Connection ""; } }\n')
            return {"cmd": nginx(folder, body, workers), "port": port, "signal": signal.SIGTERM}
        return start

    def test_one_worker(self):
        self.count("nginx, 1 worker", self.proxy(1))

    def test_two_workers(self):
        self.count("nginx, 2 workers", self.proxy(2))


@require("apache2")
class Apache(Context):
    @staticmethod
    def proxy(mpm):
        def start(folder, upstream):
            port = free_port()
            os.mkdir(os.path.join(folder, "site"))
            os.chmod(folder, 0o755)
            # A process with threads to spare: a busy one closes connections that are kept.
            more = (f"ProxyPass / http://127.0.0.1:{upstream}/\nMaxKeepAliveRequests 0\n"
                    "MaxRequestWorkers 100\nThreadsPerChild 100\nThreadLimit 100\n")
            return {"cmd": apache(folder, port, mpm, ("proxy", "proxy_http"), more), "port": port,
                    "signal": signal.SIGTERM}
        return start

    def test_a_thread_for_each_request(self):
        self.count("apache2, event", self.proxy("event"))


@require("haproxy")
class Haproxy(Context):
    """Each thread reads the requests of all clients that are ready before it works for any of them,
    so no call tells which it works for; a traceparent that it passes on does."""

    ends_with = -signal.SIGTERM

    @staticmethod
    def proxy(server=""):
        def start(folder, upstream):
            port = free_port()
            return {"cmd": haproxy(folder, port, upstream, 2, server), "port": port,
                    "signal": signal.SIGTERM}
        return start

    def test_two_threads(self):
        self.count("haproxy, 2 threads", self.proxy(), all_right=("traced",))

    def test_two_threads_and_a_queue(self):
        self.count("haproxy, 2 threads, queue", self.proxy("maxconn 8"), all_right=("traced",))


@require("node")
class Node(Context):
    def fetch(self, mode, **more):
        command = ["/usr/bin/node", os.path.join(APPS, "node_server.js")]
        self.count(f"node, {mode}", app(mode, command), all_right=(), **more)

    def test_fetch_at_once(self):
        self.fetch("now")

    def test_fetch_after_a_timer(self):
        self.fetch("timer")

    def test_two_fetches_at_a_time(self):
        self.fetch("two", calls=("/a", "/b"))

    def test_fetch_over_four_connections(self):
        self.fetch("pool")


class Python(Context):
    def asyncio(self, mode):
        self.count(f"asyncio, {mode}", app(mode, [PYTHON, os.path.join(APPS, "asyncio_server.py")]),
                   all_right=())

    def test_asyncio_at_once(self):
        self.asyncio("now")

    def test_asyncio_after_a_timer(self):
        self.asyncio("timer")

    def test_threads_with_statements(self):
        command = [PYTHON, os.path.join(APPS, "threading_server.py")]
        spans, _ = self.count("threading server", app("sqlite", command))
        by_id = {s.span_id: s for s in spans}
        statements = [s for s in spans if s.attrs.get("db.system.name") == "sqlite"]
        self.assertEqual(len(statements), 2 * sum(count for count, _, _ in DRIVES.values()))
        for s in statements:
            parent = by_id.get(s.parent_id)
            self.assertIsNotNone(parent, f"{s.attrs['db.query.text']} is an orphan")
            name = "at" + parent.attrs["url.path"].replace("/", "_") + "_"
            self.assertIn(name, s.attrs["db.query.text"])


if __name__ == "__main__":
    unittest.main()
