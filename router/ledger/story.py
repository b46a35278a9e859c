"""One message's facts as one answer: what became of it on every rail, and why somebody did or did not get it. Pure.

The ledger's rows and a scan of the log (`router.trace`) give the same facts, and so the same answer.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from router.ledger.facts import Changed, Ends, Got, Settled, Written
from schemas.codec import decode_legs, decode_seats
from schemas.errors import explain as in_words
from schemas.handles import Handle, rail_of
from schemas.ids import PersonId
from schemas.log import Seat
from schemas.markers import Marker

_RANKS = {"queued": 0, "posted": 1, "delivered": 2, "read": 3}

Status = Literal["queued", "posted", "delivered", "read", "failed", "skipped"]


class Line(msgspec.Struct, kw_only=True):
    """What happened on one rail."""

    rail: str
    status: Status
    native_ids: tuple[str, ...] = ()
    attempts: int = 0
    at_ms: int = 0
    """When it got the status it has."""
    why: str = ""
    lost: tuple[str, ...] = ()
    posted_at_ms: int = 0
    wait_ms: int = 0
    """From the decision to its being posted here."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one message. Each in the order of the log."""

    written: Written
    settled: tuple[Settled, ...] = ()
    """Of the message, and of the changes to it."""
    got: tuple[Got, ...] = ()
    """Of its conversation. Those that do not reach its position only tell the markers."""
    changed: tuple[Changed, ...] = ()
    ends: Ends | None = None
    """When it goes; None: it stays."""
    members: tuple[Seat, ...] = ()
    """Everybody who was in the conversation, with all their handles; what the seats say, where nothing is known."""


def told(facts: Facts) -> dict[str, Any]:
    """The story of a message: the contract's members of `trinario trace`, and more."""
    written = facts.written
    return {
        "message_id": written.event_id,
        "conversation": written.conversation,
        "position": written.position,
        "from": written.writer,
        "source": written.source,
        "shape": written.shape,
        "reply_to": written.reply_to or None,
        "accepted_at_ms": written.accepted_at_ms or written.routed_at_ms,
        "routed_at_ms": written.routed_at_ms,
        "outcome": written.outcome,
        "why": in_words(written.why) if written.why else "",
        "log_sequence": written.rank >> 12,
        "legs": [msgspec.to_builtins(line) for line in lines(facts).values()],
        "unreached": written.unreached,
        "markers": [
            {"person": person, "delivered": marker.delivered, "read": marker.read}
            for person, marker in markers(facts.got).items()
        ],
        **_end(facts.ends),
        **_changes(facts),
    }


def _end(ends: Ends | None) -> dict[str, Any]:
    """`expires_at_ms`: None when it is not known (yet); `after_read_s`: 0 when it does not depend on reading."""
    if ends is None:
        return {"expires_at_ms": None, "after_read_s": 0}
    return {"expires_at_ms": ends.at_ms or None, "after_read_s": ends.after_read_s}


def lines(facts: Facts) -> dict[str, Line]:
    """Rail -> what happened to the message there."""
    found = _decided(facts.written)
    for settled in facts.settled:
        line = found.get(settled.rail)
        if line is not None and settled.result.event == facts.written.event_id:
            _settle(line, settled, facts.written.routed_at_ms)
    for got in facts.got:
        _hear(found, got, facts)
    return found


def _decided(written: Written) -> dict[str, Line]:
    refused = written.outcome != "routed"
    found = {
        written.source: Line(
            rail=written.source,
            status="failed" if refused else "posted",
            native_ids=(written.native_id,) if written.native_id else (),
            attempts=1,
            at_ms=written.accepted_at_ms or written.routed_at_ms,
            posted_at_ms=0 if refused else written.accepted_at_ms or written.routed_at_ms,
            why=in_words(written.why) if refused else "written here",
        )
    }
    for rail, leg in decode_legs(written.legs).items():
        if leg.act == "post":
            found[rail] = Line(rail=rail, status="queued", at_ms=written.routed_at_ms, why=leg.why)
    for handle, why in written.unreached.items():
        rail = rail_of(handle)
        found.setdefault(rail, Line(rail=rail, status="skipped", at_ms=written.routed_at_ms, why=why))
    return found


