"""dead list, show, redrive and drop: what could not be understood or delivered, why, and what to do about it.

A redrive is asked of the bridge that knows the letter's rail; it says at once whether it will try. Only then is the
letter taken out, and a note put in its place: so whatever breaks off in between, doing it again is harmless.
"""

import asyncio
import getpass
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from bus import dead, subjects
from bus.connection import Connection, NoResponder
from bus.publish import Publisher
from schemas.codec import decode_event, decode_redriven, encode, to_plain
from schemas.content import Text
from schemas.dead import Letter, Note, Redriven
from schemas.errors import NotUnderstood, Refusal, explain
from schemas.events import Message
from trinario.bus_access import connected
from trinario.failures import Misused, NotFound, NotReachable, Refused
from trinario.options import COMMON, Common, Flag
from trinario.output import clock, printable, table

_PREVIEW_CHARACTERS = 60
_ANSWER_WITHIN_S = 30.0
_PATIENCE_S = 120.0
"""How long a redrive waits in all to be let in, where it is one of many."""


async def listed(*, settled: Flag = False, common: Common = COMMON) -> None:
    """Everything that could not be understood or delivered, oldest first.

    Parameters
    ----------
    settled
        Instead, what operators have redriven and dropped.
    """
    async with connected(common.place()) as connection:
        if settled:
            _show_notes(common, await dead.notes(connection))
            return
        letters = [_told(kept) async for kept in dead.letters(connection)]
    rows = ((one["id"], clock(one["at_ms"]), one["stage"], one["rail"], one["why"], one["preview"]) for one in letters)
    common.output().documents(
        letters, lambda: table(("id", "when", "stage", "rail", "why", "content"), rows, empty="Nothing is dead.")
    )


async def show(letter: int, /, *, common: Common = COMMON) -> None:
    """One of them, with what it holds.

    Parameters
    ----------
    letter
        Its id, as `trinario dead list` shows it.
    """
    async with connected(common.place()) as connection:
        kept = await _found(connection, letter)
    found = {**_told(kept), "content": _content(kept.letter.payload)}
    common.output().document(
        found, lambda: "\n".join(f"{key}: {printable(str(value))}" for key, value in found.items())
    )


async def redrive(*letters: int, common: Common = COMMON) -> None:
    """Try some of them again. What the rail shows already is not sent twice.

    Parameters
    ----------
    letters
        Ids, as `trinario dead list` shows them.
    """
    if not letters:
        raise Misused("Which letter? `trinario dead list` shows their ids: `trinario dead redrive 12`.")
    async with connected(common.place()) as connection:
        for letter in letters:
            done = await redriven(connection, letter)
            common.output().document(done, lambda done=done: sentence(done))  # type: ignore[misc]


async def drop(letter: int, /, *, why: str, common: Common = COMMON) -> None:
    """Give one up for good; why is kept. Its sender was told when it died.

    Parameters
    ----------
    letter
        Its id, as `trinario dead list` shows it.
    why
        The reason, for who looks later.
    """
    if not why.strip():
        raise Misused("--why must say something: it is all that will be left of the letter.")
    async with connected(common.place()) as connection:
        done = await dropped(connection, letter, why)
    common.output().document(done, lambda: sentence(done))


async def dropped(connection: Connection, letter: int, why: str) -> dict[str, Any]:
    """Give a letter up for good: what is told of it. Raises `NotFound`."""
    note = await _settled(connection, letter)
    if note is None:
        note = _note(await _found(connection, letter), "dropped", why)
        await dead.settle(connection, note)
    return {"id": letter, "outcome": note.outcome, "event": note.event_id, "why": note.why}


async def redriven(connection: Connection, letter: int) -> dict[str, Any]:
    """Have a letter tried again: what is told of it. Raises `NotFound`, `Refused`, `NotReachable`."""
    note = await _settled(connection, letter)
    if note is not None:
        return {"id": letter, "outcome": "already", "event": note.event_id, "why": f"{note.outcome} by {note.by}"}
    kept = await _found(connection, letter)
    answer = await _ask(connection, kept)
    if answer.outcome == "refused":
        raise Refused(f"Letter {letter} cannot be redriven: {answer.why}")
    await dead.settle(connection, _note(kept, "redriven", ""))
    return {"id": letter, "outcome": answer.outcome, "event": kept.letter.event_id, "why": answer.why}


