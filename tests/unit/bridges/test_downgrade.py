"""The ladder, rung by rung: what each bundled rail is given of each kind, and what is said to be lost."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.catalogue import discover
from bridges.kit import lost, words
from bridges.kit.downgrade import AlbumPiece, Fitted, MediaPiece, Piece, Refused, TextPiece, fit
from schemas.capabilities import Capabilities, Level, MediaLimit
from schemas.content import (
    Album,
    Card,
    Contacts,
    Content,
    Location,
    Mark,
    Media,
    MediaKind,
    Poll,
    Preview,
    Text,
    Unsupported,
)
from schemas.ids import RailName

RAILS = discover()
LINK = "https://media.example/f"


def media(kind: MediaKind, mime: str, size_bytes: int = 1000, *, caption: str = "", name: str = "") -> Media:
    """A file."""
    return Media(
        kind=kind,
        sha256="0" * 64,
        size_bytes=size_bytes,
        mime=mime,
        name=name,
        caption=Text(body=caption) if caption else None,
    )


def fitted(rail: str, content: Content, **others: object) -> Fitted:
    """What a bundled rail is given."""
    translator = RAILS[RailName(rail)]
    found = fit(
        content,
        translator.capabilities,
        style=translator.style,
        link_for=lambda _media: LINK,
        author="Alice",
        **others,  # type: ignore[arg-type] # tests pass what they name
    )
    assert isinstance(found, Fitted), found
    return found


def short(piece: Piece) -> str:
    """A piece in a word or two."""
    match piece:
        case TextPiece():
            return f"text {piece.body!r}" + (" plain" if piece.plain else "")
        case MediaPiece():
            return f"{piece.kind}" + (f" {piece.caption!r}" if piece.caption else "")
        case AlbumPiece():
            return f"album of {len(piece.items)}" + (f" {piece.caption!r}" if piece.caption else "")
        case _:
            return type(piece).__name__.lower()


JPEG, WEBP, OGG, MP4, PDF, ZIP = (
    "image/jpeg",
    "image/webp",
    "audio/ogg",
    "video/mp4",
    "application/pdf",
    "application/zip",
)
HERE = Location(latitude=45.4642, longitude=9.19, name="Duomo", address="Piazza del Duomo, Milano")
MAP = "https://www.openstreetmap.org/?mlat=45.464200&mlon=9.190000#map=16/45.464200/9.190000"
CARD = Contacts(
    cards=(Card(name="Bob Rossi", phones=("+393335550202",), emails=("bob@x.example",), organisation="Rossi"),)
)
LUNCH = Poll(question="Lunch?", options=("Pizza", "Sushi"))
PAGE = "Answer with a number."


@pytest.mark.parametrize(
    ("content", "rail", "pieces", "phrases"),
    [
        (Text(body="hi"), "whatsapp", ["text 'hi'"], []),
        (Text(body="hi"), "messenger", ["text 'hi'"], []),
        (Text(body="hi"), "instagram", ["text 'hi'"], []),
        (media("image", JPEG), "whatsapp", ["image"], []),
        (media("image", JPEG, caption="at sea"), "whatsapp", ["image 'at sea'"], []),
        (
            media("image", JPEG, caption="at sea"),
            "messenger",
            ["image", "text 'at sea'"],
            ["caption: a message of its own"],
        ),
        (media("image", WEBP), "messenger", ["image"], []),
        (media("image", WEBP), "whatsapp", ["document"], ["image: sent as document"]),
        (
            media("image", WEBP),
            "instagram",
            [f"text 'Picture (image/webp, 1.0 KB): {LINK}'"],
            ["image: type not taken, sent as a link"],
        ),
        (
            media("image", JPEG, 9_000_000, caption="at sea", name="sea.jpg"),
            "instagram",
            [f"text 'sea.jpg (image/jpeg, 9.0 MB): {LINK}\\nat sea'"],
            ["image: too large, sent as a link"],
        ),
        (media("image", JPEG, 9_000_000), "whatsapp", ["document"], ["image: sent as document"]),
        (media("voice", OGG), "whatsapp", ["voice"], []),
        (media("voice", OGG), "messenger", ["audio"], ["voice: sent as audio"]),
        (
            media("voice", OGG),
            "instagram",
            [f"text 'Voice message (audio/ogg, 1.0 KB): {LINK}'"],
            ["voice: type not taken, sent as a link"],
        ),
        (media("voice", "audio/mp4"), "messenger", ["audio"], ["voice: sent as audio"]),
        (media("voice", "audio/mp4"), "whatsapp", ["audio"], ["voice: sent as audio"]),
        (media("voice", "audio/ogg; codecs=opus"), "whatsapp", ["voice"], []),
        (media("sticker", WEBP), "whatsapp", ["sticker"], []),
        (media("sticker", WEBP), "messenger", ["image"], ["sticker: sent as image"]),
        (media("sticker", WEBP, 200_000), "whatsapp", ["document"], ["sticker: sent as document"]),
        (media("sticker", "image/png"), "instagram", ["image"], ["sticker: sent as image"]),
        (media("document", PDF, caption="page 2"), "whatsapp", ["document 'page 2'"], []),
        (media("document", PDF), "instagram", ["document"], []),
        (
            media("document", ZIP),
            "instagram",
            [f"text 'Document (application/zip, 1.0 KB): {LINK}'"],
            ["document: type not taken, sent as a link"],
        ),
        (media("video", MP4, 20_000_000), "messenger", ["video"], []),
        (
            media("video", MP4, 30_000_000),
            "messenger",
            [f"text 'Video (video/mp4, 30.0 MB): {LINK}'"],
            ["video: too large, sent as a link"],
        ),
        (
            msgspec.structs.replace(media("sticker", WEBP, 200_000), animated=True),
            "whatsapp",
            ["sticker"],
            [],
        ),
        (HERE, "whatsapp", ["location"], []),
        (
            HERE,
            "messenger",
            [f"text 'Location: Duomo, Piazza del Duomo, Milano\\n{MAP}'"],
            ["location: in words"],
        ),
        (CARD, "whatsapp", ["contacts"], []),
        (
            CARD,
            "instagram",
            ["text 'Contact: Bob Rossi\\n+393335550202\\nbob@x.example\\nRossi'"],
            ["contacts: in words"],
        ),
        (LUNCH, "messenger", [f"text 'Poll: Lunch?\\n1. Pizza\\n2. Sushi\\n{PAGE}'"], ["poll: in words"]),
        (
            Unsupported(what="view_once"),
            "instagram",
            ["text 'Alice sent something that cannot be shown here (view once)'"],
            ["unsupported: in words"],
        ),
    ],
)
def test_each_kind_on_each_rail(content: Content, rail: str, pieces: list[str], phrases: list[str]) -> None:
    """Native, equivalent, in words, or a link: and the loss is named."""
    found = fitted(rail, content)
    assert [short(piece) for piece in found.pieces] == pieces
    assert list(found.lost) == phrases


@pytest.mark.thread("mautrix/whatsapp#144")
def test_mautrix_whatsapp_144_what_is_too_large_is_linked_not_dropped() -> None:
    """More than 100 MB: the reader gets name, type, size and a link."""
    found = fitted("whatsapp", media("document", PDF, 150_000_000, name="book.pdf"))
    assert [short(piece) for piece in found.pieces] == [f"text 'book.pdf (application/pdf, 150.0 MB): {LINK}'"]


@pytest.mark.thread("mautrix/whatsapp#712", "mautrix/whatsapp#763")
def test_mautrix_whatsapp_712_a_voice_note_is_one_only_where_its_format_is_taken() -> None:
    """Ogg is; anything else is a sound file, which can be played all the same."""
    assert isinstance(fitted("whatsapp", media("voice", "audio/mpeg")).pieces[0], MediaPiece)
    assert [short(piece) for piece in fitted("whatsapp", media("voice", "audio/mpeg")).pieces] == ["audio"]


@pytest.mark.thread("mautrix/meta#105", "mautrix/meta#147")
def test_mautrix_meta_105_a_sticker_always_arrives_as_something() -> None:
    """As a sticker, a picture, a file or a link."""
    for rail in RAILS:
        assert len(fitted(rail, media("sticker", WEBP)).pieces) == 1


@pytest.mark.thread("mautrix/signal#330")
def test_mautrix_signal_330_a_captioned_photo_is_one_message_in_parts() -> None:
    """Where captions are not taken there are two pieces, in order, of the one message: both can be reacted to."""
    assert [short(piece) for piece in fitted("whatsapp", media("image", JPEG, caption="x")).pieces] == ["image 'x'"]
    assert [short(piece) for piece in fitted("instagram", media("image", JPEG, caption="x")).pieces] == [
        "image",
        "text 'x'",
    ]


def test_refused_when_there_is_no_link_either() -> None:
    """The sender is told what it was, why it was refused and what to do."""
    found = fit(media("video", MP4, 60_000_000), RAILS[RailName("instagram")].capabilities)
    assert found == Refused(
        why="The video (video/mp4, 60.0 MB) is too large for instagram. Send a smaller one or another type."
    )


@pytest.mark.parametrize(
    ("rail", "count", "pieces", "phrases"),
    [
        ("instagram", 3, ["album of 3", "text 'us'"], ["caption: a message of its own"]),
        (
            "instagram",
            12,
            ["album of 10", "album of 2", "text 'us'"],
            ["album: in several", "caption: a message of its own"],
        ),
        (
            "instagram",
            11,
            ["album of 10", "image", "text 'us'"],
            ["album: in several", "caption: a message of its own"],
        ),
        ("whatsapp", 2, ["image 'us'", "image"], ["album: one by one"]),
        ("messenger", 2, ["album of 2", "text 'us'"], ["caption: a message of its own"]),
    ],
)
def test_albums(rail: str, count: int, pieces: list[str], phrases: list[str]) -> None:
    """As few messages as the rail allows, the caption with the first or behind all."""
    album = Album(items=tuple(media("image", JPEG) for _ in range(count)), caption=Text(body="us"))
    found = fitted(rail, album)
    assert [short(piece) for piece in found.pieces] == pieces
    assert list(found.lost) == phrases


def test_an_album_of_all_sorts() -> None:
    """Neighbours that may go together do; the order stays; what cannot go is a link in its place."""
    items = (
        media("image", JPEG),
        media("image", JPEG),
        media("video", MP4),
        media("document", ZIP, name="a.zip"),
        media("image", JPEG),
    )
    found = fitted("instagram", Album(items=items))
    assert [short(piece) for piece in found.pieces] == [
        "album of 2",
        "video",
        f"text 'a.zip (application/zip, 1.0 KB): {LINK}'",
        "image",
    ]
    assert found.lost == ("document: type not taken, sent as a link", "album: in several")


def test_a_caption_that_is_too_long_is_a_message() -> None:
    """1,024 characters fit under a WhatsApp picture, markup included."""
    bold = Text(body="x" * 1023, marks=(Mark(kind="bold", start=0, end=1023),))
    assert len(fitted("whatsapp", media("image", JPEG, caption="x" * 1024)).pieces) == 1
    apart = fitted("whatsapp", msgspec.structs.replace(media("image", JPEG), caption=bold))
    assert [short(piece) for piece in apart.pieces] == ["image", f"text '*{'x' * 1023}*'"]


def test_forwarded_is_said_where_it_is_not_shown() -> None:
    """Above a text in the same message, above anything else in one of its own."""
    assert fitted("whatsapp", Text(body="hi"), forwarded=1) == Fitted(pieces=(TextPiece(body="hi"),))
    found = fitted("messenger", Text(body="hi"), forwarded=2)
    assert [short(piece) for piece in found.pieces] == ["text 'Forwarded:\\nhi'"]
    assert found.lost == ("forwarded: in words",)
    assert [short(piece) for piece in fitted("instagram", media("image", JPEG), forwarded=1).pieces] == [
        "text 'Forwarded:'",
        "image",
    ]


def test_an_answer_to_what_is_not_there_quotes_it() -> None:
    """signal#641, meta#24: a missing target costs the link to it, never the answer."""
    found = fitted("whatsapp", Text(body="*yes*"), answering="Are you  coming?")
    assert [short(piece) for piece in found.pieces] == ["text '> Are you coming?\\n*yes*' plain"]
    assert found.lost == ("reply: in words", "quote: in words")
    assert short(fitted("messenger", Text(body="yes"), answering="Coming?").pieces[0]) == "text '> Coming?\\nyes'"
    none = msgspec.structs.replace(RAILS[RailName("messenger")].capabilities, reply=Level.DROPPED)
    assert fit(Text(body="yes"), none, answering="Coming?") == Fitted(
        pieces=(TextPiece(body="yes"),), lost=("reply: left out",)
    )


