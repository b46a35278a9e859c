"""What a rail could not carry: every phrase that may stand in `LegResult.lost`, and what it means. A table, pure.

The phrases are stable: people read them in `trinario trace`, programs compare them. Called by whoever fits something to
a rail; docs/rails.md shows the table.
"""

from collections.abc import Mapping
from typing import get_args

from schemas.content import MarkKind, MediaKind

REPLY_QUOTED = "reply: in words"
REPLY_LEFT_OUT = "reply: left out"
CAPTION_APART = "caption: a message of its own"
ALBUM_APART = "album: one by one"
ALBUM_SPLIT = "album: in several"
LOCATION_WORDS = "location: in words"
CONTACTS_WORDS = "contacts: in words"
POLL_WORDS = "poll: in words"
UNSUPPORTED_WORDS = "unsupported: in words"
FORWARDED_WORDS = "forwarded: in words"
PREVIEW_LEFT_OUT = "preview: left out"
EDIT_CORRECTION = "edit: shown as a correction"
UNSEND_NOTICE = "unsend: shown as a notice"
UNSEND_KEPT = "unsend: kept, with a notice"
EXPIRED_NOTICE = "expired: shown as a notice"
REACTION_WORDS = "reaction: in words"
VOTE_WORDS = "vote: in words"
GROUP_APART = "group: a thread each"
GROUP_CHANGE_LEFT_OUT = "group: a change left out"

_IN_WORDS: Mapping[MarkKind, str] = {
    "quote": "each line begins with `> `",
    "bullet": "each line begins with `- `",
    "number": "each line begins with its number",
    "link": "the address stands behind the words, in brackets",
    "mention": "the address there (or the name of somebody who has none) stands behind an `@`; nobody is alerted",
}
_IN_SIGNS: tuple[MarkKind, ...] = ("bold", "italic", "strike", "code", "block")
_KINDS: Mapping[MediaKind, str] = {
    "image": "a picture",
    "video": "a video",
    "audio": "a sound file",
    "voice": "a voice note",
    "document": "a document",
    "sticker": "a sticker",
}


def mark_in_words(kind: MarkKind) -> str:
    """A mark that is written out: a quote, a list, a link, a mention."""
    return f"{kind}: in words"


def mark_in_signs(kind: MarkKind) -> str:
    """Bold and its like where there is none: the signs that people type stand around the words."""
    return f"{kind}: in signs"


def mark_left_out(kind: MarkKind) -> str:
    """A mark that is not there; its words are."""
    return f"{kind}: left out"


def media_as(kind: MediaKind, other: MediaKind) -> str:
    """A file sent as another kind."""
    return f"{kind}: sent as {other}"


def media_too_large(kind: MediaKind) -> str:
    """A file over the rail's limit."""
    return f"{kind}: too large, sent as a link"


def media_not_taken(kind: MediaKind) -> str:
    """A file of a type that the rail does not take."""
    return f"{kind}: type not taken, sent as a link"


def left_out(what: str) -> str:
    """Content that the rail shows in no way (`Level.DROPPED`)."""
    return f"{what}: left out"


def phrases() -> dict[str, str]:
    """Every phrase, with what it means for the reader on that rail."""
    found = {
        REPLY_QUOTED: "the beginning of the answered message stands above the answer",
        REPLY_LEFT_OUT: "the answered message is not on this rail; the answer is",
        CAPTION_APART: "the caption follows the file as a message",
        ALBUM_APART: "the files come as a message each",
        ALBUM_SPLIT: "the files come in several albums",
        LOCATION_WORDS: "name, address and a link to a map",
        CONTACTS_WORDS: "the cards as lines of text",
        POLL_WORDS: "the question with numbered answers; a number as an answer is a vote",
        UNSUPPORTED_WORDS: "a sentence says that something was sent that cannot be shown",
        FORWARDED_WORDS: "a line above says that it was forwarded",
        PREVIEW_LEFT_OUT: "the link is there, its preview is not",
        EDIT_CORRECTION: "the old message stays; a reply to it says what it is now",
        UNSEND_NOTICE: "the message stays; a reply to it says that it was taken back",
        UNSEND_KEPT: "the same, because its reader keeps what others take back",
        EXPIRED_NOTICE: "the message stays although its time is over; a reply to it says so",
        REACTION_WORDS: "a message says who reacted with what",
        VOTE_WORDS: "a message says who chose what",
        GROUP_APART: "each member there has a thread with the group; every message says who wrote it",
        GROUP_CHANGE_LEFT_OUT: "in such a thread a reaction, a vote or the edit of a long text is not shown",
    }
    for mark in get_args(MarkKind):
        if mark in _IN_WORDS:
            found[mark_in_words(mark)] = _IN_WORDS[mark]
        if mark in _IN_SIGNS:
            found[mark_in_signs(mark)] = "the signs that people type for it stand around the words"
        found[mark_left_out(mark)] = "the words are there without it"
    for kind in get_args(MediaKind):
        for other in get_args(MediaKind):
            if other != kind:
                found[media_as(kind, other)] = f"it comes as {_KINDS[other]}"
        found[media_too_large(kind)] = "name, size and a link to the file"
        found[media_not_taken(kind)] = "name, size and a link to the file"
    for what in ("text", "media", "location", "contacts", "poll", "unsupported", "forwarded"):
        found[left_out(what)] = "nothing of it is shown"
    return found
