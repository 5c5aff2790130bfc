"""What the journals of all stores have in common: keys of the inbox, and what hides an input."""

import hmac
from collections.abc import Sequence
from hashlib import blake2b
from uuid import UUID


def inbox_key(event_id: str) -> UUID:
    """An event's id in 16 bytes: there is a row for every event and consumer, so its size counts.

    Ids of ours are UUIDs and stay what they are, in the order of time; others, such as a shop's
    webhook ids, become a hash of 128 bits.
    """
    try:
        return UUID(event_id)
    except ValueError:
        return UUID(bytes=blake2b(event_id.encode(), digest_size=16).digest())


def input_hashes(keys: Sequence[bytes], request: bytes) -> list[bytes]:
    """What ``request`` is known by under each of the keys. Keyed: a plain hash of so little could
    be found by trying all there is."""
    return [hmac.digest(each, request, "sha256") for each in keys]
