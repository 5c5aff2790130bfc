"""How far the ledger is sealed, for Prometheus."""

from adapters.telemetry.metrics import LEDGER_BROKEN, LEDGER_SEALED, LEDGER_SEALING
from ports.chain import Sealed


def count_sealed(sealed: Sealed) -> None:
    """What has been sealed for good."""
    LEDGER_SEALED.inc(sealed.entries)
    LEDGER_BROKEN.inc(len(sealed.broken))
    if not sealed.is_held_up:
        LEDGER_SEALING.set_to_current_time()
