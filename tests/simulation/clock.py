"""An event loop whose time is a number: no thread, no socket, no waiting.

Callbacks belong to processes (a context variable, which tasks hand on). Within a process they run in the order in which
they came, as on any event loop; which process goes on next is drawn by seed. When nothing is ready, the time jumps to
the next timer. A process can be stopped between any two callbacks, which is at any await: what comes for it is held
(SIGSTOP), or it never goes on (kill -9: no `finally` of it runs either). Not a scheduler of threads, and not for code
that asks the operating system what time it is.
"""

import asyncio
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any


class Process:
    """What is stopped and killed as a whole. `context`: what its callbacks have to be scheduled in."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready: deque[asyncio.Handle] = deque()
        self.is_stopped, self.is_dead = False, False
        self.context: Context = copy_context()
        self.context.run(PROCESS.set, self)

    def __repr__(self) -> str:
        return f"<{self.name}>"


PROCESS: ContextVar[Process] = ContextVar("PROCESS")


class Idle(Exception):
    """Nothing is ready, nothing is timed, and the run is not over: somebody waits for what will never come."""


class VirtualLoop(asyncio.BaseEventLoop):
    """One run of a world. The same seed and the same world: the same run, callback by callback."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._chance = random.Random(seed)
        self._now_s = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count()
        self._runnable: list[Process] = []
        self.main = Process("main")
        self.failures: list[dict[str, Any]] = []
        """What nobody caught."""
        self.steps = 0
        self.set_exception_handler(lambda _, context: self.failures.append(context))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    def stop_process(self, process: Process) -> None:
        """Nothing of it runs until it is resumed."""
        process.is_stopped = True
        if process in self._runnable:
            self._runnable.remove(process)

    def resume_process(self, process: Process) -> None:
        """It goes on as if nothing had happened, with all that has come meanwhile; the dead do not."""
        if process.is_dead:
            return
        process.is_stopped = False
        if process.ready and process not in self._runnable:
            self._runnable.append(process)

    # --- what asyncio asks of a loop ---

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._enqueue(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is passed over when its time comes."""

    def _enqueue(self, handle: asyncio.Handle) -> None:
        process = handle._context.get(PROCESS, self.main)
        if not process.ready and not process.is_stopped:
            self._runnable.append(process)
        process.ready.append(handle)

    def _run_once(self) -> None:
        if not self._runnable:
            self._jump()
        timers, now_s = self._timers, self._now_s
        while timers and timers[0][0] <= now_s:
            handle = heapq.heappop(timers)[2]
            if not handle._cancelled:
                self._enqueue(handle)
        runnable = self._runnable
        if not runnable:
            return
        index = int(self._chance.random() * len(runnable)) if len(runnable) > 1 else 0
        process = runnable[index]
        handle = process.ready.popleft()
        if not process.ready:
            del runnable[index]
        if not handle._cancelled:
            self.steps += 1
            handle._run()

    def _jump(self) -> None:
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not timers:
            raise Idle("nothing is left to be done, and the run is not over")
        self._now_s = max(self._now_s, timers[0][0])

    def _process_events(self, event_list: object) -> None:
        raise NotImplementedError

    def _write_to_self(self) -> None:
        """There is nobody to wake up."""
