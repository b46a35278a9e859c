"""What the router knows of persons: a bounded cache over KV DIRECTORY.

A batch first fetches everybody it names (`prefetch`), then decides without waiting. Persons are dropped when the
directory says that they changed; should that hint be lost, the directory's version tells within seconds (`refresh`).
Used by partitions, and for a single look by `explain`.
"""

from collections.abc import Iterable, Iterator

import msgspec

from bus.connection import Connection, CoreMessage, CoreSubscription
from bus.kv import Bucket
from bus.subjects import DIRECTORY, PEOPLE_CHANGED
from schemas.codec import decode_person
from schemas.events import Party, as_handle, as_person, is_person
from schemas.handles import Handle
from schemas.ids import PersonId
from schemas.people import Person, handle_key, person_key

VERSION_KEY = "version"
"""A number, raised by one with every announced change."""

_LONGEST_KEY = 80
_CHAIN = 32
"""Merges that are followed before a chain is taken for a circle."""


class NotFetched(LookupError):
    """This party has to be fetched before it can be looked up."""

    def __init__(self, party: Party) -> None:
        super().__init__(party)
        self.party = party


_EVERYBODY = PersonId("")
_NOBODY = Person(id=PersonId(""), name="")
"""Stands for "not asked yet" where None stands for "asked, and there is nobody"."""


class _Fetch:
    """A question to the directory that is under way, and who has changed since it was asked."""

    def __init__(self) -> None:
        self.changed: set[PersonId] = set()

    def is_stale(self, person: PersonId) -> bool:
        """Whether what the directory answers of this person may be from before a change."""
        return person in self.changed or _EVERYBODY in self.changed


