"""Typing, between rails: said over core NATS, never stored, and never worth waiting for.

Out: the rail tells that an account is writing; the bridge says which person, in which conversation. In: other rails say
so; the bridge shows it by the person's account or ghost here, if they have one already. Who is blocked, and who prefers
never to be reached on a rail, is kept apart as with messages. Whatever fails is left: the next sign comes in seconds.
Called by `intake` (which hands over what it reads) and `daemon`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from sqlite3 import Connection as Transaction

import structlog

from bridges.kit import accounts, extension, groups, talks
from bridges.kit.accounts import Accounts
from bridges.kit.contract import Call, Lasting, Native, NativeMessage, NativePresence, NativeTyping, Translator
from bridges.kit.outbox import AWAY
from bridges.kit.people import People
from bridges.kit.presence import Attendance
from bridges.kit.rail import RailAway, RailClient, Unanswered
from bridges.kit.typists import MOST, Saying, Showing, Writer
from bus import subjects
from bus.connection import ApiError, Connection, CoreMessage
from bus.sqlite import Store
from schemas.codec import decode_typing, encode
from schemas.errors import NotUnderstood
from schemas.ids import partition_of
from schemas.live import Typing
from schemas.log import seat_of
from schemas.people import Person

_log = structlog.get_logger(__name__)

KIND = "typing"
LOOK_EVERY_S = 1.0
_WAITING_MOST = 1000
_NOT_NOW = (*AWAY, ApiError, RailAway, Unanswered)


class Live:
    """One bridge's."""

    def __init__(
        self,
        *,
        translator: Translator,
        conn: Connection,
        store: Store,
        client: RailClient,
        accounts_: Accounts,
        people: People,
        partitions: int,
        clock_s: Callable[[], float],
        attendance: Attendance,
    ) -> None:
        self._rail, self._capabilities = translator.rail, translator.capabilities
        self._conn, self._store, self._client = conn, store, client
        self._accounts, self._people = accounts_, people
        self._partitions, self._clock_s, self._attendance = partitions, clock_s, attendance
        self._saying, self._showing = Saying(), Showing()
        self._waiting: asyncio.Queue[NativeTyping | Typing] = asyncio.Queue(_WAITING_MOST)
        self._writing: set[tuple[str, str]] = set()

    def lasting(self, updates: Sequence[Native]) -> list[Lasting]:
        """The updates that have to be claimed; signs go their own way, or are lost if too many wait.

        Whoever has written what they were writing no longer does, whether their app says so or not.
        """
        rest: list[Lasting] = []
        for update in updates:
            if isinstance(update, NativeTyping):
                self._note(update)
                continue
            if isinstance(update, NativePresence):
                self._attendance.note(update)
                continue
            rest.append(update)
            if isinstance(update, NativeMessage) and (update.author, update.recipient) in self._writing:
                self._note(NativeTyping(actor=update.author, peer=update.recipient, on=False))
        return rest

    def _note(self, sign: NativeTyping) -> None:
        if self._waiting.full():
            return
        self._waiting.put_nowait(sign)
        if sign.on and len(self._writing) < MOST:
            self._writing.add((sign.actor, sign.peer))
        else:
            self._writing.discard((sign.actor, sign.peer))

    async def run(self) -> None:
        """Until cancelled."""
        heard = await self._conn.subscribe_core(f"live.*.*.{KIND}", self._hear)
        try:
            while True:
                try:
                    async with asyncio.timeout(LOOK_EVERY_S):
                        sign = await self._waiting.get()
                except TimeoutError:
                    pass
                else:
                    await self._trying(self._show(sign) if isinstance(sign, Typing) else self._say(sign))
                for who in self._showing.over(self._clock_s()):
                    await self._trying(self._take_away(who))
        finally:
            await heard.close()

    async def _hear(self, message: CoreMessage) -> None:
        if subjects.parse_live(message.subject)[1] == self._rail or self._waiting.full():
            return
        try:
            self._waiting.put_nowait(decode_typing(message.body))
        except NotUnderstood as error:
            _log.debug("typing.not_understood", rail=self._rail, reason=str(error))

    async def _trying(self, telling: Awaitable[None]) -> None:
        try:
            await telling
        except _NOT_NOW as error:
            _log.debug("typing.not_told", rail=self._rail, reason=type(error).__name__)

    # --- out ---

    async def _say(self, native: NativeTyping) -> None:
        talk = await talks.find(self._store, self._accounts, actor=native.actor, peer=native.peer)
        if talk is None:
            return
        who = Writer(talk.conversation, talk.person, talk.to)
        if self._saying.said(who, on=native.on, now_s=self._clock_s()):
            sign = Typing(conversation=talk.conversation, actor=talk.person, to=talk.to, on=native.on)
            subject = subjects.live(partition_of(talk.conversation, self._partitions), self._rail, KIND)
            await self._conn.publish_core(subject, encode(sign))

    # --- in ---

    async def _show(self, sign: Typing) -> None:
        who, now_s = Writer(sign.conversation, sign.actor, sign.to), self._clock_s()
        if not self._capabilities.typing.is_native or self._saying.is_writing(who, now_s=now_s):
            return
        call = await self._call(who, on=sign.on)
        if call is not None and self._showing.heard(who, on=sign.on, now_s=now_s):
            await self._client.ask(call)

    async def _take_away(self, who: Writer) -> None:
        call = await self._call(who, on=False)
        if call is not None:
            await self._client.ask(call)

    async def _call(self, who: Writer, *, on: bool) -> Call | None:
        """How it is shown here; None where it is not: nobody to show it to, nobody to show it by, or not wanted."""
        actor = await self._people.person(who.actor)
        if actor is None or not who.to:
            return (
                None
                if actor is None
                else await self._store.write(partial(self._in_group, who=who, actor=actor, on=on), durable=False)
            )
        to = await self._people.person(who.to)
        if to is None or actor.id == to.id or await self._are_apart(actor, to):
            return None

        def direct(tx: Transaction) -> Call | None:
            peer = seat_of(to)
            is_here = accounts.own_handle(self._rail, peer) is not None
            ids = [accounts.node_for(tx, self._rail, one) for one in (seat_of(actor), peer)] if is_here else []
            return extension.typing(node=ids[0], peer=ids[1], on=on) if ids and ids[0] and ids[1] else None

        return await self._store.write(direct, durable=False)

    def _in_group(self, tx: Transaction, *, who: Writer, actor: Person, on: bool) -> Call | None:
        """In the native group, if there is one here and they are in it."""
        group, native_id = groups.state_of(tx, who.conversation), groups.native_of(tx, who.conversation)
        seat = groups.seats_of(tx, who.conversation, (actor.id,)).get(actor.id)
        node = accounts.node_for(tx, self._rail, seat) if seat is not None else None
        if group is None or not native_id or node is None or actor.id not in group.members:
            return None
        return extension.typing(node=node, peer=native_id, on=on)

    async def _are_apart(self, one: Person, other: Person) -> bool:
        """Whether either blocks the other, under any id they have ever been blocked by."""
        for blocker, blocked in ((one, other), (other, one)):
            for person in blocker.blocked:
                if await self._people.current(person) == blocked.id:
                    return True
        return False
