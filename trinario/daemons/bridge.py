"""The bridge of one rail."""

from pathlib import Path

from bridges.catalogue import discover
from bridges.kit.daemon import run as run_bridge
from bus.config import Settings
from trinario.daemons.alone import Ready, place_of, run_alone, unnoticed
from trinario.failures import NotFound
from trinario.options import COMMON, Common


async def serve_bridge(name: str, settings: Settings, *, ready: Ready = unnoticed) -> None:
    """Run the bridge of a rail until cancelled. Raises `NotFound` when there is none for it."""
    known = discover()
    translator = next((one for rail, one in known.items() if rail == name), None)
    if translator is None:
        raise NotFound(f"There is no bridge for a rail {name!r}. There are: {', '.join(known)}.")
    place_of(settings).folder("bridges")
    await run_bridge(settings, translator=translator, ready=ready)


def bridge_run(name: str, /, *, config: Path | None = None, common: Common = COMMON) -> int:
    """Run the bridge of one rail, until Ctrl-C.

    Parameters
    ----------
    name
        The rail.
    config
        Settings file. Default: trinario.toml in the data folder, if there is one.
    """
    return run_alone(common, config, lambda settings, ready: serve_bridge(name, settings, ready=ready))
