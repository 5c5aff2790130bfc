"""What notifications say: a shop's own texts before those the product comes with."""

from collections.abc import Mapping
from html import escape
from typing import Final

from contracts.admin_features import (
    TEMPLATE_UPDATED,
    GetTemplate,
    Preview,
    PreviewTemplate,
    SaveTemplate,
    Template,
    TemplateUpdated,
)
from contracts.caller import Caller
from domain import templates as rules
from domain.errors import InvalidRequest, NotFound, Problem
from domain.templates import FALLBACK, LANGUAGES, RIGHT_TO_LEFT, Text, pick_language
from ports.templates import SavedText, Templates
from ports.unit import Unit, Units
from services.admin_features.built_in import NOTIFICATIONS, Notification

_PARTS: Final = {"subject": "/subject", "plain": "/body"}
"""Where a part of a text stands in a request. The HTML is made of the plain text, so what is wrong
with the one was said of the other."""


async def save(unit: Unit[Templates], caller: Caller, request: SaveTemplate) -> Template:
    """Store a text, if it is sound and says something new."""
    problems = []
    if request.language not in LANGUAGES:
        problems.append(Problem("/language", f"must be one of {', '.join(LANGUAGES)}"))
    notification = NOTIFICATIONS.get(request.kind)
    if notification is None:
        problems.append(Problem("/kind", f"must be one of {', '.join(NOTIFICATIONS)}"))
    else:
        problems += _problems(request.kind, notification, request.subject, request.body)
    if problems or notification is None:
        raise InvalidRequest(problems=problems)
    now = unit.now()
    saved = SavedText(request.subject, request.body, now)
    if await unit.stores.save(caller.tenant, request.kind, request.language, saved):
        updated = TemplateUpdated(
            kind=request.kind, language=request.language, updated_by=caller.name, occurred_at=now
        )
        unit.emit(TEMPLATE_UPDATED, updated, caller.tenant)
    else:
        saved = (await unit.stores.texts(caller.tenant, request.kind))[request.language]
    return _template(request.kind, notification, request.language, saved)


class Notifications:
    def __init__(self, units: Units[Templates]) -> None:
        self._units = units

    async def get(self, caller: Caller, request: GetTemplate) -> Template:
        notification = _known(request.kind)
        texts = await self._texts(caller, request.kind, notification)
        language = pick_language(request.language, texts)
        return _template(request.kind, notification, language, texts[language])

    async def preview(self, caller: Caller, request: PreviewTemplate) -> Preview:
        notification = _known(request.kind)
        texts = await self._texts(caller, request.kind, notification)
        language = pick_language(request.language, texts)
        if request.subject is not None or request.body is not None:
            # A draft is shown in the language it is written in, whether or not that is saved yet.
            language = pick_language(request.language, LANGUAGES)
        saved = texts.get(language) or texts[FALLBACK]
        subject = saved.subject if request.subject is None else request.subject
        body = saved.body if request.body is None else request.body
        problems = _problems(request.kind, notification, subject, body)
        problems += (
            Problem(f"/values/{name}", "is no variable of this notification")
            for name in request.values
            if name not in notification.examples
        )
        if problems:
            raise InvalidRequest(problems=problems)
        shown = rules.render(
            rules.Template(request.kind, notification.variables, {FALLBACK: _text(subject, body)}),
            FALLBACK,
            {**notification.examples, **request.values},
        )
        direction = "rtl" if language in RIGHT_TO_LEFT else "ltr"
        return Preview(
            language=language,
            subject=shown.subject,
            html=f'<div lang="{language}" dir="{direction}">{shown.html}</div>',
            direction=direction,
        )

    async def _texts(
        self, caller: Caller, kind: str, notification: Notification
    ) -> Mapping[str, SavedText]:
        """By language: the shop's own, and where it has none, those of the product."""
        async with self._units() as unit:
            own = await unit.stores.texts(caller.tenant, kind)
        built_in = {
            language: SavedText(text.subject, text.plain, None)
            for language, text in notification.texts.items()
        }
        return {**built_in, **own}


def _known(kind: str) -> Notification:
    notification = NOTIFICATIONS.get(kind)
    if notification is None:
        raise NotFound
    return notification


def _problems(kind: str, notification: Notification, subject: str, body: str) -> list[Problem]:
    found = rules.problems_of(
        rules.Template(kind, notification.variables, {FALLBACK: _text(subject, body)})
    )
    parts = ((problem.pointer.rpartition("/")[2], problem.detail) for problem in found)
    return [Problem(_PARTS[part], detail) for part, detail in parts if part in _PARTS]


def _text(subject: str, body: str) -> Text:
    """The body as plain text and as HTML: empty lines part paragraphs, nothing in it is markup."""
    paragraphs = (part.strip("\n") for part in body.replace("\r\n", "\n").split("\n\n"))
    html = "".join(
        f"<p>{escape(part).replace(chr(10), '<br>')}</p>" for part in paragraphs if part.strip()
    )
    return Text(subject, body, html)


def _template(kind: str, notification: Notification, language: str, saved: SavedText) -> Template:
    return Template(
        kind=kind,
        language=language,
        subject=saved.subject,
        body=saved.body,
        variables=notification.variables,
        updated_at=saved.updated_at,
    )
