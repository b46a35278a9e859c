"""A command's connection to the bus, with the key of the role it needs: the operator's, unless something is made."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from bus.connection import Connection, NotConnected
from bus.logs import configure
from trinario.failures import NotReachable
from trinario.place import Place
from trinario.where import running

_CONNECT_WITHIN_S = 5.0


@asynccontextmanager
async def connected(place: Place, *, role: str = "operator", url: str | None = None) -> AsyncIterator[Connection]:
    """A connection, closed at the end. Raises `NotReachable` when there is no bus, or no key for it here."""
    path = place.data / "keys" / f"{role}.nk"
    try:
        seed = path.read_text().strip()
    except FileNotFoundError:
        raise NotReachable(
            f"There is no key of the {role} in {path.parent}: no bus has been started on this data folder. Start "
            "`trinario up`, or name the right folder with --data."
        ) from None
    if not structlog.is_configured():
        configure(level="critical")  # a command says itself what went wrong; its stdout is for data
    address = url or running(place).nats
    try:
        async with asyncio.timeout(_CONNECT_WITHIN_S):
            connection = await Connection.open(url=address, seed=seed, name=f"trinario-{role}", role=role)
    except (NotConnected, TimeoutError) as error:
        raise NotReachable(f"No bus answers at {address}. Is `trinario up` running?") from error
    try:
        yield connection
    finally:
        await connection.close()
