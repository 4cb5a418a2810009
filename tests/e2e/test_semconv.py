#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""OTEL_SEMCONV_STABILITY_OPT_IN=http/dup,database/dup: the old names of attributes stand beside the
stable ones, with the same values, on requests taken and sent and on statements; only if asked for.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import TestCase, main, require, run  # noqa: E402
from servers import APPS, PYTHON, Server  # noqa: E402

BOTH = {"OTEL_SEMCONV_STABILITY_OPT_IN": "http/dup,database/dup"}
# old name -> the stable one of the same value
HTTP = {"http.method": "http.request.method", "http.status_code": "http.response.status_code"}
CLIENT = {**HTTP, "http.url": "url.full", "net.peer.name": "server.address",
          "net.peer.port": "server.port"}
SERVER = {**HTTP, "http.scheme": "url.scheme", "http.user_agent": "user_agent.original",
          "http.client_ip": "client.address", "net.host.name": "server.address",
          "net.host.port": "server.port"}
DATABASE = {"db.system": "db.system.name", "db.statement": "db.query.text",
            "db.name": "db.namespace"}
OLD = {*CLIENT, *SERVER, *DATABASE, "http.target", "db.operation", "db.sql.table",
       "db.rows_affected"}
PYTHON_CLIENT = """
import http.client, sys
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
c.request("GET", "/fail/1?q=2", headers={"User-Agent": "plain/1"})
c.getresponse().read()
"""


class Names(TestCase):
    def ask(self, cmd, env):
        """Server's and client's spans of one request; cmd gets the port as its last word."""
        collector = self.collector()
        with Server([PYTHON, os.path.join(APPS, "rules_server.py")], shim=True,
                    collector=collector, env=env) as server:
            got = run([w.replace("PORT", str(server.port)) for w in cmd], env=env)
            self.assertEqual(got.rc, 0, got.stderr)
            server.stop()
        collector.check()
        return [s for s in [*collector.spans, *got.spans] if "url.path" in s.attrs
                or "url.full" in s.attrs or "db.system.name" in s.attrs]

    def assert_same(self, span, pairs):
        for old, new in pairs.items():
            self.assertIn(old, span.attrs, span.name)
            self.assertEqual(span.attrs[old], span.attrs[new], old)

    def check_request(self, cmd, user_agent):
        server, statement, client = sorted(
            self.ask(cmd, BOTH), key=lambda s: (s.kind != "server", "url.full" in s.attrs))
        self.assert_same(server, SERVER)
        self.assertEqual(server.attrs["http.target"], "/fail/1?q=2")
        self.assertTrue(server.attrs["http.user_agent"].startswith(user_agent))
        self.assert_same(client, CLIENT)
        self.assertEqual(client.attrs["http.scheme"], "http")
        self.assertEqual(client.attrs["http.status_code"], 200)
        self.assertEqual(server.parent_id, client.span_id)
        self.assert_same(statement, DATABASE)
        self.assertEqual((statement.attrs["db.operation"], statement.attrs["db.sql.table"]),
                         ("SELECT", "nowhere"))

    @require("curl")
    def test_libcurl(self):
        self.check_request(["curl", "-sf", "-o", "/dev/null", "http://127.0.0.1:PORT/fail/1?q=2"],
                           "curl/")

    def test_sockets(self):
        self.check_request([PYTHON, "-c", PYTHON_CLIENT, "PORT"], "plain/1")

    @require("curl")
    def test_only_if_asked_for(self):
        for opted in (None, "http", "database", "messaging/dup"):
            spans = self.ask(["curl", "-sf", "http://127.0.0.1:PORT/"],
                             {"OTEL_SEMCONV_STABILITY_OPT_IN": opted})
            self.assertEqual(len(spans), 3)
            for span in spans:
                self.assertEqual(OLD & set(span.attrs), set(), opted)

    @require("sqlite3")
    def test_rows(self):
        sql = ("CREATE TABLE a (x); INSERT INTO a VALUES (1), (2), (3); UPDATE a SET x = 1;"
               "DELETE FROM a WHERE x > 1; SELECT count(*) FROM a")
        got = self.differential(["sqlite3", ":memory:", sql], shim_env=BOTH)
        rows = {s.name: s.attrs.get("db.rows_affected") for s in got.spans}
        self.assertEqual(rows, {"CREATE TABLE a": None, "INSERT a": 3, "UPDATE a": 3,
                                "DELETE a": 0, "SELECT a": None})
        for span in got.spans:
            self.assert_same(span, DATABASE)
            self.assertEqual(f"{span.attrs['db.operation']} {span.attrs['db.sql.table']}",
                             "SELECT a" if span.name == "SELECT" else span.name)


if __name__ == "__main__":
    main()
