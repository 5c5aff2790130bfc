"""Keys and passwords of one home: random, made once, readable by their owner only."""

import base64
import os
from dataclasses import dataclass
from pathlib import Path

from infra.embedded.home import Home, write_private

CLIENT_ID = "LOYALNEST_SHOPIFY_CLIENT_ID"
CLIENT_SECRET = "LOYALNEST_SHOPIFY_CLIENT_SECRET"  # noqa: S105 - the name of a setting
DEMO_CLIENT_ID = "loyalnest-demo"


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the servers and services of one home authenticate with."""

    nats_password: str
    postgres_password: str
    postgres_owner_password: str
    valkey_password: str
    shopify_client_id: str
    shopify_client_secret: str
    master_key_file: Path
    jwt_key_file: Path


def load(home: Home) -> Secrets:
    """Reads the secrets of a home and makes those it does not have yet."""
    folder = home.secrets
    return Secrets(
        nats_password=_text(folder / "nats"),
        postgres_password=_text(folder / "postgres"),
        postgres_owner_password=_text(folder / "postgres-owner"),
        valkey_password=_text(folder / "valkey"),
        shopify_client_id=os.environ.get(CLIENT_ID) or DEMO_CLIENT_ID,
        shopify_client_secret=(
            os.environ.get(CLIENT_SECRET) or _text(folder / "shopify-client-secret")
        ),
        master_key_file=_key(folder / "master.key"),
        jwt_key_file=_key(folder / "jwt.key"),
    )


def _text(path: Path) -> str:
    """A password that needs no quoting in a URL or a configuration file."""
    if not path.exists():
        write_private(path, os.urandom(24).hex() + "\n")
    return path.read_text().strip()


def _key(path: Path) -> Path:
    """A file with 32 random bytes in base64."""
    if not path.exists():
        write_private(path, base64.b64encode(os.urandom(32)).decode() + "\n")
    return path
