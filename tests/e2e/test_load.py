# SPDX-License-Identifier: Apache-2.0
"""A server under load: ten thousand connections at a time, a million requests. Every
span arrives or is counted, memory stays as it is, and the thread that serves allocates nothing.
"""
import os
import re
import resource
import subprocess
import sys
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from harness import TIMEOUT, TestCase, program  # noqa: E402
from servers import Server  # noqa: E402

CONNECTIONS = 10000
WARM, REQUESTS = 100000, 900000  # a queue and its store are long filled when the clock starts
PEERS = 50
KIND_SERVER = 2
SUM = re.compile(r"spans: started (\d+) = exported (\d+) \+ dropped (\d+) ")
# As a user has it: the default queue, and what is dropped is said at the end.
DEFAULTS = {"OTEL_BSP_SCHEDULE_DELAY": None, "OTEL_BSP_MAX_QUEUE_SIZE": None,
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": None, "OTEL_LOG_LEVEL": "debug"}
# How many of its records a process ever touches is how full its queue ever was, and that depends on
# who else runs: a small one bounds it. Half a byte more for each request, and memory is not flat.
SMALL = {"OTEL_BSP_MAX_QUEUE_SIZE": "256", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "64"}
FLAT_KIB = 256 + 64 + 120  # records of 1 KiB, and what the exporter and libc may still come to use


class Sink:
    """A collector that only counts: the one of the other tests would be the slowest of all."""

    def __enter__(self):
        self.process = subprocess.Popen([program("sink")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"
        return self

    def received(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline().split()[KIND_SERVER])

    def __exit__(self, *exc):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+) kB", f.read())[1])


class Test(TestCase):
    def load(self, server, connections, rounds):
        done = subprocess.run([program("load"), "run", str(server.port), str(connections),
                               str(rounds)], stdout=subprocess.PIPE, timeout=TIMEOUT, check=True)
        self.assertEqual(int(done.stdout), connections * rounds, "answers")

    def allocations(self, server):
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/count",
                                    timeout=TIMEOUT) as reply:
            return int(reply.read())

    def check_spans(self, server, sink, requests):
        """Stops the server: each request was a span, and is here or counted as dropped."""
        server.stop()
        self.assertEqual((server.rc, server.stderr), (0, b""), server.log)
        started, exported, dropped = map(int, SUM.search(server.log).groups())
        self.assertEqual(started, requests, server.log)
        self.assertEqual(exported + dropped, started, server.log)
        self.assertEqual(sink.received(), exported, server.log)
        return exported

    def test_ten_thousand_connections_at_a_time(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if hard != resource.RLIM_INFINITY and hard < CONNECTIONS + 100:
            self.skipTest(f"{hard} descriptors are allowed")
        with Sink() as sink, Server([program("load"), "serve"], shim=True, collector=sink,
                                    env=DEFAULTS) as server:
            self.load(server, CONNECTIONS, 3)
            self.assertGreater(self.check_spans(server, sink, 3 * CONNECTIONS), 0)
            self.assertNotIn("no room", server.log)

    def test_requests_leave_nothing_behind(self):
        with Sink() as sink, Server([program("load"), "serve"], shim=True, collector=sink,
                                    env={**DEFAULTS, **SMALL}) as server:
            self.load(server, PEERS, WARM // PEERS)
            memory, allocations = resident_kib(server.child.pid), self.allocations(server)
            self.assertGreater(allocations, 0, "the first span starts a thread: that allocates")
            self.load(server, PEERS, REQUESTS // PEERS)
            self.assertEqual(self.allocations(server), allocations, "calls of malloc and kin")
            self.assertLess(resident_kib(server.child.pid) - memory, FLAT_KIB)
            self.check_spans(server, sink, WARM + REQUESTS + 2)


if __name__ == "__main__":
    unittest.main()
