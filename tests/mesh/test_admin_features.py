"""Notification templates on real servers: the product's texts, a shop's own, and previews."""

from uuid import uuid4

import pytest

from adapters.runtime.host import Process
from contracts import admin_core, admin_features
from contracts.admin_core import GetAuditLogs
from contracts.admin_features import GetTemplate, Preview, PreviewTemplate, SaveTemplate, Template
from contracts.caller import Caller, service_caller
from domain.errors import InvalidRequest, NotFound
from domain.templates import LANGUAGES, problems_of
from domain.templates import Template as DomainTemplate
from services.admin_features.built_in import NOTIFICATIONS
from tests.conftest import Run, eventually
from tests.mesh.said import mesh_of

FRENCH = SaveTemplate(
    kind="points_earned",
    language="fr",
    subject="{{ points }} points !",
    body="Salut {{ first_name }} & <amis>,\nbravo.\n\nÀ bientôt",
)


async def get(process: Process, caller: Caller, kind: str, language: str = "en") -> Template:
    request = GetTemplate(kind=kind, language=language)
    return await mesh_of(process).call(admin_features.GET_TEMPLATE, request, caller)


async def save(process: Process, caller: Caller, request: SaveTemplate) -> Template:
    return await mesh_of(process).call(admin_features.SAVE_TEMPLATE, request, caller)


async def preview(process: Process, caller: Caller, request: PreviewTemplate) -> Preview:
    return await mesh_of(process).call(admin_features.PREVIEW_TEMPLATE, request, caller)


@pytest.mark.parametrize("kind", NOTIFICATIONS)
def test_the_products_own_texts_are_sound(kind: str) -> None:
    notification = NOTIFICATIONS[kind]
    assert problems_of(DomainTemplate(kind, notification.variables, notification.texts)) == []
    for text in notification.texts.values():
        for variable in notification.variables:
            assert f"{{{{ {variable} }}}}" in text.subject + text.plain


def test_earned_points_are_told_in_every_language() -> None:
    assert set(NOTIFICATIONS["points_earned"].texts) == set(LANGUAGES)


async def test_texts_are_there_before_anything_is_saved(run: Run) -> None:
    staff = service_caller("test", uuid4())
    async with run("admin_features") as process:
        english = await get(process, staff, "tier_reached", "ja")
        assert (english.language, english.updated_at) == ("en", None)
        assert english.variables == ("first_name", "shop_name", "tier")
        assert (await get(process, staff, "points_earned", "pt-BR")).language == "pt"
        with pytest.raises(NotFound):
            await get(process, staff, "horoscope")


async def test_a_shops_own_text_comes_first_and_stays_its_own(run: Run) -> None:
    merchant = uuid4()
    staff, stranger = service_caller("test", merchant), service_caller("test", uuid4())
    async with run("admin_features", "admin_core") as process:
        saved = await save(process, staff, FRENCH)
        assert saved == await save(process, staff, FRENCH)  # nothing new: nothing changed
        assert saved.updated_at is not None
        assert await get(process, staff, "points_earned", "fr-CA") == saved
        other = await get(process, stranger, "points_earned", "fr")
        assert other.updated_at is None

        async def log() -> tuple[admin_core.AuditRecord, ...]:
            asked = GetAuditLogs(action="template.updated")
            return (await mesh_of(process).call(admin_core.GET_AUDIT_LOGS, asked, staff)).records

        (record,) = await eventually(log)
        assert record.subject == "template:points_earned"
        assert record.details == "fr"
        assert record.actor == "service:test"


async def test_what_is_wrong_is_said_all_at_once(run: Run) -> None:
    staff = service_caller("test", uuid4())
    async with run("admin_features") as process:
        wrong = SaveTemplate(
            kind="points_earned", language="xx", subject="a\nb", body="{{ nmae }} {{"
        )
        with pytest.raises(InvalidRequest) as refusal:
            await save(process, staff, wrong)
        assert [each.pointer for each in refusal.value.problems] == [
            "/language",
            "/subject",
            "/body",
            "/body",
        ]
        with pytest.raises(InvalidRequest) as refusal:
            await save(process, staff, SaveTemplate(kind="x", language="en", subject="a", body="b"))
        assert [each.pointer for each in refusal.value.problems] == ["/kind"]
        draft = PreviewTemplate(kind="tier_reached", body=" ", values={"tire": "Gold"})
        with pytest.raises(InvalidRequest) as refusal:
            await preview(process, staff, draft)
        assert [each.pointer for each in refusal.value.problems] == ["/body", "/values/tire"]


async def test_previews(run: Run) -> None:
    staff = service_caller("test", uuid4())
    async with run("admin_features") as process:
        await save(process, staff, FRENCH)
        shown = await preview(
            process,
            staff,
            PreviewTemplate(
                kind="points_earned",
                language="fr",
                values={"first_name": "<script>", "points": "1\n2"},
            ),
        )
        assert shown == Preview(
            language="fr",
            direction="ltr",
            subject="1 2 points !",
            html='<div lang="fr" dir="ltr"><p>Salut &lt;script&gt; &amp; &lt;amis&gt;,<br>bravo.'
            "</p><p>À bientôt</p></div>",
        )
        arabic = await preview(
            process, staff, PreviewTemplate(kind="points_earned", language="ar-EG")
        )
        assert (arabic.language, arabic.direction) == ("ar", "rtl")
        assert "120" in arabic.html
        assert "{{" not in arabic.html + arabic.subject
        fallback = await preview(
            process, staff, PreviewTemplate(kind="tier_reached", language="he")
        )
        assert (fallback.language, fallback.direction) == ("en", "ltr")
        draft = await preview(
            process,
            staff,
            PreviewTemplate(kind="tier_reached", language="he", subject="{{ tier }}", body="שלום"),
        )
        assert (draft.language, draft.direction, draft.subject) == ("he", "rtl", "Gold")
