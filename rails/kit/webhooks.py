"""Sending webhooks: the outbox to its receivers, signed, in order, again and again until it is taken.

One courier a business, alive while there is something for it; it gets one update a POST, because three published
clients lose the rest of a batch. The partner has a courier of its own (`rails.kit.partner`). A receiver that is down
is tried again with back-off; when to is kept in the outbox, so a restart forgets nothing. At least once, never at most.
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
from rails.kit.model import Refused, Update
from rails.kit.outbox import PARTNER, ascii_json, updates_of
from rails.kit.partner import PartnerCourier
from rails.kit.store import Store, Tx

log = structlog.get_logger(__name__)

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
        self._partner: Receiver | None = None
        """Whom the partner's updates go to, when that is known already."""
        self.partner = PartnerCourier(
            store=store, send=self._send_partner, put_off=self._put_partner_off, now_ms=acts.now_ms
        )

    def wake(self, target: str) -> None:
        """There is something in the outbox for that target."""
        if target not in self._woken:
            self._woken.add(target)
            if target not in self._couriers:
                self._wakes.put_nowait(target)

    def retry_now(self, target: str) -> None:
        """The receiver has announced itself: do not wait for the back-off."""
        if target == PARTNER:
            self._partner = None
            self.partner.retry_now()
            return
        self.wake(target)
        if target in self._couriers:
            self._couriers[target].set()

    async def run(self) -> None:
        """Start with what an earlier run left; end by cancellation."""
        for (target,) in await self._store.read(lambda tx: tx.all("SELECT DISTINCT target FROM outbox")):
            if target != PARTNER:
                self.wake(target)
        async with asyncio.TaskGroup() as couriers:
            couriers.create_task(self.partner.run())
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
                    rows = await self._store.read(lambda tx: updates_of(tx, target, limit=2))
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

    async def _send_some(self, target: str, rows: list[Update]) -> None:
        wait_ms = rows[0].next_at_ms - self._acts.now_ms()
        if wait_ms > 0 and not await self._kicked_within(target, wait_ms / 1000):
            return  # read again: the row may be gone
        receiver = await self._store.read(lambda tx: self._receiver(tx, target))
        if receiver is None:
            await self._store.write(lambda tx: tx.run("DELETE FROM outbox WHERE target = ?", target).rowcount)
            return
        is_swapped = len(rows) > 1 and self._faults.fires("reorder")
        batch = [rows[1] if is_swapped else rows[0]]
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

    async def _send_partner(self, batch: list[Update]) -> bool | None:
        if self._partner is None:
            self._partner = await self._store.read(lambda tx: self._receiver(tx, PARTNER))
        if self._partner is None:
            return None
        if len(batch) > 1 and self._faults.fires("reorder"):
            place = self._jitter.randrange(len(batch) - 1)
            batch = [*batch[:place], batch[place + 1], batch[place], *batch[place + 2 :]]
        return await self._post(self._partner, batch)

    async def _put_partner_off(self, head: Update) -> Update | None:
        return await self._store.write(lambda tx: self._put_off(tx, PARTNER, head))

    async def _post(self, receiver: Receiver, batch: list[Update]) -> bool:
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

    def _taken(self, tx: Tx, target: str, batch: list[Update]) -> None:
        for row in batch:
            tx.run("DELETE FROM outbox WHERE id = ?", row.id)
        delivered = [row.delivers for row in batch if row.delivers is not None]
        if delivered:
            self._acts.deliver_these(tx, reader=accounts.required(tx, target), native_ids=delivered)

    def _put_off(self, tx: Tx, target: str, head: Update) -> Update | None:
        """Keep when an update is to be tried again; it as it is then, None when it is given up."""
        now_ms = self._acts.now_ms()
        if target != PARTNER and now_ms - head.created_at_ms > BUSINESS_GIVES_UP_MS:
            tx.run("DELETE FROM outbox WHERE id = ?", head.id)
            self._metrics.add("webhooks_given_up")
            log.warning("webhook.given_up", target=target, attempts=head.attempts)
            return None
        longest_s = PARTNER_WAIT_S if target == PARTNER else BUSINESS_WAIT_S
        wait_s = min(FIRST_WAIT_S * 2 ** min(head.attempts, 20), longest_s) * self._jitter.uniform(0.8, 1.2)
        next_at_ms = now_ms + int(wait_s * 1000)
        tx.run("UPDATE outbox SET attempts = attempts + 1, next_at_ms = ? WHERE id = ?", next_at_ms, head.id)
        self._metrics.add("webhook_retries")
        if head.attempts == 0:
            log.warning("webhook.put_off", target=target or "partner", wait_s=round(wait_s, 2))
        return head.due_at(next_at_ms, attempts=head.attempts + 1)


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
