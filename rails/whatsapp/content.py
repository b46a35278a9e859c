"""WhatsApp's message types beyond text, both ways: the object under ``type``. Pure functions.

https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components
https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any, assert_never

from rails.kit.bodies import flag_member, list_member, needed, object_member, text_member
from rails.kit.content import (
    Album,
    Card,
    Chosen,
    Contacts,
    Details,
    File,
    LikeHeart,
    Location,
    Media,
    Offer,
    Poll,
    for_partner,
)
from rails.kit.model import Message, Refused, Why
from rails.kit.rail import Json
from rails.kit.sending import (
    Sent,
    SentAudio,
    SentCard,
    SentContacts,
    SentDocument,
    SentImage,
    SentLocation,
    SentSticker,
    SentVideo,
    SentVoice,
)
from rails.whatsapp import offers

CARD_PARTS = ("addresses", "birthday", "emails", "name", "org", "phones", "urls")
CARD_DEPTH = 6
UNSUPPORTED = {
    "code": 131051,
    "title": "Message type unknown",
    "message": "Message type unknown",
    "error_data": {"details": "Message type is currently not supported."},
}


def told(message: Message, urls: Mapping[str, str], *, to_partner: bool) -> Json:
    """``type``, the object under it, and what else its content makes a message carry."""
    details = message.details
    if details is None:
        return {"type": "text", "text": {"body": message.text}}
    own: Json = {}
    if details.forwarded:
        own["context"] = {"forwarded": True} if details.forwarded == 1 else {"frequently_forwarded": True}
    said: Json = {word: True for word, is_so in (("plain", details.plain), ("preview", details.preview)) if is_so}
    said |= details.ends()
    if said and to_partner:
        own["federation"] = said
    return {**_typed(details, message.text, urls, to_partner=to_partner), **own}


def _typed(details: Details, text: str, urls: Mapping[str, str], *, to_partner: bool) -> Json:  # noqa: PLR0911 - a table of kinds
    content = details.content
    match content:
        case None:
            return {"type": "text", "text": {"body": text}}
        case Media(file=file):
            word = "audio" if file.kind == "voice" else file.kind
            return {"type": word, word: _media(file, text, urls, to_partner=to_partner)}
        case Location():
            names = {"name": content.name, "address": content.address}
            place = {"latitude": content.latitude, "longitude": content.longitude}
            return {"type": "location", "location": {**place, **{key: text for key, text in names.items() if text}}}
        case Contacts(cards=cards):
            return {"type": "contacts", "contacts": [_card(card) for card in cards]}
        case Poll():
            return {"type": "unsupported", "unsupported": {"type": "poll"}, "errors": [UNSUPPORTED]}
        case Offer():  # the sender's platform has it as text: no business is offered choices
            return {"type": "text", "text": {"body": text}}
        case Chosen(choice=choice):
            return {"type": "text", "text": {"body": text}} if to_partner else offers.answered(choice)
        case Album() | LikeHeart():  # not carried here
            return {"type": "unsupported", "unsupported": {"type": "unknown"}, "errors": [UNSUPPORTED]}
        case _:
            assert_never(content)


def _media(file: File, caption: str, urls: Mapping[str, str], *, to_partner: bool) -> Json:
    media: Json = {
        "mime_type": file.mime,
        "sha256": base64.b64encode(bytes.fromhex(file.sha256)).decode(),
        "id": file.media_id,
        "url": urls.get(file.media_id, ""),
    }
    if caption:
        media["caption"] = caption
    if file.kind == "document":
        media["filename"] = file.name
    if file.kind in {"audio", "voice"}:
        media["voice"] = file.kind == "voice"
    if file.kind == "sticker":
        media["animated"] = file.animated
    if to_partner:
        media["federation"] = for_partner(file)
    return media


def _card(card: Card) -> Json:
    if card.official is not None:
        return card.official
    told: Json = {"name": {"formatted_name": card.name, "first_name": card.name}}
    if card.phones:
        told["phones"] = [{"phone": phone, "type": "CELL"} for phone in card.phones]
    if card.emails:
        told["emails"] = [{"email": email, "type": "HOME"} for email in card.emails]
    if card.organisation:
        told["org"] = {"company": card.organisation}
    return told


def asked(kind: str, body: Json) -> Sent | Offer:
    """The content that a send body of that type asks for. Raises `Refused`."""
    reader = _READERS.get(kind)
    if reader is None:
        raise Refused(
            Why.UNSUPPORTED, f"type: {kind[:40]!r} is not carried; text, {', '.join(_READERS)} and reaction are"
        )
    return reader(body)


def _media_id(part: Json, kind: str) -> str:
    if part.get("link") is not None and part.get("id") is None:
        raise Refused(Why.UNSUPPORTED, f"{kind}.link: within a batch, media go by id; upload it first")
    ident = part.get("id")
    if isinstance(ident, int) and not isinstance(ident, bool):
        return str(ident)
    return needed({f"{kind}.id": ident}, f"{kind}.id", longest=64)


def _caption(part: Json) -> str:
    return text_member(part, "caption", required=False) or ""


def _image(body: Json) -> Sent:
    part = object_member(body, "image")
    return SentImage(media_id=_media_id(part, "image"), caption=_caption(part))


def _video(body: Json) -> Sent:
    part = object_member(body, "video")
    return SentVideo(media_id=_media_id(part, "video"), caption=_caption(part))


def _document(body: Json) -> Sent:
    part = object_member(body, "document")
    name = text_member(part, "filename", required=False) or ""
    return SentDocument(media_id=_media_id(part, "document"), caption=_caption(part), name=name)


def _audio(body: Json) -> Sent:
    part = object_member(body, "audio")
    media_id = _media_id(part, "audio")
    return (SentVoice if flag_member(part, "voice", default=False) else SentAudio)(media_id=media_id)


def _sticker(body: Json) -> Sent:
    return SentSticker(media_id=_media_id(object_member(body, "sticker"), "sticker"))


def _location(body: Json) -> Sent:
    part = object_member(body, "location")
    return SentLocation(
        latitude=_degrees(part, "latitude"),
        longitude=_degrees(part, "longitude"),
        name=text_member(part, "name", required=False, longest=1000) or "",
        address=text_member(part, "address", required=False, longest=1000) or "",
    )


def _degrees(part: Json, name: str) -> float:
    """Clients send numbers, and texts that hold one."""
    value: Any = part.get(name)
    try:
        return float("nan" if isinstance(value, bool) else value)
    except (TypeError, ValueError, OverflowError):
        raise Refused(Why.BAD_REQUEST, f"location.{name}: expected degrees") from None


def _contacts(body: Json) -> Sent:
    cards = list_member(body, "contacts")
    return SentContacts(cards=[_asked_card(card) for card in cards])


def _asked_card(card: object) -> SentCard:
    if not isinstance(card, dict):
        raise Refused(Why.BAD_REQUEST, 'contacts: expected objects like {"name": {"formatted_name": a text}}')
    org = card.get("org") or {}
    if not isinstance(org, dict):
        raise Refused(Why.BAD_REQUEST, "contacts.org: expected an object")
    return SentCard(
        name=needed(object_member(card, "name"), "formatted_name", longest=1000),
        phones=_each(card, "phones", "phone"),
        emails=_each(card, "emails", "email"),
        organisation=text_member(org, "company", required=False, longest=1000) or "",
        official=_shallow({part: card[part] for part in CARD_PARTS if card.get(part) is not None}),
    )


def _shallow(official: Json) -> Json:
    """A card as the platform has it: lists of objects of texts. What is nested deeper is none."""
    level: list[Any] = [official]
    for _ in range(CARD_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    if level:
        raise Refused(Why.BAD_REQUEST, f"contacts: nested deeper than {CARD_DEPTH} levels")
    return official


def _each(card: Json, plural: str, singular: str) -> list[str]:
    entries = card.get(plural) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Refused(Why.BAD_REQUEST, f"contacts.{plural}: expected a list of objects")
    return [str(entry[singular]) for entry in entries if entry.get(singular)]


_READERS: dict[str, Callable[[Json], Sent | Offer]] = {
    "image": _image,
    "video": _video,
    "audio": _audio,
    "document": _document,
    "sticker": _sticker,
    "location": _location,
    "contacts": _contacts,
    "interactive": offers.interactive,
    "template": offers.template,
}
