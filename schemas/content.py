"""What a message says, without a rail's way of saying it.

Texts are plain text beside marks: `body` is what everybody can read, `marks` say what a part of it is (bold, a link,
a mention). So a reader that knows no marks loses no words, and nothing in a body is ever markup. Marks nest or stand
apart, which makes them a tree; `schemas.marks` checks it and walks it.

Media are named by the SHA-256 of their bytes, which are in the bus's object store, once, however many messages show
them.
"""

from typing import Literal

import msgspec

MarkKind = Literal["bold", "italic", "strike", "code", "block", "quote", "bullet", "number", "link", "mention"]
"""`code`: a few words; `block`: whole lines of code. `quote`, `bullet` and `number` stand for whole lines."""

MediaKind = Literal["image", "video", "audio", "voice", "document", "sticker"]


class Mark(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What a part of a body is: the characters (Unicode code points) from `start` up to, not including, `end`."""

    kind: MarkKind
    start: int
    end: int
    value: str = ""
    """`link`: the address; `mention`: who is meant (an `events.Party`); `block`: the language, if one was named;
    `number`: the numeral, if it is not the one that counting gives."""


class Preview(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What a link in the text leads to, as the sender's client showed it."""

    url: str
    title: str = ""
    description: str = ""


class Text(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="text", tag_field="type"):
    """Text as it is read: Unicode without lone surrogates, no markup meant."""

    body: str
    marks: tuple[Mark, ...] = ()
    preview: Preview | None = None


class Media(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="media", tag_field="type"):
    """One file. `sha256` is lower-case hex; `mime` is what the bytes were found to be, not what they were called."""

    kind: MediaKind
    sha256: str
    size_bytes: int
    mime: str
    name: str = ""
    """A file name without folders, for documents; empty for none."""
    caption: Text | None = None
    animated: bool = False
    """Stickers only."""


class Album(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="album", tag_field="type"):
    """Several files sent as one message."""

    items: tuple[Media, ...]
    caption: Text | None = None


class Location(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="location", tag_field="type"
):
    """A place. Degrees, WGS 84."""

    latitude: float
    longitude: float
    name: str = ""
    address: str = ""


class Card(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One person's contact card."""

    name: str
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    organisation: str = ""


class Contacts(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="contacts", tag_field="type"
):
    """Contact cards, one or more."""

    cards: tuple[Card, ...]


class Poll(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="poll", tag_field="type"):
    """A question with answers to choose from. Votes are events of their own (`events.Vote`)."""

    question: str
    options: tuple[str, ...]
    several: bool = False
    """More than one may be chosen."""


class Unsupported(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="unsupported", tag_field="type"
):
    """Something was sent that the origin rail itself would not show us. People are told so, in words."""

    what: str
    """The rail's own name for it, if it says one: ``view_once``, ``order``."""


Content = Text | Media | Album | Location | Contacts | Poll | Unsupported
"""The union of all kinds of content."""
