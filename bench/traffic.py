"""Who talks in the router's bench, and what they say: 200-byte texts between pairs of people, three legs an event."""

from typing import Protocol

import msgspec

from schemas.content import Text
from schemas.events import GroupFounded, Message
from schemas.groups import group_id
from schemas.handles import Handle
from schemas.ids import ConversationId, direct_conversation_id, event_id, partition_of, person_id
from schemas.people import Account, Person

RAIL, OTHER_RAILS = "whatsapp", ("messenger", "instagram", "telegram")
PARTITIONS = 16
CONVERSATIONS = 1_000
TEXT = "x" * 200


class Talk(Protocol):
    """A conversation: who is in it, which partition orders it, and what is said in it, by number from 0."""

    @property
    def people(self) -> tuple[Person, ...]: ...

    @property
    def partition(self) -> int: ...

    def message(self, number: int) -> Message | GroupFounded: ...


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two people who talk: one on the rail where it is written, one on three others."""

    one: Person
    other: Person

    @property
    def people(self) -> tuple[Person, ...]:
        return self.one, self.other

    @property
    def partition(self) -> int:
        return partition_of(direct_conversation_id(self.one.id, self.other.id), PARTITIONS)

    def message(self, number: int) -> Message:
        return Message(
            id=event_id(RAIL, "message", self.one.id, str(number)),
            conversation=direct_conversation_id(self.one.id, self.other.id),
            actor=self.one.accounts[0].handle,
            to=(self.other.id,),
            content=Text(body=TEXT),
            at_ms=1_700_000_000_000 + number,
            native_id=f"wamid.{number:032d}",
        )


class Circle(msgspec.Struct, frozen=True, kw_only=True):
    """A group, which is made first; its owner writes, on the rail where it is written, to people on three others."""

    people: tuple[Person, ...]

    @property
    def conversation(self) -> ConversationId:
        return group_id(RAIL, f"circle-{len(self.people)}")

    @property
    def partition(self) -> int:
        return partition_of(self.conversation, PARTITIONS)

    def message(self, number: int) -> Message | GroupFounded:
        owner, *others = self.people
        name = event_id(RAIL, "message", self.conversation, str(number))
        actor = owner.accounts[0].handle
        if number == 0:
            members = tuple(one.id for one in others)
            return GroupFounded(id=name, conversation=self.conversation, actor=actor, name="circle", members=members)
        return Message(
            id=name,
            conversation=self.conversation,
            actor=actor,
            to=(),
            content=Text(body=TEXT),
            at_ms=1_700_000_000_000 + number,
            native_id=f"wamid.{number:032d}",
        )


def circle(members: int) -> Circle:
    """A group of so many."""
    owner = _person("alice", f"{RAIL}:+39000000000")
    others = (_person(f"bob {n}", f"{OTHER_RAILS[n % len(OTHER_RAILS)]}:bob{n}") for n in range(1, members))
    return Circle(people=(owner, *others))


def _person(name: str, *handles: str) -> Person:
    accounts = tuple(Account(handle=Handle(handle), name=name) for handle in handles)
    return Person(id=person_id(handles[0]), name=name, accounts=accounts)


def pairs(*, one_partition: bool) -> list[Pair]:
    """As many conversations as the bench has, all in one partition or wherever they fall."""
    found: list[Pair] = []
    number = 0
    while len(found) < CONVERSATIONS:
        number += 1
        pair = Pair(
            one=_person(f"alice {number}", f"{RAIL}:+39{number:09d}"),
            other=_person(f"bob {number}", *(f"{rail}:bob{number}" for rail in OTHER_RAILS)),
        )
        if not one_partition or pair.partition == PARTITIONS - 1:
            found.append(pair)
    return found
