"""What the page reads off the bus when asked: traces, dry runs, dead letters, persons, where copies came from.

Everything here only looks. Texts of messages are not shown, but by the search in the ledger: who wants to read is on
a phone.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog
from aiohttp import web

from bus import dead, subjects
from bus.connection import ApiError, Connection, NoAnswer, NoResponder, NotConnected
from bus.kv import Bucket
from bus.service import CannotAnswer, NobodyAnswers
from bus.stored import StoredMessage, message_at
from router.explain import explain as dry_run
from schemas.codec import decode_event, decode_legs, decode_person, decode_record, decode_seats
from schemas.errors import NotUnderstood, Refusal, TrinarioError
from schemas.errors import explain as in_words
from schemas.events import Results
from schemas.handles import parse
from schemas.log import ENTRY_BITS, Entry
from schemas.people import Person
from trinario.asking import page, story
from trinario.console.answers import answered, explained, refused
from trinario.console.buslink import BusAway, BusLink
from trinario.dead import is_redrivable
from trinario.failures import NotFound, NotReachable

_log = structlog.get_logger(__name__)
_AWAY = (NotConnected, NoAnswer, NoResponder, ApiError)
_MOST_LETTERS, _MOST_RANKS, _MOST_FOUND = 200, 500, 50

Looking = Callable[[web.Request, Connection], Awaitable[Any]]


class Sights:
    """The handlers."""

    def __init__(self, *, link: BusLink) -> None:
        self._link = link

    def routes(self) -> list[web.RouteDef]:
        table: list[tuple[str, Looking]] = [
            ("/api/trace", _trace),
            ("/api/explain", _explain),
            ("/api/dead", _dead),
            ("/api/people", _people),
            ("/api/search", _search),
            ("/api/origins", _origins),
        ]
        return [web.get(path, self._guarded(look)) for path, look in table]

    def _guarded(self, look: Looking) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def guarded(request: web.Request) -> web.Response:
            try:
                return answered(await look(request, self._link.connection))
            except TrinarioError as error:
                return explained(error)
            except _AWAY:
                return explained(BusAway())
            except ValueError as error:
                return refused(400, "bad_request", str(error))

        return guarded


async def _trace(request: web.Request, connection: Connection) -> Any:
    any_id = request.query.get("id", "")
    if not any_id:
        raise NotFound("No message is named. Give the id of one.")
    return await story(connection, any_id, _log.debug)


async def _explain(request: web.Request, connection: Connection) -> Any:
    return await dry_run(connection, parse(request.query.get("from", "")), parse(request.query.get("to", "")))


async def _search(request: web.Request, connection: Connection) -> Any:
    """Messages in which all the words stand, newest first."""
    words = request.query.get("words", "").strip()
    if not words:
        return {"found": []}
    try:
        return {"found": await page(connection, "search", _log.debug, words=words, limit=_MOST_FOUND)}
    except (NobodyAnswers, CannotAnswer) as error:
        raise NotReachable("The ledger does not answer. `trinario status` shows why.") from error


async def _people(_: web.Request, connection: Connection) -> Any:
    scanned = Bucket(connection, subjects.DIRECTORY).scan("person")
    found = {key: decode_person(entry.value) async for key, entry in scanned}
    return {"people": [_person(one) for one in found.values() if one.merged_into is None]}


def _person(person: Person) -> dict[str, Any]:
    accounts = [{"handle": a.handle, "name": a.name, "state": a.state, "kind": a.kind} for a in person.accounts]
    preferences = {"receipts": person.preferences.receipts, "never": person.preferences.never}
    return {"person": person.id, "name": person.name, "accounts": accounts, "preferences": preferences}


async def _dead(_: web.Request, connection: Connection) -> Any:
    last = (await connection.api(f"STREAM.INFO.{subjects.DEAD}"))["state"]["last_seq"]
    found = [_letter(kept) async for kept in dead.letters(connection, first=max(1, last - _MOST_LETTERS + 1))]
    return {"letters": found[::-1]}


def _letter(kept: dead.Kept) -> dict[str, Any]:
    letter = kept.letter
    return {
        "id": kept.id,
        "at_ms": kept.at_ms,
        "stage": letter.stage,
        "rail": letter.rail,
        "event": letter.event_id,
        "redrivable": is_redrivable(letter),
        "why": in_words(letter.why) if letter.why in set(Refusal) else letter.why,
    }


async def _origins(request: web.Request, connection: Connection) -> Any:
    """A message's rank is its entry's place on the log, which says by which rail it came."""
    ranks = [int(text) for text in request.query.get("ranks", "").split(",") if text.isdecimal()][:_MOST_RANKS]
    return {"origins": await origins(connection, ranks)}


async def origins(connection: Connection, ranks: Iterable[int]) -> dict[str, dict[str, str]]:
    """``{rank: {"rail", "event"}}`` for those ranks that name a message's entry."""
    found: dict[str, dict[str, str]] = {}
    by_record: dict[int, list[int]] = {}
    for rank in ranks:
        by_record.setdefault(rank >> ENTRY_BITS, []).append(rank)
    for sequence, members in by_record.items():
        stored = await message_at(connection, subjects.LOG, sequence) if sequence else None
        entries = _entries(stored) if stored is not None else ()
        for rank in members:
            index = rank & ((1 << ENTRY_BITS) - 1)
            if index < len(entries) and entries[index].kind == "message":
                found[str(rank)] = {"rail": entries[index].source, "event": entries[index].event_id}
    return found


def _entries(stored: StoredMessage) -> tuple[Entry, ...]:
    try:
        return decode_record(stored.data).entries
    except NotUnderstood:
        return ()


def told(stored: StoredMessage) -> list[dict[str, Any]]:
    """The entries of a log record as the line map shows them: who, whence, whereto; no texts."""
    return [_told(stored, index, entry) for index, entry in enumerate(_entries(stored))]


def _told(stored: StoredMessage, index: int, entry: Entry) -> dict[str, Any]:
    return {
        "id": f"{stored.sequence}.{index}",
        "at_ms": stored.at_ms,
        "source": entry.source,
        "kind": entry.kind,
        "event": entry.event_id,
        "outcome": entry.outcome,
        "conversation": entry.conversation,
        "position": entry.position,
        "who": _who(entry),
        "legs": {rail: leg.act for rail, leg in decode_legs(entry.legs).items()},
        "why": in_words(entry.why) if entry.why else "",
        "results": _results(entry),
    }


def _who(entry: Entry) -> str:
    if entry.people:
        return entry.people[0].name
    return next((seat.name for seat in decode_seats(entry.seats) if seat.person == entry.actor), "")


def _results(entry: Entry) -> list[dict[str, str]]:
    if entry.kind != "results" or entry.outcome != "noted":
        return []
    event = decode_event(entry.event)
    results = event.results if isinstance(event, Results) else ()
    return [{"event": one.event, "status": one.status, "why": one.why} for one in results]
