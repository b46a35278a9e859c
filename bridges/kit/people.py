"""Who a handle is: a bounded cache over the directory.

Three things keep it true: persons whom the log says have changed are dropped; `people.changed` (a hint that may be
lost, sent once the directory has the change) drops those it names; and when the directory's `version` has moved,
everything is dropped.
Used by intake (whose conversation is this?), accounts and resolve. Errors of the bus pass through: no guess is made.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from typing import Generic, TypeVar

import msgspec
import structlog

from bus.connection import Connection, CoreMessage
from bus.kv import Bucket
from bus.subjects import DIRECTORY, PEOPLE_CHANGED
from schemas.codec import decode_person
from schemas.handles import Handle, address_of
from schemas.ids import PersonId
from schemas.people import Person, handle_key, newcomer, person_key

_log = structlog.get_logger(__name__)
_ids = msgspec.msgpack.Decoder(list[str])

K = TypeVar("K")
V = TypeVar("V")

MOST = 100_000
CHECK_EVERY_S = 2.0


class _Bounded(Generic[K, V]):
    """A dictionary that forgets what was not used for longest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: K, value: V) -> None:
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def drop(self, key: K) -> None:
        self._kept.pop(key, None)

    def clear(self) -> None:
        self._kept.clear()


class People:
    """The directory as this bridge sees it."""

    def __init__(self, *, conn: Connection, most: int = MOST) -> None:
        self._conn = conn
        self._directory = Bucket(conn, DIRECTORY)
        self._persons: _Bounded[PersonId, Person] = _Bounded(most)
        self._holders: _Bounded[Handle, PersonId] = _Bounded(most)
        self._version = b""
        self._changes = 0
        """How often something was dropped: what was asked before may be from before the change, and is not kept."""

    async def holder(self, handle: Handle) -> PersonId | None:
        """The person with a handle; None when nobody has introduced it."""
        known = self._holders.get(handle)
        if known is not None:
            return known
        changes = self._changes
        entry = await self._directory.get(handle_key(handle))
        if entry is None:
            return None
        found = await self.current(PersonId(entry.value.decode()))
        if changes == self._changes:
            self._holders.put(handle, found)
        return found

    async def whose(self, handle: Handle) -> PersonId:
        """The person with a handle of this rail; a newcomer is who they will be once the router has heard of them."""
        changes = self._changes
        known = await self.holder(handle)
        if known is not None:
            return known
        stranger = newcomer(handle, address_of(handle)).id
        if changes == self._changes:
            self._holders.put(handle, stranger)
        return stranger

    async def person(self, person: PersonId) -> Person | None:
        """A person as they are now; who has turned out to be somebody else is that one."""
        found = self._persons.get(person)
        if found is None:
            changes = self._changes
            entry = await self._directory.get(person_key(person))
            if entry is None:
                return None
            found = decode_person(entry.value)
            if changes == self._changes:
                self._persons.put(person, found)
        return found if found.merged_into is None else await self.person(found.merged_into)

    async def current(self, person: PersonId) -> PersonId:
        """The id a person has now."""
        found = await self.person(person)
        return person if found is None else found.id

    def saw(self, persons: Iterable[Person]) -> None:
        """The log says that these persons have changed: ask the directory again.

        What the log says of them is not taken from there, for the router decides on what the directory has: who is
        named to it before the directory knows them would be nobody.
        """
        for person in persons:
            self._drop(person.id, person)

    def _drop(self, person: PersonId, doc: Person | None) -> None:
        self._changes += 1
        known = self._persons.get(person)
        self._persons.drop(person)
        for version in (known, doc):
            for account in version.accounts if version is not None else ():
                self._holders.drop(account.handle)

    async def watch(self) -> None:
        """Keep the cache true until cancelled."""
        subscription = await self._conn.subscribe_core(PEOPLE_CHANGED, self._on_changed)
        try:
            while True:
                await self._check_version()
                await asyncio.sleep(CHECK_EVERY_S)
        finally:
            await subscription.close()

    async def _on_changed(self, message: CoreMessage) -> None:
        for name in _ids.decode(message.body):
            person = PersonId(name)
            if self._persons.get(person) is None:
                self._holders.clear()  # whose handles these are is not known, so any may be
            self._drop(person, None)

    async def _check_version(self) -> None:
        try:
            entry = await self._directory.get("version")
        except Exception as error:  # noqa: BLE001 - whatever the bus says, the next check comes
            _log.debug("directory.unreachable", reason=str(error))
            return
        version = entry.value if entry is not None else b""
        if version != self._version:
            self._version = version
            self._changes += 1
            self._persons.clear()
            self._holders.clear()
