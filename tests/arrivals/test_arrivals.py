"""For each kind and each ordered pair of rails: what arrives, on the rail written to and on the one that looks on."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bridges.kit import lost
from tests.arrivals.kinds import KINDS
from tests.arrivals.observing import Observed, observed
from tests.arrivals.table import PAIRS, cell, on_the_page
from tests.arrivals.town import running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def found(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Observed]:
    """One federation for all; everything is sent before the first test looks."""
    async with running(tmp_path_factory.mktemp("town")) as town:
        yield await observed(town)


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
