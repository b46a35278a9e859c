"""A caller's own trace on a webhook: linked to ours, and replacing nothing."""

import asyncio

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bridges.kit.contract import Call
from bridges.kit.tracing import add_accepted, in_trace
from bus.spans import Tracer
from bus.tracing import parse_traceparent, span_id_of, trace_id_of
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
    add_accepted(tracer, "whatsapp", [MESSAGE], header=header, start_ms=1000, now_ms=1005)
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


def test_a_call_to_the_rail_is_part_of_the_trace() -> None:
    """Its `traceparent` names the event's trace and the leg's span; what is not sampled carries none."""
    call = Call(method="POST", path="/v23.0/1/messages", headers={"Idempotency-Key": MESSAGE})
    traced = in_trace(
        Tracer(exporter=InMemorySpanExporter(), resource=Resource({}), ratio=1.0), "whatsapp", call, MESSAGE
    )
    parent = parse_traceparent(traced.headers["traceparent"])
    assert parent is not None
    assert (parent.trace_id, parent.span_id) == (trace_id_of(MESSAGE), span_id_of(MESSAGE, "post", "whatsapp"))
    assert (parent.sampled, traced.headers["Idempotency-Key"]) == (True, MESSAGE)
    untraced = Tracer(exporter=InMemorySpanExporter(), resource=Resource({}), ratio=0.0)
    assert in_trace(untraced, "whatsapp", call, MESSAGE) == call
