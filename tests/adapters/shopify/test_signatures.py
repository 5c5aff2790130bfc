"""Signatures: Shopify's own vectors, both secrets, and nothing else."""

from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.shopify.signatures import (
    is_proxy_request,
    is_webhook_signature,
    proxy_signature,
    webhook_signature,
)

# The vector of Shopify's app-proxy documentation.
PROXY = [
    ("extra", "1"),
    ("extra", "2"),
    ("shop", "shop-name.myshopify.com"),
    ("logged_in_customer_id", "1"),
    ("path_prefix", "/apps/awesome_reviews"),
    ("timestamp", "1317327555"),
]
PROXY_SIGNATURE = "4c68c8624d737112c91818c11017d24d334b524cb5c2b8ba08daa056f7395ddb"
SIGNED = [*PROXY, ("signature", PROXY_SIGNATURE)]
NOW = 1317327555


def test_a_webhook_is_signed_over_its_raw_bytes():
    # RFC 4231, test case 2.
    digest = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    signature = webhook_signature(b"what do ya want for nothing?", b"Jefe")
    assert b64decode(signature) == bytes.fromhex(digest)


def test_current_and_previous_secret_are_accepted():
    body = b'{"id": 1}'
    for secret in (b"new", b"old"):
        assert is_webhook_signature(body, webhook_signature(body, secret), [b"new", b"old"])
    assert not is_webhook_signature(body, webhook_signature(body, b"older"), [b"new", b"old"])
    assert not is_webhook_signature(body, webhook_signature(body, b"new"), [])
    assert not is_webhook_signature(body + b" ", webhook_signature(body, b"new"), [b"new"])


@given(st.text(st.characters()), st.binary())
def test_no_other_text_is_a_signature(signature: str, body: bytes):
    assert not is_webhook_signature(body, signature, [b"secret"])


def test_shopifys_proxy_vector():
    assert proxy_signature(PROXY, b"hush") == PROXY_SIGNATURE
    assert proxy_signature(SIGNED, b"hush") == PROXY_SIGNATURE
    assert is_proxy_request(SIGNED, [b"hush"], NOW)
    assert is_proxy_request(SIGNED, [b"new", b"hush"], NOW)


@pytest.mark.parametrize("age", [-91, 91])
def test_an_old_or_future_proxy_request_is_refused(age: int):
    assert not is_proxy_request(SIGNED, [b"hush"], NOW + age)
    assert is_proxy_request(SIGNED, [b"hush"], NOW + (age // abs(age)) * 90)


@pytest.mark.parametrize(
    "parameters",
    [
        PROXY,
        [*SIGNED, ("signature", PROXY_SIGNATURE)],
        [*SIGNED, ("timestamp", "1317327555")],
        [*SIGNED, ("logged_in_customer_id", "2")],
        [("signature", PROXY_SIGNATURE)],
        [*PROXY[:-1], ("timestamp", "١٣"), ("signature", PROXY_SIGNATURE)],
        [*PROXY, ("signature", "ü")],
    ],
)
def test_other_proxy_parameters_are_refused(parameters: list[tuple[str, str]]):
    assert not is_proxy_request(parameters, [b"hush"], NOW)
