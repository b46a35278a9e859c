"""Every subject and every stream name, built and parsed in this one place.

Partitions are small numbers; rails are `schemas.ids.RailName`; conversation ids never stand in a subject but the
`STATE` bucket's (each distinct subject costs the server about 220 bytes of memory).
"""

import re

LOG = "LOG"
SCHEDULE = "SCHEDULE"
DEAD = "DEAD"
STATE = "STATE"
DIRECTORY = "DIRECTORY"
RAILS = "RAILS"
LEASES = "LEASES"
MEDIA = "MEDIA"

OPERATOR = "operator"
"""The ingress source that is no rail: what an operator asks for comes in by `IN_OPERATOR`."""

PEOPLE_CHANGED = "people.changed"
"""Core subject: the router says which persons changed, after the directory was written. A hint, may be lost."""

TOPOLOGY_KEY = "topology"
"""The key in `STATE` that holds the version of the topology and the number of partitions."""

ALL_LOGS = "log.>"

_RAIL = re.compile(r"[a-z0-9][a-z0-9-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BadSubject(ValueError):
    """A name that cannot stand in a subject, or a subject that is not of the expected kind."""


def _rail(name: str) -> str:
    if not _RAIL.fullmatch(name):
        raise BadSubject(f"{name!r} is not a rail's name: lower-case letters, digits and hyphens are, e.g. 'whatsapp'.")
    return name


def _sha256(name: str) -> str:
    if not _SHA256.fullmatch(name):
        raise BadSubject(f"{name[:80]!r} is not a SHA-256: 64 lower-case hexadecimal digits are.")
    return name


def ingress(rail: str, partition: int) -> str:
    """Where a rail's bridge publishes the events of one partition."""
    return f"in.{_rail(rail)}.{partition}"


def parse_ingress(subject: str) -> tuple[str, int]:
    """The rail and the partition of an ingress subject. Raises `BadSubject`."""
    match subject.split("."):
        case ["in", rail, partition] if partition.isdigit() and _RAIL.fullmatch(rail):
            return rail, int(partition)
    raise BadSubject(f"{subject!r} is not an ingress subject; expected in.<rail>.<partition>.")


def log(partition: int) -> str:
    """Where the owner of a partition commits its records."""
    return f"log.{partition}"


def dead(stage: str, rail: str) -> str:
    """Where what could not be understood or delivered is kept, with the reason."""
    return f"dead.{stage}.{_rail(rail)}"


def parse_dead(subject: str) -> tuple[str, str]:
    """The stage and the rail of a dead letter's subject. Raises `BadSubject`."""
    match subject.split("."):
        case ["dead", stage, rail]:
            return stage, rail
    raise BadSubject(f"{subject!r} is not a dead letter's subject; expected dead.<stage>.<rail>.")


def redrive(rail: str) -> str:
    """Core subject: an operator asks a rail's bridge to try a dead letter again, and is answered."""
    return f"ask.{_rail(rail)}.redrive"


def hold(rail: str) -> str:
    """Core subject: an operator has a rail's bridge take no webhooks for some seconds, and is answered."""
    return f"ask.{_rail(rail)}.hold"


def live(partition: int, rail: str, kind: str) -> str:
    """Core subject for what is never stored: typing, presence, call candidates."""
    return f"live.{partition}.{_rail(rail)}.{kind}"


def parse_live(subject: str) -> tuple[int, str, str]:
    """The partition, the rail and the kind of a live subject. Raises `BadSubject`."""
    match subject.split("."):
        case ["live", partition, rail, kind] if partition.isdigit():
            return int(partition), rail, kind
    raise BadSubject(f"{subject!r} is not a live subject; expected live.<partition>.<rail>.<kind>.")


def ask(service: str, question: str) -> str:
    """Core subject on which a service takes a question."""
    return f"ask.{_rail(service)}.{_rail(question)}"


def schedule(partition: int, name: str) -> str:
    """Where one deadline waits. A new message on it replaces the deadline."""
    return f"at.{partition}.{name}"


def due(partition: int) -> str:
    """Where deadlines of a partition arrive when their time has come (same stream: the server demands it)."""
    return f"due.{partition}"


def ingress_stream(rail: str) -> str:
    """One stream a rail: deduplication is per stream, and no rail may use up another's ids."""
    return f"IN_{_rail(rail).upper()}"


def log_consumer(rail: str) -> str:
    """The durable consumer on `LOG` made for a rail's bridge, which may make none itself."""
    return f"bridge-{_rail(rail)}"


def bucket_stream(bucket: str) -> str:
    """The stream under a key-value bucket."""
    return f"KV_{bucket}"


def bucket_key(bucket: str, key: str) -> str:
    """The subject under a key of a bucket."""
    return f"$KV.{bucket}.{key}"


def object_stream(store: str) -> str:
    """The stream under an object store."""
    return f"OBJ_{store}"


def media_card(sha256: str) -> str:
    """Where the object store says what a file is."""
    return f"$O.{MEDIA}.M.{_sha256(sha256)}"


def media_chunk(writer: str, sha256: str, index: int, *, until_ms: int = 0) -> str:
    """Where the object store keeps a part of a file, for whoever wrote it. `until_ms`: of a copy that goes by then."""
    return f"$O.{MEDIA}.C.{_rail(writer)}.{_copy(sha256, until_ms)}.{index}"


def media_chunks(writer: str, sha256: str, *, until_ms: int = 0) -> str:
    """All parts of a file, or of a copy of it."""
    return f"$O.{MEDIA}.C.{_rail(writer)}.{_copy(sha256, until_ms)}.*"


def _copy(sha256: str, until_ms: int) -> str:
    return f"{_sha256(sha256)}-{until_ms}" if until_ms else _sha256(sha256)
