"""Several nats-servers that keep every stream together, on this machine: what `EmbeddedServer` is, three times.

Each has a folder of its own (``<folder>/1`` and on) and is watched by itself; the routes between them are TLS with
certificates on both sides. Any minority of them may be away: what was acknowledged is on a majority's disks. For
several machines the same configuration is written by `member_of`, with their addresses.

Called by `trinario up`, `trinario nats run` and the tests.
"""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp

from bus.keys import KeyPair
from bus.server import EmbeddedServer, Member, ServerError

SIZES = (3, 5)
"""A majority of two is two: an even number adds a server and no safety."""

_READY_WITHIN_S = 120.0
_POLL_S = 0.1


class Cluster:
    """`size` nats-servers on 127.0.0.1. `ports`: where clients find them, one each; 0 takes free ones."""

    def __init__(
        self,
        *,
        folder: Path,
        keys: Mapping[str, KeyPair],
        rails: Sequence[str],
        ports: Sequence[int],
        max_payload_bytes: int = 8 * 1024 * 1024,
        max_file_bytes: int | None = None,
    ) -> None:
        if len(ports) not in SIZES:
            raise ServerError(f"A cluster of {len(ports)} servers cannot be; choose {' or '.join(map(str, SIZES))}.")
        self._folder, self._keys, self._rails, self._ports = folder, keys, list(rails), list(ports)
        self._max_payload_bytes = max_payload_bytes
        self._max_file_bytes = max_file_bytes
        self.servers: list[EmbeddedServer] = []

    @property
    def url(self) -> str:
        """Every server's address, separated by commas: what `Connection.open` takes."""
        return ",".join(server.url for server in self.servers)

    @property
    def pids(self) -> dict[str, int]:
        """Which process runs each now."""
        return {f"nats-{number}": server.pid for number, server in enumerate(self.servers, start=1)}

    async def start(self) -> str:
        """Start them all and wait until they have agreed on a leader. Their addresses. Raises `ServerError`."""
        routes = _free_ports(len(self._ports))
        self.servers = [self._server(number, routes) for number in range(1, len(self._ports) + 1)]
        try:
            async with asyncio.TaskGroup() as group:
                for server in self.servers:
                    group.create_task(server.start())
            async with asyncio.timeout(_READY_WITHIN_S):
                await self._agreed()
        except* ServerError as errors:
            await self.stop()
            raise errors.exceptions[0] from None
        except* TimeoutError:
            await self.stop()
            raise ServerError(f"The nats-servers have not found each other within {_READY_WITHIN_S:g} s.") from None
        return self.url

    async def stop(self) -> None:
        """End them all."""
        await asyncio.gather(*(server.stop() for server in self.servers))

    async def wait_closed(self) -> None:
        """Returns when the supervision has ended, which only `stop` (or an error in it, raised here) does."""
        await asyncio.gather(*(server.wait_closed() for server in self.servers))

    def _server(self, number: int, routes: Sequence[int]) -> EmbeddedServer:
        return EmbeddedServer(
            folder=self._folder / str(number),
            keys=self._keys,
            rails=self._rails,
            port=self._ports[number - 1],
            max_payload_bytes=self._max_payload_bytes,
            max_file_bytes=self._max_file_bytes,
            member=member_of(
                self._folder / "tls",
                number=number,
                hosts=["127.0.0.1"] * len(routes),
                ports=routes,
            ),
        )

    async def _agreed(self) -> None:
        """Until every server says that it knows the cluster's leader."""
        async with aiohttp.ClientSession() as http:
            for server in self.servers:
                while True:
                    if await _is_well(http, f"{server.monitoring_url}/healthz"):
                        break
                    await asyncio.sleep(_POLL_S)


def member_of(tls: Path, *, number: int, hosts: Sequence[str], ports: Sequence[int]) -> Member:
    """What the `number`-th server (from 1) has to know of the others. Makes its certificate. Raises `ServerError`."""
    try:
        from bus import certificates  # noqa: PLC0415 - a single server needs no certificates, nor the package
    except ImportError as error:
        raise ServerError(
            "A cluster needs certificates, and what makes them is not installed: pip install 'trinario[cluster]'."
        ) from error
    try:
        paths = certificates.ensure(tls, f"nats-{number}", (hosts[number - 1],))
    except certificates.BadCertificate as error:
        raise ServerError(str(error)) from error
    return Member(
        name=f"trinario-{number}",
        listen=f"{hosts[number - 1]}:{ports[number - 1]}",
        routes=tuple(f"nats://{host}:{port}" for host, port in zip(hosts, ports, strict=True)),
        cert=paths.cert,
        key=paths.key,
        authority=paths.authority,
    )


async def _is_well(http: aiohttp.ClientSession, url: str) -> bool:
    with suppress(OSError, TimeoutError, aiohttp.ClientError):
        async with http.get(url) as answer:
            return answer.status == 200
    return False


def _free_ports(count: int) -> list[int]:
    """Ports for the routes: a server that is started again has to find the others where they were."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
