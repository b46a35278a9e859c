"""Spans on their way out: a bounded queue, and batches to an OpenTelemetry collector (OTLP over HTTP).

Only with the extra ``trinario[otel]``, `tracing.endpoint` and a `tracing.ratio` above 0; otherwise there is no `Tracer`
and daemons do nothing for it. What is dropped (the queue is full, the collector is away) is counted, never waited for.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import structlog

from bus.config import ConfigurationError, TracingSettings
from bus.metrics import Sample
from bus.tracing import Span, is_sampled, span_id_of, trace_id_of

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import SpanContext

MOST_QUEUED, MOST_AT_ONCE = 4096, 512
EVERY_S, ANSWER_WITHIN_S, STOP_WITHIN_S = 1.0, 5.0, 2.0

_log = structlog.get_logger(__name__)

_OPERATIONS = {"accept": "send", "route": "process", "post": "send"}
"""`messaging.operation.type`, of the semantic conventions for messaging."""


class Tracer:
    """The spans of one daemon."""

    def __init__(self, *, exporter: "SpanExporter", resource: "Resource", ratio: float) -> None:
        self._exporter, self._resource, self._ratio = exporter, resource, ratio
        self._queue: deque[Span] = deque()
        self.exported, self.dropped = 0, 0

    def is_traced(self, event_id: str) -> bool:
        """Whether this event's way is followed: the same answer in every daemon with the same ratio."""
        return is_sampled(trace_id_of(event_id), self._ratio)

    def add(self, span: Span) -> None:
        """Queue a span; when the queue is full it is dropped and counted."""
        if len(self._queue) >= MOST_QUEUED:
            self.dropped += 1
            return
        self._queue.append(span)

    async def run(self) -> None:
        """Send until cancelled; then once more, for a moment."""
        try:
            while True:
                await asyncio.sleep(EVERY_S)
                while self._queue:
                    await self._send()
        finally:
            try:
                async with asyncio.timeout(STOP_WITHIN_S):
                    while self._queue:
                        await self._send()
            except TimeoutError:
                self.dropped += len(self._queue)

    async def _send(self) -> None:
        from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415 - an extra

        spans = [self._queue.popleft() for _ in range(min(MOST_AT_ONCE, len(self._queue)))]
        try:
            result = await asyncio.to_thread(self._exporter.export, [_readable(one, self._resource) for one in spans])
        except Exception as error:  # noqa: BLE001 - whatever a collector or its library does, the daemon goes on
            _log.warning("spans.dropped", count=len(spans), reason=type(error).__name__)
            result = SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            self.exported += len(spans)
        else:
            self.dropped += len(spans)


def open_tracer(settings: TracingSettings, *, service: str) -> Tracer | None:
    """A daemon's tracer; None when tracing is off. Raises `ConfigurationError` when the extra is not installed."""
    if settings.endpoint is None or settings.ratio <= 0:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigurationError(
            "tracing.endpoint is set, and OpenTelemetry is not installed. Install the extra `trinario[otel]`, or take "
            "tracing.endpoint out."
        ) from error
    exporter = OTLPSpanExporter(endpoint=f"{settings.endpoint.rstrip('/')}/v1/traces", timeout=ANSWER_WITHIN_S)
    return Tracer(exporter=exporter, resource=Resource({"service.name": service}), ratio=settings.ratio)


def samples(tracer: Tracer | None) -> Iterator[Sample]:
    """For ``/metrics``; zeros when tracing is off."""
    yield Sample("trinario_spans", tracer.exported if tracer else 0, ("exported",))
    yield Sample("trinario_spans", tracer.dropped if tracer else 0, ("dropped",))


def _readable(span: Span, resource: "Resource") -> "ReadableSpan":
    from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415 - an extra
    from opentelemetry.trace import Link, SpanKind, Status, StatusCode  # noqa: PLC0415 - an extra

    trace_id = trace_id_of(span.event_id)
    destination = f"IN_{span.rail.upper()}" if span.stop == "accept" else "LOG" if span.stop == "route" else span.rail
    kind = SpanKind.CONSUMER if span.stop == "route" else SpanKind.PRODUCER
    rail = "" if span.stop == "route" else span.rail
    return ReadableSpan(
        name=f"{span.stop} {destination}",
        context=_context(trace_id, span_id_of(span.event_id, span.stop, rail)),
        parent=_context(trace_id, span.parent_id) if span.parent_id else None,
        resource=resource,
        attributes={
            "messaging.system": "trinario" if span.stop == "post" else "nats",
            "messaging.operation.name": span.stop,
            "messaging.operation.type": _OPERATIONS[span.stop],
            "messaging.destination.name": destination,
            "messaging.message.id": span.event_id,
            "trinario.rail": span.rail,
            **({"error.type": span.failed} if span.failed else {}),
            **span.attributes,
        },
        links=[Link(_context(span.link.trace_id, span.link.span_id))] if span.link else (),
        kind=kind,
        status=Status(StatusCode.ERROR, span.failed) if span.failed else Status(StatusCode.UNSET),
        start_time=span.start_ms * 1_000_000,
        end_time=max(span.start_ms, span.end_ms) * 1_000_000,
    )


def _context(trace_id: str, span_id: str) -> "SpanContext":
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415 - an extra

    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
