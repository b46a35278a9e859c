"""What people read where a rail cannot show the thing itself: one table of words, and the texts made with it. Pure.

Nothing here carries marks of its own, so a text reads the same on every rail. Called by `bridges.kit.downgrade` and by
whoever has to tell of an edit, an unsend, a reaction or a vote in words.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import regex

from schemas.content import Album, Contacts, Content, Location, Mark, Media, MediaKind, Poll, Text
from schemas.marks import shifted

FORWARDED: Final = "Forwarded:"
CORRECTED: Final = "Corrected: "
TAKEN_BACK: Final = "{name} took back a message"
TIME_IS_OVER: Final = "The time of this message is over, but it cannot be taken back here"
REACTED: Final = "{name} reacted with {emoji}"
REACTED_NO_MORE: Final = "{name} took back a reaction"
REACTED_TO: Final = " to: {excerpt}"
IN_ALL: Final = "In all: {tally}"
VOTED: Final = "{name} chose: {options}"
VOTED_NO_MORE: Final = "{name} took back a vote in: {question}"
PLACE: Final = "Location: {what}"
CONTACT: Final = "Contact: {name}"
POLL: Final = "Poll: {question}"
POLL_ONE: Final = "Answer with a number."
POLL_SEVERAL: Final = "Answer with one or more numbers."
UNSUPPORTED: Final = "{name} sent something that cannot be shown here{what}"
LINKED: Final = "{name} ({mime}, {size}): {url}"
SOMEBODY: Final = "Somebody"
KINDS: Final[Mapping[MediaKind, str]] = {
    "image": "Picture",
    "video": "Video",
    "audio": "Sound",
    "voice": "Voice message",
    "document": "Document",
    "sticker": "Sticker",
}
_EXCERPT_MOST: Final = 60
"""Graphemes."""
_LOOKED_AT: Final = 1000
"""Code points that an excerpt is made of."""

_GRAPHEME = regex.compile(r"\X")


def stacked(texts: Sequence[Text]) -> Text:
    """Texts below each other as one; the preview is the last one's."""
    marks: list[Mark] = []
    at = 0
    for text in texts:
        marks += (
            Mark(kind=mark.kind, value=mark.value, start=mark.start + at, end=mark.end + at) for mark in text.marks
        )
        at += len(text.body) + 1
    return Text(body="\n".join(text.body for text in texts), marks=tuple(marks), preview=texts[-1].preview)


def excerpt(content: Content) -> str:
    """One short line that tells a message from its neighbours."""
    match content:
        case Text():
            body = content.body
        case Media() | Album():
            caption = content.caption.body if content.caption is not None else ""
            first = content if isinstance(content, Media) else content.items[0]
            body = caption or first.name or KINDS[first.kind]
        case Location():
            body = PLACE.format(what=content.name or content.address or _degrees(content))
        case Contacts():
            body = ", ".join(card.name for card in content.cards)
        case Poll():
            body = content.question
        case _:
            body = content.what
    graphemes = _GRAPHEME.findall(" ".join(body[:_LOOKED_AT].split()))
    if len(body) <= _LOOKED_AT and len(graphemes) <= _EXCERPT_MOST:
        return "".join(graphemes)
    # The last grapheme looked at may be torn: it is never among those kept.
    return "".join(graphemes[: min(_EXCERPT_MOST, len(graphemes) - 1)]).rstrip() + "…"


def quoted(line: str, *, marked: bool) -> Text:
    """What is answered, for rails where an answer cannot be tied to it. `marked`: they have quotes."""
    short = " ".join(line.split())
    return Text(body=short, marks=(Mark(kind="quote", start=0, end=len(short)),)) if marked else Text(body=f"> {short}")


def correction(content: Content) -> Text | None:
    """An edit as a message of its own; None when there are no words that could have changed."""
    said = content if isinstance(content, Text) else content.caption if isinstance(content, Media | Album) else None
    if said is None:
        return None
    moved = shifted(said.marks, len(CORRECTED), start=0, end=len(said.body))
    return Text(body=CORRECTED + said.body, marks=moved, preview=said.preview)


