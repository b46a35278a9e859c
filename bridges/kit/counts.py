"""What a bridge counts, in plain numbers where things happen; and what of it Prometheus is told."""

from collections import Counter
from collections.abc import Iterator

import msgspec

from bus.metrics import Histogram, Sample
from schemas.ids import RailName


class Counts(msgspec.Struct, kw_only=True):
    """Everything since the bridge was started."""

    webhooks: Counter[str] = msgspec.field(default_factory=Counter)
    """By answer: taken, unsigned, not_json, put_off."""
    unsigned_at_ms: int = 0
    """When the last webhook with a wrong signature came."""
    taken_at_ms: int = 0
    """When the last one was taken."""
    parked: int = 0
    done: Counter[str] = msgspec.field(default_factory=Counter)
    """Legs, by act."""
    failed: Counter[str] = msgspec.field(default_factory=Counter)
    retries: Counter[str] = msgspec.field(default_factory=Counter)
    posted: Histogram = msgspec.field(default_factory=Histogram)
    """From the log record to the rail's answer."""
    delivered: Histogram = msgspec.field(default_factory=Histogram)
    """From there to the rail's receipt."""

    def samples(self, rail: RailName) -> Iterator[Sample]:
        """For ``/metrics``."""
        yield Sample("trinario_bridge_updates_parked", self.parked, (rail,))
        for name, counter, keys in (
            ("trinario_bridge_webhooks", self.webhooks, ("taken", "unsigned", "not_json", "put_off")),
            ("trinario_bridge_legs", self.done, ("post", "read", "delivered")),
            ("trinario_bridge_failed", self.failed, ("refused", "deadline", "impossible")),
            ("trinario_bridge_retries", self.retries, ("put_off", "unanswered")),
        ):
            # Those that have not happened are told as 0: a rate needs where it started.
            for key in {**dict.fromkeys(keys), **counter}:
                yield Sample(name, counter[key], (rail, key))
        yield Sample("trinario_hop_seconds", self.posted, ("routed_posted", rail))
        yield Sample("trinario_hop_seconds", self.delivered, ("posted_delivered", rail))
