"""Who is there to own partitions, and which of them each one holds.

A holder's lease is one key in `LEASES`, whatever it holds: it says which partitions, and vanishes unless it is renewed.
Leases are for liveness only: what keeps two owners from both committing is the fence (`bus.commit`). A dead holder's
partitions are free after the lease's time (2 s); a holder that slept too long finds its renewal refused.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import msgspec

from bus.connection import Connection
from bus.kv import Bucket, RevisionChanged
from bus.stored import read_range
from bus.subjects import LEASES, bucket_stream

_HOLDER = "holder"
_TWIN, _TWIN_AFTER = "twin", 4


class LeaseLost(Exception):
    """The lease ran out or is another process's. Stop what it was for."""


class _Claim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """What a holder's key says."""

    instance: str
    partitions: tuple[int, ...] = ()


class Leases:
    """The lease of one holder. Renew it every third of `ttl_s` (whole seconds, 1 or more)."""

    def __init__(self, conn: Connection, *, holder: str, ttl_s: int = 2) -> None:
        self._conn, self.holder, self.ttl_s = conn, holder, ttl_s
        self._bucket = Bucket(conn, LEASES)
        self._instance = secrets.token_hex(8)
        self._revision = 0
        self._refused = 0
        self._is_claimed = False

    async def hold(self, partitions: Iterable[int]) -> None:
        """Say for another `ttl_s` that we are there and hold these, and nothing else.

        Raises `LeaseLost` when the time had run out, or another process has our name (perhaps we, before a restart):
        nothing is held then, and the next call begins anew.
        """
        claim = msgspec.json.encode(_Claim(instance=self._instance, partitions=tuple(sorted(partitions))))
        try:
            self._revision = await self._write(claim)
        except RevisionChanged as error:
            self._revision = 0
            self._refused += 1
            if self.has_twin:  # the one that holds the lease is to know of us, too
                await self._bucket.put_with_ttl(f"{self._key}.{_TWIN}", claim, ttl_s=self.ttl_s)
            raise LeaseLost(f"The lease of {self.holder} ran out or is another process's.") from error
        self._refused = 0

    async def _write(self, claim: bytes) -> int:
        if not self._revision:
            return await self._bucket.create(self._key, claim, ttl_s=self.ttl_s)
        try:
            return await self._bucket.update(self._key, claim, revision=self._revision, ttl_s=self.ttl_s)
        except RevisionChanged:
            # A renewal whose answer was lost counts as one: then what is there is our own.
            entry = await self._bucket.get(self._key, fresh=True)
            if entry is None or _claim(entry.value).instance != self._instance:
                raise
            return await self._bucket.update(self._key, claim, revision=entry.revision, ttl_s=self.ttl_s)

    @property
    def has_twin(self) -> bool:
        """Whether another process runs with this holder's name; one of the two gets no partitions.

        That one sees more than some refusals in a row (our own lease from before a restart stands in the way for
        `ttl_s` at most) and says so; the other sees that in `holders`.
        """
        return self._refused > _TWIN_AFTER or self._is_claimed

    async def holders(self) -> dict[str, frozenset[int]]:
        """Who is there, and which partitions each says that it holds; this process's own lease is among them."""
        prefix = self._bucket.subject(_HOLDER) + "."
        # One request: holders are few, and their keys short.
        found = await read_range(self._conn, bucket_stream(LEASES), first=1, subject_filter=f"{prefix}>")
        claims = {one.subject.removeprefix(prefix): _claim(one.data) for one in found}
        twin = claims.get(f"{self.holder}.{_TWIN}")
        self._is_claimed = twin is not None and twin.instance != self._instance
        return {name: frozenset(one.partitions) for name, one in claims.items() if not name.endswith(f".{_TWIN}")}

    async def leave(self) -> None:
        """Give everything up, so that others need not wait for the time to run out. Another's lease is left alone."""
        if self._revision:
            body = {"filter": self._bucket.subject(self._key), "seq": self._revision + 1}
            await self._conn.api(f"STREAM.PURGE.{bucket_stream(LEASES)}", body)
            self._revision = 0

    @property
    def _key(self) -> str:
        return f"{_HOLDER}.{self.holder}"


def _claim(value: bytes) -> _Claim:
    """A holder whose key says what nobody understands is there, and holds nothing."""
    try:
        return msgspec.json.decode(value, type=_Claim)
    except msgspec.MsgspecError:
        return _Claim(instance="")


def assign(members: Iterable[str], partitions: int) -> Mapping[str, Sequence[int]]:
    """Which member should own which partitions: rendezvous hashing, so one that comes or goes moves only its share."""
    names = sorted(set(members))
    found: dict[str, list[int]] = {name: [] for name in names}
    for partition in range(partitions if names else 0):
        found[max(names, key=lambda name: _weight(name, partition))].append(partition)
    return found


def _weight(name: str, partition: int) -> bytes:
    return blake2b(f"{partition}/{name}".encode(), digest_size=8).digest()
