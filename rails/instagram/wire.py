"""Instagram's wire format: native events -> webhook entries, request bodies -> acts. Pure functions.

https://developers.facebook.com/docs/instagram-platform/webhooks
https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api
"""

from rails.kit import page_content, pages
from rails.kit.content import File
from rails.kit.model import Account, Changed, Failed, Posted, Reacted, Received, Status
from rails.kit.rail import Act, Entry, GraphError, Json, MarkRead, PostText, React, Typing

REACTIONS = {
    "love": "\u2764\ufe0f",
    "angry": "\U0001f620",
    "sad": "\U0001f622",
    "wow": "\U0001f62e",
    "laugh": "\U0001f602",
    "like": "\U0001f44d",
}
"""The platform's names for emoji; any other emoji is ``other``."""


class InstagramWire:
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
        told: Json = {**page_content.told(event), "is_echo": True}
        if event.message.opaque is not None:
            told["metadata"] = event.message.opaque
        return _entry(event.sender, event.sender, event.recipient, event.message.at_ms, {"message": told})

    def receipts(self, event: Received) -> list[Entry]:
        """Seen: the last message read. There is no delivery receipt."""
        if event.status is not Status.READ:
            return []
        told: Json = {"read": {"mid": event.messages[-1].native_id}}
        return [_entry(event.author, event.reader, event.author, event.at_ms, told)]

    def failed(self, event: Failed) -> list[Entry]:  # noqa: ARG002 - the platform has no such webhook
        return []

    def edited(self, event: Changed) -> list[Entry]:
        return [_entry(event.recipient, event.author, event.recipient, event.at_ms, page_content.edited(event))]

    def unsent(self, event: Changed) -> list[Entry]:
        told: Json = {"message": {"mid": event.message.native_id, "is_deleted": True}}
        return [_entry(event.recipient, event.author, event.recipient, event.at_ms, told)]

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
        return {
            "id": account.id,
            "user_id": account.id,
            "name": account.name,
            "username": account.address.removeprefix("@"),
            "profile_pic": f"https://example.invalid/{account.id}.jpg",
            "profile_picture_url": f"https://example.invalid/{account.id}.jpg",
            "instagram_business_account": {"id": account.id},
        }

    def error_body(self, error: GraphError, text: str, trace: str) -> Json:
        return pages.error_body(error, text, trace)


def _entry(node: Account, sender: Account, recipient: Account, at_ms: int, told: Json) -> Json:
    messaging = {"sender": {"id": sender.id}, "recipient": {"id": recipient.id}, "timestamp": at_ms, **told}
    return {"id": node.id, "time": at_ms, "messaging": [messaging]}
