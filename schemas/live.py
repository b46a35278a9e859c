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


class Presence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="presence"):
    """Somebody is there, or no longer; ``live.<partition>.<rail>.presence``. Only of those who wish it.

    The partition is that of the person's id. Where it is not said again it ends by itself: whoever shows it takes it
    away after `PRESENCE_LASTS_S`.
    """

    actor: PersonId
    on: bool
    seen_ms: int = 0
    """When they were last there, rounded down to `SEEN_STEP_MS`; 0: not to be shown any more."""


PRESENCE_AGAIN_S = 20.0
"""While somebody is there it is said again this often, and not more often."""

PRESENCE_LASTS_S = 60.0
"""How long one sign counts."""

SEEN_STEP_MS = 300_000
"""Nobody is told more exactly when somebody was last there."""


def seen_about(at_ms: int) -> int:
    """When somebody was there, as others may know it (Unix milliseconds)."""
    return at_ms - at_ms % SEEN_STEP_MS


TYPING_AGAIN_S = 3.0
"""While somebody goes on writing it is said again this often, and not more often."""

TYPING_LASTS_S = 8.0
"""How long one sign counts."""
