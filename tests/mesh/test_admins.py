"""LoyalNest's own staff over the gateway: two factors, nobody locked out, nobody left alone."""

import asyncio
import time
import unicodedata
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio

from adapters.postgres.connection import text
from adapters.postgres.tenancy import ACROSS_SHOPS
from contracts import admins, auth
from contracts.admins import AdminChange
from contracts.caller import ANYONE, NO_SHOP, Audience, Caller, service_caller
from domain.admins.errors import LogInRefused
from domain.admins.guessing import PATIENCE, Pace
from domain.admins.staff import CHALLENGE_TRIES
from domain.errors import Forbidden, Unauthenticated
from tests.conftest import Run, eventually
from tests.mesh.said import heard, mesh_of, world_of
from tests.mesh.staff import ADMIN, PASSWORD, App, Colleague, House, house, refusal

REFUSED = (401, "LOG_IN_REFUSED")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(run: Run) -> AsyncIterator[House]:
    async with house(run) as open_house:
        yield open_house


async def test_two_factors_open_a_session_and_every_code_counts_once(here: House) -> None:
    anna = await here.hire()
    first = await here.first(anna)
    assert first.status_code == 200
    assert first.json()["step"] == "code"
    challenge, code = first.json()["challenge"], anna.app.code()
    given = (await here.second(challenge, code)).json()
    assert given["device_token"]
    assert (given["recovery_codes"], given["recovery_codes_left"]) == ([], 10)
    token = given["session"]["token"]
    listed = await here.get(f"{ADMIN}/admins", token)
    assert listed.status_code == 200
    assert anna.email in {each["email"] for each in listed.json()["admins"]}

    # Neither the challenge nor the code is good for a second time.
    assert refusal(await here.second(challenge, anna.app.code())) == REFUSED
    assert refusal(await here.second(await here.challenge(anna), code)) == REFUSED
    # A challenge is no token, a token no challenge.
    assert (await here.get(f"{ADMIN}/admins", challenge)).status_code == 401
    assert refusal(await here.second(token, anna.app.code())) == REFUSED

    # Whoever may do everything here still may do nothing in a shop.
    for path in ("/v1/api/core/settings", "/v1/api/audit", "/v1/api/auth/impersonations"):
        assert (await here.get(path, token)).status_code == 403

    claims = await _claims(here, token)
    assert (claims.audience, claims.subject, claims.role) == (
        "admin", str(anna.admin_id), "superadmin",
    )  # fmt: skip
    refreshed = await here.post(
        "/v1/api/auth/refresh", refresh_token=given["session"]["refresh_token"]
    )
    assert (await here.get(f"{ADMIN}/admins", refreshed.json()["token"])).status_code == 200
    # Only for a day's work, however often it is refreshed.
    ends = datetime.fromisoformat(refreshed.json()["refresh_expires_at"])
    assert ends <= datetime.now(UTC) + timedelta(hours=12)


async def test_the_same_code_at_the_same_moment_opens_one_session(here: House) -> None:
    anna = await here.hire()
    challenges = [await here.challenge(anna) for _ in range(3)]
    code = anna.app.code()
    answers = await asyncio.gather(*(here.second(each, code) for each in challenges))
    assert Counter(each.status_code for each in answers) == {200: 1, 401: 2}
    recovery = anna.recovery_codes[0]
    challenges = [await here.challenge(anna) for _ in range(3)]
    answers = await asyncio.gather(*(here.second(each, recovery) for each in challenges))
    assert Counter(each.status_code for each in answers) == {200: 1, 401: 2}


async def test_a_recovery_code_stands_in_once_however_it_is_written(here: House) -> None:
    anna = await here.hire()
    one, other, *_ = anna.recovery_codes
    given = await here.log_in(anna, one.lower().replace("-", " "))
    assert given["recovery_codes_left"] == 9
    assert refusal(await here.second(await here.challenge(anna), one)) == REFUSED

    # New ones need the authenticator, and make the old ones worthless.
    path = f"{ADMIN}/auth/recovery-codes"
    assert refusal(await here.post(path, anna.token, code=other)) == REFUSED
    fresh = (await here.post(path, anna.token, code=anna.app.code())).json()["codes"]
    assert len(set(fresh)) == 10
    assert refusal(await here.second(await here.challenge(anna), other)) == REFUSED
    assert (await here.log_in(anna, fresh[3]))["recovery_codes_left"] == 9

    somebody = await here.hire()
    assert refusal(await here.second(await here.challenge(somebody), fresh[4])) == REFUSED


