"""Each mutant is a bug that somebody could make in good faith, and the tests that must then fail.

`before` must stand in the file exactly once; `tests/unit/test_mutants.py` sees to it that it does, so that a mutant
does not quietly fall out of use when the code is changed.
"""

import msgspec

_BUS, _WHOLE = "tests/simulation/test_bus.py", "tests/simulation/test_whole.py"


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """One bug."""

    name: str
    why: str
    """What somebody might think, and why it is wrong."""
    file: str
    before: str
    after: str
    tests: tuple[str, ...]
    """Pytest's names of what must fail (one of them is enough)."""


MUTANTS = (
    Mutant(
        name="fence-left-out",
        why="The lease says who owns the partition. But an owner that was stopped does not know that it has lost it.",
        file="bus/commit.py",
        before='headers = {"Nats-Expected-Last-Subject-Sequence": str(self.expected)}',
        after="headers: dict[str, str] = {}",
        tests=(f"{_BUS}::test_a_zombie_commits_nothing",),
    ),
    Mutant(
        name="progress-of-the-consumer-trusted",
        why="The durable consumer knows where we were. But its idea of it does not survive a killed server.",
        file="bus/reader.py",
        before='await conn.api(f"CONSUMER.RESET.{stream}.{consumer}", {"seq": after + 1})',
        after="pass",
        tests=(f"{_BUS}::test_the_server_forgets_how_far_a_bridge_has_read",),
    ),
    Mutant(
        name="idempotency-key-forgotten",
        why="A post that was not answered has failed. But it may have been done: the answer was lost.",
        file="rails/kit/edges.py",
        before="key = edge.call.idempotency_key if edge.by_partner else None",
        after="key = None",
        tests=(f"{_WHOLE}::test_a_post_whose_answer_was_lost_is_made_once",),
    ),
    Mutant(
        name="marker-assigned",
        why="The newest receipt is right. But they come in any order, and again.",
        file="schemas/markers.py",
        before='return self.join(Marker(read=position) if kind == "read" else Marker(delivered=position))',
        after='return Marker(read=position) if kind == "read" else Marker(delivered=position)',
        tests=("tests/properties/test_core.py::test_markers_converge_in_any_order_and_repetition",),
    ),
    Mutant(
        name="epoch-forgotten",
        why="The newest change of a mark is right. But what a rail tells may be hours old, and come again.",
        file="router/core/conversation.py",
        before="later = before.join(Marker(marks={event.mark: (event.epoch, event.on)}))",
        after="later = msgspec.structs.replace(before, marks={**before.marks, event.mark: (event.epoch, event.on)})",
        tests=("tests/properties/test_receipts.py::test_read_state_and_unread_counts_converge",),
    ),
    Mutant(
        name="mark-undone-by-a-receipt",
        why="Who has read a thread has it read. But what the partner tells was read on another rail.",
        file="rails/kit/acts.py",
        before="        if not by_partner:\n            filing.mark(",
        after="        if True:\n            filing.mark(",
        tests=(
            "tests/integration/rails/test_marks.py::test_reading_takes_unread_away_and_what_the_partner_says_of_reading_does_not",
        ),
    ),
    Mutant(
        name="epoch-not-looked-at",
        why="The partner tells what is. But what it tells may be older than what was done here.",
        file="rails/kit/filing.py",
        before="if (epoch, on) > _known(tx, account.id, thread_id, mark):",
        after="if epoch:",
        tests=(
            "tests/integration/rails/test_marks.py::test_the_later_epoch_counts_in_whatever_order_the_partner_tells",
        ),
    ),
    Mutant(
        name="sign-of-anybody-believed",
        why="A bridge says who is writing. But it may speak only for people of its rail.",
        file="bridges/kit/signs.py",
        before="return person.account_on(self.rail) is not None",
        after="return True",
        tests=("tests/integration/bridges/test_typing.py::test_a_bridge_speaks_only_for_people_of_its_rail",),
    ),
    Mutant(
        name="dedup-window-relied-on",
        why="The bus knows the ids it has seen. But only those of its window, and rails try again for days.",
        file="bridges/kit/intake.py",
        before="if claimed is not None:\n            # Seen before",
        after="if claimed is not None and self._outbox.is_pending(tx, claimed.event_id):\n            # Seen before",
        tests=(f"{_WHOLE}::test_a_webhook_that_comes_again_after_every_window_is_one_message",),
    ),
    Mutant(
        name="snapshot-taken-for-fresh",
        why="The snapshots were written when the router ended. But not when it was killed.",
        file="router/partition.py",
        before="states, sequence = self.states, await self.states.checkpoint()",
        after="states, sequence = self.states, last_sequence",
        tests=(f"{_BUS}::test_both_routers_die_at_once",),
    ),
    Mutant(
        name="gap-taken-for-nobody",
        why="The server has sent what it has. But a line can get lost between two servers of a cluster.",
        file="bus/stored.py",
        before="if [*links, _behind(last)] != [0, *(one.sequence for one in found)]:",
        after="if not links and found:",
        tests=(f"{_BUS}::test_a_gap_in_a_range_is_not_taken_for_nobody",),
    ),
    Mutant(
        name="stream-not-asked-in-doubt",
        why="What was published and not marked is published again under its id. But the bus forgets ids.",
        file="bridges/kit/outbox.py",
        before="rows = await self._without_stored(rows)",
        after="pass",
        tests=(f"{_WHOLE}::test_a_bridge_killed_behind_its_publish_looks_whether_the_bus_has_it",),
    ),
    Mutant(
        name="late-add-counts",
        why="Whoever adds somebody means it. But the invitation may be older than the removal.",
        file="router/core/groups.py",
        before="group.left.get(person.id, 0) > event.seen",
        after="group.left.get(person.id, 0) < 0",
        tests=(
            "tests/unit/router/test_groups.py::test_mautrix_meta_65_mautrix_whatsapp_389_a_removal_wins_over_a_late_add",
        ),
    ),
)
