r"""The light markup people write within a text: ``*bold* _italic_ ~strike~ `code` ```block```, quotes, lists. Pure.

Its rules, as a reader of such an app meets them:

* a sign opens between a non-word and a visible character, and closes between a visible character and a non-word: so
  ``2*3*4`` and ``snake_case_name`` are words. A doubled sign is none. What is not closed on its line is literal;
* different signs nest; what would cross is literal; within code and addresses (``https://...``) nothing is a sign;
* three backticks enclose anything up to the next three, line breaks included: a block when whole lines, else code;
* ``> ``, ``- ``, ``* `` and a number with ``. `` at the start of a line, a quote sign before a list sign.

There is no escape sign, which is why `formatting` reads back what it has written. Used by the files of rails whose
texts are written so (`STYLE`).
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from typing import Final

from bridges.kit.formatting import Style
from bridges.kit.spans import LINE_KINDS, canonical
from schemas.content import Mark, MarkKind, Text

_SIGNS: Final[Mapping[str, MarkKind]] = {"*": "bold", "_": "italic", "~": "strike"}
_SPAN_SIGN: Final[Mapping[MarkKind, str]] = {"bold": "*", "italic": "_", "strike": "~", "code": "`", "block": "```"}
_FENCE: Final = "```"

_ADDRESS = re.compile(r"https?://\S+")
_NOT_AT_END: Final = "*_~`.,;:!?)\"'"
_LINE_SIGNS = re.compile(r"(?P<quote>> (?=.*\S))?(?:(?P<bullet>[-*] )|(?P<number>[0-9]{1,9})\. )?(?=.*\S)")
"""No alternative begins as another does, and each look-ahead ends with the line: linear."""


def parse(body: str) -> Text:
    """A body with markup -> the words, and marks in canonical form."""
    return _Reader(body).read()


def write(text: Text) -> str:
    """A canonical text with bold, italic, strike, code, blocks, quotes and lists -> a body with markup.

    Marks that the rules above cannot express give a body that reads otherwise: see `formatting.written`.
    """
    opening = []
    closing = []
    for number, mark in enumerate(text.marks):
        if mark.kind in LINE_KINDS:
            sign = {"quote": "> ", "bullet": "- "}.get(mark.kind, f"{mark.value}. ")
            opening.append((mark.start, int(mark.kind != "quote"), number, sign))
        elif sign := _SPAN_SIGN.get(mark.kind, ""):
            opening.append((mark.start, 2, number, sign))
            closing.append((mark.end, 0, -number, sign))
    pieces = []
    at = 0
    # At one place: what ends there, inner before outer; then line signs; then what begins, outer before inner.
    signs = sorted([(at, -1, number, sign) for at, _, number, sign in closing] + opening)
    for place, _, _, sign in signs:
        pieces += [text.body[at:place], sign]
        at = place
    return "".join([*pieces, text.body[at:]])


STYLE = Style(read=parse, write=write)


def _is_word(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char).startswith("M")


class _Reader:
    """One pass over a body. Signs that turn out to be markup are noted as cuts; the marks are moved at the end."""

    def __init__(self, body: str) -> None:
        self.body = body
        self._cuts: list[tuple[int, int]] = []
        self._marks: list[tuple[MarkKind, int, int, str]] = []
        self._open: list[tuple[str, int]] = []
        self._fences = _fences(body)
        self._addresses = {found.start(): _address_end(found) for found in _ADDRESS.finditer(body)}
        self._line_end = 0

    def read(self) -> Text:
        at = self._begin_line(0)
        while at < len(self.body):
            char = self.body[at]
            if char == "\n":
                at = self._begin_line(at + 1)
            elif at in self._fences:
                at = self._fence(at)
            elif at in self._addresses:
                at = self._addresses[at]
            elif char == "`":
                at = self._code(at)
            else:
                if char in _SIGNS:
                    self._sign(at, char)
                at += 1
        return self._moved()

    def _begin_line(self, at: int) -> int:
        self._open.clear()
        end = self.body.find("\n", at)
        self._line_end = end if end >= 0 else len(self.body)
        if at in self._fences:
            return at
        found = _LINE_SIGNS.match(self.body, at, self._line_end)
        if found is None or found.end() == at:
            return at
        self._cuts.append((at, found.end()))
        for kind in ("quote", "bullet", "number"):
            if found[kind]:
                self._marks.append((kind, found.end(), self._line_end, found[kind] if kind == "number" else ""))
        return found.end()

    def _fence(self, at: int) -> int:
        end = self._fences[at]
        inner_start, inner_end = at + len(_FENCE), end - len(_FENCE)
        # A line break beside the fence belongs to the fence.
        start = inner_start + self.body.startswith("\n", inner_start)
        stop = inner_end - (inner_end > start and self.body[inner_end - 1] == "\n")
        self._cuts += [(at, start), (stop, end)]
        self._marks.append(("block", start, stop, ""))
        if "\n" in self.body[at:end]:
            self._open.clear()
            line_end = self.body.find("\n", end)
            self._line_end = line_end if line_end >= 0 else len(self.body)
        return end

    def _code(self, at: int) -> int:
        if self._opens(at, "`"):
            end = self.body.find("`", at + 1, self._line_end)
            if end > at + 1 and self._closes(end, "`") and self.body[at + 1 : end].strip():
                self._cuts += [(at, at + 1), (end, end + 1)]
                self._marks.append(("code", at + 1, end, ""))
                return end + 1
        return at + 1

    def _sign(self, at: int, sign: str) -> None:
        depth = next((depth for depth, (other, _) in enumerate(self._open) if other == sign), None)
        if depth is not None:
            start = self._open[depth][1]
            if start < at - 1 and self._closes(at, sign):
                del self._open[depth:]
                self._cuts += [(start, start + 1), (at, at + 1)]
                self._marks.append((_SIGNS[sign], start + 1, at, ""))
        elif self._opens(at, sign):
            self._open.append((sign, at))

    def _opens(self, at: int, sign: str) -> bool:
        before, after = self._before(at), self._after(at)
        return not _is_word(before) and before != sign and not after.isspace() and after != sign

    def _closes(self, at: int, sign: str) -> bool:
        before, after = self._before(at), self._after(at)
        return not before.isspace() and before != sign and not _is_word(after) and after != sign

    def _before(self, at: int) -> str:
        return self.body[at - 1] if at else "\n"

    def _after(self, at: int) -> str:
        return self.body[at + 1] if at + 1 < len(self.body) else "\n"

    def _moved(self) -> Text:
        self._cuts.sort()
        starts = [start for start, _ in self._cuts]
        cut = [0, *accumulate(end - start for start, end in self._cuts)]

        def place(at: int) -> int:
            return at - cut[bisect_right(starts, at - 1)]

        ends = [0, *(end for _, end in self._cuts)]
        body = "".join(self.body[end:start] for end, start in zip(ends, [*starts, len(self.body)], strict=True))
        marks = tuple(
            Mark(kind=kind, value=value, start=place(start), end=place(end)) for kind, start, end, value in self._marks
        )
        return canonical(Text(body=body, marks=marks))


def _address_end(found: re.Match[str]) -> int:
    return found.start() + len(found[0].rstrip(_NOT_AT_END))


def _fences(body: str) -> dict[int, int]:
    """Where three backticks open -> behind the three that close them. With nothing in between they are literal."""
    found = {}
    at = body.find(_FENCE)
    while at >= 0:
        end = body.find(_FENCE, at + len(_FENCE))
        if end < 0:
            break
        if body[at + len(_FENCE) : end].strip():
            found[at] = end + len(_FENCE)
            at = body.find(_FENCE, end + len(_FENCE))
        else:
            at = end
    return found
