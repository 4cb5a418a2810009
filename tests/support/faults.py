# SPDX-License-Identifier: Apache-2.0
"""What tests of faults share: a program run natively and under the shim through the same
misfortune, what our log said of it, and the sum it closes with.

Our log goes to stderr, which no fault takes away, and is told from the program's there by its
first word. LD_PRELOAD is set by env(1) directly before the program, so that what arranges the
misfortune (unshare, mount) is not traced.
"""
import os
import re
import subprocess
import threading
from dataclasses import dataclass, field

from harness import SHIM, TIMEOUT, environment

# Spooled: what lies in a file for a later process to send.
SUM = re.compile(r"spans: started (\d+) = exported (\d+) \+ dropped (\d+) .*?"
                 r"(?:\+ spooled (\d+) )?\+ not ended (\d+)")
OURS = b"libotel_auto["


@dataclass
class Outcome:
    rc: int
    stdout: bytes
    stderr: bytes  # the program's own
    log: list = field(default_factory=list)

    @property
    def same(self):
        return self.rc, self.stdout, self.stderr

    def causes(self):
        """The lines that tell of trouble."""
        return [x for x in self.log if re.search(r"\] (error|warn): ", x)]

    def sums(self):
        """(started, exported, dropped, spooled, not ended), one for each process that said it."""
        found = (SUM.search(x) for x in self.log)
        return [tuple(int(n or 0) for n in m.groups()) for m in found if m]


def read(path):
    """A log's text; "" where there is none."""
    if not path or not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def run(command, shim=None, before=(), wrapper=(), talk=None, **settings):
    """shim: the endpoint to export to; None: natively. before: what stands between wrapper and
    program (faketime's env …). talk(child): called while it runs, with its pipes."""
    preload = settings.pop("LD_PRELOAD", SHIM)
    also = settings.pop("ALSO_PRELOAD", None)
    library = [x for x in (also, preload if shim else None) if x]
    env = environment({"OTEL_LOG_LEVEL": "debug", "OTEL_EXPORTER_OTLP_ENDPOINT": shim,
                       "OTEL_AUTO_EXIT_TIMEOUT": "10000",
                       # what one test leaves there, the next on its port would find
                       "OTEL_AUTO_SPOOL_DIR": "off", **settings})
    child = subprocess.Popen(
        [*wrapper, "env", *before, *(["LD_PRELOAD=" + ":".join(library)] if library else []),
         *command], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
    timer = threading.Timer(TIMEOUT, child.kill)
    timer.start()
    said = b""
    try:
        if talk:
            said = talk(child) or b""
        out, err = child.communicate()
    finally:
        timer.cancel()
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            pipe.close()
    lines = err.splitlines(keepends=True) + read(settings.get("OTEL_AUTO_LOG")).encode().splitlines(
        keepends=True)
    ours = [x for x in lines if x.startswith(OURS)]
    return Outcome(child.returncode, said + out, b"".join(x for x in lines if x not in ours),
                   [x.decode(errors="replace").strip() for x in ours])


def check(case, native, under, exported=None, cause=None, several=False):
    """Nothing changed, the sum holds, and there is one line for the cause (a regular expression;
    None: nothing is wrong); several: there may be more, each of them such. exported: how many a
    collector has; None: not looked at."""
    case.assertEqual(native.same, under.same, under.log)
    case.assertTrue(under.sums(), under.log)
    for started, out, dropped, spooled, not_ended in under.sums():
        case.assertEqual(started, out + dropped + spooled + not_ended, under.log)
    case.assertNotIn("does not add up", str(under.log))
    if exported is not None:
        case.assertEqual(sum(s[1] for s in under.sums()), exported, under.log)
    case.assertEqual(bool(under.causes()), bool(cause), under.log)
    for line in under.causes():
        case.assertRegex(line, cause)
    if not several:
        case.assertLess(len(under.causes()), 2, under.log)


def as_root(case):
    if os.geteuid() != 0:
        case.skipTest("not root: cannot change user, root or mounts")


def namespace(case, script):
    """A wrapper that runs the command in a mount namespace of its own, after script."""
    as_root(case)
    wrapper = ["unshare", "--mount", "sh", "-e", "-c", script + '\nexec "$@"', "sh"]
    tried = subprocess.run([*wrapper, "true"], capture_output=True, check=False)
    if tried.returncode:
        case.skipTest("no mount namespace to be had: " + tried.stderr.decode().strip())
    return wrapper
