#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The whole trace of a request to an unmodified service (tests/apps/docsvc), as `make demo` prints
it; and the service does what it does without the shim."""
import contextlib
import os
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import (BUILD, ROOT, TIMEOUT, Spans, TestCase, environment, main,  # noqa: E402
                     require, shim_environment)

APP = os.path.join(ROOT, "tests", "apps", "docsvc")
SERVICE = os.path.join(BUILD, "apps", "docsvc")
TEXT = b"Ada met Grace and Charles in London."

TREE = [("POST /documents", [("document_processing", [
    ("llm.extract_entities", [("POST api.openai.com", [])]),
    ("db.save_entities", [("INSERT entities", [])] * 3),
    ("vector.create_embeddings", [])])])]


class Docsvc(TestCase):
    @contextlib.contextmanager
    def model(self):
        """Port of the stand-in for the model's server."""
        child = subprocess.Popen(["/usr/bin/python3", os.path.join(APP, "model_server.py")],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 env=environment())
        try:
            yield int(child.stdout.readline())
        finally:
            child.communicate()

    def serve(self, env, requests):
        """Runs the service, sends it the requests, ends it. Returns the answers."""
        child = subprocess.Popen([SERVICE, os.path.join(self.folder(), "documents.db")],
                                 stdout=subprocess.PIPE, env=env)
        try:
            url = f"http://127.0.0.1:{int(child.stdout.readline())}"
            answers = [self.ask(url + path, body) for path, body in requests]
        finally:
            child.terminate()
            child.communicate(timeout=TIMEOUT)
        self.assertEqual(child.returncode, 0)
        return answers

    @staticmethod
    def ask(url, body):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(url, body, TIMEOUT) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def settings(self, port, collector):
        return shim_environment(collector.url, {
            "http_proxy": f"http://127.0.0.1:{port}", "OTEL_AUTO_HTTP_CLIENT_NAME": "host",
            "OTEL_AUTO_FUNCTIONS_FILE": os.path.join(APP, "functions"), "no_proxy": "127.0.0.1"})

    def test_trace(self):
        requests = [("/documents", TEXT)] * 3 + [("/else", b"x")]
        collector = self.collector()
        with self.model() as port:
            native = self.serve(environment({"http_proxy": f"http://127.0.0.1:{port}"}), requests)
            answers = self.serve(self.settings(port, collector), requests)
        self.assertEqual(native, [(201, b'{"entities":3}')] * 3 + [(404, b"{}")])
        self.assertEqual(answers, native)
        spans = Spans(collector.spans)
        tree = [t for t in spans.tree() if t[0] != "CREATE TABLE entities"]
        self.assertEqual(tree, TREE * 3 + [("POST /else", [])])
        document = spans.find("document_processing")[0].attrs
        self.assertEqual(document, {"code.function.name": "process_document",
                                    "document.length": len(TEXT), "entities": 3})
        asked = spans.find("POST api.openai.com")[0].attrs
        self.assertEqual(asked["url.full"], "http://api.openai.com/v1/chat/completions")
        self.assertEqual(asked["server.address"], "api.openai.com")
        self.assertEqual(spans.find("llm.extract_entities")[0].attrs["gen_ai.request.model"],
                         "gpt-4")

    def test_old_names(self):
        """OTEL_SEMCONV_STABILITY_OPT_IN: the old names beside the stable ones."""
        collector = self.collector()
        with self.model() as port:
            env = self.settings(port, collector)
            env["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http/dup,database/dup"
            self.serve(env, [("/documents", TEXT)])
        spans = Spans(collector.spans)
        self.assertEqual([t for t in spans.tree() if t[0] != "CREATE TABLE entities"], TREE)
        request = spans.one("POST /documents").attrs
        asked = spans.one("POST api.openai.com").attrs
        insert = spans.find("INSERT entities")[0].attrs
        self.assertEqual((request["http.method"], request["http.status_code"]), ("POST", 201))
        self.assertEqual((asked["http.method"], asked["http.url"], asked["http.status_code"]),
                         ("POST", "http://api.openai.com/v1/chat/completions", 200))
        self.assertEqual((insert["db.system"], insert["db.rows_affected"]), ("sqlite", 1))
        self.assertEqual(insert["db.statement"], "INSERT INTO entities (name) VALUES (?)")

    def test_the_model_is_away(self):
        collector = self.collector()
        with self.model() as port:
            pass
        answers = self.serve(self.settings(port, collector), [("/documents", TEXT)])
        self.assertEqual(answers[0][0], 502)
        spans = Spans(collector.spans)
        for name in ("document_processing", "llm.extract_entities", "POST api.openai.com",
                     "POST /documents"):
            self.assertEqual(spans.one(name).status, "error", name)

    @require("curl")
    def test_demo(self):
        """make demo's first picture; it judges by itself."""
        done = subprocess.run([os.path.join(ROOT, "scripts", "demo"), "document"],
                              capture_output=True, text=True, timeout=TIMEOUT, env=environment())
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertEqual(done.stdout.count("── vector.create_embeddings"), 3)


if __name__ == "__main__":
    if not os.path.exists(SERVICE):
        raise unittest.SkipTest(f"{SERVICE} is not built: make programs")
    main()
