# SPDX-License-Identifier: Apache-2.0
"""hooks/curl_multi.c, on the real curl --parallel, git and a program of ours."""
import functools
import http.server
import os
import re
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from curlcase import PARENT, TRACE, CurlCase  # noqa: E402
from harness import differential, environment, main, program, require  # noqa: E402


def without_speed(output):
    """--parallel shows its progress even with -s."""
    return re.sub(rb"(?m)^(DL%|\r).*\n?", b"", output)


class Parallel(CurlCase):
    def test_parallel(self):
        urls = [f"{self.http.url}/large/{n}000" for n in range(20)]
        outputs = ["-o", "/dev/null"] * len(urls)
        r, sent = self.run_case(["curl", "-sS", "-Z", *outputs, *urls], sort=True,
                                normalise=without_speed)
        self.assertEqual(len(r.spans), 20)
        self.assertEqual(len({s.trace_id for s in r.spans}), 20)
        self.assert_carried(r.spans, sent)

    def test_parallel_below_a_parent(self):
        r, sent = self.run_case(["curl", "-sS", "-Z", "-L", self.http.url + "/redirect/1",
                                 self.http.url + "/redirect/2"], sort=True, normalise=without_speed,
                                env={"TRACEPARENT": f"00-{TRACE}-{PARENT}-01"})
        self.assertEqual(len(r.spans), 5)
        self.assertEqual({(s.trace_id, s.parent_id) for s in r.spans}, {(TRACE, PARENT)})
        self.assert_carried(r.spans, sent)


class Program(CurlCase):
    program = "curl_multi"

    def test_together(self):
        r, sent = self.case("together", sort=True)
        self.assert_carried(r.spans, sent)
        self.assertEqual(sorted(str(s) for s in self.statuses(r.spans)),
                         ["200", "200", "200", "302", "302", "404", "None"])
        self.assertEqual(r.spans.one(error__type="GOT_NOTHING").status, "error")

    def test_unread(self):
        """Nobody asked for the result: a response says enough, no response is a failure unnamed."""
        r, sent = self.case("unread", sort=True)
        self.assert_carried(r.spans, sent)
        self.assertEqual(sorted((str(s.attrs.get("http.response.status_code")),
                                 s.attrs.get("error.type")) for s in r.spans),
                         [("200", None), ("302", None), ("None", "_OTHER")])

    def test_abandoned(self):
        r = differential([program("curl_multi"), "abandoned", self.http.url])
        by_url = {s.attrs["url.full"].partition("?")[2]: s for s in r.spans}
        self.assertEqual(set(by_url), {"never", "removed", "freed", "left", ""})
        for name, span in by_url.items():
            self.assertEqual(span.attrs.get("error.type"), "_OTHER" if name else None)

    def test_reused(self):
        r, sent = self.case("reused")
        self.assert_carried(r.spans, sent)
        self.assertEqual(len(r.spans), 16)
        self.assertEqual({q.header("x-two") for q in sent}, {"2"})

    def test_reset_under_way(self):
        r, sent = self.case("reset")
        self.assert_carried(r.spans, sent)

    def test_sockets(self):
        r, sent = self.case("sockets", sort=True)
        self.assert_carried(r.spans, sent)
        self.assertEqual(sorted(self.statuses(r.spans)), [200, 200, 302, 500])

    def test_a_result_read_late(self):
        """The span ends with the transfer, not when the program looks."""
        r, _ = self.case("late")
        first, second = self.in_order(r.spans)
        self.assertEqual(self.statuses(r.spans), [200, 201])
        self.assertLessEqual(first.end, second.start)


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("traceparent")))
        super().do_GET()

    def log_message(self, *args):
        pass


@require("git")
class Git(CurlCase):
    """git-remote-http: a program that loads libcurl-gnutls and drives it by a multi handle."""

    def serve(self):
        root = self.folder()
        script = """
            git init -q work && cd work && git config user.email a@b && git config user.name c &&
            echo one >file && git add file && git commit -qm one && cd .. &&
            git clone -q --bare work repo.git && cd repo.git && git update-server-info"""
        subprocess.run(["sh", "-ec", script], cwd=root, check=True,
                       env=environment({"HOME": root}))
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Handler, directory=root))
        server.seen = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server, f"http://127.0.0.1:{server.server_address[1]}/repo.git"

    def test_clone(self):
        server, url = self.serve()
        home = self.folder()
        script = f"cd $(mktemp -d -p {home}) && git clone -q {url} out && cat out/file"
        r = differential(["sh", "-ec", script], env={"HOME": home})
        self.assertEqual(r.stdout, b"one\n")
        self.assertFalse(any(t for _, t in server.seen[:len(server.seen) // 2]))
        sent = [t for _, t in server.seen[len(server.seen) // 2:]]
        curl = r.spans.find(scope="libotel_auto.curl")
        self.assertGreaterEqual(len(curl), 3)
        self.assertEqual(sorted(sent), sorted(s.traceparent for s in curl))
        self.assertIn(url + "/info/refs?service=git-upload-pack",
                      [s.attrs["url.full"] for s in curl])


if __name__ == "__main__":
    main()
