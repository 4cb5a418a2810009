# SPDX-License-Identifier: Apache-2.0
"""A threading HTTP server with a statement in each request: one that fails below /fail, one after a
moment below /slow. Prints its port, and ends when standard input does.
"""
import http.server
import sqlite3
import sys
import threading
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def statement(self, sql):
        try:
            with sqlite3.connect(":memory:") as db:
                db.execute(sql).fetchall()
        except sqlite3.Error:
            pass

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/slow"):
            time.sleep(0.06)
        self.statement("SELECT 1 FROM nowhere" if self.path.startswith("/fail") else "SELECT 1")
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    do_GET = do_POST = answer

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
server.shutdown()
