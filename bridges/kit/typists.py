"""Who is writing: what is said of it, and for how long it is shown. Pure; the time is given, in seconds.

A sign is said again while somebody goes on, so that it can end by itself when it is not: a lost stop heals, and a lost
start is made up for by the next. Used by `live`, one of each a bridge.
"""

from typing import NamedTuple

from schemas.ids import ConversationId, PersonId
from schemas.live import TYPING_AGAIN_S, TYPING_LASTS_S

MOST = 10_000
"""Signs in memory. When there are more, those that have said nothing for longest are forgotten."""


class Writer(NamedTuple):
    """Who writes, where, and to whom (empty in a group)."""

    conversation: ConversationId
    actor: PersonId
    to: PersonId


class Saying:
    """What is said to the others: the first sign, then one every few seconds, and the end."""

    def __init__(self) -> None:
        self._said_s: dict[Writer, float] = {}

    def said(self, who: Writer, *, on: bool, now_s: float) -> bool:
        """Whether to say it."""
        last_s = self._said_s.pop(who, None)
        is_fresh = last_s is not None and now_s - last_s < (TYPING_AGAIN_S if on else TYPING_LASTS_S)
        if on:
            self._said_s[who] = last_s if is_fresh and last_s is not None else now_s
            if len(self._said_s) > MOST:
                del self._said_s[next(iter(self._said_s))]
        return not is_fresh if on else is_fresh

    def is_writing(self, who: Writer, *, now_s: float) -> bool:
        """Whether they are writing on this rail itself."""
        return now_s - self._said_s.get(who, -TYPING_LASTS_S) < TYPING_LASTS_S


class Showing:
    """What is shown here of somebody who writes on another rail, or on several: once a person."""

    def __init__(self) -> None:
        self._shown_s: dict[Writer, float] = {}
        """When it was last shown, the oldest first."""
        self._heard_s: dict[Writer, float] = {}

    def heard(self, who: Writer, *, on: bool, now_s: float) -> bool:
        """Whether to show it here (or take it away)."""
        if not on:
            self._heard_s.pop(who, None)
            return self._shown_s.pop(who, None) is not None
        self._heard_s[who] = now_s
        last_s = self._shown_s.get(who)
        if last_s is not None and now_s - last_s < TYPING_AGAIN_S:
            return False
        if last_s is None and len(self._shown_s) >= MOST:
            self._heard_s.pop(who)
            return False
        self._shown_s.pop(who, None)
        self._shown_s[who] = now_s
        return True

    def over(self, now_s: float) -> list[Writer]:
        """Who has not said so for too long: to be taken away."""
        gone = [who for who in self._shown_s if now_s - self._heard_s[who] >= TYPING_LASTS_S]
        for who in gone:
            del self._shown_s[who], self._heard_s[who]
        return gone
