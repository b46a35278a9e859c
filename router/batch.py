"""One batch of one partition: understand, see whom and what it needs, decide, and write the record.

Pure but for the people and the states it is handed, which have been fetched before. Called by the partition.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import structlog

from bus.stored import StoredMessage
from router.anchors import Cursor
from router.core.about import Original
from router.core.conversation import said
from router.core.decision import Decision, entry, message_entry, parked, refuse
from router.core.fanout import Plans
from router.core.people import Amended
from router.core.policy import Lookup, belongs
from router.core.route import remembered, route
from router.core.vanish import is_wished
from router.deadlines import Deadline, GroupEnds, MessageEnds
from router.originals import Originals
from router.people import NotFetched
from router.snapshots import States
from schemas.codec import decode_event, encode
from schemas.errors import NotUnderstood, Refusal
from schemas.events import (
    AccountSeen,
    AnyEvent,
    Block,
    ConversationEvent,
    GroupFounded,
    Link,
    Membership,
    Message,
    Party,
    Prefer,
    Target,
    Unlink,
)
from schemas.ids import PEOPLE_PARTITION, ConversationId, EventId, person_id
from schemas.log import Conversation, Entry
from schemas.people import Person

MOST_ENTRIES = 4096
ENTRY_BYTES = 200
"""About what an entry takes beside its event, seats and legs."""

_DEEPEST = 32
"""Nesting that an event may have: readers must be able to skip it, whatever stands on their stacks."""

_SHALLOW_BYTES = 700
"""An event this short cannot be nested deeper than every reader's stack allows: a level takes a byte."""

_OPENING = bytes([*range(0x80, 0xA0), 0xDC, 0xDD, 0xDE, 0xDF])
"""The bytes that open an array or a map in msgpack. They may stand in texts, too: few of them prove shallowness."""

_OF_CONVERSATIONS = frozenset(ConversationEvent.__args__)
"""Set look-ups by class: an `isinstance` with a union costs ten times as much, for every event."""

_log = structlog.get_logger(__name__)


class Waiting(NamedTuple):
    """A message of an ingress stream that is to be decided. Decoded only then: what is decoded long before is cold."""

    source: str
    message: StoredMessage

    def event_id(self) -> EventId:
        """The event's id; for what is not understood, the one it was published under."""
        event = understand(self.message)
        return self.published_as() if isinstance(event, NotUnderstood) else event.id

    def published_as(self) -> EventId:
        """The id its publisher gave it outside of its bytes."""
        return EventId(self.message.event_id or f"{self.message.subject}-{self.message.sequence}")


class Parked(msgspec.Struct, frozen=True, kw_only=True):
    """What nobody understood, or our own code stumbled over."""

    waiting: Waiting
    event_id: EventId
    why: str


class Draft(msgspec.Struct, kw_only=True):
    """What was decided of the first events of a batch: all of them, or as many as fit a record."""

    entries: list[Entry]
    states: dict[ConversationId, Conversation]
    people: list[Person]
    parked: list[Parked]
    last: dict[str, StoredMessage]
    """The last message taken of each source."""
    cursor: dict[str, Cursor] = {}
    """Where it leaves each source."""
    deadlines: list[Deadline] = []
    """To be set before it is committed."""
    arrived_at_ms: Sequence[int] = ()
    """When some of its events were stored in their ingress streams; for the metrics."""
    traced_at_ms: Sequence[int] = ()
    """When each of them was; only while there is tracing."""

    @classmethod
    def empty(cls) -> "Draft":
        """Nothing decided."""
        return cls(entries=[], states={}, people=[], parked=[], last={})


def understand(message: StoredMessage) -> AnyEvent | NotUnderstood:
    """The event in a message; what cannot be decoded is a value as well."""
    payload = message.data
    try:
        event = decode_event(payload)
        if len(payload) > _SHALLOW_BYTES and not _is_shallow(payload, event):
            _check_depth(payload)
    except NotUnderstood as error:
        return error
    return event


