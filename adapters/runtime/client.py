"""The mesh from outside a service: one call, for command-line tools."""

import asyncio
import os

from nats.errors import Error as NatsError

from adapters.nats.client import NatsMesh
from adapters.nats.connection import connect
from adapters.runtime.settings import PREFIX, BadSettings
from contracts.auth import ISSUE_DEVELOPMENT_TOKEN, IssueDevelopmentToken, Token
from contracts.caller import service_caller
from domain.errors import Unavailable


def issue_development_token(*, shop: str, role: str, customer_id: str | None) -> str:
    """A token of auth's; ``customer_id`` is the customer's id at Shopify.

    Raises BadSettings when the environment does not say where NATS is, Unavailable when nothing
    answers there, and what auth says: NotFound for an unknown shop, Forbidden where development
    log-ins are off.
    """
    url = os.environ.get(f"{PREFIX}NATS_URL")
    if not url:
        raise BadSettings("Nothing runs here: LOYALNEST_NATS_URL is not set.")
    request = IssueDevelopmentToken(
        shop_domain=shop, role=role, shopify_customer_id=customer_id or ""
    )
    return asyncio.run(_call(url, request)).token


async def _call(url: str, request: IssueDevelopmentToken) -> Token:
    try:
        client = await connect(url, "command line")
    except (NatsError, OSError) as error:
        raise Unavailable("NATS does not answer; is LoyalNest running?") from error
    try:
        return await NatsMesh(client).call(
            ISSUE_DEVELOPMENT_TOKEN, request, service_caller("command_line")
        )
    finally:
        await client.close()
