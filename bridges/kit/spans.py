"""Texts with marks in one canonical form, so that two that look alike are equal; and changes to their bodies. Pure.

In canonical form

* quotes, bullets and numbers stand for one whole line each, at most one quote and one list sign a line, every number
  with its numeral as `value`;
* all other marks but blocks stay within a line, begin and end with a visible character and touch none of their kind;
* a block has no line break at its ends, and nothing is inside a block or a piece of code.

Called by `bridges.kit.formatting` and `bridges.kit.markup`. Linear in body and marks, but for sorting.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Final

from schemas.content import Mark, MarkKind, Text
from schemas.marks import in_order, well_formed

LINE_KINDS: Final[frozenset[MarkKind]] = frozenset({"quote", "bullet", "number"})
_LITERAL: Final[frozenset[MarkKind]] = frozenset({"code", "block"})
_NUMERAL_MOST = 9
"""Digits."""


class _Lines:
    """Where the lines of a body begin and end (without their line breaks)."""

    def __init__(self, body: str) -> None:
        self.body = body
        self.starts = [0]
        at = body.find("\n")
        while at >= 0:
            self.starts.append(at + 1)
            at = body.find("\n", at + 1)

    def index(self, at: int) -> int:
        return bisect_right(self.starts, at) - 1

    def span(self, line: int) -> tuple[int, int]:
        end = self.starts[line + 1] - 1 if line + 1 < len(self.starts) else len(self.body)
        return self.starts[line], end

    def touched(self, start: int, end: int) -> range:
        return range(self.index(start), self.index(end - 1) + 1)


def canonical(text: Text) -> Text:
    """The text in canonical form. The body is the same; marks that make no sense together are fewer."""
    if not text.marks:
        return text
    lines = _Lines(text.body)
    marks = list(_unnested(well_formed(len(text.body), text.marks)))
    code, blocks = _blocks(lines, (mark for mark in marks if mark.kind == "block"))
    taken = {line for mark in blocks for line in lines.touched(mark.start, mark.end)}
    of_lines = _of_lines(lines, (mark for mark in marks if mark.kind in LINE_KINDS), taken)
    others = [mark for mark in marks if mark.kind not in LINE_KINDS and mark.kind != "block"]
    spans = _merged(_within_lines(lines, [*others, *code], blocks))
    found = well_formed(len(text.body), [*blocks, *of_lines, *spans])
    return Text(body=text.body, marks=tuple(_unnested(found)), preview=text.preview)


def _unnested(marks: Iterable[Mark]) -> Iterator[Mark]:
    """Without marks inside one of their own kind, inside code, or inside a block. `marks` are well-formed, in order."""
    open_marks: list[Mark] = []
    for mark in marks:
        while open_marks and open_marks[-1].end <= mark.start:
            open_marks.pop()
        if any(outer.kind == mark.kind or outer.kind in _LITERAL for outer in open_marks):
            continue
        open_marks.append(mark)
        yield mark


def _blocks(lines: _Lines, marks: Iterable[Mark]) -> tuple[list[Mark], list[Mark]]:
    """Blocks within a line become code, the others lose the line breaks at their ends: (code, blocks)."""
    code, blocks = [], []
    for mark in marks:
        inner = lines.body[mark.start : mark.end]
        start, end = mark.start + len(inner) - len(inner.lstrip("\n")), mark.end - len(inner) + len(inner.rstrip("\n"))
        if not inner.strip():
            continue
        if "\n" in inner.strip("\n") or (start, end) == lines.span(lines.index(start)):
            blocks.append(Mark(kind="block", start=start, end=end, value=mark.value))
        else:
            code.append(Mark(kind="code", start=start, end=end))
    return code, blocks


def _of_lines(lines: _Lines, marks: Iterable[Mark], taken: set[int]) -> Iterator[Mark]:
    """A mark a line, for the lines that have something to read and no block."""
    quoted: set[int] = set()
    listed: dict[int, tuple[MarkKind, str]] = {}
    for mark in marks:
        touched = lines.touched(mark.start, mark.end)
        for line in touched:
            start, end = lines.span(line)
            if line in taken or not lines.body[start:end].strip():
                continue
            if mark.kind == "quote":
                quoted.add(line)
            else:
                listed.setdefault(line, (mark.kind, mark.value if line == touched[0] else ""))
    last_line, numeral = -2, 0
    for line in sorted(quoted | listed.keys()):
        start, end = lines.span(line)
        kind, value = listed.get(line, ("quote", ""))
        if kind == "number":
            if not _is_numeral(value):
                value = str(numeral + 1 if last_line == line - 1 else 1)
            last_line, numeral = line, int(value)
        if line in quoted:
            yield Mark(kind="quote", start=start, end=end)
        if kind != "quote":
            yield Mark(kind=kind, start=start, end=end, value=value)


def _is_numeral(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= _NUMERAL_MOST


def _within_lines(lines: _Lines, marks: Iterable[Mark], blocks: Sequence[Mark]) -> Iterator[Mark]:
    """The marks cut at line breaks, without blanks at their ends, outside of blocks."""
    starts = [block.start for block in blocks]
    for mark in marks:
        for line in lines.touched(mark.start, mark.end):
            line_start, line_end = lines.span(line)
            start, end = max(mark.start, line_start), min(mark.end, line_end)
            inner = lines.body[start:end]
            start, end = end - len(inner.lstrip()), start + len(inner.rstrip())
            before = bisect_right(starts, end - 1) - 1
            if start < end and (before < 0 or blocks[before].end <= start):
                yield Mark(kind=mark.kind, value=mark.value, start=start, end=end)


def _merged(marks: Iterable[Mark]) -> list[Mark]:
    """Marks that touch one of their kind (and value) made one with it."""
    found: list[Mark] = []
    latest: dict[tuple[str, str], int] = {}
    for mark in in_order(marks):
        name = (mark.kind, mark.value)
        before = latest.get(name)
        if before is not None and found[before].end == mark.start:
            found[before] = Mark(kind=mark.kind, value=mark.value, start=found[before].start, end=mark.end)
            continue
        latest[name] = len(found)
        found.append(mark)
    return found


def edited(text: Text, changes: Iterable[tuple[int, int, str]]) -> Text:
    """The body with parts replaced, (start, end, by what), and its marks where they then are.

    What is put in at a mark's start stands before the mark, what is put in at its end behind it. Changes do not
    overlap; of two at one place the first given comes first.
    """
    made = sorted(changes, key=lambda change: change[:2])
    if not made:
        return text
    starts, ends, by = [change[0] for change in made], [change[1] for change in made], [change[2] for change in made]
    grown = [0, *accumulate(len(put) - (end - start) for start, end, put in made)]

    def start_of(at: int) -> int:
        index = bisect_right(ends, at)
        inside = index < len(made) and starts[index] < at
        return (starts[index] if inside else at) + grown[index]

    def end_of(at: int) -> int:
        index = bisect_right(ends, at)
        while index and starts[index - 1] == ends[index - 1] == at:
            index -= 1
        inside = index < len(made) and starts[index] < at < ends[index]
        return starts[index] + grown[index] + len(by[index]) if inside else at + grown[index]

    copied = [text.body[end:start] for end, start in zip([0, *ends], [*starts, len(text.body)], strict=True)]
    body = "".join(chain.from_iterable(zip(copied, [*by, ""], strict=True)))
    marks = (
        Mark(kind=mark.kind, value=mark.value, start=start_of(mark.start), end=end_of(mark.end)) for mark in text.marks
    )
    return Text(body=body, marks=tuple(mark for mark in marks if mark.start < mark.end), preview=text.preview)


def segments(text: Text) -> list[Text]:
    """A canonical text line by line; a block's lines stay together. Joined with line breaks they are the text."""
    lines = _Lines(text.body)
    inside = {line for mark in text.marks if mark.kind == "block" for line in lines.touched(mark.start, mark.end)[1:]}
    starts = [start for line, start in enumerate(lines.starts) if line not in inside]
    marks: list[list[Mark]] = [[] for _ in starts]
    for mark in text.marks:
        index = bisect_right(starts, mark.start) - 1
        marks[index].append(
            Mark(kind=mark.kind, value=mark.value, start=mark.start - starts[index], end=mark.end - starts[index])
        )
    ends = [*(start - 1 for start in starts[1:]), len(text.body)]
    return [
        Text(body=text.body[start:end], marks=tuple(found))
        for start, end, found in zip(starts, ends, marks, strict=True)
    ]
