"""Admins: guesses lock nobody out, codes count once, and half an hour in another's name."""

import unicodedata
from datetime import timedelta

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from domain.admins import guessing, impersonation, second_factor, staff
from domain.admins.errors import CannotImpersonate, LastSuperadmin, ShopNotActive
from domain.admins.guessing import NONE, PATIENCE, Failures, Pace, code_buckets, password_buckets
from domain.admins.passwords import LONGEST, SHORTEST, password_problems, prepared
from domain.codes import code_of, read_code
from domain.rbac import ADMIN_ROLES, FULL
from tests.domain.shop import NOW

MAIL = "anna.lind@example.com"
SECOND = timedelta(seconds=1)


class Door:
    """The counting of guesses, as a log-in does it: count first, excuse what was right."""

    def __init__(self):
        self.held = {}

    def guess(self, buckets, now, *, right=False):
        """Whether the guess was looked at."""
        found = [(bucket, self.held.get(bucket.name, NONE)) for bucket in buckets]
        if not guessing.may_guess(found, now):
            return False
        for bucket, failures in found:
            after = guessing.counted(bucket, failures, now)
            self.held[bucket.name] = guessing.excused(bucket, after) if right else after
        return True


# --- passwords ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "kein Passwort von mir",
        "пароль из слов",
        "パスワードは長い方がいいですよ",
        "aaaaaaaaaaab",
        "12345678901a",
        "x" * 6 + "y" * 6,
    ],
)
def test_long_is_enough(password):
    assert password_problems(password, MAIL) == []


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("", "12 to"),
        ("short words", "12 to"),
        ("x" * (LONGEST + 1), "12 to"),
        ("I am ANNA.LIND today", "name in your"),
        ("I am ａｎｎａ.ｌｉｎｄ today", "name in your"),
        ("aaaaaaaaaaaaaa", "repetition"),
        ("abcdabcdabcdab", "repetition"),
        ("123456789012", "row"),
        ("210987654321", "row"),
        ("abcdefghijklmn", "row"),
        ("nmlkjihgfedcba", "row"),
        ("a line\nand another", "Letters"),
        ("nothing here\x00", "Letters"),
        ("half a letter \ud800", "Letters"),
    ],
)
def test_what_is_guessed_first_is_refused(password, said):
    problems = password_problems(password, MAIL, "/new_password")
    assert any(said in each.detail for each in problems)
    assert {each.pointer for each in problems} == {"/new_password"}


@given(st.text())
def test_a_refusal_never_repeats_the_password(password):
    assume(len(password) > 6)
    for problem in password_problems(password, "x@example.com"):
        assert password not in problem.detail


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=40, max_size=99))
def test_no_kind_of_character_is_asked_for(password):
    assume(len(set(password)) > 20)
    assume(SHORTEST <= len(prepared(password)) <= LONGEST)
    assert password_problems(password, MAIL) == []
    assert prepared(unicodedata.normalize("NFD", password)) == prepared(password)


# --- guessing ----------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.sampled_from(["device", "near", "far"]),
        st.integers(0, 4_000),  # seconds since the one before
        st.booleans(),
    ),
    max_size=120,
)


def who(kind):
    return password_buckets("anna", kind, "laptop" if kind == "device" else "")


@given(steps)
@example([("far", 0, False)] * 300 + [("device", 0, True)])
def test_what_strangers_do_makes_no_difference_to_a_known_device(script):
    everybody, alone = Door(), Door()
    now = NOW
    for kind, seconds, right in script:
        now += seconds * SECOND
        answer = everybody.guess(who(kind), now, right=right)
        if kind == "device":
            assert alone.guess(who(kind), now, right=right) == answer


@given(steps)
def test_the_same_holds_for_second_factors(script):
    everybody, alone = Door(), Door()
    now = NOW
    for kind, seconds, right in script:
        now += seconds * SECOND
        buckets = code_buckets("anna", "laptop" if kind == "device" else "")
        answer = everybody.guess(buckets, now, right=right)
        if kind == "device":
            assert alone.guess(buckets, now, right=right) == answer


