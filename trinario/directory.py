"""Who is who on the bus, and asking the router to change it. The command line's only way to the `DIRECTORY`.

Reads as the operator; writes nothing itself: a change is an event from the source ``operator``, decided by the router
like any other, and its answer is read off the log.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import uuid4

from bus import subjects
from bus.connection import Connection
from bus.kv import Bucket
from bus.publish import Publisher
from bus.stored import last_of, read_range
from router.directory import CURSOR_KEY
from schemas.codec import decode_person, decode_record, encode
from schemas.errors import explain
from schemas.events import Link, Prefer, Unlink
from schemas.handles import Handle, parse
from schemas.ids import OPERATOR, PEOPLE_PARTITION, EventId, PersonId, event_id
from schemas.log import Entry
from schemas.people import Person, handle_key, person_key
from trinario.bus_access import connected
from trinario.failures import NotFound, NotReachable, Refused
from trinario.place import Place

ANSWER_WITHIN_S = 5.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.005, 0.1

T = TypeVar("T")

Change = Link | Unlink | Prefer


def new_event_id(kind: str) -> EventId:
    """An id for something an operator asks for: each asking is an event of its own."""
    return event_id(OPERATOR, kind, "", uuid4().hex)


def now_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Directory:
    """The people, as the router has written them down."""

    def __init__(self, *, connection: Connection, people: Bucket, publisher: Publisher) -> None:
        self._connection, self._people, self._publisher = connection, people, publisher

    @classmethod
    @asynccontextmanager
    async def opened(cls, place: Place) -> "AsyncIterator[Directory]":
        """A connection as the operator. Raises `NotReachable`."""
        async with connected(place) as connection:
            publisher = Publisher(connection, max_in_flight=1)
            try:
                yield cls(connection=connection, people=Bucket(connection, subjects.DIRECTORY), publisher=publisher)
            finally:
                await publisher.close()

    async def find(self, handle: Handle) -> Person | None:
        """The person behind a handle, if anybody has heard of it."""
        entry = await self._people.get(handle_key(handle))
        return None if entry is None else await self.person(PersonId(entry.value.decode()))

    async def person(self, person: PersonId) -> Person | None:
        """A person by id; the one they have been merged into, if they have."""
        entry = await self._people.get(person_key(person))
        if entry is None:
            return None
        found = decode_person(entry.value)
        return found if found.merged_into is None else await self.person(found.merged_into)

    async def named(self, handle_or_id: str) -> Person:
        """The person of a handle or id. Raises `NotFound`, and `BadHandle` for what is neither."""
        by_id = handle_or_id.startswith("per_")
        found = await (self.person(PersonId(handle_or_id)) if by_id else self.find(parse(handle_or_id)))
        if found is None:
            raise NotFound(
                f"The federation knows nobody by {handle_or_id}. `trinario person list` shows everybody; "
                "`trinario account register` makes an account."
            )
        return found

    async def everyone(self) -> list[Person]:
        """All persons who have not been merged into others, by name."""
        found = {key: decode_person(entry.value) async for key, entry in self._people.scan("person")}
        whole = (one for one in found.values() if one.merged_into is None)
        return sorted(whole, key=lambda one: (one.name.casefold(), one.id))

    async def once_known(self, handle: Handle) -> Person:
        """The person behind a handle as soon as there is one. Raises `NotReachable` when nobody appears in time."""

        async def look() -> Person | None:
            return await self.find(handle)

        found = await _within(look)
        if found is None:
            raise NotReachable(
                f"The federation has not heard of {handle} within {ANSWER_WITHIN_S:g} s. Is it registered on its rail, "
                "and are its bridge and the router well? See `trinario status`."
            )
        return found

    async def ask(self, change: Change) -> Entry:
        """Have the router change people, and wait until the directory shows it.

        Raises `Refused` with the router's reason, and `NotReachable` when there is no answer in time: the event is
        stored by then and will be done when the router is back.
        """
        log = subjects.log(PEOPLE_PARTITION)
        last = await last_of(self._connection, subjects.LOG, log)
        subject = subjects.ingress(OPERATOR, PEOPLE_PARTITION)
        await self._publisher.publish(subject, encode(change), change.id)
        decided = _Decided(
            connection=self._connection, subject=log, event=change.id, after=last.sequence if last else 0
        )
        entry = await _within(decided.look)
        if entry is not None and entry.outcome in ("refused", "parked"):
            raise Refused(explain(entry.why))
        if entry is None or not await _within(lambda: self._stands_for(decided)):
            raise NotReachable(
                f"The router has not answered within {ANSWER_WITHIN_S:g} s. What was asked is stored and will be done "
                "when it is back. See `trinario status`."
            )
        return entry

    async def _stands_for(self, decided: "_Decided") -> bool:
        entry = await self._people.get(CURSOR_KEY)
        return entry is not None and int(entry.value) >= decided.sequence


class _Decided:
    """Looks through the log for what became of one event."""

    def __init__(self, *, connection: Connection, subject: str, event: EventId, after: int) -> None:
        self._connection, self._subject, self._event, self._after = connection, subject, event, after
        self.sequence = 0

    async def look(self) -> Entry | None:
        found = await read_range(
            self._connection, subjects.LOG, first=self._after + 1, subject_filter=self._subject, limit=64
        )
        for stored in found:
            self._after = self.sequence = stored.sequence
            for entry in decode_record(stored.data).entries:
                if entry.event_id == self._event:
                    return entry
        return None


async def _within(look: Callable[[], Coroutine[Any, Any, T | None]]) -> T | None:
    """What `look` finds, as soon as that is true; None when it is not within `ANSWER_WITHIN_S`."""
    pause_s, deadline = _FIRST_PAUSE_S, time.monotonic() + ANSWER_WITHIN_S
    while True:
        found = await look()
        if found:
            return found
        if time.monotonic() > deadline:
            return None
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
