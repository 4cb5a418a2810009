#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Stands in for the language model's server: answers each question with three entities. It is
reached as an HTTP proxy, so that a program asks for the host it always asks for. Prints its port;
ends with its standard input."""
import http.server
import json
import sys
import threading


class Model(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        words = asked["messages"][0]["content"].split()
        names = sorted({w.strip(".,") for w in words if w[:1].isupper()})[:3]
        content = "\n".join(f"entity: {name}" for name in names)
        body = json.dumps({"model": asked["model"], "choices": [
            {"message": {"role": "assistant", "content": content}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