async def _ask(connection: Connection, kept: dead.Kept) -> Redriven:
    """Have it tried again; waits for its turn when there are many."""
    if kept.letter.stage == "router" and kept.letter.rail == subjects.OPERATOR:
        return await _publish_again(connection, kept.letter)
    patience_until_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            asked = await connection.request(
                subjects.redrive(kept.letter.rail), encode(kept.letter), wait_s=_ANSWER_WITHIN_S
            )
        except NoResponder:
            raise NotReachable(
                f"The bridge of {kept.letter.rail} does not answer, and only it can redrive letter {kept.id}. Start it "
                f"(`trinario bridge run {kept.letter.rail}`, or `trinario up`); the letter stays where it is."
            ) from None
        answer = decode_redriven(asked.body)
        if answer.outcome != "later":
            return answer
        if time.monotonic() > patience_until_s:
            raise NotReachable(f"The bridge of {kept.letter.rail} cannot take letter {kept.id} now: {answer.why}.")
        await asyncio.sleep(answer.wait_s)


async def _publish_again(connection: Connection, letter: Letter) -> Redriven:
    """What an operator asked for and the router did not understand: it goes where it stood."""
    publisher = Publisher(connection)
    try:
        await publisher.publish(letter.subject, letter.payload, f"redrive-{letter.sequence}")
    finally:
        await publisher.close()
    return Redriven(outcome="queued")


async def _found(connection: Connection, letter: int) -> dead.Kept:
    kept = await dead.letter_at(connection, letter)
    if kept is None:
        raise NotFound(f"There is no dead letter {letter}. `trinario dead list` shows all.")
    return kept


async def _settled(connection: Connection, letter: int) -> Note | None:
    return next((note for note in await dead.notes(connection) if note.letter == letter), None)


def _note(kept: dead.Kept, outcome: Any, why: str) -> Note:
    letter = kept.letter
    return Note(
        letter=kept.id,
        outcome=outcome,
        stage=letter.stage,
        rail=letter.rail,
        event_id=letter.event_id,
        why=why,
        by=getpass.getuser(),
        at_ms=time.time_ns() // 1_000_000,
    )


def _show_notes(common: Common, notes: list[Note]) -> None:
    rows = ((one.letter, clock(one.at_ms), one.outcome, one.stage, one.rail, one.by, one.why) for one in notes)
    common.output().documents(
        [msgspec.to_builtins(one) for one in notes],
        lambda: table(("id", "when", "outcome", "stage", "rail", "by", "why"), rows, empty="Nothing was settled."),
    )


def sentence(done: Mapping[str, Any]) -> str:
    """What became of a letter, for people."""
    words = {
        "queued": "is tried again; what became of it: `trinario trace {event}`."
        if done["event"]
        else "is tried again.",
        "already": "was dealt with before: {why}." if done["why"] else "is being tried already.",
        "dropped": "is dropped: {why}.",
        "redriven": "was redriven before; nothing is left to drop.",
    }[done["outcome"]]
    return f"Letter {done['id']} " + words.format_map({key: printable(str(value)) for key, value in done.items()})


def _told(kept: dead.Kept) -> dict[str, Any]:
    letter = kept.letter
    return {
        "id": kept.id,
        "at_ms": kept.at_ms,
        "stage": letter.stage,
        "rail": letter.rail,
        "event": letter.event_id,
        "act": letter.leg.act if letter.leg is not None else "",
        "why": _words(letter.why),
        "attempts": letter.attempts,
        "may_have_been_sent": letter.may_have_been_sent,
        "redrivable": is_redrivable(letter),
        "preview": _preview(letter.payload),
    }


def is_redrivable(letter: Letter) -> bool:
    """Whether the letter holds what it takes to try it again."""
    match letter.stage:
        case "outlet":
            return letter.leg is not None
        case "router":
            return letter.is_whole
        case _:
            return bool(letter.webhook)


def _words(why: str) -> str:
    return explain(why) if why in set(Refusal) else why


def _preview(payload: bytes) -> str:
    """The beginning of what somebody wrote, or else what kind of event it is."""
    try:
        event = decode_event(payload)
    except NotUnderstood:
        return f"{len(payload)} bytes" if payload else ""
    if not isinstance(event, Message):
        return type(event).__name__.lower()
    if not isinstance(event.content, Text):
        return type(event.content).__name__.lower()
    text = " ".join(event.content.body.split())
    return text if len(text) <= _PREVIEW_CHARACTERS else text[: _PREVIEW_CHARACTERS - 1] + "…"


def _content(payload: bytes) -> Any:
    """The event in it, else its text, else its bytes in hexadecimal."""
    try:
        return to_plain(decode_event(payload))
    except NotUnderstood:
        pass
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return payload.hex()
