#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each exec and posix_spawn: the child gets the current context beside its own environment, what
fails fails as before, and what the program's environ holds is never touched."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import SHIM, TestCase, main, program  # noqa: E402

GIVEN = ("execve", "execvpe", "fexecve", "execveat", "execle", "posix_spawn", "posix_spawnp",
         "vfork")
OWN = ("execv", "execvp", "execl", "execlp")
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OURS = re.compile(rb"^(?:read )?(LD_PRELOAD|OTEL_\w+|TRACEPARENT|TRACESTATE|BAGGAGE)=.*\n", re.M)


def without_ours(out):
    return OURS.sub(b"", out)


def variable(got, name):
    """Its value in what the child printed, None, or an error when it is there twice."""
    found = re.findall(rb"^" + name.encode() + rb"=(.*)$", got.stdout, re.M)
    assert len(found) <= 1, got.stdout
    return found[0].decode() if found else None


class Exec(TestCase):
    def child(self, how, *command, **more):
        return self.differential([program("children"), how, *(command or ("/usr/bin/env",))],
                                 normalise=without_ours, **more)

    def test_current_span(self):
        """The child's parent is the statement the exec was made in."""
        for how in GIVEN + OWN:
            with self.subTest(how=how):
                got = self.child(how)
                self.assertEqual(variable(got, "TRACEPARENT"), got.spans.one("SELECT").traceparent)
                self.assertIn(b"ended with 0", got.stdout)

    def test_not_sampled(self):
        """A decision not to record goes down too."""
        for how in ("execve", "posix_spawn"):
            got = self.child("plain-" + how, env={"OTEL_TRACES_SAMPLER": "always_off",
                                                  "OTEL_AUTO_PROCESS_SPAN": "true"})
            self.assertEqual(list(got.spans), [])
            self.assertRegex(variable(got, "TRACEPARENT"), r"^00-[0-9a-f]{32}-[0-9a-f]{16}-0[02]$")

    def test_no_span(self):
        """Nothing is invented; what came in goes on when the program passes it on."""
        for how in GIVEN + OWN:
            with self.subTest(how=how):
                self.assertIsNone(variable(self.child("plain-" + how), "TRACEPARENT"))
                got = self.child("plain-" + how, env={"TRACEPARENT": TRACEPARENT,
                                                      "TRACESTATE": "a=1", "BAGGAGE": "b=2"})
                own = how in OWN
                for name, value in (("TRACEPARENT", TRACEPARENT), ("TRACESTATE", "a=1"),
                                    ("BAGGAGE", "b=2")):
                    self.assertEqual(variable(got, name), value if own else None)

    def test_tracestate_and_baggage(self):
        """Those of the trace that is continued."""
        for how in ("execv", "execve", "posix_spawn", "vfork"):
            got = self.child(how, env={"TRACEPARENT": TRACEPARENT, "TRACESTATE": "a=1,c=x",
                                       "BAGGAGE": "b=2"})
            span = got.spans.one("SELECT")
            self.assertEqual(span.trace_id, TRACEPARENT[3:35])
            self.assertEqual(variable(got, "TRACEPARENT"), span.traceparent)
            self.assertEqual(variable(got, "TRACESTATE"), "a=1,c=x")
            self.assertEqual(variable(got, "BAGGAGE"), "b=2")

    def test_propagators(self):
        got = self.child("execv", env={"TRACEPARENT": TRACEPARENT, "BAGGAGE": "b=2",
                                       "OTEL_PROPAGATORS": "none"})
        self.assertEqual(variable(got, "TRACEPARENT"), TRACEPARENT)
        self.assertEqual(variable(got, "BAGGAGE"), "b=2")
        got = self.child("execv", env={"TRACEPARENT": TRACEPARENT, "BAGGAGE": "b=2",
                                       "OTEL_PROPAGATORS": "tracecontext"})
        self.assertEqual(variable(got, "TRACEPARENT"), got.spans.one("SELECT").traceparent)
        self.assertEqual(variable(got, "BAGGAGE"), "b=2")

    def test_disabled(self):
        got = self.child("execv", env={"TRACEPARENT": TRACEPARENT, "OTEL_SDK_DISABLED": "true"})
        self.assertEqual(variable(got, "TRACEPARENT"), TRACEPARENT)

    def test_chosen_by_the_program(self):
        """A traceparent it sets for its child itself stands."""
        mine = TRACEPARENT.replace("00f067", "11f067")
        got = self.child("execv", "/usr/bin/env", "TRACEPARENT=" + mine, "/usr/bin/env")
        self.assertEqual(variable(got, "TRACEPARENT"), mine)

    def test_errors(self):
        """ENOENT, EACCES, EFAULT and E2BIG as without us."""
        for how in GIVEN + OWN:
            with self.subTest(how=how):
                self.child(how, "/nonexistent/program")
                self.child(how, "/etc/passwd")
                self.child(how, "/etc")
        for how in GIVEN:
            with self.subTest(how=how):
                self.child("bad-" + how)
                self.child("big-" + how)

    def test_no_room_for_ours(self):
        """Where the last byte is taken the child starts without our variable, but it starts."""
        for how in ("execve", "execvpe", "fexecve", "execveat", "posix_spawn", "posix_spawnp",
                    "vfork"):
            with self.subTest(how=how):
                got = self.child("full-" + how, "/bin/true")
                self.assertEqual(got.stdout, b"ended with 0\n")

    def test_many_variables(self):
        """All of them arrive, with ours; the process does not grow by it."""
        for how in GIVEN + OWN:
            if how == "execle":
                continue  # the program has no argument to give, so libc takes the NULL for it
            with self.subTest(how=how):
                got = self.child("many-" + how, "/usr/bin/env", env={"BAGGAGE": "b=" + "x" * 2000,
                                                                     "TRACEPARENT": TRACEPARENT})
                self.assertEqual(variable(got, "TRACEPARENT"), got.spans.one("SELECT").traceparent)
                self.assertEqual(variable(got, "BAGGAGE"), "b=" + "x" * 2000)
                self.assertEqual(len(re.findall(rb"^V\d+=", got.stdout, re.M)), 5000)
                self.assertTrue(variable(got, "V4999").endswith("y"))
                self.assertIn(b"grown by 0\n", got.stdout)

    def test_system_and_popen(self):
        """The shell's parent is the statement too."""
        for how in ("system", "popen"):
            got = self.child(how, "env | sort; exit 3", env={"TRACEPARENT": TRACEPARENT})
            self.assertIn(b"ended with 300", got.stdout)
            self.assertIn(got.spans.one("SELECT").traceparent.encode(), got.stdout)


