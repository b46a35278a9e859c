"""Complaints about other bridges that the bus has to survive: loops, doubles, order, losses, read state.

Each is a story in the whole federation, under several seeds; how a story is judged: `tests/checker`.
"""

import sqlite3
from collections.abc import Sequence

import pytest

from tests.simulation.federation import RAILS
from tests.simulation.plans import Act, Fault, Plan
from tests.simulation.runs import Outcome
from tests.simulation.whole import Before, settled
from tests.simulation.whole_runs import ACCOUNTS, BRIDGES, SERVICES, carry_out

SEEDS = range(4)


@pytest.fixture(scope="module")
def before(empty: dict[str, sqlite3.Connection], tmp_path_factory: pytest.TempPathFactory) -> Before:
    """A federation in which everybody is known."""
    return settled(empty, tmp_path_factory.mktemp("federation"))


def _writes(who: str, rail: str, whom: str, *at_ms: int) -> list[Act]:
    return [Act(at_ms=one, what="writes to", who=who, rail=rail, whom=whom) for one in at_ms]


def _reads(who: str, rail: str, whom: str, at_ms: int) -> Act:
    return Act(at_ms=at_ms, what="reads what came from", who=who, rail=rail, whom=whom)


def _fault(at_ms: int, kind: str, target: str, ms: int = 3) -> Fault:
    return Fault(at_ms=at_ms, kind=kind, target=target, ms=ms)


def _holds(before: Before, acts: Sequence[Act], *faults: Fault, with_read_states: bool = False) -> list[Outcome]:
    """Under each seed: nothing lost, nothing twice, one order, and an end in time."""
    outcomes = []
    for seed in SEEDS:
        plan = Plan(seed=seed, acts=tuple(acts), faults=faults)
        outcomes.append(carry_out(plan, before, with_read_states=with_read_states))
        assert outcomes[-1].is_good, f"seed {seed}:\n{plan}\n{outcomes[-1]}"
    return outcomes


TEN = tuple(range(500, 700, 20))
ALICE_TO_BOB = _writes("alice", "whatsapp", "bob", *TEN)


# --- loops, echoes, duplicates ---


@pytest.mark.thread("mautrix/whatsapp#132", "mautrix/whatsapp#139", "mautrix/telegram#918", "matrix-spec#31")
def test_mautrix_whatsapp_132_whoever_writes_from_wherever_is_shown_once_on_each_rail(before: Before) -> None:
    """Every rail echoes what is written there by anybody, and each of the three could answer the others for ever."""
    acts = [act for who, rail in ACCOUNTS for act in _writes(who, rail, "bob" if who != "bob" else "alice", 500, 500)]
    _holds(before, acts, *(_fault(400, "send webhooks twice from", rail) for rail in SERVICES))


@pytest.mark.thread("matterbridge#49", "matterbridge#219", "matterbridge#1039", "matterbridge#950")
def test_matterbridge_49_our_own_post_is_known_though_its_id_was_never_told_us(before: Before) -> None:
    """The call is carried out and its answer lost: the rail's echo comes before we know what the post is called."""
    found = _holds(before, ALICE_TO_BOB[:3], *(_fault(400, "lose the answer of", rail) for rail in SERVICES))
    assert all(outcome.happened["an answer lost"] for outcome in found)


@pytest.mark.thread("matterbridge#1059", "matterbridge#2144", "matterbridge#1564")
def test_matterbridge_1059_a_reconnect_repeats_nothing(before: Before) -> None:
    """Each bridge loses its connection again and again while people write."""
    faults = [_fault(at_ms, "cut", bridge) for at_ms in (520, 900, 1400) for bridge in BRIDGES]
    _holds(before, [*ALICE_TO_BOB, *_writes("bob", "instagram", "alice", 800, 1300, 1800)], *faults)


