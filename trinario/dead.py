"""dead list and show: what could not be understood or delivered, and why. The bytes are kept, and only shown."""

from typing import Any

import msgspec

from bus import subjects
from bus.connection import Connection
from bus.stored import StoredMessage, message_at, read_range
from schemas.codec import decode_event, to_plain
from schemas.errors import NotUnderstood, Refusal, explain
from trinario.bus_access import connected
from trinario.failures import NotFound
from trinario.options import COMMON, Common
from trinario.output import clock, printable, table


class _Letter(msgspec.Struct, frozen=True, kw_only=True):
    """What routers and bridges write about a dead letter; unknown members are passed over."""

    event_id: str = ""
    why: str = ""
    reason: str = ""
    payload: bytes = b""


async def listed(*, common: Common = COMMON) -> None:
    """Everything that could not be understood or delivered, oldest first."""
    async with connected(common.place()) as connection:
        letters = [_told(stored) for stored in await _all(connection)]
    rows = ((one["id"], clock(one["at_ms"]), one["stage"], one["rail"], one["why"]) for one in letters)
    common.output().documents(
        letters, lambda: table(("id", "when", "stage", "rail", "why"), rows, empty="Nothing is dead.")
    )


async def show(letter: int, /, *, common: Common = COMMON) -> None:
    """One of them, with what it holds.

    Parameters
    ----------
    letter
        Its id, as `trinario dead list` shows it.
    """
    async with connected(common.place()) as connection:
        stored = await message_at(connection, subjects.DEAD, letter)
    if stored is None:
        raise NotFound(f"There is no dead letter {letter}. `trinario dead list` shows all.")
    found = {**_told(stored), "content": _content(_opened(stored).payload)}
    common.output().document(
        found, lambda: "\n".join(f"{key}: {printable(str(value))}" for key, value in found.items())
    )


async def _all(connection: Connection) -> list[StoredMessage]:
    found: list[StoredMessage] = []
    first = 1
    while page := await read_range(connection, subjects.DEAD, first=first):
        found += page
        first = page[-1].sequence + 1
    return found


def _told(stored: StoredMessage) -> dict[str, Any]:
    _, stage, rail = stored.subject.split(".")
    letter = _opened(stored)
    return {
        "id": stored.sequence,
        "at_ms": stored.at_ms,
        "stage": stage,
        "rail": rail,
        "event": letter.event_id,
        "why": _words(letter.why or letter.reason),
    }


def _opened(stored: StoredMessage) -> _Letter:
    try:
        return msgspec.msgpack.decode(stored.data, type=_Letter)
    except msgspec.MsgspecError as error:
        return _Letter(why=f"not a letter: {error}", payload=stored.data)


def _words(why: str) -> str:
    return explain(why) if why in set(Refusal) else why


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
