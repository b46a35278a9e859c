"""What is said over the bus and never stored. It may be lost; nobody waits for it, and nothing is ordered by it."""

import msgspec

from schemas.ids import ConversationId, PersonId


class Typing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="typing"):
    """Somebody is writing in a conversation, or no longer; ``live.<partition>.<rail>.typing``.

    Where it is not said again it ends by itself: whoever shows it takes it away after `TYPING_LASTS_S`.
    """

    conversation: ConversationId
    actor: PersonId
    to: PersonId = PersonId("")
    """The other member of a direct conversation; empty in a group."""
    on: bool


TYPING_AGAIN_S = 3.0
"""While somebody goes on writing it is said again this often, and not more often."""

TYPING_LASTS_S = 8.0
"""How long one sign counts."""
