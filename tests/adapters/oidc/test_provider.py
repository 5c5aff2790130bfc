"""Log-in at an identity provider: an honest one is believed, every kind of dishonest one is not."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from adapters.oidc.keys import AGAIN_SECONDS, FRESH_SECONDS
from adapters.oidc.provider import Client, OidcProvider
from adapters.runtime.settings import BadSettings
from adapters.system import SystemClock
from domain.errors import Unavailable
from ports.identity_provider import Errand, NotVouchedFor
from tests.adapters.oidc.issuer import (
    CLIENT_ID,
    CLIENT_SECRET,
    REDIRECT_URL,
    Issuer,
    browse,
    issuer,
    public_jwk,
    rsa_key,
    signer,
)

ERRAND = Errand(state="s" * 64, nonce="n" * 64, verifier="v" * 64)


class Seconds:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def running() -> Iterator[Issuer]:
    with issuer() as one:
        yield one


@pytest.fixture
def there(running: Issuer) -> Issuer:
    running.begin_anew()
    return running


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest_asyncio.fixture
async def provider(there: Issuer, seconds: Seconds) -> AsyncIterator[OidcProvider]:
    made = OidcProvider(client(there.url), SystemClock(), seconds)
    yield made
    await made.close()


def client(url: str) -> Client:
    return Client(url, CLIENT_ID, CLIENT_SECRET, REDIRECT_URL)


async def code_from(provider: OidcProvider, errand: Errand = ERRAND) -> str:
    """What the browser comes back with."""
    sent_back = await browse(await provider.address(errand))
    back = urlsplit(sent_back.headers["location"])
    assert sent_back.headers["location"].startswith(REDIRECT_URL)
    query = parse_qs(back.query)
    assert query["state"] == [errand.state]
    return query["code"][0]


async def logged_in(provider: OidcProvider) -> str:
    return await provider.email(ERRAND, await code_from(provider))


async def test_a_verified_address_is_believed(provider: OidcProvider, there: Issuer) -> None:
    assert await logged_in(provider) == "anna@staff.example"
    there.claims = {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID}
    assert await logged_in(provider) == "anna@staff.example"
    # What it says of itself and its keys is asked for once.
    assert there.asked["/keys"] == there.asked["/.well-known/openid-configuration"] == 1


async def test_an_elliptic_key_and_a_secret_in_the_form(
    provider: OidcProvider, there: Issuer
) -> None:
    there.discovery = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    there.sign_with(ec.generate_private_key(ec.SECP256R1()), "e", "ES256")
    assert await logged_in(provider) == "anna@staff.example"


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"aud": "somebody else"}, "meant for others"),
        ({"aud": [CLIENT_ID, "another"]}, "asked for by others"),
        ({"azp": "another"}, "asked for by others"),
        ({"aud": None}, "not right"),
        ({"iss": "http://127.0.0.1:1"}, "another issuer"),
        ({"nonce": "of another log-in"}, "another log-in"),
        ({"nonce": None}, "not right"),
        ({"exp": int(time.time()) - 60}, "over"),
        ({"exp": None}, "not right"),
        ({"exp": "never"}, "not right"),
        ({"iat": int(time.time()) + 600}, "not valid yet"),
        ({"nbf": int(time.time()) + 600}, "not valid yet"),
        ({"email_verified": False}, "no verified address"),
        ({"email_verified": None}, "no verified address"),
        ({"email_verified": "true"}, "not right"),
        ({"email_verified": 1}, "not right"),
        ({"email": ""}, "no verified address"),
        ({"email": None}, "no verified address"),
        ({"sub": ""}, "no subject"),
    ],
)
async def test_a_token_that_says_anything_else_is_not(
    provider: OidcProvider, there: Issuer, claims: dict[str, Any], said: str
) -> None:
    there.claims = claims
    with pytest.raises(NotVouchedFor, match=said):
        await logged_in(provider)


def unsigned(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, "", algorithm="none", headers={"kid": "one"})


def hmac_with_public_key(claims: dict[str, Any]) -> str:
    """What a verifier falls for that takes the algorithm from the token and the key from the
    issuer. Made by hand, for PyJWT refuses to."""
    pem = (
        rsa_key()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    head = {"alg": "HS256", "typ": "JWT", "kid": "one"}
    signed = ".".join(_part(json.dumps(each).encode()) for each in (head, claims))
    mac = HMAC(pem, SHA256())
    mac.update(signed.encode())
    return f"{signed}.{_part(mac.finalize())}"


def with_own_key(claims: dict[str, Any]) -> str:
    """Signed with a key that comes along in the header."""
    key = rsa_key("thief")
    headers = {"kid": "one", "jwk": public_jwk(key, "one")}
    return jwt.encode(claims, key, algorithm="RS256", headers=headers)


def changed_after_signing(claims: dict[str, Any]) -> str:
    head, _, signature = jwt.encode(
        claims, rsa_key(), algorithm="RS256", headers={"kid": "one"}
    ).split(".")
    return ".".join(
        (head, _part(json.dumps(claims | {"email": "boss@x.example"}).encode()), signature)
    )


@pytest.mark.parametrize(
    "sign",
    [
        unsigned,
        hmac_with_public_key,
        with_own_key,
        changed_after_signing,
        signer(rsa_key("thief"), "one", "RS256"),
        signer(rsa_key("thief"), "two", "RS256"),
        signer(rsa_key(), "one", "RS512"),
        signer(rsa_key(), "one", "PS256"),
        signer(ec.generate_private_key(ec.SECP256R1()), "one", "ES256"),
        lambda _: "no token at all",
        lambda _: "a.b.c",
        lambda _: "x" * 20_000,
    ],
    ids=lambda sign: getattr(sign, "__name__", ""),
)
async def test_a_signature_that_is_not_the_issuers_is_nothing(
    provider: OidcProvider, there: Issuer, sign: Callable[[dict[str, Any]], str]
) -> None:
    there.sign = sign
    with pytest.raises(NotVouchedFor):
        await logged_in(provider)


async def test_keys_are_asked_for_again_when_they_change(
    provider: OidcProvider, there: Issuer, seconds: Seconds
) -> None:
    await logged_in(provider)
    there.sign_with(rsa_key("second"), "two")
    with pytest.raises(NotVouchedFor):
        await logged_in(provider)  # a moment ago there was no such key
    seconds.now += AGAIN_SECONDS
    await logged_in(provider)
    assert there.asked["/keys"] == 2
    # One that was withdrawn is not believed for ever.
    there.sign = signer(rsa_key(), "one", "RS256")
    with pytest.raises(NotVouchedFor):
        await logged_in(provider)
    there.keys = []
    there.sign = signer(rsa_key("second"), "two", "RS256")
    await logged_in(provider)
    seconds.now += FRESH_SECONDS
    with pytest.raises(NotVouchedFor):
        await logged_in(provider)


async def test_a_token_without_a_key_id_needs_a_single_key(
    provider: OidcProvider, there: Issuer, seconds: Seconds
) -> None:
    there.sign = signer(rsa_key(), None, "RS256")
    await logged_in(provider)
    there.keys = [public_jwk(rsa_key(), "one"), public_jwk(rsa_key("second"), "two")]
    seconds.now += FRESH_SECONDS
    with pytest.raises(NotVouchedFor):
        await logged_in(provider)


@pytest.mark.parametrize(
    "key",
    [
        public_jwk(rsa.generate_private_key(public_exponent=65537, key_size=1024), "one"),
        public_jwk(ec.generate_private_key(ec.SECP384R1()), "one") | {"alg": "RS256"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "one", "alg": "HS256"},
        public_jwk(rsa_key(), "one") | {"use": "enc"},
        public_jwk(rsa_key(), "one") | {"alg": "RS512"},
        {"kty": "RSA", "kid": "one"},
        {"kty": "RSA", "kid": "one", "n": "!", "e": 3},
    ],
)
async def test_a_key_that_is_not_fit_is_not_used(
    provider: OidcProvider, there: Issuer, key: dict[str, Any]
) -> None:
    there.keys = [key]
    with pytest.raises(NotVouchedFor):
        await logged_in(provider)


async def test_only_who_began_can_finish(provider: OidcProvider) -> None:
    code = await code_from(provider)
    with pytest.raises(NotVouchedFor, match="400"):
        await provider.email(Errand(ERRAND.state, ERRAND.nonce, "x" * 64), code)
    code = await code_from(provider)
    with pytest.raises(NotVouchedFor, match="another log-in"):
        await provider.email(Errand(ERRAND.state, "x" * 64, ERRAND.verifier), code)
    with pytest.raises(NotVouchedFor, match="400"):
        await provider.email(ERRAND, code)  # used


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://another.example"},
        {"token_endpoint": "http://another.example/token"},
        {"jwks_uri": "http://127.0.0.1@another.example/keys"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": 7},
    ],
)
async def test_what_it_says_of_itself_is_checked(
    provider: OidcProvider, there: Issuer, discovery: dict[str, Any]
) -> None:
    there.discovery = discovery
    with pytest.raises(NotVouchedFor):
        await provider.address(ERRAND)


async def test_one_that_is_away_is_away(seconds: Seconds) -> None:
    with issuer() as there:
        provider = OidcProvider(client(there.url), SystemClock(), seconds)
        there.status = 503
        with pytest.raises(Unavailable):
            await provider.address(ERRAND)
        there.status = 200
        code = await code_from(provider)
        there.status = 500
        with pytest.raises(Unavailable):
            await provider.email(ERRAND, code)
    with pytest.raises(Unavailable):
        await provider.email(ERRAND, "code")
    await provider.close()


async def test_an_endless_answer_is_cut_off(provider: OidcProvider, there: Issuer) -> None:
    there.discovery = {"more": "x" * 1_000_000}
    with pytest.raises(NotVouchedFor, match="too large"):
        await provider.address(ERRAND)


def test_a_provider_that_anybody_can_pretend_to_be_is_refused() -> None:
    for url in ("http://id.example", "ftp://id.example", "id.example", ""):
        with pytest.raises(BadSettings):
            OidcProvider(client(url), SystemClock())


def _part(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
