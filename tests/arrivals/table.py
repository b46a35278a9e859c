"""The table of docs/rails.md that says what arrives: its cells as they were observed, and as they stand on the page."""

import re
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path
from typing import Final

from tests.arrivals.kinds import KINDS
from tests.arrivals.town import Arrived, Shown
from tests.integration.conftest import RAILS

PAGE: Final = Path(__file__).parents[2] / "docs" / "rails.md"
BEGIN, END = "<!-- begin arrivals -->", "<!-- end arrivals -->"
PAIRS: Final = tuple(permutations(sorted(RAILS), 2))
_WORDS_MOST: Final = 70

Cells = Mapping[tuple[str, str, str], str]
"""Kind, rail it is sent from, rail it is seen on -> what is seen; empty when people on the first cannot send it."""


def cell(arrived: Arrived | None) -> str:
    """What somebody sees, in a few words."""
    if arrived is None:
        return ""
    if arrived.is_same and not arrived.lost:
        return "as it is"
    if arrived.is_whole and not arrived.lost:
        return f"whole, in {len(arrived.messages)} messages"
    seen = " + ".join(_seen(message) for message in arrived.messages)
    return f"{seen} ({'; '.join(arrived.lost)})"


def _seen(message: Shown) -> str:
    if message["unsent"]:
        return "taken back"
    what = message["content"]["type"] if message["content"] is not None else ""
    said = f"`{_short(message['text'])}`" if message["text"] else ""
    return " ".join(filter(None, [what, said]))


def _short(words: str) -> str:
    """One line that a table can hold."""
    line = re.sub(r"https?://127\.0\.0\.1\S*", "LINK", words).replace("`", "\N{ACUTE ACCENT}").replace("|", "/")
    line = " \N{RETURN SYMBOL} ".join(line.splitlines())
    return line if len(line) <= _WORDS_MOST else line[:_WORDS_MOST] + "…"


def rendered(cells: Cells) -> str:
    """The table."""
    head = ["", *(f"{one} → {other}" for one, other in PAIRS)]
    rows = [[kind, *(cells[kind, one, other] for one, other in PAIRS)] for kind in KINDS]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def written(page: str, cells: Cells) -> str:
    """The page with the table as it is now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{rendered(cells)}\n{END}{after}"


def on_the_page() -> dict[tuple[str, str, str], str]:
    """The cells as they stand there."""
    _, _, rest = PAGE.read_text().partition(BEGIN)
    table, _, _ = rest.partition(END)
    rows = [[one.strip() for one in line.strip("|").split("|")] for line in table.strip().splitlines()]
    pairs = [tuple(pair.split(" → ")) for pair in rows[0][1:]]
    return {(row[0], one, other): said for row in rows[2:] for (one, other), said in zip(pairs, row[1:], strict=True)}
