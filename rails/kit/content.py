"""What a message says beyond its text, and what became of it: as stored in one column, and as people are shown it.

Most messages are plain text that nobody has touched: they have no `Details` at all. Pure values; how content is asked
for is in `rails.kit.sending`, how the platforms write it in the rails' wire modules.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, assert_never

import msgspec

MediaKind = Literal["image", "video", "audio", "voice", "document", "sticker"]


class File(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that a message shows. `kind`: as what it was sent. `sha256`: lower-case hex of its bytes."""

    media_id: str
    kind: MediaKind
    mime: str
    size_bytes: int
    sha256: str
    name: str = ""
    animated: bool = False


class Media(msgspec.Struct, frozen=True, kw_only=True, tag="media"):
    """One file. Its caption is the message's text."""

    file: File


class Album(msgspec.Struct, frozen=True, kw_only=True, tag="album"):
    """Several files in one message."""

    items: tuple[File, ...]


class Location(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="location"):
    """A place, in degrees."""

    latitude: float
    longitude: float
    name: str = ""
    address: str = ""


class Card(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A contact card. `official`: the whole of it in the platform's form, where it came in that form."""

    name: str
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    organisation: str = ""
    official: dict[str, Any] | None = None


class Contacts(msgspec.Struct, frozen=True, kw_only=True, tag="contacts"):
    """Contact cards."""

    cards: tuple[Card, ...]


class Poll(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="poll"):
    """A question; who chose what is in `Details.votes`."""

    question: str
    options: tuple[str, ...]
    several: bool = False


class LikeHeart(msgspec.Struct, frozen=True, kw_only=True, tag="like_heart"):
    """A heart, sent instead of words."""


class Choice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something to choose in an offer. `payload`: what the business is told; `url`: a link, which is no answer."""

    id: str
    title: str
    description: str = ""
    payload: str = ""
    url: str = ""
    form: Literal["button_reply", "list_reply", "button", "quick_reply", "postback"] = "postback"


class Offer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="offer"):
    """A business's message with something to choose. `kind`: the platform's word for its form; `name`: a template's.

    The message's text is the readable form of it (`rails.kit.offers`).
    """

    shape: Literal["interactive", "template"]
    kind: str
    name: str = ""
    header: str = ""
    body: str = ""
    footer: str = ""
    choices: tuple[Choice, ...] = ()


class Chosen(msgspec.Struct, frozen=True, kw_only=True, tag="chosen"):
    """A person's answer to the offer `of` (a native id). The message's text is the choice's title."""

    of: str
    choice: Choice


Content = Media | Album | Location | Contacts | Poll | LikeHeart | Offer | Chosen


class Details(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What few messages have. `reactions` and `votes` by account id; `plain`: its text holds no markup."""

    content: Content | None = None
    forwarded: int = 0
    plain: bool = False
    preview: bool = False
    edits: int = 0
    unsent: bool = False
    reactions: dict[str, str] = {}
    votes: dict[str, tuple[int, ...]] = {}
    expires_at_ms: int = 0
    """When it is to go, 0 for never; so long after it has been read: `after_read_s`."""
    after_read_s: int = 0

    def ends(self) -> dict[str, int]:
        """What the partner is told (and tells) of when a message goes; empty for one that stays."""
        told = {"expires_at_ms": self.expires_at_ms, "after_read_s": self.after_read_s}
        return {name: value for name, value in told.items() if value}


NOTHING = Details()
"""Of a plain text that nobody has touched."""

_decoder = msgspec.json.Decoder(Details)


def pack(details: Details | None) -> str | None:
    """As stored; None for nothing."""
    return None if details is None or details == NOTHING else msgspec.json.encode(details).decode()


def unpack(stored: str) -> Details:
    """What `pack` stored."""
    return _decoder.decode(stored)


def files(content: Content | None) -> tuple[File, ...]:
    """The files that the content shows."""
    match content:
        case Media(file=file):
            return (file,)
        case Album(items=items):
            return items
        case _:
            return ()


def takes_caption(content: Content | None) -> bool:
    """Whether words can stand with it: a plain text or a captioned file."""
    return content is None or (isinstance(content, Media) and content.file.kind in {"image", "video", "document"})


def shown(details: Details, text: str) -> dict[str, Any] | None:  # noqa: PLR0911 - a table of kinds
    """`CONTENT` of docs/rail-api.md, or None."""
    content = details.content
    match content:
        case None:
            return None
        case Media(file=file):
            return {**_shown_file(file), **({"caption": text} if takes_caption(content) else {})}
        case Album(items=items):
            return {"type": "album", "items": [_shown_file(file) for file in items]}
        case Location():
            return {"type": "location", **{name: getattr(content, name) for name in content.__struct_fields__}}
        case Contacts(cards=cards):
            return {"type": "contacts", "cards": [_shown_card(card) for card in cards]}
        case Poll(question=question, options=options, several=several):
            return {"type": "poll", "question": question, "options": list(options), "several": several}
        case LikeHeart():
            return {"type": "like_heart"}
        case Offer():
            return _shown_offer(content)
        case Chosen(of=of, choice=choice):
            return {"type": "choice", "of": of, "id": choice.id, "title": choice.title}
        case _:
            assert_never(content)


def _shown_offer(offer: Offer) -> dict[str, Any]:
    choices = [
        {"id": choice.id, "title": choice.title, "description": choice.description, "url": choice.url}
        for choice in offer.choices
    ]
    told = {"kind": offer.kind, "name": offer.name, "header": offer.header, "body": offer.body, "footer": offer.footer}
    return {"type": offer.shape, **told, "choices": choices}


def _shown_file(file: File) -> dict[str, Any]:
    told: dict[str, Any] = {
        "type": file.kind,
        "media_id": file.media_id,
        "mime": file.mime,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "name": file.name,
    }
    return {**told, "animated": file.animated} if file.kind == "sticker" else told


def for_partner(file: File) -> dict[str, Any]:
    """What spares the partner a download of what it has already."""
    return {
        "sha256": file.sha256,
        "size_bytes": file.size_bytes,
        "mime": file.mime,
        "name": file.name,
        "kind": file.kind,
        "animated": file.animated,
    }


def _shown_card(card: Card) -> dict[str, Any]:
    return {
        "name": card.name,
        "phones": list(card.phones),
        "emails": list(card.emails),
        "organisation": card.organisation,
    }


def members(details: Details | None, text: str, handles: Mapping[str, str], *, has_markup: bool) -> dict[str, Any]:
    """The part of `MESSAGE` that this module knows. `handles`: of the thread's members, by account id."""
    if details is None:
        return {
            "content": None,
            "edited": False,
            "unsent": False,
            "reactions": {},
            "votes": {},
            "forwarded": 0,
            "markup": has_markup,
            "preview": False,
            "expires_at_ms": None,
            "after_read_s": None,
        }
    return {
        "content": shown(details, text),
        "edited": details.edits > 0,
        "unsent": details.unsent,
        "reactions": {handles.get(by, by): emoji for by, emoji in details.reactions.items()},
        "votes": {handles.get(by, by): list(chosen) for by, chosen in details.votes.items()},
        "forwarded": details.forwarded,
        "markup": has_markup and not details.plain,
        "preview": details.preview,
        "expires_at_ms": details.expires_at_ms or None,
        "after_read_s": details.after_read_s or None,
    }


def renamed(details: Details, *, old: str, new: str) -> Details:
    """With the reactions and votes of one account given to another; the other's own count more."""

    def moved(pairs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for by, value in pairs.items():
            if by != old or new not in pairs:
                yield (new if by == old else by), value

    return msgspec.structs.replace(details, reactions=dict(moved(details.reactions)), votes=dict(moved(details.votes)))
