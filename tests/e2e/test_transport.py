# SPDX-License-Identifier: Apache-2.0
"""The exporter module against collectors good and bad, driven by tests/programs/export_driver.c: no
traced program, no batch thread. Waits between retries are recorded, not slept."""
import email.utils
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import collector as c  # noqa: E402
from harness import EXPORT, TestCase, certificates, environment, main, program  # noqa: E402

PROTOCOLS = ("http/protobuf", "http/json", "grpc")
JEMALLOC = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"


@dataclass
class Outcome:
    rc: int
    opened: bool = False
    batches: list = field(default_factory=list)  # (exported, rejected, failed)
    sleeps: list = field(default_factory=list)  # ms
    log: list = field(default_factory=list)  # (level, text)
    sockets: int = -1
    stolen: int = -1
    rest: list = field(default_factory=list)


def parse(rc, text):
    out = Outcome(rc)
    for line in text.splitlines():
        word, _, tail = line.partition(" ")
        if line == "opened":
            out.opened = True
        elif word == "batch":
            out.batches.append(tuple(map(int, tail.split())))
        elif word == "sleep":
            out.sleeps.append(int(tail))
        elif word == "log":
            level, _, said = tail.partition(" ")
            out.log.append((int(level), said))
        elif word in ("sockets", "stolen"):
            setattr(out, word, int(tail))
        elif line not in ("ready", "open failed"):
            out.rest.append(line)
    return out


def settings(collector, protocol, more):
    url = collector if isinstance(collector, str) else collector.url
    if protocol != "grpc" and not url.startswith("unix:"):
        url += c.TRACE_PATH
    args = {"module": EXPORT, "endpoint": url, "protocol": protocol, **more}
    return [program("export_driver")] + [f"{k}={v}" for k, v in args.items()]


def drive(collector, protocol="http/protobuf", env=None, **more):
    done = subprocess.run(settings(collector, protocol, more), capture_output=True, timeout=120,
                          env=environment(env), check=False)
    out = parse(done.returncode, done.stdout.decode())
    if done.returncode or done.stderr:
        raise AssertionError(f"the driver: {done.returncode} {done.stderr!r} {done.stdout!r}")
    return out


class Transport(TestCase):
    def one(self, fault=None, protocol="http/protobuf", **more):
        """One batch of two spans to a collector with one fault. Returns (outcome, collector)."""
        col = self.collector()
        if fault:
            col.faults = [fault]
        out = drive(col, protocol, **more)
        self.assertTrue(out.opened)
        self.assertEqual(out.sockets, 0, "a socket was left open")
        return out, col

    def lost(self, out, said):
        """The batch failed and one line says why."""
        self.assertEqual(out.batches, [(0, 0, 2)])
        self.assertEqual(len(out.log), 1, out.log)
        self.assertIn(said, out.log[0][1])


