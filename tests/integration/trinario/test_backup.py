"""A backup is taken while people write, brought back elsewhere, and the conversation goes on from there."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from tests.integration.trinario.conftest import Trinario
from tests.must import eventually
from trinario.demo import CAST

pytestmark = pytest.mark.timeout(240)

ALICE, BOB = CAST["Alice"], CAST["Bob"]


async def texts(town: Trinario, handle: str, peer: str) -> list[str]:
    """What an inbox shows."""
    return [one["text"] for one in await town.cli("inbox", "--as", handle, "--with", peer)]


async def test_what_was_saved_goes_on_elsewhere(trinario: Trinario, tmp_path: Path) -> None:
    """Everything accepted before the backup is there, once, on every rail; what came meanwhile is on all or on none."""
    trinario.start("--demo")
    before = [f"before {number}" for number in range(3)]
    for text in before:
        await trinario.cli("send", "--as", ALICE[0], "--to", BOB[0], text)

    async def arrived() -> None:
        assert set(before) <= set(await texts(trinario, BOB[1], ALICE[0]))

    await eventually(arrived)
    during = asyncio.create_task(keep_writing(trinario))
    saved = (await trinario.cli("backup", str(tmp_path / "monday")))[0]
    during.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await during
    assert {one["stream"] for one in saved["streams"]} >= {"LOG", "IN_WHATSAPP", "KV_DIRECTORY"}
    assert trinario.stop() == 0

    elsewhere = Trinario(tmp_path / "elsewhere")
    await elsewhere.cli("restore", str(tmp_path / "monday"))
    elsewhere.start()
    try:
        await eventually(lambda: agree(elsewhere, before))
        await elsewhere.cli("send", "--as", BOB[1], "--to", ALICE[0], "after")

        async def goes_on() -> None:
            for handle, peer in ((ALICE[1], BOB[0]), (BOB[0], ALICE[0])):
                assert (await texts(elsewhere, handle, peer))[-1] == "after"

        await eventually(goes_on)
        assert {one["dead"] for one in (await elsewhere.cli("status"))[0]["bridges"].values()} == {0}
    finally:
        elsewhere.end()


async def keep_writing(town: Trinario) -> None:
    """As fast as the command goes."""
    number = 0
    while True:
        await town.cli("send", "--as", BOB[0], "--to", ALICE[0], f"during {number}")
        number += 1


async def agree(town: Trinario, before: list[str]) -> None:
    """All four accounts show the same, nothing twice, and all that was there before."""
    shown = [await texts(town, handle, BOB[0]) for handle in ALICE] + [
        await texts(town, handle, ALICE[0]) for handle in BOB
    ]
    assert set(before) <= set(shown[0])
    assert len(set(shown[0])) == len(shown[0])
    assert all(one == shown[0] for one in shown), shown


async def test_nothing_is_overwritten(trinario: Trinario, tmp_path: Path) -> None:
    """Neither by a backup nor by a restore; and what is no backup is named so."""
    trinario.start()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "diary.txt").write_text("mine")
    assert (await trinario.refused("backup", str(tmp_path / "full"))).code == 78
    assert "no backup" in (await trinario.refused("restore", str(tmp_path / "full"))).said
    await trinario.cli("backup", str(tmp_path / "good"))
    assert "not empty" in (await trinario.refused("restore", str(tmp_path / "good"))).said