@pytest.mark.thread("matterbridge#1866", "chatwoot#11383", "chatwoot#6046", "chatwoot#11901", "chatwoot#9314")
def test_matterbridge_1866_webhooks_that_come_again_are_one_message(before: Before) -> None:
    """Side by side, and later because nobody told the rail that they were taken."""
    faults = [_fault(400, kind, rail) for kind in _AGAIN for rail in SERVICES]
    found = _holds(before, ALICE_TO_BOB[:4], *faults)
    assert all(outcome.happened["a webhook twice"] and outcome.happened["an answer lost"] for outcome in found)


_AGAIN = ("send webhooks twice from", "lose answers to webhooks of")


@pytest.mark.thread("mx-puppet-discord#121", "mx-puppet-discord#103")
def test_mx_puppet_discord_121_an_old_second_instance_doubles_nothing(before: Before) -> None:
    """A router sleeps, another takes its partitions, and then both are awake and think that they own them."""
    _holds(
        before,
        [*ALICE_TO_BOB, *_writes("carla", "whatsapp", "alice", 510, 3100, 4050)],
        _fault(530, "stop", "router-a", 3400),
        _fault(4200, "stop", "router-c", 3400),
    )


@pytest.mark.thread("massalabs/gossip#288", "divinevideo/divine-mobile#7631", "divinevideo/divine-mobile#6522")
def test_massalabs_gossip_288_trying_again_is_no_second_message_however_late(before: Before) -> None:
    """The answer is lost, the echo held back, and every window has passed when it is tried again."""
    _holds(
        before,
        _writes("alice", "whatsapp", "bob", 500, 700),
        _fault(400, "lose the answer of", "rail-instagram", 2),
        _fault(401, "hold back webhooks of", "rail-instagram", 8000),
        _fault(402, "lose answers to webhooks of", "rail-whatsapp", 2),
        _fault(2000, "pass every window of", "everybody"),
    )


def test_the_same_words_again_are_another_message(before: Before) -> None:
    """Nothing is told apart by what it says: two people write at the same moment from all of their accounts."""
    acts = [*_writes("alice", "messenger", "bob", *TEN), *_writes("bob", "messenger", "alice", *TEN)]
    _holds(before, acts)


# --- order ---


@pytest.mark.thread("waha#1945", "chatwoot#12661", "chatwoot#3608", "chatwoot#9524", "chatwoot#14739")
def test_waha_1945_what_is_written_in_the_same_moment_has_one_order_everywhere(before: Before) -> None:
    """All clocks show the same; who comes first is decided once."""
    acts = [
        act for who, rail in ACCOUNTS for act in _writes(who, rail, "alice" if who != "alice" else "bob", *[500] * 3)
    ]
    _holds(before, acts)


@pytest.mark.thread("matrix-appservice-irc#145", "matrix-appservice-irc#235", "matrix-appservice-irc#568")
@pytest.mark.thread("matrix-appservice-irc#628", "matrix-appservice-irc#1688")
def test_matrix_appservice_irc_145_after_an_outage_everything_comes_in_order(before: Before) -> None:
    """The bus is away while people write on all rails."""
    acts = [*ALICE_TO_BOB, *_writes("bob", "instagram", "alice", *TEN), *_writes("alice", "messenger", "bob", *TEN)]
    _holds(before, acts, _fault(480, "restart", "nats-server", 1500))


@pytest.mark.thread("matrix-appservice-irc#1673", "mautrix/telegram#963", "mautrix/whatsapp#57")
def test_matrix_appservice_irc_1673_what_waited_for_a_bridge_comes_in_its_order(before: Before) -> None:
    """Both the bridge it comes by and those it goes to are dead meanwhile."""
    acts = [*ALICE_TO_BOB, *_writes("bob", "messenger", "alice", 1200, 1250)]
    _holds(before, acts, *(_fault(450 + 100 * number, "kill", one, 1200) for number, one in enumerate(BRIDGES)))


