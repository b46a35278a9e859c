"""The router's spans: from an event's arrival in its ingress stream to its record. Called only while tracing is on."""

from bus.spans import Tracer
from bus.tracing import KINDS, Span, span_id_of
from router.batch import Draft


def add_spans(tracer: Tracer, draft: Draft, *, partition: int, now_ms: int) -> None:
    """A `route` span for each entry of a stored record that is traced."""
    for entry, at_ms in zip(draft.entries, draft.traced_at_ms, strict=True):
        if entry.kind in KINDS and tracer.is_traced(entry.event_id):
            why = {"trinario.why": entry.why} if entry.why else {}
            tracer.add(
                Span(
                    stop="route",
                    event_id=entry.event_id,
                    rail=entry.source,
                    parent_id=span_id_of(entry.event_id, "accept", entry.source),
                    start_ms=at_ms,
                    end_ms=now_ms,
                    attributes={
                        "messaging.destination.partition.id": str(partition),
                        "messaging.message.conversation_id": entry.conversation,
                        "trinario.outcome": entry.outcome,
                        "trinario.position": entry.position,
                        **why,
                    },
                )
            )
