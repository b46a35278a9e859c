"""Bugs that the simulation has found, each under many schedules. A failure names its seed.

`differences` compares what the rails show; the reason on record for a difference is printed with it.
"""

import os
from collections.abc import Callable
from pathlib import Path
from sqlite3 import Connection

import pytest

from rails.kit.model import Refused
from tests.simulation.agreement import differences
from tests.simulation.federation import RAILS, Federation
from tests.simulation.schedules import Act, run

SCHEDULES = int(os.environ.get("TRINARIO_SCHEDULES", "40"))
LIKE, HEART = "\N{THUMBS UP SIGN}", "\N{HEAVY BLACK HEART}\N{VARIATION SELECTOR-16}"


class Stage:
    """Alice has written to Bob on WhatsApp, and everybody has it."""

    def __init__(self, federation: Federation) -> None:
        self.it = federation
        self.copies: dict[str, str] = {}

    async def open(self) -> None:
        await self.it.settle_in()
        accounts = self.it.accounts
        self.it.rails["whatsapp"].post(accounts["alice", "whatsapp"], accounts["bob", "whatsapp"], "one", None)
        await self.it.quiet()
        for rail in RAILS:
            row = self.it.bridges[rail].desk.db.execute("SELECT native_id FROM messages").fetchone()
            self.copies[rail] = row[0]

    def edit(self, rail: str, text: str) -> Act:
        return self._may_be_refused(
            lambda: self.it.rails[rail].edit(self.it.accounts["alice", rail], self.copies[rail], text)
        )

    def unsend(self, rail: str) -> Act:
        return lambda: self.it.rails[rail].unsend(self.it.accounts["alice", rail], self.copies[rail])

    def react(self, who: str, rail: str, emoji: str) -> Act:
        return self._may_be_refused(
            lambda: self.it.rails[rail].react(self.it.accounts[who, rail], self.copies[rail], emoji)
        )

    def reply(self, who: str, whom: str, rail: str, text: str) -> Act:
        one, other = self.it.accounts[who, rail], self.it.accounts[whom, rail]
        return lambda: self.it.rails[rail].post(one, other, text, self.copies[rail])

    @staticmethod
    def _may_be_refused(act: Callable[[], None]) -> Act:
        def tried() -> None:
            try:
                act()
            except Refused:
                return  # it has been taken back there

        return tried


Story = Callable[[Stage], list[list[Act]]]


def edits_on_two_accounts(stage: Stage) -> list[list[Act]]:
    """Found by the state machine: each rail kept the edit that had come to it last."""
    return [[stage.edit("whatsapp", "two")], [stage.edit("messenger", "three")], [stage.edit("instagram", "four")]]


def many_edits_on_two_accounts(stage: Stage) -> list[list[Act]]:
    """The same, several times over."""
    return [
        [stage.edit("whatsapp", "two"), stage.edit("whatsapp", "three")],
        [stage.edit("messenger", "four"), stage.edit("messenger", "five")],
    ]


def reactions_on_two_accounts(stage: Stage) -> list[list[Act]]:
    """Bob likes it on one rail and loves it on another, at once: one reaction, the same one everywhere."""
    return [[stage.react("bob", "messenger", LIKE)], [stage.react("bob", "instagram", HEART)]]


def reactions_changed_on_two_accounts(stage: Stage) -> list[list[Act]]:
    """Taken back here while it is changed there."""
    return [
        [stage.react("bob", "messenger", LIKE), stage.react("bob", "messenger", "")],
        [stage.react("bob", "instagram", HEART), stage.react("bob", "instagram", LIKE)],
        [stage.react("alice", "whatsapp", LIKE)],
    ]


def edited_here_unsent_there(stage: Stage) -> list[list[Act]]:
    """An unsend wins, whatever is edited meanwhile."""
    return [[stage.edit("messenger", "two")], [stage.unsend("whatsapp")], [stage.react("bob", "instagram", HEART)]]


def an_answer_to_what_is_being_edited(stage: Stage) -> list[list[Act]]:
    """Replies, edits and reactions that cross."""
    return [
        [stage.reply("bob", "alice", "instagram", "yes"), stage.react("bob", "instagram", LIKE)],
        [stage.edit("whatsapp", "two"), stage.reply("alice", "bob", "whatsapp", "and?")],
    ]


STORIES: tuple[Story, ...] = (
    edits_on_two_accounts,
    many_edits_on_two_accounts,
    reactions_on_two_accounts,
    reactions_changed_on_two_accounts,
    edited_here_unsent_there,
    an_answer_to_what_is_being_edited,
)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_all_rails_agree(story: Story, empty: dict[str, Connection], tmp_path: Path) -> None:
    """Under every one of the schedules. Replay one: its seed decides everything."""
    first = int(os.environ.get("TRINARIO_SEED", "0"))
    for seed in range(first, first + SCHEDULES):
        stage = Stage(Federation(empty, tmp_path))
        await stage.open()
        told = await run(stage.it, story(stage), seed)
        unexplained = [one for one in differences(stage.it) if not one.reason]
        assert not unexplained, (story.__name__, f"TRINARIO_SEED={seed}", unexplained, told)
