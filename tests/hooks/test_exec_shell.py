#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""system() and popen(), which are made anew here: nothing of them has changed but that the shell
knows the current context."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import SHIM, TestCase, main, program, require  # noqa: E402

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OURS = re.compile(rb"(?:read )?(LD_PRELOAD|OTEL_\w+|TRACEPARENT|TRACESTATE|BAGGAGE)=.*\n|"
                  rb"00-[-0-9a-f]{52}")


def without_ours(out):
    return OURS.sub(b"", out)


class Shell(TestCase):
    def test_everything(self):
        """tests/programs/shells.c prints about 150 lines; all are the same."""
        got = self.differential([program("shells")], input=b"some input\n")
        self.assertGreater(got.stdout.count(b"\n"), 140, got.stdout)
        self.assertIn(b"cancelled: 1, children left: 0\n", got.stdout)
        self.assertIn(b"first: 600\n", got.stdout)

    def test_context(self):
        """The shell's parent is the statement, whatever there was before."""
        for env in ({}, {"TRACEPARENT": TRACEPARENT, "TRACESTATE": "a=1", "BAGGAGE": "b=2"},
                    {f"V{i}": "x" * 50 for i in range(1500)}):
            got = self.differential([program("shells"), "span", "echo $TRACEPARENT; env | sort"],
                                    env=env, normalise=without_ours)
            span = got.spans.one("SELECT")
            lines = re.findall(r"^00-\S+", got.stdout.decode(), re.M)
            self.assertEqual(lines, [span.traceparent] * 2)
            if "BAGGAGE" in env:
                self.assertEqual(got.stdout.count(b"\nTRACESTATE=a=1\n"), 2)
                self.assertEqual(got.stdout.count(b"\nBAGGAGE=b=2\n"), 2)

    def test_no_span(self):
        """Nothing is invented; what came in goes on."""
        got = self.differential(["perl", "-e", "system('echo ${TRACEPARENT:-none}')"])
        self.assertEqual(got.stdout, b"none\n")
        got = self.differential([program("children"), "plain-system", "echo $TRACEPARENT"],
                                env={"TRACEPARENT": TRACEPARENT})
        self.assertIn(TRACEPARENT.encode() + b"\n", got.stdout)

    def test_process_span(self):
        """The shell and what it runs hang below."""
        got = self.differential([program("children"), "plain-system", "cat /etc/hostname; true"],
                                shim_env={"OTEL_AUTO_PROCESS_SPAN": "true"})
        shell = got.spans.one("dash")
        self.assertEqual(shell.parent_id, got.spans.one("children").span_id)
        self.assertEqual(got.spans.one("cat").parent_id, shell.span_id)

    def test_follow(self):
        """OTEL_AUTO_FOLLOW=always reaches below a shell that a cleared environment was given."""
        for how in ("system", "popen"):
            got = self.differential(
                [program("children"), "plain-execv", "/usr/bin/env", "-i", program("children"),
                 how, "/usr/bin/env"], normalise=without_ours,
                shim_env={"OTEL_AUTO_FOLLOW": "always"}, env={"TRACEPARENT": TRACEPARENT})
            text = got.stdout.decode().replace("read ", "")
            self.assertIn(f"\nLD_PRELOAD={SHIM}\n", "\n" + text)
            self.assertIn(f"\nTRACEPARENT={got.spans.one('SELECT').traceparent}\n", "\n" + text)

    def test_disabled(self):
        self.differential([program("shells")], input=b"some input\n",
                          shim_env={"OTEL_SDK_DISABLED": "true"})

    @require("gdb", "awk")
    def test_users(self):
        """Programs that use them."""
        for cmd in (["awk", "BEGIN { system(\"exit 3\"); print \"z\" | \"cat\"; close(\"cat\");"
                     "while ((\"echo a; echo b\" | getline x) > 0) print x }"],
                    ["perl", "-e", "print system('exit 3') >> 8, `echo a`; print $?;"
                     "open(my $p, '|-', 'cat'); print $p 'x'; close $p; print $?"],
                    ["gdb", "-nx", "-batch", "-ex", "shell echo hello",
                     "-ex", "pipe help list | wc"],
                    ["make", "-f", "-", "-s"]):
            with self.subTest(cmd=cmd):
                self.differential(cmd, input=b"A := $(shell echo a)\nall:\n\t@echo $(A)\n")


if __name__ == "__main__":
    main()
