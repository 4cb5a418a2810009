# SPDX-License-Identifier: Apache-2.0
"""A threading HTTP server that answers each request with what the upstream says for the same path,
asked with http.client or, when it ends in an odd digit, with urllib.

    threading_server.py plain PORT    nothing else
    threading_server.py sqlite PORT   and a statement before and after, which names the path

Prints its own port, and ends when standard input does.
"""
import http.client
import http.server
import re
import sqlite3
import sys
import threading
import urllib.request

MODE, PORT = sys.argv[1], int(sys.argv[2])


def ask(path):
    if path[-1] in "13579":
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}") as response:
            return response.read()
    connection = http.client.HTTPConnection("127.0.0.1", PORT)
    connection.request("GET", path)
    body = connection.getresponse().read()
    connection.close()
    return body


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def statement(self, when):
        if MODE == "sqlite":
            name = re.sub(r"\W", "_", self.path) + "_" + when
            with sqlite3.connect(":memory:") as db:
                db.execute(f"SELECT 1 AS at{name}").fetchall()

    def do_GET(self):
        self.statement("before")
        body = ask(self.path)
        self.statement("after")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


def main():
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


main()
