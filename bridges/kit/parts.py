"""Splitting a text that is longer than a rail allows: at blanks if possible, never within a grapheme."""

from typing import Literal

import regex

_GRAPHEME = regex.compile(r"\X")


def split(text: str, *, limit: int, unit: Literal["characters", "bytes"]) -> list[str]:
    """The parts of `text`, each at most `limit` code points or UTF-8 bytes; joined they are the text again.

    A single grapheme longer than the limit (nobody types one) is cut between code points.
    """
    if _size(text, unit) <= limit:
        return [text]
    parts: list[str] = []
    current: list[str] = []
    size = 0
    for grapheme in _graphemes(text, limit, unit):
        needed = _size(grapheme, unit)
        while size + needed > limit:
            part, current = _broken_at_blank(current)
            parts.append(part)
            size = sum(_size(one, unit) for one in current)
        current.append(grapheme)
        size += needed
    return [*parts, "".join(current)]


def _size(text: str, unit: Literal["characters", "bytes"]) -> int:
    return len(text) if unit == "characters" else len(text.encode("utf-8", "surrogatepass"))


def _graphemes(text: str, limit: int, unit: Literal["characters", "bytes"]) -> list[str]:
    found: list[str] = []
    for grapheme in _GRAPHEME.findall(text):
        found.extend([grapheme] if _size(grapheme, unit) <= limit else grapheme)
    return found


def _broken_at_blank(graphemes: list[str]) -> tuple[str, list[str]]:
    """The part to be sent and what is carried over: breaks after the last blank, if that is in the second half."""
    for index in range(len(graphemes) - 1, len(graphemes) // 2, -1):
        if graphemes[index].isspace():
            return "".join(graphemes[: index + 1]), graphemes[index + 1 :]
    return "".join(graphemes), []
