"""The container's health check: exit code 0 when every service of this process can do its work."""

import http.client
import os
import sys


def main() -> int:
    """Asks the ops port. Stdlib only: it runs every few seconds and must cost nothing."""
    port = int(os.environ.get("LOYALNEST_OPS_PORT") or "8081")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
    try:
        connection.request("GET", "/ready")
        return 0 if connection.getresponse().status == 200 else 1
    except (OSError, http.client.HTTPException):
        return 1


if __name__ == "__main__":
    sys.exit(main())
