"""What the router's integration tests say and look at: publishing as bridges do, and reading the log as they do."""

from collections.abc import Sequence

import msgspec

from bus.connection import Connection, NoAnswer, NoResponder, NotConnected
from bus.publish import Publisher
from bus.stored import read_range
from bus.subjects import LOG, ingress, ingress_stream, log
from schemas.codec import decode_record, encode
from schemas.content import Text
from schemas.events import AccountSeen, AnyEvent, ConversationEvent, Edit, Message, Reaction, Receipt, Unsend
from schemas.handles import Handle
from schemas.ids import (
    OPERATOR,
    PEOPLE_PARTITION,
    ConversationId,
    EventId,
    direct_conversation_id,
    event_id,
    partition_of,
    person_id,
)
from schemas.log import Entry, Record, order_of
from schemas.markers import MarkerKind
from tests.integration.conftest import PARTITIONS, RAILS

ALICE, BOB, CARLA = Handle("whatsapp:+39331000001"), Handle("messenger:bob"), Handle("instagram:@carla")


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """An entry and where it stands."""

    sequence: int
    partition: int
    epoch: int
    rank: int
    entry: Entry


class Scene:
    """Publishes events, and reads what became of them."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self._publisher = Publisher(conn, within_s=60)

    async def publish(self, rail: str, *events: AnyEvent) -> None:
        """As a rail's bridge does, to the partitions the events belong to."""
        await self._publisher.publish_many([(_subject(rail, event), encode(event), event.id) for event in events])

    async def publish_raw(self, rail: str, partition: int, payload: bytes, event: str) -> None:
        """Any bytes."""
        await self._publisher.publish(ingress(rail, partition), payload, event)

    async def register(self, *handles: Handle) -> None:
        """As the rails' bridges do for each account."""
        for handle in handles:
            rail, _, address = handle.partition(":")
            await self.publish(rail, AccountSeen(id=event_id(rail, "account", address), actor=handle, name=address))

    async def records(self, partition: int | None = None) -> list[tuple[int, Record]]:
        """The log, or one partition of it, from its beginning."""
        subject, found, first = "log.*" if partition is None else log(partition), list[tuple[int, Record]](), 1
        while messages := await read_range(self.conn, LOG, first=first, subject_filter=subject):
            found += [(message.sequence, decode_record(message.data)) for message in messages]
            first = messages[-1].sequence + 1
        return found

    async def entries(self, partition: int | None = None) -> list[Logged]:
        """Every entry of the log in its order."""
        return [
            Logged(
                sequence=sequence,
                partition=record.partition,
                epoch=record.epoch,
                rank=order_of(sequence, index),
                entry=entry,
            )
            for sequence, record in await self.records(partition)
            for index, entry in enumerate(record.entries)
        ]

    async def expect(self, count: int) -> list[Logged]:
        """Every entry, once there are that many (for `must.eventually`)."""
        try:
            found = await self.entries()
        except (NoAnswer, NoResponder, NotConnected) as error:
            raise AssertionError("the bus is away") from error
        assert len(found) >= count, f"{len(found)} of {count} entries"
        return found

    async def stored(self, rail: str, partition: int) -> list[str]:
        """The event ids in a partition of a rail's ingress stream, in order."""
        found, first = list[str](), 1
        while messages := await read_range(
            self.conn, ingress_stream(rail), first=first, subject_filter=ingress(rail, partition)
        ):
            found += [message.event_id or "" for message in messages]
            first = messages[-1].sequence + 1
        return found

    async def check_exactly_once_in_order(self) -> None:
        """Every event of every source is in the log once, in its source's order; positions have no gaps."""
        logged = await self.entries()
        for partition in range(PARTITIONS):
            here = [one for one in logged if one.partition == partition]
            for source in (*RAILS, OPERATOR):
                assert of_rail(here, source) == await self.stored(source, partition)
        positions: dict[str, list[int]] = {}
        for one in logged:
            if one.entry.kind == "message" and one.entry.outcome == "routed":
                positions.setdefault(one.entry.conversation, []).append(one.entry.position)
        assert all(given == list(range(1, len(given) + 1)) for given in positions.values())


def _subject(rail: str, event: AnyEvent) -> str:
    is_people = not isinstance(event, ConversationEvent)
    partition = PEOPLE_PARTITION if is_people else partition_of(event.conversation, PARTITIONS)
    return ingress(rail, partition)


def between(one: Handle, other: Handle) -> ConversationId:
    """The conversation of two accounts that are linked to nobody."""
    return direct_conversation_id(person_id(one), person_id(other))


def message(actor: Handle, to: Handle, number: int, *, conversation: ConversationId | None = None) -> Message:
    """The number-th message of an account to who is known by a handle: named by it only on the same rail."""
    rail = actor.partition(":")[0]
    return Message(
        id=event_id(rail, "message", to, actor, str(number)),
        conversation=conversation or between(actor, to),
        actor=actor,
        to=(to if to.startswith(f"{rail}:") else person_id(to),),
        content=Text(body=f"{number}"),
        native_id=f"native-{actor}-{number}",
    )


def receipt(actor: Handle, other: Handle, position: int, status: MarkerKind = "read") -> Receipt:
    """An account has got or read everything up to a position."""
    rail = actor.partition(":")[0]
    return Receipt(
        id=event_id(rail, status, other, actor, str(position)),
        conversation=between(actor, other),
        actor=actor,
        status=status,
        position=position,
    )


def edit(actor: Handle, target: Logged, body: str, *, event: str = "evt_edit") -> Edit:
    """An account says a message of the log otherwise."""
    return Edit(
        id=EventId(event),
        conversation=target.entry.conversation,
        actor=actor,
        target=target.entry.event_id,
        rank=target.rank,
        content=Text(body=body),
    )


def unsend(actor: Handle, target: Logged, *, event: str = "evt_unsend") -> Unsend:
    """An account takes a message of the log back."""
    return Unsend(
        id=EventId(event),
        conversation=target.entry.conversation,
        actor=actor,
        target=target.entry.event_id,
        rank=target.rank,
    )


def reaction(actor: Handle, target: Logged, emoji: str = "\N{THUMBS UP SIGN}", *, event: str = "evt_re") -> Reaction:
    """An account reacts to a message of the log."""
    return Reaction(
        id=EventId(event),
        conversation=target.entry.conversation,
        actor=actor,
        target=target.entry.event_id,
        rank=target.rank,
        emoji=emoji,
    )


def of_rail(logged: Sequence[Logged], rail: str) -> list[EventId]:
    """The ids of a source's events, in the order of the log."""
    return [one.entry.event_id for one in logged if one.entry.source == rail]
