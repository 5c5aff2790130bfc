"""Notification templates: texts per language with declared variables, filled in without running
anything."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape

from domain.errors import InvalidRequest, Kind, LoyaltyError, Problem

LANGUAGES = ("en", "es", "fr", "de", "pt", "ja", "ar", "he")
FALLBACK = "en"
RIGHT_TO_LEFT = frozenset(("ar", "he"))
MAX_LENGTH = 100_000

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PLACE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


class UnknownLanguage(LoyaltyError):
    """Neither the language asked for nor the fallback has a text."""

    code = "NO_TEMPLATE_TEXT"
    kind = Kind.NOT_FOUND
    title = "The template has no text in this language or in English."


@dataclass(frozen=True, slots=True)
class Text:
    """One language's parts. ``html`` may be empty: then the mail is plain text only."""

    subject: str
    plain: str
    html: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A notification's texts. Every ``{{ name }}`` in them is one of the declared ``variables``."""

    type: str
    variables: tuple[str, ...]
    texts: Mapping[str, Text]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message ready to send; ``language`` is the one that was found."""

    language: str
    subject: str
    plain: str
    html: str


def problems_of(template: Template) -> list[Problem]:
    """Everything wrong with a template, each with the JSON pointer of its place."""
    found = [
        Problem(f"/variables/{index}", "must be lower-case letters, digits and _")
        for index, name in enumerate(template.variables)
        if not _NAME.fullmatch(name)
    ]
    if FALLBACK not in template.texts:
        found.append(Problem(f"/texts/{FALLBACK}", "the fallback language needs a text"))
    for language, text in template.texts.items():
        at = f"/texts/{language}"
        if language not in LANGUAGES:
            found.append(Problem(at, f"must be one of {', '.join(LANGUAGES)}"))
        for part, content in (("subject", text.subject), ("plain", text.plain)):
            if not content.strip():
                found.append(Problem(f"{at}/{part}", "must not be empty"))
        if "\n" in text.subject or "\r" in text.subject:
            found.append(Problem(f"{at}/subject", "must be one line"))
        for part, content in _parts(text):
            found += (
                Problem(f"{at}/{part}", problem)
                for problem in _problems_in(content, template.variables)
            )
    return found


def render(template: Template, language: str, values: Mapping[str, str]) -> Rendered:
    """The message in ``language`` (``pt-BR`` reads as ``pt``), else in English.

    Values are escaped in the HTML part, and put on one line in the subject. What a value contains
    is never read as a template again. Raises InvalidRequest when a declared variable has no
    value, UnknownLanguage when there is no text at all.
    """
    missing = [name for name in template.variables if name not in values]
    if missing:
        raise InvalidRequest(
            problems=[Problem(f"/values/{name}", "is missing") for name in missing]
        )
    given = {name: values[name] for name in template.variables}
    found = pick_language(language, template.texts)
    text = template.texts[found]
    return Rendered(
        language=found,
        subject=_fill(text.subject, {k: " ".join(v.split()) for k, v in given.items()}),
        plain=_fill(text.plain, given),
        html=_fill(text.html, {k: escape(v, quote=True) for k, v in given.items()}),
    )


def pick_language(wanted: str, available: Iterable[str]) -> str:
    """The best of the available languages for a tag such as ``fr`` or ``fr-CA``.

    Raises UnknownLanguage when not even the fallback is there.
    """
    have = frozenset(available)
    primary = wanted.replace("_", "-").partition("-")[0].lower()
    for language in (primary, FALLBACK):
        if language in have:
            return language
    raise UnknownLanguage


def _parts(text: Text) -> tuple[tuple[str, str], ...]:
    return (("subject", text.subject), ("plain", text.plain), ("html", text.html))


def _problems_in(content: str, variables: tuple[str, ...]) -> list[str]:
    if len(content) > MAX_LENGTH:
        return [f"must be at most {MAX_LENGTH} characters"]
    found = []
    for inner in dict.fromkeys(match.strip() for match in _PLACE.findall(content)):
        if not _NAME.fullmatch(inner):
            found.append("{{ }} may hold nothing but the name of a variable")
        elif inner not in variables:
            found.append(f"uses {inner}, which is not declared")
    rest = _PLACE.sub("", content)
    if "{{" in rest or "}}" in rest:
        found.append("has {{ or }} without its partner")
    return found


def _fill(content: str, values: Mapping[str, str]) -> str:
    # What is no declared variable stays as it stands; ``problems_of`` reported it when saving.
    return _PLACE.sub(lambda match: values.get(match[1].strip(), match[0]), content)
