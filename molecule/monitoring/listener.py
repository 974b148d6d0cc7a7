#!/usr/bin/python3
"""Write each notification that Alertmanager sends to a webhook into a file, one JSON object per line."""

import http.server
import sys


class Listener(http.server.BaseHTTPRequestHandler):
    """Take whatever comes."""

    def do_POST(self) -> None:
        """Write the body down before it is confirmed."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(sys.argv[1], "ab") as file:
            file.write(body.replace(b"\n", b" ") + b"\n")
        self.send_response(200)
        self.end_headers()


http.server.HTTPServer(("127.0.0.1", 9999), Listener).serve_forever()
