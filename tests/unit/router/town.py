"""The core's tests: alice on whatsapp and messenger, bob on messenger and instagram, carla on instagram."""

from typing import Any

import msgspec

from router.core.about import Original
from router.core.decision import Decision, entry
from router.core.fanout import Plans
from router.core.people import Amended
from router.core.route import route
from schemas.capabilities import Capabilities, Level
from schemas.codec import decode_legs, encode
from schemas.content import Text
from schemas.events import AnyEvent, Edit, Message, Reaction, Receipt, Target, TargetEvent, Unsend, Vote
from schemas.handles import Handle
from schemas.ids import EventId, PersonId, RailName, direct_conversation_id, person_id
from schemas.log import Conversation, Leg, order_of
from schemas.people import Account, Person

ALICE_WA, ALICE_MS = Handle("whatsapp:+39331000001"), Handle("messenger:alice")
BOB_MS, BOB_IG = Handle("messenger:bob"), Handle("instagram:@bob")
CARLA_IG = Handle("instagram:@carla")


def somebody(name: str, *handles: Handle) -> Person:
    """Who is first known by the first of these handles."""
    return Person(id=person_id(handles[0]), name=name, accounts=tuple(Account(handle=h, name=name) for h in handles))


ALICE = somebody("alice", ALICE_WA, ALICE_MS)
BOB = somebody("bob", BOB_MS, BOB_IG)
CARLA = somebody("carla", CARLA_IG)
A_AND_B = direct_conversation_id(ALICE.id, BOB.id)
A_AND_C = direct_conversation_id(ALICE.id, CARLA.id)
EVERYTHING = {
    RailName(rail): Capabilities(
        rail=RailName(rail), version=1, text_max=1000, text_unit="characters", delivered=Level.FULL, read=Level.FULL
    )
    for rail in ("whatsapp", "messenger", "instagram")
}


class Nobody:
    """An empty world."""

    stamp = "always the same"

    def person(self, person: PersonId) -> None:  # noqa: ARG002 - nobody is nobody
        return None

    def whose(self, handle: Handle) -> None:  # noqa: ARG002
        return None


class Town:
    """A world of people in which events are routed one after another, as a partition would."""

    def __init__(self, *people: Person, capabilities: dict[RailName, Capabilities] | None = None) -> None:
        self.people = Amended(Nobody())
        self.people.amend(people or (ALICE, BOB, CARLA))
        self.plans = Plans(capabilities=EVERYTHING if capabilities is None else capabilities)
        self.conversations: dict[str, Conversation] = {}
        self.log: dict[int, Original] = {}
        """What was decided, by rank: each event is a record of its own, 1, 2, 3, ..."""

    def route(self, event: AnyEvent, source: str, now_ms: int = 0) -> Decision:
        decision = route(
            event,
            source=source,
            conversation=self.conversations.get(event.conversation),
            people=self.people,
            plans=self.plans,
            original=self.log.get(event.rank) if isinstance(event, Target) else None,
            now_ms=now_ms,
        )
        written = encode(entry(decision, event, source=source, raw=encode(event)))
        self.log[order_of(len(self.log) + 1, 0)] = msgspec.msgpack.decode(written, type=Original)
        if decision.state is not None:
            self.conversations[event.conversation] = decision.state
        if decision.people:  # whoever is amended, be it nobody, invalidates what is remembered
            self.people.amend(decision.people)
        return decision

    def person(self, person: PersonId) -> Person:
        found = self.people.person(person)
        assert found is not None
        return found

    def whose(self, handle: Handle) -> Person:
        found = self.people.whose(handle)
        assert found is not None
        return found


def message(actor: str = ALICE_WA, to: str = BOB.id, conversation: str = A_AND_B, event: str = "evt_1") -> Message:
    """Alice writes to bob, unless told otherwise."""
    return Message(
        id=EventId(event),
        conversation=msgspec.convert(conversation, str),
        actor=actor,
        to=(to,),
        content=Text(body="hi"),
    )


def receipt(
    actor: str = BOB_IG, position: int = 1, status: str = "read", conversation: str = A_AND_B, event: str = "evt_9"
) -> Receipt:
    """Bob has read it, unless told otherwise."""
    return msgspec.convert(
        {
            "kind": "receipt",
            "id": event,
            "conversation": conversation,
            "actor": actor,
            "status": status,
            "position": position,
        },
        Receipt,
    )


def about(
    kind: str,
    actor: str = ALICE_WA,
    *,
    target: str = "evt_1",
    number: int = 1,
    conversation: str = A_AND_B,
    event: str = "evt_8",
) -> TargetEvent:
    """Something that alice does with the message `target`, the number-th thing that was said."""
    common = {
        "id": event,
        "conversation": conversation,
        "actor": actor,
        "target": target,
        "rank": order_of(number, 0),
    }
    more: dict[str, dict[str, Any]] = {
        "edit": {"content": Text(body="hi!")},
        "unsend": {},
        "reaction": {"emoji": "\N{THUMBS UP SIGN}"},
        "vote": {"options": (0,)},
    }
    return msgspec.convert({"kind": kind, **common, **more[kind]}, Edit | Unsend | Reaction | Vote)


def legs(decision: Decision) -> dict[str, Leg]:
    """Rail -> leg."""
    return dict(decode_legs(decision.packed.legs))


def acts(decision: Decision) -> dict[str, str]:
    """Rail -> act, the private ones marked."""
    return {rail: leg.act + (" private" if leg.private else "") for rail, leg in legs(decision).items()}
