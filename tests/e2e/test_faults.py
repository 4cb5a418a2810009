# SPDX-License-Identifier: Apache-2.0
"""Misfortune, of the collector and of the process: what the program does is what it does without
us, every span is accounted for, and the log has one line a cause.

A fault is a row, what the program does meanwhile is the other dimension (tests/programs/endure.c:
statements; requests by libcurl; requests and a server on plain sockets). test_transport.py has the
exporter alone against the same collectors, test_exit.py what they cost a program that ends.
"""
import email.utils
import os
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import collector as c  # noqa: E402
import faults  # noqa: E402
from harness import (EXPORT, SHIM, TestCase, certificates, main, program,  # noqa: E402
                     require)
from servers import PlainServer  # noqa: E402

USER = 54321  # nobody else's, so that limits for each user are ours alone
# Work before and after the misfortune, and how many spans that makes.
WORK = {
    "statements": (["sqlite:2"], ["sqlite:5"]),
    "libcurl": (["curl:1"], ["curl:3", "sqlite:1"]),
    "sockets": (["serve:1"], ["serve:3", "http:2"]),
}
NO_ROOM = (r"no thread to export with|no memory|not loaded|no room for more open spans|"
           r"more transfers at once|too many handles|sockets are not traced")
NO_THREAD = "no thread to export with"
NOT_LOADED = "exporter module not loaded"
CONFINED = "confines itself"


def steps(*events):
    """What to do each time the program waits, before it is told to go on. Its talk for run()."""
    def talk(child):
        said = b""
        for event in events:
            line = b""
            while line != b"waiting\n":
                line = child.stdout.readline()
                if not line:
                    return said
                said += line
            if event:
                event()
            child.stdin.write(b"\n")
            child.stdin.flush()
        return said
    return talk


