"""Notification templates: checked when saved, filled in without running anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidRequest
from domain.templates import (
    LANGUAGES,
    Template,
    Text,
    UnknownLanguage,
    pick_language,
    problems_of,
    render,
)

HELLO = Template(
    "points_earned",
    ("name", "points"),
    {
        "en": Text("{{ points }} points", "Hi {{name}}", "<b>Hi {{ name }}</b>"),
        "fr": Text("{{ points }} points", "Salut {{ name }}"),
    },
)


def test_filling_in():
    message = render(HELLO, "en", {"name": "Ann <3", "points": "15"})
    assert message.subject == "15 points"
    assert message.plain == "Hi Ann <3"
    assert message.html == "<b>Hi Ann &lt;3</b>"


@pytest.mark.parametrize(
    ("wanted", "found"), [("fr", "fr"), ("fr-CA", "fr"), ("FR_ca", "fr"), ("de", "en"), ("", "en")]
)
def test_the_language_falls_back_to_english(wanted, found):
    assert render(HELLO, wanted, {"name": "", "points": ""}).language == found


def test_no_text_at_all():
    with pytest.raises(UnknownLanguage):
        pick_language("de", ["fr"])


def test_every_missing_value_is_named():
    with pytest.raises(InvalidRequest) as refusal:
        render(HELLO, "en", {"other": "x"})
    assert [p.pointer for p in refusal.value.problems] == ["/values/name", "/values/points"]


def test_only_declared_variables_are_filled_in():
    template = Template("t", (), {"en": Text("s", "{{ secret }}")})
    assert render(template, "en", {"secret": "x"}).plain == "{{ secret }}"


def test_a_value_cannot_add_a_header():
    message = render(HELLO, "en", {"name": "", "points": "1\r\nBcc: all@example.com"})
    assert message.subject == "1 Bcc: all@example.com points"


@given(st.text(max_size=40))
def test_a_value_is_never_read_as_a_template_or_as_markup(value):
    message = render(HELLO, "en", {"name": value + "{{ points }}", "points": "SECRET"})
    assert message.plain == f"Hi {value}{{{{ points }}}}"
    inside = message.html.removeprefix("<b>").removesuffix("</b>")
    assert not set(inside) & set("<>\"'")


def test_a_sound_template_has_no_problems():
    assert problems_of(HELLO) == []
    assert problems_of(Template("t", (), dict.fromkeys(LANGUAGES, Text("s", "p")))) == []


def test_every_mistake_is_reported_with_its_place():
    template = Template(
        "t",
        ("name", "Bad-Name"),
        {
            "xx": Text("", "{{ nmae }}", "{{ name.__class__ }}"),
            "de": Text("a\nb", "{{ name", "{{ name|safe }} }}"),
        },
    )
    assert [problem.pointer for problem in problems_of(template)] == [
        "/variables/1",
        "/texts/en",
        "/texts/xx",
        "/texts/xx/subject",
        "/texts/xx/plain",
        "/texts/xx/html",
        "/texts/de/subject",
        "/texts/de/plain",
        "/texts/de/html",
        "/texts/de/html",
    ]
    too_long = Template("t", (), {"en": Text("s", "x" * 100_001)})
    assert [problem.pointer for problem in problems_of(too_long)] == ["/texts/en/plain"]
