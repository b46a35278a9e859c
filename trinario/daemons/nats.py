"""The embedded nats-server, and the bus's streams, buckets and consumers on it (or on a NATS run by somebody else)."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import structlog

from bus import topology
from bus.cluster import Cluster
from bus.config import Settings
from bus.connection import ApiError, NoAnswer, NoResponder, NotConnected
from bus.keys import all_roles, ensure_keys
from bus.runtime import run_daemon
from bus.server import EmbeddedServer
from trinario.bus_access import connected
from trinario.daemons.alone import configured, place_of, say_ready
from trinario.failures import Misconfigured
from trinario.options import COMMON, Common, Flag
from trinario.settings import nats_ports

_ANSWERS_WITHIN_S, _PAUSE_S = 60.0, 0.5
_log = structlog.get_logger(__name__)

_THREE = {"TRINARIO_NATS__SERVERS": "3"}


@asynccontextmanager
async def serving_nats(settings: Settings) -> AsyncIterator[EmbeddedServer | Cluster]:
    """nats-server (or several) with the bus on it, for as long as the block lasts. Started from the main thread."""
    place, rails, ports = place_of(settings), list(settings.rails), list(nats_ports(settings).values())
    folder = place.folder("nats")
    _check_made_for(len(ports), folder)
    keys = ensure_keys(place.folder("keys"), all_roles(rails))
    make = Cluster if len(ports) > 1 else _alone
    servers = make(
        folder=folder,
        keys=keys,
        rails=rails,
        ports=ports,
        max_payload_bytes=settings.nats.max_payload_bytes,
        max_file_bytes=settings.nats.max_file_bytes,
    )
    url = await servers.start()
    try:
        await make_bus(settings, url)
        yield servers
    finally:
        await servers.stop()


def _alone(*, ports: Sequence[int], **more: Any) -> EmbeddedServer:
    return EmbeddedServer(port=ports[0], **more)


def _check_made_for(servers: int, folder: Path) -> None:
    """Other stores than before would be an empty bus. Raises `Misconfigured`."""
    made = 1 if (folder / "store").exists() else sum((folder / str(n) / "store").exists() for n in range(1, 6))
    if made and made != servers:
        raise Misconfigured(
            f"The bus in {folder} was made with {made} nats-server{'s' if made > 1 else ''}, and nats.servers says "
            f"{servers}. Set it back to {made}, or start with another data folder."
        )


async def make_bus(settings: Settings, url: str) -> None:
    """Make the streams, buckets and consumers on a NATS, or leave them as they are. It must know our admin's key."""
    ensure_keys(place_of(settings).folder("keys"), all_roles(settings.rails))
    async with connected(place_of(settings), role="admin", url=url) as connection:
        await _surely(
            lambda: topology.ensure(
                connection,
                rails=list(settings.rails),
                partitions=settings.router.partitions,
                replicas=settings.nats.replicas or settings.nats.servers,
                limits=topology.limits_of(settings.nats),
            )
        )


async def _surely(make: Callable[[], Awaitable[None]]) -> None:
    """Again while nobody answers: after all servers of a cluster have died each stream has to find a leader first."""
    clock = asyncio.get_running_loop().time
    until_s = clock() + _ANSWERS_WITHIN_S
    while True:
        try:
            return await make()
        except (NoAnswer, NoResponder, NotConnected, ApiError) as error:
            is_for_good = isinstance(error, ApiError) and error.code != HTTPStatus.SERVICE_UNAVAILABLE
            if is_for_good or clock() > until_s:
                raise
            _log.warning("bus.not_made", reason=str(error))
        await asyncio.sleep(_PAUSE_S)


def nats_run(*, config: Path | None = None, cluster: Flag = False, common: Common = COMMON) -> int:
    """Run nats-server with the bus's streams and keys, until Ctrl-C.

    Parameters
    ----------
    config
        Settings file. Default: trinario.toml in the data folder, if there is one.
    cluster
        Three servers that keep every stream together, as with nats.servers = 3: one of them may be away.
    """
    output = common.output()
    found = configured(common, config, environ={**os.environ, **(_THREE if cluster else {})})
    if not found.runs_nats:
        raise Misconfigured(f"nats.url names {found.settings.nats.url}: that NATS is run elsewhere. Take nats.url out.")

    async def run() -> None:
        async with serving_nats(found.settings) as servers:
            say_ready(output, {"name": "nats", "url": servers.url})
            await servers.wait_closed()

    return run_daemon(run)
