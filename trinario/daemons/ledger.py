"""The ledger: what became of every message. Nothing waits for it."""

from pathlib import Path

from bus.config import Settings
from router.ledger.daemon import run as run_ledger
from router.ledger.daemon import yield_to_others
from trinario.daemons.alone import Ready, run_alone, unnoticed
from trinario.options import COMMON, Common


async def serve_ledger(settings: Settings, *, ready: Ready = unnoticed) -> None:
    """Keep the ledger until cancelled."""
    await run_ledger(settings, ready=ready)


def ledger_run(*, config: Path | None = None, common: Common = COMMON) -> int:
    """Keep the ledger, and answer questions about it, until Ctrl-C.

    Parameters
    ----------
    config
        Settings file. Default: trinario.toml in the data folder, if there is one.
    """
    yield_to_others()
    return run_alone(common, config, lambda settings, ready: serve_ledger(settings, ready=ready))
