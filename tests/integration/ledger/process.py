"""A ledger alone, for tests to kill: `python -m tests.integration.ledger.process DATA NATS-URL`."""

import sys
from pathlib import Path

from bus.config import LedgerSettings, NatsSettings, Settings
from bus.logs import configure
from bus.runtime import run_daemon
from router.ledger.daemon import run


def settings(data: Path, url: str, *, search: bool = True) -> Settings:
    """The settings of a ledger on that bus."""
    return Settings(data=data, nats=NatsSettings(url=url), ledger=LedgerSettings(port=0, search=search))


if __name__ == "__main__":
    configure("warning")
    given = settings(Path(sys.argv[1]), sys.argv[2])
    sys.exit(run_daemon(lambda: run(given, ready=lambda _: None)))
