"""`loyalnest keys rotate-master|rotate-merchant|status|erase`: the keys of shops."""

import argparse
import os
import secrets
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from uuid import uuid4

from infra.cli.join import use_running_stack
from infra.embedded.errors import EmbeddedError

if TYPE_CHECKING:
    from contracts.keys import KeyInfo, MasterKeyProgress

NOTICE_SECONDS = 60
"""How long a new master key is known before it wraps: every process has read the file by then."""
LOOK_SECONDS = 0.5

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add(what: Commands) -> None:
    """The commands and their arguments."""
    about = "wrap the keys of all shops under a new master key"
    master = what.add_parser("rotate-master", help=about, description=about)
    master.add_argument(
        "--notice",
        type=int,
        default=NOTICE_SECONDS,
        metavar="SECONDS",
        help="how long a new key in the file is known before it is used (default: %(default)s)",
    )
    master.add_argument(
        "--drop-old",
        action="store_true",
        help="make no new key: take those out of the file under which nothing is wrapped any more",
    )
    about = "give a shop a new data key; its data is sealed anew in the background"
    merchant = what.add_parser("rotate-merchant", help=about, description=about)
    merchant.add_argument("--shop", required=True, help="its domain")
    about = "how far rotations are"
    status = what.add_parser("status", help=about, description=about)
    status.add_argument("--shop", default="", help="the keys of this shop, by its domain")
    about = "destroy all keys of a shop that has removed the app, for good"
    erase = what.add_parser("erase", help=about, description=about)
    erase.add_argument("--shop", required=True, help="its domain")
    erase.add_argument(
        "--confirm", required=True, metavar="DOMAIN", help="its domain once more: there is no undo"
    )


def run(known: argparse.Namespace) -> int:
    """Does it; answers the exit code."""
    use_running_stack()
    # Imported here: `loyalnest --help` should not wait for it.
    from adapters.crypto.keyfile import BadKeyFile
    from adapters.runtime.settings import BadSettings
    from domain.errors import LoyaltyError

    commands = {
        "rotate-master": _rotate_master,
        "rotate-merchant": _rotate_merchant,
        "status": _status,
        "erase": _erase,
    }
    try:
        commands[known.what](known)
    except (LoyaltyError, BadSettings, BadKeyFile, OSError) as error:
        print(f"loyalnest: {error}", file=sys.stderr)
        return 1
    return 0


def _rotate_master(known: argparse.Namespace) -> None:
    from adapters.runtime.client import ask
    from contracts.keys import GET_KEY_PROGRESS, ROTATE_MASTER_KEY, GetKeyProgress
    from contracts.kit import Nothing

    if known.drop_old:
        _drop_old(ask(GET_KEY_PROGRESS, GetKeyProgress()).master)
        return
    if os.environ.get("LOYALNEST_KMS", "local") == "local":
        key_id = _add_master_key(known.notice)
        while key_id not in ask(GET_KEY_PROGRESS, GetKeyProgress()).master.master_key:
            time.sleep(LOOK_SECONDS)
    progress = ask(ROTATE_MASTER_KEY, Nothing())
    while progress.finished_at is None:
        print(f"{progress.keys_left} of {progress.keys} keys left")
        time.sleep(LOOK_SECONDS)
        progress = ask(GET_KEY_PROGRESS, GetKeyProgress()).master
    _show_master(progress)


def _add_master_key(notice: int) -> str:
    """Puts a new key into the file. Says its id."""
    from adapters.tokens.keys import SigningKey, SigningKeys, read_keys, write_keys

    path = _ring()
    keys = read_keys(path)
    # Whole seconds, as the file has them; rounded up, or it would begin too early.
    begins_at = datetime.now(UTC) + timedelta(seconds=notice + 1)
    new = SigningKey.of(secrets.token_bytes(32), begins_at.replace(microsecond=0))
    write_keys(path, SigningKeys.of(*keys.keys, new))
    print(f"The master key {new.key_id} wraps from {new.begins_at:%Y-%m-%d %H:%M:%S} UTC on.")
    return new.key_id


def _drop_old(progress: "MasterKeyProgress") -> None:
    from adapters.tokens.keys import SigningKeys, read_keys, write_keys

    path = _ring()
    keys = read_keys(path)
    current = keys.signing(datetime.now(UTC))
    if progress.keys_left or current.key_id not in progress.master_key:
        raise EmbeddedError(
            f"{progress.keys_left} keys are still wrapped under an old master key; nothing changed."
        )
    old = [key for key in keys.keys if key.begins_at <= current.begins_at and key != current]
    write_keys(path, SigningKeys.of(*(key for key in keys.keys if key not in old)))
    print(f"{len(old)} old master keys are gone from {path}.")
    print("Backups from before need them; those are unreadable without a copy of the old file.")


def _ring() -> Path:
    path = os.environ.get("LOYALNEST_MASTER_KEY_FILE")
    if not path:
        raise EmbeddedError("LOYALNEST_MASTER_KEY_FILE is not set.")
    return Path(path)


def _rotate_merchant(known: argparse.Namespace) -> None:
    from adapters.runtime.client import ask
    from contracts.keys import ROTATE_MERCHANT_KEY, RotateMerchantKey

    request = RotateMerchantKey(shop_domain=known.shop)
    rotated = ask(ROTATE_MERCHANT_KEY, request, idempotency_key=str(uuid4()))
    print(f"The key {rotated.key_id} seals from now on, in place of {rotated.retired_key_id}.")


def _status(known: argparse.Namespace) -> None:
    from adapters.runtime.client import ask
    from contracts.keys import GET_KEY_PROGRESS, GetKeyProgress

    progress = ask(GET_KEY_PROGRESS, GetKeyProgress(shop_domain=known.shop))
    _show_master(progress.master)
    for key in progress.keys:
        _show_key(key)


def _show_master(progress: "MasterKeyProgress") -> None:
    print(f"Master key: {progress.master_key}")
    print(f"  {progress.keys} keys of shops, {progress.keys_left} not under it yet")
    if progress.failed:
        print(f"  {progress.failed} cannot be unwrapped by any master key that auth has")


def _show_key(key: "KeyInfo") -> None:
    since = f"since {key.created_at:%Y-%m-%d}"
    if key.destroyed_at is not None:
        since = f"on {key.destroyed_at:%Y-%m-%d}"
    elif key.retired_at is not None:
        since = f"since {key.retired_at:%Y-%m-%d}"
    print(f"{key.shop_domain}  {key.use} key {key.key_id}  {key.state} {since}")
    for left in key.rows_left:
        rows = "does not answer" if left.rows is None else f"{left.rows} rows"
        print(f"  {left.service:<12} {rows}")
    if key.destroyable_at is not None:
        print(f"  goes by itself, after {key.destroyable_at:%Y-%m-%d}, once no rows are left")


def _erase(known: argparse.Namespace) -> None:
    from adapters.runtime.client import ask
    from contracts.keys import ERASE_MERCHANT_KEYS, EraseMerchantKeys

    if known.confirm != known.shop:
        raise EmbeddedError("--confirm is not the shop's domain; nothing was erased.")
    request = EraseMerchantKeys(shop_domain=known.shop)
    erased = ask(ERASE_MERCHANT_KEYS, request, idempotency_key=str(uuid4()))
    print(f"{erased.keys} keys are destroyed. What was sealed for {known.shop} is gone for good.")
