"""The directory writer: persons, and whose handles are whose, as the log of the people partition says.

The owner of that partition writes, after each commit and before it decides anything more; one that takes over first
catches up from the key `cursor`. Every write is guarded by the revision read before, so an owner that woke up late
cannot overwrite what its successor has written; a record applied twice writes the same. Nobody else writes DIRECTORY.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
import structlog

from bus.connection import Connection
from bus.kv import Bucket, Entry, RevisionChanged
from bus.stored import read_range
from bus.subjects import DIRECTORY, LOG, PEOPLE_CHANGED, log
from router.people import VERSION_KEY
from schemas.codec import decode_record, encode
from schemas.handles import Handle
from schemas.ids import PEOPLE_PARTITION, PersonId
from schemas.people import Person, handle_key, person_key

CURSOR_KEY = "cursor"
"""The log sequence that the directory stands for."""

_SIDE_BY_SIDE = 128
"""Writes on their way at once."""

_log = structlog.get_logger(__name__)

Change = tuple[int, Sequence[Person]]
"""A log sequence, and the persons as that record's entries left them, in their order."""


class Directory:
    """Writes DIRECTORY. One at a time is meant to; several do no harm."""

    def __init__(self, conn: Connection, *, on_changed: Callable[[list[PersonId]], None]) -> None:
        self._conn, self._bucket, self._on_changed = conn, Bucket(conn, DIRECTORY), on_changed

    async def catch_up(self, last_sequence: int) -> None:
        """Apply what the log has and the directory has not, up to the record at `last_sequence`."""
        cursor = await self._number(CURSOR_KEY)
        changes: list[Change] = []
        while cursor < last_sequence:
            found = await read_range(self._conn, LOG, first=cursor + 1, subject_filter=log(PEOPLE_PARTITION))
            if not found:
                break
            for message in found:
                entries = decode_record(message.data).entries
                if persons := [person for entry in entries for person in entry.people]:
                    changes.append((message.sequence, persons))
            cursor = found[-1].sequence
            await self.apply(changes, upto=cursor)
            changes.clear()

    async def apply(self, changes: Sequence[Change], *, upto: int) -> None:
        """Write what these records changed; the directory then stands for `upto`."""
        while True:
            try:
                await self._apply(changes, upto)
                break
            except RevisionChanged:
                _log.warning("directory.write_raced", upto=upto)

    async def _apply(self, changes: Sequence[Change], upto: int) -> None:
        cursor = await self._bucket.get(CURSOR_KEY, fresh=True)
        done = int(cursor.value) if cursor else 0
        persons, holders = _wanted((sequence, people) for sequence, people in changes if sequence > done)
        if persons:
            found = await self._bucket.get_many([*map(person_key, persons), *map(handle_key, holders)])
            await self._write(persons, holders, found)
            await self._raise_version()
        if upto > done:
            await self._set(CURSOR_KEY, str(upto).encode(), cursor)
        if persons:
            self._on_changed(list(persons))
            await self._conn.publish_core(PEOPLE_CHANGED, msgspec.msgpack.encode(list(persons)))

    async def _write(
        self, persons: Mapping[PersonId, Person], holders: Mapping[Handle, PersonId], found: Mapping[str, Entry]
    ) -> None:
        """Who gains a handle first, then the handles, then who loses one: a handle's holder always has it."""
        moved = {
            handle_key(handle): person.encode()
            for handle, person in holders.items()
            if (entry := found.get(handle_key(handle))) is None or entry.value.decode() != person
        }
        gaining = {person for handle, person in holders.items() if handle_key(handle) in moved}
        documents = {person_key(person.id): encode(person) for person in persons.values()}
        first = {person_key(person): documents[person_key(person)] for person in gaining}
        rest = {key: value for key, value in documents.items() if key not in first}
        for part in (first, moved, rest):
            await self._set_all(part, found)

    async def _set_all(self, values: Mapping[str, bytes], found: Mapping[str, Entry]) -> None:
        todo = list(values.items())
        for start in range(0, len(todo), _SIDE_BY_SIDE):
            part = todo[start : start + _SIDE_BY_SIDE]
            await asyncio.gather(*(self._set(key, value, found.get(key)) for key, value in part))

    async def _set(self, key: str, value: bytes, entry: Entry | None) -> None:
        if entry is None:
            await self._bucket.create(key, value)
        elif entry.value != value:
            await self._bucket.update(key, value, revision=entry.revision)

    async def _raise_version(self) -> None:
        entry = await self._bucket.get(VERSION_KEY, fresh=True)
        await self._set(VERSION_KEY, str(1 + (int(entry.value) if entry else 0)).encode(), entry)

    async def _number(self, key: str) -> int:
        entry = await self._bucket.get(key, fresh=True)
        return int(entry.value) if entry else 0


def _wanted(changes: Iterable[Change]) -> tuple[dict[PersonId, Person], dict[Handle, PersonId]]:
    """The persons as they end up, with the sequence that made them so, and whose each handle ends up."""
    persons: dict[PersonId, Person] = {}
    holders: dict[Handle, PersonId] = {}
    for sequence, people in changes:
        for person in people:
            persons[person.id] = msgspec.structs.replace(person, version=sequence)
            holders.update((account.handle, person.id) for account in person.accounts)
    return persons, holders
