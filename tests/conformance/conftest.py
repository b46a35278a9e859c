"""A stage for each rail that has a bridge; `-k NAME` picks one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bridges.catalogue import discover
from tests.conformance.stage import Stage


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=discover().values(), ids=discover().keys())
async def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One for all claims of a rail."""
    folder: Path = tmp_path_factory.mktemp("stage")
    async with Stage(request.param, folder) as made:
        yield made
