"""Typing, between rails: said over core NATS, never stored, and never worth waiting for.

Out: the rail tells that an account is writing; the bridge says which person, in which conversation. In: other rails say
so; the bridge shows it by the person's account or ghost here, if they have one already. Who is blocked, and who prefers
never to be reached on a rail, is kept apart as with messages. Whatever fails is left: the next sign comes in seconds.
Called by `intake` (which hands over what it reads) and `daemon`.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from sqlite3 import Connection as Transaction

from bridges.kit import accounts, extension, groups, talks
from bridges.kit.accounts import Accounts
from bridges.kit.contract import Call, Lasting, Native, NativeMessage, NativePresence, NativeTyping, Translator
from bridges.kit.people import People
from bridges.kit.presence import Attendance
from bridges.kit.rail import RailClient
from bridges.kit.signs import Heard, Signs
from bridges.kit.typists import MOST, Saying, Showing, Writer
from bus.connection import Connection
from bus.sqlite import Store
from schemas.codec import decode_typing
from schemas.live import Typing
from schemas.log import seat_of
from schemas.people import Person

KIND = "typing"


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
        self._rail = translator.rail
        self._store, self._client = store, client
        self._accounts, self._people = accounts_, people
        self._clock_s, self._attendance = clock_s, attendance
        self._saying, self._showing = Saying(), Showing()
        self._signs = Signs[Typing, NativeTyping](
            kind=KIND,
            rail=translator.rail,
            conn=conn,
            partitions=partitions,
            decode=decode_typing,
            carries=translator.capabilities.typing.is_native,
        )
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
        if not self._signs.put(sign):
            return
        if sign.on and len(self._writing) < MOST:
            self._writing.add((sign.actor, sign.peer))
        else:
            self._writing.discard((sign.actor, sign.peer))

    async def run(self) -> None:
        """Until cancelled."""
        await self._signs.run(self._take, self._ended)

    async def _take(self, one: NativeTyping | Heard[Typing]) -> None:
        await (self._show(one) if isinstance(one, Heard) else self._say(one))

    def _ended(self) -> list[Awaitable[None]]:
        return [self._take_away(who) for who in self._showing.over(self._clock_s())]

    # --- out ---

    async def _say(self, native: NativeTyping) -> None:
        talk = await talks.find(self._store, self._accounts, actor=native.actor, peer=native.peer)
        if talk is None:
            return
        who = Writer(talk.conversation, talk.person, talk.to)
        if self._saying.said(who, on=native.on, now_s=self._clock_s()):
            sign = Typing(conversation=talk.conversation, actor=talk.person, to=talk.to, on=native.on)
            await self._signs.say(talk.conversation, sign)

    # --- in ---

    async def _show(self, heard: Heard[Typing]) -> None:
        sign, now_s = heard.sign, self._clock_s()
        who = Writer(sign.conversation, sign.actor, sign.to)
        actor = await self._people.person(sign.actor)
        if actor is None or not heard.is_theirs(actor) or self._saying.is_writing(who, now_s=now_s):
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
