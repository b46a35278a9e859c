"""Each mutant is a bug that somebody could make in good faith, and the tests that must then fail.

`before` must stand in the file exactly once; `tests/unit/test_mutants.py` sees to it that it does, so that a mutant
does not quietly fall out of use when the code is changed.
"""

import msgspec

_BUS = "tests/integration/bus/test_reading_and_committing.py"
_SURVIVAL = "tests/integration/router/test_survival.py"


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
        tests=(f"{_BUS}::test_of_two_rival_committers_exactly_one_wins_each_time",),
    ),
    Mutant(
        name="progress-of-the-consumer-trusted",
        why="The durable consumer knows where we were. But its idea of it does not survive a killed server.",
        file="bus/reader.py",
        before='await conn.api(f"CONSUMER.RESET.{stream}.{consumer}", {"seq": after + 1})',
        after="pass",
        tests=(f"{_BUS}::test_the_ready_made_consumer_is_reset_to_the_cursor",),
    ),
    Mutant(
        name="idempotency-key-forgotten",
        why="A post that was not answered has failed. But it may have been done: the answer was lost.",
        file="rails/kit/edges.py",
        before="key = edge.call.idempotency_key if edge.by_partner else None",
        after="key = None",
        tests=("tests/integration/bridges/test_bad_days.py::test_on_a_bad_day_each_message_comes_once",),
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
        name="dedup-window-relied-on",
        why="The bus knows the ids it has seen. But only those of its window, and rails try again for days.",
        file="bridges/kit/intake.py",
        before="if claimed is not None:\n            # Seen before",
        after="if claimed is not None and self._outbox.is_pending(tx, claimed.event_id):\n            # Seen before",
        tests=(
            "tests/integration/bridges/test_forgetful_bus.py::test_a_webhook_that_comes_again_days_later_is_still_one",
        ),
    ),
    Mutant(
        name="snapshot-taken-for-fresh",
        why="The snapshots were written when the router ended. But not when it was killed.",
        file="router/partition.py",
        before="states, sequence = self.states, await self.states.checkpoint()",
        after="states, sequence = self.states, last_sequence",
        tests=(f"{_SURVIVAL}::test_kill_9_of_router_and_server_loses_doubles_and_reorders_nothing",),
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
