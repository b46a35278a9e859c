"""A bundled rail: somebody else's service, as far as the bus is concerned. It imports none of ours."""

from pathlib import Path

from bus.config import Settings
from rails.catalogue import BUNDLED
from rails.kit.daemon import RailServer
from rails.kit.daemon import RailSettings as OwnSettings
from trinario.daemons.alone import Ready, place_of, run_alone, unnoticed
from trinario.failures import NotFound
from trinario.options import COMMON, Common


async def serve_rail(name: str, settings: Settings, *, ready: Ready = unnoticed) -> None:
    """Run a bundled rail until cancelled. Raises `NotFound` when no such rail is bundled."""
    if name not in BUNDLED:
        raise NotFound(f"No rail {name!r} is bundled. These are: {', '.join(BUNDLED)}.")
    mine = settings.rails[name]
    server = RailServer(
        rail=BUNDLED[name],
        settings=OwnSettings(
            data_dir=place_of(settings).folder(f"rails/{name}"),
            port=mine.port,
            partner_token=mine.partner_token or "",
            partner_secret=mine.partner_secret or "",
            public_url=mine.public_url,
            allow_private_links=mine.allow_private_links,
        ),
    )
    await server.start()
    try:
        ready({"name": f"rail-{name}", "url": server.url})
        await server.wait()
    finally:
        await server.stop()


def rail_run(name: str, /, *, config: Path | None = None, common: Common = COMMON) -> int:
    """Run one bundled rail, until Ctrl-C. It needs no bus.

    Parameters
    ----------
    name
        whatsapp, messenger or instagram.
    config
        Settings file. Default: trinario.toml in the data folder, if there is one.
    """
    return run_alone(common, config, lambda settings, ready: serve_rail(name, settings, ready=ready))
