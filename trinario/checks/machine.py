"""This machine: versions, disk, who may read what is stored, whether the stores are sound, whether ports are free."""

import asyncio
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

from bus.config import Settings
from bus.server import ServerError, check_version, find_binary
from rails.catalogue import BUNDLED
from trinario import __version__
from trinario.checks.finding import Finding
from trinario.place import Place
from trinario.ports import is_free
from trinario.settings import nats_ports

_GIB = 1024**3
_PRIVATE = ("keys", "secrets", "sessions")
_STORES = ("bridges/*.db", "rails/*/*.sqlite3", "ledger/*.db")


def versions() -> Finding:
    """What runs this command."""
    return Finding(what="versions", found=f"trinario {__version__}, Python {sys.version.split()[0]}")


async def server_binary(settings: Settings, *, runs_nats: bool) -> Finding:
    """Whether there is a nats-server new enough, where we are to run one."""
    if not runs_nats:
        return Finding(what="nats-server", found=f"run by somebody else, at {settings.nats.url}")
    try:
        return Finding(what="nats-server", found=await check_version(find_binary()))
    except ServerError as error:
        return Finding(what="nats-server", found="not usable", remedy=str(error))


def disk(place: Place, *, enough_bytes: int) -> Finding:
    """Whether there is space left where the data is."""
    folder = place.data
    while not folder.exists():
        folder = folder.parent
    free_bytes = shutil.disk_usage(folder).free
    is_enough = free_bytes > enough_bytes
    return Finding(
        what="disk",
        found=f"{free_bytes / _GIB:.1f} GiB free at {place.data}"
        + ("" if is_enough else f", less than doctor.free_bytes ({enough_bytes / _GIB:.1f} GiB)"),
        remedy=""
        if is_enough
        else "Free some space, or move the data folder: on a full disk NATS takes nothing more, and "
        "needs a restart once "
        "there is space again.",
    )


def modes(place: Place) -> Finding:
    """Whether only the owner can read keys, secrets, sessions and what people wrote."""
    loose = sorted(path for path in _private(place) if path.stat().st_mode & 0o077)
    if not loose:
        return Finding(what="permissions", found="only you can read what is stored")
    return Finding(
        what="permissions",
        found=f"others can read {loose[0]}" + (f" and {len(loose) - 1} more" if loose[1:] else ""),
        remedy=f"chmod -R go-rwx {place.data}",
    )


def _private(place: Place) -> Iterator[Path]:
    yield from (path for path in place.data.glob("*") if path.is_dir())
    for name in _PRIVATE:
        yield from (place.data / name).glob("*")


async def stores(place: Place) -> list[Finding]:
    """Whether each SQLite file here is sound. Reads only; beside a running daemon, too."""
    files = [path for pattern in _STORES for path in sorted(place.data.glob(pattern))]
    damaged = [(path, why) for path in files if (why := await asyncio.to_thread(_damage, path))]
    if not damaged:
        return [Finding(what="stores", found=f"{len(files)} files, all sound")]
    return [
        Finding(what=f"store {path.name}", found=f"{path} is damaged: {why}", remedy=_mend(path))
        for path, why in damaged
    ]


def _damage(path: Path) -> str:
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
        try:
            verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        return "" if "locked" in str(error) else str(error)
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if verdict == "ok" else verdict.splitlines()[0]


def _mend(path: Path) -> str:
    owner = path.parent.name
    if owner == "ledger":
        return f"Stop the ledger and move {path} away (with -wal and -shm): it is made again from the log."
    if owner == "bridges":
        return (
            f"Stop the bridge and restore {path} (with -wal and -shm) from a backup. Without one move "
            "it away: the bridge "
            "starts afresh from the log and the rail, but forgets which messages it has posted."
        )
    return f"Stop the rail and restore {path} (with -wal and -shm) from a backup: it holds what people wrote there."


def ports(settings: Settings, *, runs_nats: bool) -> list[Finding]:
    """Whether the ports that the daemons want are free. Asked only when none of them runs."""
    wanted = {
        **(nats_ports(settings) if runs_nats else {}),
        **{f"rail {name}": rail.port for name, rail in settings.rails.items() if name in BUNDLED},
        **{f"bridge {name}": bridge.port for name, bridge in settings.bridges.items()},
        "console": settings.console.port,
        "router": settings.router.port,
        "ledger": settings.ledger.port,
    }
    taken = {who: port for who, port in wanted.items() if port and not is_free(port)}
    if not taken:
        return [Finding(what="ports", found=f"{len(wanted)} ports are free")]
    return [port_taken(who, port) for who, port in taken.items()]


def port_taken(who: str, port: int) -> Finding:
    """Somebody else listens where a daemon of ours should."""
    return Finding(
        what=f"port {port}",
        found=f"taken by something that is not the {who}, whose port it is",
        remedy=f"Stop what listens there (`ss -ltnp 'sport = :{port}'` names it), or choose other "
        "ports: --port-base N for "
        "`trinario up`, or the port's setting.",
    )
