"""Who owns which partition, and who is there to own one.

A lease is a key in `LEASES` that vanishes unless it is renewed; its revision is the holder's token. Leases are for
liveness only: what keeps two owners from both committing is the fence (`bus.commit`). A dead owner's partitions are
free after the lease's time (2 s); a holder that slept too long finds its renewal refused.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import msgspec

from bus.connection import Connection
from bus.kv import Bucket, RevisionChanged
from bus.subjects import LEASES, bucket_stream

_LEASE, _MEMBER = "lease", "member"
_TWIN_AFTER = 4


class LeaseLost(Exception):
    """The lease ran out or is somebody else's. Stop what it was for."""


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A partition that is ours until the lease's time after the last renewal. `revision` changes with each."""

    partition: int
    revision: int


class Leases:
    """The leases of one holder. Renew each every third of `ttl_s` (whole seconds, 1 or more)."""

    def __init__(self, conn: Connection, *, holder: str, ttl_s: int = 2) -> None:
        self._conn, self.holder, self.ttl_s = conn, holder, ttl_s
        self._bucket = Bucket(conn, LEASES)
        self._instance = secrets.token_hex(8).encode()
        self._seen_others = 0

    async def try_acquire(self, partition: int) -> Lease | None:
        """The partition's lease, or None while somebody (perhaps we, before a restart) holds it."""
        try:
            revision = await self._bucket.create(_key(partition), self.holder.encode(), ttl_s=self.ttl_s)
        except RevisionChanged:
            return None
        return Lease(partition=partition, revision=revision)

    async def renew(self, lease: Lease) -> Lease:
        """The lease with its time started again. Raises `LeaseLost`."""
        try:
            revision = await self._bucket.update(
                _key(lease.partition), self.holder.encode(), revision=lease.revision, ttl_s=self.ttl_s
            )
        except RevisionChanged as error:
            raise LeaseLost(f"The lease of partition {lease.partition} ran out or was taken.") from error
        return Lease(partition=lease.partition, revision=revision)

    async def release(self, lease: Lease) -> None:
        """Give it up at once. Harmless when it is not ours any more."""
        entry = await self._bucket.get(_key(lease.partition), fresh=True)
        if entry is not None and entry.revision == lease.revision:
            # Purged by sequence: a newer holder's entry is left alone, and no mark is left to stand in its way.
            await self._purge(_key(lease.partition), up_to=lease.revision)

    async def holders(self) -> dict[int, str]:
        """Who holds which partition now."""
        found = {key: entry async for key, entry in self._bucket.scan(_LEASE)}
        return {int(key.rpartition(".")[2]): entry.value.decode() for key, entry in found.items()}

    async def heartbeat(self) -> None:
        """Say that we are there, for another `ttl_s`; and see whether another process says so under our name."""
        key = f"{_MEMBER}.{self.holder}"
        entry = await self._bucket.get(key)
        is_other = entry is not None and entry.value != self._instance
        self._seen_others = min(self._seen_others + 1, 2 * _TWIN_AFTER) if is_other else max(0, self._seen_others - 1)
        await self._bucket.put_with_ttl(key, self._instance, ttl_s=self.ttl_s)

    @property
    def has_twin(self) -> bool:
        """Whether another process runs with this holder's name. Harmless (the fence), but they fight for partitions.

        More than once in a row: our own entry from before a restart is seen at most for `ttl_s`.
        """
        return self._seen_others > _TWIN_AFTER

    async def members(self) -> list[str]:
        """Who is there, sorted."""
        return sorted([key.removeprefix(f"{_MEMBER}.") for key in await self._bucket.keys(_MEMBER)])

    async def leave(self) -> None:
        """Say that we are going, so that others need not wait for the time to run out."""
        await self._purge(f"{_MEMBER}.{self.holder}", up_to=None)

    async def _purge(self, key: str, *, up_to: int | None) -> None:
        body: dict[str, object] = {"filter": self._bucket.subject(key)}
        if up_to is not None:
            body["seq"] = up_to + 1
        await self._conn.api(f"STREAM.PURGE.{bucket_stream(LEASES)}", body)


def _key(partition: int) -> str:
    return f"{_LEASE}.{partition}"


def assign(members: Iterable[str], partitions: int) -> Mapping[str, Sequence[int]]:
    """Which member should own which partitions: rendezvous hashing, so one that comes or goes moves only its share."""
    names = sorted(set(members))
    found: dict[str, list[int]] = {name: [] for name in names}
    for partition in range(partitions if names else 0):
        found[max(names, key=lambda name: _weight(name, partition))].append(partition)
    return found


def _weight(name: str, partition: int) -> bytes:
    return blake2b(f"{partition}/{name}".encode(), digest_size=8).digest()
