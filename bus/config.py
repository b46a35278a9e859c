"""Settings: defaults, then `trinario.toml`, then the environment, then flags; each with where it came from.

A key's path is dotted (``router.batch``); in the environment it is ``TRINARIO_ROUTER__BATCH``. Unknown keys are
refused with the nearest known one, so that a typing error cannot silently mean the default. Read by the command line,
which hands the daemons their `Settings`.
"""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

PREFIX = "TRINARIO_"

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Size = Annotated[int, msgspec.Meta(ge=0)]

_MIB = 1024 * 1024


class ConfigurationError(Exception):
    """A setting is unknown or does not fit. Names the key, where it was found, and the way out."""


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of `trinario.toml`."""


class NatsSettings(_Section, frozen=True, kw_only=True):
    """The bus. Without `url` the embedded server is meant."""

    url: str | None = None
    port: Port = 7100
    servers: Literal[1, 3, 5] = 1
    """How many embedded nats-servers keep the streams together. Fixed when the bus is created."""
    more_ports: Port = 7140
    """Where the second of several servers listens; the others take the next ones."""
    replicas: Count | None = None
    """On how many servers each stream is kept. None: on all of `servers`."""
    max_payload_bytes: Annotated[int, msgspec.Meta(ge=65_536, le=64 * _MIB)] = 8 * _MIB
    max_file_bytes: Size | None = None
    """What the streams may take of the disk. None: four fifths of what is free when the server starts."""
    ingress_bytes: Size = 512 * _MIB
    ingress_keep_s: Size = 7 * 86_400
    log_keep_s: Size = 0
    """0: the federation log is kept for good."""
    media_bytes: Size = 2048 * _MIB
    """All media together. 0: as much as there is room."""
    media_keep_s: Size = 30 * 86_400
    """How long the bus keeps a file. 0: for good."""


class RailSettings(_Section, frozen=True, kw_only=True):
    """A rail: where it is, or (bundled) which port it takes; and what its federation partner knows."""

    url: str | None = None
    port: Port = 0
    partner_token: str | None = None
    """The bridge's token on the rail. None: made at the first start and kept under the data folder."""
    partner_secret: str | None = None
    """What webhooks are signed with. None: as above."""
    public_url: str | None = None
    """How others reach a bundled rail, in the addresses of its files. None: where it listens."""
    allow_private_links: bool = False
    """A bundled rail fetches files by link from this machine and its network, too: to try clients out at home."""


class BridgeSettings(_Section, frozen=True, kw_only=True):
    """A bridge: the port it listens on for webhooks, and the address under which its rail reaches it."""

    port: Port = 0
    url: str | None = None
    deadline_s: Count = 86_400
    """How long a leg is tried before it is a dead letter and its sender is told."""
    public_url: str | None = None
    """Under which address people reach the bridge, for links to files that a rail does not take. None: `url`."""
    link_keep_s: Count = 7 * 86_400
    media_max_bytes: Count = 256 * _MIB
    """What is larger is not fetched from the rail; people are told in words."""


class RouterSettings(_Section, frozen=True, kw_only=True):
    """The router."""

    batch: Count = 512
    """Events taken from a rail at once."""
    record_bytes: Annotated[int, msgspec.Meta(ge=16_384)] = 524_288
    partitions: Annotated[int, msgspec.Meta(ge=1, le=256)] = 16
    """Fixed when the bus is created."""
    lease_s: Count = 2
    port: Port = 7130


class LedgerSettings(_Section, frozen=True, kw_only=True):
    """The ledger."""

    port: Port = 7131
    search: bool = True
    """Keep the words of messages, so that they can be searched for. Changed: the ledger is made anew."""


class ConsoleSettings(_Section, frozen=True, kw_only=True):
    """The web page."""

    port: Port = 7120


class DoctorSettings(_Section, frozen=True, kw_only=True):
    """From when on `trinario doctor` finds something the matter."""

    free_bytes: Size = 1024 * _MIB
    lag_ms: Count = 10_000
    clock_ms: Count = 5_000


class TracingSettings(_Section, frozen=True, kw_only=True):
    """Traces for OpenTelemetry. Off unless both are set."""

    endpoint: str | None = None
    """A collector's address (OTLP over HTTP), without ``/v1/traces``."""
    ratio: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """The share of messages that are traced. The same everywhere, or traces have holes."""


