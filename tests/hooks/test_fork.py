#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Children of every kind: each sends its own spans, under ids of its own, below the right parent,
and its parent's queue is neither lost nor sent twice."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import TestCase, certificates, main, program, require  # noqa: E402

KINDS = ("fork", "vfork", "spawn", "clone", "syscall", "handler", "system", "popen", "pty",
         "daemon")
CHILDREN, SPANS = 8, 3
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Fork(TestCase):
    def children(self, kind, children=CHILDREN, spans=SPANS, **more):
        got = self.differential([program("forks"), kind, str(children), str(spans)], **more)
        self.assertEqual(got.stdout, f"{children} well, 0 by a signal\n".encode())
        ids = [s.span_id for s in got.spans]
        self.assertEqual(len(set(ids)), len(ids), "a span arrived twice, or an id was used twice")
        self.assertNotIn("does not add up", got.log)
        return got

    def by_process(self, got):
        found = {}
        for span in got.spans.find("SELECT"):
            found.setdefault(span.resource["process.pid"], []).append(span)
        return found

    def test_every_kind(self):
        """What arrives: two spans of the parent, and each child's."""
        for kind in KINDS:
            with self.subTest(kind=kind):
                found = self.by_process(self.children(kind, env={"TRACEPARENT": TRACEPARENT}))
                self.assertEqual(sorted(map(len, found.values())), [2] + [SPANS] * CHILDREN)
                for spans in found.values():
                    for span in spans:
                        self.assertEqual(span.trace_id, TRACEPARENT[3:35])
                        self.assertEqual(span.parent_id, TRACEPARENT[36:52])

    def test_process_spans(self):
        """A forked child has a span of its own below its parent's, with what it does below."""
        for kind in ("fork", "clone", "syscall", "handler", "pty", "daemon", "nested"):
            with self.subTest(kind=kind):
                got = self.children(kind, shim_env={"OTEL_AUTO_PROCESS_SPAN": "true"})
                top = got.spans.roots()
                self.assertEqual(len(top), 1, got.spans)
                mine = {s.resource["process.pid"]: s for s in got.spans.find("forks")}
                self.assertGreaterEqual(len(mine), CHILDREN + 1)
                for span in got.spans.find("SELECT"):
                    self.assertEqual(span.parent_id, mine[span.resource["process.pid"]].span_id)
                for span in mine.values():
                    if span is not top[0] and kind != "daemon":
                        self.assertEqual(span.attrs["process.exit.code"], 7)
                below = got.spans.children(top[0])
                self.assertEqual(len([s for s in below if s.name == "forks"]), CHILDREN)

    def test_nested(self):
        found = self.by_process(self.children("nested"))
        self.assertEqual(sorted(map(len, found.values())),
                         [1] * CHILDREN + [2] + [SPANS] * CHILDREN)

    @require("python3")
    def test_multiprocessing(self):
        """Python's workers: forked, forked by a server of their own, started anew."""
        path = os.path.join(self.folder(), "workers.py")
        with open(path, "w", encoding="utf-8") as f:
            f.write("import multiprocessing, sqlite3\n"
                    "def work(n):\n"
                    "    sqlite3.connect(':memory:').execute('SELECT %d' % n).fetchall()\n"
                    "if __name__ == '__main__':\n"
                    "    for method in ('fork', 'forkserver', 'spawn'):\n"
                    "        context = multiprocessing.get_context(method)\n"
                    "        all = [context.Process(target=work, args=(i,)) for i in range(4)]\n"
                    "        for one in all: one.start()\n"
                    "        for one in all: one.join()\n"
                    "        print(method, [one.exitcode for one in all])\n"
                    "        with context.Pool(2) as pool: pool.map(work, range(6), 1)\n"
                    "        work(9)\n")
        got = self.differential(["/usr/bin/python3", path], env={"TRACEPARENT": TRACEPARENT})
        found = self.by_process(got)
        alone = [s for s in found.values() if len(s) == 1]
        self.assertGreaterEqual(len(alone), 12)
        self.assertEqual({s.trace_id for s in got.spans.find("SELECT")}, {TRACEPARENT[3:35]})

    def test_while_exporting(self):
        """Forks at any moment of an export leave no child with a lock that nobody holds: each has
        a TLS connection of its own to make, with the same OpenSSL."""
        folder = certificates()
        for tls in (None, [os.path.join(folder, "server." + s) for s in ("pem", "key")]):
            collector = self.collector(tls=tls)
            # A queue that the parent's other thread does not fill, whoever else runs.
            env = {"OTEL_BSP_SCHEDULE_DELAY": "1", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "16",
                   "OTEL_BSP_MAX_QUEUE_SIZE": "200000", "OTEL_LOG_LEVEL": "debug",
                   "OTEL_EXPORTER_OTLP_CERTIFICATE": os.path.join(folder, "ca.pem")}
            got = self.children("storm", 150, 1, shim_env=env, collector=collector)
            found = self.by_process(got)
            self.assertEqual(sorted(map(len, found.values())), [1] * 150 + [2], got.log[-2000:])


if __name__ == "__main__":
    main()
