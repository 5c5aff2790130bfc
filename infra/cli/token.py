"""`loyalnest token`: a token for development, and nothing else on standard output."""

import argparse
import sys

from infra.cli.join import use_running_stack
from infra.demo_shop.delivery import SHOP_DOMAIN


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("--shop", default=SHOP_DOMAIN, help="its domain (default: %(default)s)")
    parser.add_argument("--role", default="owner", help="the role in it (default: %(default)s)")
    parser.add_argument("--customer", metavar="ID", help="the customer a member's token is for")


def run(known: argparse.Namespace) -> int:
    """Prints it."""
    use_running_stack()
    # Imported here: `loyalnest --help` should not wait for it.
    from adapters.runtime.client import issue_development_token
    from adapters.runtime.settings import BadSettings
    from domain.errors import LoyaltyError

    try:
        token = issue_development_token(
            shop=known.shop, role=known.role, customer_id=known.customer
        )
    except (LoyaltyError, BadSettings) as error:
        print(f"loyalnest: {error}", file=sys.stderr)
        return 1
    print(token)
    return 0
