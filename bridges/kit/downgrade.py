"""The ladder: any content -> what a rail can be given of it, and what was lost on the way. Pure, driven by tables.

The rungs, for each kind: native; equivalent (a voice note as a sound file); in words; a link; left out or refused, with
a reason. Which rung a rail stands on is in its capability document and nowhere else. The same content and document
always give the same pieces, so a leg may be fitted anew before every attempt.

Called by the kit when a leg is planned. It does no I/O: what a link looks like and what people are called is asked of
`link_for` and `name_of`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, TypeAlias, assert_never

import msgspec

from bridges.kit import lost as phrases
from bridges.kit import parts, words
from bridges.kit.formatting import PLAIN, NameOf, Rendered, Style, in_words, no_names, render, written
from bridges.kit.spans import canonical
from schemas.capabilities import Capabilities, Level, MediaLimit
from schemas.content import Album, Contacts, Content, Location, MarkKind, Media, MediaKind, Poll, Text, Unsupported

LinkFor: TypeAlias = Callable[[Media], str]
"""Where a file can be fetched by people; empty: nowhere."""


class TextPiece(msgspec.Struct, frozen=True, kw_only=True):
    """A text to be posted. `plain`: see `formatting.Rendered`; `preview`: its author saw where its link leads."""

    body: str
    plain: bool = False
    preview: bool = False


class MediaPiece(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be posted as `kind`, which may be another than its own."""

    media: Media
    kind: MediaKind
    caption: str = ""
    plain: bool = False


class AlbumPiece(msgspec.Struct, frozen=True, kw_only=True):
    """Files (two at least) to be posted as one message. The items have no captions of their own."""

    items: tuple[MediaPiece, ...]
    caption: str = ""
    plain: bool = False


Piece: TypeAlias = TextPiece | MediaPiece | AlbumPiece | Location | Contacts | Poll
"""One native message."""


