"""Trace ids out of event ids, the header, sampling, and what a tracer without its collector does."""

import asyncio
import builtins
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.config import ConfigurationError, TracingSettings
from bus.spans import MOST_QUEUED, open_tracer, samples
from bus.tracing import (
    Span,
    TraceParent,
    is_sampled,
    parse_traceparent,
    span_id_of,
    trace_id_of,
)
from schemas.ids import digest, event_id
from tests.must import eventually

_ZEROS = "0" * 32


def _hex(digits: int) -> st.SearchStrategy[str]:
    return st.integers(1, 16**digits - 1).map(lambda number: f"{number:0{digits}x}")


PARENTS = st.builds(TraceParent, trace_id=_hex(32), span_id=_hex(16), sampled=st.booleans())


def _header(parent: TraceParent) -> str:
    """As callers of version 00 write it."""
    return f"00-{parent.trace_id}-{parent.span_id}-{int(parent.sampled):02x}"


@given(PARENTS)
def test_what_is_written_is_read(parent: TraceParent) -> None:
    """Whatever ids and flag a caller sends."""
    assert parse_traceparent(_header(parent)) == parent


@given(st.text())
def test_any_header_may_come(header: str) -> None:
    """Nothing raises."""
    parse_traceparent(header)


@pytest.mark.parametrize(
    ("header", "is_one"),
    [
        (f"00-{'a' * 32}-{'b' * 16}-01", True),
        (f" 00-{'a' * 32}-{'b' * 16}-00\t", True),
        (f"cc-{'a' * 32}-{'b' * 16}-01-more", True),
        (f"00-{'a' * 32}-{'b' * 16}-01-more", False),
        (f"ff-{'a' * 32}-{'b' * 16}-01", False),
        (f"00-{_ZEROS}-{'b' * 16}-01", False),
        (f"00-{'a' * 32}-{_ZEROS[:16]}-01", False),
        (f"00-{'A' * 32}-{'b' * 16}-01", False),
        ("", False),
    ],
)
def test_headers(header: str, *, is_one: bool) -> None:
    """The rules of W3C Trace Context."""
    assert (parse_traceparent(header) is not None) == is_one


@given(st.text())
def test_every_event_has_a_valid_trace(text: str) -> None:
    """Hashes and any other text: 32 hex digits, not all zero; spans 16, and different at each stop."""
    for name in (text, event_id("whatsapp", "message", text), "evt_" + "a" * 26):
        trace_id, spans = trace_id_of(name), {span_id_of(name, "accept", "a"), span_id_of(name, "post", "a")}
        parents = [TraceParent(trace_id=trace_id, span_id=one, sampled=True) for one in spans]
        assert [parse_traceparent(_header(one)) for one in parents] == parents
        assert len(spans) == 2


def test_the_trace_is_the_id() -> None:
    """No second hash: the very bits. Two ids that differ have traces that differ."""
    assert trace_id_of("evt_" + "a" * 25 + "e") == "0" * 31 + "1"
    assert len({trace_id_of("evt_" + digest(str(number))) for number in range(500)}) == 500


@given(_hex(32), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_has_all_of_a_smaller(trace_id: str, one: float, other: float) -> None:
    """And 0 has none, and 1 has all."""
    assert is_sampled(trace_id, max(one, other)) >= is_sampled(trace_id, min(one, other))
    assert is_sampled(trace_id, 1.0)
    assert not is_sampled(trace_id, 0.0)


def test_it_is_off_unless_both_are_set() -> None:
    """No tracer, and its metrics are zeros."""
    assert open_tracer(TracingSettings(), service="x") is None
    assert open_tracer(TracingSettings(endpoint="http://127.0.0.1:9"), service="x") is None
    assert open_tracer(TracingSettings(ratio=1.0), service="x") is None
    assert [one.value for one in samples(None)] == [0, 0]


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on an installation that has no OpenTelemetry."""
    real = builtins.__import__

    def without(name: str, *more: Any, **others: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return real(name, *more, **others)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationError, match=r"trinario\[otel\]"):
        open_tracer(TracingSettings(endpoint="http://127.0.0.1:9", ratio=1.0), service="x")


async def test_a_collector_that_is_away_costs_the_spans_and_nothing_else() -> None:
    """They are dropped and counted, and the tracer goes on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        tracer = open_tracer(TracingSettings(endpoint=endpoint, ratio=1.0), service="x")
        assert tracer is not None
        tracer.add(Span(stop="accept", event_id="evt_x", rail="whatsapp", start_ms=1, end_ms=2))
        running = asyncio.create_task(tracer.run())

        async def dropped() -> None:
            assert (tracer.exported, tracer.dropped) == (0, 1)

        await eventually(dropped)
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_a_full_queue_drops_and_counts() -> None:
    """Nobody waits for a collector."""
    tracer = open_tracer(TracingSettings(endpoint="http://127.0.0.1:9", ratio=1.0), service="x")
    assert tracer is not None
    for _ in range(MOST_QUEUED + 3):
        tracer.add(Span(stop="accept", event_id="evt_x", rail="whatsapp", start_ms=1, end_ms=2))
    assert [(one.labels, one.value) for one in samples(tracer)] == [(("exported",), 0), (("dropped",), 3)]
