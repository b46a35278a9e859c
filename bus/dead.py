"""The stream DEAD: letters in, letters and notes out. Read by `trinario dead`, the web page, doctor and top.

Letters stand on ``dead.<stage>.<rail>``; what operators did with them on ``dead.redriven.<rail>`` and
``dead.dropped.<rail>``, which outlive the letter itself. A letter's id is its sequence in the stream.
"""

from collections.abc import AsyncIterator

import msgspec

from bus import subjects
from bus.connection import ApiError, Connection
from bus.publish import Publisher
from bus.stored import StoredMessage, message_at, read_range
from schemas.codec import decode_letter, decode_note, encode
from schemas.dead import Letter, Note
from schemas.errors import NotUnderstood

_SETTLED = ("redriven", "dropped")
_NO_MESSAGE_FOUND = 10043


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A letter and its id. `at_ms`: when the bus stored it."""

    id: int
    at_ms: int
    letter: Letter


async def letters(conn: Connection, *, first: int = 1) -> AsyncIterator[Kept]:
    """Every letter from an id on, oldest first. Bytes that are none are told as letters that say so."""
    async for stored in _all(conn, first):
        if subjects.parse_dead(stored.subject)[0] not in _SETTLED:
            yield _kept(stored)


async def letter_at(conn: Connection, letter: int) -> Kept | None:
    """The letter with this id; None when there is none (any more)."""
    stored = await message_at(conn, subjects.DEAD, letter) if letter > 0 else None
    if stored is None or subjects.parse_dead(stored.subject)[0] in _SETTLED:
        return None
    return _kept(stored)


async def notes(conn: Connection) -> list[Note]:
    """What operators have done, oldest first."""
    everything = [stored async for stored in _all(conn, 1)]
    return [decode_note(one.data) for one in everything if subjects.parse_dead(one.subject)[0] in _SETTLED]


async def counts(conn: Connection) -> dict[tuple[str, str], int]:
    """How many letters there are, by stage and rail."""
    state = (await conn.api(f"STREAM.INFO.{subjects.DEAD}", {"subjects_filter": "dead.>"}))["state"]
    found = {subjects.parse_dead(subject): count for subject, count in (state.get("subjects") or {}).items()}
    return {key: count for key, count in found.items() if key[0] not in _SETTLED}


async def settle(conn: Connection, note: Note) -> None:
    """Write a note and take its letter out (overwritten on disk). Twice is harmless."""
    publisher = Publisher(conn)
    try:
        subject = subjects.dead(note.outcome, note.rail)
        await publisher.publish(subject, encode(note), f"note-{note.letter}-{note.outcome}")
    finally:
        await publisher.close()
    try:
        await conn.api(f"STREAM.MSG.DELETE.{subjects.DEAD}", {"seq": note.letter})
    except ApiError as error:
        if error.err_code != _NO_MESSAGE_FOUND:
            raise


async def _all(conn: Connection, first: int) -> AsyncIterator[StoredMessage]:
    while page := await read_range(conn, subjects.DEAD, first=first):
        for stored in page:
            yield stored
        first = page[-1].sequence + 1


def _kept(stored: StoredMessage) -> Kept:
    stage, rail = subjects.parse_dead(stored.subject)
    try:
        letter = decode_letter(stored.data)
    except NotUnderstood as error:
        letter = Letter(stage=stage, rail=rail, why=str(error), payload=stored.data, size_bytes=len(stored.data))
    # Stage and rail are believed of the subject, which permissions guard, and not of the payload.
    return Kept(id=stored.sequence, at_ms=stored.at_ms, letter=msgspec.structs.replace(letter, stage=stage, rail=rail))