class Good(Transport):
    def test_every_protocol(self):
        at = certificates()
        for tls in (None, (at + "/server.pem", at + "/server.key")):
            for protocol in PROTOCOLS:
                for gzip in (0, 1):
                    with self.subTest(protocol=protocol, gzip=gzip, tls=bool(tls)):
                        col = self.collector(tls=tls)
                        out = drive(col, protocol, gzip=gzip, batches=3, ca=at + "/ca.pem")
                        self.assertEqual(out.batches, [(2, 0, 0)] * 3)
                        self.assertEqual((out.log, out.sleeps, out.sockets), ([], [], 0))
                        self.assertEqual(len(col.spans), 6)
                        self.check_requests(col, protocol, gzip)

    def check_requests(self, col, protocol, gzip):
        col.check()
        grpc = protocol == "grpc"
        for r in col.requests:
            self.assertEqual(r.protocol, "HTTP/2" if grpc else "HTTP/1.1")
            self.assertEqual(r.path, c.GRPC_PATH if grpc else c.TRACE_PATH)
            self.assertRegex(r.headers["user-agent"], r"^OTel-OTLP-Exporter-C/\d+\.\d+\.\d+$")
            self.assertNotIn("expect", r.headers)
            self.assertEqual(r.headers["content-type"], {
                "http/json": "application/json", "grpc": "application/grpc",
                "http/protobuf": "application/x-protobuf"}[protocol])
            packed = "grpc-encoding" if grpc else "content-encoding"
            self.assertEqual(r.headers.get(packed), "gzip" if gzip else None)
            self.assertEqual(len(r.raw) != len(r.body) + 5 * grpc, bool(gzip))

    def test_connection_is_kept(self):
        _, col = self.one(batches=5)
        self.assertEqual((len(col.requests), col.connections), (5, 1))

    def test_connection_is_kept_over_tls(self):
        at = certificates()
        col = self.collector(tls=(at + "/server.pem", at + "/server.key"))
        drive(col, "grpc", batches=5, ca=at + "/ca.pem")
        self.assertEqual((len(col.requests), col.connections), (5, 1))

    def test_unix_socket(self):
        for protocol in PROTOCOLS:
            for form in ("unix:", "unix://"):
                with self.subTest(protocol=protocol, form=form):
                    path = os.path.join(self.folder(), "s")
                    col = self.collector(unix=path)
                    out = drive(form + path, protocol)
                    self.assertEqual((out.batches, out.log), ([(2, 0, 0)], []))
                    col.check()

    def test_unix_socket_needs_no_proxy(self):
        path = os.path.join(self.folder(), "s")
        col = self.collector(unix=path)
        with c.refused() as proxy:
            out = drive(col, env={"http_proxy": proxy, "ALL_PROXY": proxy})
        self.assertEqual(out.batches, [(2, 0, 0)])

    def test_grpc_path_replaces_the_endpoint_s(self):
        col = self.collector()
        out = drive(col.url + "/some/path?x=1", "grpc")
        self.assertEqual((out.batches, col.requests[0].path), ([(2, 0, 0)], c.GRPC_PATH))

    def test_large_batch_goes_in_parts(self):
        # 80 spans of 900 KB are 72 MB, 64 MiB is the largest request.
        out, col = self.one(spans=80, data=900000, timeout=60000)
        self.assertEqual(out.batches, [(80, 0, 0)])
        self.assertEqual(len(col.requests), 2)
        self.assertLess(max(len(r.raw) for r in col.requests), 64 << 20)
        self.assertEqual(len({s.span_id for s in col.spans}), 80)

    def test_credentials_in_url(self):
        col = self.collector()
        out = drive(col.url.replace("://", "://me:secret@"))
        self.assertEqual(out.batches, [(2, 0, 0)])
        self.assertEqual(col.requests[0].headers["authorization"], "Basic bWU6c2VjcmV0")


class Headers(Transport):
    def test_given_headers(self):
        _, col = self.one(headers="api-key=a%20b%2Cc, X-Empty= ,x-both=general",
                          traces_headers="X-Both=traces")
        have = col.requests[0].headers
        self.assertEqual((have["api-key"], have["x-empty"], have["x-both"]),
                         ("a b,c", "", "traces"))

    def test_grpc_headers(self):
        _, col = self.one(protocol="grpc", headers="api-key=secret")
        self.assertEqual(col.requests[0].headers["api-key"], "secret")

    def test_bad_headers_are_named_but_not_shown(self):
        out, col = self.one(headers="good=1,evil=a%0d%0aInjected:%20secret,no-value,"
                                    "Content-Type=text/secret,te=secret,bad name=secret")
        self.assertEqual(out.batches, [(2, 0, 0)])
        self.assertEqual(col.requests[0].headers["good"], "1")
        self.assertNotIn("injected", col.requests[0].headers)
        self.assertEqual(col.requests[0].headers["content-type"], "application/x-protobuf")
        self.assertEqual(len(out.log), 5, out.log)
        self.assertNotIn("secret", str(out.log))
        self.assertIn("Content-Type", str(out.log))


class Tls(Transport):
    def setUp(self):
        self.at = certificates()
        self.server = (self.at + "/server.pem", self.at + "/server.key")

    def test_unknown_certificate(self):
        col = self.collector(tls=self.server)
        for protocol in PROTOCOLS:
            with self.subTest(protocol):
                out = drive(col, protocol)
                self.lost(out, "certificate")
                self.assertEqual((out.sleeps, col.requests), ([], []))

    def test_wrong_name(self):
        """The certificate says localhost and 127.0.0.1."""
        col = self.collector(tls=self.server)
        out = drive(f"https://127.0.0.2:{col.port}", ca=self.at + "/ca.pem")
        self.assertEqual((out.batches, col.requests), ([(0, 0, 2)], []))

    def test_missing_ca_file(self):
        col = self.collector(tls=self.server)
        self.lost(drive(col, ca="/nonexistent/ca.pem"), "CA")

    def test_client_certificate(self):
        for protocol in PROTOCOLS:
            with self.subTest(protocol):
                col = self.collector(tls=self.server, client_ca=self.at + "/ca.pem")
                out = drive(col, protocol, ca=self.at + "/ca.pem", cert=self.at + "/client.pem",
                            key=self.at + "/client.key")
                self.assertEqual(out.batches, [(2, 0, 0)])
                out = drive(col, protocol, ca=self.at + "/ca.pem")
                self.assertEqual((out.batches, len(col.requests)), ([(0, 0, 2)], 1))


