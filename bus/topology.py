"""Every stream, bucket, object store and ready-made consumer of the bus, as data, and making them so.

`ensure` creates what is missing and changes what differs, comparing only the keys named here, with JetStream's raw
JSON (nats-py's classes drop fields they do not know). The number of partitions is fixed when the bus is created:
conversations would change partitions, and lose their order. Called by `trinario up`, `trinario nats run` and tests.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bus import subjects
from bus.config import NatsSettings
from bus.connection import ApiError, Connection
from bus.kv import Bucket

VERSION = 1
"""Raised when something below changes in a way that older daemons do not understand."""

_SECOND_NS = 1_000_000_000
_DAY_S = 86_400
_STREAM_NOT_FOUND, _CONSUMER_NOT_FOUND, _NO_STORAGE = 10059, 10014, 10047


class TopologyError(Exception):
    """The bus that is there is not the bus that was asked for."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much is kept. Sizes are reserved on the server's disk; 0 means without limit."""

    ingress_bytes: int = 512 * 1024 * 1024
    ingress_keep_s: int = 7 * _DAY_S
    log_keep_s: int = 0
    dead_keep_s: int = 30 * _DAY_S
    media_bytes: int = 2 * 1024 * 1024 * 1024
    media_keep_s: int = 30 * _DAY_S
    duplicate_window_s: int = 2 * 3600


