"""What a shop grants the app."""

from adapters.shopify.context import Sealing
from adapters.shopify.payloads import ScopesPayload
from adapters.shopify.values import utc
from contracts.shop import ScopesChanged


def scopes_changed(payload: ScopesPayload, to: Sealing) -> ScopesChanged:
    changed_at = payload.updated_at or to.merchant.triggered_at
    return ScopesChanged(
        granted=tuple(sorted(set(payload.current))), changed_at=utc(changed_at, "/updated_at")
    )
