"""Store credit: accounts by customer and currency, money onto them and off them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from infra.demo_shop.admin.api.errors import UserError, done, refused
from infra.demo_shop.admin.api.ids import split
from infra.demo_shop.admin.api.pages import Listing, connection
from infra.demo_shop.admin.api.records import CreditAccount, Transaction
from infra.demo_shop.admin.api.refusals import invalid_id
from infra.demo_shop.admin.api.shop import Shop
from infra.demo_shop.admin.api.views import Arguments, Ask, Resolver, View, gid, instant, money

ACCOUNT: Final = "StoreCreditAccount"
MOST: Final = Decimal(15_000)
"""An account does not hold more; at Shopify it depends on the currency."""
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


def account_view(account: CreditAccount) -> View:
    return View(
        ACCOUNT,
        {
            "id": gid(ACCOUNT, account.number),
            "balance": lambda ask, _: money(account.balance(ask.now), account.currency),
            "owner": lambda ask, _: ask.node("Customer", account.customer_id),
            "transactions": lambda ask, args: connection(
                ask, args, account.transactions, _transactions(account)
            ),
        },
    )


def _transaction_view(account: CreditAccount, made: Transaction) -> View:
    credit = made.amount > 0
    kind = "StoreCreditAccountCreditTransaction" if credit else "StoreCreditAccountDebitTransaction"
    fields: dict[str, Any] = {
        "id": gid(kind, made.number),
        "account": account_view(account),
        "amount": money(made.amount, account.currency),
        "balanceAfterTransaction": money(made.balance_after, account.currency),
        "createdAt": instant(made.created_at),
        "event": "ADJUSTMENT",
        "origin": None,
    }
    if credit:
        fields["expiresAt"] = instant(made.expires_at)
        fields["remainingAmount"] = money(made.remaining, account.currency)
    return View(kind, fields)


def _transactions(account: CreditAccount) -> Listing:
    return Listing(
        "StoreCreditAccountTransaction",
        lambda made: _transaction_view(account, made),
        lambda made: made.number,
        sorts={"CREATED_AT": lambda made: made.created_at.timestamp()},
    )


CREDIT_ACCOUNTS: Final = Listing(
    ACCOUNT,
    account_view,
    lambda account: account.number,
    lambda shop, number: shop.credit.get(number),
)


def _find(shop: Shop, given: Any, currency: str, *, make: bool) -> CreditAccount | UserError:
    """The account that an id of it, or of its owner and the currency, means."""
    type_name, number = split(given)
    if type_name == ACCOUNT:
        account = shop.credit.get(number)
        if account is None:
            return UserError(("id",), "Store credit account does not exist", "ACCOUNT_NOT_FOUND")
        return account
    if type_name != "Customer":
        raise invalid_id(str(given))
    if shop.customer(number) is None and make:
        return UserError(("id",), "Owner does not exist", "OWNER_NOT_FOUND")
    for each in shop.credit.values():
        if (each.customer_id, each.currency) == (number, currency):
            return each
    if not make:
        return UserError(("id",), "Store credit account does not exist", "ACCOUNT_NOT_FOUND")
    return CreditAccount(shop.numbers.next(), number, currency)


def _credit(ask: Ask, args: Arguments) -> View:
    payload, given = "StoreCreditAccountCreditPayload", args["creditInput"]
    way = ("creditInput", "creditAmount")
    amount, currency = given["creditAmount"]["amount"], given["creditAmount"]["currencyCode"]
    expires_at = given.get("expiresAt")
    account = _find(ask.shop, args["id"], currency, make=True)
    error = account if isinstance(account, UserError) else None
    if error is None and isinstance(account, CreditAccount):
        error = _wrong(account, way, amount, currency, "credit")
        if error is None and expires_at is not None and expires_at <= ask.now:
            error = UserError(
                ("creditInput", "expiresAt"),
                "The expiry date must be in the future",
                "EXPIRES_AT_IN_PAST",
            )
        if error is None and account.balance(ask.now) + amount > MOST:
            error = UserError(
                (*way, "amount"),
                "The operation would cause the account's credit limit to be exceeded",
                "CREDIT_LIMIT_EXCEEDED",
            )
    if error is not None or isinstance(account, UserError):
        errors = [] if error is None else [error]
        return refused(payload, _error("Credit"), errors, "storeCreditAccountTransaction")
    ask.shop.credit.put(account.number, account)
    after = account.balance(ask.now) + amount
    made = Transaction(ask.shop.numbers.next(), amount, after, ask.now, amount, expires_at)
    account.transactions.append(made)
    return done(payload, storeCreditAccountTransaction=_transaction_view(account, made))


def _debit(ask: Ask, args: Arguments) -> View:
    payload, given = "StoreCreditAccountDebitPayload", args["debitInput"]
    way = ("debitInput", "debitAmount")
    amount, currency = given["debitAmount"]["amount"], given["debitAmount"]["currencyCode"]
    account = _find(ask.shop, args["id"], currency, make=False)
    error = account if isinstance(account, UserError) else None
    if error is None and isinstance(account, CreditAccount):
        error = _wrong(account, way, amount, currency, "debit")
        if error is None and account.balance(ask.now) < amount:
            error = UserError(
                (*way, "amount"),
                "The store credit account does not have sufficient funds to satisfy the request",
                "INSUFFICIENT_FUNDS",
            )
    if error is not None or isinstance(account, UserError):
        errors = [] if error is None else [error]
        return refused(payload, _error("Debit"), errors, "storeCreditAccountTransaction")
    _spend(account, amount, ask.now)
    after = account.balance(ask.now)
    made = Transaction(ask.shop.numbers.next(), -amount, after, ask.now)
    account.transactions.append(made)
    return done(payload, storeCreditAccountTransaction=_transaction_view(account, made))


def _spend(account: CreditAccount, amount: Decimal, now: datetime) -> None:
    """What ends first goes first."""
    credits_left = [
        each
        for each in account.transactions
        if each.remaining and (each.expires_at is None or each.expires_at > now)
    ]
    for each in sorted(credits_left, key=lambda made: made.expires_at or _NEVER):
        taken = min(each.remaining, amount)
        each.remaining -= taken
        amount -= taken


def _wrong(
    account: CreditAccount, way: tuple[str, str], amount: Decimal, currency: str, verb: str
) -> UserError | None:
    if amount <= 0:
        message = f"A positive amount must be used to {verb} a store credit account"
        return UserError((*way, "amount"), message, "NEGATIVE_OR_ZERO_AMOUNT")
    if currency != account.currency:
        return UserError(
            (*way, "currencyCode"),
            "The currency provided does not match the currency of the store credit account",
            "MISMATCHING_CURRENCY",
        )
    return None


def _error(kind: str) -> str:
    return f"StoreCreditAccount{kind}UserError"


CREDIT_MUTATIONS: Final[dict[str, Resolver]] = {
    "storeCreditAccountCredit": _credit,
    "storeCreditAccountDebit": _debit,
}
