"""The web page."""

from pathlib import Path

from bus.config import Settings
from trinario.console.daemon import run as run_console
from trinario.console.login import address
from trinario.daemons.alone import Ready, place_of, run_alone, unnoticed
from trinario.options import COMMON, Common
from trinario.ports import HOST


async def serve_console(settings: Settings, *, ready: Ready = unnoticed) -> None:
    """Serve the page until cancelled."""
    await run_console(settings, ready=ready)


def base_url(settings: Settings) -> str:
    """Where the page is served."""
    return f"http://{HOST}:{settings.console.port}"


def login_url(settings: Settings) -> str:
    """The address that lets who opens it in: for the terminal and for run.json, which only its owner can read."""
    return address(place_of(settings), port=settings.console.port)


def console_run(*, config: Path | None = None, common: Common = COMMON) -> int:
    """Run the web page, until Ctrl-C. It prints the address to open.

    Parameters
    ----------
    config
        Settings file. Default: trinario.toml in the data folder, if there is one.
    """
    return run_alone(common, config, lambda settings, ready: serve_console(settings, ready=ready))