class People:
    """A `Lookup` over what has been fetched. Decisions see no change while they do not await."""

    def __init__(self, conn: Connection, *, most: int = 200_000) -> None:
        self._conn, self._bucket, self._most = conn, Bucket(conn, DIRECTORY), most
        self._persons: dict[PersonId, Person | None] = {}
        self._holders: dict[Handle, PersonId] = {}
        self._unheard: set[Handle] = set()
        self._doubtful: set[Handle] = set()
        self._nobody: set[PersonId] = set()
        self._fetches: set[_Fetch] = set()
        self._version: int | None = None
        self.stamp: object = object()
        """Another object after each change that was heard of."""
        self._subscription: CoreSubscription | None = None

    async def start(self) -> None:
        """Hear of changes from now on."""
        self._subscription = await self._conn.subscribe_core(PEOPLE_CHANGED, self._on_changed)

    async def close(self) -> None:
        """Hear of changes no more."""
        if self._subscription is not None:
            await self._subscription.close()

    def person(self, person: PersonId) -> Person | None:
        """Who an id is today, or None. Raises `NotFetched`."""
        for _ in range(_CHAIN):
            known = self._persons.get(person, _NOBODY)
            if known is _NOBODY:
                raise NotFetched(person)
            if known is None or known.merged_into is None:
                return known
            person = known.merged_into
        return None

    def whose(self, handle: Handle) -> Person | None:
        """Whose account this is today, or None. Raises `NotFetched`."""
        holder = self._holders.get(handle)
        if holder is not None:
            return self.person(holder)
        if handle in self._unheard:
            return None
        raise NotFetched(handle)

    async def prefetch(self, parties: Iterable[Party]) -> None:
        """Know these, those they were merged into, and those they block. Asks the bus only for what is missing."""
        wanted = set(parties)
        self._forget_doubtful()
        self._trim()
        while True:
            handles, ids = self._missing(wanted)
            if not handles and not ids:
                return
            await self._fetch(handles, ids)

    def _missing(self, parties: set[Party]) -> tuple[list[Handle], set[PersonId]]:
        handles: list[Handle] = []
        ids: set[PersonId] = set()
        for named in parties:
            if is_person(named):
                holder = as_person(named)
            elif (handle := as_handle(named)) in self._holders:
                holder = self._holders[handle]
            else:
                if handle not in self._unheard:
                    handles.append(handle)
                continue
            ids.update(self._unknown_ends(holder))
        return handles, ids

    def _unknown_ends(self, person: PersonId) -> Iterator[PersonId]:
        """Whom this id leads to and who is not known yet: itself, a merge's end, the ends of those it blocks."""
        end = self._end(person)
        known = self._persons.get(end, _NOBODY)
        if known is _NOBODY:
            yield end
        elif known is not None:
            for blocked in known.blocked:
                if (far := self._end(blocked)) not in self._persons:
                    yield far

    def _end(self, person: PersonId) -> PersonId:
        """The last id of a chain of merges that is known, or the first that is not."""
        for _ in range(_CHAIN):
            known = self._persons.get(person)
            if known is None or known.merged_into is None:
                break
            person = known.merged_into
        return person

    async def _fetch(self, handles: list[Handle], ids: set[PersonId]) -> None:
        handle_keys = {handle_key(handle): handle for handle in handles}
        person_keys = {person_key(person): person for person in ids}
        fetch = _Fetch()
        self._fetches.add(fetch)
        try:
            found = await self._bucket.get_many([*handle_keys, *filter(self._is_key, person_keys)])
        finally:
            self._fetches.discard(fetch)
        for key, handle in handle_keys.items():
            entry = found.get(key)
            if entry is None:
                self._unheard.add(handle)
                if fetch.changed:
                    self._doubtful.add(handle)  # good for the batch that asked, which decides as of then
            elif not fetch.is_stale(holder := PersonId(entry.value.decode())):
                self._holders[handle] = holder
        for key, person in person_keys.items():
            if not fetch.is_stale(person):
                entry = found.get(key)
                self._persons[person] = None if entry is None else decode_person(entry.value)
                if entry is None:
                    self._nobody.add(person)

    def _forget_doubtful(self) -> None:
        """Who was nobody a batch ago may be somebody by now, whose name is on its way here."""
        self._unheard -= self._doubtful
        self._doubtful.clear()
        for person in self._nobody:
            if self._persons.get(person, _NOBODY) is None:
                del self._persons[person]
        self._nobody.clear()

    def _is_key(self, key: str) -> bool:
        """Whether a party's text can stand in a key at all; what cannot is nobody."""
        if len(key) > _LONGEST_KEY:
            return False
        try:
            self._bucket.subject(key)
        except ValueError:
            return False
        return True

    def drop(self, changed: Iterable[PersonId]) -> None:
        """Forget these persons and their handles, and who was nobody: one of them may be somebody now."""
        ids = set(changed)
        for fetch in self._fetches:
            fetch.changed |= ids
        self.stamp = object()
        self._unheard.clear()
        self._doubtful.clear()
        if _EVERYBODY in ids:
            self._persons.clear()
            self._holders.clear()
            return
        for person in ids:
            known = self._persons.pop(person, None)
            for account in known.accounts if known is not None else ():
                self._holders.pop(account.handle, None)

    async def refresh(self) -> None:
        """Forget everybody when the directory has changed more often than was heard of."""
        entry = await self._bucket.get(VERSION_KEY)
        version = 0 if entry is None else int(entry.value)
        if version != self._version:
            if self._version is not None:
                self.drop([_EVERYBODY])
            self._version = version

    async def _on_changed(self, message: CoreMessage) -> None:
        if self._version is not None:
            self._version += 1
        self.drop(msgspec.msgpack.decode(message.body, type=list[PersonId]))

    def _trim(self) -> None:
        """The oldest half goes when there are too many. Before a batch fetches, so that nobody it needs is lost."""
        if len(self._persons) > self._most or len(self._holders) + len(self._unheard) > 2 * self._most:
            self._persons = dict(list(self._persons.items())[len(self._persons) // 2 :])
            self._holders = {handle: holder for handle, holder in self._holders.items() if holder in self._persons}
            self._unheard.clear()
