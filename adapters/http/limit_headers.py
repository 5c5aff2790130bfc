"""What is left of the rate limits, as headers: those of the IETF's draft, and the older three.

``RateLimit-Policy`` and ``RateLimit`` (draft-ietf-httpapi-ratelimit-headers) list every limit that
counts; the older ones, and ``Retry-After``, tell of the one that is nearest to its end.
"""

from functools import lru_cache

from adapters.http.asgi import Header
from domain.limits import SECOND, Drawn, Rate


def limit_headers(policies: tuple[str, ...], drawn: Drawn) -> list[Header]:
    """``policies`` names the limits, in the order of the levels."""
    tightest = drawn.tightest
    states = ", ".join(
        f'"{policy}";r={level.remaining};t={_seconds(level.full_in)}'
        for policy, level in zip(policies, drawn.levels, strict=True)
    )
    headers = [
        (b"ratelimit-policy", _policy(policies, tuple(level.rate for level in drawn.levels))),
        (b"ratelimit", states.encode()),
        (b"ratelimit-limit", b"%d" % tightest.rate.requests),
        (b"ratelimit-remaining", b"%d" % tightest.remaining),
        (b"ratelimit-reset", b"%d" % _seconds(tightest.full_in)),
    ]
    if not drawn.admitted:
        headers.append((b"retry-after", b"%d" % _seconds(tightest.wait)))
    return headers


@lru_cache(1000)
def _policy(policies: tuple[str, ...], rates: tuple[Rate, ...]) -> bytes:
    return ", ".join(
        f'"{policy}";q={rate.requests};w={rate.seconds}'
        for policy, rate in zip(policies, rates, strict=True)
    ).encode()


def _seconds(microseconds: int) -> int:
    """Rounded up: who waits that long does not come too early."""
    return -(-microseconds // SECOND)
