"""The send format of page-like platforms: ``recipient``, ``message``, ``sender_action``; and their error body.

Two published platforms share this half of their format to the letter; a rail of that family builds its wire module on
it.
"""

from collections.abc import Mapping

from rails.kit import page_content
from rails.kit.bodies import needed, object_member, text_member
from rails.kit.content import Offer
from rails.kit.model import Refused, Why
from rails.kit.rail import Act, GraphError, Json, MarkRead, PostText, React, Typing

METADATA_LENGTH = 1000


def parse_act(body: Json, reactions: Mapping[str, str]) -> Act:
    """What a ``POST /{page}/messages`` asks for: a text, attachments, or a ``sender_action``.

    `reactions`: the platform's names for emoji.
    """
    recipient = body.get("recipient")
    if not isinstance(recipient, dict):
        raise Refused(Why.BAD_REQUEST, 'recipient: expected {"id": a user id}')
    ident = recipient.get("id")
    if isinstance(ident, int) and not isinstance(ident, bool):
        ident = str(ident)
    if not isinstance(ident, str) or not ident:
        raise Refused(
            Why.BAD_REQUEST, "recipient.id: expected a user id; other ways to address are not part of this service"
        )
    action, message = body.get("sender_action"), body.get("message")
    if action is not None and message is not None:
        raise Refused(Why.BAD_REQUEST, "sender_action and message: send them in two calls")
    if action is not None:
        return _action(str(action).lower(), ident, body, reactions)
    if not isinstance(message, dict):
        raise Refused(Why.BAD_REQUEST, 'message: expected {"text": a text}')
    content = page_content.asked(message)
    if content is None and not isinstance(message.get("text"), str):
        raise Refused(Why.UNSUPPORTED, "message: this service carries text and attachments")
    if content is not None and not isinstance(content, Offer) and message.get("text"):
        raise Refused(Why.BAD_REQUEST, "message: text and attachments are sent in two calls")
    reply = body.get("reply_to") or message.get("reply_to") or {}
    if not isinstance(reply, dict):
        raise Refused(Why.BAD_REQUEST, 'reply_to: expected {"mid": a message id}')
    return PostText(
        to=ident,
        text="" if content is not None else message["text"],
        content=content,
        reply_to=text_member(reply, "mid", required=False),
        opaque=text_member(message, "metadata", required=False, longest=METADATA_LENGTH),
    )


def _action(action: str, peer: str, body: Json, reactions: Mapping[str, str]) -> Act:
    if action in {"react", "unreact"}:
        payload = object_member(body, "payload")
        emoji = _emoji(payload, reactions) if action == "react" else ""
        return React(to=peer, native_id=needed(payload, "message_id"), emoji=emoji)
    if action == "mark_seen":
        return MarkRead(peer=peer)
    if action in {"typing_on", "typing_off"}:
        return Typing(peer=peer, on=action == "typing_on")
    raise Refused(Why.UNSUPPORTED, f"sender_action {action[:40]!r} is not part of this service")


def _emoji(payload: Json, reactions: Mapping[str, str]) -> str:
    """`emoji`, which is our addition, or the emoji that the platform's name stands for."""
    emoji = text_member(payload, "emoji", required=False, longest=100)
    if emoji is not None:
        return emoji
    name = needed(payload, "reaction", longest=100)
    if name.isascii() and name not in reactions:
        raise Refused(
            Why.BAD_REQUEST, f"payload.reaction: expected one of {', '.join(reactions)}; or set payload.emoji"
        )
    return reactions.get(name, name)


def reacted_answer(act: React) -> Json:
    """The answer to a reaction."""
    return {"recipient_id": act.to}


def find_recipient(to: str) -> tuple[str, str]:
    """Accounts are addressed by id only."""
    return "id", needed({"recipient.id": to}, "recipient.id", longest=64)


def done_answer(act: MarkRead | Typing) -> Json:
    """The answer to a read mark or a typing sign."""
    return {"recipient_id": act.peer}


def error_body(error: GraphError, text: str, trace: str) -> Json:
    """The platforms' error body; the last part of the message says what was wrong with this very call."""
    told: Json = {
        "message": f"(#{error.code}) {error.message}: {text}",
        "type": "OAuthException",
        "code": error.code,
        "fbtrace_id": trace,
    }
    if error.subcode is not None:
        told["error_subcode"] = error.subcode
    return {"error": told}
