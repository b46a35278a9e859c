"""For each kind and each ordered pair of rails: what arrives, on the rail written to and on the one that looks on."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from bridges.kit import lost
from router.ledger.service import Asking
from tests.arrivals.kinds import KINDS
from tests.arrivals.observing import Observed, observed
from tests.arrivals.table import PAIRS, cell, on_the_page
from tests.arrivals.town import Town, running
from tests.integration.bridges.conftest import Phone
from tests.must import eventually
from trinario.agreement import QUEUED
from trinario.check import Rails, compared

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """One federation for all."""
    async with running(tmp_path_factory.mktemp("town")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def found(town: Town) -> Observed:
    """Everything is sent before the first test looks."""
    return await observed(town)


@pytest.mark.parametrize(("rail", "to"), PAIRS, ids=[f"{one}-{other}" for one, other in PAIRS])
@pytest.mark.parametrize("kind", KINDS)
async def test_what_arrives(found: Observed, kind: str, rail: str, to: str) -> None:
    """What docs/rails.md says, on both other rails; and what is not as it was is named in `lost`."""
    arrived = found[kind, rail, to]
    if isinstance(arrived, Exception):
        raise arrived
    page = on_the_page()
    if arrived is None:
        assert page[kind, rail, to] == ""
        return
    assert len(arrived) == 2
    for other, seen in arrived.items():
        assert seen.messages, f"nothing arrives on {other}"
        assert cell(seen) == page[kind, rail, other], "run `make rails-table` if that is meant"
        assert seen.lost or seen.is_same or seen.is_whole
        assert set(seen.lost) <= set(lost.phrases())


@pytest.mark.parametrize(("rail", "to"), PAIRS, ids=[f"{one}-{other}" for one, other in PAIRS])
async def test_what_the_reader_does_is_seen_by_all(town: Town, rail: str, to: str) -> None:
    """A reaction and an answer on one rail: where the message was written, and on the reader's own other account."""
    writer, readers = town.writers[rail], town.readers[rail]
    native_id = await writer.send(town.address(rail, to), f"Parrots, {to}?")
    results = await town.results(rail, await town.message(rail, native_id))
    copies = {other: result.native_ids[0] for other, result in results.items()}
    status, told = await readers[to].call("PUT", f"messages/{copies[to]}/reaction", json={"emoji": "🦜"})
    assert status == 200, told
    await readers[to].send(writer.handle, f"Yes, from {to}.", reply_to=copies[to])
    seen_by = [(writer, town.address(rail, to), native_id)]
    seen_by += [(readers[other], writer.handle, copies[other]) for other in copies]
    for phone, peer, message_id in seen_by:

        async def seen(phone: Phone = phone, peer: str = peer, message_id: str = message_id) -> None:
            shown = {message["native_id"]: message for message in await phone.inbox(peer)}
            assert list(shown[message_id]["reactions"].values()) == ["🦜"]
            answers = [one for one in shown.values() if one["text"] == f"Yes, from {to}."]
            assert [one["reply_to"] for one in answers][-1:] == [message_id]

        await eventually(seen)


async def test_all_copies_agree_or_the_difference_has_its_reason(town: Town, found: Observed) -> None:
    """`trinario check`'s comparison, over all that was sent: what a copy cannot show is explained, the rest agrees."""
    assert not any(isinstance(one, Exception) for one in found.values())
    await town.world.settled()
    world = town.world
    rails = Rails(
        http=world.http, urls={name: rail.url for name, rail in world.rails.items()}, settings=world.settings.rails
    )
    ledger = await town.with_ledger()

    async def all_told() -> list[dict[str, Any]]:
        checked, differing = await compared(ledger, rails, since_ms=0)
        assert checked >= sum(one is not None for one in found.values())
        assert QUEUED not in {one["what"] for one in differing}
        return differing

    differing = await eventually(all_told)
    assert [one for one in differing if not one["reason"]] == []
    assert {one["what"] for one in differing} == {"text", "unsend", "reactions"}


async def test_every_loss_is_in_the_trace(town: Town, found: Observed) -> None:
    """Asked by what the copy is called: the legs name all that is lost of the message, and of what was done to it."""
    asking = Asking(await town.with_ledger())
    told = 0
    for arrived in found.values():
        assert not isinstance(arrived, Exception)
        for other, seen in (arrived or {}).items():
            if seen.lost:
                story = (await asking("trace", id=seen.messages[0]["native_id"]))["found"]
                legs = [*story["legs"], *(leg for change in story["changes"] for leg in change["legs"])]
                assert set(seen.lost) == {phrase for leg in legs if leg["rail"] == other for phrase in leg["lost"]}
                told += 1
    assert told > len(KINDS)