class Fitted(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be posted, in order (nothing: all of it is left out), and what was lost (`lost.phrases`)."""

    pieces: tuple[Piece, ...]
    lost: tuple[str, ...] = ()


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """The rail can show this in no form. `why` is for the sender: what, and the way out."""

    why: str


RUNGS: Final[Mapping[MediaKind, tuple[MediaKind, ...]]] = {
    "image": ("image", "document"),
    "video": ("video", "document"),
    "audio": ("audio", "document"),
    "voice": ("voice", "audio", "document"),
    "document": ("document",),
    "sticker": ("sticker", "image", "document"),
}
"""As what a file is tried, best first; after the last it is a link."""

_NARROWER_MOST = 6
"""How often a text is split anew because its markup made a part too long; after that it goes without."""
_ROOM_LEAST = 16
"""No text is split into parts shorter than this for the sake of its markup."""


def no_links(_media: Media) -> str:
    """For rails and tests where files cannot be pointed at."""
    return ""


def fit(
    content: Content,
    capabilities: Capabilities,
    *,
    style: Style = PLAIN,
    link_for: LinkFor = no_links,
    name_of: NameOf = no_names,
    author: str = "",
    forwarded: int = 0,
    answering: str = "",
    heading: str = "",
) -> Fitted | Refused:
    """What the rail is given of a message.

    `author` is the sender's name, for sentences about them. `answering` is an excerpt of the answered message
    (`words.excerpt`), for when the answer cannot be tied to it natively; empty when it can, or when there is none.
    `heading` is a line to stand above all.
    """
    fitting = _Fitting(capabilities=capabilities, style=style, link_for=link_for, name_of=name_of, author=author)
    pieces = fitting.message(content, forwarded=forwarded, answering=answering, heading=heading)
    if isinstance(pieces, Refused):
        return pieces
    return Fitted(pieces=tuple(pieces), lost=tuple(dict.fromkeys(fitting.lost)))


class _Fitting:
    """One message on its way down the ladder; notes what is lost on the way."""

    def __init__(
        self, *, capabilities: Capabilities, style: Style, link_for: LinkFor, name_of: NameOf, author: str
    ) -> None:
        self._can, self._style = capabilities, style
        self._link_for, self._name_of, self._author = link_for, name_of, author
        self.lost: list[str] = []

    def message(self, content: Content, *, forwarded: int, answering: str, heading: str) -> list[Piece] | Refused:
        """The content, below what has to be said above it."""
        above = [*([Text(body=heading)] if heading else ()), *self._above(forwarded=forwarded, answering=answering)]
        if isinstance(content, Text):
            return self._text(words.stacked([*above, content]))
        pieces = self._content(content)
        if isinstance(pieces, Refused) or not above:
            return pieces
        return [*self._texts(words.stacked(above)), *pieces]

    def _above(self, *, forwarded: int, answering: str) -> list[Text]:
        said = []
        if forwarded and self._can.forwarded is Level.FALLBACK:
            said.append(Text(body=words.FORWARDED))
            self.lost.append(phrases.FORWARDED_WORDS)
        elif forwarded and not self._can.forwarded.is_native:
            self.lost.append(phrases.left_out("forwarded"))
        if answering and self._can.reply in (Level.DROPPED, Level.REFUSED):
            self.lost.append(phrases.REPLY_LEFT_OUT)
        elif answering:
            said.append(words.quoted(answering, marked=self._has("quote")))
            self.lost.append(phrases.REPLY_QUOTED)
        return said

    def _has(self, mark: MarkKind) -> bool:
        return self._can.marks.get(mark, Level.DROPPED).is_native

    def _content(self, content: Content) -> list[Piece] | Refused:
        match content:
            case Text():
                return self._text(content)
            case Media():
                return self._media(content)
            case Album():
                return self._album(content)
            case Location() | Contacts() | Poll():
                return self._or_words(content)
            case Unsupported():
                self.lost.append(phrases.UNSUPPORTED_WORDS)
                return self._text(words.unsupported(self._author, content.what))
            case _:
                assert_never(content)

    def _or_words(self, content: Location | Contacts | Poll) -> list[Piece] | Refused:
        what = type(content).__name__.lower()
        match content:
            case Location():
                level, said, phrase = self._can.location, words.location(content), phrases.LOCATION_WORDS
            case Contacts():
                level, said, phrase = self._can.contacts, words.contacts(content), phrases.CONTACTS_WORDS
            case Poll():
                level, said, phrase = self._can.poll, words.poll(content), phrases.POLL_WORDS
            case _:
                assert_never(content)
        match level:
            case Level.FULL | Level.PARTIAL:
                return [content]
            case Level.FALLBACK:
                self.lost.append(phrase)
                return self._text(said)
            case Level.DROPPED:
                self.lost.append(phrases.left_out(what))
                return []
            case Level.REFUSED:
                return Refused(why=f"{self._can.rail} takes no {what}. Write it as text instead.")
            case _:
                assert_never(level)

    # --- texts ---

    def _text(self, text: Text) -> list[Piece] | Refused:
        if not self._can.text.is_native:
            return Refused(why=f"{self._can.rail} takes no text. Reach them on another rail.")
        return list(self._texts(text))

    def _texts(self, text: Text) -> list[TextPiece]:
        """As many parts as the rail's limit asks for, each with the marks that reach into it."""
        if text.preview is not None and not self._can.preview.is_native:
            self.lost.append(phrases.PREVIEW_LEFT_OUT)
        url = text.preview.url if text.preview is not None and self._can.preview.is_native else ""
        worded, lost = in_words(text, self._can.marks, self._name_of)
        found = self._written(worded)
        if found is None:
            bare, more = in_words(worded, {})
            lost += more
            found = [written(part, self._style) for part in self._split(bare, self._can.text_max)]
        for rendered in found:
            lost += rendered.lost
        self.lost += lost
        return [TextPiece(body=one.body, plain=one.plain, preview=bool(url) and url in one.body) for one in found]

    def _written(self, text: Text) -> list[Rendered] | None:
        """In parts that fit with their markup; None when the markup is too much for that."""
        room = self._can.text_max
        for _ in range(_NARROWER_MOST):
            if room < _ROOM_LEAST:
                break
            found = [written(canonical(part), self._style) for part in self._split(text, room)]
            over = max(parts.size(one.body, self._can.text_unit) for one in found) - self._can.text_max
            if over <= 0:
                return found
            room = max(room - over, room // 2)
        return None

    def _split(self, text: Text, limit: int) -> list[Text]:
        return parts.split_text(text, limit=limit, unit=self._can.text_unit)

    # --- files ---

    def _media(self, media: Media) -> list[Piece] | Refused:
        file = self._file(media)
        if isinstance(file, Refused):
            return file
        if isinstance(file, Text):
            return self._text(words.stacked([file, *([media.caption] if media.caption else [])]))
        return self._captioned([file], media.caption)

    def _file(self, media: Media) -> MediaPiece | Text | Refused:
        """The best rung that the rail has for a file."""
        taken = False
        for kind in RUNGS[media.kind]:
            limit = self._can.media.get(kind)
            if limit is None or not _takes(limit, media.mime):
                continue
            taken = True
            if media.size_bytes <= _most_bytes(limit, media):
                if kind != media.kind:
                    self.lost.append(phrases.media_as(media.kind, kind))
                return MediaPiece(media=media, kind=kind)
        url = self._link_for(media)
        if not url:
            why = f"is too large for {self._can.rail}" if taken else f"is of a type that {self._can.rail} does not take"
            size = words.size_in_words(media.size_bytes)
            return Refused(why=f"The {media.kind} ({media.mime}, {size}) {why}. Send a smaller one or another type.")
        self.lost.append(phrases.media_too_large(media.kind) if taken else phrases.media_not_taken(media.kind))
        return words.linked(media, url)

    def _captioned(self, pieces: list[Piece], caption: Text | None) -> list[Piece]:
        """The caption on the first file if the rail can show it there, else behind the files."""
        if caption is None or not caption.body:
            return pieces
        first = pieces[0] if pieces else None
        if isinstance(first, MediaPiece | AlbumPiece):
            kind = first.kind if isinstance(first, MediaPiece) else first.items[0].kind
            one = render(caption, self._can.marks, self._style, self._name_of)
            if len(one.body) <= self._can.media[kind].caption_max:
                self.lost += one.lost
                return [msgspec.structs.replace(first, caption=one.body, plain=one.plain), *pieces[1:]]
        self.lost.append(phrases.CAPTION_APART)
        return [*pieces, *self._texts(caption)]

    def _album(self, album: Album) -> list[Piece] | Refused:
        files: list[MediaPiece | Text] = []
        for item in album.items:
            file = self._file(item)
            if isinstance(file, Refused):
                return file
            files.append(file)
        pieces = list(self._grouped(files))
        if len(pieces) > 1:
            has_album = any(isinstance(piece, AlbumPiece) for piece in pieces)
            self.lost.append(phrases.ALBUM_SPLIT if has_album else phrases.ALBUM_APART)
        return self._captioned(pieces, album.caption)

    def _grouped(self, files: Sequence[MediaPiece | Text]) -> Iterator[Piece]:
        """Neighbours that may go together in as few messages as the rail allows."""
        for together, run in groupby(files, key=self._may_join):
            neighbours = list(run)
            most = self._can.album_most if together else 1
            for start in range(0, len(neighbours), most):
                group = [file for file in neighbours[start : start + most] if isinstance(file, MediaPiece)]
                if len(group) > 1:
                    yield AlbumPiece(items=tuple(group))
                elif group:
                    yield group[0]
                else:
                    yield from self._texts(words.stacked([file for file in neighbours if isinstance(file, Text)]))

    def _may_join(self, file: MediaPiece | Text) -> bool:
        return isinstance(file, MediaPiece) and (not self._can.album_kinds or file.kind in self._can.album_kinds)


def _most_bytes(limit: MediaLimit, media: Media) -> int:
    return max(limit.max_bytes, limit.animated_max_bytes if media.animated else 0)


def _takes(limit: MediaLimit, mime: str) -> bool:
    """Whether a type is taken; `image/*` stands for all images. Parameters (`; codecs=...`) do not count."""
    plain = mime.partition(";")[0].strip().lower()
    return plain in limit.mimes or f"{plain.partition('/')[0]}/*" in limit.mimes or "*/*" in limit.mimes
