"""What each rail would be given of a message that nobody has written yet: kind, size, length. Sends nothing.

The same ladder and the same capability documents as the bridges use when they post.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from bridges.catalogue import discover
from bridges.kit.downgrade import AlbumPiece, MediaPiece, Piece, Refused, TextPiece, fit
from schemas.capabilities import Capabilities
from schemas.content import Card, Contacts, Content, Location, Media, MediaKind, Poll, Text
from schemas.ids import RailName
from trinario.failures import Misused

Kind = Literal["text", "image", "video", "audio", "voice", "document", "sticker", "location", "contacts", "poll"]

_MIMES: Mapping[MediaKind, str] = {
    "image": "image/jpeg",
    "video": "video/mp4",
    "audio": "audio/mp4",
    "voice": "audio/ogg",
    "document": "application/pdf",
    "sticker": "image/webp",
}
_SIZE_BYTES = 100_000
_LINK = "a link"


def content_of(kind: Kind, *, size_bytes: int | None, length: int | None, mime: str | None) -> Content:
    """A message of that kind. Raises `Misused` for what such a message has not."""
    if kind in get_args(MediaKind):
        caption = Text(body="x" * length) if length else None
        return Media(
            kind=kind,  # type: ignore[arg-type] # the line above has looked
            sha256="",
            size_bytes=_SIZE_BYTES if size_bytes is None else size_bytes,
            mime=mime or _MIMES[kind],  # type: ignore[index]
            caption=caption,
        )
    if size_bytes is not None or mime is not None:
        raise Misused(f"--size and --mime are of files; a {kind} has neither. --kind image is a file.")
    match kind:
        case "location":
            return Location(latitude=0, longitude=0)
        case "contacts":
            return Contacts(cards=(Card(name="somebody"),))
        case "poll":
            return Poll(question="?", options=("yes", "no"))
        case _:
            return Text(body="x" * (1 if length is None else length))


def forecast(
    content: Content, rails: list[RailName], capabilities: Mapping[RailName, Capabilities]
) -> dict[RailName, dict[str, Any]]:
    """Rail -> ``{"as": what is posted, in order, "lost": phrases}``, or ``{"refused": why}``."""
    styles = {rail: translator.style for rail, translator in discover().items()}
    found: dict[RailName, dict[str, Any]] = {}
    for rail in rails:
        if rail not in capabilities or rail not in styles:
            continue
        fitted = fit(content, capabilities[rail], style=styles[rail], link_for=lambda _: _LINK)
        if isinstance(fitted, Refused):
            found[rail] = {"as": [], "lost": [], "refused": fitted.why}
        else:
            found[rail] = {"as": [_said(piece) for piece in fitted.pieces], "lost": list(fitted.lost)}
    return found


def _said(piece: Piece) -> str:
    match piece:
        case TextPiece(body=body):
            return f"text of {len(body):,} characters"
        case MediaPiece(kind=kind, caption=caption):
            return f"{kind} with its caption" if caption else kind
        case AlbumPiece(items=items):
            return f"album of {len(items)}"
        case _:
            return type(piece).__name__.lower()
