"""WhatsApp's wire format: native events -> webhook entries, request bodies -> acts. Pure functions.

https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components
https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages
"""

import re
from typing import Any

from rails.kit.bodies import flag_member, needed, object_member, text_member
from rails.kit.content import File
from rails.kit.model import Account, Changed, Failed, Kind, Posted, Reacted, Received, Refused, Status, Why
from rails.kit.rail import Act, Entry, GraphError, Json, MarkRead, PostText, React, Typing
from rails.whatsapp import content

PHONE_NOISE = re.compile(r"[\s().+-]")
BUSINESS_USER_ID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}")
GROUP_PREFIX = "Y2FwaV9ncm91cDo"
"""What the platform's group ids begin with."""
OPAQUE_LENGTH = 512


def waba_id(account_id: str) -> str:
    """The id of the business account that a phone number belongs to: here, one a number."""
    return "1" + account_id.zfill(15)


def node_of(ident: str) -> str:
    """The phone number behind an id: itself, or the one number of that business account."""
    is_waba = len(ident) == 16 and ident.startswith("1") and ident.isdecimal()
    return ident[1:].lstrip("0") if is_waba else ident


class WhatsAppWire:
    """See `rails.kit.rail.Wire`."""

    def received(self, event: Posted) -> Entry:
        message = event.message
        told = _from(event.sender, message.native_id, message.sent_at_ms)
        told |= content.told(message, event.urls, to_partner=event.to_partner)
        if message.reply_to is not None and event.reply_author is not None:
            reply = {"from": event.reply_author.id, "id": message.reply_to}
            told["context"] = {**told.get("context", {}), **reply}
        return _entry(event.recipient, {"contacts": [_contact(event.sender)], "messages": [told]})

    def echo(self, event: Posted) -> Entry:
        """What is posted by the API is not echoed; its `sent` status says that it is on its way."""
        return _status(
            event.sender,
            event.recipient,
            event.message.native_id,
            word="sent",
            at_ms=event.message.at_ms,
            opaque=event.message.opaque,
        )

    def receipts(self, event: Received) -> list[Entry]:
        word = "read" if event.status is Status.READ else "delivered"
        return [
            _status(
                event.author,
                event.reader,
                message.native_id,
                word=word,
                at_ms=event.at_ms,
                opaque=message.opaque,
            )
            for message in event.messages
        ]

    def failed(self, event: Failed) -> list[Entry]:
        code = int(event.code) if event.code.isdecimal() else 131026
        error = {
            "code": code,
            "title": "Message undeliverable",
            "message": "Message undeliverable",
            "error_data": {"details": event.reason},
            "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
        }
        return [
            _status(
                event.author,
                event.recipient,
                event.message.native_id,
                word="failed",
                at_ms=event.at_ms,
                opaque=event.message.opaque,
                errors=[error],
            )
        ]

    def edited(self, event: Changed) -> list[Entry]:
        """A message of its own that names the one it replaces."""
        message = event.message
        inner = content.told(message, event.urls, to_partner=event.to_partner)
        if message.reply_to is not None:
            inner["context"] = {"id": message.reply_to}
        edit = {"original_message_id": message.native_id, "message": inner}
        told = {**_from(event.author, event.id, event.at_ms), "type": "edit", "edit": edit}
        return [_entry(event.recipient, {"contacts": [_contact(event.author)], "messages": [told]})]

    def unsent(self, event: Changed) -> list[Entry]:
        revoke = {"original_message_id": event.message.native_id}
        told = {**_from(event.author, event.id, event.at_ms), "type": "revoke", "revoke": revoke}
        return [_entry(event.recipient, {"contacts": [_contact(event.author)], "messages": [told]})]

    def reacted(self, event: Reacted) -> list[Entry]:
        """A message of its own; without an emoji when the reaction was taken back."""
        reaction = {"message_id": event.message.native_id, **({"emoji": event.emoji} if event.emoji else {})}
        told = {**_from(event.by, event.id, event.at_ms), "type": "reaction", "reaction": reaction}
        return [_entry(event.other, {"contacts": [_contact(event.by)], "messages": [told]})]

    def reacted_echo(self, event: Reacted) -> list[Entry]:
        """A reaction is a message: it is sent, and nothing more becomes of it."""
        return [_status(event.by, event.other, event.id, word="sent", at_ms=event.at_ms)]

    def media_answer(self, file: File, url: str) -> Json:
        return {
            "messaging_product": "whatsapp",
            "url": url,
            "mime_type": file.mime,
            "sha256": file.sha256,
            "file_size": file.size_bytes,
            "id": file.media_id,
        }

    def uploaded_answer(self, media_id: str) -> Json:
        return {"id": media_id}

    def parse_act(self, body: Json) -> Act:
        if body.get("messaging_product") != "whatsapp":
            raise Refused(Why.BAD_REQUEST, 'messaging_product: expected "whatsapp"')
        if body.get("status") is not None:
            if body["status"] != "read":
                raise Refused(Why.BAD_REQUEST, 'status: expected "read"')
            return MarkRead(native_id=needed(body, "message_id"), typing="typing_indicator" in body)
        if body.get("recipient_type", "individual") not in {"individual", "group"}:
            raise Refused(Why.UNSUPPORTED, 'recipient_type: this service has "individual" and "group"')
        to = _addressee(body)
        kind = body.get("type", "text")
        if kind == "reaction":
            reaction = object_member(body, "reaction")
            emoji = text_member(reaction, "emoji", required=False) if reaction.get("emoji") else ""
            return React(to=to, native_id=needed(reaction, "message_id"), emoji=emoji or "")
        opaque = text_member(body, "biz_opaque_callback_data", required=False, longest=OPAQUE_LENGTH)
        context = body.get("context")
        if context is not None and not isinstance(context, dict):
            raise Refused(Why.BAD_REQUEST, 'context: expected {"message_id": an id}')
        reply_to = text_member(context or {}, "message_id", required=False)
        if kind != "text":
            return PostText(to=to, content=content.asked(str(kind), body), reply_to=reply_to, opaque=opaque)
        text = body.get("text")
        if not isinstance(text, dict) or not isinstance(text.get("body"), str):
            raise Refused(Why.BAD_REQUEST, 'text: expected {"body": a text}')
        preview = flag_member(text, "preview_url", default=False)
        return PostText(to=to, text=text["body"], reply_to=reply_to, opaque=opaque, preview=preview)

    def posted_answer(self, act: PostText, recipient: Account, native_id: str) -> Json:
        contact = {"input": act.to, "wa_id": recipient.id, "user_id": recipient.second_id}
        return {
            "messaging_product": "whatsapp",
            "contacts": [contact],
            "messages": [{"id": native_id, "message_status": "accepted"}],
        }

    def reacted_answer(self, act: React, recipient: Account, event_id: str) -> Json:
        return self.posted_answer(PostText(to=act.to), recipient, event_id)

    def done_answer(self, act: MarkRead | Typing) -> Json:  # noqa: ARG002 - the same for all
        return {"success": True}

    def find_recipient(self, to: str) -> tuple[str, str]:
        if BUSINESS_USER_ID.fullmatch(to):
            return "second_id", to
        if to.startswith(GROUP_PREFIX):
            return "id", to
        digits = PHONE_NOISE.sub("", to)
        if not digits.isascii() or not digits.isdecimal() or len(digits) > 15:
            raise Refused(Why.BAD_REQUEST, f"to: {to[:100]!r} is neither a phone number nor a business-scoped user id")
        return "id", digits

    def profile(self, account: Account) -> Json:
        return {
            "id": account.id,
            "display_phone_number": "+" + account.id,
            "verified_name": account.name,
            "name": account.name,
            "wa_id": account.id,
            "user_id": account.second_id,
            "status": "CONNECTED",
            "quality_rating": "GREEN",
            "code_verification_status": "VERIFIED",
            "name_status": "APPROVED",
            "account_mode": "LIVE",
            "platform_type": "CLOUD_API",
            "throughput": {"level": "STANDARD"},
        }

    def error_body(self, error: GraphError, text: str, trace: str) -> Json:
        told: Json = {
            "message": f"(#{error.code}) {error.message}",
            "type": "OAuthException",
            "code": error.code,
            "error_data": {"messaging_product": "whatsapp", "details": text},
            "fbtrace_id": trace,
        }
        if error.subcode is not None:
            told["error_subcode"] = error.subcode
        return {"error": told}


