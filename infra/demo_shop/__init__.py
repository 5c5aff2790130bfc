"""The shop that is not there: a believable stream of signed webhooks, and what it must earn."""

from infra.demo_shop.seed import seed

__all__ = ["seed"]
