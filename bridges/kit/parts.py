"""Splitting a text that is longer than a rail allows: at blanks if possible, never within a grapheme. Pure."""

from bisect import bisect_left
from typing import Literal

import regex

from schemas.content import Mark, Text

_GRAPHEME = regex.compile(r"\X")


def split(text: str, *, limit: int, unit: Literal["characters", "bytes"]) -> list[str]:
    """The parts of `text`, each at most `limit` code points or UTF-8 bytes; joined they are the text again.

    A single grapheme longer than the limit (nobody types one) is cut between code points.
    """
    if size(text, unit) <= limit:
        return [text]
    parts: list[str] = []
    current: list[str] = []
    taken = 0
    for grapheme in _graphemes(text, limit, unit):
        needed = size(grapheme, unit)
        while taken + needed > limit:
            part, current = _broken_at_blank(current)
            parts.append(part)
            taken = sum(size(one, unit) for one in current)
        current.append(grapheme)
        taken += needed
    return [*parts, "".join(current)]


def split_text(text: Text, *, limit: int, unit: Literal["characters", "bytes"]) -> list[Text]:
    """The same for a text with marks: one that reaches over a break is there in both parts. Markup is not counted."""
    bodies = split(text.body, limit=limit, unit=unit)
    if len(bodies) == 1:
        return [text]
    ends: list[int] = []
    for body in bodies:
        ends.append((ends[-1] if ends else 0) + len(body))
    marks: list[list[Mark]] = [[] for _ in bodies]
    for mark in text.marks:
        for part in range(bisect_left(ends, mark.start + 1), bisect_left(ends, mark.end) + 1):
            start = ends[part] - len(bodies[part])
            marks[part].append(
                Mark(
                    kind=mark.kind,
                    value=mark.value,
                    start=max(mark.start - start, 0),
                    end=min(mark.end - start, len(bodies[part])),
                )
            )
    return [
        Text(body=body, marks=tuple(found), preview=text.preview if body is bodies[0] else None)
        for body, found in zip(bodies, marks, strict=True)
    ]


def size(text: str, unit: Literal["characters", "bytes"]) -> int:
    """How long a text is in a rail's unit: code points or UTF-8 bytes."""
    return len(text) if unit == "characters" else len(text.encode("utf-8", "surrogatepass"))


def _graphemes(text: str, limit: int, unit: Literal["characters", "bytes"]) -> list[str]:
    found: list[str] = []
    for grapheme in _GRAPHEME.findall(text):
        found.extend([grapheme] if size(grapheme, unit) <= limit else grapheme)
    return found


def _broken_at_blank(graphemes: list[str]) -> tuple[str, list[str]]:
    """The part to be sent and what is carried over: breaks after the last blank, if that is in the second half."""
    for index in range(len(graphemes) - 1, len(graphemes) // 2, -1):
        if graphemes[index].isspace():
            return "".join(graphemes[: index + 1]), graphemes[index + 1 :]
    return "".join(graphemes), []