def test_a_preview_is_asked_for_where_there_are_previews() -> None:
    """By the part that has the link."""
    text = Text(body="see https://x.example", preview=Preview(url="https://x.example"))
    assert fitted("whatsapp", text).pieces == (TextPiece(body="see https://x.example", preview=True),)
    assert fitted("instagram", text).lost == ("preview: left out",)


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (Level.FULL, Fitted(pieces=(HERE,))),
        (Level.PARTIAL, Fitted(pieces=(HERE,))),
        (Level.DROPPED, Fitted(pieces=(), lost=("location: left out",))),
        (Level.REFUSED, Refused(why="there takes no location. Write it as text instead.")),
    ],
)
def test_every_level_of_a_capability(level: Level, expected: Fitted | Refused) -> None:
    """The document decides, not the code."""
    there = Capabilities(rail=RailName("there"), version=1, text_max=100, text_unit="characters", location=level)
    assert fit(HERE, there) == expected


def test_corrections_and_notices_in_words() -> None:
    """What stands in for an edit, an unsend, a reaction or a vote."""
    bold = Text(body="at 8", marks=(Mark(kind="bold", start=3, end=4),))
    assert words.correction(bold) == Text(body="Corrected: at 8", marks=(Mark(kind="bold", start=14, end=15),))
    assert words.correction(media("image", JPEG, caption="us")) == Text(body="Corrected: us")
    assert words.correction(HERE) is None
    assert words.taken_back("Alice").body == "Alice took back a message"
    assert words.taken_back("").body == "Somebody took back a message"
    assert words.reacted("Alice", "👍", answering="lunch?").body == "Alice reacted with 👍 to: lunch?"
    assert words.reacted("Alice", "", tally=[("👍", 1)]).body == "Alice took back a reaction"
    assert (
        words.reacted("", "🦜", tally=[("👍", 3), ("🦜", 1)]).body
        == "Somebody reacted with 🦜\nIn all: 3 \N{MULTIPLICATION SIGN} 👍, 🦜"
    )
    assert words.voted("Alice", LUNCH, (1, 9)).body == "Alice chose: Sushi"
    assert words.voted("Alice", LUNCH, ()).body == "Alice took back a vote in: Lunch?"


