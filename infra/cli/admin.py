"""`loyalnest admin`: the first member of LoyalNest's staff, and one who cannot get in any more."""

import argparse
import getpass
import sys

from infra.cli.join import use_running_stack


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    about = "make an admin; the password is asked for, or read from standard input"
    create = what.add_parser("create", help=about, description=about)
    create.add_argument("--email", required=True)
    create.add_argument(
        "--role", default="superadmin", help="superadmin, analyst, support or points"
    )
    about = "a new authenticator and new recovery codes for an admin who has lost theirs"
    reset = what.add_parser("reset-mfa", help=about, description=about)
    reset.add_argument("--email", required=True)
    reset.add_argument("--new-password", action="store_true", help="ask for a new password, too")


def run(known: argparse.Namespace) -> int:
    """Prints what the admin needs to log in, once."""
    use_running_stack()
    # Imported here: `loyalnest --help` should not wait for it.
    from adapters.runtime.client import ask
    from adapters.runtime.settings import BadSettings
    from contracts.admins import CREATE_ADMIN, RECOVER_ADMIN, CreateAdmin, RecoverAdmin
    from domain.errors import LoyaltyError

    try:
        if known.what == "create":
            made = ask(
                CREATE_ADMIN,
                CreateAdmin(email=known.email, password=_new_password(), role=known.role),
            )
        else:
            password = _new_password() if known.new_password else ""
            made = ask(RECOVER_ADMIN, RecoverAdmin(email=known.email, new_password=password))
    except (LoyaltyError, BadSettings, EOFError) as error:
        print(f"loyalnest: {str(error) or 'no password was given'}", file=sys.stderr)
        for problem in getattr(error, "problems", ()):
            print(f"  {problem.pointer.lstrip('/')}: {problem.detail}", file=sys.stderr)
        return 1
    print("Authenticator (as a QR code, or the secret typed in); shown only now:")
    print(f"  {made.otpauth_uri}")
    print(f"  {made.secret}")
    print("Recovery codes, each good for one log-in without it; shown only now:")
    for code in made.recovery_codes:
        print(f"  {code}")
    return 0


def _new_password() -> str:
    """Typed twice without being shown; the first line of standard input where nobody types.
    Raises EOFError when there is none."""
    if not sys.stdin.isatty():
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.rstrip("\r\n")
    while True:
        password = getpass.getpass("New password (12 characters or more): ")
        if password == getpass.getpass("Once more: "):
            return password
        print("These were two different ones.", file=sys.stderr)
