"""A router daemon alone, for tests to kill: `python -m tests.integration.router.process DATA NATS-URL RAIL ...`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from bus.config import NatsSettings, RailSettings, RouterSettings, Settings
from bus.logs import configure
from bus.runtime import run_daemon
from router.daemon import run


def settings(data: Path, url: str, rails: Sequence[str]) -> Settings:
    """The settings of a router on that bus."""
    return Settings(
        data=data,
        nats=NatsSettings(url=url),
        rails={rail: RailSettings() for rail in rails},
        router=RouterSettings(port=0),
    )


if __name__ == "__main__":
    configure("warning")
    given = settings(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
    sys.exit(run_daemon(lambda: run(given, ready=lambda _: None)))
