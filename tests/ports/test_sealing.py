"""Sealing: what one shop's key sealed for one purpose opens there and nowhere else."""

import gc
import os
import weakref
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.crypto.blind_search import HmacSearch
from adapters.crypto.keyfile import BadKeyFile
from adapters.crypto.sealer import AesGcmSealer
from adapters.tokens.keys import read_keys
from contracts.contact import Contact
from ports.sealing import CONTACT, PRIVACY_REQUEST, CannotOpen, MerchantKey, key_id_of, normalised
from tests.keys import new_key, rotated

MERCHANT = UUID(int=1)
OTHER = UUID(int=2)
SEALER = AesGcmSealer()
KEY = new_key(MERCHANT)


@given(st.binary(max_size=300), st.text(max_size=20))
def test_what_is_sealed_opens_again(plain: bytes, purpose: str):
    sealed = SEALER.seal(KEY, plain, purpose)
    assert sealed.startswith(f"v1.{KEY.key_id}.")
    assert SEALER.open(KEY, sealed, purpose) == plain


@given(st.binary(min_size=8, max_size=60))
def test_the_content_is_not_visible_and_no_two_seals_are_alike(plain: bytes):
    first, second = (SEALER.seal(KEY, plain, CONTACT) for _ in range(2))
    assert first != second
    assert plain not in urlsafe_b64decode(first.rpartition(".")[2])


@given(st.binary(max_size=60), st.data())
def test_an_altered_text_does_not_open(plain: bytes, data: st.DataObject):
    sealed = SEALER.seal(KEY, plain, CONTACT)
    place = data.draw(st.integers(0, len(sealed) - 1))
    character = data.draw(st.characters(min_codepoint=33, max_codepoint=126))
    if character == sealed[place]:
        return
    with pytest.raises(CannotOpen):
        SEALER.open(KEY, sealed[:place] + character + sealed[place + 1 :], CONTACT)


@given(st.text(max_size=80))
def test_any_other_text_does_not_open(text: str):
    for candidate in (text, f"v1.{KEY.key_id}.{text}"):
        with pytest.raises(CannotOpen):
            SEALER.open(KEY, candidate, CONTACT)


def test_a_text_cut_off_or_spelled_differently_does_not_open():
    sealed = SEALER.seal(KEY, b"secret", CONTACT)
    for candidate in (sealed[:-4], sealed + "\n", sealed + "====", sealed.replace("v1.", "v2.")):
        with pytest.raises(CannotOpen):
            SEALER.open(KEY, candidate, CONTACT)


def test_another_purpose_or_merchant_does_not_open():
    sealed = SEALER.seal(KEY, b"secret", CONTACT)
    with pytest.raises(CannotOpen):
        SEALER.open(KEY, sealed, PRIVACY_REQUEST)
    stranger = new_key(OTHER)
    with pytest.raises(CannotOpen):
        SEALER.open(stranger, sealed, CONTACT)
    # Even the same data key does not help when the row was copied to another merchant.
    copied = MerchantKey(OTHER, KEY.key_id, KEY.secret, KEY.index_secret)
    with pytest.raises(CannotOpen):
        SEALER.open(copied, sealed, CONTACT)


@given(st.binary(max_size=60), st.text(max_size=20), st.text(min_size=1, max_size=20))
def test_what_is_about_something_opens_for_that_and_nothing_else(
    plain: bytes, purpose: str, about: str
):
    sealed = SEALER.seal(KEY, plain, purpose, about)
    assert sealed.startswith(f"v2.{KEY.key_id}.")
    assert SEALER.open(KEY, sealed, purpose, about) == plain
    others = ((purpose, ""), (purpose, about + "x"), (purpose, about[1:]), (purpose + about, ""),
              (purpose + about[:1], about[1:]), (purpose + "x", about))  # fmt: skip
    for other in others:
        with pytest.raises(CannotOpen):
            SEALER.open(KEY, sealed, *other)
    # Nor does it by passing for one that was written before texts were about something.
    with pytest.raises(CannotOpen):
        SEALER.open(KEY, sealed.replace("v2.", "v1.", 1), purpose, about)


def test_what_was_sealed_before_texts_were_about_something_opens():
    assert SEALER.open(KEY, SEALER.seal(KEY, b"secret", CONTACT), CONTACT, "7") == b"secret"


def test_the_refusal_says_nothing():
    with pytest.raises(CannotOpen) as refusal:
        SEALER.open(KEY, f"v1.{KEY.key_id}.jon@example.com", CONTACT)
    assert "jon" not in repr(refusal.value)
    assert refusal.value.__cause__ is None


