"""doctor: looks at everything from outside and says what is wrong and what to do about it."""

import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from bus import subjects, topology
from bus.server import ServerError, check_version, find_binary
from trinario import __version__
from trinario.bus_access import connected
from trinario.failures import NotReachable
from trinario.options import COMMON, Common
from trinario.output import DONE, FAILED, table
from trinario.place import Place, Running
from trinario.status import UNREACHABLE, collected
from trinario.where import running

_ENOUGH_DISK_BYTES = 1024**3
_LONG_LAG_MS = 10_000


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at. `remedy` is empty when all is well."""

    what: str
    found: str
    remedy: str = ""


async def doctor(*, common: Common = COMMON) -> int:
    """Is all well, and if not, what to do. Exit code 0 when it is, 1 when something wants doing."""
    place = common.place()
    findings = [*_machine(place), await _server_binary(), *await _parts(place)]
    wrong = [one for one in findings if one.remedy]
    shown = {"well": not wrong, "findings": [{**msgspec.to_builtins(one), "well": not one.remedy} for one in findings]}
    rows = [(one.what, "ok" if not one.remedy else "LOOK", one.found, one.remedy) for one in findings]
    common.output().document(shown, lambda: table(("what", "", "found", "remedy"), rows, empty=""))
    return FAILED if wrong else DONE


def _machine(place: Place) -> Iterator[Finding]:
    yield Finding(what="versions", found=f"trinario {__version__}, Python {sys.version.split()[0]}")
    folder = place.data
    while not folder.exists():
        folder = folder.parent
    free_bytes = shutil.disk_usage(folder).free
    yield Finding(
        what="disk",
        found=f"{free_bytes / 1024**3:.1f} GiB free at {place.data}",
        remedy="" if free_bytes > _ENOUGH_DISK_BYTES else "Free some space: a full disk stops the bus.",
    )
    loose = [path for path in _private(place) if path.stat().st_mode & 0o077]
    yield Finding(
        what="file modes",
        found="only you can read what is stored" if not loose else f"others can read {loose[0]}",
        remedy="" if not loose else f"chmod -R go-rwx {place.data}",
    )


def _private(place: Place) -> Iterator[Path]:
    yield from (path for path in place.data.glob("*") if path.is_dir())
    for name in ("keys", "secrets", "sessions"):
        yield from (place.data / name).glob("*")


async def _server_binary() -> Finding:
    try:
        return Finding(what="nats-server", found=await check_version(find_binary()))
    except ServerError as error:
        return Finding(what="nats-server", found="not usable", remedy=str(error))


async def _parts(place: Place) -> list[Finding]:
    try:
        known = running(place)
    except NotReachable as error:
        return [Finding(what="running", found="no", remedy=str(error))]
    found = await collected(known)
    return [
        Finding(
            what="running",
            found=f"process {known.pid}, data in {known.data}"
            if known.pid
            else f"each alone, as {place.config_file} says",
        ),
        await _bus(place, known),
        _part("router", found["router"]),
        *(_part(f"bridge {rail}", state) for rail, state in found["bridges"].items()),
        *(_part(f"rail {rail}", state) for rail, state in found["rails"].items()),
    ]


async def _bus(place: Place, known: Running) -> Finding:
    try:
        async with connected(place) as connection:
            fixed = await topology.fixed(connection)
            dead = (await connection.api(f"STREAM.INFO.{subjects.DEAD}"))["state"]["messages"]
    except NotReachable as error:
        return Finding(what="nats", found=f"does not answer at {known.nats}", remedy=str(error))
    if fixed is None:
        return Finding(what="nats", found="has no bus", remedy="Run `trinario nats run` or `trinario up` against it.")
    return Finding(
        what="nats",
        found=f"answers at {known.nats}, {fixed.partitions} partitions, {dead} dead letters",
        remedy="" if not dead else "Look at `trinario dead list`.",
    )


def _part(name: str, state: Mapping[str, Any]) -> Finding:
    how = state.get("state", "running")
    lag_ms = state.get("lag_ms") or 0
    words = ", ".join([how, *(f"{key} {state[key]}" for key in ("pending", "lag_ms", "dead") if state.get(key))])
    return Finding(what=name, found=words, remedy=_remedy(name, how, lag_ms))


def _remedy(name: str, how: str, lag_ms: float) -> str:
    if how == UNREACHABLE:
        return f"{name} does not answer. `trinario up` starts a daemon that died again: see what it says."
    if how == "bad_credentials":
        return "The rail refuses the bridge. Compare partner_token on both sides: `trinario config explain`."
    if how in ("starting", "degraded", "not ready"):
        return "Wait a little and look again; if it stays so, see its log."
    return "It is far behind. Is the machine overloaded? Add a router." if lag_ms > _LONG_LAG_MS else ""
