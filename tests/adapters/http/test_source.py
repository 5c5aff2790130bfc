"""Where a request comes from, whatever stands in front of us and whatever is claimed."""

from ipaddress import ip_network

import pytest

from adapters.http.source import Source, Sources

KEY = b"k" * 32
PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
LOOPBACK = [ip_network("127.0.0.0/8"), ip_network("::1")]


def mark(address: str) -> str:
    return Sources(KEY, []).of(address, "").mark


def test_a_mark_is_of_a_connection_and_names_no_address() -> None:
    of = Sources(KEY, []).of
    one = of("203.0.113.7", "").mark
    assert len(one) == 32
    assert of("::ffff:203.0.113.7", "").mark == one
    assert of("203.0.113.8", "").mark != one
    assert Sources(b"l" * 32, []).of("203.0.113.7", "").mark != one
    six = of("2001:db8:1:2::1", "").mark
    assert of("2001:db8:1:2:ffff::9", "").mark == six
    assert of("2001:db8:1:3::1", "").mark != six
    assert of("testclient", "") == Source("", None)


@pytest.mark.parametrize(
    ("forwarded", "real"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("1.1.1.1, 203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 10.9.9.9", "203.0.113.7"),
        ("1.1.1.1, 203.0.113.7, fd00::1, 10.9.9.9", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("10.1.1.1, 10.2.2.2", "10.1.1.1"),
        ("", "10.0.0.2"),
    ],
)
def test_our_own_web_servers_are_believed_and_nobody_before_them(forwarded, real) -> None:
    found = Sources(KEY, PROXIES).of("10.0.0.2", forwarded)
    assert (found.mark, found.hidden) == (mark(real), False)


@pytest.mark.parametrize("forwarded", ["unknown", "203.0.113.7, nonsense", ",", "203.0.113.7,"])
def test_what_our_web_server_could_not_tell_is_not_known(forwarded) -> None:
    assert Sources(KEY, PROXIES).of("10.0.0.2", forwarded) == Source("", None)


def test_a_stranger_cannot_pretend_to_be_somewhere_else() -> None:
    found = Sources(KEY, PROXIES).of("203.0.113.7", "127.0.0.1")
    assert (found.mark, found.is_in(LOOPBACK)) == (mark("203.0.113.7"), False)


def test_a_web_server_that_nobody_told_us_of_does_not_make_its_visitors_local() -> None:
    of = Sources(KEY, []).of
    assert of("127.0.0.1", "").is_in(LOOPBACK)
    assert of("::1", "").is_in(LOOPBACK)
    assert not of("127.0.0.1", "203.0.113.7").is_in(LOOPBACK)
    assert not of("127.0.0.1", "unknown").is_in(LOOPBACK)
    assert not of("testclient", "").is_in([ip_network("0.0.0.0/0"), ip_network("::/0")])
