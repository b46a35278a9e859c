"""Recorded messages under another policy: only what the policy changes is told."""

import msgspec
import pytest

from router.core.decision import entry
from router.replay import BadPolicy, Replay, Rerouted, read_policy
from schemas.codec import encode
from schemas.events import AccountSeen, Message
from schemas.ids import EventId
from schemas.log import Entry
from tests.unit.router.town import A_AND_C, ALICE, ALICE_WA, BOB, BOB_IG, CARLA, CARLA_IG, EVERYTHING, Town, message


def recorded() -> list[Entry]:
    """Everybody comes; alice writes to bob (messenger and instagram) and to carla (instagram)."""
    town = Town()
    come = AccountSeen(id=EventId("evt_0"), actor=ALICE_WA, name="alice")
    first = entry(town.route(come, "whatsapp"), come, source="whatsapp", raw=encode(come))
    found = [msgspec.structs.replace(first, outcome="people", people=(ALICE, BOB, CARLA))]
    events = (message(), message(to=CARLA.id, conversation=A_AND_C, event="evt_2"))
    return found + [entry(town.route(one, "whatsapp"), one, source="whatsapp", raw=encode(one)) for one in events]


def rerouted(policy: str) -> list[Rerouted]:
    """What changes under this policy."""
    replay, found = Replay(policy=read_policy(policy), capabilities=EVERYTHING), list[Rerouted]()
    for one in recorded():
        replay.learn(one)
        if (changed := replay.decide(one, at_ms=7)) is not None:
            found.append(changed)
    assert replay.considered == 2
    return found


@pytest.mark.parametrize(
    ("policy", "ways"),
    [
        ("", []),
        (f"[people.'{BOB_IG}']\nnever = ['instagram']", [("evt_1", ["messenger"])]),
        ("[everybody]\nnever = ['messenger']", [("evt_1", ["instagram"]), ("evt_2", ["instagram"])]),
        (f"[people.'{CARLA_IG}']\nnever = ['instagram']", [("evt_2", [])]),
        ("[rails.instagram]\ntext = 'refused'", [("evt_1", ["messenger"]), ("evt_2", ["messenger"])]),
    ],
)
def test_only_what_the_policy_changes_is_told(policy: str, ways: list[tuple[str, list[str]]]) -> None:
    """By a person, for everybody, and by what a rail carries; no policy changes nothing."""
    assert [(one.message_id, one.after["legs"]) for one in rerouted(policy)] == ways


def test_whom_nothing_reaches_any_more_is_a_refusal() -> None:
    """And both ways are told, with the words."""
    (one,) = rerouted(f"[people.'{CARLA_IG}']\nnever = ['instagram']")
    assert (one.before["outcome"], one.after["outcome"], one.writer) == ("routed", "refused", ALICE_WA)
    assert "not available" in one.after["why"]


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("[nobody]", "unknown field"),
        ("never = ", "cannot be read"),
        ("[rails.icq]\ntext = 'full'", "no such rail"),
        ("[rails.instagram]\nsmell = 'full'", "smell"),
        ("[rails.instagram]\ntext = 'purple'", "does not fit"),
    ],
)
def test_a_policy_that_cannot_be_laid_over_is_refused(policy: str, words: str) -> None:
    """With what is wrong in it."""
    with pytest.raises(BadPolicy, match=words):
        Replay(policy=read_policy(policy), capabilities=EVERYTHING)


def test_a_message_is_what_the_town_says() -> None:
    """The test's own record is a routed one."""
    assert isinstance(message(), Message)
    assert [one.outcome for one in recorded()] == ["people", "routed", "routed"]
