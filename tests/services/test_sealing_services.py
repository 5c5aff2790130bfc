"""Whoever keeps what is sealed takes part when a shop's key is rotated."""

from adapters.crypto.sealer import AesGcmSealer
from adapters.runtime.resealing import resealed, resealing_of
from contracts.keys import COUNT_SEALED_ROWS
from services import SERVICES
from tests.contracts.wired import wiring_of

KEEP_NOTHING = {
    "api_gateway": "seals what goes into streams, which forget it",
    "core": "seals what an import tells the streams, which forget it",
    "referrals": "makes blind indexes only",
}


def test_every_service_that_seals_seals_anew_or_keeps_nothing() -> None:
    sealing = {name for name in SERVICES if AesGcmSealer in wiring_of(name).values()}
    anew = {
        name
        for name in SERVICES
        if any(each in (resealed, resealing_of) for each in wiring_of(name).values())
    }
    assert anew == COUNT_SEALED_ROWS.keys()
    assert sealing <= anew | KEEP_NOTHING.keys()
    assert not anew & KEEP_NOTHING.keys()
