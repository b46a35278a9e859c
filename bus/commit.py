"""The fenced commit: one record, one message, one fsync, one owner.

A record goes out with the sequence that the last record on its subject is expected to have. If another owner has
committed since, the server refuses it: that is the fence, whatever the leases say. When no answer comes, the last
record is read back from the leader and compared, across reconnects, until it is known what happened.
Used by the owner of a partition, one commit at a time.
"""

import asyncio

import msgspec

from bus.connection import ApiError, Connection, NoAnswer, NoResponder, NotConnected, raise_api_error
from bus.kv import WRONG_LAST_SEQUENCE
from bus.stored import last_of
from bus.subjects import LOG

_ANSWER_WITHIN_S = 5.0
_PAUSE_S = 0.05


class Fenced(Exception):
    """Another owner has committed on this subject. Let go of the partition."""


class CommitUnknown(Exception):
    """It could not be found out in time whether the record was stored. Let go; the next owner reads it, or not."""


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """Where the record stands."""

    sequence: int


class _PubAck(msgspec.Struct):
    seq: int = 0


class Committer:
    """Commits the records of one subject, in order. `expected` is the last record's sequence (0: none yet)."""

    def __init__(
        self, conn: Connection, *, subject: str, expected: int, stream: str = LOG, within_s: float = 30
    ) -> None:
        self._conn, self._stream, self._subject, self._within_s = conn, stream, subject, within_s
        self.expected = expected

    async def commit(self, record: bytes) -> Committed:
        """Store the record behind the last one. Raises `Fenced`, `CommitUnknown`, `TooLarge`, `ApiError`."""
        try:
            async with asyncio.timeout(self._within_s):
                return await self._commit(record)
        except TimeoutError as error:
            raise CommitUnknown(
                f"{self._subject}: not known within {self._within_s:g} s whether the record behind {self.expected} was "
                "stored. Let go of the partition; whoever takes it reads the last record."
            ) from error

    async def _commit(self, record: bytes) -> Committed:
        while True:
            try:
                return await self._try(record)
            except NoAnswer:
                if found := await self._look(record):
                    return found
            except (NotConnected, NoResponder):
                await self._pause()

    async def _try(self, record: bytes) -> Committed:
        headers = {"Nats-Expected-Last-Subject-Sequence": str(self.expected)}
        answer = await self._conn.request(self._subject, record, headers=headers, wait_s=_ANSWER_WITHIN_S)
        try:
            sequence = msgspec.json.decode(answer.body, type=_PubAck).seq
            if not sequence:
                raise_api_error(self._subject, msgspec.json.decode(answer.body))
        except ApiError as error:
            if error.err_code != WRONG_LAST_SEQUENCE:
                raise
            # An earlier try of our own may have been stored late.
            if found := await self._look(record):
                return found
            raise Fenced(f"{self._subject}: another owner has committed behind {self.expected}.") from error
        return self._done(sequence)

    async def _look(self, record: bytes) -> Committed | None:
        """What the leader says: ours is stored, it is not (None: try again), or another's is (`Fenced`)."""
        while True:
            try:
                last = await last_of(self._conn, self._stream, self._subject)
            except (NoAnswer, NotConnected, NoResponder):
                await self._pause()
                continue
            sequence = last.sequence if last is not None else 0
            if sequence == self.expected:
                return None
            # An identical record is as good as ours: it says the same, and the next commit is fenced by its sequence.
            if last is not None and sequence > self.expected and last.data == record:
                return self._done(sequence)
            raise Fenced(f"{self._subject}: its last record is {sequence}, not {self.expected}: another's.")

    def _done(self, sequence: int) -> Committed:
        self.expected = sequence
        return Committed(sequence=sequence)

    async def _pause(self) -> None:
        """Until the bus is back, and a little."""
        await asyncio.sleep(_PAUSE_S)
        await self._conn.wait_connected(within_s=self._within_s)
