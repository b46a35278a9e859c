"""The streams of the bus as lists: ingress by source and partition, the log, the directory."""

from collections.abc import Iterable

import msgspec

from bus.kv import Entry as Kept
from bus.stored import StoredMessage
from router.core.people import Amended
from schemas.codec import encode
from schemas.ids import PersonId
from schemas.people import Person, handle_key, person_key

PARTITIONS = 4


class Nobody:
    """An empty world."""

    stamp = "always the same"

    def person(self, person: PersonId) -> None:  # noqa: ARG002 - nobody is nobody
        return None

    def whose(self, handle: str) -> None:  # noqa: ARG002
        return None


class Backbone:
    """What the bus keeps. An event id that a stream has is not stored again, as within its window."""

    def __init__(self) -> None:
        self.ingress: dict[str, list[StoredMessage]] = {}
        self.log: list[StoredMessage] = []
        self.directory: dict[str, bytes] = {}
        self.people = Amended(Nobody())
        self._stored: dict[tuple[str, str], int] = {}

    def publish(self, source: str, subject: str, payload: bytes, event_id: str) -> int:
        """Where it stands."""
        stream = self.ingress.setdefault(source, [])
        found = self._stored.get((source, event_id))
        if found is None:
            found = len(stream) + 1
            headers = f"NATS/1.0\r\nNats-Msg-Id: {event_id}\r\n\r\n".encode()
            stream.append(StoredMessage(subject, found, found, payload, headers))
            self._stored[source, event_id] = found
        return found

    def introduce(self, persons: Iterable[Person]) -> None:
        """As the log says that they are from now on."""
        known = list(persons)
        self.people.amend(known)
        for person in known:
            self.directory[person_key(person.id)] = encode(msgspec.structs.replace(person, version=len(self.log)))
            for account in person.accounts:
                self.directory[handle_key(account.handle)] = person.id.encode()


class Directory:
    """Where a bridge's `Bucket` of the directory stands."""

    def __init__(self, backbone: Backbone) -> None:
        self._kept = backbone.directory

    async def get(self, key: str) -> Kept | None:
        value = self._kept.get(key)
        return None if value is None else Kept(value=value, revision=1, at_ms=0)
