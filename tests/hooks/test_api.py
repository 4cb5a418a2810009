#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The public API: programs that use it behave alike with and without the shim, link nothing of it,
and give the spans they say."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import ROOT, TestCase, main, program, require  # noqa: E402

STRICT = ("-Wall", "-Wextra", "-pedantic", "-Wshadow", "-Wconversion", "-Werror")
SCOPE = "libotel_auto.api"


def text_of(span):
    """The last word of a statement: its alias says where it stood."""
    return span.attrs["db.query.text"].split()[-1]


class Built(TestCase):
    def compile(self, compiler, source, *flags):
        target = os.path.join(self.folder(), "program")
        subprocess.run([compiler, *flags, "-I", ROOT, "-o", target, source], check=True)
        return target


class Header(Built):
    """It compiles alone, as the strictest of every language it is for, and needs no library."""

    def source(self, name, text):
        path = os.path.join(self.folder(), name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    USE = """#include "core/otel_auto.h"
int main(void)
{
    OTEL_AUTO_SPAN("one");
    OTEL_AUTO_SPAN_AS(two, "two");
    otel_auto_set_int(&two.span, "enabled", otel_auto_enabled());
    return 0;
}
"""

    def compiles(self, compiler, name, *flags):
        target = self.compile(compiler, self.source(name, self.USE), *STRICT, *flags)
        got = self.differential([target])
        self.assertEqual(got.rc, 0)
        self.assertEqual([s.name for s in got.spans], ["two", "one"])
        self.assertEqual(got.spans.one("two").attrs, {"enabled": 1})
        needs = subprocess.run(["readelf", "-d", target], capture_output=True, text=True,
                               check=True).stdout
        self.assertNotIn("otel", needs)

    def test_c(self):
        for standard in ("c99", "c11", "c17"):
            with self.subTest(standard=standard):
                self.compiles("gcc", "a.c", "-std=" + standard)

    def test_position_dependent(self):
        """Where the linker would decide that a weak function is not there."""
        self.compiles("gcc", "a.c", "-std=c11", "-O2", "-fno-pie", "-no-pie")
        self.compiles("gcc", "a.c", "-std=c11", "-fvisibility=hidden", "-Wl,-z,now")

    @require("g++")
    def test_cxx(self):
        for standard in ("c++11", "c++17", "c++20"):
            with self.subTest(standard=standard):
                self.compiles("g++", "a.cc", "-std=" + standard)

    @require("clang")
    def test_clang(self):
        self.compiles("clang", "a.c", "-std=c11", "-O2")

    def test_static(self):
        """No shim can be there; the calls do nothing."""
        target = self.compile("gcc", self.source("a.c", self.USE), "-O2", "-static")
        self.assertEqual(self.run_program([target], shim=False).rc, 0)

    def test_readme(self):
        """Its example compiles as it stands, and shows what it says."""
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
            code = re.search(r"```c\n(.*?)```", f.read(), re.S).group(1)
        prefix = self.folder()
        subprocess.run(["make", "-s", "install", "PREFIX=" + prefix, "LTO="], cwd=ROOT, check=True,
                       capture_output=True)
        target = self.compile("gcc", self.source("reindex.c", code), *STRICT, "-std=c11", "-I",
                              os.path.join(prefix, "include"))
        got = self.differential([target])
        self.assertEqual(got.stdout, b"0 -1\n")
        fine, failed = got.spans.find("reindex", status="unset")[0], got.spans.one(status="error")
        self.assertEqual([got.spans.parent(s) for s in got.spans.find("document")], [fine, fine])
        self.assertEqual((failed.name, failed.message), ("reindex", "no such tenant"))


class Examples(Built):
    def test_c(self):
        got = self.differential([program("api_example")])
        spans = got.spans
        self.assertEqual(got.stdout, b"shipped tea\nshipped tin\n1 failed\n")
        top = spans.one("import", attrs={"orders.failed": 1}, scope=SCOPE, kind="internal")
        stores, deliveries = spans.find("store"), spans.find("deliver", kind="producer")
        self.assertEqual([spans.parent(s) for s in stores], [top] * 3)
        self.assertEqual([s.status for s in stores], ["unset", "unset", "error"])
        self.assertIn("UNIQUE", stores[2].message)
        self.assertEqual(stores[0].attrs, {"order.name": "tea", "order.length": 3,
                                           "order.weight": 2.5, "order.express": True})
        self.assertEqual([spans.parent(s).name for s in spans.find("INSERT orders")],
                         ["store"] * 3)
        self.assertEqual([spans.parent(s) for s in deliveries], [top] * 2)
        self.assertEqual([spans.parent(s) for s in spans.find("ship")], list(deliveries))
        queued = deliveries[0].event("queued")
        self.assertEqual(queued.attrs, {"queue.name": "shipping", "queue.length": 1})
        self.assertEqual([k.span_id for k in deliveries[0].links], [top.span_id])
        self.assertEqual(deliveries[0].links[0].attrs, {"queue.name": "shipping"})

    @require("g++")
    def test_cxx(self):
        source = os.path.join(ROOT, "tests", "apps", "api_example.cc")
        got = self.differential([self.compile("g++", source, *STRICT, "-std=c++17")])
        self.assertEqual(got.stdout, b"9\n-1\n")
        first, second = got.spans.find("sum")
        self.assertEqual([got.spans.parent(s) for s in got.spans.find("parse")],
                         [first, first, second, second])
        self.assertEqual([s.message for s in got.spans.find(status="error")], ["exception"])
        self.assertEqual(got.spans.parent(got.spans.one("recover")), second)

    @require("python3")
    def test_python(self):
        source = os.path.join(ROOT, "tests", "apps", "api_example.py")
        got = self.differential(["/usr/bin/python3", source])
        self.assertEqual(got.stdout, b"[(1,)]\nno such table: nowhere\n")
        top = got.spans.one("report", attrs={"report.name": "weekly"}, scope=SCOPE)
        load, fail = got.spans.one("load"), got.spans.one("fail", status="error")
        self.assertEqual([got.spans.parent(s) for s in (load, fail)], [top, top])
        self.assertEqual(sorted(got.spans.parent(s).name for s in got.spans.find(kind="client")),
                         ["fail", "load"])


class Calls(TestCase):
    """tests/programs/api_calls.c, a scenario each."""

    def calls(self, scenario, **more):
        got = self.differential([program("api_calls"), scenario], **more)
        self.assertTrue(got.stdout.endswith(b"end\n"), got.stdout)
        return got

    def scenario(self, name, **env):
        """What differs under the shim by design is not compared."""
        return self.run_program([program("api_calls"), name], env=env)

    def test_scopes(self):
        """Left by return, break, goto and longjmp."""
        spans = self.calls("scopes").spans
        where = {text_of(s): s.parent_id for s in spans.find(kind="client")}
        self.assertEqual(where["in_break"], spans.one("break").span_id)
        self.assertEqual((where["outside"], where["behind"]), ("", ""))
        self.assertEqual(spans.parent(spans.one("goto inner")), spans.one("goto"))
        self.assertEqual(len(spans.find("around")), 1)
        self.assertEqual(spans.parent(spans.one("jumped")), spans.one("around"))

    def test_tokens(self):
        """Of another thread, used twice, made up; attached where the frame is gone."""
        got = self.scenario("tokens")
        self.assertEqual(got.stdout.decode().splitlines(),
                         ["elsewhere 0", "mine 1", "none 0 wrong 0", "second 1", "again 0",
                          "first 1", "end"])
        spans = got.spans
        names = {s.span_id: s.name for s in spans}
        where = {text_of(s): names.get(s.parent_id, "") for s in spans.find(kind="client")}
        self.assertEqual(where, {"in_a": "a", "elsewhere": "a", "in_b": "b", "in_a_again": "a",
                                 "outside": ""})
        self.assertEqual(spans.one("a").attrs, {})

    def test_nothing(self):
        got = self.calls("nothing")
        self.assertEqual(got.stdout, b"0 0 0 0\n0 ''\nerrno 77\nend\n")
        one = got.spans.one("unknown", kind="internal", status="unset")
        self.assertEqual(one.attrs, {"no value": "", "cut": "abc", "bytes": "\ufffd\ufffd"})

    def test_times(self):
        """Before our constructor nothing is made, and behind the last export it is counted."""
        got = self.calls("times", shim_env={"OTEL_LOG_LEVEL": "debug"})
        self.assertEqual(got.spans.parent(got.spans.one("handler")), got.spans.one("main"))
        self.assertEqual(got.spans.find("before"), [])
        self.assertNotIn("does not add up", got.log)

    def test_children(self):
        spans = self.calls("children").spans
        parent, child = spans.one("parent"), spans.one("fork child")
        self.assertEqual((child.parent_id, child.trace_id), (parent.span_id, parent.trace_id))
        self.assertNotEqual(child.resource["process.pid"], parent.resource["process.pid"])
        self.assertEqual(spans.parent(spans.one("inner")), parent)
        self.assertEqual(spans.parent(spans.one("vfork child")), parent)

    def test_print(self):
        got = self.scenario("print")
        nothing, inside, text, _ = got.stdout.decode().splitlines()
        self.assertEqual(nothing, "otel_auto: nothing is current")
        self.assertEqual(inside, f"otel_auto: {text} of a span that is open on the thread")
        self.assertEqual(text.split("-")[1:3], [got.spans[0].trace_id, got.spans[0].span_id])

    def test_disabled(self):
        got = self.scenario("print", OTEL_SDK_DISABLED="true",
                            TRACEPARENT="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        self.assertEqual(got.spans, [])
        self.assertEqual(got.stdout.count(b"0af7651916cd43dd8448eb211c80319c"), 3)

    def test_not_sampled(self):
        got = self.scenario("print", OTEL_TRACES_SAMPLER="always_off")
        self.assertEqual(got.spans, [])
        self.assertRegex(got.stdout.decode(), r"\n00-[0-9a-f]{32}-[0-9a-f]{16}-02\n")


if __name__ == "__main__":
    main()
