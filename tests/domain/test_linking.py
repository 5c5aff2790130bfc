"""Who of a shop is in which pool, and what is said of it."""

from random import Random
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from domain.linking import Link, Step, linked, pool_of, steps

POOLS = [UUID(int=number) for number in range(1, 4)]
pools = st.none() | st.sampled_from(POOLS)
claims = st.dictionaries(st.uuids(), pools, max_size=12)


def test_a_pool_is_the_same_for_the_same_index_of_one_organisation_only() -> None:
    house, other = uuid4(), uuid4()
    assert pool_of(house, "a" * 64) == pool_of(house, "a" * 64)
    assert len({pool_of(of, index * 64) for of in (house, other) for index in "ab"}) == 4


@given(claims)
def test_in_each_pool_is_the_one_with_the_smallest_id(claims: dict[UUID, UUID | None]) -> None:
    found = linked(claims)
    assert found.keys() == claims.keys()
    for pool in POOLS:
        wanting = [member for member, claimed in claims.items() if claimed == pool]
        assert [member for member in found if found[member] == pool] == sorted(wanting)[:1]


@given(claims, st.randoms())
def test_it_does_not_matter_who_came_first(claims: dict[UUID, UUID | None], chance: Random) -> None:
    others = list(claims.items())
    chance.shuffle(others)
    assert linked(dict(others)) == linked(claims)


@given(pools, st.integers(0, 9), pools)
def test_versions_grow_by_one_and_the_last_word_is_true(
    before: UUID | None, version: int, after: UUID | None
) -> None:
    said = list(steps(Link(before, version), after))
    assert [each.version for each in said] == list(range(version + 1, version + 1 + len(said)))
    if before == after:
        assert said == []
    else:
        assert (said[-1].pool_id if said[-1].joins else None) == after
        assert len(said) == (before is not None) + (after is not None)


def test_whoever_changes_pools_leaves_the_one_first() -> None:
    one, other = POOLS[:2]
    assert list(steps(Link(one, 3), other)) == [
        Step(one, joins=False, version=4),
        Step(other, joins=True, version=5),
    ]
