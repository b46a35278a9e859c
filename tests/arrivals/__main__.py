"""``python -m tests.arrivals``: send everything, and write the table of docs/rails.md anew."""

import asyncio
import tempfile
from pathlib import Path

from tests.arrivals.observing import observed
from tests.arrivals.table import PAGE, cell, written
from tests.arrivals.town import running


async def main() -> None:
    """Raises what an observation raised."""
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder)) as town:
            found = await observed(town)
    cells = {}
    for (kind, rail, to), arrived in found.items():
        if isinstance(arrived, Exception):
            raise arrived
        cells[kind, rail, to] = cell(arrived[to] if arrived is not None else None)
    PAGE.write_text(written(PAGE.read_text(), cells))


if __name__ == "__main__":
    asyncio.run(main())
