"""Files, edits, unsends, reactions and votes through the command line alone, on the demo's people."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.integration.trinario.conftest import PATIENCE_S, Trinario
from tests.must import eventually
from trinario.demo import CAST

pytestmark = pytest.mark.timeout(240)

ALICE, BOB, (CARLA,) = CAST["Alice"], CAST["Bob"], CAST["Carla"]
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c636060606000000005"
    "0001a5f645400000000049454e44ae426082"
)


async def last(town: Trinario, handle: str, peer: str) -> dict[str, Any]:
    """The latest message of a thread."""
    found: dict[str, Any] = (await town.cli("inbox", "--as", handle, "--with", peer))[-1]
    return found


async def sent(town: Trinario, *words: str) -> str:
    """Send; the native id."""
    return str((await town.cli("send", "--as", BOB[1], "--to", CARLA, *words))[0]["native_id"])


async def test_second_thoughts(town: Trinario) -> None:
    """Edit, react and unsend; the other side sees each; another's message is not ours to change."""
    native_id = await sent(town, "On Mnday.")
    assert await town.cli("edit", "--as", BOB[1], native_id, "On Monday.") == [{"native_id": native_id}]
    here = await last(town, CARLA, BOB[1])
    assert (here["text"], here["edited"], here["reactions"]) == ("On Monday.", True, {})
    assert await town.cli("react", "--as", CARLA, here["native_id"], "❤️") == [{"native_id": here["native_id"]}]
    assert (await last(town, BOB[1], CARLA))["reactions"] == {CARLA: "❤️"}
    await town.cli("react", "--as", CARLA, here["native_id"], "")
    assert (await last(town, BOB[1], CARLA))["reactions"] == {}
    assert (await town.refused("edit", "--as", CARLA, here["native_id"], "No.")).code == 4
    assert (await town.refused("unsend", "--as", CARLA, here["native_id"])).code == 4
    assert (await town.refused("react", "--as", CARLA, "no-such-id", "❤️")).code == 3
    assert await town.cli("unsend", "--as", BOB[1], native_id) == [{"native_id": native_id}]
    gone = await last(town, CARLA, BOB[1])
    assert (gone["text"], gone["unsent"]) == ("", True)
    assert (await town.refused("edit", "--as", BOB[1], native_id, "Back.")).code == 4


async def test_a_reply_names_what_it_answers(town: Trinario) -> None:
    """--reply-to, to a message of the thread; any other is refused."""
    question = await sent(town, "Are you there?")
    theirs = (await last(town, CARLA, BOB[1]))["native_id"]
    await town.cli("send", "--as", CARLA, "--to", BOB[1], "I am.", "--reply-to", theirs)
    assert (await last(town, BOB[1], CARLA))["reply_to"] == question
    assert (await town.refused("send", "--as", CARLA, "--to", BOB[1], "?", "--reply-to", "nothing")).code in {2, 3}


async def test_a_file_goes_out_with_words_and_is_saved(town: Trinario, tmp_path: Path) -> None:
    """By its content, with the words beside it; saved whole, never over another file."""
    photo = tmp_path / "beach.png"
    photo.write_bytes(PNG)
    native_id = await sent(town, "Look!", "--file", str(photo))
    found = await town.cli("inbox", "--as", BOB[1], "--with", CARLA)
    assert found[-1]["text"] == "Look!"
    saved = (await town.cli("download", "--as", BOB[1], native_id, "--to", str(tmp_path / "copy.png")))[0]
    assert (tmp_path / "copy.png").read_bytes() == PNG
    assert (saved["files"][0]["mime"], saved["files"][0]["size_bytes"]) == ("image/png", len(PNG))
    assert (await town.refused("download", "--as", BOB[1], native_id, "--to", str(tmp_path / "copy.png"))).code == 4
    assert (await town.refused("download", "--as", BOB[1], native_id, "--to", str(tmp_path / "no" / "x"))).code == 3
    assert (await town.refused("download", "--as", BOB[1], found[-1]["native_id"], "--to", str(tmp_path))).code == 3
    assert sorted(os.listdir(tmp_path)) == ["beach.png", "copy.png"]  # noqa: PTH208 - the loop is ours alone
    command = town.command("inbox", "--as", BOB[1], "--with", CARLA)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert "[photo beach.png" in out.decode()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("send", "--as", CARLA, "--to", BOB[1]), 2, "--file"),
        (("send", "--as", CARLA, "--to", BOB[1], "--file", "no-such-file.png"), 3, "no-such-file.png"),
        (("send", "--as", CARLA, "--to", BOB[1], "--file", __file__), 4, "instagram"),
        (("vote", "--as", CARLA, "no-such-id", "0"), 2, "numbered from 1"),
    ],
)
async def test_what_cannot_be_sent_is_told(town: Trinario, words: tuple[str, ...], code: int, told: str) -> None:
    """Nothing to send, no such file, a kind that the rail does not carry, an option that is none."""
    failed = await town.refused(*words)
    assert failed.code == code
    assert told.lower() in failed.said.lower()


