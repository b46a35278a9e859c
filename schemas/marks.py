"""Marks as the tree they are: what is well-formed, and a walk over a body with its marks. Pure.

Called by the bridges' renderers and parsers; the marks themselves are in `schemas.content`.
"""

from collections.abc import Iterable

from schemas.content import Mark


def in_order(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """The marks with the outer before the inner: by start, longer first, then by name."""
    return tuple(sorted(marks, key=lambda mark: (mark.start, -mark.end, mark.kind, mark.value)))


def well_formed(length: int, marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """The marks that make a tree over a body of `length` code points, in order; those that do not are left out.

    A mark is left out that is empty, reaches out of the body, or crosses one that is kept. So whatever a rail sends
    can be rendered, and no word is lost by it.
    """
    kept: list[Mark] = []
    open_ends: list[int] = []
    for mark in in_order(marks):
        if not 0 <= mark.start < mark.end <= length:
            continue
        while open_ends and open_ends[-1] <= mark.start:
            open_ends.pop()
        if open_ends and mark.end > open_ends[-1]:
            continue
        open_ends.append(mark.end)
        kept.append(mark)
    return tuple(kept)


def shifted(marks: Iterable[Mark], by: int, *, start: int, end: int) -> tuple[Mark, ...]:
    """What the marks are of the part ``body[start:end]``, placed `by` code points further on."""
    return tuple(
        Mark(
            kind=mark.kind,
            value=mark.value,
            start=max(mark.start, start) - start + by,
            end=min(mark.end, end) - start + by,
        )
        for mark in marks
        if mark.start < end and mark.end > start
    )
