"""Members are known by ids that every service, and every later version of it, arrives at alone."""

from uuid import UUID, uuid5

import pytest

from contracts.shop import member_id

SHOP = UUID("6f1d2c3b-4a59-4e68-8d77-9c86a5b4c3d2")


def test_an_id_stays_what_it_was() -> None:
    assert member_id(SHOP, "7") == UUID("6ac5afa6-34e5-5530-98f3-81e41395fc06")


@pytest.mark.parametrize("customer", ["1", "6940095564", "9223372036854775807", "", "é", "日本"])
def test_an_id_is_the_one_that_the_standard_makes_of_shop_and_customer(customer: str) -> None:
    found = member_id(SHOP, customer)
    assert (type(found), found.version) == (UUID, 5)
    assert found == uuid5(SHOP, f"customer:{customer}")
