"""Stands in for the services: is ready on the ports it is given, until SIGTERM.

FAKE_SERVICE=exits ends at once with a line, FAKE_SERVICE=never is never ready.
"""

import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Ready(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if os.environ.get("FAKE_SERVICE") == "never" else 200)
        self.end_headers()

    def log_message(self, *_):
        pass


def main():
    name = sys.argv[1]
    if os.environ.get("FAKE_SERVICE") == "exits":
        print("loyalnest: LOYALNEST_LOG_LEVEL is debug, info, warning or error.", file=sys.stderr)
        return 1
    print(f"{name} is ready", flush=True)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = ["LOYALNEST_OPS_PORT"]
    if name in ("all", "api_gateway"):
        settings.append("LOYALNEST_HTTP_PORT")
    for setting in settings:
        server = ThreadingHTTPServer(("127.0.0.1", int(os.environ[setting])), Ready)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    stop.wait()
    (Path(os.environ["LOYALNEST_HOME"]) / "drained").touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
