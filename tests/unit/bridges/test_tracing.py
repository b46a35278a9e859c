"""A caller's own trace on a webhook: linked to ours, and replacing nothing."""

import asyncio

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bridges.kit.tracing import add_accepted
from bus.spans import Tracer
from bus.tracing import span_id_of, trace_id_of
from schemas.ids import event_id
from tests.must import eventually

MESSAGE = event_id("whatsapp", "message", "thread", "wamid.1")


@pytest.mark.parametrize(
    ("header", "linked"),
    [(f"00-{'a' * 32}-{'b' * 16}-01", [("a" * 32, "b" * 16)]), ("nonsense", []), ("", [])],
)
async def test_the_webhooks_trace_is_linked(header: str, linked: list[tuple[str, str]]) -> None:
    """Our ids follow from the event, whatever the header says."""
    exporter = InMemorySpanExporter()
    tracer = Tracer(exporter=exporter, resource=Resource({}), ratio=1.0)
    add_accepted(tracer, "whatsapp", [MESSAGE], traceparent=header, start_ms=1000, now_ms=1005)
    running = asyncio.create_task(tracer.run())

    async def exported() -> None:
        assert tracer.exported == 1

    await eventually(exported)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    (span,) = exporter.get_finished_spans()
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == trace_id_of(MESSAGE)
    assert f"{span.context.span_id:016x}" == span_id_of(MESSAGE, "accept", "whatsapp")
    assert [(f"{one.context.trace_id:032x}", f"{one.context.span_id:016x}") for one in span.links] == linked
    assert (span.start_time, span.end_time) == (1_000_000_000, 1_005_000_000)
