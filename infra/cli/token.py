"""`loyalnest token`: a token for development, and nothing else on standard output."""

import argparse

from infra.cli.join import use_running_stack


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("--shop", required=True, help="such as demo-store.myshopify.com")
    parser.add_argument("--role", required=True, help="the role the bearer has in that shop")
    parser.add_argument("--customer", metavar="ID", help="the customer a member's token is for")


def run(known: argparse.Namespace) -> int:
    """Prints it."""
    use_running_stack()
    print(issue(known.shop, known.role, known.customer))
    return 0


def issue(shop: str, role: str, customer: str | None) -> str:
    """Asks auth for a token, over NATS."""
    from adapters.runtime.client import issue_development_token

    return issue_development_token(shop=shop, role=role, customer_id=customer)
