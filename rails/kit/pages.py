"""The send format of page-like platforms: ``recipient``, ``message``, ``sender_action``; and their error body.

Two published platforms share this half of their format to the letter; a rail of that family builds its wire module on
it.
"""

from rails.kit.bodies import needed, text_member
from rails.kit.model import Refused, Why
from rails.kit.rail import Act, GraphError, Json, MarkRead, PostText, Typing

METADATA_LENGTH = 1000


def parse_act(body: Json) -> Act:
    """What a ``POST /{page}/messages`` asks for: a text, or one of ``typing_on``, ``typing_off``, ``mark_seen``."""
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
        return _action(str(action).lower(), ident)
    if not isinstance(message, dict):
        raise Refused(Why.BAD_REQUEST, 'message: expected {"text": a text}')
    if not isinstance(message.get("text"), str):
        raise Refused(Why.UNSUPPORTED, "message: this service carries text only")
    reply = body.get("reply_to") or message.get("reply_to") or {}
    if not isinstance(reply, dict):
        raise Refused(Why.BAD_REQUEST, 'reply_to: expected {"mid": a message id}')
    return PostText(
        to=ident,
        text=message["text"],
        reply_to=text_member(reply, "mid", required=False),
        opaque=text_member(message, "metadata", required=False, longest=METADATA_LENGTH),
    )


def _action(action: str, peer: str) -> Act:
    if action == "mark_seen":
        return MarkRead(peer=peer)
    if action in {"typing_on", "typing_off"}:
        return Typing(peer=peer, on=action == "typing_on")
    raise Refused(Why.UNSUPPORTED, f"sender_action {action[:40]!r} is not part of this service")


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
