"""Settings as daemons get them: `bus.config`'s sources, and then every gap filled for one machine.

What is filled where nobody has said anything: the data folder, the ports of the plan (`trinario.ports`), the addresses
that follow from the ports, and each rail's partner credentials. Called by whatever starts a daemon.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from bus.config import PREFIX, BridgeSettings, Loaded, RailSettings, Settings, load
from bus.config import explain as explained
from rails.catalogue import BUNDLED
from trinario.credentials import partner_credentials
from trinario.options import COMMON, Common
from trinario.output import table
from trinario.place import Place, Running
from trinario.ports import DEFAULT_BASE, HOST, Ports, planned

_SECRET = ("partner_token", "partner_secret")
_HIDDEN = "(hidden)"
_OWN_NATS = ("port", "more_ports", "servers")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of everything on this machine."""

    place: Place
    settings: Settings
    """Complete: every port, address and credential is there."""
    runs_nats: bool
    """Whether the NATS meant is our own (no `nats.url` is set)."""


def machine(
    place: Place,
    *,
    config: Path | None,
    port_base: int | None = None,
    quieter: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> Machine:
    """Read the settings and fill the gaps. Raises `bus.config.ConfigurationError`, `Misconfigured`.

    `port_base` is the flag: given, its ports win over file and environment. `quieter`: logs tell of warnings only,
    unless a level is set. A rail's credentials are made here when there are none yet.
    """
    place, loaded = _gathered(place, config=config, port_base=port_base, quieter=quieter, environ=environ)
    runs_nats = loaded.settings.nats.url is None
    return Machine(place=place, settings=_complete(place, loaded.settings), runs_nats=runs_nats)


def _gathered(
    place: Place, *, config: Path | None, port_base: int | None, quieter: bool, environ: Mapping[str, str]
) -> tuple[Place, Loaded]:
    """What was said, and the port plan where nothing was; nothing is written. The data folder may be named in it."""
    file = _file(place, config)
    found = load(file, environ, {})
    is_flag = place != Place.chosen(None, environ)
    if found.settings.data is not None and not is_flag:
        place = Place(data=found.settings.data)
    names = [*BUNDLED, *sorted(found.settings.rails.keys() - BUNDLED.keys())]
    plan = _keys(planned(DEFAULT_BASE if port_base is None else port_base, names))
    values = {key: value for key, value in plan.items() if port_base is not None or key not in found.origin}
    level = {"log.level": "warning"} if quieter and "log.level" not in found.origin else {}
    loaded = load(file, environ, {**values, **level, "data": str(place.data)})
    why = "port plan" if port_base is None else f"flag --port-base {port_base}"
    origin = {**loaded.origin, **dict.fromkeys(values, why)}
    origin["data"] = "flag" if is_flag else found.origin.get("data", "default")
    return place, Loaded(settings=loaded.settings, origin=origin)


def _file(place: Place, config: Path | None) -> Path | None:
    if config is not None:
        return config
    return place.config_file if place.config_file.exists() else None


def _keys(ports: Ports) -> dict[str, Any]:
    return {
        "nats.port": ports.nats,
        "nats.more_ports": ports.more_nats,
        "router.port": ports.router,
        "ledger.port": ports.ledger,
        "console.port": ports.console,
        **{f"rails.{rail}.port": port for rail, port in ports.rails.items()},
        **{f"bridges.{rail}.port": port for rail, port in ports.bridges.items()},
    }


def _complete(place: Place, settings: Settings) -> Settings:
    nats = settings.nats
    rails = {name: _rail(place, name, rail) for name, rail in settings.rails.items()}
    bridges = {name: _bridge(settings.bridges.get(name) or BridgeSettings()) for name in rails}
    url = nats.url or ",".join(f"nats://{HOST}:{port}" for port in nats_ports(settings).values())
    replicas = nats.replicas or nats.servers
    nats = msgspec.structs.replace(nats, url=url, replicas=replicas)
    return msgspec.structs.replace(settings, data=place.data, nats=nats, rails=rails, bridges=bridges)


def nats_ports(settings: Settings) -> dict[str, int]:
    """Where the embedded nats-servers listen, by the names they have in run.json."""
    nats = settings.nats
    if nats.servers == 1:
        return {"nats": nats.port}
    ports = [nats.port, *range(nats.more_ports, nats.more_ports + nats.servers - 1)]
    return {f"nats-{number}": port for number, port in enumerate(ports, start=1)}


def _rail(place: Place, name: str, rail: RailSettings) -> RailSettings:
    filled: dict[str, Any] = {} if rail.url else {"url": f"http://{HOST}:{rail.port}"}
    if rail.partner_token is None or rail.partner_secret is None:
        kept = partner_credentials(place, name)
        filled["partner_token"] = rail.partner_token or kept.partner_token
        filled["partner_secret"] = rail.partner_secret or kept.partner_secret
    return msgspec.structs.replace(rail, **filled)


def _bridge(bridge: BridgeSettings) -> BridgeSettings:
    return bridge if bridge.url else msgspec.structs.replace(bridge, url=f"http://{HOST}:{bridge.port}")


def addresses(settings: Settings) -> Running:
    """Where everything answers, by these (complete) settings."""
    return Running(
        ready=True,
        data=str(settings.data),
        nats=settings.nats.url or "",
        rails={name: rail.url or "" for name, rail in settings.rails.items()},
        bridges={name: bridge.url or "" for name, bridge in settings.bridges.items()},
        router=router_url(settings),
        ledger=ledger_url(settings),
    )


def router_url(settings: Settings) -> str:
    """Where the router's health is served."""
    return f"http://{HOST}:{settings.router.port}"


def ledger_url(settings: Settings) -> str:
    """Where the ledger's health is served."""
    return f"http://{HOST}:{settings.ledger.port}"


def environment(settings: Settings, *, runs_nats: bool, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment in which a child reads the same settings. Credentials are not in it: they are in files."""
    keys: dict[str, Any] = {
        "router.port": settings.router.port,
        "ledger.port": settings.ledger.port,
        "console.port": settings.console.port,
        "log.level": settings.log.level,
        **({f"nats.{key}": getattr(settings.nats, key) for key in _OWN_NATS} if runs_nats else {}),
        **{f"rails.{name}.port": rail.port for name, rail in settings.rails.items()},
        **{f"bridges.{name}.port": bridge.port for name, bridge in settings.bridges.items()},
    }
    return {**environ, **{PREFIX + key.upper().replace(".", "__"): str(value) for key, value in keys.items()}}


def explain(*, config: Path | None = None, common: Common = COMMON) -> None:
    """Every setting, its value, and where the value came from: default, file, environment or port plan.

    Parameters
    ----------
    config
        Settings file. Default: trinario.toml in the data folder, if there is one.
    """
    place, found = _gathered(common.place(), config=config, port_base=None, quieter=False, environ=os.environ)
    # `explained` makes plain values, which a path is not: the data folder is shown as text.
    plain = Loaded(settings=msgspec.structs.replace(found.settings, data=None), origin=found.origin)
    shown = {"data": str(place.data)}
    rows = [(key, shown.get(key, _shown(key, value)), origin) for key, value, origin in explained(plain)]
    values = [{"key": key, "value": value, "origin": origin} for key, value, origin in rows]
    common.output().documents(
        values, lambda: table(("key", "value", "from"), ((k, _text(v), o) for k, v, o in rows), empty="")
    )


def _shown(key: str, value: Any) -> Any:
    return _HIDDEN if key.endswith(_SECRET) and value is not None else value


def _text(value: Any) -> str:
    return "-" if value is None else str(value)
