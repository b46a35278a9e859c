"""People events: what becomes of persons when accounts are seen, linked, unlinked, blocked, or prefer something.

Pure: the persons as they are from now on are the decision; the directory is written from the log.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import assert_never

import msgspec

from router.core.fanout import NOWHERE, Packed, pack, plan
from router.core.policy import Lookup, may_act
from schemas.capabilities import Capabilities
from schemas.errors import Refusal
from schemas.events import AccountSeen, Block, Link, Party, PeopleEvent, Prefer, Unlink, as_handle, as_person, is_person
from schemas.handles import Handle, address_of, rail_of
from schemas.ids import OPERATOR, PersonId, RailName, person_id
from schemas.people import Account, Person, Preferences, newcomer
from schemas.vanishing import shortest_timer


class PeopleDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What a people event changes. Neither persons nor refusal: it told nothing new."""

    actor: PersonId | None = None
    persons: tuple[Person, ...] = ()
    """Everybody who changes, as they are from now on."""
    packed: Packed = NOWHERE
    refusal: Refusal | None = None


NOTHING_NEW = PeopleDecision()


class Amended:
    """A lookup with changes on top: what a batch's later events see of its earlier ones."""

    def __init__(self, base: Lookup) -> None:
        self._base = base
        self._persons: dict[PersonId, Person] = {}
        self._holders: dict[Handle, PersonId] = {}
        self._stamp: object | None = None

    @property
    def stamp(self) -> object:
        return self._stamp or self._base.stamp

    def amend(self, persons: Iterable[Person]) -> None:
        """From now on these persons are as given."""
        self._stamp = object()
        for person in persons:
            self._persons[person.id] = person
            self._holders.update((account.handle, person.id) for account in person.accounts)

    def person(self, person: PersonId) -> Person | None:
        known = self._persons.get(person)
        if known is not None and known.merged_into is None:
            return known
        if known is not None and known.merged_into is not None:
            return self.person(known.merged_into)
        below = self._base.person(person)
        if below is None or below.id not in self._persons:
            return below
        return self.person(below.id)

    def whose(self, handle: Handle) -> Person | None:
        holder = self._holders.get(handle)
        if holder is not None:
            return self.person(holder)
        below = self._base.whose(handle)
        return below and self.person(below.id)


def party(named: Party, source: str, people: Lookup) -> Person | None:
    """Who a party is. An address nobody has heard of is somebody all the same, if it is on the rail that names it."""
    if is_person(named):
        return people.person(as_person(named))
    handle = as_handle(named)
    known = people.whose(handle)
    return _stranger(handle) if known is None and rail_of(handle) == source else known


@lru_cache(maxsize=10_000)
def _stranger(handle: Handle) -> Person:
    """The person behind an address that nobody has introduced: while remembered, the same object (plans go by it)."""
    return newcomer(handle, address_of(handle))


def decide_people(
    event: PeopleEvent, source: str, people: Lookup, capabilities: Mapping[RailName, Capabilities]
) -> PeopleDecision:
    """What a people event that came from `source` changes."""
    match event:
        case AccountSeen():
            return _seen(event, source, people)
        case Block():
            return _block(event, source, people, capabilities)
        case Link():
            return _link(event, people) if source == OPERATOR else _refused(Refusal.ONLY_OPERATOR)
        case Unlink():
            return _unlink(event, people) if source == OPERATOR else _refused(Refusal.ONLY_OPERATOR)
        case Prefer():
            return _prefer(event, people) if source == OPERATOR else _refused(Refusal.ONLY_OPERATOR)
        case _:
            assert_never(event)


def _refused(refusal: Refusal) -> PeopleDecision:
    return PeopleDecision(refusal=refusal)


def _seen(event: AccountSeen, source: str, people: Lookup) -> PeopleDecision:
    handle = as_handle(event.actor)
    if is_person(event.actor) or rail_of(handle) != source:
        return _refused(Refusal.NOT_YOUR_RAIL)
    person = people.whose(handle)
    if person is None:
        person = newcomer(handle, event.name, event.account_kind)
        return PeopleDecision(actor=person.id, persons=(person,))
    before = next((account for account in person.accounts if account.handle == handle), None)
    if before is None or (before.name == event.name and before.kind == event.account_kind):
        return NOTHING_NEW
    after = msgspec.structs.replace(before, name=event.name, kind=event.account_kind)
    renamed = msgspec.structs.replace(
        person,
        name=event.name if person.name == before.name else person.name,
        accounts=tuple(after if account is before else account for account in person.accounts),
    )
    return PeopleDecision(actor=person.id, persons=(renamed,))


