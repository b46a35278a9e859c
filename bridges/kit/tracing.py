"""A bridge's spans: an event's acceptance, and the end of each leg. Called only while tracing is on."""

from collections.abc import Iterable

import msgspec

from bridges.kit.contract import Call
from bridges.kit.legs import routed_at_ms
from bridges.kit.outcomes import TOLD_ABOUT, Outcome
from bus.spans import Tracer
from bus.tracing import Span, parse_traceparent, span_id_of, traceparent


def add_accepted(
    tracer: Tracer, rail: str, event_ids: Iterable[str], *, header: str, start_ms: int, now_ms: int
) -> None:
    """An `accept` span an event: from its webhook to the bus. `header`: the webhook's own ``traceparent``, or empty."""
    link = parse_traceparent(header)
    for event_id in event_ids:
        if tracer.is_traced(event_id):
            tracer.add(Span(stop="accept", event_id=event_id, rail=rail, start_ms=start_ms, end_ms=now_ms, link=link))


def in_trace(tracer: Tracer, rail: str, call: Call, event_id: str) -> Call:
    """The call with a ``traceparent`` (W3C Trace Context) if its event is traced: a rail's own spans hang on ours."""
    if not tracer.is_traced(event_id):
        return call
    return msgspec.structs.replace(call, headers={**call.headers, "traceparent": traceparent(event_id, "post", rail)})


def add_ended(tracer: Tracer, rail: str, ended: Iterable[Outcome], *, now_ms: int) -> None:
    """A `post` span a leg: from the router's record to the rail's last answer."""
    for outcome in ended:
        row = outcome.leg.row
        if row.act not in TOLD_ABOUT or not tracer.is_traced(row.event_id):
            continue
        tracer.add(
            Span(
                stop="post",
                event_id=row.event_id,
                rail=rail,
                parent_id=span_id_of(row.event_id, "route"),
                start_ms=routed_at_ms(row) or row.taken_at_ms,
                end_ms=now_ms,
                attributes={
                    "messaging.message.conversation_id": row.conversation,
                    "trinario.act": row.act,
                    "trinario.position": row.position,
                    "trinario.attempts": outcome.leg.retries + 1,
                    "trinario.outcome": "failed" if outcome.failed else "skipped" if outcome.skipped else "posted",
                    "trinario.lost": tuple(outcome.lost),
                },
                failed=outcome.reason if outcome.failed else "",
            )
        )
