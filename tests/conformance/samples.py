"""One sample of each kind of content: what people send, and a file's bytes to send with it.

`KINDS` is the order of the tables. A sample says what the bus would carry; `fitting` says what a rail is given of it.
"""

import hashlib
import struct
import zlib
from collections.abc import Mapping
from typing import Final

from bridges.kit.contract import Translator
from bridges.kit.downgrade import Fitted, Refused, fit
from schemas.content import Album, Card, Contacts, Content, Location, Mark, Media, MediaKind, Poll, Text, Unsupported

LINK: Final = "https://media.example/file"


def _png(shade: int) -> bytes:
    """A picture of one point."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes([0, shade])))
        + chunk(b"IEND", b"")
    )


def _ogg() -> bytes:
    """The first page of an Opus stream."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48000, 0, 0)
    return b"OggS" + struct.pack("<BBqIIIB", 0, 2, 0, 1, 0, 0, 1) + bytes([len(head)]) + head


def _webp() -> bytes:
    """A still picture of one point, lossless."""
    data = b"VP8L" + struct.pack("<I", 13) + b"\x2f\x00\x00\x00\x00\x07\xd0\xff\xfe\xf7\xbf\xff\x81" + b"\x00"
    return b"RIFF" + struct.pack("<I", 4 + len(data)) + b"WEBP" + data


FILES: Final[Mapping[MediaKind, tuple[str, bytes]]] = {
    "image": ("image/png", _png(7)),
    "video": ("video/mp4", struct.pack(">I", 24) + b"ftypisom" + struct.pack(">I", 512) + b"isommp41"),
    "audio": ("audio/mp4", struct.pack(">I", 24) + b"ftypM4A " + struct.pack(">I", 512) + b"M4A mp42"),
    "voice": ("audio/ogg", _ogg()),
    "document": ("application/pdf", b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"),
    "sticker": ("image/webp", _webp()),
}
"""Kind -> type, and the smallest bytes that are of it."""
ZIP: Final = ("application/zip", b"PK\x05\x06" + bytes(18))


def media(kind: MediaKind, *, caption: str = "", name: str = "", file: tuple[str, bytes] | None = None) -> Media:
    """A sample file as the bus describes it."""
    mime, body = file or FILES[kind]
    return Media(
        kind=kind,
        sha256=hashlib.sha256(body).hexdigest(),
        size_bytes=len(body),
        mime=mime,
        name=name,
        caption=Text(body=caption) if caption else None,
    )


FORMATTED: Final = Text(
    body="bold milk\nhe said\nsite",
    marks=(
        Mark(kind="bold", start=0, end=4),
        Mark(kind="quote", start=10, end=17),
        Mark(kind="link", start=18, end=22, value="https://x.example"),
    ),
)
KINDS: Final[Mapping[str, Content]] = {
    "text": Text(body="Ciao, come stai? *2*3* - ok"),
    "text with bold, a quote and a link": FORMATTED,
    "image": media("image"),
    "image with a caption": media("image", caption="at sea"),
    "video": media("video"),
    "sound": media("audio"),
    "voice note": media("voice"),
    "document (pdf)": media("document", name="menu.pdf"),
    "document (zip)": media("document", name="all.zip", file=ZIP),
    "sticker": media("sticker"),
    "album of three pictures": Album(items=(media("image"),) * 3),
    "location": Location(latitude=45.4642, longitude=9.19, name="Duomo"),
    "contact": Contacts(cards=(Card(name="Bob Rossi", phones=("+393335550202",)),)),
    "poll": Poll(question="Lunch?", options=("Pizza", "Sushi")),
    "something the rail does not show": Unsupported(what="view_once"),
}


def fitting(translator: Translator, content: Content, *, forwarded: int = 0) -> Fitted | Refused:
    """What a rail is given of a sample sent by Alice."""
    return fit(
        content,
        translator.capabilities,
        style=translator.style,
        link_for=lambda _media: LINK,
        author="Alice",
        forwarded=forwarded,
    )
