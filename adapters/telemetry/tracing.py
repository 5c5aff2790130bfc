"""Spans around calls and events, joined into one trace by W3C traceparent headers.

Nothing is recorded, and next to nothing spent, until ``enable`` has been called.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final

from msgspec import structs
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from adapters.nats.connection import TRACE
from adapters.telemetry.requests import current_request_id
from domain.errors import Kind, LoyaltyError
from ports.events import Received

_propagator: Final = TraceContextTextMapPropagator()
_OURS: Final = (Kind.INTERNAL, Kind.UNAVAILABLE, Kind.TIMEOUT)


class _Tracing:
    """The tracer of this process; None while tracing is off."""

    tracer: trace.Tracer | None = None
    provider: TracerProvider | None = None


def enable(exporter: SpanExporter, *, process: str, at_once: bool = False) -> TracerProvider:
    """Send spans to ``exporter``; ``at_once`` is for tests, which want to see them immediately."""
    provider = TracerProvider(
        resource=Resource.create({"service.name": "loyalnest", "service.instance.id": process})
    )
    provider.add_span_processor(
        SimpleSpanProcessor(exporter) if at_once else BatchSpanProcessor(exporter)
    )
    _Tracing.provider = provider
    _Tracing.tracer = provider.get_tracer("loyalnest")
    return provider


def disable() -> None:
    """Stop tracing and send what is left."""
    if _Tracing.provider is not None:
        _Tracing.provider.shutdown()
    _Tracing.provider = _Tracing.tracer = None


def enabled() -> bool:
    return _Tracing.tracer is not None


def current_traceparent() -> str:
    """The traceparent of the span that is open now; empty when there is none."""
    if _Tracing.tracer is None:
        return ""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get(TRACE, "")


def current_trace_id() -> str:
    """The id of the open trace in hexadecimal, for logs and error pages; empty without one."""
    if _Tracing.tracer is None:
        return ""
    span = trace.get_current_span().get_span_context()
    return f"{span.trace_id:032x}" if span.is_valid else ""


def _parent(headers: Mapping[str, str]) -> Context:
    return _propagator.extract({TRACE: headers.get(TRACE, "")}, context=Context())


def server_span(name: str, headers: Mapping[str, str]) -> AbstractContextManager[object]:
    """A span around answering a call or a web request."""
    tracer = _Tracing.tracer
    return (
        nullcontext() if tracer is None else _span(tracer, name, SpanKind.SERVER, _parent(headers))
    )


def client_span(name: str, headers: dict[str, str]) -> AbstractContextManager[object]:
    """A span around a call; puts its traceparent into ``headers``."""
    tracer = _Tracing.tracer
    if tracer is None:
        return nullcontext()
    return _span(tracer, name, SpanKind.CLIENT, None, headers)


def producer_span(name: str, headers: dict[str, str]) -> AbstractContextManager[object]:
    """A span around publishing an event; puts its traceparent into ``headers``."""
    tracer = _Tracing.tracer
    return (
        nullcontext() if tracer is None else _span(tracer, name, SpanKind.PRODUCER, None, headers)
    )


@contextmanager
def _span(
    tracer: trace.Tracer,
    name: str,
    kind: SpanKind,
    parent: Context | None,
    inject: dict[str, str] | None = None,
) -> Iterator[Span]:
    span = tracer.start_span(name, context=parent, kind=kind)
    if request_id := current_request_id():
        span.set_attribute("loyalnest.request_id", request_id)
    token = otel_context.attach(trace.set_span_in_context(span, parent))
    try:
        if inject is not None:
            _propagator.inject(inject)
        yield span
    except LoyaltyError as error:
        span.set_attribute("error.type", error.code)
        if error.kind in _OURS:
            span.set_status(Status(StatusCode.ERROR, error.code))
        raise
    except Exception as error:
        # The type only: messages of foreign exceptions may hold data.
        span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise
    finally:
        otel_context.detach(token)
        span.end()


class BatchSpans:
    """One span for each event of a batch, all lasting as long as the batch is worked on.

    A batch holds events of many traces, so none of them can be the current one.
    """

    def __init__(self, consumer: str, events: Iterable[Received[Any]]) -> None:
        """``events`` of this object are the same, each with the traceparent of its span."""
        self._spans: list[Span] = []
        tracer = _Tracing.tracer
        if tracer is None:
            self.events = list(events)
            return
        self.events = []
        started = time.time_ns()
        for event in events:
            span = tracer.start_span(
                f"{consumer} {event.event.name}",
                context=_parent({TRACE: event.trace}),
                kind=SpanKind.CONSUMER,
                start_time=started,
                attributes={"messaging.consumer.group.name": consumer},
            )
            carrier: dict[str, str] = {}
            _propagator.inject(carrier, context=trace.set_span_in_context(span, Context()))
            self._spans.append(span)
            self.events.append(structs.replace(event, trace=carrier.get(TRACE, "")))

    def end(self, error: str = "") -> None:
        for span in self._spans:
            if error:
                span.set_status(Status(StatusCode.ERROR, error))
            span.end()
