"""What the API says no with: to a whole document, or to one field of it."""

from collections.abc import Sequence
from typing import Any, Final

from graphql import GraphQLError

UNKNOWN: Final = "DEMO_SHOP_DOES_NOT_KNOW"
"""Not Shopify's: what is asked for exists there, and not here."""


def unknown(what: str) -> GraphQLError:
    return GraphQLError(f"The demo shop does not know {what}.", extensions={"code": UNKNOWN})


def bad_request(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": "BAD_REQUEST"})


def access_denied(field: str, any_of: Sequence[str]) -> GraphQLError:
    required = " or ".join(f"`{each}` access scope" for each in any_of) + "."
    return GraphQLError(
        f"Access denied for {field} field. Required access: {required}",
        extensions={
            "code": "ACCESS_DENIED",
            "documentation": "https://shopify.dev/api/usage/access-scopes",
            "requiredAccess": required,
        },
    )


def invalid_id(gid: str) -> GraphQLError:
    return GraphQLError(
        f"Invalid global id '{gid}'", extensions={"code": "argumentLiteralsIncompatible"}
    )


def throttled() -> dict[str, Any]:
    return {
        "message": "Throttled",
        "extensions": {
            "code": "THROTTLED",
            "documentation": "https://shopify.dev/api/usage/rate-limits",
        },
    }


def too_costly(cost: int, most: int) -> dict[str, Any]:
    message = (
        f"Query cost is {cost}, which exceeds the single query max cost limit ({most}).\n\n"
        "See https://shopify.dev/concepts/about-apis/rate-limits for more information on how the\n"
        "cost of a query is calculated.\n"
    )
    return {
        "message": message,
        "extensions": {
            "code": "MAX_COST_EXCEEDED",
            "cost": cost,
            "maxCost": most,
            "documentation": "https://shopify.dev/api/usage/rate-limits",
        },
    }
