"""Disappearing messages: when one is to go, and how several wishes become one. Pure.

The router decides with these and writes what it decided on the entry (`Vanishing`); whoever folds the log steps the
conversation with `kept`. Nothing but a message itself sets its deadline, and nothing but a first reading moves it, to
an earlier time: an edit, a reaction or another receipt never does.
"""

from collections.abc import Iterable, Mapping

import msgspec

from schemas.ids import EventId, PersonId

LONGEST_S = 366 * 24 * 3600
"""The longest that a timer may run."""


class Expiry(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """When one message is to go. 0: not for that reason."""

    at_ms: int = 0
    """At this time, Unix milliseconds, whoever has read it."""
    after_read_s: int = 0
    """So long after somebody else has first read it."""


class Timer(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A standing wish for messages yet to be written, of a conversation or a person. 0: not for that reason."""

    after_s: int = 0
    """So long after it was sent."""
    after_read_s: int = 0

    @property
    def is_on(self) -> bool:
        """Whether anything is wished for."""
        return bool(self.after_s or self.after_read_s)


class Vanishing(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What was decided of one message."""

    message: EventId
    position: int
    author: PersonId
    at_ms: int = 0
    """When it goes, as far as that is known; 0: it waits to be read."""
    after_read_s: int = 0
    is_read: bool = False
    """Its countdown has begun; a further reading changes nothing."""


def shortest(sent_at_ms: int, asked: Expiry | None, timers: Iterable[Timer]) -> Expiry | None:
    """The shortest of what the message and the timers ask for, each way; None when nobody asks."""
    wishes = [timer for timer in timers if timer.is_on]
    latest_ms = sent_at_ms + LONGEST_S * 1000
    at_ms = [min(asked.at_ms, latest_ms)] if asked is not None and asked.at_ms > 0 else []
    at_ms += [sent_at_ms + min(timer.after_s, LONGEST_S) * 1000 for timer in wishes if timer.after_s > 0]
    after_read_s = [asked.after_read_s] if asked is not None else []
    after_read_s += [timer.after_read_s for timer in wishes]
    reading = min((min(one, LONGEST_S) for one in after_read_s if one > 0), default=0)
    found = Expiry(at_ms=min(at_ms, default=0), after_read_s=reading)
    return found if found.at_ms or found.after_read_s else None


def shortest_timer(*timers: Timer | None) -> Timer | None:
    """The shortest of several, each way; None when none is on."""
    on = [timer for timer in timers if timer is not None]
    found = Timer(
        after_s=min((one.after_s for one in on if one.after_s > 0), default=0),
        after_read_s=min((one.after_read_s for one in on if one.after_read_s > 0), default=0),
    )
    return found if found.is_on else None


def read(one: Vanishing, at_ms: int) -> Vanishing:
    """After its first reading, at that time. What was read before, or waits for no reading, stays as it is."""
    if one.is_read or not one.after_read_s:
        return one
    then_ms = at_ms + one.after_read_s * 1000
    return msgspec.structs.replace(one, at_ms=min(one.at_ms or then_ms, then_ms), is_read=True)


def kept(waiting: Mapping[EventId, Vanishing], changed: Iterable[Vanishing]) -> dict[EventId, Vanishing]:
    """What a conversation knows of its messages that go when they are read, after an entry that says this of them."""
    return {**waiting, **{one.message: one for one in changed if one.after_read_s}}


def is_over(decided: Iterable[Vanishing], waiting: Mapping[EventId, Vanishing], message: EventId, now_ms: int) -> bool:
    """Whether a message's time is over, by what its own entry says and what its conversation still waits for."""
    own = next((one for one in decided if one.message == message), None)
    if own is None:
        return False
    latest = waiting.get(message) if own.after_read_s else own
    return latest is None or 0 < latest.at_ms <= now_ms
