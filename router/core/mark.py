"""What becomes of a mark: how somebody wants a conversation to stand on their own rails."""

from router.core.conversation import marked
from router.core.decision import Decision, refuse
from router.core.fanout import NOWHERE, Plans
from router.core.policy import Lookup
from router.core.told import acting, told_plan
from schemas.errors import Refusal
from schemas.events import Marked
from schemas.log import Conversation


def decide_marked(
    event: Marked, source: str, conversation: Conversation | None, people: Lookup, plans: Plans
) -> Decision:
    """It counts when its epoch is later than that of the mark there is; it goes to the actor's other rails alone."""
    who = acting(event, source, conversation, people)
    if isinstance(who, Refusal):
        return refuse(event, source, who)
    state = marked(who.conversation, who.actor.id, event)
    changed = state is not conversation
    return Decision(
        outcome="routed" if changed else "unchanged",
        conversation=event.conversation,
        actor=who.actor.id,
        packed=told_plan(event, "mark", who, people=people, plans=plans) if changed else NOWHERE,
        state=state if changed else None,
    )
