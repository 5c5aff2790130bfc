"""What referrals relies on: friends' orders and accounts, the program, whose shop it is."""

from uuid import UUID

from contracts import auth, core, shop
from services.referrals.ordering import BuyersOrder
from tests.contracts.pacts import Calls, Pact, Part, Reads
from tests.contracts.parts import KEYS_OF_SHOPS, Program


class Friend(Part, frozen=True, kw_only=True):
    customer_id: UUID
    email_index: str = ""


class ShopOfLink(Part, frozen=True, kw_only=True):
    shop_domain: str


PACT = Pact(
    "referrals",
    reads=(
        Reads(shop.ORDER_EVENTS, BuyersOrder),
        Reads((shop.CUSTOMER_CREATED, shop.CUSTOMER_UPDATED), Friend),
        Reads((core.SETTINGS_UPDATED,), Program),
    ),
    calls=(
        Calls(
            auth.VALIDATE_MERCHANT,
            {"merchant_id": "01985a3c-7d52-7c4e-9b1f-2f6d8c0e4a11"},
            ShopOfLink,
        ),
        *KEYS_OF_SHOPS,
    ),
)
