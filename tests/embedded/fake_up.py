"""`loyalnest …` with stand-ins for the services and the demo shop; everything else is real."""

import sys

from infra.cli import up
from infra.cli.main import main
from infra.embedded import supervisor

if __name__ == "__main__":
    supervisor.SERVE = (sys.executable, "-m", "tests.embedded.fake_service")
    supervisor.ADMIN = (sys.executable, "-m", "tests.embedded.fake_service")
    supervisor.SEED = (sys.executable, "-c", "")
    up.ITSELF = (sys.executable, "-m", "tests.embedded.fake_up")
    supervisor.HEALTHY_PATIENCE = 10.0
    sys.exit(main())
