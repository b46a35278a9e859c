"""`trinario backup` and `trinario restore`: everything of a data folder, online, into a folder and back.

The bridges take no webhooks meanwhile: what a rail had handed over before is on the bus, and what came after it has
still in its outbox. In this order, so that what goes on is repeated and never lost: bridges, rails, streams. A bridge
from before its rail does again what it has done (idempotency keys: once on the screen). Keys, secrets, settings and
the sessions of this machine's commands are copied, too; what can be made anew from the log is not.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from bus import snapshots, subjects
from bus.connection import ApiError, Connection, NoAnswer, NoResponder, NotConnected
from bus.keys import all_roles, ensure_keys
from bus.logs import configure
from bus.server import EmbeddedServer
from trinario import __version__
from trinario.bus_access import connected
from trinario.failures import Failed, Misconfigured, NotReachable
from trinario.options import COMMON, Common
from trinario.place import Place
from trinario.settings import machine

_FOLDERS = ("bridges", "rails")
"""Where the daemons that must not lose anything keep their SQLite files, in the order in which they are saved."""

_COPIED = ("keys", "secrets", "sessions", "trinario.toml", "router.id")
_ABOUT = "backup.json"
_HOLD_S, _HOLD_ANSWER_S = 300, 15.0


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself."""

    version: str
    taken_at: str
    """UTC, ISO 8601."""
    rails: tuple[str, ...]
    files: tuple[str, ...]
    streams: tuple[snapshots.Saved, ...]


def backup(to: Path, *, common: Common = COMMON) -> int:
    """Save everything of a running federation into a new folder.

    Parameters
    ----------
    to
        A folder that does not exist, or is empty.
    """
    place, output = common.place(), common.output()
    place.running()
    _require_empty(to)
    to.mkdir(mode=0o700, parents=True, exist_ok=True)
    with output.progress("Saving") as step:
        about = asyncio.run(_save(place, to, step))
    written: dict[str, Any] = {"backup": str(to), **msgspec.to_builtins(about)}
    bytes_ = sum(path.stat().st_size for path in to.rglob("*") if path.is_file())
    output.document(
        {**written, "bytes": bytes_},
        lambda: (
            f"Saved {len(about.files)} stores and {len(about.streams)} streams ({bytes_ / 1e6:.1f} MB) in {to}.\n"
            f"Bring it back with: trinario restore {to} --data NEW-FOLDER"
        ),
    )
    return 0


def restore(source: Path, *, common: Common = COMMON) -> int:
    """Make a data folder from a backup. Then start it with `trinario up`.

    Parameters
    ----------
    source
        What `trinario backup` has written.
    """
    place, output = common.place(), common.output()
    about = _about(source)
    if place.data.exists() and any(place.data.iterdir()):
        raise Misconfigured(f"{place.data} is not empty. Name a new folder with --data; nothing is ever overwritten.")
    configure(level="critical")  # the command says itself what went wrong
    with output.progress("Restoring") as step:
        _copy_back(source, place)
        asyncio.run(_restore_streams(source, place, about, step))
    output.document(
        {"data": str(place.data), "streams": len(about.streams), "taken_at": about.taken_at},
        lambda: f"Restored what was saved on {about.taken_at}. Start it with: trinario up --data {place.data}",
    )
    return 0


async def _save(place: Place, to: Path, step: Callable[[str], None]) -> About:
    try:
        async with connected(place) as conn, _held(conn, list(place.running().bridges)):
            return await _save_all(place, to, step)
    except (NotConnected, NoAnswer) as error:
        raise NotReachable(f"The bus is away: {error} A backup needs it running.") from error


@asynccontextmanager
async def _held(conn: Connection, rails: Sequence[str]) -> AsyncIterator[None]:
    """Have the bridges take no webhooks. One that does not run takes none anyway."""

    async def hold(for_s: int) -> None:
        for rail in rails:
            try:
                answer = await conn.request(subjects.hold(rail), str(for_s).encode(), wait_s=_HOLD_ANSWER_S)
            except NoResponder:
                continue
            if answer.body:
                raise Failed(f"The bridge of {rail} cannot be held: {answer.body.decode()}. Try again.")

    try:
        await hold(_HOLD_S)
        yield
    finally:
        await hold(0)


