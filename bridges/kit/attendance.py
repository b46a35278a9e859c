"""Who is there: what is said of it, and what is shown. Pure; the time is given, in seconds.

A sign is said again while somebody is there, so that it can end by itself. Somebody is there as long as one of their
rails says so. Used by `presence`, one of each a bridge.
"""

from typing import NamedTuple

from schemas.ids import PersonId
from schemas.live import PRESENCE_AGAIN_S, PRESENCE_LASTS_S, Presence

MOST = 10_000
"""Persons in memory. When there are more, those that have said nothing for longest are forgotten."""


class Telling:
    """What is said to the others of people on this rail."""

    def __init__(self) -> None:
        self._said_s: dict[PersonId, float] = {}

    def said(self, person: PersonId, *, on: bool, now_s: float) -> bool:
        """Whether to say it: the first sign, one every while, and the end of what was said."""
        last_s = self._said_s.get(person)
        if not on:
            self._said_s.pop(person, None)
            return last_s is not None and now_s - last_s < PRESENCE_LASTS_S
        if last_s is not None and now_s - last_s < PRESENCE_AGAIN_S:
            return False
        self._said_s.pop(person, None)
        self._said_s[person] = now_s
        if len(self._said_s) > MOST:
            del self._said_s[next(iter(self._said_s))]
        return True


class Shown(NamedTuple):
    """How somebody is shown. `seen_ms`: when they last were there; 0: nothing is shown of it."""

    on: bool
    seen_ms: int


class _Sign(NamedTuple):
    heard_s: float
    seen_ms: int


class Gathering:
    """What the other rails say, put together."""

    def __init__(self) -> None:
        self._there: dict[PersonId, dict[str, _Sign]] = {}
        self._told_s: dict[PersonId, float] = {}

    def heard(self, rail: str, sign: Presence, *, now_s: float) -> Shown | None:
        """What to show from now on; None: nothing new."""
        person = sign.actor
        signs = self._there.setdefault(person, {}) if sign.on else self._there.get(person)
        if signs is None or (not sign.on and rail not in signs):
            return None
        before = signs.pop(rail, None)
        if sign.on:
            signs[rail] = _Sign(now_s, sign.seen_ms)
            if now_s - self._told_s.get(person, -PRESENCE_AGAIN_S) < PRESENCE_AGAIN_S:
                return None
            return self._told(person, signs, now_s)
        if signs:
            return None
        self.forget(person)
        seen_ms = max(sign.seen_ms, before.seen_ms if before is not None else 0)
        return Shown(on=False, seen_ms=seen_ms if sign.seen_ms else 0)

    def over(self, now_s: float) -> list[tuple[PersonId, Shown]]:
        """Of whom nothing has been said for too long: when they last were there."""
        gone: list[tuple[PersonId, Shown]] = []
        for person, signs in list(self._there.items()):
            late = [rail for rail, sign in signs.items() if now_s - sign.heard_s >= PRESENCE_LASTS_S]
            seen_ms = max((sign.seen_ms for sign in signs.values()), default=0)
            for rail in late:
                del signs[rail]
            if not signs:
                self.forget(person)
                gone.append((person, Shown(on=False, seen_ms=seen_ms)))
        return gone

    def forget(self, person: PersonId) -> None:
        """Nothing is known of them."""
        self._there.pop(person, None)
        self._told_s.pop(person, None)

    def _told(self, person: PersonId, signs: dict[str, _Sign], now_s: float) -> Shown:
        self._told_s.pop(person, None)
        self._told_s[person] = now_s
        if len(self._told_s) > MOST:
            self.forget(next(iter(self._told_s)))
        return Shown(on=True, seen_ms=max(sign.seen_ms for sign in signs.values()))