def taken_back(name: str) -> Text:
    """An unsend as a message of its own. It does not say what was taken back."""
    return Text(body=TAKEN_BACK.format(name=name or SOMEBODY))


def time_is_over() -> Text:
    """A message that was to disappear cannot be taken back here: as a message of its own."""
    return Text(body=TIME_IS_OVER)


def reacted(name: str, emoji: str, *, answering: str = "", tally: Sequence[tuple[str, int]] = ()) -> Text:
    """A reaction (empty: taken back) as a message of its own.

    `answering`: an excerpt of what it is a reaction to, where the message cannot be tied to that; `tally`: emoji and
    how many people have it, told when there are several.
    """
    said = (REACTED if emoji else REACTED_NO_MORE).format(name=name or SOMEBODY, emoji=emoji)
    if answering:
        said += REACTED_TO.format(excerpt=answering)
    if sum(count for _, count in tally) > 1:
        counts = ", ".join(f"{count} \N{MULTIPLICATION SIGN} {one}" if count > 1 else one for one, count in tally)
        said += "\n" + IN_ALL.format(tally=counts)
    return Text(body=said)


def voted(name: str, poll: Poll, options: Sequence[int]) -> Text:
    """A vote as a message of its own. Indices that the poll does not have are left out."""
    chosen = [poll.options[index] for index in options if 0 <= index < len(poll.options)]
    if not chosen:
        return Text(body=VOTED_NO_MORE.format(name=name or SOMEBODY, question=poll.question))
    return Text(body=VOTED.format(name=name or SOMEBODY, options=", ".join(chosen)))


def location(place: Location) -> Text:
    """Name, address and a map to look at."""
    what = ", ".join(part for part in (place.name, place.address) if part) or _degrees(place)
    latitude, longitude = f"{place.latitude:.6f}", f"{place.longitude:.6f}"
    link = f"https://www.openstreetmap.org/?mlat={latitude}&mlon={longitude}#map=16/{latitude}/{longitude}"
    return Text(body=f"{PLACE.format(what=what)}\n{link}")


def _degrees(place: Location) -> str:
    return f"{place.latitude:.6f}, {place.longitude:.6f}"


def contacts(found: Contacts) -> Text:
    """A paragraph a card."""
    cards = (
        "\n".join([CONTACT.format(name=card.name), *card.phones, *card.emails, *filter(None, [card.organisation])])
        for card in found.cards
    )
    return Text(body="\n\n".join(cards))


def poll(asked: Poll) -> Text:
    """The question with numbered options; `bridges.kit.polls` reads the answers."""
    options = (f"{number}. {option}" for number, option in enumerate(asked.options, 1))
    how = POLL_SEVERAL if asked.several else POLL_ONE
    return Text(body="\n".join([POLL.format(question=asked.question), *options, how]))


def unsupported(name: str, what: str) -> Text:
    """Something that the origin rail itself did not show us."""
    return Text(body=UNSUPPORTED.format(name=name or SOMEBODY, what=f" ({what.replace('_', ' ')})" if what else ""))


def linked(media: Media, url: str) -> Text:
    """A file that can only be pointed at."""
    size = size_in_words(media.size_bytes)
    return Text(body=LINKED.format(name=media.name or KINDS[media.kind], mime=media.mime, size=size, url=url))


def size_in_words(size_bytes: int) -> str:
    """``800 bytes``, ``12.3 KB``, ``4.0 MB``: thousands, as shops and phones count."""
    if size_bytes < 1000:
        return f"{size_bytes} bytes"
    for unit, size in (("KB", 1000), ("MB", 1000**2)):
        if size_bytes < size * 1000:
            return f"{size_bytes / size:.1f} {unit}"
    return f"{size_bytes / 1000**3:.1f} GB"
