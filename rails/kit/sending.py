"""Content as somebody asks to send it, and the checks that turn it into content as stored.

The structs are the Client API's own form (docs/rail-api.md); the platforms' wire modules parse into the same ones. A
file is named by its media id and looked up here, so whoever sends it has to have it in sight.
"""

import math
from typing import TYPE_CHECKING, Any, assert_never

import msgspec
import regex

from rails.kit import content as kept
from rails.kit import media, offers
from rails.kit.content import Content, File, MediaKind
from rails.kit.model import Account, Kind, Refused, Why
from rails.kit.store import Tx

if TYPE_CHECKING:
    from rails.kit.rail import Rail

CARDS_MOST = 50
CARD_LINES_MOST = 20
LINE_LENGTH = 1000
OPTIONS_MOST = 12
EMOJI_LENGTH = 32
_EMOJI = regex.compile(r"\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20E3")


class SentFile(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """A file, uploaded before. `name`: another than it was uploaded with."""

    media_id: str
    name: str = ""


class SentCaptioned(SentFile, frozen=True, kw_only=True):
    """A file that words may stand with."""

    caption: str = ""


class SentImage(SentCaptioned, frozen=True, kw_only=True, tag="image"):
    """A picture."""


class SentVideo(SentCaptioned, frozen=True, kw_only=True, tag="video"):
    """A film."""


class SentDocument(SentCaptioned, frozen=True, kw_only=True, tag="document"):
    """Any file, shown by its name."""


class SentAudio(SentFile, frozen=True, kw_only=True, tag="audio"):
    """Music, sound."""


class SentVoice(SentFile, frozen=True, kw_only=True, tag="voice"):
    """Something said into the microphone."""


class SentSticker(SentFile, frozen=True, kw_only=True, tag="sticker"):
    """A sticker."""


SentMedia = SentImage | SentVideo | SentDocument | SentAudio | SentVoice | SentSticker


class SentAlbum(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="album"):
    """Several files in one message."""

    items: list[SentMedia]


class SentLocation(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="location"):
    """A place, in degrees."""

    latitude: float
    longitude: float
    name: str = ""
    address: str = ""


class SentCard(msgspec.Struct, frozen=True, kw_only=True):
    """A contact card. `official` is for the platform's own form only."""

    name: str
    phones: list[str] = []
    emails: list[str] = []
    organisation: str = ""
    official: dict[str, Any] | None = None


class SentContacts(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="contacts"):
    """Contact cards."""

    cards: list[SentCard]


class SentPoll(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="poll"):
    """A question with answers to choose from."""

    question: str
    options: list[str]
    several: bool = False


class SentHeart(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="like_heart"):
    """A heart, instead of words."""


class SentChoice(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="choice"):
    """My answer to a business's offer. `of`: the native id of its message; `id`: of one of its choices."""

    of: str
    id: str


Sent = (
    SentImage
    | SentVideo
    | SentDocument
    | SentAudio
    | SentVoice
    | SentSticker
    | SentAlbum
    | SentLocation
    | SentContacts
    | SentPoll
    | SentHeart
    | SentChoice
)
_MEDIA_KINDS: dict[type, MediaKind] = {
    SentImage: "image",
    SentVideo: "video",
    SentDocument: "document",
    SentAudio: "audio",
    SentVoice: "voice",
    SentSticker: "sticker",
}


def compose(  # noqa: PLR0911 - a table of kinds
    tx: Tx, rail: "Rail", *, sender: Account, sent: Sent | kept.Offer, by_partner: bool
) -> tuple[str, Content]:
    """The caption and the content to be stored, or `Refused` with what the rail takes instead."""
    match sent:
        case SentImage() | SentVideo() | SentDocument() | SentAudio() | SentVoice() | SentSticker():
            file = _file(tx, rail, sender=sender, sent=sent, by_partner=by_partner)
            return _caption(rail, file, sent), kept.Media(file=file)
        case SentAlbum(items=items):
            return "", _album(tx, rail, sender=sender, items=items, by_partner=by_partner)
        case SentLocation():
            _must_carry(rail, "location")
            return "", _location(sent)
        case SentContacts(cards=cards):
            _must_carry(rail, "contacts")
            return "", _contacts(cards)
        case SentPoll():
            _must_carry(rail, "poll")
            return "", _poll(sent)
        case SentHeart():
            _must_carry(rail, "like_heart")
            return "", kept.LikeHeart()
        case kept.Offer():
            return offers.readable(sent), sent
        case SentChoice():
            chosen = _chosen(tx, sender, sent)
            return chosen.choice.title, chosen
        case _:
            assert_never(sent)


def _chosen(tx: Tx, sender: Account, sent: SentChoice) -> kept.Chosen:
    row = tx.one("SELECT details FROM messages WHERE native_id = ? AND recipient_id = ?", sent.of, sender.id)
    offer = kept.unpack(row[0]).content if row is not None and row[0] is not None else None
    if not isinstance(offer, kept.Offer):
        raise Refused(Why.NOT_FOUND, f"of: {sent.of[:100]!r} is no message to this account that offers a choice")
    return offers.chosen(offer, of=sent.of, ident=sent.id)


def _must_carry(rail: "Rail", kind: str) -> None:
    if kind not in rail.abilities.kinds and kind not in rail.abilities.media:
        carried = ", ".join(["text", *rail.abilities.media, *sorted(rail.abilities.kinds)])
        raise Refused(Why.UNSUPPORTED, f"{rail.title} does not carry {kind}; it carries {carried}")


def _file(tx: Tx, rail: "Rail", *, sender: Account, sent: SentMedia, by_partner: bool) -> File:
    asked = _MEDIA_KINDS[type(sent)]
    kind = rail.abilities.aliases.get(asked, asked)
    _must_carry(rail, kind)
    rule = rail.abilities.media[kind]
    if rule.people_only and sender.kind is Kind.BUSINESS:
        raise Refused(Why.UNSUPPORTED, f"On {rail.title} only people send a {kind}; send it as an image")
    row = media.readable(tx, sent.media_id, account_id=None if by_partner else sender.id)
    is_business = sender.kind is Kind.BUSINESS and not by_partner
    if not rule.takes_from(row.mime, is_business=is_business):
        taken = ", ".join(sorted(rule.mimes_from(is_business=is_business) or ()))
        raise Refused(Why.MEDIA_TYPE, f"media {row.media_id} is {row.mime}; {rail.title} takes as {kind}: {taken}")
    most = rule.limit_bytes(animated=row.animated, from_app=sender.kind is Kind.PERSON and not by_partner)
    if row.size_bytes > most:
        raise Refused(
            Why.MEDIA_SIZE, f"media {row.media_id} has {row.size_bytes} bytes; {rail.title} takes {most} as {kind}"
        )
    name = media.clean_name(sent.name) or row.name
    return msgspec.structs.replace(row, kind=kind, name=name)


def _caption(rail: "Rail", file: File, sent: SentMedia) -> str:
    caption = sent.caption if isinstance(sent, SentCaptioned) else ""
    if caption:
        checked_caption(rail, file.kind, caption)
    return caption


def checked_caption(rail: "Rail", kind: MediaKind, caption: object) -> str:
    """A caption fit for a file of that kind; may be empty."""
    if not isinstance(caption, str):
        raise Refused(Why.BAD_REQUEST, "caption: expected a text")
    most = rail.abilities.media[kind].caption_length
    if caption and not most:
        raise Refused(
            Why.UNSUPPORTED, f"{rail.title} shows no caption with {kind}; send the words as a message of their own"
        )
    if len(storable("caption", caption)) > most:
        raise Refused(
            Why.TOO_LONG, f"caption: {len(caption)} characters, {rail.title} takes {most}; send the rest apart"
        )
    return caption


def _album(tx: Tx, rail: "Rail", *, sender: Account, items: list[SentMedia], by_partner: bool) -> Content:
    if not rail.abilities.album_kinds:
        raise Refused(Why.UNSUPPORTED, f"{rail.title} has no albums; send the files one by one")
    if not 2 <= len(items) <= rail.abilities.album_length:
        raise Refused(Why.BAD_REQUEST, f"items: expected 2 to {rail.abilities.album_length} files, got {len(items)}")
    if any(isinstance(item, SentCaptioned) and item.caption for item in items):
        raise Refused(Why.UNSUPPORTED, "items: files of an album have no captions; send the words apart")
    found = tuple(_file(tx, rail, sender=sender, sent=item, by_partner=by_partner) for item in items)
    wrong = sorted({file.kind for file in found} - rail.abilities.album_kinds)
    if wrong:
        taken = ", ".join(sorted(rail.abilities.album_kinds))
        raise Refused(Why.UNSUPPORTED, f"items: an album on {rail.title} holds {taken}, not {', '.join(wrong)}")
    return kept.Album(items=found)


def _location(sent: SentLocation) -> Content:
    for name, value, most in (("latitude", sent.latitude, 90), ("longitude", sent.longitude, 180)):
        if not math.isfinite(value) or abs(value) > most:
            raise Refused(Why.BAD_REQUEST, f"{name}: expected degrees from -{most} to {most}")
    return kept.Location(
        latitude=sent.latitude,
        longitude=sent.longitude,
        name=_line("name", sent.name, required=False),
        address=_line("address", sent.address, required=False),
    )


def _contacts(cards: list[SentCard]) -> Content:
    if not 1 <= len(cards) <= CARDS_MOST:
        raise Refused(Why.BAD_REQUEST, f"cards: expected 1 to {CARDS_MOST}, got {len(cards)}")
    return kept.Contacts(
        cards=tuple(
            kept.Card(
                name=_line("name", card.name),
                phones=_lines("phones", card.phones),
                emails=_lines("emails", card.emails),
                organisation=_line("organisation", card.organisation, required=False),
                official=card.official,
            )
            for card in cards
        )
    )


def _poll(sent: SentPoll) -> Content:
    options = tuple(_line("options", option, most=100) for option in sent.options)
    if not 2 <= len(options) <= OPTIONS_MOST or len(set(options)) != len(options):
        raise Refused(Why.BAD_REQUEST, f"options: expected 2 to {OPTIONS_MOST} different ones")
    return kept.Poll(question=_line("question", sent.question, most=255), options=options, several=sent.several)


def _lines(name: str, values: list[str]) -> tuple[str, ...]:
    if len(values) > CARD_LINES_MOST:
        raise Refused(Why.BAD_REQUEST, f"{name}: expected at most {CARD_LINES_MOST}")
    return tuple(_line(name, value) for value in values)


def _line(name: str, value: str, *, required: bool = True, most: int = LINE_LENGTH) -> str:
    if (required and not value.strip()) or len(value) > most:
        raise Refused(Why.BAD_REQUEST, f"{name}: expected a text of {int(required)} to {most} characters")
    return storable(name, value)


def storable(name: str, text: str) -> str:
    """The text, unless no encoding can carry it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Refused(Why.BAD_REQUEST, f"{name}: contains half a surrogate pair") from error
    return text


def checked_emoji(emoji: object) -> str:
    """One emoji, or the empty text that takes a reaction back."""
    if emoji == "":
        return ""
    is_one = isinstance(emoji, str) and len(emoji) <= EMOJI_LENGTH and regex.fullmatch(r"\X", emoji) is not None
    if not is_one or not isinstance(emoji, str) or not _EMOJI.search(emoji):
        raise Refused(Why.BAD_REQUEST, 'emoji: expected one emoji, or "" to take the reaction back')
    return storable("emoji", emoji)
