"""What became of one message, read off the log: the decision, then what results, receipts, edits and the like say.

Reads the whole log (records that cannot concern it are passed over by a byte search), so it takes time on a long one;
the ledger will answer faster. Called by `trinario trace` and the console; may run as any role that reads the log.
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from bus.connection import Connection
from bus.stored import StoredMessage, read_range
from bus.subjects import LOG
from schemas.codec import decode_event, decode_legs, decode_record, decode_seats
from schemas.errors import explain as in_words
from schemas.events import LegResult, Message, Reaction, Receipt, Results, Target, Vote
from schemas.handles import rail_of
from schemas.ids import EventId, PersonId
from schemas.log import Entry, Seat
from schemas.markers import Marker

_RANKS = {"queued": 0, "posted": 1, "delivered": 2, "read": 3}


class Line(msgspec.Struct, kw_only=True):
    """What happened on one rail."""

    rail: str
    status: str
    """queued, posted, delivered, read, failed or skipped."""
    native_ids: tuple[str, ...] = ()
    attempts: int = 0
    at_ms: int = 0
    why: str = ""
    lost: tuple[str, ...] = ()


class Change(msgspec.Struct, kw_only=True):
    """An edit, unsend, reaction or vote that came later, and what became of it on each rail.

    What it says is not here, but for a reaction's emoji and a vote's options.
    """

    event_id: EventId
    kind: str
    actor: str
    outcome: str
    why: str = ""
    at_ms: int = 0
    emoji: str = ""
    how: str = ""
    options: tuple[int, ...] = ()
    legs: list[Line]


class _Found(msgspec.Struct, kw_only=True):
    """The message's entry, and when its record was stored."""

    entry: Entry
    event: Message
    at_ms: int


async def trace(conn: Connection, any_id: str) -> dict[str, Any] | None:
    """The story of a message by its canonical id, what any rail calls it, or the id of an edit or the like of it.

    None when the log has no such message.
    """
    found = await _find(conn, any_id)
    if found is None:
        return None
    story = _Story(found)
    async for stored in _records(conn, story.names):
        for entry in decode_record(stored.data).entries:
            story.hear(entry, stored.at_ms)
    return story.told()


async def _records(conn: Connection, needles: list[str]) -> AsyncIterator[StoredMessage]:
    """The log's records in which one of these texts stands. The list may grow on the way."""
    first = 1
    while messages := await read_range(conn, LOG, first=first, subject_filter="log.*"):
        for message in messages:
            if any(needle.encode() in message.data for needle in needles if needle):
                yield message
        first = messages[-1].sequence + 1


async def _find(conn: Connection, any_id: str) -> _Found | None:
    event_id = EventId(any_id)
    async for stored in _records(conn, [any_id]):
        for entry in decode_record(stored.data).entries:
            if entry.event_id == any_id and (target := _target(entry)) is not None:
                event_id = target.target
            if entry.kind == "message" and any_id in (entry.event_id, (event := _message(entry)).native_id):
                return _Found(entry=entry, event=event, at_ms=stored.at_ms)
            for result in _results(entry):
                if any_id in result.native_ids:
                    event_id = result.event
    return await _find(conn, event_id) if event_id != any_id else None


def _message(entry: Entry) -> Message:
    event = decode_event(entry.event)
    assert isinstance(event, Message)  # noqa: S101 - the entry's kind says so
    return event


def _target(entry: Entry) -> Target | None:
    """The event if it is about an earlier message."""
    if entry.kind not in ("edit", "unsend", "reaction", "vote"):
        return None
    event = decode_event(entry.event)
    return event if isinstance(event, Target) else None


def _results(entry: Entry) -> tuple[LegResult, ...]:
    if entry.kind != "results" or entry.outcome != "noted":
        return ()
    event = decode_event(entry.event)
    return event.results if isinstance(event, Results) else ()


