"""Daemons that die are started again, later each time, and it is said; told to end, they are drained."""

import asyncio
import itertools
import os

import pytest

from tests.must import eventually
from trinario.keeping import Part, kept
from trinario.processes import Died, run_child


async def never() -> None:
    """What the part itself would run; the runner decides here."""
    raise AssertionError


PART = Part(name="router", url="http://127.0.0.1:1", words=("router", "run"), run=never)


async def test_what_dies_is_started_again_later_each_time() -> None:
    """Twice it dies, by an error inside a group and by ending; the third lives until the end, and may tidy up."""
    said: list[str] = []
    lives = itertools.count(1)
    reached: list[str] = []

    async def run(part: Part) -> None:
        match next(lives):
            case 1:
                raise ExceptionGroup("unhandled errors in a TaskGroup", [OSError("disk gone")])
            case 2:
                return
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            reached.append(f"{part.name} drained")

    async with kept([PART], runner=run, say=said.append):

        async def two_said() -> None:
            assert len(said) == 2

        await eventually(two_said)
        await eventually(lambda: third_lives(lives))
    assert said == [
        "router died: disk gone; starting it again in 0.2 s.",
        "router ended by itself; starting it again in 0.4 s.",
    ]
    assert reached == ["router drained"]


async def third_lives(lives: "itertools.count[int]") -> None:
    """The counter has been asked for the third time (looked at without taking from it)."""
    assert lives.__reduce__()[1] == (4,)


async def test_a_child_that_ends_is_said_to_have_died(tmp_path: object) -> None:
    """Its exit code is that of the command: no such rail is 3. Its process id is told."""
    pids: list[int] = []
    with pytest.raises(Died, match="exit code 3"):
        await run_child(
            ("rail", "run", "pigeon", "--data", str(tmp_path)), environ=dict(os.environ), started=pids.append
        )
    assert len(pids) == 1
