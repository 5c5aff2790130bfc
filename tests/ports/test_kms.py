"""Where master keys are: one suite over files and AWS KMS, and what is special about each."""

import asyncio
import itertools
import logging
import os
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import boto3
import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from adapters.aws.kms import ATTEMPTS, AwsKeyManagement
from adapters.crypto.keyfile import BadKeyFile
from adapters.crypto.local_kms import SCHEME, LocalKeyManagement, local_key_management
from adapters.crypto.merchant_keys import MerchantKeyMaker, put_together
from adapters.crypto.moving import Moving
from adapters.crypto.sealer import AesGcmSealer
from adapters.runtime.settings import BadSettings, Settings
from adapters.system import SystemClock
from adapters.tokens.keys import KeyRing, SigningKey, SigningKeys, read_keys, write_keys
from domain.errors import Unavailable
from ports.key_management import DATA, INDEX, KeyContext, KeyManagement
from ports.sealing import CONTACT, CannotOpen, NewKey, WrappedKeys
from tests.services.given import StandingClock
from tests.stand_ins.kms import ACCESS_KEY, REGION, SECRET_KEY, Key, StandInKms

ONE, OTHER = KeyContext(UUID(int=1)), KeyContext(UUID(int=2))
PLAIN = bytes(range(32))


@pytest.fixture(scope="module", autouse=True)
def credentials() -> Iterator[None]:
    """Where AWS's tools look first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        yield


@pytest.fixture(scope="module")
def server(credentials: None) -> Iterator[StandInKms]:
    with StandInKms() as kms:
        yield kms


@pytest.fixture
def kms(server: StandInKms) -> Iterator[StandInKms]:
    server.calls.clear()
    yield server
    server.no_more_failures()
    server.wait = 0.0


def at_aws(kms: StandInKms, key: Key | str, *previous: Key | str, **more: Any) -> AwsKeyManagement:
    ids = [each.key_id if isinstance(each, Key) else each for each in (key, *previous)]
    return AwsKeyManagement(ids[0], ids[1:], region=REGION, endpoint=kms.url, **more)


def in_files(*masters: bytes) -> LocalKeyManagement:
    """The last one wraps."""
    ring = SigningKeys.of(*map(SigningKey.of, masters))
    return LocalKeyManagement(ring, SystemClock())


@dataclass(frozen=True, slots=True)
class Place:
    """A place for master keys before and after its master key was replaced, and without the one
    before."""

    before: KeyManagement
    after: KeyManagement
    without: KeyManagement


@pytest.fixture(params=["files", "aws"])
def place(request: pytest.FixtureRequest, kms: StandInKms) -> Place:
    if request.param == "files":
        old, new = os.urandom(32), os.urandom(32)
        return Place(in_files(old), in_files(old, new), in_files(new))
    first, second = kms.new_key(), kms.new_key()
    return Place(at_aws(kms, first), at_aws(kms, second, first), at_aws(kms, second))


async def test_what_is_wrapped_unwraps_and_shows_nothing(place: Place) -> None:
    wrapped = await place.before.wrap(PLAIN, ONE)
    again = await place.before.wrap(PLAIN, ONE)
    assert await place.before.unwrap(wrapped, ONE) == PLAIN
    assert wrapped != again
    assert wrapped.startswith((await place.before.current()).prefix)
    assert wrapped.isascii()
    assert wrapped.isprintable()
    assert PLAIN.hex() not in wrapped
    assert b64encode(PLAIN).decode().rstrip("=")[:-1] not in wrapped


async def test_a_wrapped_key_is_bound_to_its_merchant_and_use(place: Place) -> None:
    wrapped = await place.before.wrap(PLAIN, ONE)
    for_indexes = KeyContext(ONE.merchant_id, INDEX)
    for stranger in (OTHER, for_indexes):
        with pytest.raises(CannotOpen):
            await place.before.unwrap(wrapped, stranger)
        with pytest.raises(CannotOpen):
            await place.before.rewrap(wrapped, stranger)
    index = await place.before.wrap(PLAIN, for_indexes)
    assert await place.before.unwrap(index, for_indexes) == PLAIN
    with pytest.raises(CannotOpen):
        await place.before.unwrap(index, ONE)


async def test_a_new_master_key_opens_what_the_old_one_wrapped_and_takes_it_over(
    place: Place,
) -> None:
    old = await place.before.wrap(PLAIN, ONE)
    prefix = (await place.after.current()).prefix
    assert await place.after.unwrap(old, ONE) == PLAIN
    assert not old.startswith(prefix)
    new = await place.after.rewrap(old, ONE)
    assert new.startswith(prefix)
    assert await place.without.unwrap(new, ONE) == PLAIN
    with pytest.raises(CannotOpen):
        await place.without.unwrap(old, ONE)
    with pytest.raises(CannotOpen):
        await place.before.unwrap(new, ONE)
    once_more = await place.after.rewrap(new, ONE)
    assert await place.without.unwrap(once_more, ONE) == PLAIN


async def test_an_altered_or_foreign_text_does_not_unwrap(place: Place) -> None:
    wrapped = await place.before.wrap(PLAIN, ONE)
    scheme, label, box = wrapped.split(".")
    for at in (0, 3, len(scheme) + 2, len(scheme) + 12, len(wrapped) - 30, len(wrapped) - 3):
        other = "A" if wrapped[at] != "A" else "B"
        with pytest.raises(CannotOpen):
            await place.before.unwrap(wrapped[:at] + other + wrapped[at + 1 :], ONE)
    for text in ("", "w1", "w2..", f"{scheme}.{label}.", wrapped[:-4], wrapped + "\n",
                 f"{scheme}.{'0' * len(label)}.{box}", f"{scheme}.{label}.{'=' * 8}",
                 f"{scheme}.{label}.{'A' * len(box)}", wrapped.replace(scheme, "w9"),
                 f"{wrapped}====", f"{scheme}.{label}.ä"):  # fmt: skip
        with pytest.raises(CannotOpen):
            await place.before.unwrap(text, ONE)


async def test_keys_move_from_files_to_aws_and_back(kms: StandInKms) -> None:
    files, aws = in_files(b"m" * 32), at_aws(kms, kms.new_key())
    moving = Moving(aws, files, SCHEME)
    old = await files.wrap(PLAIN, ONE)
    assert await moving.unwrap(old, ONE) == PLAIN
    new = await moving.rewrap(old, ONE)
    assert new.startswith((await moving.current()).prefix)
    assert await aws.unwrap(new, ONE) == PLAIN
    assert await moving.unwrap(await moving.wrap(PLAIN, ONE), ONE) == PLAIN
    assert await aws.unwrap(await moving.rewrap(new, ONE), ONE) == PLAIN
    with pytest.raises(CannotOpen):
        await moving.unwrap(old, OTHER)


@given(
    key=st.binary(min_size=32, max_size=32), merchant=st.uuids(), use=st.sampled_from([DATA, INDEX])
)
def test_any_key_of_anybody_survives_files(key: bytes, merchant: UUID, use: str) -> None:
    async def there_and_back() -> None:
        files = in_files(b"m" * 32)
        context = KeyContext(merchant, use)
        assert await files.unwrap(await files.wrap(key, context), context) == key

    asyncio.run(there_and_back())


# As it was written when shops had one key only, under the master key b"m" * 32.
WRAPPED_BEFORE = (
    "w1.a70320ca841ec336."
    "Lu70gF9rt00pOwPKBHI60dpODMtJCo6MiEdhjcYj9bRzfHRV43Uaf-S9AmutEmowFHx4y7hAsq6cfQt4"
)
SEALED_BEFORE = "v1.71ec797bd7fb35db.AmfUDf0SqBRgDk7KAaO1zSA4qf5GSnVc2POIAYGLLgcNew=="
INDEX_BEFORE = "bf32e7fcb575972a7bd31551be97f3b5"


async def test_the_one_key_that_shops_had_becomes_two_and_nothing_else_changes() -> None:
    sealer, maker = AesGcmSealer(), MerchantKeyMaker(in_files(b"m" * 32, b"n" * 32))
    merchant = ONE.merchant_id
    before = await maker.unwrap(merchant, WRAPPED_BEFORE)
    adopted = await maker.adopt(merchant, WRAPPED_BEFORE)
    assert adopted.data == NewKey(before.key_id, WRAPPED_BEFORE)
    unwrapped = {
        (DATA, WRAPPED_BEFORE): await in_files(b"m" * 32).unwrap(WRAPPED_BEFORE, ONE),
        (INDEX, adopted.index.wrapped): await in_files(b"n" * 32).unwrap(
            adopted.index.wrapped, KeyContext(merchant, INDEX)
        ),
    }
    after = put_together(merchant, WrappedKeys(WRAPPED_BEFORE, adopted.index.wrapped), unwrapped)
    for key in (before, adopted.key, after):
        assert sealer.open(key, SEALED_BEFORE, CONTACT) == b"secret"
        assert sealer.blind_index(key, "Jon@Example.com") == INDEX_BEFORE


async def test_new_keys_are_random_and_their_own() -> None:
    maker = MerchantKeyMaker(in_files(b"m" * 32))
    new, other = await maker.new(ONE.merchant_id), await maker.new(ONE.merchant_id)
    next_key = await maker.new_data_key(ONE.merchant_id)
    secrets = {new.key.secret, new.key.index_secret, other.key.secret, other.key.index_secret}
    assert len(secrets) == 4
    ids = {new.data.key_id, new.index.key_id, other.data.key_id, next_key.key_id}
    assert len(ids) == 4
    assert new.data.key_id == new.key.key_id
    with pytest.raises(CannotOpen):
        await maker.unwrap(ONE.merchant_id, new.index.wrapped)
    with pytest.raises(CannotOpen):
        await maker.unwrap(OTHER.merchant_id, new.data.wrapped)


def test_the_file_has_to_be_private(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    file.touch(0o600)
    write_keys(file, SigningKeys.of(SigningKey.of(b"m" * 32)))
    for mode in (0o640, 0o604, 0o660, 0o601, 0o777):
        file.chmod(mode)
        with pytest.raises(BadKeyFile, match=r"master\.key.*chmod 600"):
            local_key_management(file, SystemClock())
    file.chmod(0o400)
    local_key_management(file, SystemClock())
    with pytest.raises(BadKeyFile, match="No such file"):
        local_key_management(tmp_path / "absent", SystemClock())


async def test_a_new_master_key_opens_everywhere_before_it_wraps_and_needs_no_restart(
    tmp_path: Path,
) -> None:
    path, clock, seconds = tmp_path / "master.key", StandingClock(), itertools.count()
    path.touch(0o600)
    write_keys(path, SigningKeys.of(SigningKey.of(b"m" * 32)))
    here, there = (
        LocalKeyManagement(KeyRing(path, lambda: float(next(seconds))), clock) for _ in range(2)
    )
    old = await here.wrap(PLAIN, ONE)
    new = SigningKey.of(os.urandom(32), clock.now() + timedelta(minutes=1))
    write_keys(path, SigningKeys.of(*read_keys(path).keys, new))
    assert (await here.current()).prefix == old[: len((await here.current()).prefix)]
    assert await there.unwrap(await in_files(new.secret).wrap(PLAIN, ONE), ONE) == PLAIN
    clock.advance(minutes=1)
    wrapped = await here.rewrap(old, ONE)
    assert wrapped.startswith(f"{SCHEME}{new.key_id}.")
    assert await there.unwrap(wrapped, ONE) == await there.unwrap(old, ONE) == PLAIN
    write_keys(path, SigningKeys.of(new))
    with pytest.raises(CannotOpen):
        await there.unwrap(old, ONE)
    assert await there.unwrap(wrapped, ONE) == PLAIN


async def test_throttling_and_faults_of_kms_are_tried_again(kms: StandInKms) -> None:
    aws = at_aws(kms, kms.new_key())
    wrapped = await aws.wrap(PLAIN, ONE)
    kms.calls.clear()
    kms.fail("ThrottlingException")
    kms.fail("KMSInternalException", status=500)
    assert await aws.unwrap(wrapped, ONE) == PLAIN
    assert kms.calls == ["Decrypt"] * ATTEMPTS == ["Decrypt"] * 3


async def test_what_goes_on_failing_is_given_up_and_says_so(kms: StandInKms) -> None:
    aws = at_aws(kms, kms.new_key())
    wrapped = await aws.wrap(PLAIN, ONE)
    kms.calls.clear()
    kms.fail("ThrottlingException", times=50)
    with pytest.raises(Unavailable, match="key service is not available"):
        await aws.unwrap(wrapped, ONE)
    assert len(kms.calls) == ATTEMPTS
    kms.no_more_failures()
    assert await aws.unwrap(wrapped, ONE) == PLAIN


@pytest.mark.parametrize("what", ["denied", "disabled", "gone", "stranger"])
async def test_a_key_that_must_not_be_used_is_unavailable_and_logged(
    kms: StandInKms, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = kms.new_key()
    aws = at_aws(kms, key)
    wrapped = await aws.wrap(PLAIN, ONE)
    if what == "denied":
        key.users.clear()
    elif what == "disabled":
        key.enabled = False
    elif what == "gone":
        kms.keys.remove(key)
    else:
        kms.fail("UnrecognizedClientException")
    with pytest.raises(Unavailable, match="does not let its key be used"):
        await aws.wrap(PLAIN, ONE)
    assert [each.levelname for each in caplog.records if each.name == "adapters.aws.kms"] == [
        "ERROR"
    ]
    assert wrapped not in caplog.text


async def test_a_refusal_is_logged_once_for_each_thing_that_is_refused_and_when_it_ends(
    kms: StandInKms, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody tries every second; another key that works says nothing of this one."""
    before, key = kms.new_key(), kms.new_key()
    old = at_aws(kms, before)
    under_the_old = await old.wrap(PLAIN, ONE)
    aws = at_aws(kms, key, before)
    wrapped = await aws.wrap(PLAIN, ONE)

    async def tried(text: str) -> None:
        for _ in range(3):
            assert await aws.unwrap(wrapped, ONE) == PLAIN
            with pytest.raises(Unavailable):
                await aws.unwrap(text, ONE)

    def logged() -> list[str]:
        return [each.levelname for each in caplog.records if each.name == "adapters.aws.kms"]

    before.enabled = False
    await tried(under_the_old)
    assert logged() == ["ERROR"]
    before.enabled = True
    assert await aws.unwrap(under_the_old, ONE) == PLAIN
    assert logged() == ["ERROR", "WARNING"]
    before.enabled = False
    await tried(under_the_old)
    assert logged() == ["ERROR", "WARNING", "ERROR"]


