"""Properties of the router's core: total, gapless, convergent, and never telling the wrong rail."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core.conversation import apply, begin, heard, said
from router.core.decision import entry, message_entry
from router.core.fanout import Plans, plan
from router.core.route import remembered
from schemas.codec import decode_event, decode_legs, encode
from schemas.events import AnyEvent, Link, Message, Receipt, Target, Unlink
from schemas.handles import rail_of
from schemas.ids import OPERATOR, ConversationId, EventId, PersonId, RailName, direct_conversation_id
from schemas.log import Conversation, Entry, order_of
from schemas.people import Account, Person, Preferences
from tests.unit.router.town import ALICE, BOB, CARLA, EVERYTHING, Town, about, message, receipt

RAILS = ("whatsapp", "messenger", "instagram")
sources = st.sampled_from((*RAILS, OPERATOR))
parties = st.one_of(
    st.sampled_from([*ALICE.handles(), *BOB.handles(), *CARLA.handles(), ALICE.id, BOB.id, CARLA.id]),
    st.sampled_from(["", "per_", "per_x", "whatsapp:+39333999", "whatsapp:", ":", "instagram:@nobody"]),
    st.text(max_size=8),
)
conversations = st.one_of(
    st.sampled_from([message().conversation, message(to=CARLA.id).conversation, ""]), st.text(max_size=5)
)
numbers = st.one_of(st.integers(-3, 12), st.integers(-(2**63), 2**64 - 1))


targets = st.sampled_from(["evt_1", "evt_2", "", "0"])
ranks = st.one_of(st.integers(1, 6).map(lambda number: order_of(number, 0)), st.integers(-(2**63), 2**64 - 1))


def _all(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"id": st.text(max_size=6), "conversation": conversations, "actor": parties, **fields})


events = st.one_of(
    _all(
        kind=st.just("message"),
        to=st.lists(parties, max_size=3),
        content=st.fixed_dictionaries({"type": st.just("text"), "body": st.text(max_size=9)}),
    ),
    _all(kind=st.just("unsend"), target=targets, rank=ranks),
    _all(kind=st.just("reaction"), target=targets, rank=ranks, emoji=st.text(max_size=2)),
    _all(kind=st.just("vote"), target=targets, rank=ranks, options=st.lists(numbers, max_size=2)),
    _all(
        kind=st.just("edit"),
        target=targets,
        rank=ranks,
        content=st.fixed_dictionaries({"type": st.just("text"), "body": st.text(max_size=9)}),
    ),
    _all(kind=st.just("receipt"), status=st.sampled_from(["delivered", "read"]), position=numbers),
    _all(
        kind=st.just("mark"),
        mark=st.sampled_from(["unread", "muted", "archived", "pinned"]),
        on=st.booleans(),
        epoch=numbers,
    ),
    _all(
        kind=st.just("results"),
        results=st.lists(
            st.fixed_dictionaries(
                {
                    "event": st.text(max_size=5),
                    "status": st.sampled_from(["posted", "failed", "skipped"]),
                    "origin": st.one_of(sources, st.text(max_size=4)),
                }
            ),
            max_size=4,
        ),
    ),
    _all(kind=st.just("account"), name=st.text(max_size=5), account_kind=st.sampled_from(["person", "business"])),
    _all(kind=st.just("block"), blocked=parties, on=st.booleans()),
    _all(kind=st.just("link"), handles=st.tuples(parties, parties)),
    _all(kind=st.just("unlink"), handle=parties),
    _all(
        kind=st.just("prefer"),
        handle=parties,
        receipts=st.one_of(st.none(), st.booleans()),
        never=st.one_of(st.none(), st.lists(st.sampled_from(RAILS), max_size=3)),
    ),
)


def _decoded(fields: dict[str, Any]) -> AnyEvent:
    return decode_event(encode(fields))


def _holders(town: Town) -> dict[str, str]:
    """Handle -> the person who has it, over everybody of the town."""
    handles = [*ALICE.handles(), *BOB.handles(), *CARLA.handles()]
    return {handle: town.whose(handle).id for handle in handles}


def _the_short_way(town: Town, event: AnyEvent, source: str) -> Entry | None:
    """What a batch writes of a message between two who have talked before, without asking `route`."""
    state = town.conversations.get(event.conversation)
    if not isinstance(event, Message) or state is None:
        return None
    known = remembered(event, source, town.people.stamp, town.plans, state.group)
    return known and message_entry(event, known, said(state).last, source=source, raw=encode(event))


@settings(max_examples=300)
@given(st.lists(st.tuples(events, sources), max_size=25))
def test_whatever_decodes_is_decided_and_the_log_says_the_same(history: list[tuple[dict[str, Any], str]]) -> None:
    """Never an exception; positions 1..n without gaps; folding the log gives the states that deciding gave."""
    town, folded = Town(), dict[str, Conversation | None]()
    given_out: dict[str, list[int]] = {}
    for fields, source in history:
        event = _decoded(fields)
        shortly = _the_short_way(town, event, source)
        decision = town.route(event, source)
        written = entry(decision, event, source=source, raw=encode(event))
        assert shortly in (None, written)
        read_back = msgspec.msgpack.decode(encode(written), type=Entry)
        after = apply(folded.get(event.conversation), read_back)
        if after is not None:
            folded[event.conversation] = after
        if written.kind == "message" and written.outcome == "routed":
            given_out.setdefault(event.conversation, []).append(written.position)
        elif isinstance(event, Target):
            assert decision.state is None
            assert written.position in given_out.get(event.conversation, []) or written.outcome == "refused"
        else:
            assert written.kind == "receipt" or written.position == 0
        acts = {leg.act for leg in decode_legs(written.legs).values()}
        assert source not in decode_legs(written.legs) or acts == {"fail"}
    assert folded == town.conversations
    assert all(positions == list(range(1, len(positions) + 1)) for positions in given_out.values())
    for handle, holder in _holders(town).items():
        assert [account.handle for account in town.person(PersonId(holder)).accounts].count(handle) == 1  # type: ignore[arg-type]


moves = st.lists(
    st.tuples(st.sampled_from([ALICE.id, BOB.id]), st.sampled_from(["delivered", "read"]), st.integers(-2, 30)),
    max_size=12,
)


@given(moves, st.randoms(use_true_random=False), st.integers(0, 20))
def test_markers_converge_in_any_order_and_repetition(history: list[Any], random: Any, length: int) -> None:
    """Two rails that hear the same receipts, shuffled and doubled, agree, and nobody has read what was not said."""
    conversation = begin(ConversationId("con_x"), (ALICE.id, BOB.id))
    for _ in range(length):
        conversation = said(conversation)
    shuffled = [*history, *history]
    random.shuffle(shuffled)
    one = other = conversation
    for person, kind, position in history:
        one = heard(one, person, kind, position)
    for person, kind, position in shuffled:
        other = heard(other, person, kind, position)
    assert one == other
    assert all(marker.read <= marker.delivered <= length for marker in one.markers.values())


accounts = st.lists(
    st.builds(
        lambda rail, number, state: Account(handle=f"{rail}:{number}", name="x", state=state),  # type: ignore[arg-type]
        st.sampled_from(RAILS),
        st.integers(0, 3),
        st.sampled_from(["verified", "verified", "suspended", "proposed", "unlinked"]),
    ),
    max_size=4,
    unique_by=lambda account: account.handle,
)
everybody = st.builds(
    lambda accounts, receipts, never: (accounts, Preferences(receipts=receipts, never=tuple(map(RailName, never)))),
    accounts,
    st.booleans(),
    st.lists(st.sampled_from(RAILS), max_size=2),
)


@given(
    st.lists(everybody, min_size=1, max_size=4),
    st.sampled_from(RAILS),
    st.sampled_from(["post", "edit", "unsend", "react", "vote", "read", "delivered", "block"]),
)
def test_a_plan_goes_only_where_somebody_is_and_never_back(drawn: list[Any], source: str, act: Any) -> None:
    """Never the origin, only rails where somebody is and does not mind; every other account is named."""
    members = tuple(
        Person(id=PersonId(f"per_{n}"), name=f"n{n}", accounts=tuple(accounts), preferences=preferences)
        for n, (accounts, preferences) in enumerate(drawn)
    )
    made = plan(source, act, members[0], members, EVERYTHING)
    assert source not in made.legs
    there = {
        rail
        for m in members
        for rail in m.rails()
        if rail not in m.preferences.never or (act == "block" and m is members[0])
    }
    assert set(made.legs) <= there
    if act not in ("read", "delivered", "block"):
        assert set(made.legs) == there - {source}
    if act == "post":
        silent = {
            a.handle
            for m in members
            for a in m.accounts
            if rail_of(a.handle) != source and (a.state != "verified" or rail_of(a.handle) in m.preferences.never)
        }
        assert silent <= set(made.unreached)
    if act == "read" and not members[0].preferences.receipts:
        assert all(leg.private and rail in members[0].rails() for rail, leg in made.legs.items())
    for seated, member in zip(made.seats, members, strict=True):
        assert not {rail_of(handle) for handle in seated.handles} & set(member.preferences.never)


HANDLES = (*ALICE.handles(), *BOB.handles(), *CARLA.handles())
what_happens = st.one_of(
    st.tuples(st.just("message"), st.sampled_from(HANDLES), st.sampled_from(HANDLES)),
    st.tuples(st.sampled_from(["edit", "unsend"]), st.sampled_from(HANDLES), st.integers(1, 8)),
    st.tuples(st.sampled_from(["link", "unlink"]), st.sampled_from(HANDLES), st.sampled_from(HANDLES)),
)


@settings(max_examples=300)
@given(st.lists(what_happens, max_size=20))
def test_nobody_but_its_author_changes_a_message(history: list[tuple[str, Any, Any]]) -> None:
    """Whatever the rails and whoever was linked: an edit is routed only for the person whom its author is today."""
    town, said_by = Town(), dict[int, tuple[str, PersonId]]()
    for step, (kind, handle, more) in enumerate(history):
        rail, number = rail_of(handle), len(town.log) + 1
        if kind == "message":
            pair = direct_conversation_id(town.whose(handle).id, town.whose(more).id)
            decision = town.route(message(handle, town.whose(more).id, pair, f"evt_{number}"), rail)
            if decision.outcome == "routed":
                assert decision.actor is not None
                said_by[number] = (pair, decision.actor)
        elif kind in ("link", "unlink"):
            change = (
                Link(id=EventId(f"evt_l{step}"), handles=(handle, more))
                if kind == "link"
                else Unlink(id=EventId(f"evt_u{step}"), handle=handle)
            )
            town.route(change, OPERATOR)
        else:
            conversation, author = said_by.get(more, (message().conversation, PersonId("")))
            event = about(kind, handle, target=f"evt_{more}", number=more, conversation=conversation, event="evt_e")
            decision = town.route(event, rail)
            is_author = more in said_by and town.person(author).id == town.whose(handle).id
            assert (decision.outcome == "routed") == is_author, decision.why
            assert decision.outcome == "routed" or not decode_legs(decision.packed.legs)
            assert town.route(event, rail) == decision  # seen twice, decided alike


def test_a_remembered_plan_is_the_plan_made_anew() -> None:
    """The memory of plans changes no decision, and the short way writes what the long one does."""
    warm, cold, shortly = Town(), Town(), 0
    for number, (source, event) in enumerate(
        [("whatsapp", message()), ("instagram", receipt()), ("whatsapp", message())]
    ):
        for turn in range(3):
            again = msgspec.structs.replace(event, id=EventId(f"evt_{number}_{turn}"))
            if isinstance(again, Receipt):
                again = msgspec.structs.replace(again, position=turn)
            cold.plans = Plans(capabilities=EVERYTHING)
            short = _the_short_way(warm, again, source)
            decision = warm.route(again, source)
            assert decision == cold.route(again, source)
            assert short in (None, entry(decision, again, source=source, raw=encode(again)))
            shortly += short is not None
    assert shortly == 5  # all messages but the first
