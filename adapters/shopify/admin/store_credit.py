"""Store credit, given once, though Shopify has nothing that tells a repeat from a first.

``storeCreditAccountCredit`` takes no key, no note and no id of ours, and the API's idempotency keys
are for other mutations. So a book is kept beside the account: a metafield of the customer that only
this app can read and write, changed by compare-and-set. What is about to be given is entered first,
with the newest credit of the account at that moment. Whoever finds an entry without its transaction
looks for it among the credits that are newer. If it is there, it is entered and answered. If it is
not, it may still come for as long as a request can take at Shopify; only after ``SETTLED`` is it
certain that it never did, and is given again. Until then, and wherever two credits could be
mistaken for each other, the outcome is not known, and nothing is given.

One mistake is left: staff who credit the same amount by hand, between a try whose answer was lost
and which failed, and its repeat. That credit is then taken for ours.
"""

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from adapters.shopify.admin.client import AdminClient, done
from adapters.shopify.admin.credits import (
    GIVE_STORE_CREDIT,
    KEEP_STORE_CREDIT_BOOK,
    KEY,
    NEWEST,
    STORE_CREDIT_BOOK,
)
from adapters.shopify.admin.documents import Question, gid, number_of
from adapters.shopify.admin.errors import (
    AccessDenied,
    AnswerLost,
    Declined,
    Misunderstood,
    NotAsked,
)
from contracts.installs import AccessLost
from domain.points.benefits import StoreCredit
from ports.clock import Clock
from ports.issuing import OutcomeUnknown

SETTLED: Final = timedelta(minutes=10)
"""After so long a request that Shopify got is done or never will be."""
_KEPT: Final = 50
_TRIES: Final = 5
_NOT_CLEAR: Final = "Whether Shopify has given this store credit is not known yet."


class _Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """``newest`` is the newest credit when ``by`` (one try) entered this, at ``at``;
    ``transaction`` the credit that it became."""

    amount: str
    currency: str
    at: datetime
    by: str
    newest: str = ""
    transaction: str = ""


_Book = dict[str, _Entry]


class _Credit(NamedTuple):
    id: str
    amount: Decimal

    @property
    def number(self) -> int:
        return int(number_of(self.id))


class _Found(NamedTuple):
    """``credits`` are in the currency that is asked for, the newest first; ``is_all``: there are no
    older ones."""

    book: _Book
    digest: str | None
    credits: list[_Credit]
    is_all: bool


