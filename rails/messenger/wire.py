"""Messenger's wire format: native events -> webhook entries, request bodies -> acts. Pure functions.

https://developers.facebook.com/docs/messenger-platform/webhooks
https://developers.facebook.com/docs/messenger-platform/reference/send-api
"""

from rails.kit import page_content, pages
from rails.kit.content import File
from rails.kit.model import Account, Changed, Failed, Posted, Reacted, Received, Status
from rails.kit.rail import Act, Entry, GraphError, Json, MarkRead, PostText, React, Typing

APP_ID = 1517776481860111
"""What the echo names as the sending app: one for all here."""

REACTIONS = {
    "smile": "\U0001f606",
    "angry": "\U0001f620",
    "sad": "\U0001f622",
    "wow": "\U0001f62e",
    "love": "\u2764\ufe0f",
    "like": "\U0001f44d",
    "dislike": "\U0001f44e",
}
"""The platform's names for emoji; any other emoji is ``other``."""


class MessengerWire:
    """See `rails.kit.rail.Wire`."""

    def received(self, event: Posted) -> Entry:
        return _entry(
            event.recipient,
            event.sender,
            event.recipient,
            event.message.sent_at_ms,
            page_content.received(event),
        )

    def echo(self, event: Posted) -> Entry:
        told: Json = {"is_echo": True, "app_id": APP_ID, **page_content.told(event)}
        if event.message.opaque is not None:
            told["metadata"] = event.message.opaque
        return _entry(event.sender, event.sender, event.recipient, event.message.at_ms, {"message": told})

    def receipts(self, event: Received) -> list[Entry]:
        """One for all messages: a watermark, which covers every message of the author up to that time."""
        watermark = max(message.at_ms for message in event.messages)
        if event.status is Status.READ:
            told: Json = {"read": {"watermark": watermark}}
        else:
            told = {"delivery": {"mids": [message.native_id for message in event.messages], "watermark": watermark}}
        return [_entry(event.author, event.reader, event.author, event.at_ms, told)]

    def failed(self, event: Failed) -> list[Entry]:  # noqa: ARG002 - the platform has no such webhook
        return []

    def edited(self, event: Changed) -> list[Entry]:
        return [_entry(event.recipient, event.author, event.recipient, event.at_ms, page_content.edited(event))]

    def unsent(self, event: Changed) -> list[Entry]:  # noqa: ARG002 - the platform has no such webhook
        return []

    def reacted(self, event: Reacted) -> list[Entry]:
        return [_entry(event.other, event.by, event.other, event.at_ms, page_content.reacted(event, REACTIONS))]

    def reacted_echo(self, event: Reacted) -> list[Entry]:  # noqa: ARG002 - the platform has no such webhook
        return []

    def media_answer(self, file: File, url: str) -> Json | None:  # noqa: ARG002 - the platform has no such call
        return None

    def uploaded_answer(self, media_id: str) -> Json:
        return {"attachment_id": media_id}

    def parse_act(self, body: Json) -> Act:
        return pages.parse_act(body, REACTIONS)

    def posted_answer(self, act: PostText, recipient: Account, native_id: str) -> Json:  # noqa: ARG002
        return {"recipient_id": recipient.id, "message_id": native_id}

    def reacted_answer(self, act: React, recipient: Account, event_id: str) -> Json:  # noqa: ARG002
        return pages.reacted_answer(act)

    def done_answer(self, act: MarkRead | Typing) -> Json:
        return pages.done_answer(act)

    def find_recipient(self, to: str) -> tuple[str, str]:
        return pages.find_recipient(to)

    def profile(self, account: Account) -> Json:
        first, _, last = account.name.partition(" ")
        return {
            "id": account.id,
            "first_name": first,
            "last_name": last,
            "name": account.name,
            "username": account.address,
            "profile_pic": f"https://example.invalid/{account.id}.jpg",
            "locale": "en_US",
            "timezone": 0,
        }

    def error_body(self, error: GraphError, text: str, trace: str) -> Json:
        return pages.error_body(error, text, trace)


def _entry(node: Account, sender: Account, recipient: Account, at_ms: int, told: Json) -> Json:
    messaging = {"sender": {"id": sender.id}, "recipient": {"id": recipient.id}, "timestamp": at_ms, **told}
    return {"id": node.id, "time": at_ms, "messaging": [messaging]}