@given(st.lists(st.integers(0, 90), min_size=1, max_size=400), st.sampled_from(list(Pace)))
@example([0] * 400, Pace.STRANGERS)
@example([90] * 400, Pace.SOURCE)
def test_guesses_are_few_however_they_are_timed(waits, pace):
    """From empty, at most the free ones, those of the doubling waits, one for each longest wait,
    and one for each that was forgotten: whoever is quicker is not looked at."""
    bucket = guessing.Bucket(pace, "anna")
    door, now = Door(), NOW
    looked_at = 0
    for seconds in waits:
        now += seconds * SECOND
        looked_at += door.guess([bucket], now)
    patience, time = PATIENCE[pace], now - NOW
    assert looked_at <= patience.most + 1 + time // patience.longest + time // patience.leak


counts = st.floats(0, 5_000)
paces = st.sampled_from(list(Pace))


@given(counts, st.integers(0, 200_000), paces)
def test_waiting_never_makes_it_worse(count, seconds, pace):
    failures = Failures(count, NOW)
    held = [(guessing.Bucket(pace, "anna"), failures)]
    later = NOW + seconds * SECOND
    if guessing.may_guess(held, later):
        assert guessing.may_guess(held, later + SECOND)
    assert guessing.may_guess(held, NOW + PATIENCE[pace].longest)
    assert guessing.left(pace, failures, later) >= guessing.left(pace, failures, later + SECOND)


@given(counts, counts, paces)
def test_more_failures_are_never_a_shorter_wait(one, other, pace):
    fewer, more = sorted((one, other))
    assert guessing.wait(pace, fewer) <= guessing.wait(pace, more) <= PATIENCE[pace].longest


@given(st.lists(st.integers(0, 90), max_size=300), paces)
def test_everything_is_forgotten_in_the_end(waits, pace):
    bucket = guessing.Bucket(pace, "anna")
    door, now = Door(), NOW
    for seconds in waits:
        now += seconds * SECOND
        door.guess([bucket], now)
    held = door.held.get(bucket.name, NONE)
    assert guessing.left(pace, held, now + guessing.FORGOTTEN_AFTER) == 0


def test_the_waits_of_one_source():
    waits = [guessing.wait(Pace.SOURCE, count).total_seconds() for count in (0, 4, 4.1, 6, 7, 13)]
    assert waits == [0, 0, 2, 4, 8, 512]
    assert guessing.wait(Pace.SOURCE, 16) == guessing.wait(Pace.SOURCE, 10**9) == timedelta(hours=1)


def test_many_sources_are_strangers_together():
    door = Door()
    sources = [f"host {number}" for number in range(150)]
    looked_at = sum(door.guess(password_buckets("anna", source, ""), NOW) for source in sources)
    assert looked_at == PATIENCE[Pace.STRANGERS].free
    # Not the others, whose accounts these were not; and not Anna at home.
    assert door.guess(password_buckets("berta", sources[0], ""), NOW)
    assert door.guess(password_buckets("anna", sources[0], "laptop"), NOW)


@given(st.integers(1, 4), st.integers(1, 30))
def test_a_few_sources_close_no_account_however_long_they_go_on(sources, days):
    """Each guesses as soon as it may, day and night; a new device still gets in at any moment."""
    door, now = Door(), NOW
    free_at = [NOW] * sources
    while now < NOW + days * timedelta(days=1):
        which = min(range(sources), key=free_at.__getitem__)
        now = max(now, free_at[which])
        buckets = password_buckets("anna", f"host {which}", "")
        assert door.guess(buckets, now)
        source = buckets[0]
        free_at[which] = now + guessing.wait(source.pace, door.held[source.name].count)
        assert door.guess(password_buckets("anna", "a new device", ""), now, right=True)


def test_a_right_guess_excuses_only_itself():
    door = Door()
    for _ in range(50):
        assert door.guess(password_buckets("anna", "home", ""), NOW, right=True)
    for number in range(100):
        assert door.guess(password_buckets("anna", f"host {number}", ""), NOW)
    assert not door.guess(password_buckets("anna", "home", ""), NOW, right=True)


def test_a_clock_that_was_set_back_shortens_no_wait():
    bucket = guessing.Bucket(Pace.SOURCE, "anna")
    assert guessing.counted(bucket, Failures(7, NOW), NOW - SECOND) == Failures(8, NOW)


# --- the second factor -------------------------------------------------------------------------


def code_at(step):
    return f"{step * 7919 % 1_000_000:06d}"


