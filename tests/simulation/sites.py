"""HTTP between a rail and its bridge, without sockets: requests and answers take a while, and may be lost.

A rail is its real store and Platform API (`rail.SimRail`) in a process that may be killed like any other; its outbox is
kept like the accounts. A webhook that was not answered 200 in time comes again, and again.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from bridges.kit.contract import Call
from bridges.kit.intake import NOT_NOW
from bridges.kit.rail import Answer, RailAway, Unanswered
from tests.simulation.clock import PROCESS, Process, VirtualLoop
from tests.simulation.rail import SimRail

T = TypeVar("T")
_SLOWEST_S = 0.002
_ANSWERED_WITHIN_S, _AGAIN_S = 5.0, 0.3


class Site:
    """One rail's server and the way there. `loses`: what becomes of the next calls, as of `SimRail.losing`."""

    def __init__(self, rail: SimRail, loop: VirtualLoop, draw: Callable[[], float]) -> None:
        self.rail, self._loop, self._draw = rail, loop, draw
        self.process = Process(f"rail-{rail.name}")
        self.bridge: Any = None
        """The `Bridge` that listens, or None: nobody does."""
        self.bridge_process: Process | None = None
        self.loses_hooks = 0
        """How many of the next webhooks are taken without the rail being told."""
        self.doubles = 0
        """How many of the next webhooks are sent twice, side by side."""
        self.swaps = 0
        """How many of the next webhooks have their updates the other way round."""
        self.held_until_s = 0.0
        """Webhooks wait until then."""
        self.lost_answers = self.doubled = 0

    # --- the bridge's calls: where `bridges.kit.rail.RailClient` stands ---

    async def ask(self, call: Call) -> Answer:
        if call.path.endswith("/subscription"):
            return Answer(status=200, body=b"{}")  # the rail knows its partner since it was made
        return (await self.ask_many([call]))[0]

    async def ask_many(self, calls: list[Call]) -> list[Answer]:
        if self.process.is_dead:
            raise RailAway("Nobody answers.")
        lost = self.rail.losing.pop() if self.rail.losing else ""
        answer = self._loop.create_future()
        context = PROCESS.get().context

        def arrive() -> None:
            if lost == "before":
                return
            found = self.rail.carry_out(calls)
            if lost == "after":
                self.lost_answers += 1
                return
            self._loop.call_later(self._draw() * _SLOWEST_S, _settle, answer, found, context=context)

        self._loop.call_later(self._draw() * _SLOWEST_S, arrive, context=self.process.context)
        try:
            async with asyncio.timeout(_ANSWERED_WITHIN_S):
                found: list[Answer] = await answer
        except TimeoutError as error:
            raise Unanswered("no answer in time") from error
        return found

    # --- webhooks ---

    async def deliver(self) -> None:
        """What waits for the partner, one POST after the other."""
        while True:
            if not self.rail.waiting() or self._loop.time() < self.held_until_s:
                await asyncio.sleep(0.05)
                continue
            is_swapped, self.swaps = self.swaps > 0, max(0, self.swaps - 1)
            body, ids = self.rail.webhook(1 + int(self._draw() * 3), swapped=is_swapped)
            is_twice, self.doubles = self.doubles > 0, max(0, self.doubles - 1)
            self.doubled += is_twice
            answers = [self._post(body) for _ in range(2 if is_twice else 1)]
            if any(await asyncio.gather(*answers)):
                self.rail.taken(ids)
            else:
                await asyncio.sleep(_AGAIN_S * (0.5 + self._draw()))

    async def _post(self, body: bytes) -> bool:
        """Whether it was answered 200."""
        bridge, process = self.bridge, self.bridge_process
        if bridge is None or process is None or process.is_dead:
            return False
        is_lost, self.loses_hooks = self.loses_hooks > 0, max(0, self.loses_hooks - 1)
        answer: asyncio.Future[bool] = self._loop.create_future()

        async def take() -> None:
            try:
                await bridge.intake.take(bridge.intake.read(body), webhook=body)
                is_taken = True
            except NOT_NOW:
                is_taken = False
            if not is_lost:
                self._loop.call_later(
                    self._draw() * _SLOWEST_S, _settle, answer, is_taken, context=self.process.context
                )

        self._loop.call_later(
            self._draw() * _SLOWEST_S,
            lambda: self._loop.create_task(take(), context=process.context),
            context=process.context,
        )
        try:
            async with asyncio.timeout(_ANSWERED_WITHIN_S):
                return await answer
        except TimeoutError:
            self.lost_answers += is_lost
            return False


def _settle(future: "asyncio.Future[T]", found: T) -> None:
    if not future.done():
        future.set_result(found)