async def test_codes_cannot_be_tried_one_after_another(here: House) -> None:
    anna = await here.hire()
    challenge = await here.challenge(anna)
    for _ in range(CHALLENGE_TRIES):
        assert refusal(await here.second(challenge, "000000")) == REFUSED
    assert refusal(await here.second(challenge, anna.app.code())) == REFUSED
    # With new challenges not either: who has the password is counted by the account.
    for _ in range(2):
        challenge = await here.challenge(anna)
        for _ in range(CHALLENGE_TRIES):
            await here.second(challenge, "000000")
    assert refusal(await here.second(await here.challenge(anna), anna.app.code())) == REFUSED


async def test_whatever_is_wrong_the_answer_is_the_same_and_takes_as_long(here: House) -> None:
    anna, boss = await here.hire("analyst"), await here.at_work()
    disabled = await here.hire("analyst")
    path = f"{ADMIN}/admins/disable"
    answer = await here.post(path, boss.token, admin_id=str(disabled.admin_id))
    assert answer.json()["status"] == "disabled"
    nobody = Colleague(uuid4(), f"{uuid4().hex}@staff.example", PASSWORD, App(""), ())
    locked = await here.hire("analyst")
    await _fail_from_everywhere(here, locked)

    said: set[str] = set()
    best: dict[str, float] = {}
    for _ in range(3):  # in turn, so that whatever else the machine does is the same for all
        for who, password in (
            (anna, "a wrong password"), (nobody, PASSWORD), (disabled, PASSWORD),
            (locked, PASSWORD),
        ):  # fmt: skip
            started = time.process_time()
            said.add((await here.first(who, password)).text)
            seconds = time.process_time() - started
            best[who.email] = min(seconds, best.get(who.email, seconds))
    assert len(said) == 1
    # Of the processor's time, which others do not add to. Hashing a password takes nearly all of
    # it: not to do it would be twenty times as quick.
    assert max(best.values()) < 4 * min(best.values())


async def test_a_stranger_keeps_nobody_out_of_a_known_device(here: House) -> None:
    anna, other = await here.hire(), await here.at_work()
    await here.log_in(anna)
    for _ in range(PATIENCE[Pace.SOURCE].free + 1):
        assert refusal(await here.first(anna, "a stranger's guess")) == REFUSED
    await _go_on_for_days(here, anna)
    # The right password does not help the stranger, nor somebody else's device.
    assert refusal(await here.first(anna)) == REFUSED
    guess = await here.first(anna, device_token=other.device_token)
    assert refusal(guess) == REFUSED
    await here.log_in(anna)
    # From elsewhere she is no stranger either: it is the source that was tried too often.
    elsewhere = Caller(audience=Audience.ANYONE, actor="anyone", source="elsewhere")
    request = admins.LogInAdmin(email=anna.email, password=PASSWORD)
    mesh = mesh_of(here.process)
    assert await mesh.call(admins.LOG_IN_ADMIN, request, elsewhere)

    # Many sources are strangers together. That closes new devices only.
    await _fail_from_everywhere(here, anna)
    with pytest.raises(LogInRefused):
        await mesh.call(admins.LOG_IN_ADMIN, request, elsewhere)
    known = admins.LogInAdmin(email=anna.email, password=PASSWORD, device_token=anna.device_token)
    assert await mesh.call(admins.LOG_IN_ADMIN, known, elsewhere)


async def test_guesses_at_the_same_moment_are_as_many_guesses(here: House) -> None:
    anna = await here.hire()
    await asyncio.gather(*(here.first(anna, f"a wrong password {number}") for number in range(8)))
    async with world_of(here.process).database("auth").transaction(ACROSS_SHOPS) as connection:
        looked_at = await connection.execute(
            text(
                "SELECT max(failures) FROM admin_failures JOIN admin_users"
                " ON account = email_index WHERE admin_id = :id"
            ),
            {"id": anna.admin_id},
        )
    assert looked_at.scalar_one() == pytest.approx(PATIENCE[Pace.SOURCE].free, abs=0.1)


