# SPDX-License-Identifier: Apache-2.0
"""Real clients that speak HTTP over plain sockets, with and without the shim: the same output, exit
status and bytes on the wire, but for our header lines; a CLIENT span for each request, which it
carries.
"""
import os
import re
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from curlcase import OURS, PARENT, PYTHON, TRACE, CurlCase  # noqa: E402
from harness import differential, require  # noqa: E402
from servers import APPS, PlainServer, Server, free_port  # noqa: E402

PARENT_OF_ALL = {"TRACEPARENT": f"00-{TRACE}-{PARENT}-01"}
NODE = "/usr/bin/node"


class ClientCase(CurlCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.http.close()
        cls.http = PlainServer()

    def requests(self, cmd, expected, adopted=False, **more):
        """Runs cmd both ways. expected: (method, status) of each request, in order; a status of
        None is a failure. Every span is a child of the process's parent."""
        more.setdefault("shim_env", PARENT_OF_ALL)
        got, heads = self.run_case(cmd, **more)
        spans = [s for s in got.spans if "http.request.method" in s.attrs]
        have = [(s.attrs["http.request.method"], s.attrs.get("http.response.status_code"))
                for s in self.in_order(spans)]
        self.assertEqual(sorted(have, key=str) if more.get("sort") else have, expected, got.spans)
        self.assert_carried(spans, heads)
        for s in spans:
            self.assertEqual((s.kind, s.name), ("client", s.attrs["http.request.method"]))
            if not adopted:
                self.assertEqual((s.trace_id, s.parent_id), (TRACE, PARENT))
            bad = s.attrs.get("http.response.status_code") in (None, *range(400, 600))
            self.assertTrue(s.status == "error" or not bad, s)
            self.assertEqual(s.attrs.get("network.peer.port"), self.http.port)
        return got, spans, heads


class Programs(ClientCase):
    @require("wget")
    def test_wget(self):
        url = self.http.url
        for args, expected in (
                ([f"{url}/hello"], [("GET", 200)]),
                ([f"{url}/hello", f"{url}/large/300000", f"{url}/hello"], [("GET", 200)] * 3),
                ([f"{url}/redirect/2"], [("GET", 302), ("GET", 302), ("GET", 200)]),
                (["--post-data=some body", f"{url}/echo"], [("POST", 200)]),
                ([f"{url}/status/404"], [("GET", 404)]),
                ([f"{url}/status/204"], [("GET", 204)]),
                (["--spider", f"{url}/hello"], [("HEAD", 200)]),
                ([f"{url}/chunked"], [("GET", 200)]),
                (["--header=traceparent: 00-" + "a" * 32 + "-" + "b" * 16 + "-01",
                  f"{url}/hello"], [("GET", 200)]),
                (["--tries=1", f"{url}/nothing"], [("GET", None)])):
            with self.subTest(args):
                _, spans, _ = self.requests(["wget", "-q", "-O", "-", *args], expected,
                                            adopted="--header" in args[0])
                if "--header" in args[0]:
                    self.assertEqual((spans[0].trace_id, spans[0].parent_id),
                                     ("a" * 32, "b" * 16))

    def test_curl_is_not_seen_twice(self):
        self.requests(["curl", "-sS", f"{self.http.url}/hello", f"{self.http.url}/large/100000"],
                      [("GET", 200)] * 2)

    @require("perl")
    def test_perl(self):
        script = ('use HTTP::Tiny; my $h = HTTP::Tiny->new; for (@ARGV) { my $r = $h->get($_); '
                  'print "$r->{status} $r->{content}"; } my $r = $h->post_form($ARGV[0], {a=>1}); '
                  'print $r->{content};')
        self.requests(["perl", "-e", script, f"{self.http.url}/hello", f"{self.http.url}/chunked",
                       f"{self.http.url}/status/500"],
                      [("GET", 200), ("GET", 200), ("GET", 500), ("POST", 200)],
                      env={"PERL_HASH_SEED": "0"})  # the order of its headers

    @require("php")
    def test_php_streams(self):
        script = ('foreach (array_slice($argv, 1) as $url) echo file_get_contents($url), "\\n";'
                  'echo file_get_contents($argv[1], false, stream_context_create(["http" => '
                  '["method" => "PUT", "content" => str_repeat("x", 20000)]]));')
        self.requests(["php", "-r", script, f"{self.http.url}/echo", f"{self.http.url}/redirect/1"],
                      [("GET", 200), ("GET", 302), ("GET", 200), ("PUT", 200)])

    @require("node")
    def test_node(self):
        script = """
const http = require('node:http');
const url = process.argv[1];
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const get = (path, options) => new Promise((resolve, reject) => {
  const request = http.request(url + path, { agent, ...options }, (response) => {
    let text = '';
    response.on('data', (piece) => { text += piece; });
    response.on('end', () => resolve(`${response.statusCode} ${text}`));
  });
  request.on('error', reject);
  if (options) request.write('one'), request.write('two');
  request.end();
});
(async () => {
  console.log(await get('/hello'), await get('/echo', { method: 'POST' }), await get('/chunked'));
  agent.destroy();
  const answer = await fetch(url + '/echo', { method: 'PUT', body: 'x'.repeat(100000) });
  console.log(answer.status, await answer.text());
})();
"""
        self.requests([NODE, "-e", script, self.http.url],
                      [("GET", 200), ("POST", 200), ("GET", 200), ("PUT", 200)])

    def test_python_urllib_and_http_client(self):
        script = """
import http.client, sys, urllib.request, urllib.error
url = sys.argv[1]
print(urllib.request.urlopen(url + '/redirect/1').read())
print(urllib.request.urlopen(url + '/echo', data=b'x' * 100000).read())
try: urllib.request.urlopen(url + '/status/404')
except urllib.error.HTTPError as e: print(e.code, e.read())
c = http.client.HTTPConnection(url[7:])
for path in ('/hello', '/chunked', '/large/100000'):
    c.request('GET', path)
    print(len(c.getresponse().read()))
c.request('POST', '/echo', body=iter([b'a', b'b' * 5000]), encode_chunked=True)
print(c.getresponse().read())
"""
        self.requests([PYTHON, "-c", script, self.http.url],
                      [("GET", 302), ("GET", 200), ("POST", 200), ("GET", 404), ("GET", 200),
                       ("GET", 200), ("GET", 200), ("POST", 200)])

    def test_python_asyncio(self):
        script = """
import asyncio, sys
async def ask(path):
    reader, writer = await asyncio.open_connection('127.0.0.1', int(sys.argv[1].split(':')[2]))
    writer.write(f'GET {path} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'.encode())
    head = await reader.readuntil(b'\\r\\n\\r\\n')
    body = await reader.readexactly(int(head.split(b'ength: ')[1].split()[0]))
    writer.close()
    return len(body)
async def main():
    print(await asyncio.gather(*(ask(f'/large/{n}000') for n in range(10))))
asyncio.run(main())
"""
        self.requests([PYTHON, "-c", script, self.http.url], [("GET", 200)] * 10, sort=True)

    @require("ab")
    def test_ab(self):
        keep = re.compile(rb"^(?:Document Path|Document Length|Concurrency Level|Complete requests|"
                          rb"Failed requests|Non-2xx responses|Keep-Alive requests|"
                          rb"Total transferred|HTML transferred):.*", re.M)
        for args in ([], ["-k"]):
            with self.subTest(args):
                self.requests(["ab", "-q", "-n", "200", "-c", "10", *args,
                               f"{self.http.url}/hello"], [("GET", 200)] * 200, sort=True,
                              normalise=lambda out: b"\n".join(keep.findall(out)))

    @require("wrk")
    def test_wrk(self):
        def health(out):
            return re.findall(rb"Socket errors:.*|Non-2xx.*|unable.*", out)
        self.http.take()
        got = differential(["wrk", "-t2", "-c8", "-d1s", f"{self.http.url}/hello"],
                           normalise=health, env={"OTEL_BSP_MAX_QUEUE_SIZE": "65536"})
        heads = self.http.take()
        self.assertEqual(len({h.without(*OURS) for h in heads}), 1)
        sent = [v for h in heads for n, v in h.headers if n == "traceparent"]
        self.assertGreater(len(sent), 0)
        self.assertEqual(len(set(sent)), len(sent), "a traceparent twice")
        spans = got.spans.find("GET")
        self.assertEqual({s.traceparent for s in spans} - set(sent), set())
        done = int(re.search(rb"(\d+) requests in ", got.stdout)[1])
        self.assertGreaterEqual(len(spans.find(http__response__status_code=200)), done)


# (case of socket_client.py, what it asks for)
OK = ("GET", 200)
CASES = {
    "plain": [OK], "single_bytes": [OK], "iovecs": [("POST", 200)], "more": [OK], "cork": [OK],
    "files": [OK, OK, ("GET", 404)], "peek": [OK], "no_answer_yet": [("GET", None)],
    "duplicates": [OK, ("GET", 500)], "reads_and_writes": [OK],
    "files_as_bodies": [("POST", 200)] * 2, "not_blocking": [("POST", 200)], "half_close": [OK],
    "pipeline": [OK, ("GET", 404), OK],
    "no_body": [("HEAD", 200), ("GET", 204), ("GET", 304), OK],
    "chunks": [("POST", 200), OK, OK], "waits_for_100": [("POST", 200)], "own_traceparent": [OK],
    "refused": [], "cut_short": [OK], "after_the_end": [("GET", None)], "two_threads": [OK] * 20,
    "fast_open": [OK],
}


class Calls(ClientCase):
    """Each way to send and receive, a process for each."""

    def command(self, name):
        return [PYTHON, os.path.join(APPS, "socket_client.py"), str(self.http.port), name]

    def test_every_way_to_make_a_request(self):
        for name, expected in CASES.items():
            with self.subTest(name):
                self.requests(self.command(name), expected, adopted=name == "own_traceparent")

    def test_a_head_that_nobody_saw_is_left_alone(self):
        _, heads = self.run_case(self.command("splices"), shim_env=PARENT_OF_ALL)
        self.assertEqual(heads[0].headers, heads[-1].headers)
        self.assertIsNone(heads[0].header("traceparent"))

    def test_what_is_no_http_connection(self):
        def ours(out):
            return re.sub(rb"\\r\\ntraceparent: [-0-9a-f]{55}", b"", out)
        for name in ("others", "no_http"):
            with self.subTest(name):
                self.run_case(self.command(name), shim_env=PARENT_OF_ALL, normalise=ours)

    def test_a_body_cut_short_is_a_failure(self):
        _, spans, _ = self.requests(self.command("cut_short"), [OK])
        self.assertEqual(spans[0].status, "error")
        self.assertTrue(spans[0].attrs.get("error.type"))


class Talker:
    """A server that says some bytes, perhaps once it was told so many, and then only listens.
    Keeps what it was told."""

    def __init__(self, says, first=0):
        self.says, self.first, self.told = says, first, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with sock:
                told = b""
                while len(told) < self.first:
                    told += sock.recv(4096)
                sock.sendall(self.says)
                sock.shutdown(socket.SHUT_WR)
                while piece := sock.recv(4096):
                    told += piece
                self.told.append(told)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class OtherProtocols(ClientCase):
    """Sockets that do not speak HTTP: not a byte more, and one span for the connection."""

    def connection(self, got, port, expected=1):
        spans = got.spans.find("tcp.connection", kind="client", network__peer__port=port)
        self.assertEqual(len(spans), expected, got.spans)
        for s in spans:
            self.assertEqual(s.attrs.get("network.peer.address"), "127.0.0.1")
            self.assertEqual((s.trace_id, s.parent_id), (TRACE, PARENT))
        self.assertEqual(got.spans.find(http__request__method="GET"), [])
        return spans

    @require("openssl")
    def test_openssl_s_client(self):
        cmd = ["openssl", "s_client", "-quiet", "-verify_quiet", "-CAfile", self.ca, "-connect",
               f"127.0.0.1:{self.https.port}"]
        got = differential(cmd, input=b"GET /cut HTTP/1.1\r\nHost: x\r\n\r\n",
                           shim_env=PARENT_OF_ALL,
                           normalise=lambda out: re.sub(rb"(?m)^[0-9A-F]+:error", b"error", out))
        native, here = self.https.take()
        self.assertEqual(native.head, here.head)
        self.connection(got, self.https.port)

    @require("ssh-keyscan")
    def test_ssh_keyscan(self):
        talker = Talker(b"SSH-2.0-OpenSSH_9.0 test\r\n")
        self.addCleanup(talker.close)
        got = differential(["ssh-keyscan", "-T", "2", "-t", "ed25519", "-p", str(talker.port),
                            "127.0.0.1"], shim_env=PARENT_OF_ALL)
        self.assertIn(b"OpenSSH_9.0", got.stdout + got.stderr)
        native, here = talker.told
        # The key exchange begins with random bytes; names and lengths are the same.
        self.assertEqual((native.split(b"\n")[0], len(native)), (here.split(b"\n")[0], len(here)))
        self.connection(got, talker.port)

    @require("redis-server", "redis-cli")
    def test_redis_cli(self):
        port = free_port()
        with Server(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                     "--appendonly", "no", "--dir", self.folder()], port=port, signal=15):
            cmd = ["redis-cli", "-p", str(port)]
            script = b"SET a 1\nINCR a\nSET l %s\nGET l\nGET none\nNONSENSE\n" % (b"x" * 9999)
            got = differential(cmd, input=script, shim_env=PARENT_OF_ALL)
        self.assertIn(b"x" * 9999, got.stdout)
        self.connection(got, port)

    def test_curl_telnet(self):
        talker = Talker(b"welcome\n", first=6)
        self.addCleanup(talker.close)
        got = differential(["curl", "-sS", f"telnet://127.0.0.1:{talker.port}"], input=b"hello\n",
                           shim_env=PARENT_OF_ALL)
        self.assertEqual(talker.told[0], talker.told[1])
        self.assertEqual(got.stdout, b"welcome\n")


if __name__ == "__main__":
    unittest.main()