class Follow(TestCase):
    def child(self, how, *command, **more):
        return self.differential([program("children"), how, *(command or ("/usr/bin/env",))],
                                 normalise=without_ours,
                                 shim_env={"OTEL_AUTO_FOLLOW": "always"}, **more)

    def test_put_back(self):
        for how in GIVEN:
            with self.subTest(how=how):
                got = self.child(how)
                self.assertEqual(variable(got, "LD_PRELOAD"), SHIM)
                self.assertEqual(variable(got, "OTEL_AUTO_FOLLOW"), "always")
                self.assertRegex(variable(got, "OTEL_EXPORTER_OTLP_ENDPOINT"), "^http://")
                self.assertEqual(variable(got, "TRACEPARENT"), got.spans.one("SELECT").traceparent)

    def test_nothing_was_cleared(self):
        got = self.child("execv", env={"OTEL_SERVICE_NAME": "first"})
        self.assertEqual(variable(got, "LD_PRELOAD"), SHIM)
        self.assertEqual(variable(got, "OTEL_SERVICE_NAME"), "first")

    def test_without(self):
        got = self.differential([program("children"), "execve", "/usr/bin/env"],
                                normalise=without_ours)
        self.assertIsNone(variable(got, "LD_PRELOAD"))

    def test_env_i(self):
        """The trace goes on below a program that starts another with nothing."""
        got = self.child("plain-execv", "/usr/bin/env", "-i", program("children"), "execv",
                         "/usr/bin/env", env={"TRACEPARENT": TRACEPARENT})
        span = got.spans.one("SELECT")
        self.assertEqual(span.trace_id, TRACEPARENT[3:35])
        self.assertEqual(variable(got, "TRACEPARENT"), span.traceparent)

    def test_set_id_programs_are_left_alone(self):
        path = os.path.join(self.folder(), "env")
        with open("/usr/bin/env", "rb") as source, open(path, "wb") as target:
            target.write(source.read())
        os.chmod(path, 0o2755)
        for how in ("execve", "posix_spawn", "fexecve", "vfork"):
            with self.subTest(how=how):
                got = self.child(how, path)
                self.assertIsNone(variable(got, "LD_PRELOAD"))
                self.assertIsNone(variable(got, "OTEL_AUTO_FOLLOW"))


if __name__ == "__main__":
    main()
