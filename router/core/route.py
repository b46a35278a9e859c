"""The decision: one event, what is known of its conversation and its people, and what becomes of it.

`route` is total: whatever event can be decoded gets a decision, and a refusal is a decision. Called by the partition
(to commit) and by `explain` (to show).
"""

from operator import is_
from typing import assert_never

import msgspec

from router.core import groups
from router.core.about import Original, decide_about
from router.core.conversation import begin, heard, said
from router.core.decision import Decision, refuse
from router.core.fanout import NOWHERE, Known, Plan, Plans, pack, plan, reached
from router.core.mark import decide_marked
from router.core.people import decide_people, party
from router.core.policy import Lookup, apart, may_act
from router.core.told import acting, told_plan
from router.core.vanish import began_ms, decide_expired, decide_timer, is_wished, of_message, of_receipt
from schemas.errors import Refusal
from schemas.events import (
    AccountSeen,
    AnyEvent,
    Block,
    Edit,
    Expired,
    GroupChanged,
    GroupEvent,
    GroupFounded,
    Link,
    Marked,
    Membership,
    Message,
    Party,
    PeopleEvent,
    Prefer,
    Reaction,
    Receipt,
    Results,
    TimerSet,
    Unlink,
    Unsend,
    Vote,
    as_handle,
    as_person,
    is_person,
)
from schemas.groups import Group, is_group
from schemas.handles import rail_of
from schemas.ids import OPERATOR, PersonId, RailName, direct_conversation_id, person_id
from schemas.log import Conversation, Leg
from schemas.people import Person
from schemas.vanishing import Vanishing


def route(  # noqa: PLR0911 - a table of kinds
    event: AnyEvent,
    *,
    source: str,
    conversation: Conversation | None,
    people: Lookup,
    plans: Plans,
    original: Original | None = None,
    now_ms: int = 0,
) -> Decision:
    """What becomes of an event that came in by the rail `source` (or by `operator`). Never raises.

    Args:
        event: as decoded.
        source: read off the ingress subject.
        conversation: the state of `event.conversation`, None when nothing has been said in it.
        people: everybody the event and the conversation name.
        plans: the memory of plans, which also knows the rails' capabilities.
        original: for an event about an earlier message, what the log has at its rank.
        now_ms: when the event was stored, by the bus's clock; 0: as it says itself.
    """
    match event:
        case Message():  # first: most events are
            return _message(event, source, conversation, people, plans, now_ms=now_ms)
        case Receipt():
            return _receipt(event, source, conversation, people, plans, now_ms=now_ms)
        case Marked():
            return decide_marked(event, source, conversation, people, plans)
        case Edit() | Unsend() | Reaction() | Vote():
            return decide_about(event, source, conversation, original, people=people, plans=plans, now_ms=now_ms)
        case Expired():
            return decide_expired(event, source, conversation, people)
        case TimerSet():
            return decide_timer(event, source, conversation, people, plans)
        case GroupFounded() | Membership() | GroupChanged():
            return _group(event, source, conversation, people, plans)
        case Results():
            return _results(event)
        case AccountSeen() | Block() | Link() | Unlink() | Prefer():
            return _people(event, source, people, plans)
        case _:
            assert_never(event)


def remembered(event: Message, source: str, people_stamp: object, plans: Plans, group: Group | None) -> Known | None:
    """What was decided of an earlier message between the same two, if it still holds; None: ask `route`.

    The short way, which nearly all messages go: `route` would only wrap this. `group`: the conversation's, as it is
    now; one that ends at a time is looked at each time.
    """
    known = plans.get((event.conversation, event.actor))
    if known is None or known.stamp is not people_stamp or known.group is not group:
        return None
    if known.to != event.to or known.source != source or (group is not None and group.until_ms):
        return None
    return known


def _message(
    event: Message, source: str, conversation: Conversation | None, people: Lookup, plans: Plans, *, now_ms: int
) -> Decision:
    if is_group(event.conversation):
        return _group_message(event, source, conversation, people, plans, now_ms=now_ms)
    known = remembered(event, source, people.stamp, plans, None)
    if known is None:
        planned = _planned(event, source, conversation, people, plans)
        if isinstance(planned, Refusal):
            return refuse(event, source, planned)
        plans.remember((event.conversation, event.actor), planned)
        known = planned
    actor, recipient = known.persons
    state = said(conversation or begin(event.conversation, (actor.id, recipient.id)))
    return _routed(event, state, known, now_ms)


def _routed(event: Message, state: Conversation, known: Known, now_ms: int) -> Decision:
    author = known.persons[0]
    vanishing: tuple[Vanishing, ...] = ()
    if is_wished(event, state, author.preferences.timer):
        state, vanishing = of_message(event, state, author, now_ms=now_ms)
    return Decision(
        outcome="routed",
        conversation=event.conversation,
        position=state.last,
        actor=author.id,
        packed=known.packed,
        state=state,
        vanishing=vanishing,
    )


def _group_message(
    event: Message, source: str, conversation: Conversation | None, people: Lookup, plans: Plans, *, now_ms: int
) -> Decision:
    group = conversation.group if conversation is not None else None
    if conversation is None or group is None:
        return refuse(event, source, Refusal.UNKNOWN_CONVERSATION)
    if rail_of(event.actor) != source:
        return refuse(event, source, Refusal.NOT_YOUR_RAIL)
    if refusal := groups.standing(event.at_ms, group):
        return refuse(event, source, refusal)
    known = plans.get((event.conversation, event.actor))
    if known is None or known.stamp is not people.stamp or known.group is not group or known.source != source:
        actor = party(event.actor, source, people)
        if actor is None or not may_act(actor, as_handle(event.actor)) or not groups.is_member(group, actor, people):
            return refuse(event, source, Refusal.NOT_A_MEMBER)
        packed = groups.group_plan(source, "post", actor=actor, group=group, people=people, plans=plans)
        timer = actor.preferences.timer
        known = Known(
            persons=(actor,),
            stamp=people.stamp,
            packed=packed,
            actor=actor.id,
            source=source,
            timer=timer,
            group=group,
        )
        plans.remember((event.conversation, event.actor), known)
    return _routed(event, said(conversation), known, now_ms)


