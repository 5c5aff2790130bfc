"""An app that asks the demo shop."""

from collections.abc import AsyncIterator

import pytest

from tests.demo_shop.admin_graphql import Api, new_api


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    api = new_api()
    async with api.http:
        yield api
