"""The terminal pictures of the docs, made anew from a real run: ``make pictures``.

`trinario up --processes` with the demo; carla writes to alice, a bridge is stopped, and what `trace`, `why`, `status`
and `top` then show is kept as SVG in docs/pictures.
"""

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

from tests.integration.trinario.conftest import Trinario
from tests.must import eventually
from trinario.place import Place
from trinario.status import looked_at, status_table
from trinario.top.screen import Top
from trinario.top.sight import Watch
from trinario.trace import answer_shown, drawing

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
ALICE, BOB, CARLA = "whatsapp:+393331112222", "messenger:bob.rossi", "instagram:@carla"


def _kept(name: str, title: str, shown: Iterable[RenderableType], *, width: int) -> None:
    console = Console(record=True, width=width, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123 - nothing is written
    for one in shown:
        console.print(one)
    console.save_svg(str(PICTURES / f"{name}.svg"), title=title)


async def _traced(town: Trinario, native_id: str) -> dict[str, Any]:
    async def whole() -> dict[str, Any]:
        (found,) = await town.cli("trace", native_id)
        assert all(leg["status"] in ("posted", "delivered", "read") for leg in found["legs"])
        return found

    return await eventually(whole)


async def make(town: Trinario) -> None:
    """All of them."""
    place = Place(data=town.data)
    (sent,) = await town.cli("send", "--as", ALICE, "--to", BOB, "Sunday at one?")
    await _traced(town, sent["native_id"])
    await town.cli("edit", "--as", ALICE, sent["native_id"], "Sunday at two?")
    await town.cli("read", "--as", BOB, "--with", ALICE)
    await asyncio.sleep(1)  # so that the picture shows the read
    found = await _traced(town, sent["native_id"])
    (why,) = await town.cli("why", sent["native_id"], "instagram:@bob")
    _kept("trace", "trinario trace, trinario why", [drawing(found), "", answer_shown(why)], width=120)

    stopped = town.run_file()["daemons"]["bridge-whatsapp"]["pid"]
    os.kill(stopped, signal.SIGSTOP)
    try:
        for number in range(3):
            await town.cli("send", "--as", CARLA, "--to", ALICE, f"are you there? {number}")
        status = await looked_at(place, place.running())
        _kept("status", "trinario status", [status_table(status)], width=150)
        async with Watch(place) as watch:
            app = Top(watch, every_s=0.5)
            async with app.run_test(size=(150, 36)) as pilot:
                await asyncio.sleep(3)
                await pilot.pause()
                (PICTURES / "top.svg").write_text(app.export_screenshot(title="trinario top"))
    finally:
        os.kill(stopped, signal.SIGCONT)


def main() -> None:
    """The command."""
    with tempfile.TemporaryDirectory(prefix="trinario-pictures-") as folder:
        town = Trinario(Path(folder))
        town.start("--demo", "--processes")
        try:
            asyncio.run(make(town))
        finally:
            town.stop()


if __name__ == "__main__":
    main()
