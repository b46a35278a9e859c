"""Why somebody did, or did not, get a message: one plain sentence, and every decision that led to it. Pure."""

from collections.abc import Iterator
from typing import Any

import msgspec

from router.ledger.facts import Changed
from router.ledger.story import Facts, Line, lines, seat_of
from schemas.errors import explain as in_words
from schemas.handles import Handle, rail_of
from schemas.ids import PersonId
from schemas.log import Seat

_IS_THERE = frozenset({"posted", "delivered", "read"})


def why(facts: Facts, handle: Handle, person: PersonId | None) -> dict[str, Any]:
    """The answer of `trinario why`. `person`: whose account this is today, as far as anybody knows."""
    written, rail = facts.written, rail_of(handle)
    seat = seat_of(facts, handle, person)
    found = lines(_of_one(facts, seat))
    line = found.get(rail) if seat is not None and handle not in written.unreached else None
    got, answer = _answer(facts, handle, in_it=seat is not None, line=line)
    elsewhere = [
        f"{one.rail} ({one.status})"
        for one in found.values()
        if one.rail != rail
        and one.status in _IS_THERE
        and seat is not None
        and any(rail_of(other) == one.rail for other in seat.handles)
    ]
    if got is False and elsewhere:
        answer += f" The same person has it on {', '.join(elsewhere)}."
    return {
        "message_id": written.event_id,
        "handle": handle,
        "person": seat.person if seat is not None else person,
        "got": got,
        "answer": answer,
        "rail": rail,
        "status": line.status if line is not None else None,
        "native_ids": list(line.native_ids) if line is not None else [],
        "lost": list(line.lost) if line is not None else [],
        "decisions": [{"at_ms": at_ms, "what": what} for at_ms, what in _decisions(facts, handle, line)],
    }


def _of_one(facts: Facts, seat: Seat | None) -> Facts:
    """Without the others' receipts: that somebody on the same rail has read it says nothing of this one."""
    got = tuple(one for one in facts.got if seat is not None and one.person == seat.person)
    return msgspec.structs.replace(facts, got=got)


def _answer(facts: Facts, handle: Handle, *, in_it: bool, line: Line | None) -> tuple[bool | None, str]:
    """Whether they got it (None: not yet), and in words."""
    written = facts.written
    if written.outcome == "parked":
        return False, f"No: what {written.source} sent could not be read. `trinario dead list` has it."
    if written.outcome == "refused":
        return False, f"No: the message was refused. {in_words(written.why)}"
    if handle == written.writer:
        return True, f"Yes: {handle} wrote it."
    if handle in written.unreached:
        return False, f"No: {written.unreached[handle]}."
    if not in_it or line is None:
        missing = "was not in the conversation when it was written"
        return False, f"No: {handle} {missing}." if not in_it else f"No: nothing was to go to {rail_of(handle)}."
    return _of_line(line, taken_back=any(_is_unsend(change) for change in facts.changed))


def _is_unsend(change: Changed) -> bool:
    return change.kind in ("unsend", "expired") and change.outcome == "routed"


def _of_line(line: Line, *, taken_back: bool) -> tuple[bool | None, str]:
    without = f", without: {', '.join(line.lost)}" if line.lost else ""
    after = " It was taken back since." if taken_back else ""
    match line.status:
        case "queued":
            return None, f"Not yet: the leg to {line.rail} waits."
        case "failed":
            times = "1 attempt" if line.attempts == 1 else f"{line.attempts} attempts"
            return False, f"No: {line.rail} did not take it after {times}: {line.why}."
        case "skipped":
            return False, f"No: it was left out on {line.rail}: {line.why}."
        case "read":
            return True, f"Yes: it was read{without}.{after}"
        case "delivered":
            return True, f"Yes: it was delivered on {line.rail}{without}.{after}"
        case _:
            where = "it was written on that rail" if line.why == "written here" else f"it was posted on {line.rail}"
            return True, f"Yes: {where}{without}.{after}"


def _decisions(facts: Facts, handle: Handle, line: Line | None) -> Iterator[tuple[int, str]]:
    written, rail = facts.written, rail_of(handle)
    if written.writer:
        yield written.accepted_at_ms or written.routed_at_ms, f"{written.source} took it from {written.writer}"
    if written.outcome != "routed":
        yield written.routed_at_ms, f"the router {written.outcome} it: {in_words(written.why)}"
        return
    yield written.routed_at_ms, f"the router gave it position {written.position} of {written.conversation}"
    if handle in written.unreached:
        yield written.routed_at_ms, f"the router left {handle} out: {written.unreached[handle]}"
    elif line is not None:
        yield written.routed_at_ms, f"one leg to {rail}: {_first_why(facts, rail)}"
    for settled in facts.settled:
        result = settled.result
        if line is not None and settled.rail == rail and result.event == written.event_id:
            reason = f": {result.why}" if result.why else ""
            lost = f", without {', '.join(result.lost)}" if result.lost else ""
            tries = "" if result.attempts == 1 else f" at attempt {result.attempts}"
            yield result.at_ms or settled.told_at_ms, f"{rail}: {result.status}{tries}{lost}{reason}"
    yield from _later(facts, line)


def _first_why(facts: Facts, rail: str) -> str:
    bare = Facts(written=facts.written)
    return lines(bare)[rail].why if rail in lines(bare) else ""


def _later(facts: Facts, line: Line | None) -> Iterator[tuple[int, str]]:
    if line is not None and line.status in ("delivered", "read"):
        yield line.at_ms, f"a receipt says: {line.status}"
    for change in facts.changed:
        outcome = "" if change.outcome == "routed" else f", {change.outcome}: {in_words(change.why)}"
        what = "its time was over" if change.kind == "expired" else f"{change.kind} by {change.by}"
        yield change.at_ms, f"{what}{outcome}"