async def test_an_invitation_makes_one_admin_however_many_accept(here: House) -> None:
    boss = await here.at_work()
    email = f"New.Colleague.{uuid4().hex}@Staff.example"
    path = f"{ADMIN}/invitations"
    old = await here.post(path, boss.token, email=email, role="analyst")
    made = await here.post(path, boss.token, email=email.lower(), role="support")
    assert (old.status_code, made.status_code) == (201, 201)
    spent = await here.post(f"{path}/accept", token=old.json()["token"], password=PASSWORD)
    assert refusal(spent) == (404, "INVITATION_SPENT")
    listed = (await here.get(path, boss.token)).json()["invitations"]
    assert [each["role"] for each in listed if each["email"] == email.lower()] == ["support"]
    assert made.json()["token"] not in str(listed)

    bad = await here.post(f"{path}/accept", token=made.json()["token"], password="too short")
    assert refusal(bad) == (400, "INVALID_REQUEST")
    assert [each["pointer"] for each in bad.json()["errors"]] == ["/password"]
    answers = await asyncio.gather(
        *(
            here.post(f"{path}/accept", token=made.json()["token"], password=PASSWORD)
            for _ in range(4)
        )
    )
    assert Counter(each.status_code for each in answers) == {200: 1, 404: 3}
    (challenge,) = (each.json() for each in answers if each.status_code == 200)
    assert challenge["step"] == "enrol"
    found = await here.get(f"{ADMIN}/admins", boss.token)
    (new,) = (each for each in found.json()["admins"] if each["email"] == email.lower())
    assert (new["role"], new["enrolled"]) == ("support", False)

    # A second invitation of somebody who is there is refused; without a code nobody gets in.
    again = await here.post(path, boss.token, email=email, role="support")
    assert refusal(again) == (409, "ADMIN_EXISTS")
    await _enrol(here, challenge["challenge"])


async def test_an_authenticator_is_set_up_before_anything_else(here: House) -> None:
    boss = await here.at_work()
    email = f"{uuid4().hex}@staff.example"
    path = f"{ADMIN}/invitations"
    made = await here.post(path, boss.token, email=email, role="analyst")
    accepted = await here.post(f"{path}/accept", token=made.json()["token"], password=PASSWORD)
    # Not with a code that was never shown, and not with another challenge.
    challenge = accepted.json()["challenge"]
    assert refusal(await here.second(challenge, "000000")) == REFUSED
    wrong = await here.post(f"{ADMIN}/auth/mfa/enrol", challenge=await here.challenge(boss))
    assert refusal(wrong) == REFUSED

    new = Colleague(uuid4(), email, PASSWORD, App(""), ())
    rival = await here.challenge(new)
    rivals = await here.post(f"{ADMIN}/auth/mfa/enrol", challenge=rival)
    given = await _enrol(here, challenge, new)
    assert len(given["recovery_codes"]) == 10
    # Whoever was setting up another one at the same time is out.
    assert refusal(await here.post(f"{ADMIN}/auth/mfa/enrol", challenge=rival)) == REFUSED
    assert refusal(await here.second(rival, App(rivals.json()["secret"]).code())) == REFUSED
    assert (await here.first(new)).json()["step"] == "code"
    await here.log_in(new)

    # Another authenticator: the old one holds until the new one was used.
    path = f"{ADMIN}/auth/mfa/replace"
    no = await here.post(path, new.token, password="a wrong password", code="000000")
    assert refusal(no) == REFUSED
    code = given["recovery_codes"][0]
    replaced = await here.post(path, new.token, password=PASSWORD, code=code)
    assert replaced.json()["step"] == "enrol"
    before = new.app
    await _enrol(here, replaced.json()["challenge"], new)
    assert before.secret != new.app.secret
    assert refusal(await here.second(await here.challenge(new), before.code())) == REFUSED
    assert refusal(await here.second(await here.challenge(new), code)) == REFUSED


