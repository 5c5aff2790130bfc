"""`loyalnest admin` against a running mesh: the first admin, and one who lost everything."""

import asyncio
import os
import pty
import sys
from pathlib import Path
from uuid import uuid4

from tests.conftest import Run
from tests.mesh.staff import ADMIN, PASSWORD, App, Colleague, House, house

COMMAND = (sys.executable, "-m", "infra.cli.main", "admin")


async def command(
    environment: dict[str, str], *words: str, typed: str = ""
) -> tuple[int, str, str]:
    """Exit code, output and errors of `loyalnest admin …` with this on standard input."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *words, env=os.environ | environment, stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(typed.encode()), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def at_a_terminal(environment: dict[str, str], *words: str, typed: list[str]) -> tuple[int, str]:
    """The same for somebody who types when asked: exit code, and all that the screen shows."""
    child, screen = pty.fork()
    if child == 0:
        os.execve(COMMAND[0], (*COMMAND, *words), os.environ | environment)
    shown = b""
    answers = [f"{each}\n".encode() for each in typed]
    try:
        while part := os.read(screen, 1024):
            shown += part
            if answers and shown.endswith(b": "):
                os.write(screen, answers.pop(0))
    except OSError:
        pass  # a terminal that nobody has any more cannot be read (Linux)
    finally:
        os.close(screen)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()


def colleague(email: str, password: str, out: str) -> Colleague:
    """Somebody who has what was printed."""
    _, uri, secret, _, *codes = (line.strip() for line in out.strip().splitlines())
    assert uri.startswith("otpauth://totp/LoyalNest:")
    assert len(codes) == 10
    return Colleague(uuid4(), email, password, App(secret), tuple(codes))


async def may_look(here: House, who: Colleague) -> int:
    await here.log_in(who)
    return (await here.get(f"{ADMIN}/admins", who.token)).status_code


async def test_the_first_admin_and_one_who_lost_everything(
    run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    email = f"First.{uuid4().hex}@staff.example"
    async with house(run) as here:
        code, out, err = await command(
            environment, "create", "--email", email, typed=f"{PASSWORD}\n"
        )
        assert (code, err) == (0, "")
        assert PASSWORD not in out
        first = colleague(email, PASSWORD, out)
        assert await may_look(here, first) == 200

        # As in a container: the address is in a file.
        secret = tmp_path / "nats_url"
        secret.write_text(environment["LOYALNEST_NATS_URL"])
        hidden = environment | {
            "LOYALNEST_NATS_URL": "", "LOYALNEST_NATS_URL_FILE": str(secret),
        }  # fmt: skip
        code, out, _ = await command(hidden, "reset-mfa", "--email", email.lower())
        assert code == 0
        lost = first.app.secret
        again = colleague(email, PASSWORD, out)
        assert again.app.secret != lost
        assert await may_look(here, again) == 200

        code, shown = await asyncio.to_thread(
            at_a_terminal, environment, "reset-mfa", "--email", email, "--new-password",
            typed=["not the same twice", "as this one here", "a new row of words",
                   "a new row of words"],
        )  # fmt: skip
        assert code == 0, shown
        assert "two different ones" in shown
        assert "row of words" not in shown
        assert (await here.first(again)).status_code == 401
        again.password = "a new row of words"
        assert (await here.first(again)).status_code == 200


async def test_what_is_wrong_is_said(run: Run, environment: dict[str, str]) -> None:
    email = f"{uuid4().hex}@staff.example"
    async with run("auth"):
        code, out, err = await command(
            environment, "create", "--email", "nobody", "--role", "king", typed="short\n"
        )
        assert (code, out) == (1, "")
        assert [line.split(":")[0].strip() for line in err.splitlines()[1:]] == [
            "email", "role", "password",
        ]  # fmt: skip
        answers = await asyncio.gather(
            *(
                command(environment, "create", "--email", email, typed=f"{PASSWORD}\n")
                for _ in range(2)
            )
        )
        assert sorted(each[0] for each in answers) == [0, 1]
        assert "an admin already" in "".join(each[2] for each in answers)
        code, _, err = await command(
            environment, "reset-mfa", "--email", f"{uuid4().hex}@x.example"
        )
        assert (code, "no admin" in err) == (1, True)
        code, _, err = await command(environment, "create", "--email", email)
        assert (code, "no password" in err) == (1, True)