async def _save_all(place: Place, to: Path, step: Callable[[str], None]) -> About:
    files: list[str] = []
    for folder in _FOLDERS:
        for path in sorted((place.data / folder).rglob("*.db")):
            name = str(path.relative_to(place.data))
            step(name)
            await asyncio.to_thread(_save_sqlite, path, to / name)
            files.append(name)
    _copy_media(place.data / "rails", to / "rails")
    for name in _COPIED:
        _copy(place.data / name, to / name)
    await asyncio.to_thread((to / "streams").mkdir, mode=0o700)
    streams = await _save_streams(place, to / "streams", step)
    about = About(
        version=__version__,
        taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
        rails=tuple(place.running().rails),
        files=tuple(files),
        streams=tuple(streams),
    )
    (to / _ABOUT).write_bytes(msgspec.json.format(msgspec.json.encode(about)))
    return about


async def _save_streams(place: Place, to: Path, step: Callable[[str], None]) -> list[snapshots.Saved]:
    try:
        async with connected(place, role="admin", url=place.running().nats) as conn:
            saved = []
            for stream in await snapshots.stream_names(conn):
                step(stream)
                saved.append(await snapshots.save(conn, stream, to))
            return saved
    except (NotConnected, NoAnswer) as error:
        raise NotReachable(f"The bus is away: {error} A backup needs it running.") from error
    except (ApiError, snapshots.SnapshotError) as error:
        raise Failed(f"The streams could not be saved: {error}") from error


def _save_sqlite(path: Path, to: Path) -> None:
    """A consistent copy of a database in use, by SQLite's own online backup."""
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as live, closing(sqlite3.connect(to)) as copy:
        live.backup(copy)


def _copy_media(source: Path, to: Path) -> None:
    """What the rails keep beside their databases: files that never change once they are there."""
    for path in source.rglob("*"):
        if path.is_file() and not path.name.endswith((".db", ".db-wal", ".db-shm", ".tmp")):
            _copy(path, to / path.relative_to(source))


def _copy(path: Path, to: Path) -> None:
    if path.is_dir():
        shutil.copytree(path, to)
    elif path.exists():
        to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy2(path, to)


def _require_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Misconfigured(f"{folder} is not an empty folder. Name a new one: a backup overwrites nothing.")


def _about(source: Path) -> About:
    try:
        return msgspec.json.decode((source / _ABOUT).read_bytes(), type=About)
    except FileNotFoundError:
        raise Misconfigured(f"{source} is no backup: there is no {_ABOUT} in it (it is written last).") from None
    except msgspec.MsgspecError as error:
        raise Misconfigured(f"{source / _ABOUT} cannot be read: {error}. Take another backup.") from error


def _copy_back(source: Path, place: Place) -> None:
    for name in (*_FOLDERS, *_COPIED):
        _copy(source / name, place.folder() / name)


async def _restore_streams(source: Path, place: Place, about: About, step: Callable[[str], None]) -> None:
    """On a server of our own, for as long as it takes."""
    settings = machine(place, config=None, port_base=0).settings
    server = EmbeddedServer(
        folder=place.folder("nats"),
        keys=ensure_keys(place.folder("keys"), all_roles(about.rails)),
        rails=list(about.rails),
        port=0,
        max_payload_bytes=settings.nats.max_payload_bytes,
        max_file_bytes=settings.nats.max_file_bytes,
    )
    url = await server.start()
    try:
        async with connected(place, role="admin", url=url) as conn:
            for saved in about.streams:
                step(saved.stream)
                await snapshots.restore(conn, saved.stream, source / "streams")
    except snapshots.SnapshotError as error:
        raise Failed(str(error)) from error
    finally:
        await server.stop()
