# SPDX-License-Identifier: Apache-2.0
"""The demo's small web service: orders as JSON lines, an old address that redirects.

Prints its port, then serves on 127.0.0.1 until its standard input is closed.
"""
import http.server
import json
import sys
import threading

ORDERS = [{"id": n, "article": a, "price": p}
          for n, (a, p) in enumerate([("lamp", 39), ("chair", 120), ("table", 310)], 1)]


class Shop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    disable_nagle_algorithm = True

    def answer(self, code, body=b"", **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/orders":
            self.answer(302, Location="/v2/orders")
        elif self.path.startswith("/v2/orders"):
            self.answer(200, b"".join(json.dumps(o).encode() + b"\n" for o in ORDERS))
        else:
            self.answer(404, b"no such page\n")

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(201, b"{}")

    def log_message(self, *args):
        pass


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


main()
