"""`loyalnest keys`: new keys in place of old ones, while everything runs."""

import argparse
import os
import secrets
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra.cli import shop_keys
from infra.cli.join import use_running_stack
from infra.embedded.home import Home, default_home


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    about = "a new key that signs access tokens, in a minute; the old one is accepted meanwhile"
    signing = what.add_parser("rotate-signing", help=about, description=about)
    signing.add_argument(
        "--file", type=Path, help="the key ring (default: LOYALNEST_JWT_KEY_FILE, or the home's)"
    )
    signing.add_argument(
        "--compromised",
        action="store_true",
        help="at once, and accept no token that the old keys signed",
    )
    shop_keys.add(what)


def run(known: argparse.Namespace) -> int:
    """Does what was asked for; answers the exit code."""
    return _rotate_signing(known) if known.what == "rotate-signing" else shop_keys.run(known)


def _rotate_signing(known: argparse.Namespace) -> int:
    """Writes the new key and says when it begins to sign."""
    use_running_stack(needed=False)
    # Imported here: `loyalnest --help` should not wait for it.
    from adapters.crypto.keyfile import BadKeyFile
    from adapters.tokens.keys import NOTICE, SigningKey, SigningKeys, read_keys, write_keys

    setting = os.environ.get("LOYALNEST_JWT_KEY_FILE")
    path = known.file or Path(setting or Home(default_home()).secrets / "jwt.key")
    now = datetime.now(UTC)
    try:
        keys = read_keys(path)
        newest = keys.keys[-1].begins_at
        if newest > now and not known.compromised:
            print(
                f"loyalnest: the newest key in {path} begins only at {newest:%H:%M:%S} UTC;"
                " nothing was changed.",
                file=sys.stderr,
            )
            return 1
        # Whole seconds, as the file has them; rounded up, or a key would begin too early.
        begins_at = now if known.compromised else now + NOTICE + timedelta(seconds=1)
        new = SigningKey.of(secrets.token_bytes(32), begins_at.replace(microsecond=0))
        write_keys(path, SigningKeys.of(new) if known.compromised else keys.rotated(new, now))
    except (BadKeyFile, OSError) as error:
        print(f"loyalnest: {error}", file=sys.stderr)
        return 1
    print(f"The key {new.key_id} signs from {new.begins_at:%Y-%m-%d %H:%M:%S} UTC on.")
    return 0