def _planned(
    event: Message, source: str, conversation: Conversation | None, people: Lookup, plans: Plans
) -> Known | Refusal:
    """The plan of a message, or why it is refused: a function of who is named and who they are."""
    if rail_of(event.actor) != source:
        return Refusal.NOT_YOUR_RAIL
    actor = party(event.actor, source, people)
    recipient = party(event.to[0], source, people) if len(event.to) == 1 else None
    if actor is None or recipient is None:
        return Refusal.UNKNOWN_RECIPIENT
    before, persons = plans.get((event.conversation, event.actor)), (actor, recipient)
    if before is not None and before.source == source and all(map(is_, before.persons, persons)):
        return msgspec.structs.replace(before, stamp=people.stamp, to=event.to)
    if refusal := _objection(event, source, conversation, persons, people):
        return refusal
    packed = pack(plan(source, "post", actor, persons, plans.capabilities))
    return Known(
        persons=persons,
        stamp=people.stamp,
        packed=packed,
        actor=actor.id,
        source=source,
        to=event.to,
        timer=actor.preferences.timer,
    )


def _objection(
    event: Message, source: str, conversation: Conversation | None, persons: tuple[Person, Person], people: Lookup
) -> Refusal | None:
    actor, recipient = persons
    if not may_act(actor, as_handle(event.actor)):
        return Refusal.UNKNOWN_ACCOUNT
    if actor.id == recipient.id:
        return Refusal.ONESELF
    if not _theirs(event, conversation, persons, people):
        return Refusal.WRONG_CONVERSATION
    if apart(actor, recipient, people) or not reached(source, recipient):
        return Refusal.RECIPIENT_UNAVAILABLE
    return None


def _theirs(event: Message, conversation: Conversation | None, persons: tuple[Person, Person], people: Lookup) -> bool:
    """Whether the conversation is that of these two, under today's ids or those from before a link.

    Older conversations go on as they are: one begun already is judged by its members as they are today; one that is
    only named by a bridge that has not yet heard of a link, by the ids its persons had before.
    """
    one, other = persons
    if direct_conversation_id(one.id, other.id) == event.conversation:
        return True
    if conversation is not None:
        today = {known.id for member in conversation.members if (known := people.person(member)) is not None}
        if today == {one.id, other.id}:
            return True
    return any(
        direct_conversation_id(former, latter) == event.conversation
        for former in _former_ids(one, event.actor)
        for latter in _former_ids(other, event.to[0])
    )


def _former_ids(person: Person, named: Party) -> tuple[PersonId, ...]:
    before = [person.id, *(person_id(account.handle) for account in person.accounts)]
    if is_person(named):
        before.append(as_person(named))
    return tuple(dict.fromkeys(before))


def _receipt(
    event: Receipt, source: str, conversation: Conversation | None, people: Lookup, plans: Plans, *, now_ms: int
) -> Decision:
    who = acting(event, source, conversation, people)
    if isinstance(who, Refusal):
        return refuse(event, source, who)
    actor, before = who.actor, who.conversation
    state = heard(before, actor.id, event.status, event.position)
    changed = state is not before
    begun: tuple[Vanishing, ...] = ()
    if changed and before.vanishing:
        at_ms = began_ms(event.at_ms, now_ms)
        state, begun = of_receipt(before, state, actor.id, at_ms=at_ms, people=people)
    return Decision(
        outcome="routed" if changed else "unchanged",
        conversation=event.conversation,
        position=max(0, min(event.position, before.last)),
        actor=actor.id,
        packed=told_plan(event, event.status, who, people=people, plans=plans) if changed else NOWHERE,
        state=state if changed else None,
        vanishing=begun,
    )


def _group(event: GroupEvent, source: str, conversation: Conversation | None, people: Lookup, plans: Plans) -> Decision:
    decided = groups.decide_group(event, source, conversation, people, plans)
    if decided.refusal is not None:
        refused = refuse(event, source, decided.refusal)
        return msgspec.structs.replace(refused, packed=decided.packed)
    return Decision(
        outcome="unchanged" if decided.state is None else "routed",
        conversation=event.conversation,
        actor=decided.actor,
        packed=decided.packed,
        state=decided.state,
        until_ms=decided.until_ms,
    )


def _results(event: Results) -> Decision:
    """Nothing to decide, but whoever sent what failed is told."""
    legs = {
        RailName(result.origin): Leg(act="fail", why=result.why)
        for result in event.results
        if result.status == "failed" and result.origin not in ("", OPERATOR)
    }
    return Decision(outcome="noted", packed=pack(Plan(legs=legs)) if legs else NOWHERE)


def _people(event: PeopleEvent, source: str, people: Lookup, plans: Plans) -> Decision:
    decided = decide_people(event, source, people, plans.capabilities)
    if decided.refusal is not None:
        return refuse(event, source, decided.refusal)
    return Decision(
        outcome="people" if decided.persons else "unchanged",
        actor=decided.actor,
        packed=decided.packed,
        people=decided.persons,
    )