async def test_kms_away_is_said_soon(kms: StandInKms) -> None:
    with StandInKms() as leaving:
        aws = at_aws(leaving, leaving.new_key())
        wrapped = await aws.wrap(PLAIN, ONE)
    started = time.monotonic()
    with pytest.raises(Unavailable):
        await aws.unwrap(wrapped, ONE)
    assert time.monotonic() - started < 4.5
    never_there = at_aws(leaving, "alias/loyalnest")
    with pytest.raises(Unavailable):
        await never_there.current()


async def test_waiting_for_kms_does_not_hold_up_the_process(kms: StandInKms) -> None:
    aws = at_aws(kms, kms.new_key())
    wrapped = await aws.wrap(PLAIN, ONE)
    kms.wait = 0.3
    unwrapping = asyncio.gather(*(aws.unwrap(wrapped, ONE) for _ in range(8)))
    turns = 0
    while not unwrapping.done():
        turns += 1
        await asyncio.sleep(0.005)
    assert await unwrapping == [PLAIN] * 8
    assert turns > 10


async def test_material_that_kms_renews_by_itself_is_a_new_version(kms: StandInKms) -> None:
    key = kms.new_key("loyalnest")
    clock = iter(range(0, 100_000, 200))
    aws = at_aws(kms, "alias/loyalnest", monotonic=lambda: float(next(clock)))
    before = await aws.wrap(PLAIN, ONE)
    key.renew()
    while (await aws.current()).prefix == before[: len((await aws.current()).prefix)]:
        pass  # the clock goes on by itself
    assert not before.startswith((await aws.current()).prefix)
    after = await aws.rewrap(before, ONE)
    assert after.startswith((await aws.current()).prefix)
    for wrapped in (before, after):
        assert await aws.unwrap(wrapped, ONE) == PLAIN
    assert (await aws.current()).name == key.arn


