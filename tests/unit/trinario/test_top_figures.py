"""Rates, quantiles and slowest legs, on numbers worked out by hand."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bus.metrics import Exporter, Histogram, Sample
from bus.stored import StoredMessage
from schemas.codec import encode
from schemas.content import Text
from schemas.events import LegResult, Message, Results
from schemas.ids import ConversationId, EventId, RailName
from schemas.log import Entry, Leg, Record
from trinario.top.figures import Scrape, per_s, quantile_ms, read_scrape, slowest


def _page(*samples: Sample) -> Scrape:
    return read_scrape(Exporter(lambda: samples).written("text/plain")[0].decode())


def test_rates_are_between_two_looks() -> None:
    """Summed over labels; a counter that has fallen belongs to a daemon that was restarted."""
    before = _page(Sample("trinario_bridge_legs", 10, ("whatsapp", "post")))
    now = _page(
        Sample("trinario_bridge_legs", 30, ("whatsapp", "post")), Sample("trinario_bridge_legs", 10, ("x", "read"))
    )
    assert per_s(before, now, "trinario_bridge_legs_total", seconds=2) == 15
    assert per_s(now, before, "trinario_bridge_legs_total", seconds=2) is None
    assert per_s({}, now, "trinario_bridge_legs_total", seconds=2) is None
    assert read_scrape("no metrics {") == {}


@given(st.lists(st.floats(min_value=0.0005, max_value=500.0), min_size=1, max_size=50))
def test_a_quantile_lies_in_the_bucket_of_its_value(values_s: list[float]) -> None:
    """Within the bounds that the value of that rank fell between."""
    histogram = Histogram()
    for value_s in values_s:
        histogram.observe(value_s)
    found = quantile_ms({}, _page(Sample("trinario_hop_seconds", histogram, ("routed_posted", "x"))), 1.0)
    assert found is not None
    assert found <= 600_000
    assert found >= max(values_s) * 1000 - 1e-6


def test_a_quantile_is_of_what_came_since() -> None:
    """Old slowness is forgotten as soon as something new has come."""
    slow, later = Histogram(), Histogram()
    slow.observe(300.0)
    later.observe(300.0)
    for _ in range(100):
        later.observe(0.002)
    before = _page(Sample("trinario_hop_seconds", slow, ("routed_posted", "x")))
    now = _page(Sample("trinario_hop_seconds", later, ("routed_posted", "x")))
    found = quantile_ms(before, now, 0.99, hop="routed_posted")
    assert found is not None
    assert found < 3
    assert quantile_ms(before, now, 0.99, hop="accepted_routed") is None


def _stored(sequence: int, at_ms: int, *entries: Entry) -> StoredMessage:
    record = Record(version=1, partition=0, epoch=0, cursor={}, entries=entries)
    return StoredMessage(subject="log.0", sequence=sequence, at_ms=at_ms, data=encode(record))


def _wrote(name: str, *rails: str) -> Entry:
    event = Message(id=EventId(name), actor="whatsapp:+1", to=("x",), content=Text(body="hello"))
    legs = {RailName(rail): Leg(act="post", why="") for rail in rails}
    return Entry(
        source="whatsapp",
        event=msgspec.Raw(encode(event)),
        event_id=event.id,
        kind="message",
        outcome="routed",
        conversation=ConversationId("cnv_1"),
        position=1,
        legs=msgspec.Raw(encode(legs)),
    )


def _told(rail: str, *results: LegResult) -> Entry:
    event = Results(id=EventId("evt_results"), results=results)
    return Entry(source=rail, event=msgspec.Raw(encode(event)), event_id=event.id, kind="results", outcome="noted")


def test_the_slowest_legs_come_first_and_those_that_wait_before_them() -> None:
    """Each message and rail is one; what cannot be read is passed over."""
    records = [
        _stored(1, 1000, _wrote("evt_1", "messenger", "instagram")),
        StoredMessage(subject="log.0", sequence=2, at_ms=1000, data=b"\xff"),
        _stored(3, 2000, _wrote("evt_2", "messenger")),
        _stored(4, 3000, _told("messenger", LegResult(event=EventId("evt_1"), status="posted", at_ms=1500))),
        _stored(5, 3000, _told("instagram", LegResult(event=EventId("evt_1"), status="failed", at_ms=2900))),
    ]
    found = [(leg.event_id, leg.rail, leg.status, leg.took_ms) for leg in slowest(records, now_ms=2600)]
    assert found == [
        ("evt_2", "messenger", "waiting", 600),
        ("evt_1", "instagram", "failed", 1900),
        ("evt_1", "messenger", "posted", 500),
    ]
    assert len(slowest(records, now_ms=2600, most=1)) == 1
