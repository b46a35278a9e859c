"""People write, change their minds and react on three rails, in any order of everything; in the end all rails agree."""

import asyncio
import os
import sqlite3
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from bridges.kit import idmap
from rails.kit.model import Refused
from tests.simulation.agreement import differences
from tests.simulation.federation import ADDRESSES, PAIRS, RAILS, Federation

EXAMPLES = int(os.environ.get("TRINARIO_EXAMPLES", "500"))
"""`make simulation EXAMPLES=...` runs more, with a seed of its own."""

EMOJI = ("\N{THUMBS UP SIGN}", "\N{HEAVY BLACK HEART}\N{VARIATION SELECTOR-16}", "")
TICKS = st.sampled_from((1, 400, 1000))


class Agreement(RuleBasedStateMachine):
    """One run. Any person acts from any account of theirs; in between, any part makes a turn or is killed."""

    empty: ClassVar[dict[str, sqlite3.Connection]]
    folder: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.it = Federation(self.empty, self.folder)
        self.loop.run_until_complete(self.it.settle_in())
        self.written: list[tuple[str, str, str, str]] = []
        """Author, peer, rail and native id where it was written."""
        self.said = 0

    def teardown(self) -> None:
        try:
            self._judge()
        finally:
            self.loop.close()

    def _judge(self) -> None:
        for rail in self.it.rails.values():
            rail.losing.clear()
        self.loop.run_until_complete(self.it.quiet())
        unexplained = [one for one in differences(self.it) if not one.reason]
        assert not unexplained, unexplained

    # --- people ---

    @rule(pair=st.sampled_from(PAIRS), which=st.integers(0, 2), ticks=TICKS)
    def write(self, pair: tuple[str, str], which: int, ticks: int) -> None:
        self._write(pair, which, ticks, reply_to=None)

    @precondition(lambda self: self.written)
    @rule(number=st.integers(0, 20), which=st.integers(0, 2), ticks=TICKS, answers=st.booleans())
    def reply(self, number: int, which: int, ticks: int, *, answers: bool) -> None:
        author, peer, _, _ = self.written[number % len(self.written)]
        who, whom = (peer, author) if answers else (author, peer)
        self._write((who, whom), which, ticks, reply_to=number)

    def _write(self, pair: tuple[str, str], which: int, ticks: int, *, reply_to: int | None) -> None:
        author, peer = pair
        rail = self._rail_of(author, which)
        self.it.tick(ticks)
        self.said += 1
        target = None if reply_to is None else self._copy(reply_to, rail)
        if reply_to is not None and target is None:
            return
        one, other = self.it.accounts[author, rail], self.it.accounts[peer, rail]
        native_id = self.it.rails[rail].post(one, other, f"{author}-{self.said}", target)
        self.written.append((author, peer, rail, native_id))

    @precondition(lambda self: self.written)
    @rule(number=st.integers(0, 20), which=st.integers(0, 2), ticks=TICKS)
    def edit(self, number: int, which: int, ticks: int) -> None:
        author = self.written[number % len(self.written)][0]
        self.said += 1
        self._change(number, author, which, ticks, "edit", f"{author}-{self.said}")

    @precondition(lambda self: self.written)
    @rule(number=st.integers(0, 20), which=st.integers(0, 2), ticks=TICKS)
    def unsend(self, number: int, which: int, ticks: int) -> None:
        self._change(number, self.written[number % len(self.written)][0], which, ticks, "unsend")

    @precondition(lambda self: self.written)
    @rule(
        number=st.integers(0, 20),
        by=st.integers(0, 1),
        which=st.integers(0, 2),
        ticks=TICKS,
        emoji=st.sampled_from(EMOJI),
    )
    def react(self, number: int, by: int, which: int, ticks: int, emoji: str) -> None:
        self._change(number, self.written[number % len(self.written)][by], which, ticks, "react", emoji)

    def _change(self, number: int, who: str, which: int, ticks: int, what: str, *more: str) -> None:
        """Somebody does something to the copy of a message that they see on one of their rails, if it is there."""
        rail = self._rail_of(who, which)
        native_id = self._copy(number, rail)
        self.it.tick(ticks)
        if native_id is None:
            return
        try:
            getattr(self.it.rails[rail], what)(self.it.accounts[who, rail], native_id, *more)
        except Refused:
            return  # taken back already, edited too often: the rail has told them

    def _rail_of(self, who: str, which: int) -> str:
        own = self.it.own[who]
        return own[which % len(own)]

    def _copy(self, number: int, rail: str) -> str | None:
        """What a message is called on a rail, once it is there. As the rail has it, whatever the bridge knows."""
        _, _, origin, native_id = self.written[number % len(self.written)]
        if rail == origin:
            return native_id
        there = self.it.bridges[origin].desk.do(lambda tx: idmap.by_native(tx, [native_id])).get(native_id)
        if there is None:
            return None
        parts = self.it.bridges[rail].desk.do(lambda tx: idmap.parts_of(tx, there.event_id))
        return parts[0].native_id if parts else None

    # --- turns, and what goes wrong ---

    @rule(rail=st.sampled_from(RAILS), most=st.sampled_from((1, 2, 200)), swapped=st.booleans(), twice=st.booleans())
    def webhook(self, rail: str, most: int, *, swapped: bool, twice: bool) -> None:
        self._do(self.it.hook(rail, most=most, swapped=swapped, twice=twice))

    @rule(rail=st.sampled_from(RAILS))
    def publish(self, rail: str) -> None:
        self._do(self.it.bridges[rail].publish())

    @rule(rail=st.sampled_from(RAILS), most=st.sampled_from((1, 100)))
    def route(self, rail: str, most: int) -> None:
        self._do(self.it.route(rail, most))

    @rule(rail=st.sampled_from(RAILS), most=st.sampled_from((1, 100)))
    def read(self, rail: str, most: int) -> None:
        self._do(self.it.bridges[rail].read(most))

    @rule(rail=st.sampled_from(RAILS), lost=st.sampled_from(("", "", "before", "after")))
    def call(self, rail: str, lost: str) -> None:
        if lost:
            self.it.rails[rail].losing.append(lost)
        self._do(self.it.bridges[rail].call())

    @rule(rail=st.sampled_from(RAILS))
    def crash(self, rail: str) -> None:
        self.it.bridges[rail].crash()

    @rule()
    def rest(self) -> None:
        self._judge()

    def _do(self, turn: object) -> None:
        self.loop.run_until_complete(turn)

    @invariant()
    def nobody_is_two(self) -> None:
        """Links hold: three people, whatever happens."""
        assert len({self.it.person(handle).id for handle in self.it.people()}) == len(ADDRESSES)


@pytest.mark.timeout(0 if "TRINARIO_EXAMPLES" in os.environ else 600)
def test_all_rails_agree_in_the_end(empty: dict[str, sqlite3.Connection], tmp_path: Path) -> None:
    """Hypothesis prints the steps of the shortest run that ends in a difference without a reason."""
    machine = type("Agreement", (Agreement,), {"empty": empty, "folder": tmp_path})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=30,
            derandomize="TRINARIO_EXAMPLES" not in os.environ,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
