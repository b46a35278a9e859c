"""One NKey a role, and what each role may publish and hear.

Keys live under ``<data>/keys/<role>.nk``, mode 0600. A denial by the server is silent to the caller (it sees a
timeout) and is logged by `bus.connection`; so the lists below are exact, and tests try what must not work.

Whoever may create a consumer may write: its delivery subject can be any subject. Bridges therefore get one ready-made
consumer each and may only pull from it, reset it and look at it.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import nkeys

from bus import subjects
from bus.once import write_once

BRIDGE_PREFIX = "bridge-"
LEDGER = "ledger"
_ASKING = (f"ask.{LEDGER}.*", "$SRV.>")


class KeyPair(msgspec.Struct, frozen=True, kw_only=True):
    """A role's key: where its seed is kept, and the public half that the server knows."""

    role: str
    path: Path
    public: str

    @property
    def seed(self) -> str:
        return self.path.read_text().strip()


class Permissions(msgspec.Struct, frozen=True, kw_only=True):
    """Subjects (wildcards allowed) that a role may publish to and subscribe to."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    may_answer: bool = False
    """Whether it may answer what it is asked: one message to the asker's inbox, within a minute."""


class BadKey(Exception):
    """A key file that holds no user seed."""


def bridge_role(rail: str) -> str:
    """The role of a rail's bridge."""
    return BRIDGE_PREFIX + rail


def all_roles(rails: Iterable[str]) -> list[str]:
    """Every role of a bus with these rails."""
    return ["admin", "router", "operator", LEDGER, "console", *(bridge_role(rail) for rail in rails)]


def inbox_prefix(role: str) -> str:
    """Answers to a role arrive below this and nobody else may listen there."""
    return f"_INBOX_{role}"


