"""Metrics: every name with its meaning, and how they are written for Prometheus.

Daemons count in plain ints and floats, where things happen; nothing is exported before somebody asks for ``/metrics``.
What a daemon may export stands in `METRICS`, which docs/metrics.md, the dashboard and the alert rules are checked
against. Rails are not ours and have their own few (``rail_...``).
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Literal, NamedTuple

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0)

MOST_SAMPLED = 16
"""How many of a batch's waits are taken into a histogram: measuring must not be what takes the time."""


class Described(msgspec.Struct, frozen=True):
    """What a metric is. Counters are exported with ``_total`` behind the name."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str


METRICS: Mapping[str, Described] = {
    one.name: one
    for one in (
        Described("trinario_ready", "gauge", (), "1 when the daemon does its work, as /readyz says."),
        Described("trinario_bus_connected", "gauge", (), "1 while the daemon's connection to NATS is there."),
        Described(
            "trinario_hop_seconds",
            "histogram",
            ("hop", "rail"),
            "How long events take from one stop to the next, up to 16 of a batch. accepted_routed: from IN_<RAIL> to"
            " LOG. routed_posted: to the rail's answer. posted_delivered: to the rail's receipt.",
        ),
        Described("trinario_router_partitions", "gauge", (), "Partitions that this router owns."),
        Described("trinario_router_pending", "gauge", (), "Events read and not committed."),
        Described("trinario_router_lag_seconds", "gauge", (), "How long the oldest of them has waited."),
        Described("trinario_router_epoch", "gauge", (), "Rises when an ingress stream was found rolled back."),
        Described(
            "trinario_router_events", "counter", ("outcome",), "Events committed: routed, noted, refused, parked."
        ),
        Described(
            "trinario_router_refused", "counter", ("why",), "Events refused, by reason (schemas.errors.Refusal)."
        ),
        Described("trinario_router_records", "counter", (), "Log records committed."),
        Described(
            "trinario_router_let_go", "counter", ("why",), "Partitions given up: fenced by another router, and so on."
        ),
        Described("trinario_routers", "gauge", (), "Routers that share the partitions."),
        Described("trinario_ledger_pending", "gauge", (), "Log records that the ledger has still to read."),
        Described("trinario_ledger_lag_seconds", "gauge", (), "How old the last record read is, while there are more."),
        Described("trinario_ledger_log_sequence", "gauge", (), "The last log record kept."),
        Described("trinario_ledger_facts", "counter", (), "Facts kept since the start."),
        Described("trinario_dead_letters", "gauge", ("stage", "rail"), "Letters in DEAD that wait for an operator."),
        Described("trinario_stream_messages", "gauge", ("stream",), "Messages in a stream."),
        Described("trinario_stream_bytes", "gauge", ("stream",), "Bytes in a stream."),
        Described(
            "trinario_stream_limit_bytes", "gauge", ("stream",), "What a stream may hold; only those with a limit."
        ),
        Described("trinario_bridge_state", "gauge", ("rail", "state"), "1 for the state the bridge is in."),
        Described("trinario_bridge_legs_pending", "gauge", ("rail",), "Legs that are not done."),
        Described("trinario_bridge_outbox_pending", "gauge", ("rail",), "Events that the bus has not got."),
        Described("trinario_bridge_lag_seconds", "gauge", ("rail",), "How long the oldest leg has waited."),
        Described("trinario_bridge_log_sequence", "gauge", ("rail",), "The last log record read."),
        Described("trinario_bridge_legs", "counter", ("rail", "act"), "Legs done, by act."),
        Described(
            "trinario_bridge_failed", "counter", ("rail", "reason"), "Legs given up: refused, deadline, impossible."
        ),
        Described(
            "trinario_bridge_retries", "counter", ("rail", "reason"), "Attempts to be made again: put_off, unanswered."
        ),
        Described(
            "trinario_bridge_webhooks",
            "counter",
            ("rail", "answer"),
            "Webhooks: taken, unsigned (401), not_json (400), put_off (503).",
        ),
        Described(
            "trinario_bridge_updates_parked", "counter", ("rail",), "Updates of the rail that could not be read."
        ),
        Described("trinario_bridge_dead", "counter", ("rail",), "Dead letters ever written by the bridge."),
        Described("trinario_bridge_redriven", "counter", ("rail",), "Dead letters taken to be tried again."),
        Described(
            "trinario_bridge_dropped",
            "counter",
            ("rail", "reason"),
            "Dropped without a dead letter: unmatched (its message never came).",
        ),
        Described("trinario_spans", "counter", ("outcome",), "Spans for OpenTelemetry: exported, dropped."),
        Described("trinario_console_pages", "gauge", (), "Open pages."),
    )
}


class Histogram:
    """Counts of seconds by bound. Not thread-safe to the last count, which nobody would notice."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def observe(self, value_s: float) -> None:
        """Take one in; what a clock makes negative counts as 0."""
        value_s = max(0.0, value_s)
        self.counts[bisect_left(BOUNDS_S, value_s)] += 1
        self.sum_s += value_s

    def observe_since(self, at_ms: Iterable[int], now_ms: int) -> None:
        """Take in how long ago these times are."""
        for one in at_ms:
            self.observe((now_ms - one) / 1000)

    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus wants them: how many were at most so long."""
        bounds = [*(f"{bound:g}" for bound in BOUNDS_S), "+Inf"]
        return list(zip(bounds, accumulate(map(float, self.counts)), strict=True))


def sampled(items: Sequence[int]) -> Sequence[int]:
    """At most `MOST_SAMPLED` of them, evenly spread."""
    return items[:: len(items) // MOST_SAMPLED + 1]


class Sample(NamedTuple):
    """One value of a metric; its labels' values in the order of `Described.labels`."""

    name: str
    value: float | Histogram
    labels: tuple[str, ...] = ()


Samples = Callable[[], Iterable[Sample]]


class Exporter:
    """Writes a daemon's samples, and those of its process, in the form that is asked for."""

    def __init__(self, samples: Samples) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Collected(samples))
        ProcessCollector(registry=self._registry)

    def written(self, accept: str) -> tuple[bytes, str]:
        """The text, and its content type, for an ``Accept`` header."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _Collected(Collector):
    """Samples -> families, at the moment of a scrape."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]:
        families: dict[str, CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily] = {}
        for name, value, labels in self._samples():
            if name not in families:
                families[name] = _family(METRICS[name])
            family = families[name]
            if isinstance(value, Histogram):
                assert isinstance(family, HistogramMetricFamily)  # noqa: S101 - described so
                family.add_metric(labels, value.buckets(), value.sum_s)
            else:
                assert not isinstance(family, HistogramMetricFamily)  # noqa: S101 - described so
                family.add_metric(labels, value)
        yield from families.values()


def _family(described: Described) -> CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily:
    match described.kind:
        case "counter":
            return CounterMetricFamily(described.name, described.help, labels=described.labels)
        case "gauge":
            return GaugeMetricFamily(described.name, described.help, labels=described.labels)
        case "histogram":
            return HistogramMetricFamily(described.name, described.help, labels=described.labels)
