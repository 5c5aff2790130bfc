"""Callers that nobody makes up: whoever calls signs who asks for what, and until when.

The gateway vouches for those it has looked at the token of, every other process for its own
services. The signature is over the operation, the idempotency key, the caller and the whole
request, so it is good for that one call, and for half a minute.
"""

import hmac
import time
from collections.abc import Callable, Sequence
from typing import Final

from adapters.crypto.derive import derived
from domain.errors import NotVouchedFor

VALID_SECONDS: Final = 30
"""Longer than any deadline of a call, and all that clocks of two machines may differ."""

_MOST_SECRETS: Final = 2
_USE: Final = "caller of a call"


class Vouching:
    """``secrets`` is what every process of the mesh has: the present one and, while it is being
    replaced, the one before."""

    def __init__(self, secrets: Sequence[bytes], now: Callable[[], float] = time.time) -> None:
        if not secrets:
            raise ValueError("nobody can be vouched for without a secret")
        self._keys = [hmac.new(derived(each, _USE), digestmod="sha256") for each in secrets]
        self._now = now

    def sign(self, subject: str, caller: str, idempotency_key: str, payload: bytes) -> str:
        """What goes into the header of a call: signed with each secret, since there are processes
        that have only the old one yet, or only the new one already."""
        until = str(int(self._now()) + VALID_SECONDS)
        signed = [_mac(key, until, subject, caller, idempotency_key, payload) for key in self._keys]
        return ".".join((until, *signed))

    def check(
        self, signature: str, subject: str, caller: str, idempotency_key: str, payload: bytes
    ) -> None:
        """Raises NotVouchedFor unless somebody of the mesh signed this very call a moment ago."""
        until, *given = signature.split(".")
        if not (signature.isascii() and until.isdigit() and 0 < len(given) <= _MOST_SECRETS):
            raise NotVouchedFor
        for key in self._keys:
            expected = _mac(key, until, subject, caller, idempotency_key, payload)
            if any(hmac.compare_digest(expected, each) for each in given):
                break
        else:
            raise NotVouchedFor
        if int(until) < self._now():
            raise NotVouchedFor("The caller was vouched for too long ago.")


def _mac(
    key: hmac.HMAC, until: str, subject: str, caller: str, idempotency_key: str, payload: bytes
) -> str:
    # What is in a header comes without the spaces around it, and has no line break inside.
    text = f"{until}\n{subject}\n{idempotency_key.strip()}\n{caller}\n"
    mac = key.copy()
    mac.update(text.encode("utf-8", "surrogatepass"))
    mac.update(payload)
    return mac.hexdigest()
