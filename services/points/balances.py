"""What is answered of a wallet."""

from collections.abc import Sequence
from uuid import UUID

from contracts.points import Balance, StoreBalance
from domain.points.expiry import NextExpiry
from domain.points.wallet import Wallet


def balance_of(
    customer_id: UUID,
    wallet: Wallet,
    soon: NextExpiry | None,
    stores: Sequence[StoreBalance] = (),
) -> Balance:
    return Balance(
        customer_id=customer_id,
        spendable=wallet.spendable,
        pending=wallet.pending,
        lifetime=wallet.lifetime,
        spent=wallet.spent,
        expired=wallet.expired,
        next_expiry_at=None if soon is None else soon.at,
        next_expiry_points=0 if soon is None else soon.points,
        stores=tuple(stores),
    )
