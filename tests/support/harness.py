# SPDX-License-Identifier: Apache-2.0
"""What hook and e2e tests are made of: run a program natively or under the shim, with a collector
of its own, and compare.

    from harness import TestCase, program, main

    class Test(TestCase):
        def test_get(self):
            got = self.differential(["curl", "-s", url])
            self.assertEqual(got.spans.tree(), [("GET", [])])

LD_PRELOAD stands only in the child's environment, never in that of the test. Nothing here sleeps:
wait for events (Collector.wait, run(until=…)).
"""
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from dataclasses import dataclass

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import collector as collectors  # noqa: E402
from collector import Collector  # noqa: E402,F401
from spans import BUILD, ROOT, Spans, decode_json_lines  # noqa: E402,F401

SHIM = os.path.join(BUILD, "libotel_auto.so")
EXPORT = os.path.join(BUILD, "libotel_export.so")
LAUNCHER = os.path.join(ROOT, "scripts", "otel-auto")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TIMEOUT = 120  # a hung program fails its test; no test waits for this


def program(name):
    """Path of tests/programs/<name>.c as built."""
    path = os.path.join(BUILD, "programs", name)
    if not os.path.exists(path):
        raise AssertionError(f"{path} is not built: make programs")
    return path


def require(*names):
    """Skips a test, with the reason, when a program it drives is not installed."""
    missing = [n for n in names if not shutil.which(n, path=PATH)]
    return unittest.skipIf(missing, f"not installed: {' '.join(missing)}")


@dataclass
class Result:
    rc: int  # as subprocess has it: -N for signal N
    stdout: bytes
    stderr: bytes
    spans: Spans  # received up to the program's end
    requests: list
    log: str  # what our log said (OTEL_AUTO_LOG), for messages; "" when switched off

    @property
    def same(self):
        """What must not change under the shim."""
        return self.rc, self.stdout, self.stderr


def environment(extra=None):
    """A small clean environment: nothing of OpenTelemetry, of proxies or of preloads. A value of
    None takes a variable away."""
    env = {k: v for k, v in os.environ.items() if k in ("HOME", "TMPDIR", "USER", "BUILD")}
    env.update(PATH=PATH, LC_ALL="C.UTF-8", PYTHONDONTWRITEBYTECODE="1")
    for key, value in (extra or {}).items():
        if value is None:
            env.pop(key, None)
        else:
            env[key] = str(value)
    return env


def shim_environment(endpoint, extra=None, log=None):
    """The same with the shim. The exit timeout is long, so that a loaded machine loses no span; a
    test about that time sets its own."""
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_AUTO_EXIT_TIMEOUT": "60000",
                "OTEL_AUTO_SPOOL_DIR": "off", "LD_PRELOAD": SHIM}
    if log:
        settings["OTEL_AUTO_LOG"] = log
    settings.update(extra or {})
    return environment(settings)


def run(cmd, shim=True, env=None, input=None, timeout=TIMEOUT, cwd=None, collector=None,
        until=None, popen=None):
    """Runs cmd to its end. collector: one to use (say, with faults); else a fresh one, checked for
    complaints at the end. until(spans): waited for after the end, for spans of processes that
    outlive the command. popen: more arguments for Popen."""
    if shim and not os.path.exists(SHIM):
        raise AssertionError(f"{SHIM} is not built: make")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="otel-test-"))
        log = os.path.join(folder, "log")
        mine = collector is None and shim
        if mine:
            collector = stack.enter_context(Collector())
        full = shim_environment(collector.url, env, log) if shim else environment(env)
        if shim and "OTEL_AUTO_SPOOL_DIR" not in (env or {}) and os.path.isdir("/dev/shm"):
            full["OTEL_AUTO_SPOOL_DIR"] = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="otel-test-", dir="/dev/shm"))
        child = subprocess.Popen(cmd, env=full, cwd=cwd, start_new_session=True,
                                 stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, **(popen or {}))
        try:
            out, err = child.communicate(input, timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            out, err = child.communicate()
            raise AssertionError(f"{cmd} does not end\n{out!r}\n{err!r}\n{_read(log)}") from None
        if shim and until:
            collector.wait(until)
        result = Result(child.returncode, out, err, Spans(), [], _read(log))
        if shim:
            with collector.changed:
                result.spans, result.requests = Spans(collector.spans), list(collector.requests)
        if mine:
            collector.check()
        return result


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except FileNotFoundError:
        return ""


def differential(cmd, normalise=None, env=None, **more):
    """Runs cmd natively and under the shim and demands the same exit status, stdout and stderr.
    normalise: a function applied to both outputs first, for what differs from run to run anyway.
    Returns the Result under the shim; .native is the other one."""
    shim_only = more.pop("shim_env", {})
    keep = {k: v for k, v in more.items() if k in ("input", "timeout", "cwd", "popen")}
    native = run(cmd, shim=False, env=env, **keep)
    under = run(cmd, shim=True, env={**(env or {}), **shim_only}, **more)
    clean = normalise or (lambda data: data)
    was = (native.rc, clean(native.stdout), clean(native.stderr))
    now = (under.rc, clean(under.stdout), clean(under.stderr))
    if was != now:
        raise AssertionError(f"{cmd} behaves differently under the shim:\n natively {was}\n"
                             f" here     {now}\n log: {under.log}")
    under.native = native
    return under


_CERTIFICATES = """
set -e
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 3650 -subj /CN=test-ca
for who in server client; do
  openssl req -newkey rsa:2048 -nodes -keyout $who.key -out $who.csr -subj /CN=$who
  printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' >ext
  openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $who.pem \
    -days 3650 -extfile ext
done
"""


def certificates():
    """Folder with ca.pem, server.pem/.key and client.pem/.key, made at first use."""
    folder = os.path.join(BUILD, "test-certificates")
    if not os.path.exists(folder):
        os.makedirs(BUILD, exist_ok=True)
        scratch = tempfile.mkdtemp(dir=BUILD)
        subprocess.run(["sh", "-c", _CERTIFICATES], cwd=scratch, check=True, capture_output=True)
        try:
            os.rename(scratch, folder)
        except OSError:  # another test program was first
            shutil.rmtree(scratch)
    return folder


class TestCase(unittest.TestCase):
    maxDiff = None

    @staticmethod
    def run_program(cmd, **more):
        return run(cmd, **more)

    @staticmethod
    def differential(cmd, **more):
        return differential(cmd, **more)

    def collector(self, **settings):
        """A collector that lives as long as the test."""
        c = Collector(**settings)
        self.addCleanup(c.close)
        return c

    def folder(self):
        """An empty folder for the test."""
        path = tempfile.mkdtemp(prefix="otel-test-")
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return path


def main():
    """For `if __name__ == "__main__"`: unittest over the calling file."""
    unittest.main(verbosity=2 if os.environ.get("V") else 1)