async def test_a_key_that_somebody_else_wrapped_under_a_key_of_theirs_is_refused(
    kms: StandInKms,
) -> None:
    """Who can write into the table, and has a key at AWS, must not choose what we seal with."""
    aws, theirs = at_aws(kms, kms.new_key()), at_aws(kms, kms.new_key())
    ours = await aws.wrap(PLAIN, ONE)
    foreign = await theirs.wrap(b"x" * 32, ONE)
    with pytest.raises(CannotOpen):
        await aws.unwrap(foreign, ONE)
    prefix = ours[: len((await aws.current()).prefix)]
    with pytest.raises(CannotOpen):
        await aws.unwrap(prefix + foreign.rpartition(".")[2], ONE)


async def test_rewrapping_does_not_bring_the_key_out_of_kms(kms: StandInKms) -> None:
    first, second = kms.new_key(), kms.new_key()
    wrapped = await at_aws(kms, first).wrap(PLAIN, ONE)
    kms.calls.clear()
    await at_aws(kms, second, first).rewrap(wrapped, ONE)
    assert sorted(kms.calls) == ["DescribeKey", "DescribeKey", "ReEncrypt"]


async def test_no_log_level_shows_a_key(kms: StandInKms, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    aws = at_aws(kms, kms.new_key())
    assert await aws.unwrap(await aws.wrap(PLAIN, ONE), ONE) == PLAIN
    assert b64encode(PLAIN).decode() not in caplog.text
    assert repr(PLAIN)[2:20] not in caplog.text


def test_the_stand_in_refuses_what_is_not_signed_or_signed_wrongly(kms: StandInKms) -> None:
    """So that the tests above prove that our requests are signed as AWS wants them."""
    key = kms.new_key()
    body = b'{"KeyId": "%s"}' % key.key_id.encode()
    headers = {"X-Amz-Target": "TrentService.DescribeKey"}
    assert httpx.post(kms.url, content=body, headers=headers).status_code == 400
    request = AWSRequest("POST", f"{kms.url}/", headers=headers, data=body)
    SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "kms", REGION).add_auth(request)
    signed = dict(request.headers.items())
    assert httpx.post(f"{kms.url}/", content=body, headers=signed).status_code == 200
    for change in ({"X-Amz-Target": "TrentService.Encrypt"}, {"X-Amz-Date": "20200101T000000Z"}):
        answer = httpx.post(f"{kms.url}/", content=body, headers=signed | change)
        assert answer.status_code == 400
    client = boto3.client("kms", region_name=REGION, endpoint_url=kms.url)
    made = client.generate_data_key(KeyId=key.arn, NumberOfBytes=32, EncryptionContext={"a": "b"})
    blob = made["CiphertextBlob"]
    opened = client.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "b"})
    assert opened["Plaintext"] == made["Plaintext"]
    with pytest.raises(client.exceptions.InvalidCiphertextException):
        client.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "c"})
    answer = httpx.post(f"{kms.url}/", content=body + b" ", headers=signed)
    assert answer.json()["__type"] == "InvalidSignatureException"


def test_settings_say_where_the_master_key_is() -> None:
    needed = {
        f"LOYALNEST_{name}": "x"
        for name in (
            "NATS_URL", "POSTGRES_URL", "VALKEY_URL", "JWT_KEY_FILE", "SHOPIFY_CLIENT_ID",
            "SHOPIFY_CLIENT_SECRET",
        )
    }  # fmt: skip
    for wrong, said in (
        ({}, "MASTER_KEY_FILE is not set"),
        ({"LOYALNEST_KMS": "vault"}, "local or aws"),
        ({"LOYALNEST_KMS": "aws"}, "AWS_KMS_KEY_ID is not set"),
    ):
        with pytest.raises(BadSettings, match=said):
            Settings.from_environment(needed | wrong)
    aws = {
        "LOYALNEST_KMS": "aws",
        "LOYALNEST_AWS_KMS_KEY_ID": "alias/a",
        "LOYALNEST_AWS_KMS_PREVIOUS_KEY_IDS": "b, c",
    }
    settings = Settings.from_environment(needed | aws)
    assert settings.previous_aws_kms_key_ids == ("b", "c")
    assert not settings.has_master_key_file
