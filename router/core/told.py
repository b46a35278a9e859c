"""Who acts in a conversation, and where what they did is told: receipts, and events about earlier messages.

Direct conversations and groups alike. Called by `route` and `about`; messages have a way of their own, as they decide
more (whom they are to, what they begin).
"""

from operator import is_
from typing import NamedTuple

import msgspec

from router.core import groups
from router.core.fanout import NOWHERE, Known, Packed, Plans, pack, plan
from router.core.people import party
from router.core.policy import Lookup, apart, may_act
from schemas.errors import Refusal
from schemas.events import Marked, Receipt, TargetEvent, TimerSet, as_handle
from schemas.groups import Group
from schemas.handles import rail_of
from schemas.log import Act, Conversation, seat_of
from schemas.people import Person

ActedOn = Receipt | Marked | TargetEvent | TimerSet


class Acting(NamedTuple):
    """A member who does something."""

    actor: Person
    members: tuple[Person, ...]
    """Of a direct conversation: everybody as they are today, the actor too. One never introduced is known by id alone.
    """
    group: Group | None
    conversation: Conversation


def acting(event: ActedOn, source: str, conversation: Conversation | None, people: Lookup) -> Acting | Refusal:
    """Who does it, if it is the rail's own account, may act, and is a member's; else why not."""
    if rail_of(event.actor) != source:
        return Refusal.NOT_YOUR_RAIL
    if conversation is None:
        return Refusal.UNKNOWN_CONVERSATION
    actor, group = party(event.actor, source, people), conversation.group
    if actor is None or not may_act(actor, as_handle(event.actor)):
        return Refusal.NOT_A_MEMBER
    if group is not None:
        is_in_it = groups.is_member(group, actor, people)
        return Acting(actor, (), group, conversation) if is_in_it else Refusal.NOT_A_MEMBER
    members = {}
    for member in conversation.members:
        person = people.person(member) or Person(id=member, name="")
        members[person.id] = actor if person.id == actor.id else person
    if actor.id not in members:
        return Refusal.NOT_A_MEMBER
    return Acting(actor, tuple(members.values()), None, conversation)


def told_plan(event: ActedOn, act: Act, who: Acting, *, people: Lookup, plans: Plans) -> Packed:
    """The plan of it, remembered."""
    if who.group is not None:
        return _in_group(event, act, who.actor, who.group, people=people, plans=plans)
    return _between_two(event, act, who, people=people, plans=plans)


def _between_two(event: ActedOn, act: Act, who: Acting, *, people: Lookup, plans: Plans) -> Packed:
    """Who is apart from the actor is told nothing, but is seated all the same; one's own rails always agree.

    The exception is `unsend`: a message goes wherever it came to.
    """
    actor, members = who.actor, who.members
    source = rail_of(event.actor)
    key = (source, event.conversation, event.actor, act)
    known = plans.get(key)
    if known is not None and len(known.persons) == len(members) + 1 and all(map(is_, known.persons, (actor, *members))):
        return known.packed
    told = tuple(one for one in members if act == "unsend" or one.id == actor.id or not apart(actor, one, people))
    made = plan(source, act, actor, told, plans.capabilities)
    packed = pack(msgspec.structs.replace(made, seats=tuple(map(seat_of, members))))
    plans.remember(key, Known(persons=(actor, *members), stamp=people.stamp, packed=packed))
    return packed


def _in_group(event: ActedOn, act: Act, actor: Person, group: Group, *, people: Lookup, plans: Plans) -> Packed:
    """Told to the whole group, but for one thing: that everybody has got everything is not said a thousand times."""
    if act == "delivered":
        return NOWHERE
    source = rail_of(event.actor)
    key = groups.key_of(source, event.conversation, event.actor, group, act)
    known = plans.get(key)
    if known is None or known.stamp is not people.stamp:
        private = act == "mark" or (act == "read" and not actor.preferences.receipts)
        packed = groups.group_plan(source, act, actor=actor, group=group, people=people, plans=plans, private=private)
        known = Known(persons=(actor,), stamp=people.stamp, packed=packed)
        plans.remember(key, known)
    return known.packed
