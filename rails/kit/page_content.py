"""Content in the format of page-like platforms, both ways: ``attachments``, ``reaction``, ``message_edit``.

Shared like `rails.kit.pages`. Pure functions.
"""

from collections.abc import Mapping
from typing import assert_never

from rails.kit import page_offers
from rails.kit.bodies import needed
from rails.kit.content import Album, Chosen, Contacts, File, LikeHeart, Location, Media, Offer, Poll, for_partner
from rails.kit.model import Changed, Posted, Reacted, Refused, Why
from rails.kit.rail import Json
from rails.kit.sending import Sent, SentAlbum, SentAudio, SentDocument, SentHeart, SentImage, SentMedia, SentVideo

TEXT_SELECTOR = "\ufe0f"
"""Says that an emoji is shown in colour; clients leave it out or put it in."""
_WORDS: Mapping[str, type[SentImage | SentVideo | SentAudio | SentDocument]] = {
    "image": SentImage,
    "video": SentVideo,
    "audio": SentAudio,
    "file": SentDocument,
}


def asked(message: Json) -> Sent | Offer | None:
    """The content that a ``message`` asks for; None: text only. Raises `Refused`."""
    several = message.get("attachments")
    one = message.get("attachment")
    if message.get("quick_replies") or page_offers.is_template(one):
        return page_offers.asked(message)
    if several is None and one is None:
        return None
    attachments = [one] if several is None else several
    if not isinstance(attachments, list) or not attachments or not all(isinstance(a, dict) for a in attachments):
        raise Refused(Why.BAD_REQUEST, 'attachment: expected {"type", "payload"}; attachments: a list of them')
    if str(attachments[0].get("type")).lower() == "like_heart" and len(attachments) == 1:
        return SentHeart()
    files = [_file(attachment) for attachment in attachments]
    return files[0] if len(files) == 1 else SentAlbum(items=files)


def _file(attachment: Json) -> SentMedia:
    word = str(attachment.get("type")).lower()
    kind = _WORDS.get(word)
    if kind is None:
        raise Refused(Why.UNSUPPORTED, f"attachment.type {word[:40]!r} is not carried; {', '.join(_WORDS)} are")
    payload = attachment.get("payload")
    if not isinstance(payload, dict):
        raise Refused(Why.BAD_REQUEST, "attachment.payload: expected an object")
    ident = payload.get("attachment_id")
    if ident is None and payload.get("url") is not None:
        raise Refused(Why.UNSUPPORTED, "payload.url: within a batch, attachments go by id; upload it first")
    if isinstance(ident, int) and not isinstance(ident, bool):
        ident = str(ident)
    return kind(media_id=needed({"payload.attachment_id": ident}, "payload.attachment_id", longest=64))


def received(event: Posted) -> Json:
    """The ``message`` of a webhook, or the ``postback`` that a pressed button is to a business."""
    message = event.message
    content = None if message.details is None else message.details.content
    if not isinstance(content, Chosen) or event.to_partner:
        return {"message": told(event)}
    payload = content.choice.payload
    if content.choice.form == "quick_reply":
        return {"message": {"mid": message.native_id, "text": message.text, "quick_reply": {"payload": payload}}}
    return {"postback": {"mid": message.native_id, "title": message.text, "payload": payload}}


def told(event: Posted) -> Json:
    """The ``message`` of a webhook."""
    message = event.message
    told: Json = {"mid": message.native_id}
    content = None if message.details is None else message.details.content
    if content is None:
        told["text"] = message.text
    match content:
        case None:
            pass
        case Media(file=file):
            told["attachments"] = [_attachment(file, event)]
        case Album(items=items):
            told["attachments"] = [_attachment(file, event) for file in items]
        case LikeHeart():
            told["attachments"] = [{"type": "like_heart"}]
        case Offer() | Chosen():
            told["text"] = message.text
        case Location() | Contacts() | Poll():  # not carried on these platforms
            told["is_unsupported"] = True
        case _:
            assert_never(content)
    if event.to_partner and message.details is not None and (ends := message.details.ends()):
        told["federation"] = ends
    if message.reply_to is not None:
        told["reply_to"] = {"mid": message.reply_to}
    return told


def _attachment(file: File, event: Posted) -> Json:
    word = {"document": "file", "voice": "audio"}.get(file.kind, file.kind)
    payload: Json = {"url": event.urls.get(file.media_id, "")}
    if file.kind == "sticker":
        payload["sticker_id"] = int(file.media_id)
    told: Json = {"type": word, "payload": payload}
    if event.to_partner:
        told["federation"] = for_partner(file)
    return told


def edited(event: Changed) -> Json:
    """The ``message_edit`` of a webhook: the same mid."""
    edits = 0 if event.message.details is None else event.message.details.edits
    return {"message_edit": {"mid": event.message.native_id, "text": event.message.text, "num_edit": edits}}


def reacted(event: Reacted, names: Mapping[str, str]) -> Json:
    """The ``reaction`` of a webhook. `names`: the platform's names for emoji."""
    reaction: Json = {"mid": event.message.native_id, "action": "react" if event.emoji else "unreact"}
    if event.emoji:
        bare = event.emoji.replace(TEXT_SELECTOR, "")
        found = [name for name, emoji in names.items() if emoji.replace(TEXT_SELECTOR, "") == bare]
        reaction |= {"reaction": found[0] if found else "other", "emoji": event.emoji}
    return {"reaction": reaction}
