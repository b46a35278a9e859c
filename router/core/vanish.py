"""Disappearing messages: what is decided of a message's end, of the reading that begins it, and of the end. Pure.

The shortest of what the message, its conversation and its author ask for holds. After-reading counts from the first
time that anybody but the author has read it: on whichever rail, and in a group whoever it is, for there is one copy for
all of them. Called by `route`; `schemas.vanishing` has the arithmetic.
"""

from collections.abc import Iterable

import msgspec

from router.core.conversation import gone, timed, vanishing_with
from router.core.decision import Decision, refuse
from router.core.fanout import Packed, Plan, Plans, pack, plan
from router.core.groups import group_plan
from router.core.policy import Lookup, apart
from router.core.told import Acting, acting
from schemas.errors import Refusal
from schemas.events import Expired, Message, TimerSet, as_person, is_person
from schemas.handles import rail_of
from schemas.ids import OPERATOR, PersonId
from schemas.log import Conversation, Leg, seat_of
from schemas.people import Person
from schemas.vanishing import Timer, Vanishing, read, shortest

WAITING_MOST = 1000
"""Messages of one conversation that wait to be read: for more, the oldest stop waiting and their time begins."""


def is_wished(event: Message, conversation: Conversation, own: Timer | None) -> bool:
    """Whether anybody wants this message to go. Nearly all messages are asked this and nothing else."""
    return event.expires is not None or conversation.timer is not None or own is not None


def of_message(
    event: Message, state: Conversation, author: Person, *, now_ms: int
) -> tuple[Conversation, tuple[Vanishing, ...]]:
    """A message that somebody wants to go, which has just been given its position: the state after it, and its end."""
    timers = [timer for timer in (state.timer, author.preferences.timer) if timer is not None]
    expiry = shortest(began_ms(event.at_ms, now_ms), event.expires, timers)
    if expiry is None:
        return state, ()
    own = Vanishing(
        message=event.id,
        position=state.last,
        author=author.id,
        at_ms=expiry.at_ms,
        after_read_s=expiry.after_read_s,
    )
    crowded = _oldest_waiting(state) if own.after_read_s else ()
    found = (own, *(read(one, began_ms(event.at_ms, now_ms)) for one in crowded))
    return vanishing_with(state, found), found


def of_receipt(
    before: Conversation, state: Conversation, reader: PersonId, *, at_ms: int, people: Lookup
) -> tuple[Conversation, tuple[Vanishing, ...]]:
    """A marker has moved: the state after it, and the messages whose countdown begins with it."""
    position = state.markers[reader].read
    if not before.vanishing or (reader in before.markers and before.markers[reader].read == position):
        return state, ()
    found = tuple(
        read(one, at_ms)
        for one in before.vanishing.values()
        if not one.is_read and one.position <= position and not _is_same(one.author, reader, people)
    )
    return vanishing_with(state, found), found


def decide_expired(event: Expired, source: str, conversation: Conversation | None, people: Lookup) -> Decision:
    """A message's time is over: it goes on every rail that anybody of the conversation is or was on, its own too.

    Nobody keeps it: that it was to go was known when it was written.
    """
    if source != OPERATOR or not is_person(event.actor):
        return refuse(event, source, Refusal.ONLY_OPERATOR)
    if conversation is None:
        return refuse(event, source, Refusal.UNKNOWN_MESSAGE)
    group = conversation.group
    ids = conversation.members if group is None else (*group.roles, *group.left)
    author = _today(as_person(event.actor), people)
    persons = {person.id: person for person in (author, *(_today(one, people) for one in ids))}
    rails = dict.fromkeys(rail_of(account.handle) for one in persons.values() for account in one.accounts)
    legs = {rail: Leg(act="unsend", why="its time is over") for rail in rails}
    seated = (author,) if group is not None else tuple(persons.values())
    return Decision(
        outcome="routed",
        conversation=event.conversation,
        position=max(0, min(event.position, conversation.last)),
        actor=author.id,
        packed=pack(Plan(seats=tuple(map(seat_of, seated)), legs=legs)),
        state=gone(conversation, event.target),
    )


def decide_timer(
    event: TimerSet, source: str, conversation: Conversation | None, people: Lookup, plans: Plans
) -> Decision:
    """A member sets, or ends, the timer of messages yet to be written.

    All rails are told, its own too: where two set it at once, all end with what the log says last.
    """
    who = acting(event, source, conversation, people)
    if isinstance(who, Refusal):
        return refuse(event, source, who)
    after = timed(who.conversation, event)
    is_news = after.timer != who.conversation.timer
    return Decision(
        outcome="routed" if is_news else "unchanged",
        conversation=event.conversation,
        actor=who.actor.id,
        packed=_everywhere(who, people, plans),
        state=after if is_news else None,
    )


def _everywhere(who: Acting, people: Lookup, plans: Plans) -> Packed:
    if who.group is not None:
        return group_plan(OPERATOR, "timer", actor=who.actor, group=who.group, people=people, plans=plans)
    told = tuple(one for one in who.members if one.id == who.actor.id or not apart(who.actor, one, people))
    made = plan(OPERATOR, "timer", who.actor, told, plans.capabilities)
    return pack(msgspec.structs.replace(made, seats=tuple(map(seat_of, who.members))))


def began_ms(told_ms: int, now_ms: int) -> int:
    """When something happened: as the rail tells it, unless that is to come; `now_ms` 0: not known, so it is believed.

    A rail whose clock is ahead makes no message last longer.
    """
    return min(told_ms, now_ms) if told_ms > 0 and now_ms > 0 else max(told_ms, now_ms)


def _oldest_waiting(state: Conversation) -> Iterable[Vanishing]:
    waiting = [one for one in state.vanishing.values() if not one.is_read]
    return waiting[: max(0, len(waiting) + 1 - WAITING_MOST)]


def _is_same(author: PersonId, reader: PersonId, people: Lookup) -> bool:
    return author == reader or _today(author, people).id == reader


def _today(person: PersonId, people: Lookup) -> Person:
    return people.person(person) or Person(id=person, name="")
