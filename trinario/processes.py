"""Daemons as child processes: each is ``python -m trinario ...``, ends when asked, and cannot outlive its parent.

Used by `up --processes`. A child asks the kernel itself for its parent's death to be signalled (`die_with_parent`).
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence

PARENT_VARIABLE = "_TRINARIO_PARENT"
"""Set in a child's environment; the child ends when that process does."""

_STOP_WITHIN_S = 15.0
_PR_SET_PDEATHSIG = 1


class Died(Exception):
    """A child ended although nobody asked it to."""

    def __init__(self, code: int) -> None:
        super().__init__(f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}")


async def run_child(words: Sequence[str], *, environ: Mapping[str, str], started: Callable[[int], None]) -> None:
    """Run ``trinario`` with these words until it dies (raises `Died`) or we are cancelled (it is ended).

    `started` is told its process id. Its stdout is dropped; its stderr is ours.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "trinario",
        *words,
        env={**environ, PARENT_VARIABLE: str(os.getpid())},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for us alone: we end the children in order
    )
    started(process.pid)
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        await _end(process)
        raise
    raise Died(code)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_WITHIN_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def die_with_parent(environ: Mapping[str, str] = os.environ) -> None:
    """In a child: be ended by SIGTERM when the parent dies. Does nothing in a process that was not started by `up`."""
    named = environ.get(PARENT_VARIABLE)
    if named is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(named):  # it died before we asked
        sys.exit(1)