def _settle(line: Line, settled: Settled, routed_at_ms: int) -> None:
    """A later result replaces an earlier one (a redriven leg)."""
    result = settled.result
    line.status = result.status
    line.native_ids, line.attempts, line.lost = result.native_ids, result.attempts, result.lost
    line.at_ms = result.at_ms or settled.told_at_ms
    if result.status == "posted":
        line.posted_at_ms = line.at_ms
        line.wait_ms = max(0, line.at_ms - routed_at_ms)
    if result.why:
        line.why = result.why


def _hear(found: Mapping[str, Line], got: Got, facts: Facts) -> None:
    """A receipt that reaches the message: only forward, and never for what is not there."""
    written = facts.written
    if got.person == written.actor or not 0 < written.position <= got.position:
        return
    for rail in _rails_told(got, facts):
        line = found.get(rail)
        if line is not None and 0 < _RANKS.get(line.status, 0) < _RANKS[got.status]:
            line.status, line.at_ms = got.status, got.at_ms


def _rails_told(got: Got, facts: Facts) -> set[str]:
    """Delivered is of one rail; read is of a person, so of every rail of theirs."""
    if got.status == "delivered":
        return {got.rail}
    theirs = next((seat.handles for seat in everybody(facts) if seat.person == got.person), ())
    return {got.rail, *(rail_of(handle) for handle in theirs)}


def everybody(facts: Facts) -> tuple[Seat, ...]:
    """Who is in the conversation: as the router saw them, and then who is only known from elsewhere."""
    seats = decode_seats(facts.written.seats)
    seen = {seat.person for seat in seats}
    return (*seats, *(member for member in facts.members if member.person not in seen))


def markers(got: Iterable[Got]) -> dict[PersonId, Marker]:
    """How far everybody has got in the conversation."""
    found: dict[PersonId, Marker] = {}
    for one in got:
        found[one.person] = found.get(one.person, Marker()).advanced(one.status, one.position)
    return found


def _changes(facts: Facts) -> dict[str, Any]:
    """Edits, unsends, reactions, votes and its end, in the log's order, with legs; and how things stand then."""
    counted = [change for change in facts.changed if change.outcome == "routed"]
    return {
        "changes": [_change(change, facts) for change in facts.changed],
        "edited": any(change.kind == "edit" for change in counted),
        "unsent": any(change.kind in ("unsend", "expired") for change in counted),
        "expired": any(change.kind == "expired" for change in counted),
        "reactions": reactions(counted),
    }


def _change(change: Changed, facts: Facts) -> dict[str, Any]:
    refused = change.outcome != "routed"
    here = Line(
        rail=change.source,
        status="failed" if refused else "posted",
        attempts=1,
        at_ms=change.at_ms,
        why=in_words(change.why) if refused else "done here",
    )
    legs: dict[str, Line] = {
        rail: Line(rail=rail, status="queued", at_ms=change.routed_at_ms, why=leg.why)
        for rail, leg in decode_legs(change.legs).items()
        if leg.act != "fail"
    }
    for settled in facts.settled:
        if settled.result.event == change.event_id and settled.rail in legs:
            _settle(legs[settled.rail], settled, change.routed_at_ms)
    hereabouts = () if change.kind == "expired" else (here,)
    return {
        "event_id": change.event_id,
        "kind": change.kind,
        "actor": change.by,
        "person": change.actor,
        "outcome": change.outcome,
        "why": change.why,
        "at_ms": change.at_ms,
        "emoji": change.detail.get("emoji", ""),
        "how": change.detail.get("how", ""),
        "options": change.detail.get("options", []),
        "legs": [msgspec.to_builtins(line) for line in (*hereabouts, *legs.values())],
        "unreached": change.unreached,
    }


def reactions(changed: Iterable[Changed]) -> dict[str, list[str]]:
    """Person -> their emoji, as they stand after all of these."""
    found: dict[str, list[str]] = {}
    for change in changed:
        if change.kind != "reaction" or change.outcome != "routed" or change.actor is None:
            continue
        emoji, mine = change.detail["emoji"], found.setdefault(change.actor, [])
        if change.detail["how"] == "only":
            mine[:] = [emoji] if emoji else []
        elif change.detail["how"] == "remove":
            mine[:] = [one for one in mine if one != emoji]
        elif emoji not in mine:
            mine.append(emoji)
    return {person: emoji for person, emoji in found.items() if emoji}


def seat_of(facts: Facts, handle: Handle, person: PersonId | None) -> Seat | None:
    """Who in the conversation this handle belongs to: by the seats, or by whose it is said to be (`person`)."""
    return next((seat for seat in everybody(facts) if handle in seat.handles or seat.person == person), None)
