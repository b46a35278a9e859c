"""The console's connection to the bus, under the role ``console``, which may look and change nothing.

Phones need no bus, so the page is served whether it is there or not; what does need it says `BusAway` meanwhile.
"""

import asyncio

import structlog

from bus.config import Settings
from bus.connection import Connection, NotConnected
from bus.keys import ensure_keys
from trinario.failures import Misconfigured, NotReachable

ROLE = "console"
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0

_log = structlog.get_logger(__name__)


class BusAway(NotReachable):
    """There is no bus now."""

    def __init__(self) -> None:
        super().__init__("The bus does not answer. The phones go on; `trinario status` shows more.")


class BusLink:
    """Keeps one connection for as long as `run` runs."""

    def __init__(self, *, url: str, seed: str) -> None:
        self._url, self._seed = url, seed
        self._connection: Connection | None = None

    @classmethod
    def of(cls, settings: Settings) -> "BusLink":
        """By complete settings. Raises `Misconfigured`."""
        if settings.data is None or settings.nats.url is None:
            raise Misconfigured("The console needs `data` and `nats.url`. `trinario up` sets both.")
        keys = ensure_keys(settings.data / "keys", [ROLE])
        return cls(url=settings.nats.url, seed=keys[ROLE].seed)

    @property
    def connection(self) -> Connection:
        """The connection. Raises `BusAway`."""
        if self._connection is None or not self._connection.is_connected:
            raise BusAway
        return self._connection

    async def run(self) -> None:
        """Connect, and connect anew whenever the connection was given up, until cancelled."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                self._connection = await Connection.open(url=self._url, seed=self._seed, name=ROLE, role=ROLE)
            except NotConnected:
                _log.debug("bus.away", again_in_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                continue
            pause_s = _FIRST_PAUSE_S
            try:
                await self._connection.closed.wait()
            finally:
                connection, self._connection = self._connection, None
                await connection.close()