def _addressee(body: Json) -> str:
    to = body.get("to") or body.get("recipient")
    if isinstance(to, int) and not isinstance(to, bool):
        to = str(to)
    if not isinstance(to, str):
        raise Refused(Why.BAD_REQUEST, "to: expected a phone number, or recipient: a business-scoped user id")
    return to


def _from(sender: Account, native_id: str, at_ms: int) -> Json:
    return {"from": sender.id, "from_user_id": sender.second_id, "id": native_id, "timestamp": _seconds(at_ms)}


def _seconds(at_ms: int) -> str:
    return str(at_ms // 1000)


def _contact(account: Account) -> Json:
    return {"profile": {"name": account.name}, "wa_id": account.id, "user_id": account.second_id}


def _entry(node: Account, value: Json) -> Json:
    """`node`: whose webhook it is; of a group's messages the group itself, which is what the partner needs to know."""
    if node.kind is Kind.GROUP:
        for told in value.get("messages", ()):
            told["group_id"] = node.id
        for told in value.get("statuses", ()):
            participant = {"recipient_participant_id": told["recipient_id"]}
            told |= {"recipient_id": node.id, "recipient_type": "group", **participant}
    metadata = {"display_phone_number": node.id, "phone_number_id": node.id}
    told = {"messaging_product": "whatsapp", "metadata": metadata, **value}
    return {"id": waba_id(node.id), "changes": [{"field": "messages", "value": told}]}


def _status(
    node: Account,
    peer: Account,
    native_id: str,
    *,
    word: str,
    at_ms: int,
    opaque: str | None = None,
    errors: list[Any] | None = None,
) -> Json:
    told: Json = {
        "id": native_id,
        "status": word,
        "timestamp": _seconds(at_ms),
        "recipient_id": peer.id,
        "recipient_user_id": peer.second_id,
    }
    if opaque is not None:
        told["biz_opaque_callback_data"] = opaque
    if errors is not None:
        told["errors"] = errors
    # The contact is there on failures too: a published client drops the whole webhook without it.
    return _entry(node, {"contacts": [_contact(peer)], "statuses": [told]})
