#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""OTEL_AUTO_SAMPLING_RULES: what arrives of the requests of a real server, and of programs that
begin traces of their own."""
import http.client
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import TestCase, main, program, require  # noqa: E402
from servers import APPS, PYTHON, Server  # noqa: E402

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SUM = re.compile(r"spans: started (\d+) = exported (\d+) \+ dropped (\d+) .*by a rule (\d+)\)"
                 r".*\+ not ended (\d+); not sampled (\d+)")


def totals(log):
    """Of each process that said it: started, exported, dropped, by a rule, not ended, not
    sampled."""
    return [tuple(map(int, m)) for m in SUM.findall(log)]


class Requests(TestCase):
    """tests/apps/rules_server.py: a SERVER span and a statement for each request."""

    def serve(self, rules, asks, **env):
        """The paths of the server spans that came, each with the statements below; asks: (method,
        path, headers)."""
        collector = self.collector()
        with Server([PYTHON, os.path.join(APPS, "rules_server.py")], shim=True,
                    collector=collector, env={"OTEL_AUTO_SAMPLING_RULES": rules,
                                              "OTEL_LOG_LEVEL": "debug", **env}) as server:
            for method, path, *headers in asks:
                connection = http.client.HTTPConnection("127.0.0.1", server.port)
                connection.request(method, path, headers=dict(headers))
                self.assertEqual(connection.getresponse().read(), b"ok")
                connection.close()
            server.stop()
            self.assertEqual((server.rc, server.stderr), (0, b""), server.log)
            self.log = server.log
        collector.check()
        self.assertNotIn("does not add up", self.log)
        self.assertNotIn("ignored", self.log)
        self.spans = collector.spans
        came = {}
        for span in self.spans:
            if span.kind == "server":
                below = [s for s in self.spans if s.parent_id == span.span_id]
                came[span.attrs["url.path"]] = len(below)
        return came

    def test_first_match_decides(self):
        asks = [("GET", "/health"), ("GET", "/health/deep?x=1"), ("POST", "/health"),
                ("POST", "/documents"), ("GET", "/documents"),
                ("GET", "/any", ("X-Debug", "1")), ("GET", "/any/other", ("X-Debugger", "1"))]
        came = self.serve("GET /health* = 0; POST * = 1; header=x-debug = 1; * = 0", asks)
        self.assertEqual(came, {"/health": 1, "/documents": 1, "/any": 1})
        (started, exported, dropped, _, still_open, not_sampled), = totals(self.log)
        self.assertEqual((started, exported, dropped, still_open), (6, 6, 0, 0), self.log)
        self.assertEqual(not_sampled, 8)

    def test_by_name_kind_and_service(self):
        asks = [("GET", "/users/17"), ("GET", "/users/18/x"), ("GET", "/carts/3")]
        came = self.serve('service=elsewhere = 0; name="GET /users/?" = 1; kind=server = 0', asks)
        self.assertEqual(came, {"/users/17": 1})
        came = self.serve('service=sh* kind=server path=/carts/* = 1; kind=server = 0', asks,
                          OTEL_SERVICE_NAME="shop")
        self.assertEqual(came, {"/carts/3": 1})

    def test_decided_at_the_end(self):
        """What failed somewhere below, and what was slow; the rest is dropped, and counted."""
        asks = [("GET", "/fail/1"), ("GET", "/fine/1"), ("GET", "/slow/1"), ("GET", "/slow/never"),
                ("GET", "/fail/kept"), ("GET", "/fail/no")]
        came = self.serve("/slow/never = slower than 900m; /fail/no = slower than 900m;"
                          "/slow/* = 0, slower than 50ms; * = always when error", asks)
        self.assertEqual(came, {"/fail/1": 1, "/slow/1": 1, "/fail/kept": 1})
        (started, exported, dropped, by_rule, still_open, _), = totals(self.log)
        self.assertEqual((started, exported, dropped, by_rule, still_open), (12, 6, 6, 6, 0),
                         self.log)
        self.assertEqual({s.flags & 1 for s in self.spans}, {1})

    def test_parent_based(self):
        """A request that is part of a trace goes with it; unless the sampler asks no parent."""
        asks = [("GET", "/a", ("traceparent", f"00-{TRACE}-{PARENT}-01")),
                ("GET", "/b", ("traceparent", f"00-{TRACE}-{PARENT}-00"))]
        self.assertEqual(self.serve("/a = 0; /b = 1", asks), {"/a": 1})
        self.assertEqual(self.serve("/a = 0; /b = 1", asks, OTEL_TRACES_SAMPLER="always_on"),
                         {"/b": 1})
        self.assertEqual(self.serve("/a = always when error; /b = slower than 1ns", asks,
                                    OTEL_TRACES_SAMPLER="always_off"), {"/b": 1})

    def test_no_match_asks_the_sampler(self):
        asks = [("GET", "/a"), ("GET", "/b")]
        self.assertEqual(self.serve("/a = 1", asks, OTEL_TRACES_SAMPLER="parentbased_always_off"),
                         {"/a": 1})

    def test_ratio_goes_by_the_trace_id(self):
        """As traceidratio does, so that both keep the same traces."""
        ids = [f"{n:032x}" for n in (1, 0x40000000000000, 0x7fffffffffffff, 0x80000000000000,
                                     0xff000000000000)]
        asks = [("GET", f"/{i}", ("traceparent", f"00-{i}-{PARENT}-00")) for i in ids]
        by_rule = self.serve("* = 0.5", asks, OTEL_TRACES_SAMPLER="always_off")
        by_sampler = self.serve("/none = 0", asks, OTEL_TRACES_SAMPLER="traceidratio",
                                OTEL_TRACES_SAMPLER_ARG="0.5")
        self.assertEqual(sorted(by_rule), ["/" + i for i in ids[3:]])
        self.assertEqual(by_rule, by_sampler)


class Programs(TestCase):
    """Traces that begin with something else than a request."""

    def test_misspelt(self):
        """One line, no rule, and the program runs as ever."""
        got = self.differential([program("api_calls"), "scopes"],
                                shim_env={"OTEL_AUTO_SAMPLING_RULES": "* = 0; name=break = maybe"})
        lines = [x for x in got.log.splitlines() if "SAMPLING_RULES" in x]
        self.assertEqual(len(lines), 1, got.log)
        self.assertIn("rule 2, 'maybe': not a share of 0 to 1; all of them are ignored", lines[0])
        self.assertEqual(len(got.spans.find("return")), 1)

    def test_spans_of_the_api(self):
        rules = "name=break = always when error; kind=client = 0; name=goto* = 1; * = 0"
        got = self.differential([program("api_calls"), "scopes"],
                                shim_env={"OTEL_AUTO_SAMPLING_RULES": rules})
        self.assertEqual([s.name for s in got.spans], ["goto inner", "goto"])

    def test_from_the_configuration_file(self):
        path = os.path.join(self.folder(), "otel.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write('file_format: "1.1"\ninstrumentation/development:\n  c:\n    otel_auto:\n'
                    "      sampling_rules:\n        - name=goto* = 1\n        - '* = 0'\n"
                    "tracer_provider:\n  processors:\n    - batch:\n        exporter:\n"
                    "          otlp_http:\n            endpoint: ${OTEL_EXPORTER_OTLP_ENDPOINT}"
                    "/v1/traces\n")
        got = self.differential([program("api_calls"), "scopes"],
                                shim_env={"OTEL_CONFIG_FILE": path})
        self.assertEqual([s.name for s in got.spans], ["goto inner", "goto"], got.log)

    def test_a_root_that_never_ends(self):
        """Is decided at the process's end, as it stands."""
        for rule, names in (("slower than 1ns", {"in_around"}), ("slower than 900m", set())):
            env = {"OTEL_AUTO_SAMPLING_RULES": f"name=around = {rule}; * = 0",
                   "OTEL_LOG_LEVEL": "debug"}
            with self.subTest(rule=rule):
                got = self.run_program([program("api_calls"), "unended"], env=env)
                texts = {s.attrs["db.query.text"].split()[-1]
                         for s in got.spans.find(kind="client")}
                self.assertEqual(texts, names, got.log)
                (started, exported, dropped, _, still_open, _), = totals(got.log)
                self.assertEqual(started, exported + dropped + still_open)
                self.assertEqual(still_open, 1)

    def test_functions(self):
        """By the function's name, which is not the span's; at the end, too, for one that is left by
        a jump."""
        cmd = [program("functions"), "jumps"]
        env = {"OTEL_AUTO_FUNCTIONS": "outer(n: int) -> void as \"o\"\nleap(n: int) -> void\n"
                                      "over(n: int) -> void\nadd(a: int, b: int) -> int"}
        got = self.differential(cmd, shim_env={**env, "OTEL_AUTO_SAMPLING_RULES":
                                               "function=outer = 0; function=over = 1; * = 0"})
        self.assertEqual([(s.name, got.spans.parent(s) and got.spans.parent(s).name)
                          for s in got.spans], [("leap", "over"), ("over", None)])
        got = self.differential(cmd, shim_env={**env, "OTEL_LOG_LEVEL": "debug",
                                               "OTEL_AUTO_SAMPLING_RULES":
                                               "* = always when error"})
        self.assertEqual(got.spans, [])
        (started, _, dropped, by_rule, still_open, _), = totals(got.log)
        self.assertEqual((started, dropped, still_open), (by_rule, by_rule, 0), got.log)
        self.assertGreater(by_rule, 4)

    @require("sqlite3")
    def test_statements_by_name(self):
        cmd = ["sqlite3", ":memory:", "CREATE TABLE a (x); INSERT INTO a VALUES (1); SELECT 1"]
        got = self.differential(cmd, shim_env={"OTEL_AUTO_SAMPLING_RULES": 'name="INSERT a" = 0'})
        self.assertEqual([s.name for s in got.spans], ["CREATE TABLE a", "SELECT"])

    def test_children_of_an_undecided_trace_are_kept(self):
        got = self.differential([program("api_calls"), "children"], shim_env={
            "OTEL_AUTO_SAMPLING_RULES": "* = always when error", "OTEL_LOG_LEVEL": "debug"})
        self.assertEqual(sorted(s.name for s in got.spans), ["fork child", "inner"])
        for started, exported, dropped, _, still_open, _ in totals(got.log):
            self.assertEqual(started, exported + dropped + still_open, got.log)


if __name__ == "__main__":
    main()