@given(st.lists(st.tuples(st.integers(0, 95), st.integers(-3, 3)), max_size=40))
def test_a_code_counts_once(uses):
    now, last, used = NOW, 0, []
    for seconds, ahead in uses:
        now += seconds * SECOND
        code = code_at(second_factor.step_at(now) + ahead)
        step = second_factor.accepted_step(code, now, last, code_at)
        if step is not None:
            assert abs(step - second_factor.step_at(now)) <= second_factor.DRIFT
            used.append(step)
            last = step
            assert second_factor.accepted_step(code, now, last, code_at) is None
    assert used == sorted(set(used))


@given(st.integers(-5, 5))
def test_only_the_drift_is_forgiven(ahead):
    here = second_factor.step_at(NOW)
    found = second_factor.accepted_step(code_at(here + ahead), NOW, 0, code_at)
    assert found == (here + ahead if abs(ahead) <= 1 else None)


def test_a_code_of_two_steps_uses_up_both():
    here = second_factor.step_at(NOW)
    assert second_factor.accepted_step("000000", NOW, 0, lambda step: "000000") == here + 1


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "abcdef", "１２３４５６", "٣٣٣٣٣٣", "12 34"]
)
def test_what_is_no_code(code):
    assert second_factor.accepted_step(code, NOW, 0, lambda step: code) is None


def test_a_code_may_be_written_in_groups():
    code = code_at(second_factor.step_at(NOW))
    spaced = f" {code[:3]} {code[3:]} "
    assert second_factor.accepted_step(spaced, NOW, 0, code_at) is not None


def test_a_code_of_an_authenticator_and_one_of_paper_are_not_taken_for_each_other():
    assert read_code("123456", second_factor.RECOVERY_BYTES) == ""
    code = code_of(bytes(second_factor.RECOVERY_BYTES))
    assert second_factor.accepted_step(code, NOW, 0, lambda step: code) is None


# --- acting as a shop's staff ------------------------------------------------------------------


@given(st.integers(0, 10_000), st.none() | st.integers(0, 10_000))
def test_it_is_over_after_half_an_hour_or_before(seconds, ended):
    ended_at = None if ended is None else NOW + ended * SECOND
    is_open = impersonation.is_open(NOW, ended_at, NOW + seconds * SECOND)
    assert is_open == (seconds < 1800 and ended is None)
    assert not impersonation.is_open(NOW, None, NOW - SECOND)


def test_who_may_be_whom():
    held = {role.name: role.grants for role in ADMIN_ROLES}
    assert impersonation.roles_open_to(held["superadmin"]) == {
        "owner", "manager", "support", "analyst", "viewer",
    }  # fmt: skip
    assert impersonation.roles_open_to(held["support"]) == {"support", "analyst", "viewer"}
    for name in ("analyst", "points"):
        assert impersonation.roles_open_to(held[name]) == frozenset()
    impersonation.check_role(frozenset((FULL,)), "owner")
    for role in ("owner", "manager", "customer", "clerk", ""):
        with pytest.raises(CannotImpersonate):
            impersonation.check_role(held["support"], role)
    with pytest.raises(CannotImpersonate):
        impersonation.check_role(frozenset((FULL,)), "customer")
    impersonation.check_shop(active=True)
    with pytest.raises(ShopNotActive):
        impersonation.check_shop(active=False)


def test_a_shop_learns_a_name_but_no_persons_name():
    for role in ADMIN_ROLES:
        name = impersonation.STAFF_NAMES.get(role.name, impersonation.ANY_STAFF)
        assert name.startswith("LoyalNest ")


@pytest.mark.parametrize("reason", ["", "help", "  too short  ", "two\nlines of words", "x" * 501])
def test_a_reason_is_a_sentence(reason):
    assert [each.pointer for each in impersonation.reason_problems(reason)] == ["/reason"]
    assert impersonation.reason_problems("They asked why points are missing") == []


# --- staff -------------------------------------------------------------------------------------


def test_somebody_has_to_remain():
    staff.check_superadmin_remains([False, True])
    for nobody in ([], [False, False]):
        with pytest.raises(LastSuperadmin):
            staff.check_superadmin_remains(nobody)


def test_what_is_wrong_with_a_new_colleague():
    assert staff.email_problems(" anna@example.com ") == []
    for wrong in (
        "",
        "anna",
        "anna@",
        "@example.com",
        "a b@example.com",
        "a@b",
        f"{'x' * 250}@x.de",
    ):
        assert [each.pointer for each in staff.email_problems(wrong)] == ["/email"]
    assert staff.role_problems("support") == []
    assert [each.pointer for each in staff.role_problems("owner")] == ["/role"]