@pytest.mark.thread("mautrix/whatsapp#1")
def test_mautrix_whatsapp_1_nobody_overtakes_a_message_that_is_tried_again(before: Before) -> None:
    """The first call is lost, and the second would arrive before the first is made anew."""
    _holds(before, ALICE_TO_BOB, *(_fault(at_ms, "lose calls to", rail) for at_ms in (400, 600) for rail in SERVICES))


@pytest.mark.thread("mautrix/imessage#38")
def test_mautrix_imessage_38_a_receipt_that_comes_before_its_message_waits_for_it(before: Before) -> None:
    """Bob has read on Messenger what its own rail has not told of yet: its webhooks are late."""
    acts = [*_writes("alice", "messenger", "bob", 500), _reads("bob", "messenger", "alice", 510)]
    _holds(before, acts, _fault(400, "hold back webhooks of", "rail-messenger", 3000), with_read_states=True)


# --- lost messages, silence ---


@pytest.mark.thread("mautrix/whatsapp#247", "mautrix/go#339")
def test_mautrix_whatsapp_247_more_than_any_buffer_holds_is_not_dropped(before: Before) -> None:
    """Sixty messages while both routers sleep, with four events a batch."""
    acts = _writes("alice", "whatsapp", "bob", *range(500, 1100, 10))
    _holds(before, acts, _fault(490, "stop", "router-a", 2000), _fault(490, "stop", "router-c", 2000))


@pytest.mark.thread("mautrix/whatsapp#342", "mautrix/whatsapp#113", "mautrix/whatsapp#124", "mautrix/whatsapp#324")
@pytest.mark.thread("mautrix/facebook#45")
def test_mautrix_whatsapp_342_of_ten_messages_ten_arrive(before: Before) -> None:
    """Whoever is killed among them."""
    faults = [_fault(510 + 30 * number, "kill", one, 300) for number, one in enumerate((*BRIDGES, *SERVICES))]
    _holds(before, ALICE_TO_BOB, *faults)


@pytest.mark.thread("mautrix/facebook#141", "mautrix/facebook#43", "mautrix/facebook#260")
def test_mautrix_facebook_141_what_a_rail_did_not_take_is_brought_again(before: Before) -> None:
    """It is dead, and then it loses calls."""
    faults = [_fault(480, "kill", "rail-messenger", 1400), *[_fault(1900, "lose calls to", "rail-messenger")] * 2]
    _holds(before, ALICE_TO_BOB, *faults)


@pytest.mark.thread(
    "matterbridge#325", "matterbridge#1392", "matterbridge#1201", "matterbridge#1453", "matterbridge#1238"
)
def test_matterbridge_325_what_was_written_while_all_of_it_was_down_comes_later(before: Before) -> None:
    """Routers, bridges and the bus at once."""
    down = [_fault(450, "kill", one, 1400) for one in ("router-a", "router-c", *BRIDGES)]
    _holds(before, ALICE_TO_BOB, *down, _fault(451, "restart", "nats-server", 1400))


# --- read state ---


@pytest.mark.thread("mautrix/whatsapp#16", "mautrix/whatsapp#171", "mautrix/whatsapp#409", "mautrix/whatsapp#287")
@pytest.mark.thread("mautrix/facebook#142", "mautrix/meta#32", "mautrix/meta#128")
def test_mautrix_whatsapp_16_read_here_is_read_everywhere(before: Before) -> None:
    """While bridges are cut off, killed, and answers get lost."""
    acts = [*ALICE_TO_BOB[:3], _reads("bob", "instagram", "alice", 4000), _reads("alice", "messenger", "bob", 4100)]
    faults = [_fault(4050, "cut", one) for one in BRIDGES]
    _holds(
        before,
        acts,
        *faults,
        _fault(4060, "kill", "bridge-messenger", 500),
        *(_fault(3990, "lose the answer of", f"rail-{rail}", 1) for rail in RAILS),
        with_read_states=True,
    )
