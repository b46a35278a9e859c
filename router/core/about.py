"""Events about an earlier message: edits, unsends, reactions and votes.

They take no position, move no marker and change no state: the decision is whether they may be, and where they go. What
the log has of the message (`Original`) is an argument. Called by `route`.
"""

import msgspec

from router.core import groups
from router.core.decision import Decision, refuse
from router.core.fanout import Plans
from router.core.policy import Lookup, apart
from router.core.told import Acting, acting, told_plan
from schemas.errors import Refusal
from schemas.events import Edit, Reaction, TargetEvent, Unsend, Vote
from schemas.ids import ConversationId, EventId, PersonId
from schemas.log import Act, Conversation
from schemas.vanishing import Vanishing, is_over

_ACTS: dict[type, Act] = {Edit: "edit", Unsend: "unsend", Reaction: "react", Vote: "vote"}


class Original(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the log says of the event at a rank. Its members are an entry's, so that it can be decoded as one."""

    event_id: EventId
    kind: str
    outcome: str
    conversation: ConversationId = ConversationId("")
    position: int = 0
    actor: PersonId | None = None
    """Who wrote it, by the id they had then."""
    vanishing: tuple[Vanishing, ...] = ()
    """What was decided of its end, if it has one."""


def decide_about(
    event: TargetEvent,
    source: str,
    conversation: Conversation | None,
    original: Original | None,
    *,
    people: Lookup,
    plans: Plans,
    now_ms: int = 0,
) -> Decision:
    """What becomes of an edit, unsend, reaction or vote.

    Args:
        event: as decoded.
        source: the rail it came by.
        conversation: the state of `event.conversation`, None when nothing has been said in it.
        original: what stands at `event.rank` in the log of this partition, None when nothing does.
        people: the actor, the members, and who wrote the message.
        plans: the memory of plans.
        now_ms: when the event was stored; 0: as it says itself.
    """
    who = acting(event, source, conversation, people)
    if isinstance(who, Refusal):
        # Where nothing has been said there is no such message, either.
        is_nowhere = who is Refusal.UNKNOWN_CONVERSATION
        return refuse(event, source, Refusal.UNKNOWN_MESSAGE if is_nowhere else who)
    if original is None or not _is_meant(original, event):
        return refuse(event, source, Refusal.UNKNOWN_MESSAGE)
    is_late = is_over(original.vanishing, who.conversation.vanishing, event.target, now_ms or event.at_ms)
    if objection := _objection(event, who, original, people, is_late=is_late):
        return refuse(event, source, objection)
    return Decision(
        outcome="routed",
        conversation=event.conversation,
        position=original.position,
        actor=who.actor.id,
        packed=told_plan(event, _ACTS[type(event)], who, people=people, plans=plans),
    )


def _is_meant(original: Original, event: TargetEvent) -> bool:
    """Whether what stands at the rank is the message that the event names, and of its conversation."""
    return (
        original.event_id == event.target
        and original.kind == "message"
        and original.outcome == "routed"
        and original.conversation == event.conversation
    )


def _objection(event: TargetEvent, who: Acting, original: Original, people: Lookup, *, is_late: bool) -> Refusal | None:
    """Only its author changes a message, and nobody is shown anything new by somebody who is apart from them.

    Taking a message back shows nothing new, so no block stands in its way, and no group's end.
    """
    actor = who.actor
    author = people.person(original.actor) if original.actor is not None else None
    author_id = original.actor if author is None else author.id
    if isinstance(event, Edit | Unsend) and author_id != actor.id:
        return Refusal.NOT_THE_AUTHOR
    if isinstance(event, Unsend):
        return None
    if is_late:
        return Refusal.EXPIRED
    if author is not None and author.id != actor.id and apart(actor, author, people):
        return Refusal.RECIPIENT_UNAVAILABLE
    if who.group is not None:
        return groups.standing(event.at_ms, who.group)
    others = [member for member in who.members if member.id != actor.id]
    return Refusal.RECIPIENT_UNAVAILABLE if any(apart(actor, other, people) for other in others) else None
