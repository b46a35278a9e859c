"""The embedded nats-server, and the bus's streams, buckets and consumers on it (or on a NATS run by somebody else)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bus import topology
from bus.config import Settings
from bus.keys import all_roles, ensure_keys
from bus.runtime import run_daemon
from bus.server import EmbeddedServer
from trinario.bus_access import connected
from trinario.daemons.alone import configured, place_of, say_ready
from trinario.failures import Misconfigured
from trinario.options import COMMON, Common


@asynccontextmanager
async def serving_nats(settings: Settings) -> AsyncIterator[EmbeddedServer]:
    """nats-server with the bus on it, for as long as the block lasts. Started from the main thread."""
    place, rails = place_of(settings), list(settings.rails)
    server = EmbeddedServer(
        folder=place_of(settings).folder("nats"),
        keys=ensure_keys(place.folder("keys"), all_roles(rails)),
        rails=rails,
        port=settings.nats.port,
        max_payload_bytes=settings.nats.max_payload_bytes,
        max_file_bytes=settings.nats.max_file_bytes,
    )
    url = await server.start()
    try:
        await make_bus(settings, url)
        yield server
    finally:
        await server.stop()


async def make_bus(settings: Settings, url: str) -> None:
    """Make the streams, buckets and consumers on a NATS, or leave them as they are. It must know our admin's key."""
    ensure_keys(place_of(settings).folder("keys"), all_roles(settings.rails))
    async with connected(place_of(settings), role="admin", url=url) as connection:
        await topology.ensure(
            connection,
            rails=list(settings.rails),
            partitions=settings.router.partitions,
            replicas=settings.nats.replicas,
            limits=topology.limits_of(settings.nats),
        )


def nats_run(*, config: Path | None = None, common: Common = COMMON) -> int:
    """Run nats-server with the bus's streams and keys, until Ctrl-C.

    Parameters
    ----------
    config
        Settings file. Default: trinario.toml in the data folder, if there is one.
    """
    output = common.output()
    found = configured(common, config)
    if not found.runs_nats:
        raise Misconfigured(f"nats.url names {found.settings.nats.url}: that NATS is run elsewhere. Take nats.url out.")

    async def run() -> None:
        async with serving_nats(found.settings) as server:
            say_ready(output, {"name": "nats", "url": server.url})
            await server.wait_closed()

    return run_daemon(run)
