"""Which daemon listens on which port of this machine, and whether those ports are free.

Contract: base +0 NATS, +1 and on the rails, +11 and on their bridges, +20 the console, +30 metrics: the router's,
and +31 the ledger's. Further nats-servers of a cluster: +40 and on.
"""

import random
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from trinario.failures import Misconfigured

HOST = "127.0.0.1"
DEFAULT_BASE = 7100
_RAIL, _BRIDGE, _CONSOLE, _ROUTER, _LEDGER, _MORE_NATS = 1, 11, 20, 30, 31, 40
_MOST_RAILS, _MOST_MORE_NATS = 9, 4
_LOWEST, _DEFAULT_EPHEMERAL = 10_000, 32_768
_EPHEMERAL_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """The ports of one `up`."""

    nats: int
    more_nats: int
    """The first of `_MOST_MORE_NATS` ports for a cluster's further servers. Nothing listens there without a cluster."""
    router: int
    ledger: int
    console: int
    rails: dict[str, int]
    bridges: dict[str, int]

    def all(self) -> dict[str, int]:
        """Who listens -> port."""
        return {
            "nats": self.nats,
            **{f"rail-{rail}": port for rail, port in self.rails.items()},
            **{f"bridge-{rail}": port for rail, port in self.bridges.items()},
            "console": self.console,
            "router": self.router,
            "ledger": self.ledger,
        }


def planned(base: int, rails: Sequence[str]) -> Ports:
    """The contract's ports above a base; with base 0, free ones. Raises `Misconfigured`."""
    if len(rails) > _MOST_RAILS:
        raise Misconfigured(
            f"{len(rails)} rails do not fit the port plan (at most {_MOST_RAILS}): run them one by one."
        )
    highest = 65_535 - _MORE_NATS - _MOST_MORE_NATS
    if base and not 1024 <= base <= highest:
        raise Misconfigured(f"--port-base {base} is out of range: choose 1024 to {highest}, or 0 for free ports.")
    free = _Free()
    find: Callable[[int], int] = (lambda offset: base + offset) if base else free.take
    return Ports(
        nats=find(0),
        more_nats=base + _MORE_NATS if base else free.take_run(_MOST_MORE_NATS),
        router=find(_ROUTER),
        ledger=find(_LEDGER),
        console=find(_CONSOLE),
        rails={rail: find(_RAIL + place) for place, rail in enumerate(rails)},
        bridges={rail: find(_BRIDGE + place) for place, rail in enumerate(rails)},
    )


def require_free(ports: Mapping[str, int]) -> None:
    """Raises `Misconfigured` naming every port that is taken, and whose it was to be."""
    taken = [f"{port} ({who})" for who, port in ports.items() if not is_free(port)]
    if taken:
        word, verb = ("Port", "is") if len(taken) == 1 else ("Ports", "are")
        raise Misconfigured(
            f"{word} {', '.join(taken)} on {HOST} {verb} taken. Stop what listens there, or choose others: "
            "--port-base N, or --port-base 0 for free ones."
        )


def is_free(port: int) -> bool:
    """Whether a server could listen on it now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


class _Free:
    """Free ports from below the range out of which the system serves outgoing connections.

    So a daemon that is started again finds its port: no connection of anybody's can have been given it meanwhile.
    """

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._below = _first_ephemeral()

    def take(self, _: int) -> int:
        return self.take_run(1)

    def take_run(self, length: int) -> int:
        """The first of so many ports in a row."""
        for port in random.sample(range(_LOWEST, self._below - length), k=500):
            run = range(port, port + length)
            if self._taken.isdisjoint(run) and all(map(is_free, run)):
                self._taken.update(run)
                return port
        raise Misconfigured("No free ports were found. Name a base with --port-base N.")


def _first_ephemeral() -> int:
    try:
        first = int(_EPHEMERAL_FILE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _DEFAULT_EPHEMERAL
    return first if first >= _LOWEST + 1000 else _DEFAULT_EPHEMERAL
