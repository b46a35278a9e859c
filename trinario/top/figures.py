"""The arithmetic of `top`: rates and quantiles out of two scrapes, slowest legs out of log records. Pure."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from bus.stored import StoredMessage
from schemas.codec import decode_event, decode_legs, decode_record
from schemas.errors import NotUnderstood
from schemas.events import Results
from schemas.log import Entry

Labels = frozenset[tuple[str, str]]
Scrape = Mapping[tuple[str, Labels], float]

SLOWEST = 12


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """One leg of a message and how long it took (or has been waiting): from the log record to the rail's answer."""

    event_id: str
    source: str
    rail: str
    status: str
    took_ms: int


def read_scrape(text: str) -> Scrape:
    """The samples of a ``/metrics`` page, by name and labels; unreadable ones are none."""
    try:
        families = list(text_string_to_metric_families(text))
    except ValueError:
        return {}
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def total(scrape: Scrape, name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    wanted = labels.items()
    return sum(value for (found, having), value in scrape.items() if found == name and wanted <= having)


def per_s(before: Scrape, now: Scrape, name: str, *, seconds: float, **labels: str) -> float | None:
    """How fast a counter rises; None when there is nothing to compare (a first look, a daemon that was restarted)."""
    risen = total(now, name, **labels) - total(before, name, **labels)
    return risen / seconds if before and now and seconds > 0 and risen >= 0 else None


def quantile_ms(before: Scrape, now: Scrape, q: float, **labels: str) -> float | None:
    """A quantile of `trinario_hop_seconds` between two scrapes (or since the start, if nothing happened between them).

    Taken to lie evenly within its bucket, as Prometheus takes it; None when there is nothing at all.
    """
    since = _buckets(now, labels)
    between = [(bound, count - dict(_buckets(before, labels)).get(bound, 0.0)) for bound, count in since]
    counts = between if between and between[-1][1] > 0 else since
    if not counts or counts[-1][1] <= 0:
        return None
    rank, low_s, below = q * counts[-1][1], 0.0, 0.0
    for bound_s, count in counts:
        if count >= rank:
            if bound_s == float("inf"):
                return low_s * 1000
            share = (rank - below) / (count - below) if count > below else 1.0
            return (low_s + (bound_s - low_s) * share) * 1000
        low_s, below = bound_s, count
    return None


def _buckets(scrape: Scrape, labels: Mapping[str, str]) -> list[tuple[float, float]]:
    wanted = labels.items()
    found: dict[float, float] = {}
    for (name, having), value in scrape.items():
        if name == "trinario_hop_seconds_bucket" and wanted <= having:
            bound = float(dict(having)["le"])
            found[bound] = found.get(bound, 0.0) + value
    return sorted(found.items())


def slowest(records: Iterable[StoredMessage], *, now_ms: int, most: int = SLOWEST) -> list[Leg]:
    """The legs of the messages in these records, the slowest first; what has no result yet is still waiting."""
    began: dict[tuple[str, str], tuple[str, int]] = {}
    ended: dict[tuple[str, str], tuple[str, int]] = {}
    for stored in records:
        for entry in _entries(stored):
            if entry.kind == "message" and entry.outcome == "routed":
                for name, leg in decode_legs(entry.legs).items():
                    if leg.act == "post":
                        began[entry.event_id, name] = (entry.source, stored.at_ms)
            elif entry.kind == "results":
                for event_id, status, at_ms in _results(entry):
                    ended[event_id, entry.source] = (status, at_ms or stored.at_ms)
    legs = []
    for (event_id, rail), (source, routed_at_ms) in began.items():
        status, at_ms = ended.get((event_id, rail), ("waiting", now_ms))
        took_ms = max(0, at_ms - routed_at_ms)
        legs.append(Leg(event_id=event_id, source=source, rail=rail, status=status, took_ms=took_ms))
    return sorted(legs, key=lambda leg: (leg.status != "waiting", -leg.took_ms))[:most]


def _entries(stored: StoredMessage) -> Sequence[Entry]:
    try:
        return decode_record(stored.data).entries
    except NotUnderstood:
        return ()


def _results(entry: Entry) -> list[tuple[str, str, int]]:
    try:
        event = decode_event(entry.event)
    except NotUnderstood:
        return []
    return [(one.event, one.status, one.at_ms) for one in event.results] if isinstance(event, Results) else []
