"""The ledger may be killed, damaged, deleted and made anew: it says the same afterwards."""

import pytest

from bus.service import CannotAnswer, NobodyAnswers
from router.ledger.daemon import path_in
from router.ledger.service import Asking
from schemas.events import LegResult, Results
from schemas.ids import EventId
from tests.integration.conftest import Bus, Connect
from tests.integration.ledger.conftest import LedgerProcess, StartLedger, dump
from tests.integration.router.conftest import StartRouter
from tests.integration.router.scene import ALICE, BOB, CARLA, Scene, message, receipt
from tests.must import eventually


async def _talk(scene: Scene, first: int, count: int) -> None:
    """Messages, results and receipts between three people."""
    for number in range(first, first + count):
        sent = message(ALICE, BOB if number % 2 else CARLA, number)
        await scene.publish("whatsapp", sent)
        result = LegResult(event=sent.id, status="posted" if number % 3 else "failed", native_ids=(f"m_{number}",))
        await scene.publish("messenger", Results(id=EventId(f"evt_r{number}"), results=(result,)))
        if number % 4 == 1:
            await scene.publish("messenger", receipt(BOB, ALICE, number // 2))


async def _settled(asking: Asking, messages: int) -> None:
    async def settled() -> None:
        try:
            found = await asking("figures")
        except (CannotAnswer, NobodyAnswers) as error:
            raise AssertionError from error
        assert (found["messages"], (await asking("status"))["pending"]) == (messages, 0)

    await eventually(settled)


async def test_killed_again_and_again_it_loses_and_doubles_nothing(
    connect: Connect,
    start_router: StartRouter,
    start_ledger: StartLedger,
    ledger_process: LedgerProcess,
    nats_server: Bus,
) -> None:
    """After five times kill -9 it has, row by row, what one has that was never killed."""
    scene = Scene(await connect("admin"))
    await start_router()
    await scene.register(ALICE, BOB, CARLA)
    await eventually(lambda: scene.expect(3))
    for round_ in range(5):
        ledger_process.start()
        await _talk(scene, round_ * 40, 40)

        async def has_begun() -> None:
            assert ledger_process.path.exists()

        await eventually(has_begun)
        ledger_process.kill()
    ledger_process.start()
    await _settled(Asking(await connect("operator")), 200)
    ledger_process.kill()
    elsewhere = nats_server.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "keys").symlink_to(nats_server.folder / "keys")
    await start_ledger(elsewhere)
    await _settled(Asking(await connect("operator")), 200)
    assert dump(ledger_process.path) == dump(path_in(elsewhere))


async def test_made_anew_it_answers_the_same(
    connect: Connect, start_router: StartRouter, start_ledger: StartLedger, nats_server: Bus
) -> None:
    """By the question `rebuild`, after the file was damaged, and when the setting of search has changed."""
    scene, operator = Scene(await connect("admin")), await connect("operator")
    await start_router()
    await scene.register(ALICE, BOB, CARLA)
    await eventually(lambda: scene.expect(3))
    await start_ledger()
    asking = Asking(operator)
    await _talk(scene, 0, 30)
    await _settled(asking, 30)
    path = path_in(nats_server.folder)
    before = dump(path)
    builds = (await asking("rebuild"))["builds"]

    async def rebuilt() -> None:
        try:
            assert (await asking("status"))["builds"] > builds
        except CannotAnswer as error:
            raise AssertionError from error

    await eventually(rebuilt)
    await _settled(asking, 30)
    assert dump(path) == before

    await start_ledger.stop()
    path.write_bytes(b"SQLite format 3\0" + b"nonsense" * 1000)
    await start_ledger()
    await _settled(asking, 30)
    assert dump(path) == before
    assert path.with_suffix(".aside").exists()

    await start_ledger.stop()
    await start_ledger(search=False)
    await _settled(asking, 30)
    assert dump(path)["words"] == []
    with pytest.raises(CannotAnswer, match=r"ledger\.search is off"):
        await asking("search", words="1")
