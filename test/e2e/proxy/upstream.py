"""A server by Python's http.server that says what it has read: a line of JSON a request on its output, before the request is answered.

The first line is its port. Chunks are read here, since http.server leaves bodies to whoever handles a request.
"""

import http.server
import json
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.handle_any
        raise AttributeError(name)

    def handle_any(self):
        body = self.read_body()
        if body is None:
            self.close_connection = True
            return
        seen = {
            "method": self.command,
            "url": self.path,
            "lines": [[name, value] for name, value in self.headers.items()],
            "body": body.decode("latin-1"),
        }
        print(json.dumps(seen), flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"ok")

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self.read_chunks()
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        return body if len(body) == length else None

    def read_chunks(self):
        body = b""
        while True:
            line = self.rfile.readline()
            if not line.endswith(b"\r\n"):
                return None
            size = int(line.split(b";")[0], 16)
            if size == 0:
                break
            chunk = self.rfile.read(size)
            if len(chunk) < size or self.rfile.read(2) != b"\r\n":
                return None
            body += chunk
        while True:
            line = self.rfile.readline()
            if line == b"\r\n":
                return body
            if not line:
                return None

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_port, flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    sys.exit(0)
