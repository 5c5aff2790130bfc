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
    # Waited for rather than handled: it may come several times at once (infra/embedded/launch.py),
    # and a handler that is interrupted by itself may wait for a lock of its own.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    settings = ["LOYALNEST_OPS_PORT"]
    if name in ("all", "api_gateway"):
        settings.append("LOYALNEST_HTTP_PORT")
    for setting in settings:
        server = ThreadingHTTPServer(("127.0.0.1", int(os.environ[setting])), Ready)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    signal.sigwait([signal.SIGTERM])
    (Path(os.environ["LOYALNEST_HOME"]) / "drained").touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
