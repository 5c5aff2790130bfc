"""Questions about store credit: the account with the book beside it, and the credit itself."""

from typing import Final

from adapters.shopify.admin.documents import (
    MUTATION_COST,
    Answer,
    Node,
    Question,
    Repeat,
    UserError,
)

KEY: Final = "store_credits"
"""Of the metafield that is the book."""
NEWEST: Final = 50
"""Transactions of an account that are looked at."""


class Money(Answer, frozen=True):
    amount: str
    currency_code: str


class Transaction(Answer, frozen=True):
    """Without ``id`` and ``amount`` it is something else than a credit."""

    id: str = ""
    amount: Money | None = None


class Transactions(Answer, frozen=True):
    nodes: list[Transaction]


class Account(Answer, frozen=True):
    balance: Money
    transactions: Transactions


class Accounts(Answer, frozen=True):
    nodes: list[Account]


class Kept(Answer, frozen=True):
    value: str
    compare_digest: str


class Owner(Answer, frozen=True):
    metafield: Kept | None
    store_credit_accounts: Accounts


class BookFound(Answer, frozen=True):
    customer: Owner | None


STORE_CREDIT_BOOK: Final = Question(
    f"""query StoreCreditBook($customer: ID!) {{
  customer(id: $customer) {{
    metafield(key: "{KEY}") {{ value compareDigest }}
    storeCreditAccounts(first: 5) {{
      nodes {{
        balance {{ amount currencyCode }}
        transactions(first: {NEWEST}, sortKey: CREATED_AT, reverse: true) {{
          nodes {{
            ... on StoreCreditAccountCreditTransaction {{ id amount {{ amount currencyCode }} }}
          }}
        }}
      }}
    }}
  }}
}}""",
    BookFound,
    300,
)
"""Without a search: an index of Shopify's may be behind."""


class BookKept(Answer, frozen=True):
    user_errors: list[UserError]


class MetafieldsSet(Answer, frozen=True):
    metafields_set: BookKept


KEEP_STORE_CREDIT_BOOK: Final = Question(
    """mutation KeepStoreCreditBook($metafields: [MetafieldsSetInput!]!) {
  metafieldsSet(metafields: $metafields) { userErrors { code field } }
}""",
    MetafieldsSet,
    MUTATION_COST,
)
"""Compare-and-set: a repeat is told that the book has changed."""


class Credited(Answer, frozen=True):
    transaction: Node | None
    user_errors: list[UserError]


class CreditGiven(Answer, frozen=True):
    given: Credited


GIVE_STORE_CREDIT: Final = Question(
    """mutation GiveStoreCredit($account: ID!, $credit: StoreCreditAccountCreditInput!) {
  given: storeCreditAccountCredit(id: $account, creditInput: $credit) {
    transaction: storeCreditAccountTransaction { id }
    userErrors { code field }
  }
}""",
    CreditGiven,
    MUTATION_COST,
    Repeat.NEVER,
)
