"""Instagram's wire format: native events -> webhook entries, request bodies -> acts. Pure functions.

https://developers.facebook.com/docs/instagram-platform/webhooks
https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api
"""

from rails.kit import pages
from rails.kit.model import Account, Failed, Posted, Received, Status
from rails.kit.rail import Act, Entry, GraphError, Json, MarkRead, PostText, Typing


class InstagramWire:
    """See `rails.kit.rail.Wire`."""

    def received(self, event: Posted) -> Entry:
        return _entry(
            event.recipient, event.sender, event.recipient, event.message.sent_at_ms, {"message": _told(event)}
        )

    def echo(self, event: Posted) -> Entry:
        told: Json = {**_told(event), "is_echo": True}
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

    def parse_act(self, body: Json) -> Act:
        return pages.parse_act(body)

    def posted_answer(self, act: PostText, recipient: Account, native_id: str) -> Json:  # noqa: ARG002
        return {"recipient_id": recipient.id, "message_id": native_id}

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


def _told(event: Posted) -> Json:
    told: Json = {"mid": event.message.native_id, "text": event.message.text}
    if event.message.reply_to is not None:
        told["reply_to"] = {"mid": event.message.reply_to}
    return told


def _entry(node: Account, sender: Account, recipient: Account, at_ms: int, told: Json) -> Json:
    messaging = {"sender": {"id": sender.id}, "recipient": {"id": recipient.id}, "timestamp": at_ms, **told}
    return {"id": node.id, "time": at_ms, "messaging": [messaging]}