class LogSettings(_Section, frozen=True, kw_only=True):
    """The daemons' logs."""

    level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Settings(_Section, frozen=True, kw_only=True):
    """Everything. `data` None: the caller chooses the platform's folder."""

    data: Path | None = None
    nats: NatsSettings = NatsSettings()
    rails: dict[str, RailSettings] = {}
    bridges: dict[str, BridgeSettings] = {}
    router: RouterSettings = RouterSettings()
    ledger: LedgerSettings = LedgerSettings()
    console: ConsoleSettings = ConsoleSettings()
    log: LogSettings = LogSettings()
    tracing: TracingSettings = TracingSettings()
    doctor: DoctorSettings = DoctorSettings()


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """The settings, and for each key that is not a default where its value came from."""

    settings: Settings
    origin: dict[str, str]


def load(path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any]) -> Loaded:
    """Read the sources, later ones winning. `overrides`: dotted key -> value; None means "not given".

    `path` None: no file. Raises `ConfigurationError`.
    """
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for key, value, source in _sources(path, environ, overrides):
        values[key] = _convert(key, value, source)
        origin[key] = source
    return Loaded(settings=msgspec.convert(_nest(values), Settings), origin=origin)


def explain(loaded: Loaded) -> list[tuple[str, Any, str]]:
    """Every key with its value (secrets hidden) and where it came from ("default" for most)."""
    flat = _flatten(msgspec.to_builtins(loaded.settings, enc_hook=str), "")
    return [(key, _shown(key, value), loaded.origin.get(key, "default")) for key, value in flat]


def _shown(key: str, value: Any) -> Any:
    secret = key.rpartition(".")[2].startswith("partner_")
    return "(hidden)" if secret and value is not None else value


def _sources(
    path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any]
) -> Iterator[tuple[str, Any, str]]:
    if path is not None:
        for key, value in _flatten(_read(path), ""):
            yield key, value, str(path)
    for name in sorted(environ):
        if name.startswith(PREFIX):
            yield name.removeprefix(PREFIX).lower().replace("__", "."), environ[name], f"environment {name}"
    for key, value in overrides.items():
        if value is not None:
            yield key, value, "flag"


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}. Correct the path or the rights.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}. Correct that line.") from error


def _flatten(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _nest(values: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *parents, leaf = key.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    return tree


def _convert(key: str, value: Any, source: str) -> Any:
    kind = _known().get(_pattern(key))
    if kind is None:
        raise ConfigurationError(_unknown(key, source))
    try:
        # Text stands for numbers and truth values in the environment, not in a file.
        return msgspec.convert(value, kind, strict=not source.startswith("environment"), dec_hook=_decode)
    except msgspec.ValidationError as error:
        shown = repr(_shown(key, value))
        raise ConfigurationError(
            f"{key} = {shown} ({source}) does not fit: {error}. Correct it or leave it out."
        ) from error


def _decode(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str | Path):
        return Path(value).expanduser()
    raise NotImplementedError(f"a setting of type {kind} has no decoder")


def known_keys() -> list[str]:
    """Every key there is; ``*`` stands for the name of a rail."""
    return sorted(_known())


def _known(section: type[msgspec.Struct] = Settings, prefix: str = "") -> dict[str, Any]:
    """Every key with its type; ``*`` stands for the name of a rail."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(section):
        kind: Any = field.type
        name = f"{prefix}{field.name}"
        if get_origin(kind) is dict:
            kind, name = get_args(kind)[1], f"{name}.*"
        if isinstance(kind, type) and issubclass(kind, _Section):
            found |= _known(kind, f"{name}.")
        else:
            found[name] = kind
    return found


def _pattern(key: str) -> str:
    parts = key.split(".")
    if len(parts) > 2 and parts[0] in {"rails", "bridges"}:
        parts[1] = "*"
    return ".".join(parts)


def _unknown(key: str, source: str) -> str:
    known = _known()
    near = difflib.get_close_matches(_pattern(key), known, n=1, cutoff=0.5)
    hint = (
        f"Did you mean {near[0].replace('*', 'NAME')}?" if near else "`trinario config explain` lists the known keys."
    )
    return f"{key} ({source}) is not a setting. {hint} Otherwise take it out."
