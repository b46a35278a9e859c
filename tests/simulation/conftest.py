"""What the simulation's tests share: empty rails, and no line a leg in the log."""

import sqlite3
from collections.abc import Iterator

import pytest
import structlog

from tests.simulation.federation import RAILS
from tests.simulation.quiet import silence
from tests.simulation.rail import template


@pytest.fixture(scope="module", autouse=True)
def quiet_logs() -> Iterator[None]:
    """A line a leg is too much here."""
    before = structlog.get_config()
    silence()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> dict[str, sqlite3.Connection]:
    """Each rail's file before anybody is there."""
    folder = tmp_path_factory.mktemp("rails")
    return {name: template(folder, name) for name in RAILS}