class Fixed(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided when the bus was created."""

    version: int
    partitions: int


def streams(*, rails: Sequence[str], limits: Limits, replicas: int) -> list[dict[str, Any]]:
    """The configuration of every stream of a bus with these rails (and the operator)."""
    sources = [*rails, subjects.OPERATOR]
    found = [
        *(_ingress(source, limits) for source in sources),
        _stream(subjects.LOG, ["log.*"], max_age=limits.log_keep_s * _SECOND_NS),
        _stream(
            subjects.SCHEDULE,
            # No age limit: a deadline may be months away. What has come due carries a time to live of its own.
            ["at.*.*", "due.*"],
            discard="old",  # the server demands it of schedules
            allow_msg_schedules=True,
            allow_msg_ttl=True,
            allow_rollup_hdrs=True,
        ),
        _stream(subjects.DEAD, ["dead.*.*"], discard="old", max_age=limits.dead_keep_s * _SECOND_NS),
        *(_bucket(name) for name in (subjects.STATE, subjects.DIRECTORY, subjects.RAILS, subjects.LEASES)),
        _stream(
            subjects.object_stream(subjects.MEDIA),
            # No rollups: with one header, whoever may write a chunk could wipe out everybody's.
            [f"$O.{subjects.MEDIA}.C.*.*.*", f"$O.{subjects.MEDIA}.M.*"],
            max_age=limits.media_keep_s * _SECOND_NS,
            max_bytes=limits.media_bytes or -1,
            allow_msg_ttl=True,  # files of messages that are to go
            allow_rollup_hdrs=False,
        ),
    ]
    return [{**config, "num_replicas": replicas} for config in found]


def _stream(name: str, taken: list[str], **more: Any) -> dict[str, Any]:
    # Discard new: a full stream refuses (back-pressure) rather than forget what nobody has read.
    return {
        "name": name,
        "subjects": taken,
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "allow_direct": True,
        **more,
    }


def _ingress(source: str, limits: Limits) -> dict[str, Any]:
    return _stream(
        subjects.ingress_stream(source),
        [f"in.{source}.*"],
        deny_delete=True,
        allow_atomic=True,
        duplicate_window=limits.duplicate_window_s * _SECOND_NS,
        max_age=limits.ingress_keep_s * _SECOND_NS,
        max_bytes=limits.ingress_bytes or -1,
    )


def _bucket(name: str) -> dict[str, Any]:
    # No delete markers on expiry: a marker would make "create" fail until it expires itself (leases).
    return _stream(
        subjects.bucket_stream(name),
        [f"$KV.{name}.>"],
        max_msgs_per_subject=1,
        allow_rollup_hdrs=True,
        allow_msg_ttl=True,
    )


def _log_consumer(rail: str, replicas: int) -> dict[str, Any]:
    """Without acknowledgements: a bridge's cursor lives with its effects, and `CONSUMER.RESET` sets it."""
    return {
        "durable_name": subjects.log_consumer(rail),
        "name": subjects.log_consumer(rail),
        "ack_policy": "none",
        "deliver_policy": "all",
        "replay_policy": "instant",
        "filter_subject": subjects.ALL_LOGS,
        "num_replicas": replicas,
    }


async def ensure(
    conn: Connection, *, rails: Sequence[str], partitions: int = 16, replicas: int = 1, limits: Limits | None = None
) -> None:
    """Make the bus so. Harmless when it is. Needs the admin's key. Raises `TopologyError` when it cannot be."""
    for config in streams(rails=rails, limits=limits or Limits(), replicas=replicas):
        await _ensure_stream(conn, config)
    await _ensure_fixed(conn, Fixed(version=VERSION, partitions=partitions))
    for rail in rails:
        await _ensure_consumer(conn, subjects.LOG, _log_consumer(rail, replicas))


async def fixed(conn: Connection) -> Fixed | None:
    """What was decided when the bus was created; None before that. Every role may read it."""
    entry = await Bucket(conn, subjects.STATE).get(subjects.TOPOLOGY_KEY)
    return msgspec.json.decode(entry.value, type=Fixed) if entry else None


async def exists(conn: Connection, stream: str) -> bool:
    """Whether there is such a stream."""
    try:
        await conn.api(f"STREAM.INFO.{stream}")
    except ApiError as error:
        if error.err_code != _STREAM_NOT_FOUND:
            raise
        return False
    return True


def limits_of(settings: NatsSettings) -> Limits:
    """The limits that settings ask for."""
    return Limits(
        ingress_bytes=settings.ingress_bytes,
        ingress_keep_s=settings.ingress_keep_s,
        media_bytes=settings.media_bytes,
        media_keep_s=settings.media_keep_s,
        log_keep_s=settings.log_keep_s,
    )


async def differences(conn: Connection, *, rails: Sequence[str], replicas: int, limits: Limits) -> list[str]:
    """What is not as `ensure` would make it, in words; nothing is changed. The operator's key is enough."""
    found = {stream["config"]["name"]: stream["config"] for stream in await _listed(conn)}
    wrong = []
    for wanted in streams(rails=rails, limits=limits, replicas=replicas):
        name = wanted["name"]
        if name not in found:
            wrong.append(f"stream {name} is missing")
            continue
        wrong += [
            f"{name}: {key} is {found[name].get(key)!r}, expected {value!r}"
            for key, value in wanted.items()
            if _differs(found[name], {key: value})
        ]
    if subjects.LOG in found:
        wrong += [
            f"consumer {subjects.log_consumer(rail)} of LOG is missing"
            for rail in rails
            if not await _has_consumer(conn, subjects.LOG, subjects.log_consumer(rail))
        ]
    return wrong


async def _listed(conn: Connection) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = await conn.api("STREAM.LIST", {"offset": len(found)})
        found += page.get("streams") or []
        if len(found) >= page["total"]:
            return found


async def _has_consumer(conn: Connection, stream: str, name: str) -> bool:
    try:
        await conn.api(f"CONSUMER.INFO.{stream}.{name}")
    except ApiError as error:
        if error.err_code != _CONSUMER_NOT_FOUND:
            raise
        return False
    return True


async def filling(conn: Connection, stream: str) -> dict[str, int]:
    """How full a stream is: ``messages``, ``bytes``, and ``limit`` in bytes (-1: none). Raises what `api` raises."""
    found = await conn.api(f"STREAM.INFO.{stream}")
    state = found["state"]
    return {"messages": state["messages"], "bytes": state["bytes"], "limit": found["config"].get("max_bytes", -1)}


async def check(conn: Connection, *, partitions: int) -> None:
    """What every daemon does first: raises `TopologyError` if its settings do not fit the bus."""
    found = await fixed(conn)
    if found is None:
        raise TopologyError("This NATS has no Trinario bus yet. Run `trinario nats run` or `trinario up` against it.")
    _compare(found, Fixed(version=VERSION, partitions=partitions))


def _compare(found: Fixed, wanted: Fixed) -> None:
    if found.partitions != wanted.partitions:
        raise TopologyError(
            f"The bus has {found.partitions} partitions, the settings say {wanted.partitions}. The number is fixed "
            f"when a bus is created: set router.partitions = {found.partitions}, or start with a new data folder."
        )
    if found.version > wanted.version:
        raise TopologyError(
            f"The bus has topology version {found.version}, this program knows up to {wanted.version}. Update it."
        )


async def _ensure_fixed(conn: Connection, wanted: Fixed) -> None:
    bucket = Bucket(conn, subjects.STATE)
    found = await fixed(conn)
    if found is not None:
        _compare(found, wanted)
    if found != wanted:
        await bucket.put(subjects.TOPOLOGY_KEY, msgspec.json.encode(wanted))


async def _ensure_stream(conn: Connection, wanted: Mapping[str, Any]) -> None:
    name = wanted["name"]
    try:
        found = (await conn.api(f"STREAM.INFO.{name}"))["config"]
    except ApiError as error:
        if error.err_code != _STREAM_NOT_FOUND:
            raise
        await _make(conn, "CREATE", wanted)
        return
    if _differs(found, wanted):
        await _make(conn, "UPDATE", {**found, **wanted})


async def _make(conn: Connection, verb: str, config: Mapping[str, Any]) -> None:
    try:
        await conn.api(f"STREAM.{verb}.{config['name']}", config, wait_s=30)
    except ApiError as error:
        if error.err_code == _NO_STORAGE:
            raise TopologyError(
                f"{config['name']} wants to reserve {config.get('max_bytes')} bytes and the server has less. Free disk "
                "space, raise nats.max_file_bytes, or lower nats.ingress_bytes."
            ) from error
        raise TopologyError(f"Stream {config['name']} cannot be made: {error}") from error


async def _ensure_consumer(conn: Connection, stream: str, wanted: Mapping[str, Any]) -> None:
    name = wanted["name"]
    try:
        found = (await conn.api(f"CONSUMER.INFO.{stream}.{name}"))["config"]
        action = "update"
    except ApiError as error:
        if error.err_code != _CONSUMER_NOT_FOUND:
            raise
        found, action = {}, "create"
    if _differs(found, wanted):
        subject = f"CONSUMER.CREATE.{stream}.{name}.{wanted['filter_subject']}"
        body = {"stream_name": stream, "config": {**found, **wanted}, "action": action}
        await conn.api(subject, body, wait_s=30)


def _differs(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    # The server leaves out what is zero or false.
    return any(found.get(key) != value and (found.get(key) or value) for key, value in wanted.items())
