"""Webhooks in: verify, translate, claim, publish, and only then say 200.

What the answer means to the rail: 200, we have it for good; 401 and 400, it was not yours to send; 503, send it again
(the bus, or the rail itself when it had to be asked, was away). Everything may come twice: a native id is claimed once.

Two steps. First, what needs others (who is behind these accounts?), then one transaction, shared with other webhooks
under load, that claims messages, turns receipts into positions, binds echoes, and puts the events into the outbox.
"""

import hmac
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from sqlite3 import Connection as Transaction
from typing import assert_never

import msgspec
import structlog
from aiohttp import web

from bridges.kit import (
    accounts,
    apart,
    arrivals,
    echoes,
    extension,
    groups,
    idmap,
    receipts,
    reports,
    talks,
    targets,
    timers,
)
from bridges.kit.accounts import Account, Accounts
from bridges.kit.arrivals import Arrivals
from bridges.kit.contract import (
    Lasting,
    Native,
    NativeAccount,
    NativeBlock,
    NativeEcho,
    NativeEdit,
    NativeFailure,
    NativeGroup,
    NativeMark,
    NativeMessage,
    NativeReaction,
    NativeReceipt,
    NativeTimer,
    NativeUnsend,
    NativeVote,
    Translator,
    Unreadable,
)
from bridges.kit.counts import Counts
from bridges.kit.files import Files
from bridges.kit.groups import KnownGroup, Natives
from bridges.kit.hold import Hold
from bridges.kit.live import Live
from bridges.kit.outbox import AWAY, Outbox
from bridges.kit.rail import RailAway, Unanswered
from bridges.kit.receipts import Place, Reach
from bridges.kit.signatures import SIGNATURE, is_signed
from bridges.kit.targets import KnownTarget
from bridges.kit.timers import KnownTimer
from bridges.kit.tolerant import UNREADABLE
from bridges.kit.tracing import add_accepted
from bridges.kit.updates import in_order, named
from bus.connection import ApiError
from bus.spans import Tracer
from bus.sqlite import Store, StoreError
from schemas.content import Content
from schemas.dead import PAYLOAD_MOST_BYTES, Letter, cut
from schemas.errors import NotUnderstood
from schemas.events import Block, LegResult, Marked, Message, Party
from schemas.groups import group_id
from schemas.ids import ConversationId, EventId, direct_conversation_id, event_id, partition_of

_log = structlog.get_logger(__name__)

NOT_NOW = (*AWAY, ApiError, RailAway, Unanswered, NotUnderstood, StoreError, sqlite3.OperationalError)
"""What is answered with 503: bus, rail or disk are away, full or damaged."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A message and what had to be asked about it. Only its reply still needs the id map."""

    native: NativeMessage
    event: Message


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A message whose files have to be fetched first."""

    native: NativeMessage


class KnownEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A block, or a mark, in canonical terms."""

    event: Block | Marked


ToClaim = Known | Held | KnownTarget | KnownTimer | KnownEvent | KnownGroup | NativeAccount | NativeFailure | Unreadable
Claim = ToClaim | NativeEcho | NativeReceipt


