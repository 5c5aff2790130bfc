"""What happens: one package for each deployable service, made of use cases and their wiring."""

from typing import Final

SERVICES: Final = (
    "api_gateway",
    "auth",
    "users",
    "roles",
    "core",
    "points",
    "referrals",
    "rfm",
    "event_tracking",
    "admin_core",
    "admin_features",
    "campaign",
    "gamification",
    "frontend",
    "products",
)
