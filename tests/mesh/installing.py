"""What tests of getting in from Shopify share."""

from typing import Any

import httpx

from adapters.postgres.connection import text
from adapters.postgres.tenancy import ACROSS_SHOPS
from contracts import auth
from tests.mesh.said import mesh_of
from tests.mesh.shopify import TEST, Shopify

BEFORE = "the secret that the app had before it"


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def claims(at: Shopify, token: str) -> auth.TokenClaims:
    asked = auth.ValidateToken(token=token)
    return await mesh_of(at.process).call(auth.VALIDATE_TOKEN, asked, TEST)


async def rows(at: Shopify, statement: str, **values: object) -> list[Any]:
    async with at.edge.world.database("auth").transaction(ACROSS_SHOPS) as connection:
        return list(await connection.execute(text(statement), values))
