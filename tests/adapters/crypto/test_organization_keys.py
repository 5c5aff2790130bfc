"""Pools under an organisation's key: the same for one address, another for everybody else."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.crypto.merchant_keys import MerchantKeyMaker
from adapters.crypto.organization_keys import MeshOrganizationKeys
from adapters.crypto.sealer import AesGcmSealer
from contracts.organizations import GetOrganizationKey, OrganizationKey
from domain.errors import DeadlineExceeded, NotFound, Unavailable
from domain.keys import KeysShut
from tests.keys import new_key
from tests.ports.test_kms import in_files

SHOP = UUID(int=7)
MANAGEMENT = in_files(b"m" * 32)


@dataclass
class Auth:
    """Has these wrapped keys, by organisation; is ``away`` instead, if that is set."""

    wrapped: dict[UUID, str] = field(default_factory=dict)
    away: Exception | None = None
    asked_for: list[UUID] = field(default_factory=list)

    async def call(self, *asked: Any, **_: Any) -> Any:
        _, request, caller = asked
        if self.away is not None:
            raise self.away
        assert isinstance(request, GetOrganizationKey)
        self.asked_for.append(caller.merchant_id)
        if request.organization_id not in self.wrapped:
            raise NotFound
        return OrganizationKey(
            organization_id=request.organization_id,
            wrapped_key=self.wrapped[request.organization_id],
        )


class Given:
    def __init__(self) -> None:
        self.auth = Auth()
        self.keys = MeshOrganizationKeys(self.auth, MANAGEMENT, "test")

    async def founded(self) -> UUID:
        organization_id = uuid4()
        new = await MerchantKeyMaker(MANAGEMENT).new_organization_key(organization_id)
        self.auth.wrapped[organization_id] = new.wrapped
        return organization_id


@pytest.fixture
def given() -> Given:
    return Given()


async def test_one_address_is_one_pool_however_it_is_spelled(given: Given) -> None:
    pools = await given.keys.pools(SHOP, await given.founded())
    assert given.auth.asked_for == [SHOP]
    assert pools.of("Ada@X.example") == pools.of(" ada@x.example ")
    assert pools.of("Zoe\u0308@x.example") == pools.of("zo\u00eb@x.example")
    assert pools.of("ada@x.example") != pools.of("adb@x.example")
    assert pools.of("") is pools.of("  ") is None
    assert pools.of("\ud800@x.example") is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada@straße.example", "ada@strasse.example"),
        ("λόγος@x.example", "λόγοσ@x.example"),
        ("weiß@x.example", "weiss@x.example"),
        ("ＡＤＡ@x.example", "ada@x.example"),
    ],
)
async def test_what_may_be_two_mailboxes_is_two_pools(given: Given, one: str, other: str) -> None:
    """Of two people: domains like these are sold to whoever comes first."""
    pools = await given.keys.pools(SHOP, await given.founded())
    assert pools.of(one) != pools.of(other)


async def test_the_key_of_another_organisation_makes_other_pools(given: Given) -> None:
    one, other = await given.founded(), await given.founded()
    address = "ada@x.example"
    ours = (await given.keys.pools(SHOP, one)).of(address)
    assert ours == (await given.keys.pools(SHOP, one)).of(address)
    assert ours != (await given.keys.pools(SHOP, other)).of(address)
    # Nor does its id alone, or the index of a shop, say anything of it.
    again = await MerchantKeyMaker(MANAGEMENT).new_organization_key(one)
    given.auth.wrapped[one] = again.wrapped
    assert ours != (await given.keys.pools(SHOP, one)).of(address)
    index = AesGcmSealer().blind_index(new_key(SHOP), address)
    assert ours is not None
    assert index not in ours.hex


async def test_a_key_of_another_organisation_opens_nothing_and_is_logged_once(
    given: Given, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = await given.founded(), await given.founded()
    right = given.auth.wrapped[one]
    given.auth.wrapped[one] = given.auth.wrapped[other]
    for _ in range(3):
        with pytest.raises(KeysShut):
            await given.keys.pools(SHOP, one)
    assert len(caplog.records) == 1
    given.auth.wrapped[one] = right
    assert await given.keys.pools(SHOP, one)


async def test_of_an_organisation_that_the_shop_is_not_in_there_is_nothing(given: Given) -> None:
    with pytest.raises(NotFound):
        await given.keys.pools(SHOP, uuid4())


@pytest.mark.parametrize("away", [DeadlineExceeded(), Unavailable()])
async def test_while_auth_is_away_it_is_unavailable(given: Given, away: Exception) -> None:
    given.auth.away = away
    with pytest.raises(Unavailable):
        await given.keys.pools(SHOP, uuid4())