class _Story:
    """The lines of one message, and what is heard of them."""

    def __init__(self, found: _Found) -> None:
        self._found = found
        entry = found.entry
        self._seats = {seat.person: seat for seat in decode_seats(entry.seats)}
        self._markers: dict[PersonId, Marker] = {}
        self._changes: dict[EventId, Change] = {}
        self.names: list[str] = [entry.event_id, entry.conversation]
        """What stands in every record that has to do with it."""
        refused = entry.outcome != "routed"
        self._lines = {
            entry.source: Line(
                rail=entry.source,
                status="failed" if refused else "posted",
                native_ids=(found.event.native_id,) if found.event.native_id else (),
                attempts=1,
                at_ms=found.event.at_ms or found.at_ms,
                why=in_words(entry.why) if refused else "written here",
            )
        }
        for rail, leg in decode_legs(entry.legs).items():
            if leg.act == "post":
                self._lines[rail] = Line(rail=rail, status="queued", at_ms=found.at_ms, why=leg.why)
        for handle, why in entry.unreached.items():
            self._lines.setdefault(
                rail_of(handle), Line(rail=rail_of(handle), status="skipped", at_ms=found.at_ms, why=why)
            )

    def hear(self, entry: Entry, at_ms: int) -> None:
        """Take in what an entry says of the message."""
        for result in _results(entry):
            if result.event == self._found.entry.event_id:
                line = self._lines.get(entry.source)
            elif change := self._changes.get(result.event):
                line = next((line for line in change.legs if line.rail == entry.source), None)
            else:
                continue
            if line is not None:
                _settle(line, result, at_ms)
        if (event := _target(entry)) is not None and event.target == self._found.entry.event_id:
            self._changes[event.id] = _change(entry, event, at_ms)
            self.names.append(event.id)
        if (
            entry.kind == "receipt"
            and entry.outcome == "routed"
            and entry.conversation == self._found.entry.conversation
        ):
            self._hear_receipt(entry, at_ms)

    def _hear_receipt(self, entry: Entry, at_ms: int) -> None:
        event, person = decode_event(entry.event), entry.actor
        if not isinstance(event, Receipt) or person is None:
            return
        self._markers[person] = self._markers.get(person, Marker()).advanced(event.status, entry.position)
        if person == self._found.entry.actor or not 0 < self._found.entry.position <= entry.position:
            return
        for rail in self._rails_told(event, person, entry.source):
            line = self._lines.get(rail)
            if line is not None and 0 < _RANKS.get(line.status, 0) < _RANKS[event.status]:
                line.status, line.at_ms = event.status, event.at_ms or at_ms

    def _rails_told(self, event: Receipt, person: PersonId, source: str) -> set[str]:
        """Delivered is of one rail; read is of a person, so of every rail of theirs."""
        seat: Seat | None = self._seats.get(person)
        if event.status == "delivered" or seat is None:
            return {source}
        return {source, *(rail_of(handle) for handle in seat.handles)}

    def told(self) -> dict[str, Any]:
        """As the contract says it."""
        entry, event = self._found.entry, self._found.event
        return {
            "message_id": entry.event_id,
            "conversation": entry.conversation,
            "position": entry.position,
            "from": event.actor,
            "accepted_at_ms": event.at_ms or self._found.at_ms,
            "routed_at_ms": self._found.at_ms,
            "outcome": entry.outcome,
            "legs": [msgspec.to_builtins(line) for line in self._lines.values()],
            "unreached": entry.unreached,
            "markers": [
                {"person": person, "delivered": marker.delivered, "read": marker.read}
                for person, marker in self._markers.items()
            ],
            "changes": [msgspec.to_builtins(change) for change in self._changes.values()],
        }


def _change(entry: Entry, event: Target, at_ms: int) -> Change:
    """As the log tells of it; its legs wait for their results."""
    refused = entry.outcome != "routed"
    here = Line(
        rail=entry.source,
        status="failed" if refused else "posted",
        at_ms=event.at_ms or at_ms,
        why=in_words(entry.why) if refused else "done here",
    )
    legs = [Line(rail=rail, status="queued", at_ms=at_ms, why=leg.why) for rail, leg in decode_legs(entry.legs).items()]
    return Change(
        event_id=event.id,
        kind=entry.kind,
        actor=event.actor,
        outcome=entry.outcome,
        why=entry.why,
        at_ms=event.at_ms or at_ms,
        emoji=event.emoji if isinstance(event, Reaction) else "",
        how=event.how if isinstance(event, Reaction) else "",
        options=event.options if isinstance(event, Vote) else (),
        legs=[here, *legs],
    )


def _settle(line: Line, result: LegResult, at_ms: int) -> None:
    """A later result replaces an earlier one (a redriven leg), but never takes back what a reader has shown."""
    if _RANKS.get(line.status, 0) <= _RANKS["posted"]:
        line.status = result.status
    line.native_ids, line.attempts, line.lost = result.native_ids, result.attempts, result.lost
    line.at_ms = result.at_ms or at_ms
    if result.why:
        line.why = result.why
