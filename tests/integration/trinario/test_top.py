"""`trinario top` on a system that runs: the screen itself, driven by its keys."""

import asyncio
import json
from collections.abc import Iterator

import pytest
import structlog
from rich.console import Console
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from tests.integration.trinario.conftest import PATIENCE_S, ROOT, Trinario
from tests.must import eventually
from trinario.place import Place
from trinario.top.screen import Top, TraceScreen
from trinario.top.sight import Watch

ALICE, CARLA = "whatsapp:+393331112222", "instagram:@carla"


@pytest.fixture(autouse=True)
def _quiet_only_here() -> Iterator[None]:
    """A command silences its process's logs; here that process is the tests', which want theirs back."""
    yield
    structlog.reset_defaults()


def _cells(app: Top, table: str) -> list[list[str]]:
    found = app.screen_stack[0].query_one(f"#{table}", DataTable)
    return [[str(cell) for cell in found.get_row_at(row)] for row in range(found.row_count)]


def _headline(app: Top) -> str:
    return str(app.screen_stack[0].query_one("#headline", Static).content)


async def _written(trinario: Trinario, text: str) -> str:
    """Carla writes to Alice; the message's id on the bus."""
    (sent,) = await trinario.cli("send", "--as", CARLA, "--to", ALICE, text)

    async def routed() -> str:
        process = await asyncio.create_subprocess_exec(
            *trinario.command("trace", sent["native_id"]), "--json", stdout=asyncio.subprocess.PIPE, cwd=ROOT
        )
        out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        assert process.returncode == 0
        return str(json.loads(out)["message_id"])

    return await eventually(routed)


async def test_the_screen(town: Trinario) -> None:
    """Parts with their states, a message that has just gone, its trace by Enter, pause, and the way back."""
    async with Watch(Place(data=town.data)) as watch:
        app = Top(watch, every_s=0.2)
        async with app.run_test(size=(160, 48)) as pilot:

            async def all_well() -> None:
                rows = {row[0]: row for row in _cells(app, "parts")}
                assert {"nats", "router", *(f"bridge {rail}" for rail in town.ready["rails"])} <= set(rows)
                assert "all well" in _headline(app)
                assert rows["bridge instagram"][1] == "connected"

            await eventually(all_well)
            event_id = await _written(town, "for the screen")

            async def seen() -> None:
                assert ["posted", "instagram", "whatsapp", event_id] in [row[1:] for row in _cells(app, "legs")]

            await eventually(seen)
            await _paused(app, pilot)
            await _traced(app, pilot, event_id)


async def _paused(app: Top, pilot: Pilot[None]) -> None:
    await pilot.press("p")
    assert _headline(app).startswith("PAUSED")


async def _traced(app: Top, pilot: Pilot[None], event_id: str) -> None:
    place = [row[4] for row in _cells(app, "legs")].index(event_id)
    app.query_one("#legs", DataTable).move_cursor(row=place)
    await pilot.press("enter")

    async def drawn() -> None:
        await pilot.pause()
        assert isinstance(app.screen, TraceScreen)
        assert event_id in _shown(app)
        assert "whatsapp" in _shown(app)

    await eventually(drawn)
    await pilot.press("escape")
    assert not isinstance(app.screen, TraceScreen)


def _shown(app: Top) -> str:
    console = Console(width=140)
    with console.capture() as capture:
        console.print(app.screen.query_one("#way", Static).content)
    return capture.get()


async def test_what_dies_and_what_is_down_is_seen(trinario: Trinario) -> None:
    """A dead letter with its message's trace; and when everything has gone, the screen says so and stays."""
    trinario.start(environ={"TRINARIO_BRIDGES__WHATSAPP__DEADLINE_S": "1"})
    for handle, name in ((ALICE, "Alice"), (CARLA, "Carla")):
        await trinario.cli("account", "register", handle, "--name", name)
    await trinario.faults("whatsapp", server_error=1.0)
    event_id = await _written(trinario, "dies")
    async with Watch(Place(data=trinario.data)) as watch:
        app = Top(watch, every_s=0.2)
        async with app.run_test(size=(160, 48)) as pilot:

            async def dead() -> None:
                (letter,) = _cells(app, "letters") or [[]]
                assert letter[2:5] == ["outlet", "whatsapp", event_id]
                assert {row[0]: row[6] for row in _cells(app, "parts")}["bridge whatsapp"] == "1"

            await eventually(dead)
            await pilot.press("tab")
            assert app.focused is not None
            assert app.focused.id == "letters"
            await pilot.press("r", "n")
            assert _cells(app, "letters")
            await pilot.press("x", *"written anew", "enter")

            async def dropped() -> None:
                assert _cells(app, "letters") == []

            await eventually(dropped)
            (note,) = await trinario.cli("dead", "list", "--settled")
            assert (note["outcome"], note["why"]) == ("dropped", "written anew")
            await _redriven(trinario, app, pilot)
            trinario.stop()

            async def gone() -> None:
                assert "Nothing runs on the data folder" in _headline(app)

            await eventually(gone)


async def _redriven(trinario: Trinario, app: Top, pilot: Pilot[None]) -> None:
    """Another message dies; the rail comes back; R and Y bring it there."""
    await _written(trinario, "lives again")

    async def dead() -> None:
        assert len(_cells(app, "letters")) == 1

    await eventually(dead)
    await trinario.faults("whatsapp")
    await pilot.press("r", "y")

    async def there() -> None:
        assert "lives again" in [one["text"] for one in await trinario.cli("inbox", "--as", ALICE)]
        assert _cells(app, "letters") == []

    await eventually(there)


async def test_lines_for_scripts(town: Trinario) -> None:
    """With --json a line a look, for as long as it is wanted; without a terminal it is refused."""
    assert (await town.refused("top", "--every", "0")).code == 2
    process = await asyncio.create_subprocess_exec(
        *town.command("top", "--every", "0.1"), "--json", stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    try:
        for _ in range(2):
            sight = json.loads(await asyncio.wait_for(process.stdout.readline(), PATIENCE_S))
            assert {row["name"] for row in sight["rows"]} >= {"nats", "router", "bridge whatsapp", "rail messenger"}
        assert sight["rows"][1]["per_s"] is not None
    finally:
        process.terminate()
        await process.wait()
