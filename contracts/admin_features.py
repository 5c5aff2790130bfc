"""Admin features: what a shop's notifications say."""

from typing import Final

import msgspec

from contracts.kit import (
    Body,
    Contracts,
    Event,
    Idempotency,
    Instant,
    Operation,
    Request,
    Response,
    get,
    post,
    put,
)
from domain.errors import InvalidRequest, NotFound


class SaveTemplate(Request, frozen=True, kw_only=True):
    """``kind`` is the notification (``points_earned`` …), ``language`` one of the eight.

    ``body`` is plain text, an empty line between paragraphs; ``{{ name }}`` stands for a variable.
    """

    kind: str
    language: str
    subject: str
    body: str


class Template(Response, frozen=True, kw_only=True):
    """``language`` is the one found: the one asked for, or "en" when there is no translation.
    ``updated_at`` is None for a text that comes with the product."""

    kind: str
    language: str
    subject: str
    body: str
    variables: tuple[str, ...]
    updated_at: Instant | None = None


SAVE_TEMPLATE: Final = Operation(
    "admin_features.v1.UpdateNotificationTemplate",
    SaveTemplate,
    Template,
    permission="notifications:write",
    summary="Save a notification in one language; undeclared variables are refused.",
    http=put("/v1/api/notifications/template"),
    errors=(InvalidRequest,),
    idempotency=Idempotency.NATURAL,
)


class GetTemplate(Request, frozen=True, kw_only=True):
    kind: str
    language: str = "en"


GET_TEMPLATE: Final = Operation(
    "admin_features.v1.GetNotificationTemplate",
    GetTemplate,
    Template,
    permission="notifications:read",
    summary="A notification in a language, or in English.",
    http=get("/v1/api/notifications/template"),
    errors=(NotFound,),
)


class PreviewTemplate(Request, frozen=True, kw_only=True):
    """``subject`` and ``body`` preview a draft; left out, what is saved. ``values`` fill variables;
    the others show their example."""

    kind: str
    language: str = "en"
    subject: str | None = None
    body: str | None = None
    values: dict[str, str] = msgspec.field(default_factory=dict)


class Preview(Response, frozen=True, kw_only=True):
    """``html`` holds no markup but ours: the text and the values are escaped."""

    language: str
    subject: str
    html: str
    direction: str  # "ltr" or "rtl"


PREVIEW_TEMPLATE: Final = Operation(
    "admin_features.v1.PreviewNotificationTemplate",
    PreviewTemplate,
    Preview,
    permission="notifications:read",
    summary="How a notification will look.",
    http=post("/v1/api/notifications/template/preview"),
    errors=(NotFound, InvalidRequest),
)


class TemplateUpdated(Body, frozen=True, kw_only=True):
    """``updated_by`` is the id of who saved it."""

    kind: str
    language: str
    updated_by: str
    occurred_at: Instant


TEMPLATE_UPDATED: Final = Event(
    "template.updated", TemplateUpdated, "admin_features", "A notification's text changed."
)

CONTRACTS: Final = Contracts(
    operations=(SAVE_TEMPLATE, GET_TEMPLATE, PREVIEW_TEMPLATE), events=(TEMPLATE_UPDATED,)
)
