"""Dead letters of the router: bytes that could not be understood, with where they came from and why.

They go to DEAD before the entry that says so is committed, so that nothing parked is ever missing there.
"""

import msgspec

from bus.connection import Connection
from bus.publish import Publisher
from bus.stored import StoredMessage
from bus.subjects import dead

STAGE = "router"
_MOST_BYTES = 256 * 1024


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """What DEAD keeps, as msgpack. `payload` is cut after 256 KiB (`size_bytes` says how much there was)."""

    stage: str
    rail: str
    why: str
    subject: str
    sequence: int
    event_id: str
    payload: bytes
    size_bytes: int


class DeadLetters:
    """Writes the router's dead letters."""

    def __init__(self, conn: Connection) -> None:
        self._publisher = Publisher(conn)

    async def post(self, source: str, message: StoredMessage, *, event_id: str, why: str) -> None:
        """Keep a message aside. Raises what `Publisher.publish` raises."""
        letter = Letter(
            stage=STAGE,
            rail=source,
            why=why,
            subject=message.subject,
            sequence=message.sequence,
            event_id=event_id,
            payload=message.data[:_MOST_BYTES],
            size_bytes=len(message.data),
        )
        await self._publisher.publish(dead(STAGE, source), msgspec.msgpack.encode(letter), f"router-{event_id}")

    async def close(self) -> None:
        await self._publisher.close()
