"""Calls out: legs in order within a conversation, conversations side by side.

A lane is a conversation. Only its first leg is ever on its way, so nothing overtakes; a leg that has to wait holds up
its own lane and no other. Whatever is ready when there is room goes out together: one call directly, several as one
batch, so the batches grow with the load. What an answer changes is one transaction for the whole batch: native ids
bound, leg gone, result queued. It need not be on disk at once: a restart goes on where the last transaction was, and
the same keys make the same messages. Legs come with their first step from the log reader, or from the table.

That something was delivered nobody waits for: such legs go along with others, or together now and then (`lanes`).

How it ends for a leg: done; or failed, by the rail's word or after the deadline: dead letter, and the sender is told.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Sequence
from sqlite3 import Connection as Transaction

import msgspec
import structlog

from bridges.kit import acts, extension, reports, steps
from bridges.kit.accounts import Accounts, NoAccount
from bridges.kit.changes import PAST
from bridges.kit.contract import Call, Posted, Translator, Verdict
from bridges.kit.counts import Counts
from bridges.kit.groups import Natives
from bridges.kit.lanes import Lanes, Leg
from bridges.kit.legs import LegRow, kept
from bridges.kit.legs import routed_at_ms as routed_at_ms_of
from bridges.kit.orders import OrderTeller
from bridges.kit.outbox import AWAY, Outbox
from bridges.kit.outcomes import TOLD_ABOUT, Outcome, write
from bridges.kit.quotes import Quotes, Quoting
from bridges.kit.rail import Answer, RailAway, RailClient, Unanswered
from bridges.kit.shown import GONE
from bridges.kit.steps import Context, Finished, Foreseen, Impossible, Missing, Sending, Step, Wanting
from bridges.kit.tracing import add_ended, in_trace
from bridges.kit.uploads import Lost, NotNow, Uploader
from bus.connection import ApiError
from bus.metrics import sampled
from bus.spans import Tracer
from bus.sqlite import Store, StoreError
from schemas.content import Media
from schemas.errors import NotUnderstood

_log = structlog.get_logger(__name__)

IN_FLIGHT = 4
"""Batches under way at once."""

MOST_LOADED, REFILL_BELOW = 4000, 2000
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0


class Outlet:
    """The lanes of one rail. `deadline_s`: how long a leg is tried."""

    def __init__(
        self,
        *,
        translator: Translator,
        client: RailClient,
        store: Store,
        outbox: Outbox,
        accounts: Accounts,
        results: reports.ResultsCourier,
        orders: OrderTeller,
        partitions: int,
        now_ms: Callable[[], int],
        deadline_s: float,
        counts: Counts,
        link_for: Callable[[Media, int], str],
        uploader: Uploader,
        quotes: Quotes,
        groups: Natives,
        tracer: Tracer | None = None,
    ) -> None:
        self._translator, self._rail, self._client = translator, translator.rail, client
        self._store, self._outbox, self._accounts, self._results = store, outbox, accounts, results
        self._orders, self._groups = orders, groups
        self._partitions, self._now_ms, self._deadline_ms = partitions, now_ms, int(deadline_s * 1000)
        self._started_at_ms = now_ms()
        self._counts = counts
        self._uploader, self._quotes, self._tracer = uploader, quotes, tracer
        self._tasks: asyncio.TaskGroup
        self._context = Context(translator=translator, now_ms=now_ms, link_for=link_for, quotes=quotes)
        self._lanes = Lanes()
        self._is_behind = True
        """Whether the table may have legs that are in no lane."""
        self._more, self._wake = asyncio.Event(), asyncio.Event()
        self._more.set()
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._paused_until_s, self._pause_s = 0.0, FIRST_PAUSE_S
        self._jitter = random.Random()  # noqa: S311 - spreads retries, protects nothing
        self.pending = 0
        """Legs that are not done."""
        self.trouble = ""
        """Why the whole rail is paused: `away`, `bad_credentials`; empty when it is not."""
        self.put_off_since_ms = 0
        """Since when the rail has put off everything that it was asked; 0: it has not."""

    def is_idle(self, lane: str) -> bool:
        """Whether nothing stands before a new leg of that lane; asked before the transaction that keeps the leg."""
        return lane not in self._lanes

    def foresee(self, tx: Transaction, rows: Sequence[LegRow], idle: Collection[str]) -> list[Foreseen]:
        """Plan new legs in the transaction that puts them into the table: the first ones of lanes that were idle."""
        first: dict[str, LegRow] = {}
        for row in rows:
            first.setdefault(row.lane, row)
        return [
            Foreseen(
                row=row,
                step=self._plan(tx, Leg(row, in_doubt=False))
                if row.lane in idle and first[row.lane] is row and row.act != "delivered"
                else None,
            )
            for row in rows
        ]

    def legs_added(self, found: Sequence[Foreseen]) -> None:
        """The log reader has put legs into the table; they are taken from its hands if nothing stands before them."""
        self.pending += len(found)
        if self._is_behind or self._lanes.loaded + len(found) > MOST_LOADED:
            self._is_behind = True
            self._more.set()
            return
        for one in found:
            is_first = one.row.lane not in self._lanes
            self._lanes.add(Leg(one.row, in_doubt=self._is_from_before(one.row), step=one.step if is_first else None))
        self._wake.set()

    def leg_put_back(self) -> None:
        """A leg has been put into the table again."""
        self.pending += 1
        self._is_behind = True
        self._more.set()

    def _is_from_before(self, row: LegRow) -> bool:
        """Whether it may have been tried before we started: also when we have read it again from the log."""
        return min(row.taken_at_ms, routed_at_ms_of(row)) < self._started_at_ms

    def lag_ms(self) -> int:
        """How long the oldest loaded leg has been waiting."""
        oldest = self._lanes.oldest_at_ms()
        return 0 if oldest is None else max(0, self._now_ms() - oldest)

    async def count(self) -> None:
        """Count what is left from before. Call it once, before anybody adds legs."""
        self.pending = await self._store.write(lambda tx: int(tx.execute("SELECT count(*) FROM legs").fetchone()[0]))

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._load())
            while True:
                await self._slots.acquire()
                legs = await self._next()
                tasks.create_task(self._handle(legs))

    # --- lanes ---

    async def _load(self) -> None:
        """Legs from the table into their lanes, as long as there is room; the rest stays on disk."""
        while True:
            await self._more.wait()
            self._more.clear()
            while self._lanes.loaded < REFILL_BELOW:
                rows = await self._store.write(
                    lambda tx: kept(tx, after=self._lanes.last_id, most=MOST_LOADED - REFILL_BELOW), durable=False
                )
                for row in rows:
                    self._lanes.add(Leg(row, in_doubt=self._is_from_before(row)))
                self._wake.set()
                if len(rows) < MOST_LOADED - REFILL_BELOW:
                    self._is_behind = False
                    break

    async def _next(self) -> list[Leg]:
        """The first legs of the lanes that are ready; waits until there is one and the rail is not paused."""
        clock = asyncio.get_running_loop().time
        while True:
            now_s = clock()
            if now_s >= self._paused_until_s:
                # One less than a batch holds: the order of our own messages goes first.
                legs = self._lanes.take(now_s, most=1 if self.trouble else extension.BATCH_MOST - 1)
                if legs:
                    return legs
            due_s = self._lanes.due_s()
            self._wake.clear()
            try:
                async with asyncio.timeout_at(None if due_s is None else max(due_s, self._paused_until_s)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _release(self, outcome: Outcome) -> None:
        """The lane may go on: with its next leg, with this one again, or later."""
        now_s = asyncio.get_running_loop().time()
        self._lanes.release(
            outcome.leg, ends=outcome.ends, from_s=now_s + outcome.wait_s if outcome.wait_s > 0 else 0.0
        )
        if outcome.ends:
            self.pending -= 1
            if self._is_behind and self._lanes.loaded < REFILL_BELOW:
                self._more.set()
        self._wake.set()

    # --- one batch ---

    async def _handle(self, legs: list[Leg]) -> None:
        try:
            steps = await self._steps(legs)
            for leg, step in zip(legs, steps, strict=True):
                if isinstance(step, Wanting):
                    self._tasks.create_task(self._upload(leg, step))
                elif isinstance(step, Quoting):
                    self._tasks.create_task(self._quote(leg, step))
            outcomes = await self._make_accounts(legs, steps)
            sending = [(leg, step) for leg, step in zip(legs, steps, strict=True) if isinstance(step, Sending)]
            outcomes += [
                self._without_call(leg, step)
                for leg, step in zip(legs, steps, strict=True)
                if isinstance(step, Finished | Impossible)
            ]
            if sending:
                outcomes += await self._send(sending)
            self._settle(outcomes)
        finally:
            self._slots.release()
        for outcome in outcomes:
            self._release(outcome)

    async def _steps(self, legs: Sequence[Leg]) -> list[Step]:
        """What is to be done: as foreseen, or planned now."""
        known = [leg.step for leg in legs]
        for leg in legs:
            leg.step = None
        if None not in known:
            return [step for step in known if step is not None]

        def plan(tx: Transaction) -> list[Step]:
            return [step or self._plan(tx, leg) for leg, step in zip(legs, known, strict=True)]

        return await self._store.write(plan, durable=False)

    def _plan(self, tx: Transaction, leg: Leg) -> Step:
        try:
            return acts.plan(tx, leg.row, self._context, done=leg.done, refused=leg.refused)
        except (NotUnderstood, msgspec.DecodeError) as error:
            return Impossible(why=f"not understood: {error}")

    def _without_call(self, leg: Leg, step: Finished | Impossible) -> Outcome:
        if isinstance(step, Finished):
            return Outcome(leg=leg, ends=True, native_ids=step.native_ids, lost=step.lost, skipped=step.skipped)
        return Outcome(leg=leg, ends=True, failed=step.why, reason="impossible")

    async def _make_accounts(self, legs: Sequence[Leg], steps: Sequence[Step]) -> list[Outcome]:
        """Ghosts for members who have nobody here yet. The leg is planned again when they are there."""
        outcomes = []
        for leg, step in zip(legs, steps, strict=True):
            if not isinstance(step, Missing):
                continue
            try:
                for seat in step.seats:
                    await self._accounts.find_node(seat)
                outcomes.append(Outcome(leg=leg))
            except NoAccount as error:
                outcomes.append(Outcome(leg=leg, ends=True, failed=str(error)))
            except RailAway:
                outcomes.append(self._rail_away(leg))
            except (Unanswered, ApiError, msgspec.DecodeError, *AWAY) as error:
                self.put_off_since_ms = self.put_off_since_ms or self._now_ms()
                self._counts.retries["put_off"] += 1
                outcomes.append(self._again(leg, str(error), 0.0))
        return outcomes

    async def _upload(self, leg: Leg, step: Wanting) -> None:
        """Files that the leg's next message shows, while other lanes go on. It is planned again when they are there."""
        try:
            await self._uploader.give(step)
            outcome = Outcome(leg=leg)
        except Lost as error:
            outcome = Outcome(leg=leg, ends=True, failed=str(error), reason="impossible")
        except RailAway:
            outcome = self._rail_away(leg)
        except NotNow as error:
            outcome = self._again(leg, str(error), error.wait_s)
        except (Unanswered, ApiError, StoreError, *AWAY) as error:
            outcome = self._again(leg, str(error), 0.0)
        self._settle([outcome])
        self._release(outcome)

    async def _quote(self, leg: Leg, step: Quoting) -> None:
        """What the leg answers is read in the log, while other lanes go on."""
        try:
            await self._quotes.fetch(step)
            self._release(Outcome(leg=leg))
        except (ApiError, *AWAY) as error:
            outcome = self._again(leg, str(error), 0.0)
            self._settle([outcome])
            self._release(outcome)

    async def _send(self, sending: list[tuple[Leg, Sending]]) -> list[Outcome]:
        ranks = {} if self.trouble else self._orders.take()
        calls = [self._call(leg, step) for leg, step in sending]
        answers: list[Answer] = []
        try:
            answers = await self._client.ask_many([extension.orders(ranks), *calls] if ranks else calls)
        except RailAway:
            return [self._rail_away(leg) for leg, _ in sending]
        except Unanswered as error:
            # It may have been done. The same keys are sent again, so that it is done once.
            self._counts.retries["unanswered"] += len(sending)
            for leg, _ in sending:
                leg.in_doubt = True
            return [self._again(leg, str(error), 0.0) for leg, _ in sending]
        finally:
            self._orders.settle(ranks, answers[0] if ranks and answers else None)
        answers = answers[1:] if ranks else answers
        self._pause_s = FIRST_PAUSE_S
        if self.trouble == "away":
            self.trouble = ""
        return [self._judge(leg, step, answer) for (leg, step), answer in zip(sending, answers, strict=True)]

    def _call(self, leg: Leg, step: Sending) -> Call:
        if self._tracer is None:
            return step.call
        return in_trace(self._tracer, self._rail, step.call, leg.row.event_id)

    def _judge(self, leg: Leg, step: Sending, answer: Answer) -> Outcome:
        verdict: Verdict = self._translator.judge(answer.status, answer.body)
        match verdict.outcome:
            case "done":
                self.trouble, self.put_off_since_ms = "", 0
                return self._done(leg, step, answer)
            case "permanent":
                return self._refused(leg, step, verdict)
            case "bad_credentials":
                self._pause("bad_credentials")
                return Outcome(leg=leg)
            case _:
                self.put_off_since_ms = self.put_off_since_ms or self._now_ms()
                self._counts.retries["put_off"] += 1
                leg.in_doubt = leg.in_doubt or verdict.outcome == "uncertain" or answer.status >= 500
                return self._again(leg, verdict.text, verdict.wait_s or answer.wait_s)

    def _refused(self, leg: Leg, step: Sending, verdict: Verdict) -> Outcome:
        """The end, unless there is another way: the leg is then planned again, knowing why."""
        if verdict.code in PAST and any(one is GONE for _, one in step.changes):
            return Outcome(leg=leg, shown=step.changes)
        used = step.written.post.uploads.values() if step.written is not None else ()
        if used and not leg.refused:
            # It may have let go of the files: with the last message that showed them, or because they were old.
            leg.refused = verdict.code or "refused"
            return Outcome(leg=leg, forgotten=tuple(used))
        if step.has_other_way and not leg.refused:
            leg.refused, leg.done = verdict.code or "refused", 0
            return Outcome(leg=leg)
        return Outcome(leg=leg, ends=True, failed=f"{verdict.text} ({verdict.code})", lost=step.lost)

    def _done(self, leg: Leg, step: Sending, answer: Answer) -> Outcome:
        leg.done += 1
        if step.grouped:
            native_id = extension.group_made(answer.body)
            if not native_id:
                return self._again(leg, "the answer names no group", 0.0)
            self._groups.add(native_id)
            return Outcome(leg=leg, ends=step.is_last, grouped=native_id)
        if step.written is None:
            return Outcome(leg=leg, ends=step.is_last, shown=step.changes, reacted=step.reacted, lost=step.lost)
        posted: Posted = self._translator.posted(answer.body)
        if not posted.native_ids:
            leg.in_doubt = True
            return self._again(leg, "the answer names no message", 0.0)
        return Outcome(
            leg=leg,
            places=steps.places(leg.row, step.written, posted.native_ids, posted.at_ms or self._now_ms()),
            shown=[(posted.native_ids[0], step.written.shown)],
            reacted=step.reacted,
            lost=step.lost,
            ends=step.is_last,
            native_ids=posted.native_ids,
        )

    def _again(self, leg: Leg, why: str, wait_s: float) -> Outcome:
        """Later: as told, or after a random time up to a limit that doubles. Past the deadline, never."""
        leg.retries += 1
        if self._now_ms() - leg.row.taken_at_ms > self._deadline_ms:
            failed = f"given up after {leg.retries} attempts: {why}"
            return Outcome(leg=leg, ends=True, failed=failed, reason="deadline")
        limit_s = min(FIRST_WAIT_S * 2 ** min(leg.retries - 1, 10), LONGEST_WAIT_S)
        return Outcome(leg=leg, wait_s=wait_s or max(0.01, self._jitter.uniform(0, limit_s)))

    def _rail_away(self, leg: Leg) -> Outcome:
        self._pause("away")
        if self._now_ms() - leg.row.taken_at_ms > self._deadline_ms:
            failed = f"{self._rail} could not be reached in time"
            return Outcome(leg=leg, ends=True, failed=failed, reason="deadline")
        return Outcome(leg=leg)

    def _pause(self, why: str) -> None:
        """The whole rail waits; single calls then find out whether it is back."""
        now_s = asyncio.get_running_loop().time()
        if self.trouble != why:
            _log.warning("rail.paused", rail=self._rail, reason=why)
        self.trouble = why
        if now_s >= self._paused_until_s:
            self._paused_until_s = now_s + self._pause_s * self._jitter.uniform(0.5, 1)
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    # --- what it changes ---

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        """Write down what has changed. Whatever reads it later finds it so; the disk may have it a little later."""
        if not any(one.ends or one.places or one.shown or one.forgotten or one.grouped for one in outcomes):
            return
        self._store.later(
            lambda tx: write(
                tx, outcomes, rail=self._rail, outbox=self._outbox, partitions=self._partitions, at_ms=self._now_ms()
            )
        )
        has_failed = any(outcome.failed for outcome in outcomes)
        if has_failed or any(outcome.places or outcome.leg.row.act in TOLD_ABOUT for outcome in outcomes):
            self._results.wake(hurry=has_failed)
        self._count([outcome for outcome in outcomes if outcome.ends])
        for outcome in outcomes:
            if outcome.ends:
                row = outcome.leg.row
                what = "leg.failed" if outcome.failed else "leg.done"
                _log.info(what, rail=self._rail, act=row.act, event_id=row.event_id, retries=outcome.leg.retries)

    def _count(self, ended: Sequence[Outcome]) -> None:
        if self._tracer is not None:
            add_ended(self._tracer, self._rail, ended, now_ms=self._now_ms())
        posted = []
        for outcome in ended:
            if outcome.failed:
                self._counts.failed[outcome.reason] += 1
                continue
            self._counts.done[outcome.leg.row.act] += 1
            if outcome.places:
                posted.append(outcome.leg.row)
        routed_at_ms = [routed_at_ms_of(posted[index]) for index in sampled(range(len(posted)))]
        self._counts.posted.observe_since([at_ms for at_ms in routed_at_ms if at_ms], self._now_ms())