async def test_a_changed_password_ends_every_session(here: House) -> None:
    anna = await here.at_work("support")
    path = f"{ADMIN}/auth/password"
    # A long one, whose letters a keyboard may put together in two ways.
    new = unicodedata.normalize("NFD", "é" * 200 + "another row of words")
    short = await here.post(path, anna.token, current_password=PASSWORD, new_password="x")
    assert [each["pointer"] for each in short.json()["errors"]] == ["/new_password"]
    wrong = await here.post(path, anna.token, current_password="guess", new_password=new)
    assert refusal(wrong) == REFUSED
    open_challenge = await here.challenge(anna)
    done = await here.post(path, anna.token, current_password=PASSWORD, new_password=new)
    assert done.status_code == 200
    await eventually(lambda: _status(here, anna), lambda status: status == 401)
    refreshed = await here.post("/v1/api/auth/refresh", refresh_token=anna.session["refresh_token"])
    assert refreshed.status_code == 401
    assert refusal(await here.second(open_challenge, anna.app.code())) == REFUSED
    assert refusal(await here.first(anna)) == REFUSED
    anna.password = unicodedata.normalize("NFC", new)
    await here.log_in(anna)
    assert (await here.first(anna, new)).status_code == 200
    assert refusal(await here.first(anna, new[:-1])) == REFUSED

    shop = Caller(audience=Audience.MERCHANT, actor="staff:1", merchant_id=uuid4(), role="owner")
    request = admins.ChangePassword(current_password=new, new_password=PASSWORD)
    with pytest.raises(Forbidden):
        await mesh_of(here.process).call(admins.CHANGE_PASSWORD, request, shop)


async def test_who_is_shut_out_is_out_at_once_and_somebody_remains(here: House) -> None:
    await _nobody_else(here)
    boss = await here.at_work()
    anna = await here.at_work("support")
    said = await heard(here.process, admins.ADMIN_CHANGED, NO_SHOP)
    path = f"{ADMIN}/admins"

    async def about(what: str, who: Colleague, by: Colleague, **more: str) -> httpx.Response:
        body = {"admin_id": str(who.admin_id)} | more
        return await here.post(f"{path}/{what}", by.token, **body)

    assert (await about("disable", boss, anna)).status_code == 403
    halfway = await here.challenge(anna)
    assert (await about("disable", anna, boss)).json()["status"] == "disabled"
    await eventually(lambda: _status(here, anna), lambda status: status == 401)
    assert refusal(await here.second(halfway, anna.app.code())) == REFUSED
    assert refusal(await here.first(anna)) == REFUSED
    assert (await about("disable", anna, boss)).status_code == 200
    assert (await about("enable", anna, boss)).json()["status"] == "active"
    await here.log_in(anna)

    for last in (
        await about("disable", boss, boss), await about("role", boss, boss, role="analyst"),
    ):  # fmt: skip
        assert refusal(last) == (409, "LAST_SUPERADMIN")
    # Somebody who could not log in is no help.
    made = await here.post(
        f"{ADMIN}/invitations", boss.token, email=f"{uuid4().hex}@staff.example", role="superadmin"
    )
    accepted = await here.post(
        f"{ADMIN}/invitations/accept", token=made.json()["token"], password=PASSWORD
    )
    assert refusal(await about("disable", boss, boss)) == (409, "LAST_SUPERADMIN")
    await _enrol(here, accepted.json()["challenge"])

    # Two who shut each other out at the same moment: one of them stays.
    other = await here.at_work()
    for each in (await _listed(here, boss)).values():
        if each["role"] == "superadmin" and each["admin_id"] not in (
            str(boss.admin_id), str(other.admin_id),
        ):  # fmt: skip
            gone = await here.post(f"{path}/disable", boss.token, admin_id=each["admin_id"])
            assert gone.status_code == 200
    both = await asyncio.gather(about("disable", boss, other), about("disable", other, boss))
    assert Counter(each.status_code for each in both) <= Counter({200: 1, 409: 1, 401: 1})
    changes = await eventually(lambda: _said(said, anna.admin_id), lambda found: len(found) >= 2)
    assert changes == [AdminChange.DISABLED, AdminChange.ENABLED]

    unknown = await here.post(f"{path}/disable", other.token, admin_id=str(uuid4()))
    assert unknown.status_code in (401, 404)


