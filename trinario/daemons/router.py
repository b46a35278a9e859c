"""A router. Several share the partitions between them."""

from pathlib import Path

from bus.config import Settings
from router.daemon import run as run_router
from trinario.daemons.alone import Ready, run_alone, unnoticed
from trinario.options import COMMON, Common


async def serve_router(settings: Settings, *, ready: Ready = unnoticed) -> None:
    """Run a router until cancelled."""
    await run_router(settings, ready=ready)


def router_run(*, config: Path | None = None, common: Common = COMMON) -> int:
    """Run a router, until Ctrl-C. Several share the partitions between them.

    Parameters
    ----------
    config
        Settings file. Default: trinario.toml in the data folder, if there is one.
    """
    return run_alone(common, config, lambda settings, ready: serve_router(settings, ready=ready))
