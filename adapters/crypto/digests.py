"""``ports.digests.Digests``: HMAC-SHA256 under keys derived from secrets of the process."""

import hmac
from collections.abc import Sequence

from adapters.crypto.derive import derived


class KeyedDigests:
    def __init__(self, secrets: Sequence[bytes], use: str) -> None:
        """The first of ``secrets`` makes digests, all of them recognise."""
        self._keys = [derived(each, use) for each in secrets]

    def of(self, text: str) -> str:
        return self.any_of(text)[0]

    def any_of(self, text: str) -> Sequence[str]:
        return [hmac.digest(key, text.encode(), "sha256").hex() for key in self._keys]