def _block(event: Block, source: str, people: Lookup, capabilities: Mapping[RailName, Capabilities]) -> PeopleDecision:
    handle = as_handle(event.actor)
    if is_person(event.actor) or rail_of(handle) != source:
        return _refused(Refusal.NOT_YOUR_RAIL)
    blocker, blocked = party(event.actor, source, people), party(event.blocked, source, people)
    if blocker is None or blocked is None or not may_act(blocker, handle):
        return _refused(Refusal.UNKNOWN_ACCOUNT)
    if blocker.id == blocked.id:
        return _refused(Refusal.ONESELF)
    kept = tuple(old for old in blocker.blocked if _today(old, people) != blocked.id)
    after = (*kept, blocked.id) if event.on else kept
    if set(after) == set(blocker.blocked):
        return NOTHING_NEW
    blocker = msgspec.structs.replace(blocker, blocked=after)
    packed = pack(plan(source, "block", blocker, (blocker, blocked), capabilities))
    return PeopleDecision(actor=blocker.id, persons=(blocker,), packed=packed)


def _today(person: PersonId, people: Lookup) -> PersonId:
    known = people.person(person)
    return person if known is None else known.id


def _link(event: Link, people: Lookup) -> PeopleDecision:
    one, other = (people.whose(handle) for handle in event.handles)
    if one is None or other is None:
        return _refused(Refusal.UNKNOWN_ACCOUNT)
    if one.id == other.id:
        return _refused(Refusal.ALREADY_LINKED)
    themselves = {one.id, other.id}
    blocked = dict.fromkeys((*one.blocked, *other.blocked))
    together = msgspec.structs.replace(
        one,
        accounts=one.accounts + other.accounts,
        preferences=_both(one.preferences, other.preferences),
        blocked=tuple(person for person in blocked if _today(person, people) not in themselves),
    )
    gone = Person(id=other.id, name="", merged_into=one.id)
    return PeopleDecision(actor=one.id, persons=(together, gone))


def _both(one: Preferences, other: Preferences) -> Preferences:
    """The more private of the two, each way: nobody is shown more than either has allowed, and nothing is kept."""
    return Preferences(
        receipts=one.receipts and other.receipts,
        never=tuple(dict.fromkeys((*one.never, *other.never))),
        keeps=one.keeps and other.keeps,
        timer=shortest_timer(one.timer, other.timer),
        presence=one.presence and other.presence,
        offline_on=tuple(dict.fromkeys((*one.offline_on, *other.offline_on))),
        offline_until_ms=max(one.offline_until_ms, other.offline_until_ms),
    )


def _unlink(event: Unlink, people: Lookup) -> PeopleDecision:
    person = people.whose(event.handle)
    if person is None:
        return _refused(Refusal.UNKNOWN_ACCOUNT)
    account = next((account for account in person.accounts if account.handle == event.handle), None)
    if account is None or len(person.accounts) == 1:
        return NOTHING_NEW
    staying = msgspec.structs.replace(
        person, accounts=tuple(other for other in person.accounts if other is not account)
    )
    return PeopleDecision(actor=person.id, persons=(staying, _alone(event, account, person, people)))


def _alone(event: Unlink, account: Account, before: Person, people: Lookup) -> Person:
    """The account as a person of its own: who it was before the link, unless that id is somebody else by now.

    Blocks and preferences go along: who did not want to hear from somebody still does not.
    """
    earlier = person_id(event.handle)
    today = people.person(earlier)
    free = today is None or (today.id == before.id and earlier != before.id)
    return Person(
        id=earlier if free else person_id(event.handle, event.id),
        name=account.name,
        accounts=(account,),
        preferences=before.preferences,
        blocked=before.blocked,
    )


def _prefer(event: Prefer, people: Lookup) -> PeopleDecision:
    person = people.whose(event.handle)
    if person is None:
        return _refused(Refusal.UNKNOWN_ACCOUNT)
    before = person.preferences
    after = Preferences(
        receipts=before.receipts if event.receipts is None else event.receipts,
        never=before.never if event.never is None else tuple(RailName(rail) for rail in event.never),
        keeps=before.keeps if event.keeps is None else event.keeps,
        timer=before.timer if event.timer is None else shortest_timer(event.timer),
        presence=before.presence if event.presence is None else event.presence,
        offline_on=before.offline_on if event.offline_on is None else tuple(map(RailName, event.offline_on)),
        offline_until_ms=before.offline_until_ms if event.offline_until_ms is None else event.offline_until_ms,
    )
    if after == before:
        return NOTHING_NEW
    return PeopleDecision(actor=person.id, persons=(msgspec.structs.replace(person, preferences=after),))