async def test_nobody_slips_in_while_being_shut_out(here: House) -> None:
    boss, anna = await here.at_work(), await here.hire("support")
    challenges = [await here.challenge(anna) for _ in range(4)]
    answers = await asyncio.gather(
        *(here.second(each, anna.recovery_codes[n]) for n, each in enumerate(challenges[:2])),
        here.post(f"{ADMIN}/admins/disable", boss.token, admin_id=str(anna.admin_id)),
        *(here.second(each, anna.recovery_codes[n]) for n, each in enumerate(challenges[2:], 2)),
    )
    assert answers.pop(2).status_code == 200
    for answer in answers:
        if answer.status_code == 200:
            anna.session = answer.json()["session"]
            await eventually(lambda: _status(here, anna), lambda status: status == 401)
        else:
            assert refusal(answer) == REFUSED


async def test_pages_of_colleagues_are_whole(here: House) -> None:
    boss = await here.at_work()
    hired = {(await here.hire("analyst")).email for _ in range(3)}
    found, cursor = [], None
    while True:
        asked = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await here.get(f"{ADMIN}/admins", boss.token, **asked)).json()
        assert len(page["admins"]) <= 2
        found += [each["email"] for each in page["admins"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(found) == len(set(found))
    assert hired | {boss.email} <= set(found)
    bad = await here.get(f"{ADMIN}/admins", boss.token, limit=0, cursor="x")
    assert {each["pointer"] for each in bad.json()["errors"]} == {"/limit", "/cursor"}


async def test_who_lost_everything_is_helped_from_the_command_line(here: House) -> None:
    anna = await here.at_work("support")
    await _fail_from_everywhere(here, anna)
    request = admins.RecoverAdmin(email=anna.email.upper(), new_password="a new row of words")
    mesh, me = mesh_of(here.process), service_caller("command_line")
    made = await mesh.call(admins.RECOVER_ADMIN, request, me)
    assert made.admin_id == anna.admin_id
    await eventually(lambda: _status(here, anna), lambda status: status == 401)
    old_code, old_recovery = anna.app.code(), anna.recovery_codes[0]
    anna.password, anna.app, anna.device_token = request.new_password, App(made.secret), ""
    challenge = await here.challenge(anna)
    for code in (old_code, old_recovery):
        assert refusal(await here.second(challenge, code)) == REFUSED
    await here.log_in(anna)
    staff = Caller(audience=Audience.ADMIN, actor=str(anna.admin_id), permissions=("admin:full",))
    for caller, error in ((ANYONE, Unauthenticated), (staff, Forbidden)):
        with pytest.raises(error):
            await mesh.call(admins.RECOVER_ADMIN, request, caller)


async def test_a_sign_out_that_was_cut_short_is_finished(here: House, run: Run) -> None:
    anna, berta = await here.at_work("support"), await here.at_work("support")
    async with world_of(here.process).database("auth").transaction(ACROSS_SHOPS) as connection:
        # What a process leaves that dies right after it has shut somebody out.
        await connection.execute(
            text(
                "UPDATE admin_users SET status = 'disabled', signed_out_at = :now"
                " WHERE admin_id = :id"
            ),
            {"now": datetime.now(UTC), "id": anna.admin_id},
        )
    async with run("auth"):  # the next one that starts
        await eventually(lambda: _status(here, anna), lambda status: status == 401)
        assert await _status(here, berta) == 200


async def test_what_is_sealed_for_one_admin_opens_for_no_other(here: House) -> None:
    anna, boss = await here.hire("support"), await here.hire()
    async with world_of(here.process).database("auth").transaction(ACROSS_SHOPS) as connection:
        # Whoever can write to the table puts their own authenticator into somebody else's row.
        await connection.execute(
            text(
                "UPDATE admin_users SET sealed_secret ="
                " (SELECT sealed_secret FROM admin_users WHERE admin_id = :anna)"
                " WHERE admin_id = :boss"
            ),
            {"anna": anna.admin_id, "boss": boss.admin_id},
        )
    answer = await here.second(await here.challenge(boss), anna.app.code())
    assert answer.status_code == 500
    assert answer.json()["code"] == "INTERNAL"


async def test_nothing_that_opens_a_door_lies_about(
    here: House, caplog: pytest.LogCaptureFixture
) -> None:
    anna = await here.hire()
    given = await here.log_in(anna)
    made = await here.post(
        f"{ADMIN}/invitations", anna.token, email=f"{uuid4().hex}@x.example", role="support"
    )
    challenge = await here.challenge(anna)
    secrets = [
        anna.email, PASSWORD, anna.app.secret, *anna.recovery_codes,
        *(code.replace("-", "") for code in anna.recovery_codes), given["device_token"],
        made.json()["token"], challenge, anna.token, anna.session["refresh_token"],
    ]  # fmt: skip
    lying_about = caplog.text
    world = world_of(here.process)
    async with world.database("auth").transaction(ACROSS_SHOPS) as connection:
        tables = await connection.execute(
            text(
                "SELECT tablename FROM pg_tables"
                " WHERE schemaname = 'public' AND tablename NOT LIKE '%_version'"
            )
        )
        for table in tables.scalars():
            rows = await connection.execute(text(f'SELECT t::text FROM "{table}" t'))
            lying_about += "\n".join(rows.scalars())
    assert str(anna.admin_id) in lying_about  # it did look at the rows
    for secret in secrets:
        assert secret not in lying_about
        assert secret.encode().hex() not in lying_about


async def _claims(here: House, token: str) -> auth.TokenClaims:
    return await mesh_of(here.process).call(
        auth.VALIDATE_TOKEN, auth.ValidateToken(token=token), service_caller("test")
    )


async def _enrol(here: House, challenge: str, who: Colleague | None = None) -> dict[str, Any]:
    """Set up an authenticator, and log in with its first code."""
    shown = await here.post(f"{ADMIN}/auth/mfa/enrol", challenge=challenge)
    assert shown.json()["otpauth_uri"].startswith("otpauth://totp/LoyalNest:")
    assert shown.json()["secret"] in shown.json()["otpauth_uri"]
    again = await here.post(f"{ADMIN}/auth/mfa/enrol", challenge=challenge)
    assert refusal(again) == (409, "SECRET_SHOWN")
    app = App(shown.json()["secret"])
    given = await here.second(challenge, app.code())
    assert given.status_code == 200, given.text
    if who is not None:
        who.app, who.session = app, given.json()["session"]
    answer: dict[str, Any] = given.json()
    return answer


async def _status(here: House, who: Colleague) -> int:
    return (await here.get("/v1/api/auth/sessions", who.token)).status_code


async def _said(bodies: list[admins.AdminChanged], admin_id: UUID) -> list[str]:
    return [each.change for each in bodies if each.admin_id == admin_id]


async def _listed(here: House, boss: Colleague) -> dict[str, dict[str, str]]:
    page = (await here.get(f"{ADMIN}/admins", boss.token, limit=250)).json()
    return {each["email"]: each for each in page["admins"]}


async def _nobody_else(here: House) -> None:
    """So that this test has the only superadmins."""
    async with world_of(here.process).database("auth").transaction(ACROSS_SHOPS) as connection:
        await connection.execute(text("UPDATE admin_users SET status = 'disabled'"))


async def _go_on_for_days(here: House, who: Colleague) -> None:
    """As if the sources that have guessed had done so all the time."""
    async with world_of(here.process).database("auth").transaction(ACROSS_SHOPS) as connection:
        changed = await connection.execute(
            text(
                "UPDATE admin_failures SET failures = 1000, last_at = :now FROM admin_users"
                " WHERE account = email_index AND admin_id = :id AND bucket LIKE 'source:%'"
            ),
            {"now": datetime.now(UTC), "id": who.admin_id},
        )
    assert changed.rowcount == 1


async def _fail_from_everywhere(here: House, who: Colleague) -> None:
    """As if so many strangers had guessed that nobody of them may any more."""
    async with world_of(here.process).database("auth").transaction(ACROSS_SHOPS) as connection:
        await connection.execute(
            text(
                "INSERT INTO admin_failures (account, bucket, failures, last_at)"
                " SELECT email_index, 'strangers:' || email_index, 1000, :now FROM admin_users"
                " WHERE admin_id = :id ON CONFLICT (account, bucket) DO UPDATE SET failures = 1000,"
                " last_at = excluded.last_at"
            ),
            {"now": datetime.now(UTC), "id": who.admin_id},
        )