class Intake:
    """The webhook routes."""

    def __init__(
        self,
        *,
        translator: Translator,
        secrets: Sequence[str],
        verify_token: str,
        partitions: int,
        store: Store,
        outbox: Outbox,
        accounts_: Accounts,
        groups_: Natives,
        results: reports.ResultsCourier,
        now_ms: Callable[[], int],
        counts: Counts,
        files: Files,
        hold: Hold,
        live: Live,
        tracer: Tracer | None = None,
    ) -> None:
        self._translator, self._rail = translator, translator.rail
        self._secrets, self._verify_token = secrets, verify_token
        self._partitions, self._tracer = partitions, tracer
        self._store, self._outbox, self._accounts, self._results = store, outbox, accounts_, results
        self._groups = groups_
        self._now_ms, self._counts, self._files, self._hold = now_ms, counts, files, hold
        self._live = live
        self.arrivals = Arrivals(store=store, files=files, claim=self._claim_arrival, now_ms=now_ms)

    # --- HTTP ---

    async def handshake(self, request: web.Request) -> web.Response:
        """``GET /webhook``: the platform's verification; the challenge is sent back verbatim."""
        query = request.query
        token = query.get("hub.verify_token", "").encode("utf-8", "surrogatepass")
        if query.get("hub.mode") == "subscribe" and hmac.compare_digest(token, self._verify_token.encode()):
            return web.Response(text=query.get("hub.challenge", ""))
        return web.Response(status=403, text="The verify token is not ours.\n")

    async def webhook(self, request: web.Request) -> web.Response:
        """``POST /webhook``."""
        body = await request.read()
        if not is_signed(body, request.headers.get(SIGNATURE, ""), self._secrets):
            _log.warning("webhook.refused", rail=self._rail, reason="signature")
            self._counts.webhooks["unsigned"] += 1
            self._counts.unsigned_at_ms = self._now_ms()
            return web.Response(status=401, text=f"{SIGNATURE} does not fit the body.\n")
        try:
            msgspec.json.decode(body)
        except UNREADABLE:
            self._counts.webhooks["not_json"] += 1
            return web.Response(status=400, text="The body is not JSON.\n")
        if not self._hold.enter():
            self._counts.webhooks["put_off"] += 1
            return web.Response(status=503, text="A backup is being taken; send it again.\n")
        try:
            await self.take(self.read(body), webhook=body, traceparent=request.headers.get("traceparent", ""))
        except NOT_NOW as error:
            _log.warning("webhook.put_off", rail=self._rail, reason=type(error).__name__)
            self._counts.webhooks["put_off"] += 1
            return web.Response(status=503, text="Not now; send it again.\n")
        finally:
            self._hold.leave()
        self._counts.webhooks["taken"] += 1
        self._counts.taken_at_ms = self._now_ms()
        return web.Response(text="ok\n")

    # --- updates ---

    def read(self, body: bytes) -> list[Native]:
        """A webhook's updates, messages of one thread in the order of the rail's own time (a rail may swap them)."""
        found = extension.read_webhook(body) if extension.concerns(body) else self._translator.read_webhook(body)
        return in_order([groups.in_group(update, self._groups) for update in found])

    async def take(self, updates: Sequence[Native], *, webhook: bytes = b"", traceparent: str = "") -> None:
        """Claim updates and publish what they tell. Returns when the bus has it; raises one of `NOT_NOW`.

        `traceparent`: the header that they came with, for traces.
        `webhook`: what they came in; kept with those that cannot be read, so that they can be taken again.
        For receipts of delivery, which are collected, it is enough that they are in our outbox.
        """
        start_ms = self._now_ms()
        claims, event_ids = await self.claim(self._live.lasting(updates), webhook=webhook)
        if not claims:
            return
        await self._outbox.published(event_ids)
        if self._tracer is not None:
            fresh = set(event_ids)
            known_ids = (claim.event.id for claim in claims if isinstance(claim, Known | KnownTarget))
            events = [one for one in known_ids if one in fresh]
            add_accepted(self._tracer, self._rail, events, header=traceparent, start_ms=start_ms, now_ms=self._now_ms())

    async def claim(self, updates: Sequence[Lasting], *, webhook: bytes = b"") -> tuple[list[Claim], list[str]]:
        """Claim updates and put what they tell into the outbox; the events that have to be on the bus before 200."""
        known = await self._accounts.get_many(name for update in updates for name in named(update))
        claims = [await self._prepare(update, known) for update in updates]
        if not claims:
            return [], []
        event_ids, rows = await self._store.write(
            lambda tx: (self._claim(tx, claims, webhook), self._outbox.collect(tx))
        )
        self._outbox.offer(rows)
        if any(isinstance(claim, NativeFailure) for claim in claims):
            self._results.wake(hurry=True)
        self.arrivals.wake()
        return claims, event_ids

    async def _prepare(  # noqa: PLR0911 - a table of kinds
        self, update: Lasting, known: Mapping[str, Account]
    ) -> Claim:
        """What an update is in canonical terms, as far as that needs others than the id map."""
        missing = [name for name in named(update) if name not in known]
        if missing:
            return Unreadable(reason=f"no account {missing[0]} on {self._rail}", raw=msgspec.json.encode(update))
        match update:
            case NativeMessage():
                return await self._know(update, known[update.author], known.get(update.recipient))
            case NativeTimer():
                return KnownTimer(native=update, actor=await self._accounts.party(known[update.actor]))
            case NativeBlock():
                return await self._know_block(update, known[update.blocker], known[update.blocked])
            case NativeGroup() | NativeMark():
                return await (
                    self._know_group(update, known) if isinstance(update, NativeGroup) else self._mark(update)
                )
            case NativeEdit() | NativeUnsend() | NativeReaction() | NativeVote():
                return targets.know(self._rail, update, await self._accounts.party(known[update.actor]))
            case _:
                return update

    async def _know(self, native: NativeMessage, author: Account, recipient: Account | None) -> Claim:
        content = await self._files.stored(native.content, native.expires)
        if content is None:
            return Held(native=native)
        return Known(native=native, event=await self._event(native, content, author, recipient))

    async def _event(
        self, native: NativeMessage, content: Content, author: Account, recipient: Account | None
    ) -> Message:
        """The message. `recipient` None: it is to a group, whose conversation is looked up when it is claimed."""
        conversation, to = (
            ConversationId(apart.group_of(recipient) if recipient is not None else ""),
            tuple[Party, ...](),
        )
        if recipient is not None and not conversation:
            conversation = direct_conversation_id(
                await self._accounts.person_of(author), await self._accounts.person_of(recipient)
            )
            to = (await self._accounts.party(recipient),)
        return Message(
            id=event_id(self._rail, "message", receipts.thread_of(native.author, native.recipient), native.native_id),
            conversation=conversation,
            actor=await self._accounts.party(author),
            at_ms=native.at_ms,
            to=to,
            content=content,
            native_id=native.native_id,
            forwarded=native.forwarded,
            expires=native.expires,
        )

    async def _know_group(self, native: NativeGroup, known: Mapping[str, Account]) -> KnownGroup:
        who = [await self._accounts.party(known[one]) for one in native.who]
        return KnownGroup(native=native, actor=await self._accounts.party(known[native.by]), who=tuple(who))

    async def _mark(self, native: NativeMark) -> KnownEvent | Unreadable:
        talk = await talks.find(self._store, self._accounts, actor=native.actor, peer=native.peer)
        if talk is None:
            return Unreadable(reason=f"no conversation with {native.peer}", raw=msgspec.json.encode(native))
        return KnownEvent(event=talks.marked(self._rail, talk, mark=native.mark, on=native.on, epoch=native.epoch))

    async def _know_block(self, native: NativeBlock, blocker: Account, blocked: Account) -> KnownEvent:
        party = await self._accounts.party(blocked)
        name = reports.block_id(self._rail, blocker=blocker.handle, blocked=party, on=native.on, at_ms=native.at_ms)
        return KnownEvent(event=Block(id=name, actor=blocker.handle, at_ms=native.at_ms, blocked=party, on=native.on))

    # --- in the transaction ---

    def _claim(self, tx: Transaction, claims: Sequence[Claim], webhook: bytes) -> list[str]:
        """Claim; the events that have to be on the bus before the rail is told 200."""
        put: list[str] = []
        reaches: list[Reach] = []
        for claim in claims:
            if isinstance(claim, NativeEcho):
                places = echoes.places(tx, claim)
                idmap.bind(tx, places)
                reaches += idmap.release(tx, places)
                put += targets.release(tx, self._outbox, places)
            elif not isinstance(claim, NativeReceipt):
                put += self._claim_one(tx, claim, webhook)
        # Receipts last: in one POST they may come before the messages and echoes that they are about.
        for asked in receipts.collapse(claim for claim in claims if isinstance(claim, NativeReceipt)):
            reaches += idmap.reach(tx, asked, now_ms=self._now_ms())
        self._time_delivery(tx, claims)
        return put + reports.report_reaches(tx, self._outbox, self._rail, reaches)

    def _claim_one(self, tx: Transaction, claim: ToClaim, webhook: bytes) -> list[str]:
        match claim:
            case Known():
                return self._claim_in_turn(tx, claim)
            case Held(native=native):
                arrivals.hold(tx, native, self._now_ms())
            case KnownTarget():
                return targets.claim(tx, self._outbox, claim, now_ms=self._now_ms())
            case KnownEvent() | KnownGroup() | KnownTimer():
                return self._claim_told(tx, claim)
            case NativeAccount():
                return self._claim_account(tx, claim)
            case NativeFailure():
                self._claim_failure(tx, claim)
            case Unreadable():
                return [self._park(tx, claim, webhook)]
            case _:
                assert_never(claim)
        return []

    def _claim_told(self, tx: Transaction, claim: KnownEvent | KnownGroup | KnownTimer) -> list[str]:
        if isinstance(claim, KnownEvent):
            return [self._outbox.put(tx, claim.event)]
        if isinstance(claim, KnownTimer):
            return timers.claim(tx, self._outbox, self._rail, claim)
        return [groups.claim(tx, self._outbox, self._rail, claim)]

    def _time_delivery(self, tx: Transaction, claims: Sequence[Claim]) -> None:
        """How long one of the messages took from our post to the rail's receipt; one a webhook is enough."""
        named = next(
            (
                (*claim.native_ids, claim.up_to)[0]
                for claim in claims
                if isinstance(claim, NativeReceipt) and claim.status == "delivered"
            ),
            "",
        )
        place = idmap.by_native(tx, [named]).get(named) if named else None
        if place is not None and place.source != self._rail:
            self._counts.delivered.observe_since([place.at_ms], self._now_ms())

    def _claim_in_turn(self, tx: Transaction, known: Known) -> list[str]:
        """Now, unless earlier messages of the thread are still waiting for their files."""
        if not arrivals.must_wait(tx, known.native):
            return self._claim_message(tx, known)
        arrivals.hold(tx, known.native, self._now_ms())
        return []

    async def _claim_arrival(self, native: NativeMessage, content: Content) -> None:
        """The message's turn has come, and its files are there."""
        known = await self._accounts.get_many(named(native))
        missing = [name for name in named(native) if name not in known]
        claim: Known | Unreadable
        if missing:
            claim = Unreadable(reason=f"no account {missing[0]} on {self._rail}", raw=msgspec.json.encode(native))
        else:
            event = await self._event(native, content, known[native.author], known.get(native.recipient))
            claim = Known(native=native, event=event)

        def take(tx: Transaction) -> None:
            if isinstance(claim, Known):
                self._claim_message(tx, claim)
            else:
                self._park(tx, claim, b"")
            arrivals.let_go(tx, native.native_id)

        await self._store.write(take)
        self._outbox.wake()

    def _claim_message(self, tx: Transaction, known: Known) -> list[str]:
        native, event = known.native, known.event
        claimed = idmap.by_native(tx, [native.native_id]).get(native.native_id)
        if claimed is not None:
            # Seen before, or our own. The bus may still be waiting for it.
            return [claimed.event_id] if self._outbox.is_pending(tx, claimed.event_id) else []
        if native.reply_to:
            vote = targets.vote_in_words(tx, self._rail, native, event.actor)
            if vote is not None:
                return targets.claim(tx, self._outbox, vote, now_ms=self._now_ms())
            answered = idmap.by_native(tx, [native.reply_to]).get(native.reply_to)
            if answered is not None:
                rank = answered.rank or 0
                event = msgspec.structs.replace(event, reply_to=EventId(answered.event_id), reply_rank=rank)
        if receipts.is_group(native.recipient):
            native_id = receipts.native_peer(native.recipient)
            conversation = groups.conversation_of(tx, native_id) or group_id(self._rail, native_id)
            event = msgspec.structs.replace(event, conversation=conversation)
        idmap.bind(tx, [self._place(native, event)])
        return [self._outbox.put(tx, event)]

    def _place(self, native: NativeMessage, event: Message) -> Place:
        return Place(
            native_id=native.native_id,
            event_id=event.id,
            part=0,
            conversation=event.conversation,
            position=None,
            rank=None,
            thread=receipts.thread_of(native.author, native.recipient),
            author=native.author,
            at_ms=native.at_ms,
            source=self._rail,
        )

    def _claim_account(self, tx: Transaction, native: NativeAccount) -> list[str]:
        account: Account = accounts.save(tx, native)
        return reports.report_account(tx, self._outbox, self._rail, account)

    def _claim_failure(self, tx: Transaction, failure: NativeFailure) -> None:
        """The rail had accepted a post of ours and could not deliver it: the leg has failed after all."""
        place = idmap.by_native(tx, [failure.native_id]).get(failure.native_id)
        if place is None or place.source == self._rail:
            return
        result = LegResult(
            event=EventId(place.event_id),
            status="failed",
            origin=place.source,
            native_ids=(failure.native_id,),
            at_ms=self._now_ms(),
            why=f"{failure.text} ({failure.code})",
        )
        reports.queue_result(tx, result, partition_of(place.conversation, self._partitions))

    def _park(self, tx: Transaction, unreadable: Unreadable, webhook: bytes) -> str:
        _log.warning("update.parked", rail=self._rail, reason=unreadable.reason[:200])
        self._counts.parked += 1
        letter = Letter(
            stage="intake",
            rail=self._rail,
            why=unreadable.reason,
            at_ms=self._now_ms(),
            payload=cut(unreadable.raw),
            size_bytes=len(unreadable.raw),
            webhook=webhook if len(webhook) <= PAYLOAD_MOST_BYTES else b"",
        )
        return self._outbox.put_dead(tx, letter)
