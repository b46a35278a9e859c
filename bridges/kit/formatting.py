"""Formatting: texts with marks -> what a rail takes, and how sure we are that it reads back as meant. Pure.

A rail's way of writing is a `Style`: a pair of functions, one that reads a body as the rail's own app would show it and
one that writes marks into a body. A rail without markup has `PLAIN`; `bridges.kit.markup` has another. Nothing here
knows a markup's signs: what is rendered is *read back*, and what does not come back as it was meant is written with
fewer marks, at last with none. So the words always arrive as they were, and nothing becomes markup by accident.

Every function is linear in the body's length (times a small constant), whatever is in it. Called by
`bridges.kit.downgrade` and by the translators.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from bridges.kit import lost as phrases
from bridges.kit.spans import LINE_KINDS, canonical, edited, segments
from schemas.capabilities import Level
from schemas.content import Mark, MarkKind, Text

NameOf: TypeAlias = Callable[[str], str]
"""What a mention's party is called on a rail (an address or a name, without `@`); empty: keep the words of the text."""

MarkLevels: TypeAlias = Mapping[MarkKind, Level]
"""`Capabilities.marks`."""

Change: TypeAlias = tuple[int, int, str]
"""Start, end, and what is put in between."""

SIGNS: Mapping[MarkKind, str] = {"bold": "*", "italic": "_", "strike": "~", "code": "`", "block": "```"}
"""What people type around words where there is no formatting; the same that rails with markup take."""

_TRIED_ONE_BY_ONE = 8
"""Marks of one line that are tried singly when all together do not read back; more are left out together."""


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """A rail's way of writing. `read(write(text))` is the text wherever `write` can express it."""

    read: Callable[[str], Text]
    """A body as the rail's app shows it: the words, and marks in canonical form (`spans.canonical`)."""
    write: Callable[[Text], str]
    """A canonical text whose marks are all of kinds that the rail has -> a body."""


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """A body as it goes to a rail. `plain`: it holds no markup, but the rail would find some, so it has to be told."""

    body: str
    plain: bool = False
    lost: tuple[str, ...] = ()


def parse_plain(body: str) -> Text:
    """A body of a rail without markup. Links stand for themselves and need no mark."""
    return Text(body=body)


PLAIN = Style(read=parse_plain, write=lambda text: text.body)


def no_names(_party: str) -> str:
    """For texts whose mentions keep their words."""
    return ""


def render(text: Text, marks: MarkLevels, style: Style, name_of: NameOf = no_names) -> Rendered:
    """The text as a rail with these levels and this style takes it."""
    worded, lost = in_words(text, marks, name_of)
    rendered = written(worded, style)
    return Rendered(body=rendered.body, plain=rendered.plain, lost=_once(*lost, *rendered.lost))


def in_words(text: Text, marks: MarkLevels, name_of: NameOf = no_names) -> tuple[Text, tuple[str, ...]]:
    """The text with only those marks that the rail has, in canonical form, and what was lost.

    Of the others, those that say something are written out: quotes, lists, links, mentions; and, where the rail falls
    back to it, bold and its like stand between the signs that people type for them.
    """
    clean = canonical(text)
    kept, lost = [], []
    lines: list[Change] = []
    opening: list[Change] = []
    closing: list[Change] = []
    for mark in clean.marks:
        level = marks.get(mark.kind, Level.DROPPED)
        if level.is_native:
            kept.append(mark)
        elif level is Level.FALLBACK and mark.kind in SIGNS:
            sign = SIGNS[mark.kind]
            opening.append((mark.start, mark.start, sign))
            closing.append((mark.end, mark.end, sign))
            lost.append(phrases.mark_in_signs(mark.kind))
        elif (change := _wording(clean.body, mark, name_of)) is not None:
            place = lines if mark.kind in LINE_KINDS else closing if change[0] == mark.end else opening
            place.append(change)
            lost.append(phrases.mark_in_words(mark.kind))
        elif mark.kind != "link":
            lost.append(phrases.mark_left_out(mark.kind))
    # Of several at one place, what ends there comes first, the inner before the outer; then what begins.
    changes = [*reversed(closing), *lines, *opening]
    return canonical(edited(msgspec.structs.replace(clean, marks=tuple(kept)), changes)), _once(*lost)


def _wording(body: str, mark: Mark, name_of: NameOf) -> Change | None:
    """What is put in place of a part of the body so that the mark's sense is there without it; None: nothing."""
    match mark.kind:
        case "quote":
            return mark.start, mark.start, "> "
        case "bullet":
            return mark.start, mark.start, "- "
        case "number":
            return mark.start, mark.start, f"{mark.value}. "
        case "link":
            words = body[mark.start : mark.end]
            is_itself = not mark.value or mark.value.partition("://")[2] in (words, words + "/") or mark.value == words
            return None if is_itself else (mark.end, mark.end, f" ({mark.value})")
        case "mention":
            name = name_of(mark.value)
            return mark.start, mark.end, f"@{name}" if name else body[mark.start : mark.end]
        case _:
            return None


def written(text: Text, style: Style) -> Rendered:
    """A canonical text in the rail's own way of writing, with as many of its marks as read back."""
    body = style.write(text)
    if _same(style.read(body), text):
        return Rendered(body=body)
    pieces = [_as_far_as_possible(piece, style) for piece in segments(text)]
    if None not in pieces:
        fewer = _joined([piece for piece in pieces if piece is not None])
        body = style.write(fewer)
        if _same(style.read(body), fewer):
            return Rendered(body=body, lost=_missing(text, fewer))
    worded, lost = in_words(text, {})
    return Rendered(body=worded.body, plain=not _same(style.read(worded.body), worded), lost=lost)


def _as_far_as_possible(piece: Text, style: Style) -> Text | None:
    """A line (or block) with the marks that read back; None when even the bare words would be read as markup."""
    if _reads_back(piece, style):
        return piece
    base = msgspec.structs.replace(piece, marks=tuple(mark for mark in piece.marks if mark.kind in LINE_KINDS))
    spans = [mark for mark in piece.marks if mark.kind not in LINE_KINDS]
    if not _reads_back(base, style):
        return None
    if len(spans) <= _TRIED_ONE_BY_ONE:
        for span in spans:
            richer = canonical(msgspec.structs.replace(base, marks=(*base.marks, span)))
            if _reads_back(richer, style):
                base = richer
    return base


def _reads_back(text: Text, style: Style) -> bool:
    return _same(style.read(style.write(text)), text)


def _same(one: Text, other: Text) -> bool:
    return one.body == other.body and one.marks == other.marks


def _joined(pieces: list[Text]) -> Text:
    """Lines put together again."""
    marks: list[Mark] = []
    at = 0
    for piece in pieces:
        marks.extend(
            Mark(kind=mark.kind, value=mark.value, start=mark.start + at, end=mark.end + at) for mark in piece.marks
        )
        at += len(piece.body) + 1
    return canonical(Text(body="\n".join(piece.body for piece in pieces), marks=tuple(marks)))


def _missing(text: Text, fewer: Text) -> tuple[str, ...]:
    kept = set(fewer.marks)
    return _once(*(phrases.mark_left_out(mark.kind) for mark in text.marks if mark not in kept))


def _once(*lost: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(lost))
