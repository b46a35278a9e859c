"""Signs: what is said between bridges over core NATS, never stored and never worth waiting for.

What they share whatever they are about: one kind's signs are taken one after another, those of the rail and those of
other rails, with a look now and then at what has ended by itself. When too many wait the newest are lost; when
somebody is away, it is left. Used by `live` (typing) and `presence`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

import structlog

from bridges.kit.outbox import AWAY
from bridges.kit.rail import RailAway, Unanswered
from bus import subjects
from bus.connection import ApiError, Connection, CoreMessage
from schemas.codec import encode
from schemas.errors import NotUnderstood
from schemas.ids import RailName, partition_of
from schemas.people import Person

_log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0
_WAITING_MOST = 1000
_NOT_NOW = (*AWAY, ApiError, RailAway, Unanswered)

T = TypeVar("T")
Own = TypeVar("Own")


class Heard(NamedTuple, Generic[T]):
    """A sign, and the rail that the transport says it is from."""

    rail: str
    sign: T

    def is_theirs(self, person: Person) -> bool:
        """Whether that rail may speak for them: they have an account there."""
        return person.account_on(self.rail) is not None


class Signs(Generic[T, Own]):
    """One kind's: T what is said on the bus, Own what else is put to be taken in turn.

    `carries`: whether the rail can show it; if not, nothing of other rails is listened to.
    """

    def __init__(
        self,
        *,
        kind: str,
        rail: RailName,
        conn: Connection,
        partitions: int,
        decode: Callable[[bytes], T],
        carries: bool,
    ) -> None:
        self._kind, self._rail, self._conn, self._partitions = kind, rail, conn, partitions
        self._decode, self._carries = decode, carries
        self._waiting: asyncio.Queue[Own | Heard[T]] = asyncio.Queue(_WAITING_MOST)

    def put(self, one: Own | Heard[T]) -> bool:
        """Have something taken in its turn. False: too many wait, and it is lost."""
        if self._waiting.full():
            return False
        self._waiting.put_nowait(one)
        return True

    async def say(self, about: str, sign: T) -> None:
        """Tell the others; `about`: whose partition it goes by."""
        subject = subjects.live(partition_of(about, self._partitions), self._rail, self._kind)
        await self._conn.publish_core(subject, encode(sign))

    async def run(
        self, take: Callable[[Own | Heard[T]], Awaitable[None]], look: Callable[[], list[Awaitable[None]]]
    ) -> None:
        """Until cancelled. `take` gets what was put and each `Heard`; `look` gives what is to be done by now."""
        heard = await self._conn.subscribe_core(f"live.*.*.{self._kind}", self._hear)
        try:
            while True:
                try:
                    async with asyncio.timeout(LOOK_EVERY_S):
                        one = await self._waiting.get()
                except TimeoutError:
                    pass
                else:
                    await self._trying(take(one))
                for ended in look():
                    await self._trying(ended)
        finally:
            await heard.close()

    async def _hear(self, message: CoreMessage) -> None:
        try:
            rail = subjects.parse_live(message.subject)[1]
            if rail != self._rail and self._carries:
                self.put(Heard(rail, self._decode(message.body)))
        except (NotUnderstood, subjects.BadSubject) as error:
            _log.debug("sign.not_understood", rail=self._rail, kind=self._kind, reason=str(error))

    async def _trying(self, telling: Awaitable[None]) -> None:
        try:
            await telling
        except _NOT_NOW as error:
            _log.debug("sign.not_told", rail=self._rail, kind=self._kind, reason=type(error).__name__)
