"""Why something was refused: a code for programs, words for people, and the way out.

A refusal is a value on the log (`schemas.log.Entry.why`), never an exception; the exceptions here are for
input that never becomes an event.
"""

from collections.abc import Mapping
from enum import StrEnum


class TrinarioError(Exception):
    """What every error of ours derives from; its text names the thing, what was expected and the way out."""


class BadHandle(TrinarioError):
    """Text that is not a handle."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text!r} is not a handle. A handle is rail:address, for example "
            "whatsapp:+393331112222, messenger:bob.rossi or instagram:@bob."
        )


class NotUnderstood(TrinarioError):
    """Bytes from the bus that no decoder of this version reads."""


class Refusal(StrEnum):
    """Why the router did not route an event. The sender is told `explain(refusal)`."""

    UNKNOWN_RECIPIENT = "unknown_recipient"
    RECIPIENT_UNAVAILABLE = "recipient_unavailable"
    NOT_YOUR_RAIL = "not_your_rail"
    NOT_A_MEMBER = "not_a_member"
    UNKNOWN_CONVERSATION = "unknown_conversation"
    WRONG_CONVERSATION = "wrong_conversation"
    ONESELF = "oneself"
    NOT_THE_AUTHOR = "not_the_author"
    UNKNOWN_MESSAGE = "unknown_message"
    EXPIRED = "expired"
    NOT_ALLOWED = "not_allowed"
    TAKEN_OUT_SINCE = "taken_out_since"
    BANNED = "banned"
    GROUP_ENDED = "group_ended"
    ALREADY_LINKED = "already_linked"
    UNKNOWN_ACCOUNT = "unknown_account"
    ONLY_OPERATOR = "only_operator"
    MALFORMED = "malformed"


_WORDS: Mapping[Refusal, str] = {
    Refusal.UNKNOWN_RECIPIENT: "Nobody on the federation has this address. Check it, or ask them for a handle.",
    Refusal.RECIPIENT_UNAVAILABLE: "This person is not available to you. Try to reach them another way.",
    Refusal.NOT_YOUR_RAIL: "A rail may speak only for its own accounts. Check the bridge's credentials and accounts.",
    Refusal.NOT_A_MEMBER: "The sender is not in this conversation. Ask a member for an invitation.",
    Refusal.UNKNOWN_CONVERSATION: "No such conversation has begun. Send a message first.",
    Refusal.WRONG_CONVERSATION: "The conversation is not that of these two persons. Restart the bridge.",
    Refusal.ONESELF: "Sender and recipient are the same person. Name somebody else.",
    Refusal.NOT_THE_AUTHOR: "Only its author may change or take back a message. Answer it instead.",
    Refusal.UNKNOWN_MESSAGE: "The message is not in the log, or not any more. Send a new one.",
    Refusal.EXPIRED: "The message's time was over; it is gone on every rail. Send a new one.",
    Refusal.NOT_ALLOWED: "Only an admin of the group may do this. Ask one; `trinario group show` names them.",
    Refusal.TAKEN_OUT_SINCE: "This person was taken out of the group in the meantime. Add them again if that is meant.",
    Refusal.BANNED: "This person is banned from the group. An admin can lift the ban.",
    Refusal.GROUP_ENDED: "The group has ended. Make a new one.",
    Refusal.ALREADY_LINKED: "The accounts already belong to one person. Nothing is left to do.",
    Refusal.UNKNOWN_ACCOUNT: "No such account has been heard of. Register it on its rail first.",
    Refusal.ONLY_OPERATOR: "Only an operator may do this. Use the trinario command with the operator's key.",
    Refusal.MALFORMED: "The event could not be read. See `trinario dead list` for its bytes.",
}


def explain(refusal: str) -> str:
    """One sentence for the person whose event it was, with the way out. Unknown codes (a newer router's) are named."""
    try:
        return _WORDS[Refusal(refusal)]
    except ValueError:
        return f"Refused: {refusal}."