def test_an_excerpt_is_one_short_line() -> None:
    """Cut between graphemes, never within."""
    family = "👨‍👩‍👧‍👦"
    assert words.excerpt(Text(body="two\nlines ")) == "two lines"
    assert words.excerpt(Text(body="x" * 61)) == "x" * 60 + "…"
    assert words.excerpt(Text(body=family * 70)) == family * 60 + "…"
    assert words.excerpt(Text(body="e" + "\u0301" * 2000)) == "…"
    assert words.excerpt(Album(items=(media("video", MP4),))) == "Video"
    assert words.excerpt(CARD) == "Bob Rossi"
    assert words.excerpt(Text(body="y" * 1_000_000)) == "y" * 60 + "…"


contents = st.one_of(
    st.builds(Text, body=st.text(min_size=1, max_size=300)),
    st.builds(
        media,
        st.sampled_from(["image", "video", "audio", "voice", "document", "sticker"]),
        st.sampled_from([JPEG, WEBP, OGG, MP4, PDF, ZIP, "weird"]),
        st.integers(1, 200_000_000),
        caption=st.text(max_size=40),
    ),
    st.just(HERE),
    st.just(CARD),
    st.just(LUNCH),
)


@pytest.mark.parametrize("rail", RAILS)
@given(content=contents, forwarded=st.integers(0, 2), answering=st.sampled_from(["", "what?"]))
def test_everything_arrives_somehow_and_what_is_lost_is_in_the_table(
    rail: str, content: Content, forwarded: int, answering: str
) -> None:
    """At least one piece; each within the rail's limits; every phrase one of `lost.phrases`."""
    found = fitted(rail, content, forwarded=forwarded, answering=answering)
    assert found.pieces
    assert set(found.lost) <= set(lost.phrases())
    can = RAILS[RailName(rail)].capabilities
    for piece in found.pieces:
        if isinstance(piece, MediaPiece):
            limit: MediaLimit = can.media[piece.kind]
            assert piece.media.size_bytes <= limit.max_bytes
            assert len(piece.caption) <= limit.caption_max
    assert found == fitted(rail, content, forwarded=forwarded, answering=answering)


def test_phrases_are_short_and_stable() -> None:
    """`what: how`, one line."""
    for phrase in lost.phrases():
        assert re.fullmatch(r"[a-z]+: [a-z, ]{2,50}", phrase), phrase
