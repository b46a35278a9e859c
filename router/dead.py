"""Dead letters of the router: bytes that could not be understood, with where they came from and why.

They go to DEAD before the entry that says so is committed, so that nothing parked is ever missing there.
"""

from bus.connection import Connection
from bus.publish import Publisher
from bus.stored import StoredMessage
from bus.subjects import dead
from schemas.codec import encode
from schemas.dead import Letter, cut

STAGE = "router"


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
            at_ms=message.at_ms,
            payload=cut(message.data),
            size_bytes=len(message.data),
        )
        # By where it stands, not by its event: when it is published again and parked again, that is another letter.
        await self._publisher.publish(dead(STAGE, source), encode(letter), f"router-{source}-{message.sequence}")

    async def close(self) -> None:
        await self._publisher.close()
