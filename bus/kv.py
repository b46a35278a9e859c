"""Buckets: key-value stores on JetStream with one value a key.

Keys are dotted names of ``[-/_=.A-Za-z0-9]``. Reads may come from any replica; `fresh=True` asks the leader. There is
no watch here: a watch needs a consumer, which bridges may not make (see `subjects.PEOPLE_CHANGED`).
"""

import re
from collections.abc import AsyncIterator, Sequence

import msgspec

from bus.connection import ApiError, Connection, Headers, raise_api_error
from bus.stored import MOST_AT_ONCE, StoredMessage, header, last_directly, last_of, last_of_each, read_range
from bus.subjects import bucket_key, bucket_stream

WRONG_LAST_SEQUENCE = 10071
_KEY = re.compile(r"[-/_=A-Za-z0-9]+(\.[-/_=A-Za-z0-9]+)*")
_MARK = b"KV-Operation"


class RevisionChanged(Exception):
    """Somebody else has written the key meanwhile."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A key's value, the revision it was written with, and when."""

    value: bytes
    revision: int
    at_ms: int


class Bucket:
    """One bucket. Its stream is made by `bus.topology`."""

    def __init__(self, conn: Connection, name: str) -> None:
        self._conn, self.name = conn, name
        self._stream = bucket_stream(name)
        self._prefix = bucket_key(name, "")

    def subject(self, key: str) -> str:
        """The subject under a key. Raises ValueError for what is no key."""
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not a key: dotted names of letters, digits and - _ / = are, e.g. 'a.b'.")
        return self._prefix + key

    async def get(self, key: str, *, fresh: bool = False) -> Entry | None:
        """A key's entry; None when it is not there or was deleted."""
        return _entry(await self._last(self.subject(key), fresh=fresh))

    async def _last(self, subject: str, *, fresh: bool) -> StoredMessage | None:
        if fresh:
            return await last_of(self._conn, self._stream, subject)
        return await last_directly(self._conn, self._stream, subject)

    async def get_many(self, keys: Sequence[str]) -> dict[str, Entry]:
        """The entries of those keys that are there, 1,024 a request."""
        found: dict[str, Entry] = {}
        for start in range(0, len(keys), MOST_AT_ONCE):
            part = [self.subject(key) for key in keys[start : start + MOST_AT_ONCE]]
            for message in await last_of_each(self._conn, self._stream, part):
                if entry := _entry(message):
                    found[self._key(message)] = entry
        return found

    async def put(self, key: str, value: bytes) -> int:
        """Write, whatever was there. The new revision."""
        return await self._write(key, value, {})

    async def put_with_ttl(self, key: str, value: bytes, *, ttl_s: int) -> int:
        """Write; the entry vanishes after `ttl_s` (1 or more) unless it is written again."""
        return await self._write(key, value, {"Nats-TTL": f"{ttl_s}s"})

    async def create(self, key: str, value: bytes, *, ttl_s: int | None = None) -> int:
        """Write a key that is not there. Raises `RevisionChanged` if it is."""
        headers = {"Nats-TTL": f"{ttl_s}s"} if ttl_s is not None else {}
        try:
            return await self._write(key, value, {**headers, "Nats-Expected-Last-Subject-Sequence": "0"})
        except RevisionChanged:
            last = await self._last(self.subject(key), fresh=True)
            if last is None or _entry(last) is not None:
                raise
            # What is there is the mark of a deletion.
            return await self._write(key, value, {**headers, "Nats-Expected-Last-Subject-Sequence": str(last.sequence)})

    async def update(self, key: str, value: bytes, *, revision: int, ttl_s: int | None = None) -> int:
        """Write a key that still has this revision. Raises `RevisionChanged` if it has not."""
        headers = {"Nats-Expected-Last-Subject-Sequence": str(revision)}
        if ttl_s is not None:
            headers["Nats-TTL"] = f"{ttl_s}s"
        return await self._write(key, value, headers)

    async def delete(self, key: str) -> None:
        """Take the key away. Its value is gone from the store too; a small mark stays for an hour."""
        await self._write(key, b"", {"KV-Operation": "PURGE", "Nats-Rollup": "sub", "Nats-TTL": "1h"})

    async def keys(self, prefix: str = "") -> list[str]:
        """The keys below a prefix (whole tokens: ``a`` finds ``a.b``, not ``ab``), oldest write first."""
        return [key async for key, _ in self.scan(prefix)]

    async def scan(self, prefix: str = "") -> AsyncIterator[tuple[str, Entry]]:
        """Every key below a prefix with its entry. A key that is written meanwhile may come again, newer."""
        pattern = f"{self._prefix}{prefix}.>" if prefix else f"{self._prefix}>"
        first = 1
        while found := await read_range(self._conn, self._stream, first=first, subject_filter=pattern):
            for message in found:
                if entry := _entry(message):
                    yield self._key(message), entry
            first = found[-1].sequence + 1

    def _key(self, message: StoredMessage) -> str:
        return message.subject.removeprefix(self._prefix)

    async def _write(self, key: str, value: bytes, headers: Headers) -> int:
        subject = self.subject(key)
        answer = await self._conn.request(subject, value, headers=headers)
        decoded = msgspec.json.decode(answer.body)
        try:
            raise_api_error(subject, decoded)
        except ApiError as error:
            if error.err_code == WRONG_LAST_SEQUENCE:
                raise RevisionChanged(f"{self.name}: {key} has been written meanwhile. Read it again.") from error
            raise
        return int(decoded["seq"])


def _entry(message: StoredMessage | None) -> Entry | None:
    if message is None or header(message.headers, _MARK) is not None:
        return None
    return Entry(value=message.data, revision=message.sequence, at_ms=message.at_ms)
