"""The mesh from outside a service: one call, for command-line tools."""

import asyncio
import os
from typing import TypeVar

import msgspec
from nats.errors import Error as NatsError

from adapters.nats.client import NatsMesh
from adapters.nats.connection import connect
from adapters.nats.vouching import Vouching
from adapters.runtime.settings import (
    APP_SECRETS,
    PREFIX,
    BadSettings,
    app_secrets,
    read_setting,
)
from contracts.auth import ISSUE_DEVELOPMENT_TOKEN, IssueDevelopmentToken
from contracts.caller import service_caller
from contracts.kit import Operation, Request
from domain.errors import Unavailable

RequestT = TypeVar("RequestT", bound=Request)
AnswerT = TypeVar("AnswerT", bound=msgspec.Struct)


def issue_development_token(*, shop: str, role: str, customer_id: str | None) -> str:
    """A token of auth's; ``customer_id`` is the customer's id at Shopify.

    Raises what ``ask`` raises: NotFound for an unknown shop, Forbidden where development log-ins
    are off.
    """
    request = IssueDevelopmentToken(
        shop_domain=shop, role=role, shopify_customer_id=customer_id or ""
    )
    return ask(ISSUE_DEVELOPMENT_TOKEN, request).token


def ask(
    operation: Operation[RequestT, AnswerT], request: RequestT, *, idempotency_key: str = ""
) -> AnswerT:
    """What the mesh answers.

    Raises BadSettings when the environment does not say where NATS is, or with which secret calls
    are signed, Unavailable when nothing answers there, and the errors that the operation declares.
    """
    url = read_setting(f"{PREFIX}NATS_URL", os.environ)
    if not url:
        raise BadSettings("Nothing runs here: LOYALNEST_NATS_URL is not set.")
    secrets = app_secrets(*(read_setting(f"{PREFIX}{name}", os.environ) for name in APP_SECRETS))
    if not secrets:
        raise BadSettings("LOYALNEST_SHOPIFY_CLIENT_SECRET is not set.")
    return asyncio.run(_call(url, Vouching(secrets), operation, request, idempotency_key))


async def _call(
    url: str,
    vouching: Vouching,
    operation: Operation[RequestT, AnswerT],
    request: RequestT,
    idempotency_key: str,
) -> AnswerT:
    try:
        client = await connect(url, "command line")
    except (NatsError, OSError) as error:
        raise Unavailable("NATS does not answer; is LoyalNest running?") from error
    try:
        return await NatsMesh(client, vouching).call(
            operation, request, service_caller("command_line"), idempotency_key=idempotency_key
        )
    finally:
        await client.close()
