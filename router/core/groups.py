"""What becomes of events about groups, and where a group's messages go. Pure; called by `route`.

One leg a rail, however large the group: an entry names only whom it is about, since everybody who reads the log folds
the members themselves (`schemas.groups.after`). A removal wins over a late add: an add counts only if its bridge had
seen the group as it was after the person was taken out.
"""

from collections.abc import Iterable

import msgspec

from router.core.conversation import begin
from router.core.fanout import NOWHERE, Packed, Plan, Plans, carries, only, pack, reachable, reached
from router.core.people import party
from router.core.policy import Lookup, apart, may_act
from schemas.errors import Refusal
from schemas.events import GroupChanged, GroupEvent, GroupFounded, Membership, as_handle
from schemas.groups import Group, after
from schemas.handles import rail_of
from schemas.ids import OPERATOR, ConversationId, PersonId, RailName
from schemas.log import Act, Conversation, Leg, Seat, seat_of
from schemas.people import Person

_BOSSES = frozenset({"owner", "admin"})


class GroupDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What a group event changes. Neither state nor refusal: it told nothing new."""

    actor: PersonId | None = None
    state: Conversation | None = None
    packed: Packed = NOWHERE
    refusal: Refusal | None = None
    until_ms: int = 0
    """When the group is to end, if the event says so: a deadline is to be set."""


class _Case(msgspec.Struct, frozen=True, kw_only=True):
    """All that a decision is made from, beside the event."""

    source: str
    conversation: Conversation | None
    group: Group | None
    actor: Person
    subjects: tuple[Person, ...]
    people: Lookup
    plans: Plans


def decide_group(
    event: GroupEvent, source: str, conversation: Conversation | None, people: Lookup, plans: Plans
) -> GroupDecision:
    """What becomes of a group event that came in by `source`.

    The operator ends groups whose time has come, in their owner's name.
    """
    group = conversation.group if conversation is not None else None
    if group is None and not isinstance(event, GroupFounded):
        return _refused(source, Refusal.UNKNOWN_CONVERSATION)
    if group is not None and source == OPERATOR and _is_outdated(event, group):
        return GroupDecision()
    actor = _owner(group, people) if source == OPERATOR else _acting(event, source, people)
    if isinstance(actor, Refusal):
        return _refused(source, actor)
    subjects = _subjects(event, actor, source, people)
    if subjects is None:
        return _refused(source, Refusal.UNKNOWN_RECIPIENT)
    case = _Case(
        source=source,
        conversation=conversation,
        group=group,
        actor=actor,
        subjects=subjects,
        people=people,
        plans=plans,
    )
    if refusal := _objection(event, case):
        return _refused(source, refusal)
    is_news = group is None or _tells_something(event, group, subjects)
    return _counted(event, case) if is_news else GroupDecision(actor=actor.id)


def members_of(group: Group, people: Lookup) -> tuple[Person, ...]:
    """The members as they are today, each once; one whom nobody has introduced is known by id alone."""
    found: dict[PersonId, Person] = {}
    for member in group.roles:
        person = people.person(member) or Person(id=member, name="")
        found[person.id] = person
    return tuple(found.values())


def is_member(group: Group, person: Person, people: Lookup) -> bool:
    """Whether the person is in the group, under today's id or one from before a link."""
    return _held_as(group, person, people) is not None


def group_plan(
    source: str, act: Act, *, actor: Person, group: Group, people: Lookup, plans: Plans, private: bool = False
) -> Packed:
    """The legs of something done in a group: every rail on which a member is reached, but the origin. Seats: the actor.

    `private`: only the actor's own rails are told.
    """
    told = (actor,) if private else members_of(group, people)
    legs = _legs(source, act, told, plans, private=private)
    return pack(Plan(seats=(seat_of(actor),), legs=legs))


def _is_outdated(event: GroupEvent, group: Group) -> bool:
    """A deadline that was moved, or a group that has ended before it."""
    return group.closed or not isinstance(event, GroupChanged) or event.until_ms not in (None, group.until_ms)


def _acting(event: GroupEvent, source: str, people: Lookup) -> Person | Refusal:
    if rail_of(event.actor) != source:
        return Refusal.NOT_YOUR_RAIL
    actor = party(event.actor, source, people)
    if actor is None or not may_act(actor, as_handle(event.actor)):
        return Refusal.UNKNOWN_ACCOUNT
    return actor


def _owner(group: Group | None, people: Lookup) -> Person | Refusal:
    owner = next((person for person, role in group.roles.items() if role == "owner"), None) if group else None
    if owner is None:
        return Refusal.GROUP_ENDED
    return people.person(owner) or Person(id=owner, name="")


def _subjects(event: GroupEvent, actor: Person, source: str, people: Lookup) -> tuple[Person, ...] | None:
    """Whom the event is about, each once; None when one of them is nobody."""
    named = event.members if isinstance(event, GroupFounded) else getattr(event, "who", ())
    persons = [party(one, source, people) for one in named]
    known = [person for person in persons if person is not None]
    if len(known) < len(persons):
        return None
    if isinstance(event, GroupFounded):
        known.insert(0, actor)
    elif isinstance(event, Membership) and event.change == "leave":
        known = [actor]
    return tuple({person.id: person for person in known}.values())