class Endure(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.upstream = PlainServer()
        cls.addClassCleanup(cls.upstream.close)

    def both(self, commands, col, **more):
        command = [program("endure"), *commands]
        more.setdefault("ENDURE_URL", f"http://127.0.0.1:{self.upstream.port}")
        shim = {k: more.pop(k) for k in list(more) if k.startswith("OTEL_") or k == "LD_PRELOAD"}
        native = faults.run(command, **more)
        if native.rc == 77:
            self.skipTest("not installed: libseccomp.so.2")
        self.assertEqual(native.rc, 3, native)
        return native, faults.run(command, col if isinstance(col, str) else col.url, **shim, **more)


    def endures(self, *misfortune, cause=(None, None), works=WORK, **more):
        """cause: before the first span, after it."""
        for name in works:
            first, then = WORK[name]
            for when, commands in enumerate(([*misfortune, *then], [*first, *misfortune, *then])):
                with self.subTest(work=name, first_span=("after", "before")[when]):
                    col = self.collector()
                    native, under = self.both(commands, col, **more)
                    faults.check(self, native, under, len(col.spans), cause[when])
                    if not cause[when]:
                        self.assertEqual(under.sums()[0][2], 0, under.log)


class Process(Endure):
    def test_none(self):
        self.endures()

    def test_no_descriptor_left(self):
        self.endures("nofile:0")

    def test_few_descriptors_left(self):
        """As many as the work needs: none of them is taken."""
        self.endures("nofile:5")

    def test_no_descriptor_left_and_no_table_of_our_own(self):
        self.endures("nofile:0", cause=(r"otlp|not loaded",) * 2, works=["statements"],
                     OTEL_AUTO_PRIVATE_DESCRIPTORS="false")

    def short_of(self, misfortune):
        """Memory: what there is no room for is said once each, what got through is delivered."""
        for name, (first, then) in WORK.items():
            for commands in ([misfortune, *then], [*first, misfortune, *then]):
                with self.subTest(work=name, commands=commands):
                    col = self.collector()
                    native, under = self.both(commands, col)
                    said = under.causes()
                    faults.check(self, native, under, len(col.spans), said and NO_ROOM, True)
                    self.assertEqual(len(said), len(set(said)), said)
                    self.assertEqual(bool(said), bool(under.sums()[0][2]), under.log)

    def test_address_space(self):
        self.short_of("as:3000")

    def test_data(self):
        self.short_of("data:600")

    def test_file_size(self):
        self.endures("fsize")

    def test_user_dropped(self):
        faults.as_root(self)
        self.endures(f"user:{USER}")

    def test_no_more_threads(self):
        faults.as_root(self)
        self.endures(f"user:{USER}", "nproc", cause=(NO_THREAD, None),
                     works=["statements", "libcurl"])

    def test_root_changed(self):
        """What was loaded for a first span is there for the next."""
        faults.as_root(self)
        self.endures(f"chroot:{self.folder()}", cause=(NOT_LOADED, None))


class Confined(Endure):
    """Filters of system calls. Those that make calls fail are seen by the log's line; those that
    kill end the tracing, for nothing of ours may be asked of the kernel any more."""

    def fails(self, command, cause):
        self.endures(command, cause=cause, works=["statements"])

    def test_sockets_fail(self):
        for how in ("errno", "raw"):
            self.fails(f"{how}:socket", ("connect", None))

    def test_threads_fail(self):
        for how in ("errno", "raw"):
            self.fails(f"{how}:clone", (NO_THREAD, None))

    def test_files_fail(self):
        self.fails("errno:openat", (NOT_LOADED, None))

    def kills(self, command):
        for first, spans in (([], 0), (["sqlite:2"], 2)):
            with self.subTest(command, first=first):
                col = self.collector()
                native, under = self.both([*first, command, "sqlite:5"], col)
                faults.check(self, native, under, spans)
                self.assertEqual(len(col.spans), spans)
                self.assertEqual(len([x for x in under.log if CONFINED in x]), 1, under.log)

    def test_kills(self):
        for calls in ("socket", "clone", "openat", "socket,clone,openat"):
            self.kills("kill:" + calls)
        self.kills("only")

    def test_kills_by_libseccomp(self):
        self.kills("library:socket,clone")


class Places(Endure):
    """What a process may find missing or full."""

    def lives(self, script, cause=None, work="statements", **more):
        wrapper = faults.namespace(self, script)
        col = self.collector()
        first, then = WORK[work]
        native, under = self.both([*first, *then], col, wrapper=wrapper, **more)
        faults.check(self, native, under, len(col.spans), cause)
        return under

    def test_read_only_root(self):
        self.lives("mount -o bind,ro / /; ! touch /otel-test 2>/dev/null")

    def test_no_proc(self):
        for work in WORK:
            with self.subTest(work):
                self.lives("mount -t tmpfs none /proc; test ! -e /proc/self", work=work)

    def test_full_dev_shm(self):
        """Whoever would keep spans there may say so once."""
        full = "mount -t tmpfs -o size=64k none /dev/shm; ! cat /dev/zero >/dev/shm/x 2>/dev/null"
        wrapper = faults.namespace(self, full)
        for work, (first, then) in WORK.items():
            with self.subTest(work):
                col = self.collector()
                native, under = self.both([*first, *then], col, wrapper=wrapper)
                faults.check(self, native, under, len(col.spans),
                             r"warn: .*(memory|room|space)" if under.causes() else None)

    def test_full_disk(self):
        """Of the file exporter and of the log."""
        at = self.folder()
        full = (f"mount -t tmpfs -o size=64k none {at}; ! cat /dev/zero >{at}/x 2>/dev/null; "
                f": >{at}/log")
        self.lives(full, OTEL_TRACES_EXPORTER="file", OTEL_AUTO_FILE=at + "/spans",
                   cause="file exporter: .*ENOSPC")
        wrapper = faults.namespace(self, full)
        col = self.collector()
        native, under = self.both(["sqlite:5"], col, wrapper=wrapper,
                                  OTEL_AUTO_LOG=at + "/log")
        self.assertEqual((native.same, under.log, len(col.spans)), (under.same, [], 5))


class Module(Endure):
    """The exporter module and what it needs."""

    def copied(self, mode):
        """The shim in a folder, the module beside it with that mode, or none."""
        folder = self.folder()
        os.chmod(folder, 0o755)
        shutil.copy(SHIM, folder)
        if mode is not None:
            shutil.copy(EXPORT, folder)
            os.chmod(os.path.join(folder, os.path.basename(EXPORT)), mode)
        return os.path.join(folder, os.path.basename(SHIM))

    def not_loaded(self, commands, **more):
        col = self.collector()
        native, under = self.both(commands, col, **more)
        faults.check(self, native, under, 0, NOT_LOADED)
        self.assertEqual(col.requests, [])

    def test_missing(self):
        shim = self.copied(None)
        for first, then in WORK.values():
            self.not_loaded([*first, *then], LD_PRELOAD=shim)

    def test_unreadable(self):
        faults.as_root(self)
        self.not_loaded([f"user:{USER}", "sqlite:5"], LD_PRELOAD=self.copied(0o000))

    def test_no_module_but_something_else(self):
        shim = self.copied(None)
        with open(os.path.join(os.path.dirname(shim), os.path.basename(EXPORT)), "wb") as f:
            f.write(b"\x7fELF and nothing more")
        self.not_loaded(["sqlite:5"], LD_PRELOAD=shim)

    @require("sqlite3")
    def test_missing_libcurl(self):
        """A program without libcurl, and one that cannot be loaded: as good as none."""
        folder = self.folder()
        with open(os.path.join(folder, "libcurl.so.4"), "wb"):
            pass
        command = ["sqlite3", ":memory:", "SELECT 1; SELECT 2"]
        col = self.collector()
        native = faults.run(command, LD_LIBRARY_PATH=folder)
        under = faults.run(command, col.url, LD_LIBRARY_PATH=folder)
        faults.check(self, native, under, 0, NOT_LOADED + ".*libcurl")


FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


@unittest.skipUnless(os.path.exists(FAKETIME), "not installed: faketime")
class Clock(Endure):
    def set_back(self, **how):
        """An hour, between the first spans and the rest; what waits for export is not left for an
        hour, nor does the program wait for it."""
        at = os.path.join(self.folder(), "now")
        settings = {"FAKETIME_TIMESTAMP_FILE": at, "FAKETIME_NO_CACHE": "1", **how}
        commands = [f"write:{at}=+0", "sqlite:2", f"write:{at}=-1h", "sqlite:2", "wait", "curl:1"]
        col = self.collector()

        more = dict(ALSO_PRELOAD=FAKETIME, ENDURE_URL=f"http://127.0.0.1:{self.upstream.port}",
                    **settings)
        command = [program("endure"), *commands]
        native = faults.run(command, talk=steps(None), **more)
        under = faults.run(command, col.url, OTEL_BSP_SCHEDULE_DELAY="300", **more,
                           talk=steps(lambda: col.wait(lambda spans: len(spans) == 4)))
        faults.check(self, native, under, 5)
        for span in col.spans:
            self.assertGreaterEqual(span.end, span.start)
        return col

    def test_of_the_wall(self):
        self.set_back(FAKETIME_DONT_FAKE_MONOTONIC="1")

    def test_of_all_clocks(self):
        """No kernel does this to CLOCK_MONOTONIC, but libfaketime."""
        self.set_back()


class Collector(Endure):
    """The collector while the program works: a batch is under way when the rest is done."""

    def meets(self, fault, cause, works=WORK, col=None, url=None, **env):
        for name in works:
            first, then = WORK[name]
            with self.subTest(work=name):
                at = col() if col else self.collector()
                at.fault = fault
                native = faults.run([program("endure"), *first, *then], **self.upstream_env())
                settings = {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "2", "OTEL_AUTO_EXIT_TIMEOUT": "900",
                            **self.upstream_env(), **env}
                under = faults.run([program("endure"), *first, *then],
                                   url(at) if url else at.url, **settings)
                faults.check(self, native, under, len(at.spans), cause)

    def upstream_env(self):
        return {"ENDURE_URL": f"http://127.0.0.1:{self.upstream.port}"}

    def test_refused(self):
        with c.refused() as url:
            self.meets(None, "Connection refused", url=lambda _: url)

    def test_never_accepts(self):
        with c.unanswered() as url:
            self.meets(None, "no answer in time", url=lambda _: url)

    def test_bad_answers(self):
        for fault, cause in ((c.reset(), "Connection reset|Failure when receiv|no answer"),
                             (c.close_early(), "returned nothing"),
                             (c.hang(), "no answer in time"),
                             (c.drip(1), "no answer in time|cannot be read"),
                             (c.rubbish(), "speaks no HTTP"),
                             (c.redirect(), "redirects are not followed"),
                             (c.huge(5 << 20), "4 MiB"),
                             (c.status(500), "HTTP status 500")):
            with self.subTest(cause):
                self.meets(fault, cause)

    def test_slow(self):
        """Not bad: what is answered late is exported."""
        def late(conn, request):
            conn.collector.ended.wait(0.2)
            with conn.collector.changed:
                conn.collector.spans.extend(request.batch.spans)
            return c.Answer()
        self.meets(late, None, OTEL_AUTO_EXIT_TIMEOUT="10000")

    def test_of_another_authority(self):
        """Its certificate is good, but not for us; and then it is none."""
        at = certificates()

        def tls():
            return self.collector(tls=(at + "/server.pem", at + "/server.key"))
        self.meets(None, "certificate", col=tls)
        self.meets(None, "certificate|CA", col=tls,
                   OTEL_EXPORTER_OTLP_CERTIFICATE=at + "/client.pem")

    @require("openssl", "faketime")
    def test_expired(self):
        at, here = certificates(), self.folder()
        subprocess.run(["faketime", "2020-01-01", "openssl", "req", "-x509", "-newkey", "rsa:2048",
                        "-nodes", "-keyout", "key", "-out", "pem", "-days", "1", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], cwd=here,
                       check=True, capture_output=True)
        self.assertTrue(at)
        self.meets(None, "certificate",
                   col=lambda: self.collector(tls=(here + "/pem", here + "/key")),
                   OTEL_EXPORTER_OTLP_CERTIFICATE=here + "/pem")

    def test_plain_text_on_a_tls_port(self):
        at = certificates()
        self.meets(None, "SSL connect error|no answer in time",
                   url=lambda col: f"https://localhost:{col.port}")
        self.meets(None, "nothing|speaks no HTTP|Failure when rec|Connection reset|Empty",
                   col=lambda: self.collector(tls=(at + "/server.pem", at + "/server.key")),
                   url=lambda col: f"http://localhost:{col.port}")

    def works_while(self, commands, col, *events, **env):
        """Its work between events, in batches of five."""
        command = [program("endure"), *commands]
        native = faults.run(command, talk=steps(*[None] * len(events)), **self.upstream_env())
        return native, faults.run(command, col.url, talk=steps(*events),
                                  OTEL_BSP_MAX_EXPORT_BATCH_SIZE="5", **self.upstream_env(), **env)

    def test_asked_to_come_back_later(self):
        """In seconds, and at a time of day. Nothing is lost, so nothing is said."""
        for later in (lambda: 1, lambda: email.utils.formatdate(time.time() + 3, usegmt=True)):
            col = self.collector()
            col.faults = [lambda conn, req, l=later: c.status(429, l())(conn, req)]
            native, under = self.works_while(["sqlite:5", "wait", "sqlite:2"], col,
                                             lambda: col.wait(lambda spans: len(spans) == 5))
            faults.check(self, native, under, len(col.spans))
            self.assertEqual((len(col.spans), under.sums()[0][2]), (7, 0))
            first, second = col.requests[:2]
            self.assertGreaterEqual(second.time - first.time, 0.9)
            self.assertEqual(first.body, second.body)

    def gone(self, commands, cause, counts, **env):
        """The collector goes when five spans have come, and comes back on its port, where the
        program goes on when it has got so many again; at the end it waits for one more."""
        was, now = self.collector(), []

        def leave():
            was.wait(lambda spans: len(spans) == 5)
            was.close()

        def back():
            now.append(self.collector(port=was.port))
            now[0].wait(lambda spans: len(spans) >= counts)

        def works():
            now[0].wait(lambda spans: len(spans) > counts)

        native, under = self.works_while(commands, was, leave, *self.meanwhile, back,
                                          works, **env)
        faults.check(self, native, under, len(was.spans) + len(now[0].spans), cause)
        ids = {s.span_id for s in was.spans + now[0].spans}
        self.assertEqual(len(ids), len(was.spans) + len(now[0].spans), "a span came twice")
        return under

    def test_gone_and_back(self):
        """Within the time a batch has: it is tried again, and nothing is lost or said."""
        self.meanwhile = []
        under = self.gone(["sqlite:5", "wait", "sqlite:5", "wait", "curl:5", "wait",
                           "sqlite:1"], None, 5)
        self.assertEqual(under.sums()[0][2], 0, under.log)

    def test_gone_for_long_and_back(self):
        """What could not wait is dropped and counted, with one line when it begins and one when it
        is over."""
        log = os.path.join(self.folder(), "log")

        def lost():
            deadline = time.monotonic() + 60
            while "cannot connect" not in faults.read(log) and time.monotonic() < deadline:
                time.sleep(0.01)
        self.meanwhile = [lost]
        under = self.gone(["sqlite:5", "wait", "sqlite:20", "wait", "wait", "sqlite:5", "wait",
                           "sqlite:1"], "cannot connect", 0, OTEL_EXPORTER_OTLP_TIMEOUT="200",
                          OTEL_AUTO_LOG=log)
        self.assertEqual(len([x for x in under.log if "works again" in x]), 1, under.log)


class Memory(Endure):
    def test_of_a_control_group(self):
        """Room for the program and for us, none for waste."""
        faults.as_root(self)
        old, new = "/sys/fs/cgroup/memory", "/sys/fs/cgroup"
        base, limit = ((old, "memory.limit_in_bytes") if os.path.isdir(old)
                       else (new, "memory.max"))
        group = os.path.join(base, f"otel-test-{os.getpid()}")
        try:
            os.mkdir(group)
            self.addCleanup(os.rmdir, group)
            with open(os.path.join(group, limit), "w", encoding="ascii") as f:
                f.write(str(40 << 20))
        except OSError as why:
            self.skipTest(f"no control group to be had: {why}")
        wrapper = ["sh", "-c", f'echo $$ >{group}/cgroup.procs; exec "$@"', "sh"]
        for first, then in WORK.values():
            col = self.collector()
            native, under = self.both([*first, *then, "sqlite:20000"], col, wrapper=wrapper)
            faults.check(self, native, under, len(col.spans),
                         "queue is full" if under.sums()[0][2] else None)


if __name__ == "__main__":
    main()
