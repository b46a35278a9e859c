"""What a router counts, in plain numbers where things happen; and what of it Prometheus is told."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from bus.metrics import Histogram, Sample
from schemas.errors import Refusal
from schemas.log import Entry

_OUTCOMES = ("routed", "noted", "refused", "parked")


class Counts(msgspec.Struct, kw_only=True):
    """Everything since the router was started, over all its partitions."""

    records: int = 0
    entries: Counter[str] = msgspec.field(default_factory=Counter)
    """By outcome."""
    refused: Counter[str] = msgspec.field(default_factory=Counter)
    """By reason."""
    let_go: Counter[str] = msgspec.field(default_factory=Counter)
    """Partitions, by what ended their lane."""
    routed: Histogram = msgspec.field(default_factory=Histogram)
    """From `IN_<RAIL>` to `LOG`."""
    dead: Mapping[tuple[str, str], int] = {}
    """Letters in DEAD, by stage and rail, when last looked."""
    streams: Mapping[str, Mapping[str, int]] = {}
    """Messages, bytes and limit of each stream, when last looked."""
    routers: int = 0

    def landed(self, entries: Sequence[Entry], arrived_at_ms: Sequence[int], now_ms: int) -> None:
        """A record was stored. `arrived_at_ms`: when some of its events were."""
        self.records += 1
        others = [entry for entry in entries if entry.outcome != "routed"]
        self.entries["routed"] += len(entries) - len(others)
        for entry in others:
            self.entries[entry.outcome] += 1
            if entry.outcome == "refused":
                self.refused[entry.why] += 1
        self.routed.observe_since(arrived_at_ms, now_ms)

    def samples(self) -> Iterator[Sample]:
        """For ``/metrics``."""
        yield Sample("trinario_router_records", self.records)
        for outcome in {**dict.fromkeys(_OUTCOMES), **self.entries}:
            yield Sample("trinario_router_events", self.entries[outcome], (outcome,))
        for why in [*Refusal, *(other for other in self.refused if other not in set(Refusal))]:
            yield Sample("trinario_router_refused", self.refused[why], (why,))
        for why in {**dict.fromkeys(("Fenced", "CommitUnknown", "Adrift")), **self.let_go}:
            yield Sample("trinario_router_let_go", self.let_go[why], (why,))
        yield Sample("trinario_hop_seconds", self.routed, ("accepted_routed", ""))
        yield Sample("trinario_routers", self.routers)
        for (stage, rail), count in self.dead.items():
            yield Sample("trinario_dead_letters", count, (stage, rail))
        for name, state in self.streams.items():
            yield Sample("trinario_stream_messages", state["messages"], (name,))
            yield Sample("trinario_stream_bytes", state["bytes"], (name,))
            if state["limit"] > 0:
                yield Sample("trinario_stream_limit_bytes", state["limit"], (name,))
