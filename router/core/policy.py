"""Who may act, and who does not want to hear from whom."""

from typing import Protocol

from schemas.events import AnyEvent, ConversationEvent, PeopleEvent
from schemas.handles import Handle
from schemas.ids import PEOPLE_PARTITION, PersonId, partition_of
from schemas.people import Person


class Lookup(Protocol):
    """The people a decision sees: given to it, complete, and not changing under it."""

    @property
    def stamp(self) -> object:
        """The very same object as long as nobody who was looked up has changed."""

    def person(self, person: PersonId) -> Person | None:
        """Who this id is today (merges followed), or None when nobody has heard of it."""

    def whose(self, handle: Handle) -> Person | None:
        """Whose account this is today, or None when nobody has heard of it."""


def may_act(actor: Person, handle: Handle) -> bool:
    """Whether this account of the person's may send and read: only a verified one may."""
    return any(account.handle == handle and account.state == "verified" for account in actor.accounts)


def blocks(one: Person, other: Person, people: Lookup) -> bool:
    """Whether one does not want to hear from the other, under any id the other has ever been blocked by."""
    if other.id in one.blocked:
        return True
    return any((person := people.person(blocked)) is not None and person.id == other.id for blocked in one.blocked)


def apart(one: Person, other: Person, people: Lookup) -> bool:
    """Whether either blocks the other: then nothing passes between them, and neither is told which it is."""
    return blocks(one, other, people) or blocks(other, one, people)


def belongs(event: AnyEvent, partition: int, partitions: int) -> bool:
    """Whether an event came by the partition that orders it.

    A conversation ordered in two partitions would have two orders, so a bridge that errs here is refused.
    """
    if isinstance(event, PeopleEvent):
        return partition == PEOPLE_PARTITION
    if isinstance(event, ConversationEvent):
        return partition_of(event.conversation, partitions) == partition
    return True
