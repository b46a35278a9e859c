"""Sending webhooks: the outbox to its receivers, signed, in order, again and again until it is taken.

One courier a receiver, alive while there is something for it. The partner gets up to 200 updates a POST in the
platforms' batch form, without waiting for more; a business gets one, because three published clients lose the rest of
a batch. A receiver that is down is tried again with back-off; when to is kept in the outbox, so a restart forgets
nothing. At least once, never at most.
"""

import asyncio
import hashlib
import hmac
import random
import secrets
from typing import Any

import aiohttp
import msgspec
import structlog

from rails.kit import accounts
from rails.kit.acts import Acts
from rails.kit.faults import Faults
from rails.kit.metrics import Metrics
from rails.kit.model import Refused
from rails.kit.outbox import PARTNER, ascii_json
from rails.kit.store import Store, Tx

log = structlog.get_logger(__name__)

BATCH_LENGTH = 200
BATCH_BYTES = 512 * 1024
ANSWER_WITHIN_S = 20.0
FIRST_WAIT_S = 0.2
STORE_WAIT_S = 0.5
PARTNER_WAIT_S = 5.0
BUSINESS_WAIT_S = 300.0
BUSINESS_GIVES_UP_MS = 7 * 24 * 3600 * 1000


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """Where the webhooks of a target go, and what signs them."""

    url: str
    secret: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One update in the outbox."""

    id: int
    kind: str
    entry: str
    delivers: str | None
    attempts: int
    next_at_ms: int
    created_at_ms: int


class Webhooks:
    """The couriers of one rail."""

    def __init__(
        self,
        *,
        store: Store,
        acts: Acts,
        http: aiohttp.ClientSession,
        faults: Faults,
        metrics: Metrics,
        partner_secret: str,
    ) -> None:
        self._store = store
        self._acts = acts
        self._http = http
        self._faults = faults
        self._metrics = metrics
        self._partner_secret = partner_secret
        self._wakes: asyncio.Queue[str] = asyncio.Queue()
        self._couriers: dict[str, asyncio.Event] = {}
        self._woken: set[str] = set()
        self._jitter = random.Random()  # noqa: S311 - spreads retries

    def wake(self, target: str) -> None:
        """There is something in the outbox for that target."""
        if target not in self._woken:
            self._woken.add(target)
            if target not in self._couriers:
                self._wakes.put_nowait(target)

    def retry_now(self, target: str) -> None:
        """The receiver has announced itself: do not wait for the back-off."""
        self.wake(target)
        if target in self._couriers:
            self._couriers[target].set()

    async def run(self) -> None:
        """Start with what an earlier run left; end by cancellation."""
        for (target,) in await self._store.read(lambda tx: tx.all("SELECT DISTINCT target FROM outbox")):
            self.wake(target)
        async with asyncio.TaskGroup() as couriers:
            while True:
                target = await self._wakes.get()
                if target not in self._couriers:
                    self._couriers[target] = asyncio.Event()
                    couriers.create_task(self._serve(target))

    async def _serve(self, target: str) -> None:
        try:
            while True:
                self._woken.discard(target)
                try:
                    rows = await self._store.read(lambda tx: _rows(tx, target))
                    if rows:
                        await self._send_some(target, rows)
                except Refused:  # the disk is full or slow: what was posted will be posted again
                    self._woken.add(target)
                    await asyncio.sleep(STORE_WAIT_S)
                    continue
                if not rows and target not in self._woken:
                    return
        finally:
            del self._couriers[target]
            if target in self._woken:  # woken while ending
                self._wakes.put_nowait(target)

    async def _send_some(self, target: str, rows: list[Row]) -> None:
        wait_ms = rows[0].next_at_ms - self._acts.now_ms()
        if wait_ms > 0 and not await self._kicked_within(target, wait_ms / 1000):
            return  # read again: the row may be gone
        receiver = await self._store.read(lambda tx: self._receiver(tx, target))
        if receiver is None:
            await self._store.write(lambda tx: tx.run("DELETE FROM outbox WHERE target = ?", target).rowcount)
            return
        batch = self._pick(target, rows)
        if await self._post(receiver, batch):
            await self._store.write(lambda tx: self._taken(tx, target, batch))
        else:
            await self._store.write(lambda tx: self._put_off(tx, target, rows[0]))

    async def _kicked_within(self, target: str, wait_s: float) -> bool:
        """Wait for the back-off to end. True when it ended early because the receiver announced itself, or is over."""
        kick = self._couriers[target]
        kick.clear()
        try:
            async with asyncio.timeout(wait_s):
                await kick.wait()
        except TimeoutError:
            return True
        return False

    def _receiver(self, tx: Tx, target: str) -> Receiver | None:
        if target == PARTNER:
            url = accounts.get_setting(tx, "partner.callback_url")
            return None if url is None else Receiver(url=url, secret=self._partner_secret)
        node = accounts.node_by_account(tx, target)
        if node is None or node.webhook_url is None:
            return None
        return Receiver(url=node.webhook_url, secret=node.app_secret)

    def _pick(self, target: str, rows: list[Row]) -> list[Row]:
        if target != PARTNER:
            is_swapped = len(rows) > 1 and self._faults.fires("reorder")
            return [rows[1] if is_swapped else rows[0]]
        batch = _of_one_post(rows)
        if len(batch) > 1 and self._faults.fires("reorder"):
            place = self._jitter.randrange(len(batch) - 1)
            batch = [*batch[:place], batch[place + 1], batch[place], *batch[place + 2 :]]
        return batch

    async def _post(self, receiver: Receiver, batch: list[Row]) -> bool:
        entries = ",".join(row.entry for row in batch)
        body = f'{{"object":"{batch[0].kind}","entry":[{entries}]}}'.encode("ascii")
        if self._faults.fires("delay"):
            await asyncio.sleep(self._faults.delay_s)
        if self._faults.fires("duplicate"):
            await self._post_once(receiver, body)
        return await self._post_once(receiver, body)

    async def _post_once(self, receiver: Receiver, body: bytes) -> bool:
        self._metrics.add("webhook_posts")
        try:
            async with self._http.post(
                receiver.url,
                data=body,
                headers={"Content-Type": "application/json", **signatures(receiver.secret, body)},
                timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S),
            ) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return False

    def _taken(self, tx: Tx, target: str, batch: list[Row]) -> None:
        for row in batch:
            tx.run("DELETE FROM outbox WHERE id = ?", row.id)
        delivered = [row.delivers for row in batch if row.delivers is not None]
        if delivered and target != PARTNER:
            self._acts.deliver_these(tx, reader=accounts.required(tx, target), native_ids=delivered)

    def _put_off(self, tx: Tx, target: str, head: Row) -> None:
        now_ms = self._acts.now_ms()
        if target != PARTNER and now_ms - head.created_at_ms > BUSINESS_GIVES_UP_MS:
            tx.run("DELETE FROM outbox WHERE id = ?", head.id)
            self._metrics.add("webhooks_given_up")
            log.warning("webhook.given_up", target=target, attempts=head.attempts)
            return
        longest_s = PARTNER_WAIT_S if target == PARTNER else BUSINESS_WAIT_S
        wait_s = min(FIRST_WAIT_S * 2 ** min(head.attempts, 20), longest_s) * self._jitter.uniform(0.8, 1.2)
        next_at_ms = now_ms + int(wait_s * 1000)
        tx.run("UPDATE outbox SET attempts = attempts + 1, next_at_ms = ? WHERE id = ?", next_at_ms, head.id)
        self._metrics.add("webhook_retries")
        if head.attempts == 0:
            log.warning("webhook.put_off", target=target or "partner", wait_s=round(wait_s, 2))


def _rows(tx: Tx, target: str) -> list[Row]:
    limit = BATCH_LENGTH if target == PARTNER else 2
    found = tx.all(
        "SELECT id, object, entry, delivers, attempts, next_at_ms, created_at_ms FROM outbox WHERE target = ?"
        " ORDER BY id LIMIT ?",
        target,
        limit,
    )
    return [
        Row(id=i, kind=kind, entry=entry, delivers=delivers, attempts=attempts, next_at_ms=at, created_at_ms=made)
        for i, kind, entry, delivers, attempts, at, made in found
    ]


def _of_one_post(rows: list[Row]) -> list[Row]:
    """The first rows that fit into one POST: of one kind, and not too many bytes; at least one."""
    size_bytes = 0
    for place, row in enumerate(rows):
        size_bytes += len(row.entry)
        if place and (row.kind != rows[0].kind or size_bytes > BATCH_BYTES):
            return rows[:place]
    return rows


def signatures(secret: str, body: bytes) -> dict[str, str]:
    """The platforms' two signature headers over exactly these bytes."""
    key = secret.encode()
    return {
        "X-Hub-Signature-256": "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest(),
        "X-Hub-Signature": "sha1=" + hmac.new(key, body, hashlib.sha1).hexdigest(),
    }


