"""docs/rails.md's tables of what rails carry and what can be lost: ``python -m tests.conformance.table``.

A test compares the page with what this would write, and `test_claims.py` shows on running rails that what the documents
say is so. Nobody edits between the marks.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, get_args

from bridges.catalogue import discover
from bridges.kit import lost
from bridges.kit.contract import Translator
from bridges.kit.downgrade import RUNGS
from schemas.capabilities import Capabilities, Level, MediaLimit
from schemas.content import MarkKind

PAGE: Final = Path(__file__).parents[2] / "docs" / "rails.md"
_LEVELS: Final[Mapping[Level, str]] = {
    Level.FULL: "yes",
    Level.PARTIAL: "within limits",
    Level.FALLBACK: "in words",
    Level.DROPPED: "no",
    Level.REFUSED: "refused",
}


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join([_row(head), _row("---" for _ in head), *(_row(row) for row in rows)])


def _age(seconds: int) -> str:
    if not seconds:
        return ""
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"up to {seconds // size} {unit}"
    return f"up to {seconds} s"


def _bytes(size_bytes: int) -> str:
    for unit, size in (("MiB", 1024 * 1024), ("KiB", 1024)):
        if size_bytes >= size:
            return f"{size_bytes / size:g} {unit}"
    return f"{size_bytes} bytes"


def _file(limit: MediaLimit | None) -> str:
    if limit is None:
        return "no"
    types = "any type" if "*/*" in limit.mimes else ", ".join(mime.partition("/")[2] for mime in limit.mimes)
    moving = f", moving {_bytes(limit.animated_max_bytes)}" if limit.animated_max_bytes else ""
    caption = f"; caption {limit.caption_max:,}" if limit.caption_max else ""
    return f"{types}: {_bytes(limit.max_bytes)}{moving}{caption}"


def _changed(can: Capabilities) -> str:
    times = f"{can.edit_most} times" if can.edit_most else ""
    return ", ".join(filter(None, [_LEVELS[can.edit], _age(can.edit_within_s), times]))


def _of_people(can: Capabilities) -> str:
    return f"; people write up to {can.app_text_max:,} characters" if can.app_text_max else ""


_FEATURES: Final[Mapping[str, Callable[[Capabilities], str]]] = {
    "text": lambda can: f"{can.text_max:,} {can.text_unit} a post" + _of_people(can),
    "answers (replies)": lambda can: _LEVELS[can.reply],
    "delivered is shown": lambda can: _LEVELS[can.delivered],
    "read is shown": lambda can: _LEVELS[can.read],
    "the federation's order": lambda can: _LEVELS[can.order],
    "edit": _changed,
    "unsend": lambda can: ", ".join(filter(None, [_LEVELS[can.unsend], _age(can.unsend_within_s)])),
    "reactions": lambda can: (
        f"{_LEVELS[can.reaction]}, {can.reaction_most} a person, " + (" ".join(can.reaction_emoji) or "any emoji")
    ),
    "groups": lambda can: f"up to {can.group_most:,} members" if can.groups.is_native else _LEVELS[can.groups],
    "typing": lambda can: _LEVELS[can.typing],
    "presence": lambda can: _LEVELS[can.presence],
    "forwarded": lambda can: _LEVELS[can.forwarded],
    "link preview": lambda can: _LEVELS[can.preview],
    "location": lambda can: _LEVELS[can.location],
    "contacts": lambda can: _LEVELS[can.contacts],
    "poll": lambda can: _LEVELS[can.poll],
    "files in one message": lambda can: (
        f"{can.album_most}" + (f" ({', '.join(can.album_kinds)})" if can.album_kinds else "")
    ),
}


def capabilities(rails: Sequence[Translator]) -> str:
    """What each rail carries: features, then files, then formatting."""
    cans = [rail.capabilities for rail in rails]
    head = ["", *(can.rail for can in cans)]
    features = [[name, *(told(can) for can in cans)] for name, told in _FEATURES.items()]
    files = [[kind, *(_file(can.media.get(kind)) for can in cans)] for kind in RUNGS]
    marks = [[kind, *(_LEVELS[can.marks.get(kind, Level.DROPPED)] for can in cans)] for kind in get_args(MarkKind)]
    return "\n\n".join(_grid(head, rows) for rows in (features, files, marks))


def losses() -> str:
    """Every phrase that may stand in `lost`."""
    return _grid(["lost", "what people there see"], [[phrase, means] for phrase, means in lost.phrases().items()])


def written(page: str) -> str:
    """The page with its tables as they are now."""
    rails = list(discover().values())
    for name, table in (("capabilities", capabilities(rails)), ("losses", losses())):
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = f"{before}{begin}\n{table}\n{end}{after}"
    return page


def main() -> None:
    """Write the page anew and print the capability table."""
    PAGE.write_text(written(PAGE.read_text()))
    sys.stdout.write(capabilities(list(discover().values())) + "\n")


if __name__ == "__main__":
    main()
