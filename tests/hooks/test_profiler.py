#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What an eBPF profiler finds (OTEP 4719 and 4947), read as it reads it: out of another process, by
/proc/PID/maps, the dynamic symbols of what is mapped there, and its memory."""
import os
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import spans  # noqa: E402
from harness import SHIM, TestCase, main, program, shim_environment  # noqa: E402

HEADER = struct.Struct("<8sIIQQ")


def memory(pid, address, size):
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        mem.seek(address)
        return mem.read(size)


def mappings(pid):
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        for line in maps:
            if re.search(r"(/memfd:|\[anon_shmem:|\[anon:)OTEL_CTX", line):
                yield int(line.split("-")[0], 16)


def process_context(pid):
    """The ProcessContext message."""
    (address,) = mappings(pid)
    signature, version, size, published, payload = HEADER.unpack(
        memory(pid, address, HEADER.size))
    assert (signature, version) == (b"OTEL_CTX", 2) and published > 10**18, (signature, version)
    return memory(pid, payload, size)


def fields(message):
    """Length-delimited fields of a protobuf message, each below 2 MiB."""
    at = 0
    while at < len(message):
        tag, at, size, shift = message[at], at + 1, 0, 0
        while True:
            size |= (message[at] & 0x7f) << shift
            shift, at = shift + 7, at + 1
            if not message[at - 1] & 0x80:
                break
        yield tag >> 3, message[at:at + size]
        at += size


class Profiler(TestCase):
    def start(self, col, **env):
        child = subprocess.Popen([program("profiled")], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True,
                                 env=shim_environment(col.url, env))
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.stdin.close)
        return child

    @staticmethod
    def step(child):
        child.stdin.write("\n")
        child.stdin.flush()
        return child.stdout.readline().strip()

    def record(self, pid, said):
        """The program says where its variable lies, which a profiler works out from the symbol."""
        (pointer,) = struct.unpack("<Q", memory(pid, int(said, 16), 8))
        if not pointer:
            return None
        trace, span, valid, flags, size = struct.unpack("<16s8sBBH", memory(pid, pointer, 28))
        return (trace.hex(), span.hex(), flags, size) if valid == 1 else None

    def test_finds_the_resource_and_the_span(self):
        col = self.collector()
        child = self.start(col, OTEL_AUTO_PROFILER="true", OTEL_SERVICE_NAME="profiled")
        where = self.step(child)
        self.assertIsNone(self.record(child.pid, where))  # before any work
        self.assertEqual(self.step(child), "inside")  # a function that SQLite calls
        seen = self.record(child.pid, where)
        self.assertEqual(self.step(child), "outside")
        self.assertIsNone(self.record(child.pid, where))
        (span,) = col.wait(lambda got: len(got) == 1)
        self.assertEqual(seen, (span.trace_id, span.span_id, span.flags & 0xff, 0))
        message = list(fields(process_context(child.pid)))
        self.assertEqual([number for number, _ in message], [1, 2, 2])
        resource = spans.resource(message[0][1])
        self.assertEqual(resource, span.resource)
        self.assertEqual(resource["service.name"], "profiled")
        keys = [dict(fields(attribute))[1] for _, attribute in message[1:]]
        self.assertEqual(keys, [b"threadlocal.schema_version",
                                b"threadlocal.attribute_key_map"])

    def test_a_fork_child_has_its_own(self):
        col = self.collector()
        child = self.start(col, OTEL_AUTO_PROFILER="true")
        for _ in range(3):
            self.step(child)
        pid = int(self.step(child))
        self.assertEqual(list(mappings(pid)), [])  # nothing inherited
        self.assertEqual(self.step(child), "worked")
        col.wait(lambda got: len(got) == 2)
        own = spans.resource(next(fields(process_context(pid)))[1])
        self.assertEqual(own["process.pid"], pid)
        self.assertNotEqual(own["service.instance.id"], spans.resource(
            next(fields(process_context(child.pid)))[1])["service.instance.id"])

    def test_finds_nothing_without_being_asked_to(self):
        col = self.collector()
        child = self.start(col)
        where = self.step(child)
        self.assertEqual(self.step(child), "inside")
        self.assertIsNone(self.record(child.pid, where))
        self.assertEqual(self.step(child), "outside")
        col.wait(lambda got: len(got) == 1)
        self.assertEqual(list(mappings(child.pid)), [])

    def test_the_symbol_is_a_thread_local_one(self):
        out = subprocess.run(["readelf", "--dyn-syms", "-W", SHIM], capture_output=True,
                             text=True, check=True).stdout
        (line,) = [text for text in out.splitlines() if "otel_thread_ctx_v1" in text]
        self.assertEqual(line.split()[2:6], ["8", "TLS", "GLOBAL",
                                             "DEFAULT"])


if __name__ == "__main__":
    main()