class Retries(Transport):
    def test_retried_statuses(self):
        for code in (429, 502, 503, 504):
            with self.subTest(code):
                out, col = self.one(c.status(code))
                self.assertEqual((out.batches, len(out.sleeps)), ([(2, 0, 0)], 1))
                self.assertTrue(500 <= out.sleeps[0] <= 1500, out.sleeps)
                self.assertEqual([r.body for r in col.requests], [col.requests[0].body] * 2)
                self.assertEqual(out.log, [], "a failure that was mended is none")

    def test_other_statuses(self):
        for code in (301, 302, 307, 400, 401, 404, 408, 413, 500, 501):
            with self.subTest(code):
                out, col = self.one(c.status(code, headers=[("location", "/elsewhere")]))
                self.lost(out, f"HTTP status {code}")
                self.assertEqual((out.sleeps, len(col.requests)), ([], 1))

    def test_broken_connections(self):
        for protocol in PROTOCOLS:
            for fault in (c.close_early(), c.reset()):
                with self.subTest(protocol):
                    out, col = self.one(fault, protocol)
                    self.assertEqual((out.batches, len(out.sleeps)), ([(2, 0, 0)], 1))
                    self.assertEqual(len(col.requests), 2)

    def test_connection_that_was_closed_meanwhile(self):
        """A kept connection the server gave up is no failure, and costs no wait."""
        col = self.collector()
        p = subprocess.Popen(settings(col, "http/protobuf", {"batches": 2, "pause": 1}),
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment())
        p.stdin.write(b"\n")
        p.stdin.flush()
        lines = b""
        while b"batch" not in lines:  # the answer has been read
            line = p.stdout.readline()
            self.assertTrue(line, lines)
            lines += line
        for sock in list(col.open):
            sock.shutdown(2)
        out = parse(0, (lines + p.communicate(b"\n", timeout=60)[0]).decode())
        self.assertEqual((out.batches, out.sleeps), ([(2, 0, 0)] * 2, []))

    def test_refused_then_given_up(self):
        """Ends when the next wait would go beyond the batch's time, not for ever."""
        with c.refused() as url:
            out = drive(url, timeout=4000)
        self.lost(out, "Connection refused")
        self.assertTrue(1 <= len(out.sleeps) <= 4, out.sleeps)
        self.assertLess(max(out.sleeps), 4000)

    def test_backoff_grows(self):
        with c.refused() as url:
            out = drive(url, timeout=1000000, left=200000)
        self.assertGreater(len(out.sleeps), 5)
        for i, ms in enumerate(out.sleeps):
            nominal = min(1000 << i, 30000)
            self.assertTrue(nominal / 2 - 1 <= ms <= nominal * 1.5, (i, ms))

    def test_retry_after_seconds(self):
        out, _ = self.one(c.status(503, 3))
        self.assertEqual((out.batches, out.sleeps), ([(2, 0, 0)], [3000]))

    def test_retry_after_zero(self):
        out, col = self.one(c.status(503, 0))
        self.assertEqual((out.batches, len(col.requests)), ([(2, 0, 0)], 2))

    def test_retry_after_date(self):
        date = email.utils.formatdate(time.time() + 60, usegmt=True)
        out, _ = self.one(c.status(429, date), timeout=1000000)
        self.assertEqual(out.batches, [(2, 0, 0)])
        self.assertTrue(1000 <= out.sleeps[0] <= 60000, out.sleeps)

    def test_retry_after_too_late(self):
        """Asked to come back after the batch's time is over: no use waiting."""
        out, col = self.one(c.status(503, 3600))
        self.lost(out, "503")
        self.assertEqual((out.sleeps, len(col.requests)), ([], 1))

    def test_retry_after_nonsense(self):
        out, _ = self.one(c.status(503, "-5 soon"))
        self.assertEqual((out.batches, len(out.sleeps)), ([(2, 0, 0)], 1))
        self.assertGreaterEqual(out.sleeps[0], 500)

    def test_exiting_does_not_retry(self):
        out, col = self.one(c.status(503), exiting=1)
        self.lost(out, "503")
        self.assertEqual((out.sleeps, len(col.requests)), ([], 1))
        with c.refused() as url:
            out = drive(url, exiting=1)
        self.lost(out, "Connection refused")
        self.assertEqual(out.sleeps, [])


