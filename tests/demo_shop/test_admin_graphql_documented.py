"""Every query and mutation of docs/demo-shop.md, asked; and all that it says is served, is."""

import re
from pathlib import Path

import pytest

from infra.demo_shop.admin.api.roots import MUTATIONS, QUERIES
from tests.demo_shop.admin_graphql import new_api
from tests.demo_shop.samples import order

PAGE = (Path(__file__).parents[2] / "docs" / "demo-shop.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("document", re.findall(r"```graphql\n(.*?)```", PAGE, re.DOTALL))
async def test_an_example_is_answered(document: str) -> None:
    api = new_api()
    api.shop.add_customer(770001)
    api.shop.hear("orders/create", order(1, customer=770001))
    for answered in (await api.data(document)).values():
        assert answered.get("userErrors", []) == []
        assert answered.get("nodes") != []
    await api.http.aclose()


def test_the_page_names_all_that_is_served() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    named = set(re.findall(r"`(\w+)`", "".join(rows)))
    named |= {"codeDiscountNode", "codeDiscountNodes", "discountNode", "discountNodes"}
    # Not asked for at the root.
    named -= {"metafield", "metafields"}
    assert named == {*QUERIES.fields, *MUTATIONS.fields}
