"""`loyalnest ledger verify|export|move`: proof that nobody changed it, and where it is kept."""

import argparse
import asyncio
import sys
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Final
from uuid import UUID

from infra.cli import ledger_export, ledger_move
from infra.cli.join import use_running_stack
from infra.cli.ledger_shop import points_database, points_on_mongo, shop_named
from infra.embedded.errors import EmbeddedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from domain.points.chain import Head, Proof
    from ports.chain import ChainReader


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    about = "prove that entries, their chain of hashes and wallets agree; says what does not first"
    verify = what.add_parser("verify", help=about, description=about)
    verify.add_argument("--shop", help="its domain, or our id of it (default: every shop)")
    verify.add_argument(
        "--head", action="store_true", help="print the last hash, to be kept elsewhere"
    )
    verify.add_argument(
        "--since-head",
        metavar="HEAD",
        help="prove, too, that nothing was rewritten since this head was printed; needs --shop",
    )
    ledger_export.add(what)
    ledger_move.add(what)


def run(known: argparse.Namespace) -> int:
    """Does it; answers the exit code, 1 for a ledger that does not agree."""
    use_running_stack()
    # Imported here: `loyalnest --help` should not wait for it.
    from adapters.runtime.settings import BadSettings
    from domain.errors import LoyaltyError

    try:
        return _DO[known.what](known)
    except (LoyaltyError, BadSettings, OSError) as error:
        print(f"loyalnest: {error}", file=sys.stderr)
        return 1


def _verify(known: argparse.Namespace) -> int:
    since = _head(known.since_head)
    if since is not None and known.shop is None:
        raise EmbeddedError("--since-head is about one shop; name it with --shop.")
    shop = None if known.shop is None else shop_named(known.shop)
    return asyncio.run(_proven(shop, since, head=known.head))


_DO: Final = {"verify": _verify, "export": ledger_export.run, "move": ledger_move.run}


def _head(written: str | None) -> "Head | None":
    from domain.points.chain import head_of

    try:
        return None if written is None else head_of(written)
    except ValueError as error:
        raise EmbeddedError(f"--since-head: {error}.") from error


async def _proven(shop: UUID | None, since: "Head | None", *, head: bool) -> int:
    from services.points.chaining import verify

    wrong = 0
    async with _ledger() as reading:
        async with reading() as reader:
            shops = [shop] if shop else await reader.shops()
        for each in shops:
            # One after the other: PostgreSQL keeps what a transaction could still want to see.
            async with reading() as reader:
                proof = await verify(reader, each, since)
            wrong += proof.first is not None
            _tell(proof, head=head)
    return 1 if wrong else 0


@asynccontextmanager
async def _ledger() -> "AsyncIterator[Callable[[], AbstractAsyncContextManager[ChainReader]]]":
    """What reads it, where points are kept."""
    if (mongo := points_on_mongo()) is not None:
        from adapters.mongo.chain import MongoChainReader

        try:
            yield lambda: nullcontext(MongoChainReader(mongo))
        finally:
            await mongo.close()
        return
    from adapters.postgres.chain import AS_OF_NOW, PostgresChainReader

    database = points_database()

    @asynccontextmanager
    async def as_of_now() -> "AsyncIterator[ChainReader]":
        async with database.transaction(AS_OF_NOW) as connection:
            yield PostgresChainReader(connection)

    try:
        yield as_of_now
    finally:
        await database.close()


def _tell(proof: "Proof", *, head: bool) -> None:
    blocks = 0 if proof.head is None else proof.head.number
    print(
        f"{proof.merchant_id}  {proof.entries} entries of {proof.members} members,"
        f" {blocks} blocks, the newest {proof.unsealed} entries not sealed yet"
    )
    if proof.first is None and not (proof.entries or proof.head):
        print("  there is nothing of this shop")
    elif proof.first is None:
        print("  all agrees")
    else:
        more = f" (the first of {proof.faults})" if proof.faults > 1 else ""
        print(f"  DOES NOT AGREE{more}")
        print(f"  {proof.first}")
    if head and proof.head is not None:
        print(f"  head {proof.head}")
