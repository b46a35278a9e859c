"""Deadlines: what is to happen at a time, whoever is down then. JetStream keeps the time, no process does.

A deadline is an event in the operator's name, scheduled on ``at.<partition>.<conversation or message>``; when its time
has come the server puts it on ``due.<partition>``, from where whichever router runs publishes it to the ingress like
any other event. It is set before the decision that asks for it is committed, so that a router that dies in between
leaves at worst a deadline for nothing, which the core refuses. Published twice, it is the same event. Started by the
router's daemon.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import structlog

from bus.connection import ApiError, Connection, NoAnswer, NoResponder, NotConnected
from bus.publish import BusUnavailable, Publisher
from bus.reader import HistoryGone, Reader, ReaderLost, RolledBack
from bus.stored import StoredMessage
from bus.subjects import OPERATOR, SCHEDULE, due, ingress, schedule
from schemas.codec import decode_event, encode
from schemas.errors import NotUnderstood
from schemas.events import Expired, GroupChanged
from schemas.ids import ConversationId, event_id
from schemas.vanishing import Vanishing

_KEPT = "168h"
"""How long what has come due waits for a router."""

_PAUSE_S, _WAIT_S, _AT_ONCE = 0.5, 2.0, 64

_AWAY = (NotConnected, NoAnswer, NoResponder, ApiError, ReaderLost, HistoryGone, RolledBack, BusUnavailable)

_log = structlog.get_logger(__name__)


class GroupEnds(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A group is to end. Unix milliseconds. One a conversation: a later one takes an earlier one's place."""

    conversation: ConversationId
    at_ms: int

    @property
    def name(self) -> str:
        """What the schedule is called."""
        return self.conversation

    def event(self) -> GroupChanged:
        """What is published when the time has come: it counts only while the group still ends then."""
        return GroupChanged(
            id=event_id(OPERATOR, "group_ends", self.conversation, str(self.at_ms)),
            conversation=self.conversation,
            at_ms=self.at_ms,
            until_ms=self.at_ms,
            closed=True,
        )


class MessageEnds(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message is to go. One a message: when it has been read, an earlier time takes the place of a later one."""

    conversation: ConversationId
    vanishing: Vanishing

    @property
    def at_ms(self) -> int:
        """Unix milliseconds."""
        return self.vanishing.at_ms

    @property
    def name(self) -> str:
        """What the schedule is called."""
        return self.vanishing.message

    def event(self) -> Expired:
        """What is published when the time has come."""
        ended = self.vanishing
        return Expired(
            id=event_id(OPERATOR, "expired", ended.message, str(ended.at_ms)),
            conversation=self.conversation,
            actor=ended.author,
            at_ms=ended.at_ms,
            target=ended.message,
            position=ended.position,
        )


Deadline = GroupEnds | MessageEnds


async def set_deadlines(conn: Connection, partition: int, deadlines: Iterable[Deadline]) -> None:
    """Have JetStream remember them, the last of each name. Raises what the connection raises, and `ApiError`."""
    last = list({deadline.name: deadline for deadline in deadlines}.values())
    for first in range(0, len(last), _AT_ONCE):
        async with asyncio.TaskGroup() as group:
            for deadline in last[first : first + _AT_ONCE]:
                group.create_task(_set(conn, partition, deadline))


async def _set(conn: Connection, partition: int, deadline: Deadline) -> None:
    event = deadline.event()
    at = datetime.fromtimestamp(deadline.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    subject = schedule(partition, deadline.name)
    answer = await conn.request(
        subject,
        encode(event),
        headers={
            "Nats-Schedule": f"@at {at.replace('+00:00', 'Z')}",
            "Nats-Schedule-Target": due(partition),
            "Nats-Schedule-TTL": _KEPT,
        },
    )
    error = msgspec.json.decode(answer.body).get("error")
    if error is not None:
        raise ApiError(subject, code=error["code"], err_code=error["err_code"], description=error["description"])


class Deadlines:
    """Publishes what has come due."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._publisher = Publisher(conn)

    async def run(self) -> None:
        """Until cancelled. The bus being away is no reason to stop."""
        while True:
            try:
                await self._read()
            except _AWAY as error:
                _log.warning("deadlines.interrupted", reason=str(error))
                await asyncio.sleep(_PAUSE_S)
                await self._conn.wait_connected(within_s=3600)

    async def close(self) -> None:
        """Publish no more."""
        await self._publisher.close()

    async def _read(self) -> None:
        state = (await self._conn.api(f"STREAM.INFO.{SCHEDULE}"))["state"]
        reader = await Reader.open(self._conn, stream=SCHEDULE, after=max(0, state["first_seq"] - 1), filters=["due.*"])
        try:
            while True:
                for message in await reader.pull(limit=_AT_ONCE, wait_s=_WAIT_S):
                    await self._publish(message)
        finally:
            await reader.close()

    async def _publish(self, message: StoredMessage) -> None:
        partition = int(message.subject.rpartition(".")[2])
        try:
            event = decode_event(message.data)
        except NotUnderstood as error:
            _log.error("deadline.not_understood", sequence=message.sequence, reason=str(error))
        else:
            await self._publisher.publish(ingress(OPERATOR, partition), message.data, event.id)
            _log.info("deadline.published", event_id=event.id, conversation=event.conversation)
        with suppress(ApiError):  # another router has done it
            await self._conn.api(f"STREAM.MSG.DELETE.{SCHEDULE}", {"seq": message.sequence, "no_erase": True})
