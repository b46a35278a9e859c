"""One batch of one partition: understand, see whom and what it needs, decide, and write the record.

Pure but for the people and the states it is handed, which have been fetched before. Called by the partition.
"""

from collections.abc import Iterable

import msgspec
import structlog

from bus.stored import StoredMessage
from router.core.fanout import Plans
from router.core.people import Amended
from router.core.policy import Lookup, belongs
from router.core.route import Decision, entry, parked, refuse, route
from router.people import NotFetched
from router.snapshots import States
from schemas.codec import decode_event, encode
from schemas.errors import NotUnderstood, Refusal
from schemas.events import AccountSeen, AnyEvent, Block, Link, Message, Party, Prefer, Receipt, Unlink
from schemas.ids import PEOPLE_PARTITION, ConversationId, EventId, person_id
from schemas.log import Conversation, Entry
from schemas.people import Person

MOST_ENTRIES = 4096
_ENTRY_BYTES = 200
"""About what an entry takes beside its event, seats and legs."""

_DEEPEST = 32
"""Nesting that an event may have: readers must be able to skip it, whatever stands on their stacks."""

_SHALLOW_BYTES = 400
"""An event this short cannot be nested deeper than every reader's stack allows: a level takes a byte."""

_log = structlog.get_logger(__name__)


class Inbound(msgspec.Struct, kw_only=True, gc=False):
    """A message of an ingress stream, and the event in it."""

    source: str
    message: StoredMessage
    event: AnyEvent | None
    """None when it could not be understood."""
    why: str = ""

    def event_id(self) -> EventId:
        """The event's id; for what is not understood, the one it was published under."""
        if self.event is not None:
            return self.event.id
        return EventId(self.message.event_id or f"{self.message.subject}-{self.message.sequence}")


class Draft(msgspec.Struct, kw_only=True):
    """What was decided of the first events of a batch: all of them, or as many as fit a record."""

    entries: list[Entry]
    states: dict[ConversationId, Conversation]
    people: list[Person]
    parked: list[Inbound]

    @classmethod
    def empty(cls) -> "Draft":
        """Nothing decided."""
        return cls(entries=[], states={}, people=[], parked=[])


def understand(source: str, message: StoredMessage) -> Inbound:
    """Decode; what cannot be decoded is a value as well."""
    try:
        event = decode_event(message.data)
        if len(message.data) > _SHALLOW_BYTES and len(encode(event)) != len(message.data):
            # It has members that this version does not know: kept as they are, but not any depth of them.
            _check_depth(message.data)
    except NotUnderstood as error:
        return Inbound(source=source, message=message, event=None, why=str(error))
    return Inbound(source=source, message=message, event=event)


def _check_depth(payload: bytes) -> None:
    try:
        layer: list[object] = [msgspec.msgpack.decode(payload)]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError, TypeError) as error:
        raise NotUnderstood(f"not an event: {error}") from error
    for _ in range(_DEEPEST):
        layer = [part for value in layer for part in _parts(value)]
        if not layer:
            return
    raise NotUnderstood(f"not an event: nested deeper than {_DEEPEST}")


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list | tuple) else ()


def needs(batch: Iterable[Inbound]) -> tuple[set[ConversationId], set[Party]]:
    """The conversations whose states the batch needs, and everybody its events name."""
    conversations: set[ConversationId] = set()
    parties: set[Party] = set()
    for inbound in batch:
        event = inbound.event
        if isinstance(event, Message):
            conversations.add(event.conversation)
            parties.add(event.actor)
            parties.update(event.to)
        elif isinstance(event, Receipt):
            conversations.add(event.conversation)
            parties.add(event.actor)
        elif event is not None:
            parties.update(_named(event))
    return conversations, parties


def _named(event: AnyEvent) -> tuple[Party, ...]:
    match event:
        case Link():
            return event.handles
        case Unlink():
            return (event.handle, person_id(event.handle))
        case Prefer():
            return (event.handle,)
        case Block():
            return (event.actor, event.blocked)
        case AccountSeen():
            return (event.actor,)
        case _:
            return ()


class Decider:
    """Decides the batches (of up to `MOST_ENTRIES`) of one partition."""

    def __init__(self, *, partition: int, partitions: int, record_bytes: int) -> None:
        self._partition, self._partitions, self._record_bytes = partition, partitions, record_bytes

    def decide(self, batch: Iterable[Inbound], *, states: States, people: Lookup, plans: Plans) -> Draft:
        """Decide event by event until the record is full. Raises `NotFetched`, `NotLoaded`: then fetch and do it again.

        Events of the people partition see what the earlier ones of their batch have changed.
        """
        draft = Draft.empty()
        amended = Amended(people) if self._partition == PEOPLE_PARTITION else None
        lookup: Lookup = amended or people
        entries, changed, size_bytes = draft.entries, draft.states, 0
        for inbound in batch:
            event, state = inbound.event, None
            if event.__class__ is Message or event.__class__ is Receipt:
                state = changed.get(event.conversation) or states.get(event.conversation)
            decision = self._decide(inbound, state, lookup, plans) if event is not None else None
            if decision is None or event is None:
                draft.parked.append(inbound)
                entries.append(parked(inbound.event_id(), source=inbound.source))
                size_bytes += _ENTRY_BYTES
                continue
            if decision.state is not None:
                changed[decision.conversation] = decision.state
            elif decision.people:
                draft.people.extend(decision.people)
                if amended is not None:
                    amended.amend(decision.people)
            raw = inbound.message.data
            entries.append(entry(decision, event, source=inbound.source, raw=raw))
            size_bytes += _ENTRY_BYTES + len(raw) + decision.packed.size_bytes
            if size_bytes >= self._record_bytes:
                break
        return draft

    def _decide(self, inbound: Inbound, state: Conversation | None, people: Lookup, plans: Plans) -> Decision | None:
        """The decision; None for what our own code stumbles over."""
        event, source = inbound.event, inbound.source
        assert event is not None  # noqa: S101 - the caller has parked what is none
        try:
            if state is None and not belongs(event, self._partition, self._partitions):
                return refuse(event, source, Refusal.WRONG_CONVERSATION)
            return route(event, source=source, conversation=state, people=people, plans=plans)
        except NotFetched:
            raise
        except Exception as error:  # noqa: BLE001 - see below
            # One event that we stumble over must not stop the partition: its bytes are kept, and this line is an alarm.
            inbound.why = f"{type(error).__name__}: {error}"
            _log.exception("event.stumbled_over", partition=self._partition, source=source, event_id=event.id)
            return None