class StoreCredits:
    """``new_try`` makes a text that no other try has."""

    def __init__(
        self,
        client: AdminClient,
        clock: Clock,
        new_try: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._client = client
        self._clock = clock
        self._new_try = new_try

    async def give(
        self, merchant_id: UUID, redemption_id: UUID, customer_id: str, credit: StoreCredit
    ) -> str:
        """The id of the transaction, the same for every repeat.

        Raises OutcomeUnknown, Declined, and what ``AdminClient.ask`` does but AnswerLost.
        """
        account = _Account(self._client, merchant_id, gid("Customer", customer_id), credit)
        own, by = redemption_id.hex, self._new_try()
        for _ in range(_TRIES):
            found = await account.look()
            entry = found.book.get(own)
            if entry is not None and entry.transaction:
                return entry.transaction
            if entry is None or (entry.by != by and self._never_came(found, entry)):
                newest = found.credits[0].id if found.credits else ""
                entry = _Entry(
                    _plain(credit.amount), credit.currency, self._clock.now(), by, newest
                )
                await account.keep(found, own, entry)  # and look whether that was us
            elif entry.by == by:
                return await self._given(account, own, entry)
            else:
                came = _that_came(found, own, entry)
                if await account.keep(found, own, msgspec.structs.replace(entry, transaction=came)):
                    return came
        raise OutcomeUnknown(_NOT_CLEAR)

    def _never_came(self, found: _Found, entry: _Entry) -> bool:
        """Whether what another try has entered was certainly not given. Raises OutcomeUnknown when
        nobody can say."""
        news = _newer(found, entry)
        if any(_is_like(each, entry) for each in _free(found, news)):
            return False
        is_seen = found.is_all or len(news) < len(found.credits)
        if self._clock.now() - entry.at < SETTLED or not is_seen:
            raise OutcomeUnknown(_NOT_CLEAR)
        return True

    async def _given(self, account: "_Account", own: str, entry: _Entry) -> str:
        try:
            transaction = await account.credit()
        except AnswerLost:
            raise OutcomeUnknown(_NOT_CLEAR) from None
        except (NotAsked, AccessLost, AccessDenied, Declined, Misunderstood):
            # Nothing was done. Should the entry stay, the next try only has to wait longer.
            with suppress(NotAsked, AnswerLost, AccessLost, AccessDenied, Declined, OutcomeUnknown):
                await account.enter(own, None)
            raise
        with suppress(NotAsked, AnswerLost, AccessLost, AccessDenied, Declined, OutcomeUnknown):
            await account.enter(own, msgspec.structs.replace(entry, transaction=transaction))
        return transaction


class _Account:
    """One customer's store credit and the book beside it."""

    def __init__(
        self, client: AdminClient, merchant_id: UUID, customer: str, credit: StoreCredit
    ) -> None:
        self._client = client
        self._merchant_id = merchant_id
        self._customer = customer
        self._credit = credit

    async def look(self) -> _Found:
        """Raises Declined for a customer who is not there."""
        owner = (await self._ask(STORE_CREDIT_BOOK, {"customer": self._customer})).customer
        if owner is None:
            raise Declined(["OWNER_NOT_FOUND"], ["id"])
        kept = owner.metafield
        try:
            book = {} if kept is None else msgspec.json.decode(kept.value, type=_Book)
        except msgspec.MsgspecError:
            raise OutcomeUnknown(_NOT_CLEAR) from None
        made = [
            each
            for account in owner.store_credit_accounts.nodes
            if account.balance.currency_code == self._credit.currency
            for each in account.transactions.nodes
        ]
        given = [_Credit(each.id, Decimal(each.amount.amount)) for each in made if each.amount]
        digest = None if kept is None else kept.compare_digest
        return _Found(book, digest, given, len(made) < NEWEST)

    async def keep(self, found: _Found, own: str, entry: _Entry | None) -> bool:
        """Write the book as it was found, but for one entry; False if it has changed meanwhile."""
        book = {key: each for key, each in found.book.items() if key != own}
        if entry is not None:
            book[own] = entry
        done_with = sorted((each.at, key) for key, each in book.items() if each.transaction)
        for _, key in done_with[:-_KEPT]:
            del book[key]
        metafield = {
            "ownerId": self._customer,
            "key": KEY,
            "type": "json",
            "value": msgspec.json.encode(book).decode(),
            "compareDigest": found.digest,
        }
        answer = await self._ask(KEEP_STORE_CREDIT_BOOK, {"metafields": [metafield]})
        try:
            done(answer.metafields_set.user_errors)
        except Declined as declined:
            if declined.codes != ("STALE_OBJECT",):
                raise
            return False
        return True

    async def enter(self, own: str, entry: _Entry | None) -> None:
        for _ in range(_TRIES):
            if await self.keep(await self.look(), own, entry):
                return

    async def credit(self) -> str:
        answer = await self._client.ask(
            self._merchant_id,
            GIVE_STORE_CREDIT,
            {
                "account": self._customer,
                "credit": {
                    "creditAmount": {
                        "amount": _plain(self._credit.amount),
                        "currencyCode": self._credit.currency,
                    }
                },
            },
        )
        done(answer.given.user_errors)
        if answer.given.transaction is None:
            raise AnswerLost
        return answer.given.transaction.id

    async def _ask(self, question: Question[Any], variables: Mapping[str, Any]) -> Any:
        """Reading and writing the book alone gives nothing, whatever becomes of it."""
        try:
            return await self._client.ask(self._merchant_id, question, variables)
        except AnswerLost:
            raise NotAsked from None


def _newer(found: _Found, entry: _Entry) -> list[_Credit]:
    """The credits that came after the entry was made."""
    before = int(number_of(entry.newest)) if entry.newest else 0
    return [each for each in found.credits if each.number > before]


def _free(found: _Found, some: list[_Credit]) -> list[_Credit]:
    """Those that no entry has for its own."""
    taken = {each.transaction for each in found.book.values()}
    return [each for each in some if each.id not in taken]


def _is_like(credit: _Credit, entry: _Entry) -> bool:
    return credit.amount == Decimal(entry.amount)


def _that_came(found: _Found, own: str, entry: _Entry) -> str:
    """The credit that the entry became. Raises OutcomeUnknown when it may be another's."""
    came = {each for each in _free(found, _newer(found, entry)) if _is_like(each, entry)}
    rivals = [
        each
        for key, each in found.book.items()
        if key != own
        and not each.transaction
        and (Decimal(each.amount), each.currency) == (Decimal(entry.amount), entry.currency)
        and not came.isdisjoint(_newer(found, each))
    ]
    if len(came) <= len(rivals):
        raise OutcomeUnknown(_NOT_CLEAR)
    return min(came, key=lambda each: each.number).id


def _plain(amount: Decimal) -> str:
    return format(amount, "f")