def _objection(event: GroupEvent, case: _Case) -> Refusal | None:
    group = case.group
    if isinstance(event, GroupFounded):
        return _unwilling(case) if group is None else None
    if group is None or group.closed:
        return Refusal.GROUP_ENDED
    role = _role(group, case.actor, case.people)
    if role is None:
        return Refusal.NOT_A_MEMBER
    if isinstance(event, Membership) and event.change == "add":
        return _unaddable(event, group, case)
    return None if _may(event, role, group, case) else Refusal.NOT_ALLOWED


def _may(event: GroupEvent, role: str, group: Group, case: _Case) -> bool:
    if not isinstance(event, Membership):
        return role in _BOSSES
    if event.change in ("admin", "member"):
        return role == "owner"
    over_the_owner = any(_role(group, person, case.people) == "owner" for person in case.subjects)
    return event.change == "leave" or role == "owner" or (role == "admin" and not over_the_owner)


def _unaddable(event: Membership, group: Group, case: _Case) -> Refusal | None:
    if any(person.id in group.banned for person in case.subjects):
        return Refusal.BANNED
    if any(group.left.get(person.id, 0) > event.seen for person in case.subjects):
        return Refusal.TAKEN_OUT_SINCE
    return _unwilling(case)


def _unwilling(case: _Case) -> Refusal | None:
    """Whoever blocks somebody is not put into a group by them; whoever is nowhere to be reached, by nobody."""
    for person in case.subjects:
        if person.id == case.actor.id:
            continue
        if apart(case.actor, person, case.people) or not reached(case.source, person):
            return Refusal.RECIPIENT_UNAVAILABLE
    return None


def _role(group: Group, person: Person, people: Lookup) -> str | None:
    held = _held_as(group, person, people)
    return None if held is None else group.roles[held]


def _held_as(group: Group, person: Person, people: Lookup) -> PersonId | None:
    """The id by which a person is in the group; None when they are not."""
    if person.id in group.roles:
        return person.id
    return next(
        (held for held in group.roles if (now := people.person(held)) is not None and now.id == person.id), None
    )


def _tells_something(event: GroupEvent, group: Group, subjects: tuple[Person, ...]) -> bool:
    if isinstance(event, GroupFounded):
        return False
    if isinstance(event, GroupChanged):
        return True
    return any(_is_news(event.change, group, person.id) for person in subjects)


def _is_news(change: str, group: Group, person: PersonId) -> bool:
    if change in ("ban", "unban"):
        return (person in group.banned) != (change == "ban")
    if change in ("admin", "member"):
        return group.roles.get(person, "owner") not in ("owner", change)
    return (person in group.roles) != (change == "add")


def _counted(event: GroupEvent, case: _Case) -> GroupDecision:
    before, actor = case.group, case.actor
    seats = tuple(_seat_in(before, person, case.people) for person in case.subjects)
    group = after(before, event, actor.id, tuple(one.person for one in seats))
    if group is None:
        return _refused(case.source, Refusal.UNKNOWN_CONVERSATION)
    concerned = {person.id: person for person in (*members_of(before or group, case.people), *case.subjects)}
    legs = _legs(case.source, "group", tuple(concerned.values()), case.plans, private=False)
    state = case.conversation or begin(event.conversation, ())
    return GroupDecision(
        actor=actor.id,
        state=msgspec.structs.replace(state, members=group.members, group=group),
        packed=pack(Plan(seats=seats or (seat_of(actor),), legs=legs)),
        until_ms=0 if group.closed or (before is not None and before.until_ms == group.until_ms) else group.until_ms,
    )


def _seat_in(group: Group | None, person: Person, people: Lookup) -> Seat:
    """A seat under the id by which the person is in the group, which may be one from before a link."""
    held = _held_as(group, person, people) if group is not None else None
    return msgspec.structs.replace(seat_of(person), person=held or person.id)


def _legs(source: str, act: Act, told: Iterable[Person], plans: Plans, *, private: bool) -> dict[RailName, Leg]:
    counts: dict[RailName, int] = {}
    for person in told:
        for rail in reachable(person):
            counts[rail] = counts.get(rail, 0) + 1
    return {
        rail: Leg(act=act, why=f"{count} of the group here" if count > 1 else "one of the group here", private=private)
        for rail, count in counts.items()
        if rail != source and carries(plans.capabilities.get(rail), act)
    }


def _refused(source: str, refusal: Refusal) -> GroupDecision:
    """The origin rail has done it already: it is told to bring its group back to what the log says."""
    tell = source != OPERATOR
    return GroupDecision(refusal=refusal, packed=only(source, "group", refusal.value) if tell else NOWHERE)


def standing(event_at_ms: int, group: Group) -> Refusal | None:
    """Why nothing more can be said in the group, if so: when its time is over it has ended, even if nobody said so."""
    if group.closed or (group.until_ms and event_at_ms >= group.until_ms):
        return Refusal.GROUP_ENDED
    return None


def key_of(source: str, conversation: ConversationId, actor: str, group: Group, act: str) -> tuple[str, str, str, str]:
    """Where `Plans` remembers the plan of a group: it changes with the members."""
    return (source, conversation, actor, f"{act} {group.version}")
