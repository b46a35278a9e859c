"""`trinario chat`: the screen itself, driven by its keys, while the others use their own rails."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from schemas.handles import Handle
from tests.integration.trinario.conftest import Trinario
from tests.must import eventually
from trinario.chat.desk import Desk
from trinario.chat.screen import Chat
from trinario.client import acting
from trinario.place import Place

ALICE, BOB, CARLA = "whatsapp:+393331112222", "messenger:bob.rossi", "instagram:@carla"


@pytest.fixture(autouse=True)
def _quiet_only_here() -> Iterator[None]:
    """A command silences its process's logs; here that process is the tests', which want theirs back."""
    yield
    structlog.reset_defaults()


def _lines(app: Chat, which: str) -> list[str]:
    found = app.query_one(f"#{which}", OptionList)
    return [str(found.get_option_at_index(place).prompt) for place in range(found.option_count)]


async def _type(pilot: Pilot[None], text: str) -> None:
    pilot.app.query_one("#line", Input).value = text
    await pilot.press("enter")


async def _said(trinario: Trinario, handle: str) -> list[dict[str, object]]:
    return await trinario.cli("inbox", "--as", handle)


async def test_a_conversation(town: Trinario, tmp_path: Path) -> None:
    """Alice writes to somebody new, is answered, answers, edits, reacts, sends a file and takes one back."""
    photo = tmp_path / "boat.txt"
    photo.write_text("a boat")
    async with acting(Place(data=town.data), Handle(ALICE)) as client:
        desk = Desk(client, handle=Handle(ALICE))
        await desk.load()
        app = Chat(desk)
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.press("ctrl+n")
            await _type(pilot, f"{CARLA} shall we sail?")
            await _shows(app, "messages", "shall we sail?")

            async def arrived() -> str:
                (last,) = [one for one in await _said(town, CARLA) if one["text"] == "shall we sail?"]
                return str(last["native_id"])

            native_id = await eventually(arrived)
            await town.cli("read", "--as", CARLA, "--with", ALICE)
            await _shows(app, "messages", "shall we sail?  ✓✓ read")
            await town.cli("send", "--as", CARLA, "--to", ALICE, "--reply-to", native_id, "with pleasure")
            await _shows(app, "messages", "> shall we sail?\n")

            await _about_last(app, pilot, "plus")
            await _type(pilot, "⛵")
            await _shows(app, "messages", "with pleasure  ⛵ you")
            await _about_last(app, pilot, "r")
            await _type(pilot, "good")
            await _shows(app, "messages", "> with pleasure")
            await _about_last(app, pilot, "e")
            assert app.query_one("#line", Input).value == "good"
            await _type(pilot, "very good")
            await _shows(app, "messages", "very good  (edited)")
            await pilot.press("ctrl+o")
            await _type(pilot, str(photo))
            await _shows(app, "messages", "[file boat.txt, 6 B]")
            await _about_last(app, pilot, "d")
            await _shows(app, "messages", "(unsent)")

    async def the_same_there() -> None:
        texts = [one["text"] for one in await _said(town, CARLA) if one["from"] != CARLA and not one["unsent"]]
        assert "very good" in texts

    await eventually(the_same_there)


async def test_threads_and_mistakes(town: Trinario) -> None:
    """What comes in elsewhere is counted and comes up; what the rail refuses is said and nothing ends."""
    async with acting(Place(data=town.data), Handle(CARLA)) as client:
        desk = Desk(client, handle=Handle(CARLA))
        await desk.load()
        app = Chat(desk)
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.press("ctrl+n")
            await _type(pilot, "instagram:@nobody.at.all hello?")

            async def told() -> None:
                await pilot.pause()
                assert any("nobody.at.all" in str(one.message) for one in app._notifications)

            await eventually(told)
            await pilot.press("ctrl+n")
            await _type(pilot, f"{ALICE} hello Alice")
            await _shows(app, "messages", "hello Alice")
            await town.cli("send", "--as", BOB, "--to", CARLA, "\x1b[31mAhoi\x07")
            await _shows(app, "threads", "(1)")
            threads = app.query_one("#threads", OptionList)
            threads.focus()
            threads.highlighted = next(n for n, text in enumerate(_lines(app, "threads")) if "(1)" in text)
            await pilot.press("enter")
            await _shows(app, "messages", "\\x1b[31mAhoi\\x07")

    async def read_there() -> None:
        (sent,) = [one for one in await _said(town, BOB) if "Ahoi" in str(one["text"])]
        assert sent["status"] == "read"

    await eventually(read_there)


async def test_it_wants_a_terminal(town: Trinario) -> None:
    """In a pipe it says what to use instead."""
    refused = await town.refused("chat", "--as", ALICE)
    assert refused.code == 2
    assert "trinario watch" in refused.said


async def _shows(app: Chat, which: str, text: str) -> None:
    async def shown() -> None:
        await asyncio.sleep(0)
        assert any(text in one for one in _lines(app, which)), _lines(app, which)

    await eventually(shown)


async def _about_last(app: Chat, pilot: Pilot[None], key: str) -> None:
    found = app.query_one("#messages", OptionList)
    found.focus()
    found.highlighted = found.option_count - 1
    await pilot.press(key)
