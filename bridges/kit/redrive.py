"""An operator's "try this dead letter again", asked over core NATS and answered once SQLite has it.

    outlet   the leg goes back into `legs`, at the end of its conversation's lane, with the rank it has always had
    intake   the webhook that held the update is read again; what has been claimed from it already is passed over
    router   the event is published again, to where it stood

Every way runs into what makes a repetition harmless anyway: a bound message is not posted again, a post has the
idempotency key of the first attempt (so the rail answers with the message that it may already show), a native id is
claimed once. So a letter may be redriven twice. The letter itself is the operator's to take out of DEAD.
"""

from collections.abc import Callable
from sqlite3 import Connection as Transaction
from typing import cast

import msgspec
import structlog

from bridges.kit import idmap
from bridges.kit.intake import NOT_NOW, Intake
from bridges.kit.legs import LegRow, Work, keep
from bridges.kit.outbox import Outbox
from bridges.kit.people import People
from bus import subjects
from bus.connection import Connection, CoreSubscription
from bus.sqlite import Store
from schemas.codec import decode_letter, decode_seats, encode
from schemas.dead import DeadLeg, Letter, Redriven
from schemas.errors import NotUnderstood, Refusal, explain
from schemas.ids import ConversationId, RailName
from schemas.log import Act

_log = structlog.get_logger(__name__)

RATE_PER_S, BURST = 5.0, 20.0
"""A redrive must not be what overloads a rail that has just come back."""

_works = msgspec.msgpack.Decoder(Work)
_QUEUED, _ALREADY = Redriven(outcome="queued"), Redriven(outcome="already")


class Bucket:
    """A token bucket. `wait_s` takes a token, or says how long until there is one."""

    def __init__(self, *, rate_per_s: float, burst: float, clock_s: Callable[[], float]) -> None:
        self._rate_per_s, self._burst, self._clock_s = rate_per_s, burst, clock_s
        self._tokens, self._at_s = burst, clock_s()

    def wait_s(self) -> float:
        """0 when there was a token; else the seconds until there will be one."""
        now_s = self._clock_s()
        self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self._rate_per_s)
        self._at_s = now_s
        if self._tokens < 1:
            return (1 - self._tokens) / self._rate_per_s
        self._tokens -= 1
        return 0.0


class Redriver:
    """Answers for one rail. `on_leg` is called when a leg has been put back."""

    def __init__(
        self,
        *,
        rail: RailName,
        conn: Connection,
        store: Store,
        outbox: Outbox,
        intake: Intake,
        people: People,
        on_leg: Callable[[], None],
        now_ms: Callable[[], int],
        clock_s: Callable[[], float],
    ) -> None:
        self._rail, self._conn, self._store, self._outbox = rail, conn, store, outbox
        self._intake, self._people, self._on_leg, self._now_ms = intake, people, on_leg, now_ms
        self._bucket = Bucket(rate_per_s=RATE_PER_S, burst=BURST, clock_s=clock_s)
        self.count = 0

    async def listen(self) -> CoreSubscription:
        """Answer from now on, until the answer is closed."""
        return await self._conn.serve_core(subjects.redrive(self._rail), self._answer)

    async def _answer(self, body: bytes) -> bytes:
        answer = await self.redrive(body)
        _log.info("letter.redriven", rail=self._rail, outcome=answer.outcome, reason=answer.why)
        return encode(answer)

    async def redrive(self, body: bytes) -> Redriven:
        """Try a letter again. `body`: the letter as DEAD has it."""
        try:
            letter = decode_letter(body)
        except NotUnderstood as error:
            return _refused(f"This version of the bridge cannot read the letter: {error}")
        if letter.rail != self._rail:
            return _refused(f"The letter is of {letter.rail}, this bridge of {self._rail}.")
        if wait_s := self._bucket.wait_s():
            return Redriven(outcome="later", wait_s=wait_s, why="too many at once")
        match letter.stage:
            case "outlet" if letter.leg is not None:
                answer = await self._leg(letter, letter.leg)
            case "router":
                answer = await self._event(letter)
            case "intake" if letter.webhook:
                answer = await self._webhook(letter)
            case _:
                answer = _refused("The letter does not hold what it takes to try it again. See it, then drop it.")
        self.count += answer.outcome == "queued"
        return answer

    async def _leg(self, letter: Letter, leg: DeadLeg) -> Redriven:
        if leg.act == "post" and await self._is_blocked(leg):
            return _refused(explain(Refusal.RECIPIENT_UNAVAILABLE))
        now_ms = self._now_ms()

        def put_back(tx: Transaction) -> bool:
            waiting = tx.execute(
                "SELECT 1 FROM legs WHERE event_id = ? AND act = ?", (letter.event_id, leg.act)
            ).fetchone()
            if waiting is None:
                row = LegRow(
                    lane=leg.lane,
                    event_id=letter.event_id,
                    act=cast("Act", leg.act),  # as it was read from a row
                    source=leg.source,
                    conversation=ConversationId(leg.conversation),
                    position=leg.position,
                    rank=leg.rank,
                    payload=leg.work,
                    taken_at_ms=now_ms,
                )
                keep(tx, row)
            return waiting is None

        if not await self._store.write(put_back):
            return _ALREADY
        self._on_leg()
        return _QUEUED

    async def _is_blocked(self, leg: DeadLeg) -> bool:
        """Whether a member blocks the author by now. The router looked when it decided, which may be days ago."""
        try:
            work = _works.decode(leg.work)
            seats = decode_seats(work.seats)
        except (msgspec.DecodeError, NotUnderstood):
            return False  # planning it says better what is wrong with it
        author = await self._people.current(work.actor) if work.actor is not None else None
        for seat in seats:
            member = await self._people.person(seat.person)
            if member is not None and author in [await self._people.current(one) for one in member.blocked]:
                return True
        return False

    async def _event(self, letter: Letter) -> Redriven:
        if not letter.is_whole:
            return _refused("The event was too long to be kept whole. Its sender has to send it again.")
        try:
            source, _ = subjects.parse_ingress(letter.subject)
        except subjects.BadSubject as error:
            return _refused(str(error))
        if source != self._rail:
            return _refused(f"The event came by {source}, not by {self._rail}.")
        name = f"redrive-{letter.sequence}"

        def put(tx: Transaction) -> bool:
            # Once a letter and for good: the router takes an event that is published twice for two.
            if idmap.get_state(tx, name):
                return False
            idmap.raise_state(tx, name, 1)
            self._outbox.put_again(tx, name=name, subject=letter.subject, payload=letter.payload)
            return True

        if not await self._store.write(put):
            return _ALREADY
        self._outbox.wake()
        return _QUEUED

    async def _webhook(self, letter: Letter) -> Redriven:
        try:
            await self._intake.take(self._intake.read(letter.webhook), webhook=letter.webhook)
        except NOT_NOW as error:
            return Redriven(outcome="later", wait_s=1.0, why=type(error).__name__)
        return _QUEUED


def _refused(why: str) -> Redriven:
    return Redriven(outcome="refused", why=why)
