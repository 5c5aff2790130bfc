"""Tokens of browsers: those that Shopify made for this app, a shop and now; no others at all."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.shopify.session_tokens import ShopifySessionTokens
from contracts.installs import InvalidSessionToken
from infra.demo_shop.admin.credentials import App, extension_token, session_token

CLIENT = "our-client-id"
SECRET = "the secret that the app has with Shopify now, as long as SHA512 likes it"
BEFORE = "the secret that the app had before, until now"
SHOP = "one-shop.myshopify.com"
APP = App(CLIENT, SECRET)

Minted = Callable[..., str]


class Now:
    """The real time: the library, whose part this is too, has no other."""

    def now(self) -> datetime:
        return datetime.now(UTC)


TOKENS = ShopifySessionTokens(CLIENT, SECRET, BEFORE, Now())


def staff(app: App = APP, shop: str = SHOP, ago: float = 0, **changes: Any) -> str:
    at = datetime.now(UTC) - timedelta(seconds=ago)
    return session_token(app, shop, "548380009", at, **changes)


def customer(app: App = APP, shop: str = SHOP, ago: float = 0, **changes: Any) -> str:
    at = datetime.now(UTC) - timedelta(seconds=ago)
    return extension_token(app, shop, "207119551", at, **changes)


def refused(token: str) -> None:
    """By both: what one kind of token lacks makes it none of the other kind."""
    for check in (TOKENS.staff, TOKENS.customer):
        with pytest.raises(InvalidSessionToken):
            check(token)


def test_what_shopify_made_holds() -> None:
    proof = TOKENS.staff(staff(jti="j1"))
    assert (proof.shop_domain, proof.user_id, proof.token_id) == (SHOP, "548380009", "j1")
    left = proof.expires_at - datetime.now(UTC)
    assert timedelta(seconds=60) < left <= timedelta(seconds=70)
    assert TOKENS.customer(customer()).customer_id == "207119551"
    assert TOKENS.customer(customer()).shop_domain == SHOP
    nobody = TOKENS.customer(customer(sub=None))
    assert (nobody.shop_domain, nobody.customer_id) == (SHOP, "")


def test_the_secret_before_is_good_and_no_other() -> None:
    assert TOKENS.staff(staff(APP._replace(secret=BEFORE))).shop_domain == SHOP
    assert TOKENS.customer(customer(APP._replace(secret=BEFORE))).shop_domain == SHOP
    for mint in (staff, customer):
        refused(mint(APP._replace(secret="a secret that somebody made up by himself")))
    alone = ShopifySessionTokens(CLIENT, SECRET, "", Now())
    with pytest.raises(InvalidSessionToken):
        alone.staff(staff(APP._replace(secret=BEFORE)))


def test_neither_kind_is_the_other() -> None:
    with pytest.raises(InvalidSessionToken):
        TOKENS.customer(staff())
    with pytest.raises(InvalidSessionToken):
        TOKENS.staff(customer())
    # Not even one that was made up from both.
    with pytest.raises(InvalidSessionToken):
        TOKENS.staff(staff(sub="gid://shopify/Customer/1"))
    with pytest.raises(InvalidSessionToken):
        TOKENS.customer(customer(sub="1"))


@pytest.mark.parametrize("algorithm", ["none", "HS384", "HS512"])
def test_no_other_algorithm(algorithm: str) -> None:
    for mint in (staff, customer):
        claims = jwt.decode(mint(), options={"verify_signature": False})
        key = "" if algorithm == "none" else SECRET
        refused(jwt.encode(claims, key, algorithm=algorithm))


def test_a_token_whose_content_was_changed() -> None:
    for mint in (staff, customer):
        head, _, signature = mint().split(".")
        _, body, _ = mint(shop="other.myshopify.com").split(".")
        refused(f"{head}.{body}.{signature}")


@pytest.mark.parametrize("mint", [staff, customer])
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat", "aud", "dest", "jti"])
def test_no_claim_is_missing(mint: Minted, claim: str) -> None:
    refused(mint(**{claim: None}))


@pytest.mark.parametrize("claim", ["iss", "sub", "sid"])
def test_staff_need_an_issuer_a_subject_and_a_session(claim: str) -> None:
    without: dict[str, Any] = {claim: None}
    with pytest.raises(InvalidSessionToken):
        TOKENS.staff(staff(**without))


@pytest.mark.parametrize("mint", [staff, customer])
def test_times_have_ten_seconds_of_leeway_and_no_more(mint: Minted) -> None:
    check = TOKENS.staff if mint is staff else TOKENS.customer
    life = 60 if mint is staff else 300
    check(mint(ago=life + 8))
    check(mint(ago=-8))
    refused(mint(ago=life + 11))
    refused(mint(ago=-12))
    now = int(datetime.now(UTC).timestamp())
    refused(mint(nbf=now + 30))
    refused(mint(iat=now + 30))
    refused(mint(exp=now + 3600))  # far longer than any of Shopify's lives


NOT_SHOPS = [
    "", "myshopify.com", ".myshopify.com", "-a.myshopify.com", "a.myshopify.com.",
    "a.myshopify.com.evil.example", "a.myshopify.com:443", "evil.example", "a.b.myshopify.com",
    "evil.example/a.myshopify.com", "evil.example#.myshopify.com", "a@evil.example",
    "evilmyshopify.com", "a.myshopify.com\n", "a.myshopify.com/", "a_b.myshopify.com",
    "ä.myshopify.com", "a.myshopify.com%00", "x" * 64 + ".myshopify.com",
]  # fmt: skip


@pytest.mark.parametrize("domain", NOT_SHOPS)
def test_what_is_no_shop_is_nobody(domain: str) -> None:
    refused(staff(shop=domain))
    refused(customer(shop=domain))
    refused(customer(dest=f"https://{domain}"))


@pytest.mark.parametrize(
    ("iss", "dest"),
    [
        ("https://two.myshopify.com/admin", f"https://{SHOP}"),
        (f"https://{SHOP}/admin", "https://two.myshopify.com"),
        (f"https://{SHOP}", f"https://{SHOP}"),
        (f"https://{SHOP}/admin/", f"https://{SHOP}"),
        (f"https://{SHOP}.evil.example/admin", f"https://{SHOP}"),
        (f"http://{SHOP}/admin", f"http://{SHOP}"),
        (f"https://{SHOP}@evil.example/admin", f"https://{SHOP}@evil.example"),
        ("https://[", "https://["),
    ],
)
def test_issuer_and_destination_are_the_same_shop(iss: str, dest: str) -> None:
    refused(staff(iss=iss, dest=dest))


def test_a_customers_issuer_is_the_shop_where_there_is_one() -> None:
    assert TOKENS.customer(customer(iss=f"https://{SHOP}")).shop_domain == SHOP
    refused(customer(iss="https://two.myshopify.com"))


@pytest.mark.parametrize("aud", ["other", [CLIENT], "", 7])
def test_it_is_meant_for_this_app(aud: object) -> None:
    refused(staff(aud=aud))
    refused(customer(aud=aud))


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=30),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)


@given(
    claim=st.sampled_from(["iss", "dest", "aud", "sub", "exp", "nbf", "iat", "jti", "sid"]),
    value=ANYTHING,
)
def test_rubbish_in_a_signed_token_is_refused_and_never_a_fault(claim: str, value: Any) -> None:
    """Signed like Shopify's, so that only the check of the claim itself stands in the way."""
    changes: dict[str, Any] = {claim: value}
    for mint, check in ((staff, TOKENS.staff), (customer, TOKENS.customer)):
        try:
            token = mint(**changes)
        except (TypeError, ValueError):
            continue  # PyJWT does not write such a token
        try:
            proof = check(token)
        except InvalidSessionToken:
            continue
        # What passes says the same as the token that was changed.
        assert proof.shop_domain == SHOP
        assert claim not in ("iss", "dest", "aud", "exp") or value is None


@given(st.text(max_size=200) | st.from_regex(r"[\w-]{1,40}\.[\w-]{1,40}\.[\w-]{1,40}"))
def test_rubbish_is_no_token(text: str) -> None:
    refused(text)


def test_a_token_as_long_as_a_book_is_not_read() -> None:
    refused(staff(jti="x" * 5000))


def test_a_refusal_says_nothing_of_the_token() -> None:
    with pytest.raises(InvalidSessionToken) as refusal:
        TOKENS.staff(staff(dest="https://evil.example"))
    assert refusal.value.detail == InvalidSessionToken.title
