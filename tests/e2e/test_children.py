#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Programs that start programs: with a span for each process they are one tree, and what they
print and how they end is what it was."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import TestCase, main, program, require  # noqa: E402

PROCESS_SPAN = {"OTEL_AUTO_PROCESS_SPAN": "true"}
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OURS = re.compile(rb"^(LD_PRELOAD|OTEL_\w+|TRACEPARENT|TRACESTATE|BAGGAGE)=.*\n", re.M)


class Children(TestCase):
    def traced(self, cmd, **more):
        """Differential; every span has the given parent or one of ours in its trace."""
        got = self.differential(cmd, normalise=lambda out: OURS.sub(b"", out),
                                shim_env=PROCESS_SPAN, env={"TRACEPARENT": TRACEPARENT}, **more)
        ids = {s.span_id for s in got.spans} | {TRACEPARENT[36:52]}
        self.assertTrue(got.spans, got.log)
        for span in got.spans:
            self.assertEqual(span.trace_id, TRACEPARENT[3:35])
            self.assertIn(span.parent_id, ids, f"{span.name} is an orphan in\n{got.spans}")
            self.assertEqual(span.kind, "internal")
            self.assertEqual(span.attrs["process.executable.name"], span.name)
            self.assertEqual(span.attrs["process.pid"], span.resource["process.pid"])
        self.assertEqual(len({s.span_id for s in got.spans}), len(got.spans))
        return got

    def top(self, got, name):
        """The span of the program that was run, which its fork children have the name of."""
        return got.spans.one(name, parent_id=TRACEPARENT[36:52])

    def names(self, got):
        return sorted(s.name for s in got.spans)

    @require("bash")
    def test_script(self):
        """Pipes, substitutions, subshells, background jobs: one tree below the shell."""
        got = self.traced(["bash", "-c", "echo $(cat /etc/hostname | head -c 3 | wc -c); "
                           "(exec env printf x); sleep 0 & wait; ls /nonexistent; env; exit 3"])
        self.assertEqual(got.rc, 3)
        shell = self.top(got, "bash")
        substitution = got.spans.one("bash", parent_id=shell.span_id)
        self.assertEqual(substitution.attrs["process.exit.code"], 0)
        self.assertEqual((shell.status, shell.attrs["process.exit.code"]), ("error", 3))
        self.assertEqual(shell.attrs["error.type"], "3")
        for span in got.spans:
            if span.name not in ("bash", "printf"):
                inner = span.name in ("cat", "head", "wc")
                self.assertEqual(span.parent_id, (substitution if inner else shell).span_id)
        failed = got.spans.one("ls")
        self.assertEqual((failed.status, failed.attrs["process.exit.code"]), ("error", 2))
        for name in ("cat", "head", "wc", "sleep"):
            self.assertEqual(got.spans.one(name).attrs["process.exit.code"], 0)
            self.assertEqual(got.spans.one(name).status, "unset")
        self.assertIn(got.spans.one("printf").parent_id,
                      {s.span_id for s in got.spans.find("env")})

    @require("make")
    def test_make(self):
        folder = self.folder()
        with open(os.path.join(folder, "Makefile"), "w", encoding="utf-8") as f:
            f.write("all: a b c\n.PHONY: a b c\n"
                    "a b c:\n\t@cat /etc/hostname >$@; env printf done >>$@\n")
        got = self.traced(["make", "-s", "-j2", "-C", folder])
        self.assertEqual(self.names(got).count("cat"), 3, got.spans)
        make = got.spans.one("make")
        self.assertEqual(len(got.spans.children(make)), 3)

    def test_python(self):
        for more in ("", ", preexec_fn=lambda: None", ", close_fds=False"):
            with self.subTest(more=more):
                got = self.traced(["/usr/bin/python3", "-c", (
                    "import subprocess, os\n"
                    f"print(subprocess.run(['/bin/echo', 'x'], capture_output=True{more}))\n"
                    f"print(subprocess.run('exit 7', shell=True{more}).returncode)\n"
                    "pid = os.posix_spawn('/bin/true', ['true'], os.environ)\n"
                    "print(os.waitpid(pid, 0)[1])\n"
                    "try: subprocess.run(['/nonexistent'])\n"
                    "except FileNotFoundError as e: print(e)\n")])
                python = self.top(got, "python3.11")
                for name in ("echo", "true", "dash"):
                    self.assertEqual(got.spans.one(name).parent_id, python.span_id)
                self.assertEqual(got.spans.one("dash").attrs["process.exit.code"], 7)

    @require("perl")
    def test_perl(self):
        got = self.traced(["perl", "-e", "print `echo a; exit 3`, $? >> 8; system('true'); "
                           "system('/nonexistent'); print $?; exec 'env', 'printf', 'b'"])
        perl = self.top(got, "perl")
        failed = got.spans.one("perl", parent_id=perl.span_id)
        self.assertEqual(failed.parent_id, perl.span_id)
        self.assertNotIn("process.exit.code", perl.attrs)
        self.assertEqual(got.spans.one("env").parent_id, perl.span_id)
        self.assertEqual(got.spans.one("printf").parent_id, got.spans.one("env").span_id)

    @require("node")
    def test_node(self):
        got = self.traced(["node", "-e", (
            "const c = require('child_process');"
            "console.log(c.execFileSync('/bin/echo', ['x']).toString());"
            "console.log(c.spawnSync('sh', ['-c', 'exit 4']).status);"
            "console.log(c.spawnSync('/nonexistent').error.code);")])
        for name in ("echo", "dash"):
            self.assertEqual(got.spans.one(name).parent_id, self.top(got, "node").span_id)

    def test_launchers(self):
        """Each of these becomes, or starts, the program it is given."""
        for cmd in (["env", "A=1", "env"], ["env", "-i", "/usr/bin/env"], ["nohup", "env"],
                    ["setsid", "-w", "env"], ["nice", "true"], ["timeout", "9", "true"],
                    ["env", "nonexistent"], ["find", "/etc/hostname", "-exec", "cat", "{}", ";"],
                    ["xargs", "-n1", "-P2", "true"]):
            with self.subTest(cmd=cmd):
                self.traced(cmd, input=b"a\nb\nc\n")
        got = self.traced(["xargs", "-n1", "-P2", "true"], input=b"a\nb\nc\n")
        self.assertEqual(self.names(got), ["true"] * 3 + ["xargs"])

    def test_failed_exec(self):
        """A program that finds nothing to become ends itself, in one span."""
        got = self.traced(["env", "nonexistent"])
        span = got.spans.one("env")
        self.assertEqual((span.attrs["process.exit.code"], span.status), (127, "error"))

    def test_ways_to_end(self):
        for mode, code in (("return", 3), ("exit", 4), ("_exit", 6), ("_Exit", 7),
                           ("quick_exit", 8), ("err", 9), ("signal", 21), ("thread", 5)):
            with self.subTest(mode=mode):
                got = self.differential([program("exits"), mode], shim_env=PROCESS_SPAN)
                span = got.spans.one("exits")
                self.assertEqual(span.attrs["process.exit.code"], code)
                self.assertEqual(got.spans.one("SELECT").parent_id, span.span_id)
        for mode in ("vfork", "vfork-fails", "fork", "daemon", "pthread_exit"):
            with self.subTest(mode=mode):
                got = self.differential([program("exits"), mode], shim_env=PROCESS_SPAN)
                self.assertEqual(len(got.spans.roots()), 1, got.spans)

    def test_request(self):
        """A program run for a request, forked by the thread that serves it, is the request's."""
        folder = self.folder()
        os.chmod(folder, 0o755)  # Python runs it as nobody
        os.mkdir(os.path.join(folder, "cgi-bin"))
        script = os.path.join(folder, "cgi-bin", "x")
        with open(script, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\necho\necho ${TRACEPARENT:-none}\n")
        os.chmod(script, 0o755)
        got = self.differential(["/usr/bin/python3", "-c", (
            "import http.server as h, threading, urllib.request\n"
            "class H(h.CGIHTTPRequestHandler):\n"
            "    def log_message(self, *a): pass\n"
            "s = h.HTTPServer(('127.0.0.1', 0), H)\n"
            "threading.Thread(target=s.serve_forever, daemon=True).start()\n"
            "for i in range(3):\n"
            "    u = 'http://127.0.0.1:%d/cgi-bin/x' % s.server_port\n"
            "    print(urllib.request.urlopen(u).read().decode().strip())\n")],
            cwd=folder, normalise=lambda out: re.sub(rb"none|00-[-0-9a-f]{52}", b"", out))
        requests = got.spans.find(kind="server", http__request__method="GET")
        self.assertEqual(len(requests), 3, got.spans)
        self.assertEqual(sorted(got.stdout.decode().split()),
                         sorted(s.traceparent for s in requests))

    def test_off(self):
        got = self.differential(["bash", "-c", "cat /etc/hostname | wc -c"])
        self.assertEqual(list(got.spans), [])


if __name__ == "__main__":
    main()