def ensure_keys(folder: Path, roles: Iterable[str]) -> dict[str, KeyPair]:
    """The roles' keys; those that are missing are made. The folder gets mode 0700, each file 0600."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {role: _ensure_key(folder / f"{role}.nk", role) for role in roles}


def _ensure_key(path: Path, role: str) -> KeyPair:
    if not path.exists():
        write_once(path, nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER))
    try:
        public = nkeys.from_seed(bytearray(path.read_bytes().strip())).public_key
    except Exception as error:  # nkeys raises binascii, value and its own errors alike
        raise BadKey(
            f"{path} is not an NKey seed of a user. Restore it, or delete it to have a new one made."
        ) from error
    return KeyPair(role=role, path=path, public=public.decode())


def permissions(role: str, rails: Sequence[str]) -> Permissions:
    """What a role may do on a bus with these rails (without the operator, who is no rail)."""
    if role.startswith(BRIDGE_PREFIX):
        publish, subscribe = _bridge(role.removeprefix(BRIDGE_PREFIX))
    else:
        publish, subscribe = _ROLES[role]([*rails, subjects.OPERATOR])
    return Permissions(
        publish=tuple(publish),
        subscribe=(f"{inbox_prefix(role)}.>", *subscribe),
        may_answer=role == LEDGER or role.startswith(BRIDGE_PREFIX),
    )


def _consume(stream: str) -> list[str]:
    api = "$JS.API.CONSUMER"
    return [f"{api}.CREATE.{stream}.>", f"{api}.MSG.NEXT.{stream}.*", f"{api}.DELETE.{stream}.*"]


def _look(stream: str) -> list[str]:
    """Reading without a consumer: by sequence, by subject, in ranges."""
    api = "$JS.API"
    return [
        f"{api}.STREAM.INFO.{stream}",
        f"{api}.STREAM.MSG.GET.{stream}",
        f"{api}.DIRECT.GET.{stream}",
        f"{api}.DIRECT.GET.{stream}.>",
    ]


def _look_everywhere(rails: Iterable[str]) -> list[str]:
    streams = [subjects.LOG, subjects.SCHEDULE, subjects.DEAD, *(subjects.ingress_stream(rail) for rail in rails)]
    buckets = [subjects.STATE, subjects.DIRECTORY, subjects.RAILS, subjects.LEASES]
    return [line for name in [*streams, *map(subjects.bucket_stream, buckets)] for line in _look(name)]


def _bridge(rail: str) -> tuple[list[str], list[str]]:
    consumer = f"{subjects.LOG}.{subjects.log_consumer(rail)}"
    api, state = "$JS.API", subjects.bucket_stream(subjects.STATE)
    publish = [
        f"in.{rail}.*",
        *(subjects.dead(stage, rail) for stage in ("intake", "outlet")),
        f"live.*.{rail}.*",
        subjects.bucket_key(subjects.RAILS, rail),
        subjects.bucket_key(subjects.RAILS, f"{rail}.>"),
        *(f"{api}.CONSUMER.{verb}.{consumer}" for verb in ("MSG.NEXT", "RESET", "INFO")),
        f"{api}.STREAM.INFO.{subjects.LOG}",
        f"{api}.STREAM.MSG.GET.{subjects.LOG}",
        f"{api}.DIRECT.GET.{state}.{subjects.bucket_key(subjects.STATE, subjects.TOPOLOGY_KEY)}",
        *_look(subjects.ingress_stream(rail)),
        *_look(subjects.bucket_stream(subjects.DIRECTORY)),
        *_look(subjects.bucket_stream(subjects.RAILS)),
        f"$O.{subjects.MEDIA}.C.{rail}.>",
        f"$O.{subjects.MEDIA}.M.*",
        *_look(subjects.object_stream(subjects.MEDIA)),
    ]
    return publish, ["live.>", subjects.PEOPLE_CHANGED, subjects.redrive(rail), subjects.hold(rail)]


def _admin(_: list[str]) -> tuple[list[str], list[str]]:
    return [">"], [">"]


def _router(rails: list[str]) -> tuple[list[str], list[str]]:
    read = [subjects.LOG, subjects.SCHEDULE, *(subjects.ingress_stream(rail) for rail in rails)]
    buckets = (subjects.STATE, subjects.DIRECTORY, subjects.LEASES, subjects.RAILS)
    publish = [
        *("log.*", "at.*.*", "dead.router.*", "live.>", subjects.PEOPLE_CHANGED),
        *(subjects.bucket_key(bucket, ">") for bucket in buckets),
        *(line for stream in read for line in _consume(stream)),
        f"$JS.API.STREAM.PURGE.{subjects.bucket_stream(subjects.LEASES)}",
        # What has come due is published to the operator's ingress, then deleted.
        f"in.{subjects.OPERATOR}.*",
        f"$JS.API.STREAM.MSG.DELETE.{subjects.SCHEDULE}",
        *_look_everywhere(rails),
    ]
    return publish, ["live.>", subjects.PEOPLE_CHANGED]


def _ledger(rails: list[str]) -> tuple[list[str], list[str]]:
    publish = [*_consume(subjects.LOG), *_look_everywhere(rails)]
    return publish, [subjects.PEOPLE_CHANGED, f"ask.{LEDGER}.*", "$SRV.>"]


def _console(rails: list[str]) -> tuple[list[str], list[str]]:
    publish = [*_consume(subjects.LOG), *_ASKING, *_look_everywhere(rails)]
    return publish, ["live.>", subjects.PEOPLE_CHANGED]


def _operator(rails: list[str]) -> tuple[list[str], list[str]]:
    api = "$JS.API"
    publish = [
        f"in.{subjects.OPERATOR}.*",
        *_ASKING,
        *("ask.*.redrive", "ask.*.hold", "dead.redriven.*", "dead.dropped.*"),
        *_consume(subjects.LOG),
        *_consume(subjects.DEAD),
        *(f"{api}.{call}" for call in ("INFO", "STREAM.LIST", "STREAM.NAMES", "CONSUMER.LIST.*", "CONSUMER.INFO.*.*")),
        f"{api}.STREAM.MSG.DELETE.{subjects.DEAD}",
        *_look_everywhere(rails),
    ]
    return publish, ["live.>", subjects.PEOPLE_CHANGED]


_ROLES = {"admin": _admin, "router": _router, LEDGER: _ledger, "console": _console, "operator": _operator}