async def test_a_watcher_sees_changes(town: Trinario) -> None:
    """edited, reaction and unsent as they happen."""
    command = town.command("watch", "--as", CARLA, "--json")
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        await asyncio.wait_for(process.stderr.readline(), PATIENCE_S)
        kinds: list[str] = []

        async def connected() -> None:
            """The first event proves that the watcher listens."""
            await sent(town, "Are you watching?")
            line = await asyncio.wait_for(process.stdout.readline(), 5)  # type: ignore[union-attr]
            assert line

        await eventually(connected)
        native_id = await sent(town, "A")
        await town.cli("edit", "--as", BOB[1], native_id, "B")
        await town.cli("react", "--as", BOB[1], native_id, "👍")
        await town.cli("unsend", "--as", BOB[1], native_id)
        while kinds[-1:] != ["unsent"]:
            line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
            kinds.append(json.loads(line)["type"])
        told = [kind for kind in kinds if kind in {"edited", "reaction", "unsent"}]
        assert told == ["edited", "reaction", "unsent"]
    finally:
        process.terminate()
        await process.wait()


async def test_what_is_to_go_goes(town: Trinario) -> None:
    """--expires on the very rail it is written on, and a timer for all of a thread; the trace says that it went."""
    native_id = await sent(town, "For a moment.", "--expires", "2s")

    async def gone() -> None:
        here = await last(town, CARLA, BOB[1])
        assert (here["text"], here["unsent"]) == ("", True)

    await eventually(gone)

    async def told() -> None:
        (story,) = await town.cli("trace", native_id)
        assert story["expired"] is True
        assert story["expires_at_ms"] > story["accepted_at_ms"]

    await eventually(told)
    asked = ("timer", "--as", CARLA, "--with", BOB[1])
    assert await town.cli(*asked, "--after-read", "7d") == [{"after_s": 0, "after_read_s": 7 * 24 * 3600}]
    await sent(town, "For a week.")
    assert (await last(town, BOB[1], CARLA))["after_read_s"] == 7 * 24 * 3600
    assert await town.cli(*asked, "--off") == [{"after_s": 0, "after_read_s": 0}]
    await sent(town, "For good.")
    assert (await last(town, BOB[1], CARLA))["after_read_s"] is None
    assert (await town.refused(*asked)).code == 2
    assert (await town.refused("send", "--as", BOB[1], "--to", CARLA, "?", "--expires", "soon")).code == 2
    own = await town.cli("person", "timer", BOB[1], "--expires", "7d", "--after-read", "1d")
    assert [(one["after_s"], one["after_read_s"]) for one in own] == [(7 * 24 * 3600, 24 * 3600)]

    async def counts() -> None:
        native_id = await sent(town, "For a week, or a day.")
        (story,) = await town.cli("trace", native_id)
        assert story["after_read_s"] == 24 * 3600

    await eventually(counts)
    assert (await town.cli("person", "timer", BOB[1], "--off"))[0]["after_s"] == 0
