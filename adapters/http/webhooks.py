"""``POST /webhooks/{topic}``: Shopify's deliveries, answered 200 only when safely stored."""

from typing import Any, Final, Protocol

from litestar import Request, Response
from litestar.handlers import HTTPRouteHandler

from adapters.http.operations import observed
from adapters.telemetry.metrics import WEBHOOKS
from domain.errors import LoyaltyError

PATHS: Final = ("/webhooks/{topic:path}", "/v1/api/webhooks/{topic:path}")

_ACCEPTED: Final = b'{"status":"accepted"}'
_REPEATED: Final = b'{"status":"repeated"}'


class Accept(Protocol):
    async def __call__(
        self, topic: str, raw: bytes, *, signature: str, domain: str, webhook_id: str
    ) -> bool: ...


def webhook_route(accept: Accept, topics: frozenset[str], max_bytes: int) -> HTTPRouteHandler:
    async def handle(request: Request[Any, Any, Any]) -> Response[bytes]:
        topic = request.path_params["topic"].strip("/")
        label = topic if topic in topics else "unknown"  # strangers must not make up labels
        headers = request.headers
        try:
            stored = await accept(
                topic,
                await request.body(),
                signature=headers.get("x-shopify-hmac-sha256", ""),
                domain=headers.get("x-shopify-shop-domain", "").lower(),
                webhook_id=headers.get("x-shopify-webhook-id", ""),
            )
        except LoyaltyError as error:
            WEBHOOKS.labels(label, error.code).inc()
            raise
        WEBHOOKS.labels(label, "accepted" if stored else "repeated").inc()
        return Response(_ACCEPTED if stored else _REPEATED, media_type="application/json")

    return HTTPRouteHandler(
        path=list(PATHS),
        http_method="POST",
        status_code=200,
        name="webhooks",
        request_max_body_size=max_bytes,
    )(observed("/webhooks/{topic}", handle))