def _is_shallow(payload: bytes, event: AnyEvent) -> bool:
    """Whether it is plain that it is not nested deep; if not, it may have members that this version does not know."""
    return len(payload) - len(payload.translate(None, _OPENING)) <= _DEEPEST or len(encode(event)) == len(payload)


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


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What must be in memory before a batch can be decided."""

    conversations: set[ConversationId]
    """Whose states."""
    parties: set[Party]
    """Everybody its events name."""
    ranks: set[int]
    """Where the messages stand that its events are about."""


def needs(batch: Iterable[Waiting]) -> Needs:
    """What a batch needs."""
    conversations: set[ConversationId] = set()
    parties: set[Party] = set()
    ranks: set[int] = set()
    for waiting in batch:
        event = understand(waiting.message)
        if isinstance(event, Message):
            conversations.add(event.conversation)
            parties.add(event.actor)
            parties.update(event.to)
        elif isinstance(event, ConversationEvent):
            conversations.add(event.conversation)
            parties.add(event.actor)
            parties.update(_subjects(event))
            if isinstance(event, Target):
                ranks.add(event.rank)
        elif not isinstance(event, NotUnderstood):
            parties.update(_named(event))
    return Needs(conversations=conversations, parties=parties, ranks=ranks)


def _subjects(event: AnyEvent) -> tuple[Party, ...]:
    match event:
        case GroupFounded():
            return event.members
        case Membership():
            return event.who
        case _:
            return ()


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

    def decide(
        self,
        batch: Iterable[Waiting],
        *,
        states: States,
        originals: Originals,
        flying: Mapping[ConversationId, Conversation],
        people: Lookup,
        plans: Plans,
    ) -> Draft:
        """Decide event by event until the record is full.

        Raises `NotFetched`, `NotLoaded`, `NotRead`: then fetch and do it again.

        `flying`: the states that the record on its way leads to; they go before `states`.
        Events of the people partition see what the earlier ones of their batch have changed.
        """
        draft = Draft.empty()
        lookup: Lookup = Amended(people) if self._partition == PEOPLE_PARTITION else people
        entries, changed, last, size_bytes = draft.entries, draft.states, draft.last, 0
        stamp = lookup.stamp
        for waiting in batch:
            source, message = waiting
            last[source] = message
            event, state, known = understand(message), None, None
            if event.__class__ in _OF_CONVERSATIONS:
                name = event.conversation  # type: ignore[union-attr] # mypy does not see that these classes have one
                state = changed.get(name) or flying.get(name) or states.get(name)
            if event.__class__ is Message and state is not None:
                known = remembered(event, source, stamp, plans, state.group)
                if known is not None and is_wished(event, state, known.timer):
                    known = None
            if known is not None and state is not None:
                state = said(state)
                changed[state.id] = state  # not by `name`: nothing to compare when it is looked up by this id
                entries.append(message_entry(event, known, state.last, source=source, raw=message.data))  # type: ignore[arg-type]
                size_bytes += ENTRY_BYTES + len(message.data) + known.packed.size_bytes
            else:
                original = originals.get(event.rank) if isinstance(event, Target) else None
                decision = self._decide(
                    event, source, state, original, people=lookup, plans=plans, now_ms=message.at_ms
                )
                size_bytes += _take_down(draft, waiting, event, decision, lookup)
                stamp = lookup.stamp
            if size_bytes >= self._record_bytes:
                break
        return draft

    def _decide(
        self,
        event: AnyEvent | NotUnderstood,
        source: str,
        state: Conversation | None,
        original: Original | None,
        *,
        people: Lookup,
        plans: Plans,
        now_ms: int,
    ) -> Decision | str:
        """The decision; or why there is none: it was not understood, or our own code stumbles over it."""
        if isinstance(event, NotUnderstood):
            return str(event)
        try:
            if state is None and not belongs(event, self._partition, self._partitions):
                return refuse(event, source, Refusal.WRONG_CONVERSATION)
            return route(
                event,
                source=source,
                conversation=state,
                people=people,
                plans=plans,
                original=original,
                now_ms=now_ms,
            )
        except NotFetched:
            raise
        except Exception as error:  # noqa: BLE001 - see below
            # One event that we stumble over must not stop the partition: its bytes are kept, and this line is an alarm.
            _log.exception("event.stumbled_over", partition=self._partition, source=source, event_id=event.id)
            return f"{type(error).__name__}: {error}"


def _take_down(
    draft: Draft, waiting: Waiting, event: AnyEvent | NotUnderstood, decision: Decision | str, people: Lookup
) -> int:
    """Write a decision into the draft, or why there is none; about how many bytes that takes."""
    source, message = waiting
    if isinstance(event, NotUnderstood) or isinstance(decision, str):
        event_id = waiting.published_as() if isinstance(event, NotUnderstood) else event.id
        draft.parked.append(Parked(waiting=waiting, event_id=event_id, why=str(decision)))
        draft.entries.append(parked(event_id, source=source))
        return ENTRY_BYTES
    if decision.state is not None:
        draft.states[decision.conversation] = decision.state
        if decision.until_ms:
            draft.deadlines.append(GroupEnds(conversation=decision.conversation, at_ms=decision.until_ms))
        if decision.vanishing:
            draft.deadlines += [
                MessageEnds(conversation=decision.conversation, vanishing=one)
                for one in decision.vanishing
                if one.at_ms
            ]
    elif decision.people:
        draft.people.extend(decision.people)
        if isinstance(people, Amended):
            people.amend(decision.people)
    draft.entries.append(entry(decision, event, source=source, raw=message.data))
    return ENTRY_BYTES + len(message.data) + decision.packed.size_bytes