def test_neither_keys_nor_contacts_show_in_a_repr():
    assert KEY.secret.hex() not in repr(KEY)
    assert repr(KEY.secret) not in repr(KEY)
    assert "jon" not in repr(Contact(email="jon@example.com"))


@pytest.mark.parametrize(
    "spelling",
    [
        "jon@example.com",
        "  Jon@Example.COM\n",
        "JON@EXAMPLE.COM",
        "\uff4a\uff4f\uff4e@example.com",  # full-width letters
    ],
)
def test_spellings_of_one_address_have_one_index(spelling: str):
    assert SEALER.blind_index(KEY, spelling) == SEALER.blind_index(KEY, "jon@example.com")


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=6))
def test_what_any_older_key_has_sealed_opens_and_new_texts_name_the_new_key(plains: list[bytes]):
    key, sealed = KEY, []
    for plain in plains:
        sealed.append(SEALER.seal(key, plain, CONTACT))
        key = rotated(key)
    assert [SEALER.open(key, each, CONTACT) for each in sealed] == plains
    assert all(key.knows(each) for each in sealed)
    assert SEALER.blind_index(key, "jon@example.com") == SEALER.blind_index(KEY, "jon@example.com")
    new = SEALER.seal(key, plains[0], CONTACT)
    assert key_id_of(new) == key.key_id
    assert not KEY.knows(new)
    with pytest.raises(CannotOpen):
        SEALER.open(KEY, new, CONTACT)


def test_the_name_of_another_key_does_not_make_a_text_open():
    key = rotated(rotated(KEY))
    sealed = SEALER.seal(KEY, b"secret", CONTACT)
    scheme, _, box = sealed.split(".")
    for other in (key.key_id, *key.older, "0" * 16, ""):
        if other != KEY.key_id:
            with pytest.raises(CannotOpen):
                SEALER.open(key, f"{scheme}.{other}.{box}", CONTACT)


def test_nothing_derived_from_a_key_outlives_it():
    sealer, search = AesGcmSealer(), HmacSearch()
    key = rotated(KEY)
    sealer.open(key, sealer.seal(key, b"secret", CONTACT), CONTACT)
    search.asked(key, ["ada"])
    seen = weakref.ref(key)
    del key
    gc.collect()
    assert seen() is None


def test_an_index_is_the_shops_own_and_128_bits():
    index = SEALER.blind_index(KEY, "jon@example.com")
    stranger = new_key(OTHER)
    assert len(bytes.fromhex(index)) == 16
    assert index != SEALER.blind_index(stranger, "jon@example.com")
    assert index != SEALER.blind_index(KEY, "jon@example.org")
    assert SEALER.blind_index(KEY, "  ") == ""


@given(st.text(st.characters()))
def test_normalising_twice_changes_nothing_more(value: str):
    assert normalised(normalised(value)) == normalised(value)
    SEALER.blind_index(KEY, value)


def test_a_lone_surrogate_has_an_index_too():
    assert SEALER.blind_index(KEY, "\ud800@example.com")


def test_a_contact_survives():
    contact = Contact(email="jon@example.com", last_name="Müller-Łukasz")
    sealed = SEALER.seal(KEY, msgspec.json.encode(contact), CONTACT)
    assert msgspec.json.decode(SEALER.open(KEY, sealed, CONTACT), type=Contact) == contact


@pytest.mark.parametrize(
    ("content", "mode", "complaint"),
    [
        (b64encode(b"k" * 32), 0o644, "other users"),
        (b64encode(b"k" * 32), 0o640, "other users"),
        (b64encode(b"k" * 31), 0o600, "a time and a key"),
        (b"not base64!", 0o600, "a time and a key"),
        (urlsafe_b64encode(b"\xff" * 32), 0o600, "a time and a key"),
        (b"", 0o600, "holds no key"),
    ],
)
def test_a_bad_key_file_is_refused_in_one_line(
    tmp_path: Path, content: bytes, mode: int, complaint: str
):
    path = tmp_path / "master.key"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(BadKeyFile, match=complaint) as refusal:
        read_keys(path)
    assert "\n" not in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert not content or content.decode() not in str(refusal.value)


def test_a_missing_key_file_or_a_folder_is_refused_in_one_line(tmp_path: Path):
    with pytest.raises(BadKeyFile, match="No such file"):
        read_keys(tmp_path / "absent")
    tmp_path.chmod(0o700)
    with pytest.raises(BadKeyFile, match="not a regular file"):
        read_keys(tmp_path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(BadKeyFile, match="not a regular file"):
        read_keys(tmp_path / "pipe")
