"""What is told of the limits, as the IETF's draft and its older relatives write it."""

from adapters.http.limit_headers import limit_headers
from domain.limits import Drawn, Level, Rate


def told(*levels: Level, admitted: bool = True) -> dict[str, str]:
    policies = ("shop", "address")[: len(levels)]
    found = limit_headers(policies, Drawn(admitted, levels))
    return {name.decode(): value.decode() for name, value in found}


def test_the_older_headers_tell_of_the_limit_that_is_nearest_to_its_end() -> None:
    roomy = Level(Rate(1200, 60), 1000, 10_000_001)
    tight = Level(Rate(10, 60), 1, 54_000_000)
    assert told(roomy, tight) == {
        "ratelimit-policy": '"shop";q=1200;w=60, "address";q=10;w=60',
        "ratelimit": '"shop";r=1000;t=11, "address";r=1;t=54',
        "ratelimit-limit": "10",
        "ratelimit-remaining": "1",
        "ratelimit-reset": "54",
    }


def test_a_refusal_says_when_to_come_again_and_rounds_up() -> None:
    empty = Level(Rate(10, 60), 0, 59_000_001, 5_000_001)
    roomy = Level(Rate(100, 60), 0, 60_000_000)  # empty too, but it would have let this one in
    headers = told(roomy, empty, admitted=False)
    assert (headers["retry-after"], headers["ratelimit-limit"]) == ("6", "10")
    assert headers["ratelimit-reset"] == "60"