async def handshake(http: aiohttp.ClientSession, *, url: str, verify_token: str) -> str | None:
    """The platforms' verification handshake. None when the receiver passed, else what was wrong."""
    challenge = str(secrets.randbelow(10**10))
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
    try:
        async with http.get(url, params=query, timeout=aiohttp.ClientTimeout(total=10)) as answer:
            text = (await answer.content.read(200)).decode("utf-8", "replace").strip()
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return f"{url} could not be asked ({error!r}); start the receiver first"
    if status != 200 or text != challenge:
        return (
            f"{url} answered {status} and not the challenge; it must answer 200 with hub.challenge for its verify token"
        )
    return None


async def ask_resolver(
    http: aiohttp.ClientSession, *, url: str, secret: str, address: str, requester: str
) -> tuple[int, dict[str, Any]]:
    """Ask the partner who `address` is: HTTP status and answer. Raises `TimeoutError` or `aiohttp.ClientError`."""
    body = ascii_json({"address": address, "requester": requester}).encode("ascii")
    headers = {"Content-Type": "application/json", **signatures(secret, body)}
    async with http.post(url, data=body, headers=headers, timeout=aiohttp.ClientTimeout(total=5)) as answer:
        raw = await answer.read()
        try:
            parsed = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            parsed = None
        return answer.status, parsed if isinstance(parsed, dict) else {}