class Grpc(Transport):
    def test_retryable_codes(self):
        for code in range(1, 17):
            with self.subTest(code):
                out, col = self.one(c.grpc_status(code, "why not"), "grpc")
                again = code in (1, 4, 10, 11, 14, 15)
                self.assertEqual(len(col.requests), 1 + again)
                if again:
                    self.assertEqual((out.batches, len(out.sleeps)), ([(2, 0, 0)], 1))
                else:
                    self.lost(out, f"gRPC status {code}: why not")

    def test_retry_info(self):
        for code in (8, 14):
            with self.subTest(code):
                out, _ = self.one(c.grpc_status(code, retry_ms=2500), "grpc")
                self.assertEqual((out.batches, out.sleeps), ([(2, 0, 0)], [2500]))

    def test_message_is_decoded(self):
        out, _ = self.one(c.grpc_status(3, "50% of \x07 café"), "grpc")
        self.lost(out, "gRPC status 3: 50% of ? café")

    def test_http_status(self):
        out, _ = self.one(c.status(404), "grpc")
        self.lost(out, "HTTP status 404")
        out, col = self.one(c.status(503), "grpc")
        self.assertEqual((out.batches, len(col.requests)), ([(2, 0, 0)], 2))

    def test_partial(self):
        out, _ = self.one(c.partial(1, "too old"), "grpc")
        self.assertEqual(out.batches, [(1, 1, 0)])
        self.assertIn("too old", out.log[0][1])


class Partial(Transport):
    def test_rejected(self):
        for protocol in PROTOCOLS:
            with self.subTest(protocol):
                out, col = self.one(c.partial(1, "too old"), protocol)
                self.assertEqual((out.batches, len(col.requests)), ([(1, 1, 0)], 1))
                self.assertEqual(len(out.log), 1)
                self.assertIn("too old", out.log[0][1])

    def test_more_than_there_were(self):
        for rejected, want in ((99, (0, 2, 0)), (-1, (2, 0, 0))):
            with self.subTest(rejected):
                out, _ = self.one(c.partial(rejected))
                self.assertEqual(out.batches, [want])

    def test_warning_alone(self):
        out, _ = self.one(c.partial(0, "slow down"))
        self.assertEqual(out.batches, [(2, 0, 0)])
        self.assertIn("slow down", out.log[0][1])


class Bad(Transport):
    def test_rubbish(self):
        for protocol in PROTOCOLS:
            with self.subTest(protocol):
                col = self.collector()
                col.fault = c.rubbish()
                out = drive(col, protocol)
                self.lost(out, "" if protocol == "grpc" else "speaks no HTTP")

    def test_unreadable_body_of_a_good_answer(self):
        """The status says the spans were taken; that is what counts."""
        for protocol in PROTOCOLS:
            with self.subTest(protocol):
                out, _ = self.one(c.rubbish_body(), protocol)
                self.assertEqual(out.batches, [(2, 0, 0)])
                self.assertIn("cannot be read", out.log[0][1])

    def test_answer_cut_after_a_good_status(self):
        out, col = self.one(c.close_middle())
        self.assertEqual((out.batches, len(col.requests)), ([(2, 0, 0)], 1))

    def test_huge_answer(self):
        out, col = self.one(c.huge())
        self.lost(out, "4 MiB")
        self.assertEqual(len(col.requests), 1)

    def test_answer_of_just_4_mib(self):
        out, _ = self.one(lambda conn, req: c.Answer(body=bytes(4 << 20)))
        self.assertEqual(out.batches, [(2, 0, 0)])

    def test_redirect_is_not_followed(self):
        col = self.collector()
        col.fault = c.redirect()
        out = drive(col)
        self.lost(out, "redirects are not followed")
        self.assertEqual(len(col.requests), 1)

    def test_no_answer(self):
        """Given up when the batch's time is over, or the process's, whichever comes first."""
        for fault in (c.hang(), c.drip(0.01)):
            for limit in ({"timeout": 300}, {"left": 300}):
                with self.subTest(limit=limit):
                    col = self.collector()
                    col.fault = fault
                    out = drive(col, **limit)
                    self.lost(out, "no answer in time")

    def test_never_accepted(self):
        with c.unanswered() as url:
            for protocol in PROTOCOLS:
                with self.subTest(protocol):
                    self.lost(drive(url, protocol, timeout=300), "no answer in time")

    def test_never_connected(self):
        """Each batch gives up in the middle of connecting; nothing of it is left behind."""
        with c.unconnected() as url:
            for protocol in PROTOCOLS:
                with self.subTest(protocol):
                    out = drive(url, protocol, timeout=300, batches=3)
                    self.assertEqual(out.batches, [(0, 0, 2)] * 3)
                    self.assertEqual(len(out.log), 1, out.log)
                    self.assertEqual(out.sockets, 0, "a socket was left open")

    def test_hanging_tls_handshake(self):
        with c.unanswered() as url:
            out = drive(url.replace("http:", "https:"), timeout=300)
        self.lost(out, "no answer in time")

    def test_slow_is_not_bad(self):
        out, _ = self.one(c.slow(0.3))
        self.assertEqual((out.batches, out.log), ([(2, 0, 0)], []))

    def test_unresolvable(self):
        out = drive("http://collector.invalid:4318", timeout=900)
        self.assertEqual(out.batches, [(0, 0, 2)])

    def test_other_protocols(self):
        for url in ("file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x"):
            with self.subTest(url):
                out = drive(url)
                self.assertEqual((out.batches, out.sleeps), ([(0, 0, 2)], []))


