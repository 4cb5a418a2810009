#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Names programs look up: dns.lookup spans, and nothing a program could notice."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import TestCase, main, program, require  # noqa: E402

PYTHON = "/usr/bin/python3"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Resolve(TestCase):
    def lookups(self, cmd, **more):
        return self.differential(cmd, **more).spans.find("dns.lookup")

    def modules(self):
        """Environment in which the loader finds our module of the name service switch."""
        folder = self.folder()
        os.symlink(program("nss_recursive"), os.path.join(folder, "libnss_recursive.so.2"))
        return {"LD_LIBRARY_PATH": folder}

    def test_every_function(self):
        """Results, their order, errno and h_errno are what they are without us."""
        spans = self.lookups([program("resolve"), "all", "localhost", "nosuch.invalid", "-", ""])
        self.assertEqual({s.attrs["dns.question.name"] for s in spans},
                         {"localhost", "nosuch.invalid", ""})
        # of the getaddrinfo calls the numeric one asks nobody; of the _r calls those that come
        # again with more room are one look-up
        self.assertEqual(len(spans.find(dns__question__name="localhost")), 4 + 2 + 2)

    def test_numeric(self):
        """Who has an address asks nobody."""
        got = self.differential([program("resolve"), "all", "127.0.0.1", "::1", "127.1",
                                 "fe80::1%lo", "-"])
        self.assertEqual(list(got.spans), [])

    def test_answers(self):
        span = self.lookups(["getent", "ahostsv4", "localhost"]).one("dns.lookup")
        self.assertEqual(span.kind, "client")
        self.assertEqual(span.attrs, {"dns.question.name": "localhost",
                                      "dns.answers": ["127.0.0.1"]})
        self.assertEqual((span.status, span.parent_id), ("unset", ""))

    def test_no_such_name(self):
        for cmd, error in ((["getent", "ahosts", "nosuch.invalid"], "EAI_NONAME"),
                           (["getent", "ahosts", ""], "EAI_NONAME")):
            span = self.lookups(cmd).one("dns.lookup")
            self.assertEqual((span.status, span.attrs["error.type"]), ("error", error))
            self.assertNotIn("dns.answers", span.attrs)

    def test_below_what_is_current(self):
        span = self.lookups(["getent", "ahosts", "localhost"],
                            env={"TRACEPARENT": TRACEPARENT}).one("dns.lookup")
        self.assertEqual((span.trace_id, span.parent_id), tuple(TRACEPARENT.split("-")[1:3]))

    def test_python(self):
        code = ("import socket\n"
                "print(socket.getaddrinfo('localhost', 80), socket.gethostbyname('localhost'))\n"
                "print(socket.gethostbyname_ex('localhost'))\n"
                "try: socket.getaddrinfo('nosuch.invalid', 80)\n"
                "except OSError as e: print(e)\n")
        spans = self.lookups([PYTHON, "-c", code])
        # gethostbyname_ex() asks twice
        self.assertEqual([s.attrs["dns.question.name"] for s in spans],
                         ["localhost"] * 4 + ["nosuch.invalid"])

    def test_off(self):
        for off in ({"OTEL_AUTO_SOCKET_SPANS": "off"}, {"OTEL_AUTO_DISABLE": "sockets"},
                    {"OTEL_SDK_DISABLED": "true"}):
            got = self.differential([program("resolve"), "all", "localhost"], shim_env=off)
            self.assertEqual(list(got.spans), [], off)

    def test_a_module_that_asks_again(self):
        """One look-up, whatever the machine does for it."""
        span = self.lookups([program("resolve"), "recursive"],
                            env=self.modules()).one("dns.lookup")
        self.assertEqual(span.attrs, {"dns.question.name": "recursive.test",
                                      "dns.answers": ["127.0.0.1"]})

    def test_left_by_a_jump(self):
        """The look-up that was left leaves nothing; the next one is seen."""
        got = self.differential([program("resolve"), "jump"], env=self.modules())
        self.assertIn(b"jumped", got.stdout)
        self.assertEqual([s.attrs["dns.question.name"] for s in got.spans], ["localhost"])

    def test_cancelled(self):
        got = self.differential([program("resolve"), "cancel"], env=self.modules())
        self.assertIn(b"cancelled\n", got.stdout)
        self.assertNotIn(b"not cancelled", got.stdout)
        self.assertEqual([s.attrs["dns.question.name"] for s in got.spans], ["localhost"])

    @require("curl")
    def test_the_exporter_asks_unseen(self):
        """The host's libcurl is the exporter's too, and asks on a thread of its own: what it asks
        for the exporter is not the host's."""
        got = self.run_program(["curl", "-s", "http://127.0.0.1:1/"],
                               env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.invalid:4318",
                                    "OTEL_LOG_LEVEL": "debug"})
        self.assertIn("resolve host", got.log)
        self.assertIn("spans: started 1 ", got.log)


if __name__ == "__main__":
    main()