class Log(Transport):
    def test_once_a_cause_and_once_recovered(self):
        col = self.collector()
        col.faults = [c.status(400), c.status(400), c.status(404), c.status(404), None, None,
                      c.status(404)]
        out = drive(col, batches=7)
        said = [text.rpartition(": ")[2] for _, text in out.log]
        self.assertEqual(said, ["HTTP status 400", "HTTP status 404", "works again",
                                "HTTP status 404"])

    def test_no_credentials(self):
        with c.refused() as url:
            out = drive(url.replace("://", "://me:s3cret@"), exiting=1,
                        headers="authorization=Bearer%20s3cret")
        self.assertNotIn("s3cret", str(out.log))
        self.assertIn("REDACTED", out.log[0][1])


class Proxy(Transport):
    def test_from_the_environment(self):
        col = self.collector()
        out = drive("http://collector.invalid", env={"http_proxy": col.url})
        self.assertEqual(out.batches, [(2, 0, 0)])
        self.assertEqual(col.requests[0].path, "http://collector.invalid/v1/traces")

    def test_not_for_excepted_hosts(self):
        with c.refused() as proxy:
            out, _ = self.one(env={"http_proxy": proxy, "no_proxy": "127.0.0.1"})
        self.assertEqual(out.batches, [(2, 0, 0)])

    def test_environment_is_that_of_the_start(self):
        """The host may change its environment while libcurl looks at it: it looks at a copy."""
        with c.refused() as proxy:
            out, _ = self.one(setenv="http_proxy=" + proxy)
        self.assertEqual((out.batches, out.sleeps), ([(2, 0, 0)], []))


class Descriptors(Transport):
    def test_a_number_in_other_hands(self):
        """The host closed our kept connection and has its own under that number: nothing is written
        to it, it is not closed, and the next batch goes over a new one."""
        at = certificates()
        for tls in (None, (at + "/server.pem", at + "/server.key")):
            for protocol in PROTOCOLS:
                with self.subTest(protocol=protocol, tls=bool(tls)):
                    col = self.collector(tls=tls)
                    out = drive(col, protocol, steal=1, batches=3, ca=at + "/ca.pem")
                    self.assertEqual(out.batches, [(2, 0, 0)] * 3)
                    self.assertEqual((out.stolen, out.log), (1, []))

    def test_fork(self):
        """The child leaves the parent's connection alone, the parent can go on using it."""
        at = certificates()
        for protocol in PROTOCOLS:
            with self.subTest(protocol):
                col = self.collector(tls=(at + "/server.pem", at + "/server.key"))
                out = drive(col, protocol, fork=1, batches=3, ca=at + "/ca.pem")
                self.assertEqual((out.batches, out.log, out.rest), ([(2, 0, 0)] * 6, [], []))
                self.assertEqual(col.connections, 4)
                col.check()


class Allocators(Transport):
    def test_jemalloc(self):
        if not os.path.exists(JEMALLOC):
            self.skipTest("libjemalloc2 is not installed")
        at = certificates()
        for protocol in PROTOCOLS:
            with self.subTest(protocol):
                col = self.collector(tls=(at + "/server.pem", at + "/server.key"))
                out = drive(col, protocol, env={"LD_PRELOAD": JEMALLOC}, gzip=1, batches=3,
                            ca=at + "/ca.pem")
                self.assertEqual((out.batches, out.log), ([(2, 0, 0)] * 3, []))

    def test_of_the_program_s_own(self):
        done = subprocess.run([program("own_malloc"), EXPORT], capture_output=True, timeout=60,
                              env=environment(), check=False)
        self.assertEqual((done.returncode, done.stdout), (0, b"ok\n"))

    def test_without_deepbind(self):
        """As where a sanitizer is in the process."""
        out, _ = self.one(deepbind=0, batches=2)
        self.assertEqual(out.batches, [(2, 0, 0)] * 2)


if __name__ == "__main__":
    main()
